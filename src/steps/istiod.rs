//! `istiod`: the control plane, until a pod that is created now gets its sidecar.

use super::step::{Applied, Sends, Step};
use crate::plan::Wait;
use crate::plan::render::ISTIO_NAMESPACE;

/// Its Deployment.
pub(super) const AVAILABLE: Wait = Wait::Available { namespace: ISTIO_NAMESPACE, deployment: "istiod" };

pub(super) const STEP: Step = Step::Applied(Applied {
    waits: |_, _| vec![AVAILABLE, Wait::Injects { istiod: "istiod".to_owned() }],
    ..Applied::of(Sends::Rendered(|ctx, cluster| Ok(ctx.rendered(cluster)?.istiod.clone())))
});
