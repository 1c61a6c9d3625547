//! `istiod-address`: an address of its own for a control plane in the mesh, until other clusters reach it there.

use super::gateway;
use super::step::{Applied, Sends, Step};
use crate::plan::{Gateway, render};
use crate::sys::kube::Manifest;

pub(super) const STEP: Step = Step::Applied(Applied {
    waits: |_, cluster| gateway::waits(cluster, Gateway::Istiod, "istiod"),
    before: |ctx, action, client| Box::pin(gateway::refuse_taken(ctx, action, client, Gateway::Istiod)),
    ..Applied::of(Sends::Planned(|ctx, cluster| {
        Ok(Manifest::from_values([render::istiod_service(&ctx.lab, cluster)])?)
    }))
});
