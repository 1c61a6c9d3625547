//! `lab inspect`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use futures::future::try_join_all;

use super::{CliError, args, output};
use crate::context::StepError;
use crate::context::kubeconfig::unusable;
use crate::observe::inspect;
use crate::plan::inspected::{ClusterFacts, found_mesh, found_yaml};
use crate::sys::kube::{Cluster, contexts, one_context};
use crate::sys::{fs, home};

pub(super) async fn run(args: args::Inspect) -> Result<(), CliError> {
    output::refuse_no_name("lab", &args.name)?;
    if let Some(file) = &args.output {
        output::refuse_unwritable(file)?;
    }
    let files = kubeconfigs(args.kubeconfig.as_deref());
    let places: Vec<(PathBuf, &str)> = args
        .context
        .iter()
        .map(|context| Ok((place(&files, context)?, context.as_str())))
        .collect::<Result<_, CliError>>()?;
    if places.is_empty() {
        return Err(CliError::Usage {
            problem: "no context is named, so there is no cluster to look at".to_owned(),
            remedy: format!("name one for each cluster: `--context NAME`; {}", known(&files)),
        });
    }
    let facts = try_join_all(places.iter().map(|(file, context)| async move {
        let kubeconfig = file.display().to_string();
        let client = Cluster::connect(&one_context(file, context, context)?)
            .await
            .map_err(|error| unusable(error, &kubeconfig, context))?;
        inspect::look(&client, &kubeconfig, context).await
    }));
    let facts: Vec<ClusterFacts> = facts.await?;
    refuse_same(facts.iter().map(|f| (f.uid.as_str(), f.context.as_str())))?;
    let mesh = found_mesh(&facts);
    for warning in &mesh.warnings {
        eprintln!("warning: {warning}");
    }
    output::print_to(args.output.as_deref(), &found_yaml(&args.name, &mesh))
}

/// Refuses two names of one cluster: lab would call from it to itself.
pub(super) fn refuse_same<'a>(clusters: impl Iterator<Item = (&'a str, &'a str)>) -> Result<(), CliError> {
    let mut seen = BTreeMap::new();
    for (uid, context) in clusters {
        if let Some(other) = seen.insert(uid, context) {
            return Err(CliError::Usage {
                problem: format!("{other} and {context} lead to the same cluster"),
                remedy: "name one context for each cluster".to_owned(),
            });
        }
    }
    Ok(())
}

/// The files in which contexts are looked for, as kubectl does it.
fn kubeconfigs(named: Option<&Path>) -> Vec<PathBuf> {
    let absolute = |path: &Path| std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    if let Some(named) = named {
        return vec![absolute(named)];
    }
    let variable = std::env::var_os("KUBECONFIG").filter(|value| !value.is_empty());
    let listed = variable.iter().flat_map(std::env::split_paths).filter(|path| !path.as_os_str().is_empty());
    let listed: Vec<PathBuf> = listed.map(|path| absolute(&path)).collect();
    if listed.is_empty() { home::kubeconfig().into_iter().collect() } else { listed }
}

/// The first file that has a context.
fn place(files: &[PathBuf], context: &str) -> Result<PathBuf, CliError> {
    let there = || files.iter().filter(|file| fs::exists(file));
    for file in there() {
        if contexts(file).map_err(StepError::from)?.iter().any(|name| name == context) {
            return Ok(file.clone());
        }
    }
    let Some(file) = there().next().or_else(|| files.first()) else {
        return Err(CliError::Usage {
            problem: "there is no kubeconfig".to_owned(),
            remedy: "name one: `--kubeconfig FILE`".to_owned(),
        });
    };
    // It says what is wrong with the file, or which contexts it has.
    Err(match one_context(file, context, context) {
        Err(error) => StepError::from(error).into(),
        Ok(_) => CliError::Usage { problem: format!("no context {context} was found"), remedy: known(files) },
    })
}

/// The contexts that there are, in words.
fn known(files: &[PathBuf]) -> String {
    let all: Vec<String> = files.iter().filter_map(|file| contexts(file).ok()).flatten().collect();
    match &all[..] {
        [] => "`--kubeconfig FILE` names the file that has them".to_owned(),
        all => format!("there are {}", all.join(", ")),
    }
}
