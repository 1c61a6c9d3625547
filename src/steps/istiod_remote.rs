//! `istiod-remote`: the webhooks of a cluster whose control plane is elsewhere, until a pod that is created now gets its sidecar. That proves
//! that the other cluster's istiod has taken this cluster on, has written its certificate here, and is reached from here.

use super::step::{Applied, Sends, Step};
use crate::plan::Wait;

pub(super) const STEP: Step = Step::Applied(Applied {
    waits: |_, cluster| {
        vec![Wait::Injects { istiod: format!("istiod of {}", cluster.primary), revision: None, by_name: false }]
    },
    ..Applied::of(Sends::Rendered(|ctx, cluster| Ok(ctx.rendered(cluster)?.istiod.clone())))
});
