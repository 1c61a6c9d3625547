//! The steps, one file a verb. Each file states its step as one value ([`Step`]); this one lists them.

mod address_pool;
mod app_images;
pub(crate) mod applied;
mod apps;
pub(crate) mod cluster;
pub(crate) mod docker_network;
mod external_istiod;
mod federated_apps;
pub(crate) mod gateway;
pub(crate) mod half_made;
pub(crate) mod images;
mod istio_base;
mod istio_images;
mod istiod;
mod istiod_address;
mod istiod_remote;
mod jobs;
mod karmada;
mod karmada_images;
mod karmada_leave;
mod karmada_member;
mod locality;
pub(crate) mod metallb;
pub(crate) mod node_network;
mod own_ca;
pub(crate) mod reissue;
mod remote_secret;
mod render_istio;
pub(crate) mod root_ca;
pub(crate) mod sidecars;
pub(crate) mod step;
mod wait;
pub(crate) mod withdraw;

use step::{Sends, Step};

use crate::context::{RunContext, StepError};
use crate::exec::Progress;
use crate::plan::{Action, Lab, Wait};

/// The steps.
pub(crate) fn of(action: &Action) -> &'static Step {
    match action {
        Action::Images => &images::STEP,
        Action::DockerNetwork => &docker_network::STEP,
        Action::RootCa => &root_ca::STEP,
        Action::RenderIstio { .. } => &render_istio::STEP,
        Action::Cluster { .. } => &cluster::STEP,
        Action::Locality { .. } => &locality::STEP,
        Action::Metallb { .. } => &metallb::STEP,
        Action::AddressPool { .. } => &address_pool::STEP,
        Action::IstioBase { .. } => &istio_base::STEP,
        Action::RemoteSecret { .. } => &remote_secret::STEP,
        Action::Istiod { .. } => &istiod::STEP,
        Action::IstiodRemote { .. } => &istiod_remote::STEP,
        Action::ExternalIstiod { .. } => &external_istiod::STEP,
        Action::IstiodAddress { .. } => &istiod_address::STEP,
        Action::EastWestGateway { .. } => &gateway::EAST_WEST,
        Action::IngressGateway { .. } => &gateway::INGRESS,
        Action::NodeNetwork { .. } => &node_network::STEP,
        Action::IstioImages { .. } => &istio_images::STEP,
        Action::AppImages { .. } => &app_images::STEP,
        Action::Apps { .. } => &apps::STEP,
        Action::Sidecars { .. } => &sidecars::STEP,
        Action::Jobs { .. } => &jobs::STEP,
        Action::Unlink { .. } => &applied::UNLINK,
        Action::Retire { .. } => &applied::RETIRE,
        Action::KarmadaImages => &karmada_images::STEP,
        Action::Karmada { .. } => &karmada::STEP,
        Action::KarmadaMember { .. } => &karmada_member::STEP,
        Action::KarmadaLeave { .. } => &karmada_leave::STEP,
        Action::FederatedApps { .. } => &federated_apps::STEP,
        Action::Verify => &step::JUDGED,
    }
}

/// Does what a step is for, unless there is nothing to do. Tells whether anything changed.
pub(crate) async fn perform(ctx: &RunContext, action: &Action, progress: &Progress) -> Result<bool, StepError> {
    let step = of(action);
    if let Step::Applied(step::Applied { sends: Sends::Rendered(_), .. }) = step {
        ctx.read_rendered(&*self::step::cluster(ctx, action)?).await?;
    }
    // A cluster that this run has just made has nothing yet, so there is nothing to look for.
    let is_new = action.cluster().is_some_and(|cluster| ctx.is_new(cluster));
    if !is_new && step.is_satisfied(ctx, action).await? {
        return Ok(false);
    }
    let changed = step.run(ctx, action, progress).await?;
    if changed && action.is_of_mesh() {
        ctx.mesh_changed();
    }
    Ok(changed)
}

/// What a step waits for in the cluster that it is about.
#[must_use]
pub fn waits(lab: &Lab, action: &Action) -> Vec<Wait> {
    match (of(action), action.cluster().and_then(|cluster| lab.cluster(cluster))) {
        (Step::Applied(applied), Some(cluster)) => (applied.waits)(lab, &step::of_action(cluster, action)),
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::step::Applied;
    use super::*;
    use crate::plan::Plan;

    fn plans() -> Vec<(Lab, Plan)> {
        let texts = [
            include_str!("../../scenarios/two-network.yaml"),
            include_str!("../../scenarios/external-control-plane.yaml"),
            include_str!("../../scenarios/karmada.yaml"),
        ];
        let labs = texts.map(|text| crate::plan::resolve(&crate::scenario::parse(text, "x").expect("a scenario")));
        labs.into_iter().map(|lab| lab.expect("a lab")).map(|lab| (Plan::of(&lab), lab)).map(|(p, l)| (l, p)).collect()
    }

    /// What follows from the plan is ejected by itself. What a cluster must be asked for is not, so `eject/section.rs` has to write it in its own words.
    #[test]
    fn what_cannot_be_ejected_by_itself_is_known() {
        let mut asked = std::collections::BTreeSet::new();
        for (_, plan) in plans() {
            for step in &plan.steps {
                if let Step::Applied(Applied { sends: Sends::Asked(_), .. }) = of(&step.action) {
                    asked.insert(step.action.verb());
                }
            }
        }
        asked.remove("locality");
        assert_eq!(asked.into_iter().collect::<Vec<_>>(), ["federated-apps", "remote-secret"]);
    }

    #[test]
    fn metallb_is_done_when_its_certificate_is_there_too() {
        let (lab, _) = plans().remove(0);
        let cluster = lab.clusters[0].name.clone();
        let waits = waits(&lab, &Action::Metallb { cluster });
        assert!(waits.iter().any(|wait| matches!(wait, Wait::Certificate { .. })), "{waits:?}");
    }
}
