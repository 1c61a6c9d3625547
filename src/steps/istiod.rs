//! `istiod`: a control plane, until a pod that is created now gets its sidecar.

use super::step::{Applied, Sends, Step};
use crate::context::{RunContext, StepError};
use crate::plan::render::ISTIO_NAMESPACE;
use crate::plan::{Lab, LabCluster, Wait};
use crate::sys::kube::Manifest;

/// The webhook of a control plane without a revision: new pods get their sidecars from it unless they ask for another.
const INJECTOR: &str = "istio-sidecar-injector";

pub(super) const STEP: Step = Step::Applied(Applied { waits, ..Applied::of(Sends::Rendered(manifest)) });

fn waits(_: &Lab, cluster: &LabCluster) -> Vec<Wait> {
    let (istiod, own) = (cluster.istiod(), cluster.revision.clone());
    let injects = |istiod: String, revision, by_name| Wait::Injects { istiod, revision, by_name };
    let mut waits = vec![Wait::Available { namespace: ISTIO_NAMESPACE, deployment: istiod.clone().into() }];
    match cluster.with_other() {
        None => waits.push(injects(istiod, own, false)),
        Some(other) => {
            if own.is_some() {
                waits.push(injects(istiod, own, true));
            }
            // As long as one has not let go of new pods, both answer for them.
            if cluster.is_other {
                waits.push(injects(other.istiod(), other.revision, false));
            }
        }
    }
    waits
}

/// Whether this is the control plane with which the cluster came, and new pods get another: none can ask for it by name.
fn has_let_go(cluster: &LabCluster) -> bool {
    cluster.is_other && cluster.revision.is_none()
}

fn manifest(ctx: &RunContext, cluster: &LabCluster) -> Result<Manifest, StepError> {
    let mut manifest = ctx.rendered(cluster)?.istiod.clone();
    if has_let_go(cluster) {
        manifest.objects.retain(|object| object.metadata.name.as_deref() != Some(INJECTOR));
    }
    Ok(manifest)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::{Action, Upgrade, resolve};
    use crate::scenario::parse;

    #[test]
    fn what_new_pods_get_is_asked_once_one_control_plane_alone_answers() {
        let text = "name: x\nversions: { istio: '1.31' }\nclusters: [c1, c2]\n";
        let old = resolve(&parse(text, "x").expect("a scenario")).expect("a lab");
        let upgrade = Upgrade { to: "1.32".parse().expect("a version"), sources: (true, false) };
        let over = upgrade.with_over(&upgrade.with_beside(&old, "c1"), "c1");
        let asked = |lab: &Lab, revision: Option<&str>| {
            let action = Action::Istiod { cluster: "c1".to_owned(), revision: revision.map(str::to_owned) };
            let waits = crate::steps::waits(lab, &action).into_iter();
            let asked = waits.filter_map(|wait| match wait {
                Wait::Injects { istiod, by_name, .. } => Some((istiod, by_name)),
                _ => None,
            });
            asked.collect::<Vec<_>>()
        };
        let of = |istiod: &str, by_name| (istiod.to_owned(), by_name);
        assert_eq!(asked(&old, None), [of("istiod", false)]);
        assert_eq!(asked(&over, Some("1-32")), [of("istiod-1-32", true)]);
        assert_eq!(asked(&over, None), [of("istiod-1-32", false)]);
        assert_eq!(asked(&Upgrade::retired(&over), Some("1-32")), [of("istiod-1-32", false)]);
    }
}
