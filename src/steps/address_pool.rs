//! `address-pool`: MetalLB's pools, as soon as its webhook takes them, and a speaker on every node that announces them.

use std::error::Error;

use super::metallb::NAMESPACE;
use super::step::{self, Applied, Sends, Step};
use crate::context::StepError;
use crate::plan::Wait;
use crate::plan::render;
use crate::sys::kube::Manifest;

pub(super) const STEP: Step = Step::Applied(Applied {
    waits: |_, _| vec![Wait::OnEveryNode { namespace: NAMESPACE, daemon_set: "speaker" }],
    // Pools that have become empty are none.
    is_lacking: |ctx, action| {
        Box::pin(async move {
            let client = step::client(ctx, action).await?;
            for empty in render::empty_pools(&ctx.lab, &*step::cluster(ctx, action)?) {
                if client.has(&Manifest::from_values([empty])?).await? {
                    return Ok(true);
                }
            }
            Ok(false)
        })
    },
    before: |ctx, action, client| {
        Box::pin(async move {
            let cluster = &*step::cluster(ctx, action)?;
            if !ctx.is_new(&cluster.name) {
                for empty in Manifest::from_values(render::empty_pools(&ctx.lab, cluster))?.objects {
                    client.delete(&empty).await?;
                }
            }
            Ok(())
        })
    },
    // One has an address that another is still to lose: the webhook looks at a copy that lags behind.
    passes: overlaps,
    ..Applied::of(Sends::Planned(|ctx, cluster| Ok(Manifest::from_values(render::address_pool(&ctx.lab, cluster))?)))
});

/// Whether MetalLB refused a pool because another one has an address of it.
fn overlaps(error: &StepError) -> bool {
    let mut cause = error.source();
    while let Some(error) = cause {
        if error.to_string().contains("overlaps with already defined") {
            return true;
        }
        cause = error.source();
    }
    false
}
