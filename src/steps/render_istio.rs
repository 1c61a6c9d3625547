//! `render-istio`: istioctl renders the charts that it carries. It needs no cluster, so it runs while the clusters are made.

use sha2::{Digest as _, Sha256};

use super::step::{Custom, Step, at_once, cluster};
use crate::context::run::manifest_path;
use crate::context::{RunContext, StepError};
use crate::exec::Progress;
use crate::plan::render;
use crate::plan::{Lab, LabCluster};
use crate::sys::process::{Process, ProcessError};

fn operator_path(cluster: &LabCluster) -> String {
    let revision = cluster.revision.as_ref().map_or_else(String::new, |revision| format!("-{revision}"));
    format!("manifests/{}/istio-operator{revision}.json", cluster.name)
}

/// The input of the rendering, and the program that renders it.
fn inputs(ctx: &RunContext, cluster: &LabCluster) -> Result<(String, String), StepError> {
    let prepared = ctx.prepared_for(cluster)?;
    let operator = render::istio_operator(&ctx.lab, cluster, &prepared.images, &prepared.istio_values);
    let text = format!("{operator:#}\n");
    let marked = format!("{text}// {}\n", prepared.istioctl.display());
    Ok((text, marked))
}

/// The input with the digest of what was made of it, which tells whether that is still whole.
fn sealed(marked: &str, manifest: &str) -> String {
    format!("{marked}// {:x}\n", Sha256::digest(manifest))
}

pub(super) const STEP: Step = Step::Custom(Custom {
    is_satisfied: |ctx, action| at_once(cluster(ctx, action).and_then(|cluster| is_satisfied(ctx, &cluster))),
    run: |ctx, action, progress| Box::pin(async move { run(ctx, &*cluster(ctx, action)?, progress).await }),
});

fn is_satisfied(ctx: &RunContext, cluster: &LabCluster) -> Result<bool, StepError> {
    let (_, marked) = inputs(ctx, cluster)?;
    let manifest = ctx.state.read(&manifest_path(cluster))?.unwrap_or_default();
    Ok(ctx.state.read(&operator_path(cluster))?.as_ref() == Some(&sealed(&marked, &manifest)))
}

async fn run(ctx: &RunContext, cluster: &LabCluster, progress: &Progress) -> Result<bool, StepError> {
    let (operator, marked) = inputs(ctx, cluster)?;
    let yaml = Process::new(&ctx.prepared_for(cluster)?.istioctl)
        .args(["manifest", "generate", "--filename", "-"])
        // What it panics at is in one line, before a trace of its own code.
        .env("GOTRACEBACK", "none")
        .input(operator)
        .output()
        .await
        .map_err(|error| of_values(&ctx.lab, error))?;
    let (warnings, manifest) = split_warnings(&yaml);
    for warning in warnings {
        progress.say(format!("istioctl warns: {warning}"));
    }
    ctx.state.write(&manifest_path(cluster), manifest)?;
    ctx.state.write(&operator_path(cluster), &sealed(&marked, manifest))?;
    Ok(true)
}

/// What istioctl refuses, told as a mistake in the scenario's values if it has any: without them the same input is rendered by every test.
fn of_values(lab: &Lab, error: ProcessError) -> StepError {
    let refused = if let ProcessError::Failed { tail, .. } = &error { refused(lab, tail) } else { None };
    refused.unwrap_or_else(|| error.into())
}

/// A mistake in the scenario's values, if it has any; `tail` is what istioctl said.
fn refused(lab: &Lab, tail: &str) -> Option<StepError> {
    lab.mesh.values.as_object().filter(|values| !values.is_empty())?;
    let place = lab.mesh.values_at.0.first().map_or_else(String::new, |place| format!("{place}: "));
    Some(StepError::Values { place, message: last_words(tail) })
}

/// What a program of Go says of its end, on one line.
fn last_words(tail: &str) -> String {
    let lines = || tail.lines().map(str::trim).filter(|line| !line.is_empty());
    let told = lines().rev().find_map(|line| line.strip_prefix("Error: ").or(line.strip_prefix("panic: ")));
    told.or(lines().next_back()).unwrap_or("nothing was said").to_owned()
}

/// istioctl prints its warnings about values on standard output, before the manifests.
fn split_warnings(output: &str) -> (Vec<&str>, &str) {
    let mut manifest = output;
    let mut warnings = Vec::new();
    while let Some((line, rest)) = manifest.split_once('\n') {
        if line.starts_with("apiVersion:") || line.starts_with("---") {
            break;
        }
        warnings.extend(Some(line.trim()).filter(|l| !l.is_empty()));
        manifest = rest;
    }
    (warnings, manifest)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::resolve;
    use crate::scenario::parse;

    #[test]
    fn what_istioctl_refuses_is_told_with_the_place_of_the_values() {
        let told = |values: &str, tail: &str| {
            let text = format!("name: demo\nmesh:\n  values: {values}\nclusters: [c1]\n");
            let lab = resolve(&parse(&text, "lab.yaml").expect("valid")).expect("a lab");
            refused(&lab, tail)
        };
        let some = "{ pilot: { env: { A: b } } }";
        let error = told(some, "  Usage: x\n  Error: helm render: no such chart\n");
        let text = |error: Option<StepError>| error.map(|e| e.to_string()).unwrap_or_default();
        assert_eq!(text(error), "lab.yaml:3:11: Istio refuses `mesh.values`: helm render: no such chart");
        assert!(text(told(some, "  panic: not a map, got 7\n  \n  goroutine 1 [running]:")).ends_with("got 7"));
        assert!(told("{}", "  Error: x").is_none());
    }

    #[test]
    fn warnings_are_no_manifest() {
        let manifest = "apiVersion: v1\nkind: A\n---\napiVersion: v1\n";
        assert_eq!(split_warnings(manifest), (vec![], manifest));
        let output = format!("\twarn\twarnings occurred: 1 error:\n\t* X is deprecated\n\n{manifest}");
        assert_eq!(split_warnings(&output), (vec!["warn\twarnings occurred: 1 error:", "* X is deprecated"], manifest));
    }
}
