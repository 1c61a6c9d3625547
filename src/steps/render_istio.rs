//! `render-istio`: istioctl renders the charts that it carries. It needs no cluster, so it runs while the clusters are made.

use sha2::{Digest as _, Sha256};

use super::step::{Custom, Step, at_once, cluster};
use crate::context::run::manifest_path;
use crate::context::{RunContext, StepError};
use crate::exec::Progress;
use crate::plan::LabCluster;
use crate::plan::render;
use crate::sys::process::Process;

fn operator_path(cluster: &LabCluster) -> String {
    format!("manifests/{}/istio-operator.json", cluster.name)
}

/// The input of the rendering, and the program that renders it.
fn inputs(ctx: &RunContext, cluster: &LabCluster) -> Result<(String, String), StepError> {
    let prepared = ctx.prepared()?;
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
    is_satisfied: |ctx, action| at_once(cluster(ctx, action).and_then(|cluster| is_satisfied(ctx, cluster))),
    run: |ctx, action, progress| Box::pin(async move { run(ctx, cluster(ctx, action)?, progress).await }),
});

fn is_satisfied(ctx: &RunContext, cluster: &LabCluster) -> Result<bool, StepError> {
    let (_, marked) = inputs(ctx, cluster)?;
    let manifest = ctx.state.read(&manifest_path(cluster))?.unwrap_or_default();
    Ok(ctx.state.read(&operator_path(cluster))?.as_ref() == Some(&sealed(&marked, &manifest)))
}

async fn run(ctx: &RunContext, cluster: &LabCluster, progress: &Progress) -> Result<bool, StepError> {
    let (operator, marked) = inputs(ctx, cluster)?;
    let yaml = Process::new(&ctx.prepared()?.istioctl)
        .args(["manifest", "generate", "--filename", "-"])
        .input(operator)
        .output()
        .await?;
    let (warnings, manifest) = split_warnings(&yaml);
    for warning in warnings {
        progress.say(format!("istioctl warns: {warning}"));
    }
    ctx.state.write(&manifest_path(cluster), manifest)?;
    ctx.state.write(&operator_path(cluster), &sealed(&marked, manifest))?;
    Ok(true)
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
    use super::split_warnings;

    #[test]
    fn warnings_are_no_manifest() {
        let manifest = "apiVersion: v1\nkind: A\n---\napiVersion: v1\n";
        assert_eq!(split_warnings(manifest), (vec![], manifest));
        let output = format!("\twarn\twarnings occurred: 1 error:\n\t* X is deprecated\n\n{manifest}");
        assert_eq!(split_warnings(&output), (vec!["warn\twarnings occurred: 1 error:", "* X is deprecated"], manifest));
    }
}
