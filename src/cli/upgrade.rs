//! `lab upgrade`.

use tokio_util::sync::CancellationToken;

use super::{CliError, args, change, output};
use crate::commands::up::Up;
use crate::commands::upgrade;
use crate::context::files;
use crate::exec::Events;
use crate::images::Source;
use crate::plan::{Action, Lab, LabCluster, Upgrade};
use crate::report::{passage_text, table, table_text};
use crate::scenario::{Available, Matrix, Minor, Product};

pub(super) async fn run(args: args::Upgrade, interrupt: &CancellationToken) -> Result<(), CliError> {
    let Some(to) = args.istio else {
        let up = change::open(&args.name).await?;
        return output::print(&there_is(&up.ctx.lab, source(&up)?));
    };
    let locked = change::locked(&args.name).await?;
    let (up, _) = &locked;
    let (lab, source) = (&up.ctx.lab, source(up)?);
    let sources = (source == Source::Packages, source == Source::Registry);
    let upgrade = Upgrade { to, sources };
    refuse(lab, source, upgrade)?;
    if upgrade.is_done(lab) {
        eprintln!("lab {} runs Istio {to} already", lab.name);
        return Ok(());
    }
    let from = other(lab, upgrade)
        .map_or_else(String::new, |from| format!(", and `lab upgrade {} --istio {from}` goes back", lab.name));
    let again = format!("`lab upgrade {} --istio {to}` goes on{from}", lab.name);
    let service = change::service()?;
    let run = async |events: &Events| {
        upgrade::run(up, upgrade, &service, &events.progress(&Action::Verify.id()), interrupt).await
    };
    let passage = change::run(&locked, "upgrade", &again, run).await.inspect_err(|error| {
        if !matches!(error, CliError::Interrupted { .. }) {
            eprintln!("{again}");
        }
    })?;
    change::tell(args.output, &passage, passage_text, passage.passed)
}

/// Where the lab's images are from.
fn source(up: &Up) -> Result<Source, CliError> {
    let known = up.ctx.state.recall::<Source>(files::SOURCE)?;
    known.ok_or_else(|| CliError::Usage {
        problem: format!("lab {} was never built to the end", up.ctx.lab.name),
        remedy: format!("`lab up {}` builds it", up.ctx.lab.name),
    })
}

/// A version that some cluster has besides the one that is asked for.
fn other(lab: &Lab, upgrade: Upgrade) -> Option<Minor> {
    let all = lab.istio_clusters().flat_map(|c| [Some(upgrade.from(c)), upgrade.beside(c)]);
    all.flatten().find(|version| *version != upgrade.to)
}

fn of_source(available: &Available, source: Source) -> Option<&String> {
    if source == Source::Packages { available.packages.as_ref() } else { available.registry.as_ref() }
}

/// The versions that a lab can have, with the clusters that have them.
fn there_is(lab: &Lab, source: Source) -> String {
    let (matrix, mut rows) = (Matrix::embedded(), table(["ISTIO", "IS", "RUNS IN", "BESIDE IN"]));
    let sources = (source == Source::Packages, source == Source::Registry);
    for (minor, version) in matrix.of(Product::Istio).filter_map(|(m, a)| Some((m, of_source(a, source)?))) {
        let upgrade = Upgrade { to: minor, sources };
        let names = |is_meant: &dyn Fn(&LabCluster) -> bool| {
            let names: Vec<&str> = lab.istio_clusters().filter(|c| is_meant(c)).map(|c| c.name.as_str()).collect();
            if names.is_empty() { "-".to_owned() } else { names.join(", ") }
        };
        let (runs, beside) = (names(&|c| upgrade.is_over(c)), names(&|c| upgrade.beside(c) == Some(minor)));
        rows.add_row([minor.to_string(), version.clone(), runs, beside]);
    }
    table_text(&rows)
}

/// Refuses what cannot be upgraded, before anything is done.
fn refuse(lab: &Lab, source: Source, upgrade: Upgrade) -> Result<(), CliError> {
    let name = &lab.name;
    let refused = |problem: String, remedy: String| Err(CliError::Usage { problem, remedy });
    let (matrix, to) = (Matrix::embedded(), upgrade.to);
    if !lab.has_mesh() {
        return refused(format!("lab {name} has no mesh, so no Istio to upgrade"), "name a lab with a mesh".to_owned());
    }
    let Some(version) = matrix.find(Product::Istio, to).and_then(|a| of_source(a, source)) else {
        return refused(
            format!("there is no Istio {to} from {source}, which lab {name} has its images from"),
            format!("`lab upgrade {name}` shows what there is"),
        );
    };
    if let Some(cluster) = lab.istio_clusters().find(|c| !c.runs_istiod() || lab.serves_others(c)) {
        return refused(
            format!("cluster {} of lab {name} shares its istiod with others", cluster.name),
            format!(
                "lab upgrades labs in which every cluster has an istiod of its own; make this one anew: `lab down {name}`, then `lab up FILE --istio {to}`"
            ),
        );
    }
    if lab.images.mirror.is_some() {
        return refused(
            format!(
                "nodes of lab {name} pull every image from a registry of yours, which may not have those of Istio {version}"
            ),
            format!("make it anew: `lab down {name}`, then `lab up FILE --istio {to}`"),
        );
    }
    for cluster in lab.istio_clusters() {
        let asked = cluster.versions.asked().find(|(of, _)| *of == Product::Kubernetes).map(|(_, minor)| minor);
        let kubernetes = matrix.effective(Product::Kubernetes, asked, upgrade.sources);
        if let Some([least, most]) = matrix.unsupported(to, kubernetes) {
            return refused(
                format!(
                    "cluster {} runs Kubernetes {kubernetes}, and Istio {to} supports {least} to {most}",
                    cluster.name
                ),
                format!("`lab upgrade {name}` shows what else there is"),
            );
        }
        let there = [Some(upgrade.from(cluster)), upgrade.beside(cluster)];
        if let Some(far) = there.into_iter().flatten().find(|version| !version.may_share_a_mesh(to)) {
            return refused(
                format!(
                    "cluster {} runs Istio {far}, and one mesh can hold only versions that follow each other",
                    cluster.name
                ),
                format!("go to the version between them and {to} first"),
            );
        }
        if let Some(under_way) = upgrade.beside(cluster).filter(|beside| *beside != to && !upgrade.is_over(cluster)) {
            return refused(
                format!("lab {name} is on its way to Istio {under_way}"),
                format!("finish that with `lab upgrade {name} --istio {under_way}` first"),
            );
        }
    }
    change::refuse_without_callers(lab, "Istio is upgraded")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::resolve;
    use crate::scenario::parse;

    fn lab(text: &str) -> Lab {
        resolve(&parse(&format!("name: x\n{text}\n"), "x").expect("a scenario")).expect("a lab")
    }

    fn to(version: &str) -> Upgrade {
        Upgrade { to: version.parse().expect("a version"), sources: (true, false) }
    }

    fn refused(text: &str, version: &str) -> String {
        let refusal = refuse(&lab(text), Source::Packages, to(version));
        refusal.map_or_else(|error| error.to_string(), |()| "nothing".to_owned())
    }

    #[test]
    fn what_cannot_be_upgraded_is_told() {
        let two = "versions: { istio: '1.31' }\nclusters: [c1, c2]";
        assert_eq!(refused(two, "1.32"), "nothing");
        assert!(refused(two, "1.7").contains("no Istio 1.7 from packages"));
        assert!(refused("mesh: none\nclusters: [c1]", "1.32").contains("no mesh"));
        let remote = "clusters: [c1, { name: c2, primary: c1 }]\nmesh: { topology: primary-remote }";
        assert!(refused(remote, "1.31").contains("cluster c1 of lab x shares its istiod"));
        let mirror = format!("{two}\nimages: {{ mirror: 'localhost:5000' }}");
        assert!(refused(&mirror, "1.32").contains("a registry of yours"));
        assert!(refused(&format!("{two}\napps: [helloworld]\nchecks: []"), "1.32").contains("nobody who calls"));
        // There are two versions, so a third is none that can be had; the rule is the same for both.
        let mut far = lab(two);
        far.clusters[1].versions.istio = "1.29".parse().ok();
        let error = refuse(&far, Source::Packages, to("1.32")).expect_err("too far");
        assert!(error.to_string().contains("cluster c2 runs Istio 1.29"), "{error}");
    }

    #[test]
    fn versions_are_told_with_who_runs_them() {
        let half = to("1.32").with_beside(&lab("versions: { istio: '1.31' }\nclusters: [c1, c2]"), "c1");
        let told = there_is(&half, Source::Packages);
        let line = |version: &str| {
            let line = told.lines().find(|l| l.starts_with(version)).expect("a line");
            line.split_whitespace().map(str::to_owned).collect::<Vec<_>>()
        };
        assert_eq!(line("1.32"), ["1.32", "1.32-dev", "-", "c1"]);
        assert_eq!(line("1.31"), ["1.31", "1.31-dev", "c1,", "c2", "-"]);
        assert_eq!(other(&half, to("1.32")).map(|m| m.to_string()).as_deref(), Some("1.31"));
    }
}
