//! The manifests of what is developed, read as those that a scenario names, so that a mistake is told with file, line and column.

use std::fmt::Write as _;

use miette::Diagnostic as _;
use tokio_util::sync::CancellationToken;

use super::super::args::Reading;
use super::super::{CliError, manifests, output};
use crate::commands::dev::{Failure, Phase, Project};
use crate::plan::Lab;
use crate::scenario::{self, App, Named, Scenario, Topology};
use crate::sys::fs;

/// What the scenario that names the manifests is called: nobody sees it.
const FILE: &str = "the manifests";

/// Reads all manifests: the lab with their objects as its apps, or what is wrong with them.
///
/// # Errors
/// An interrupt, or kustomizations cannot be built here.
pub(super) async fn read(
    project: &Project,
    lab: &Lab,
    namespace: &str,
    interrupt: &CancellationToken,
) -> Result<Result<Lab, Failure>, CliError> {
    let sources = sources(project);
    let named = Named { paths: sources.iter().map(|(path, _)| path.clone()).collect(), pem: Vec::new() };
    // Paths are relative to where this file would be.
    let place = project.directory.join(FILE);
    let files = Box::pin(manifests::read(named, &place, 0, Reading::default(), interrupt)).await?;
    let text = scenario(project, lab, namespace, &sources);
    let parsed = output::aside(interrupt, move || scenario::parse_with(&text, FILE, &files)).await?;
    Ok(match parsed {
        Ok(Scenario { mut apps, .. }) => {
            apps.retain(|app| matches!(app, App::Manifests(_)));
            Ok(Lab { apps, ..lab.clone() })
        }
        Err(errors) => Err(failure(&errors)),
    })
}

/// Where manifests are, and the cluster that those of a directory are for alone.
fn sources(project: &Project) -> Vec<(String, Option<String>)> {
    let mut sources = Vec::new();
    for path in &project.manifests {
        let of_clusters = project.clusters.iter().map(|cluster| (format!("{path}/{cluster}"), Some(cluster.clone())));
        let of_clusters: Vec<_> = of_clusters.filter(|(path, _)| fs::is_dir(&project.directory.join(path))).collect();
        sources.push((path.clone(), None));
        sources.extend(of_clusters);
    }
    sources
}

/// A scenario of nothing but the manifests, and of lab's own apps that are there, whose objects they must not have.
fn scenario(project: &Project, lab: &Lab, namespace: &str, sources: &[(String, Option<String>)]) -> String {
    let quoted = |text: &str| serde_json::Value::from(text).to_string();
    let clusters = project.clusters.iter().map(|cluster| quoted(cluster)).collect::<Vec<_>>().join(", ");
    let mut text = format!("name: dev\nclusters: [{clusters}]\n");
    if lab.mesh.topology == Topology::None {
        text.push_str("mesh: none\n");
    }
    text.push_str("apps:\n");
    for app in &lab.apps {
        text.push_str(match app {
            App::Sleep => "  - sleep\n",
            App::Helloworld { .. } => "  - helloworld\n",
            App::Manifests(_) => "",
        });
    }
    for (path, cluster) in sources {
        let only = cluster.as_ref().map(|cluster| format!("clusters: [{}], ", quoted(cluster))).unwrap_or_default();
        let (namespace, path) = (quoted(namespace), quoted(path));
        // Writing to a string cannot fail.
        let _ = writeln!(text, "  - manifests: {{ {only}namespace: {namespace}, files: [{path}] }}");
    }
    text
}

/// What is wrong with manifests, all of it. The places are in the words: those of the scenario mean nothing to anybody.
fn failure(errors: &scenario::ScenarioErrors) -> Failure {
    let problems: Vec<String> = errors.errors().iter().map(|error| error.problem().to_string()).collect();
    let remedy = errors.errors().iter().find_map(|error| error.help().map(|help| help.to_string()));
    Failure { phase: Phase::Manifests, problem: problems.join("\n"), remedy: remedy.unwrap_or_default() }
}
