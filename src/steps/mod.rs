//! The steps, one file a verb. Each is `is_satisfied`, which looks and changes nothing, and `run`, which may be repeated.

mod address_pool;
mod applied;
mod apps;
pub mod attach;
mod cluster;
mod context;
mod diagnose;
pub mod diff;
mod docker_network;
pub mod doctor;
pub mod down;
pub mod dump;
pub mod eject;
mod error;
pub mod explain;
mod external_istiod;
mod federated_apps;
pub mod fixed;
mod gateway;
mod half_made;
pub mod images;
mod inventory;
mod istio_base;
mod istiod;
mod istiod_remote;
mod jobs;
pub mod karmada;
mod karmada_images;
mod karmada_member;
mod kubeconfig;
pub mod load;
mod locality;
pub mod logs;
mod metallb;
mod node_network;
mod nodes;
mod observed;
mod own_ca;
pub mod pause;
pub mod preflight;
mod remote_secret;
mod render_istio;
mod root_ca;
mod sidecars;
pub mod status;
pub mod verify;
mod warnings;

pub use context::Context;
pub use error::StepError;
pub use inventory::leftovers;
pub use warnings::warnings;

use std::time::Duration;

use crate::exec::{Executor, Progress};
use crate::plan::render;
use crate::plan::{Action, Gateway, PlannedStep};
use crate::sys::docker::LAB_LABEL;
use crate::sys::kube::Listener;

impl Executor for Context {
    type Error = StepError;

    async fn run(&self, step: &PlannedStep, progress: &Progress) -> Result<bool, StepError> {
        let action = &step.action;
        // A cluster that this run has just made has nothing yet, so there is nothing to look for.
        let is_new = action.cluster().is_some_and(|cluster| self.is_new(cluster));
        if let Action::IstioBase { cluster }
        | Action::Istiod { cluster }
        | Action::IstiodRemote { cluster }
        | Action::ExternalIstiod { cluster }
        | Action::EastWestGateway { cluster }
        | Action::IngressGateway { cluster } = action
        {
            self.read_rendered(cluster).await?;
        }
        if !is_new && is_satisfied(self, action).await? {
            return Ok(false);
        }
        let changed = run(self, action, progress).await?;
        if changed && action.is_of_mesh() {
            self.mesh_changed();
        }
        Ok(changed)
    }
}

/// A step's waits tell its progress.
impl Listener for Progress {
    fn say(&self, message: String) {
        Self::say(self, message);
    }
}

/// Whether the step has nothing to do.
async fn is_satisfied(ctx: &Context, action: &Action) -> Result<bool, StepError> {
    match action {
        Action::Images => images::is_satisfied(ctx).await,
        Action::DockerNetwork => docker_network::is_satisfied(ctx).await,
        Action::RootCa => root_ca::is_satisfied(ctx),
        Action::RenderIstio { cluster } => render_istio::is_satisfied(ctx, ctx.cluster(cluster)?),
        Action::Cluster { cluster } => cluster::is_satisfied(ctx, ctx.cluster(cluster)?).await,
        Action::Locality { cluster } => locality::is_satisfied(ctx, ctx.cluster(cluster)?).await,
        Action::Metallb { cluster } => metallb::is_satisfied(ctx, cluster).await,
        Action::AddressPool { cluster } => address_pool::is_satisfied(ctx, ctx.cluster(cluster)?).await,
        Action::IstioBase { cluster } => istio_base::is_satisfied(ctx, ctx.cluster(cluster)?).await,
        Action::RemoteSecret { of, to } => remote_secret::is_satisfied(ctx, ctx.cluster(of)?, to).await,
        Action::Istiod { cluster } => istiod::is_satisfied(ctx, cluster).await,
        Action::IstiodRemote { cluster } => istiod_remote::is_satisfied(ctx, ctx.cluster(cluster)?).await,
        Action::ExternalIstiod { cluster } => external_istiod::is_satisfied(ctx, ctx.cluster(cluster)?).await,
        Action::EastWestGateway { cluster } => {
            gateway::is_satisfied(ctx, ctx.cluster(cluster)?, Gateway::EastWestGateway).await
        }
        Action::IngressGateway { cluster } => {
            gateway::is_satisfied(ctx, ctx.cluster(cluster)?, Gateway::IngressGateway).await
        }
        Action::NodeNetwork { cluster } => node_network::is_satisfied(ctx, ctx.cluster(cluster)?).await,
        Action::Apps { cluster, .. } => apps::is_satisfied(ctx, ctx.cluster(cluster)?).await,
        Action::Sidecars { cluster } => sidecars::is_satisfied(ctx, ctx.cluster(cluster)?).await,
        Action::Jobs { cluster, .. } => jobs::is_satisfied(ctx, ctx.cluster(cluster)?).await,
        Action::Retire { cluster } => applied::is_retired(ctx, cluster),
        Action::KarmadaImages => karmada_images::is_satisfied(ctx).await,
        Action::Karmada { cluster } => karmada::is_satisfied(ctx, ctx.cluster(cluster)?).await,
        Action::KarmadaMember { cluster } => karmada_member::is_satisfied(ctx, ctx.cluster(cluster)?).await,
        Action::FederatedApps { .. } => federated_apps::is_satisfied(ctx).await,
        // A verdict is never taken from an earlier run.
        Action::Verify => Ok(false),
    }
}

/// Does what the step is for. Tells whether anything changed.
async fn run(ctx: &Context, action: &Action, progress: &Progress) -> Result<bool, StepError> {
    match action {
        Action::Images => images::run(ctx, progress).await,
        Action::DockerNetwork => docker_network::run(ctx).await,
        Action::RootCa => root_ca::run(ctx, progress).await,
        Action::RenderIstio { cluster } => render_istio::run(ctx, ctx.cluster(cluster)?, progress).await,
        Action::Cluster { cluster } => cluster::run(ctx, ctx.cluster(cluster)?, progress).await,
        Action::Locality { cluster } => locality::run(ctx, ctx.cluster(cluster)?, progress).await,
        Action::Metallb { cluster } => metallb::run(ctx, cluster, progress).await,
        Action::AddressPool { cluster } => address_pool::run(ctx, ctx.cluster(cluster)?, progress).await,
        Action::IstioBase { cluster } => istio_base::run(ctx, ctx.cluster(cluster)?, progress).await,
        Action::RemoteSecret { of, to } => remote_secret::run(ctx, ctx.cluster(of)?, to, progress).await,
        Action::Istiod { cluster } => istiod::run(ctx, cluster, progress).await,
        Action::IstiodRemote { cluster } => istiod_remote::run(ctx, ctx.cluster(cluster)?, progress).await,
        Action::ExternalIstiod { cluster } => external_istiod::run(ctx, ctx.cluster(cluster)?, progress).await,
        Action::EastWestGateway { cluster } => {
            gateway::run(ctx, ctx.cluster(cluster)?, Gateway::EastWestGateway, progress).await
        }
        Action::IngressGateway { cluster } => {
            gateway::run(ctx, ctx.cluster(cluster)?, Gateway::IngressGateway, progress).await
        }
        Action::NodeNetwork { cluster } => node_network::run(ctx, ctx.cluster(cluster)?, progress).await,
        Action::Apps { cluster, .. } => apps::run(ctx, ctx.cluster(cluster)?, progress).await,
        Action::Sidecars { cluster } => sidecars::run(ctx, ctx.cluster(cluster)?, progress).await,
        Action::Jobs { cluster, .. } => jobs::run(ctx, ctx.cluster(cluster)?, progress).await,
        Action::Retire { cluster } => applied::retire(ctx, cluster, progress).await,
        Action::KarmadaImages => karmada_images::run(ctx, progress).await,
        Action::Karmada { cluster } => karmada::run(ctx, ctx.cluster(cluster)?, progress).await,
        Action::KarmadaMember { cluster } => karmada_member::run(ctx, ctx.cluster(cluster)?, progress).await,
        Action::FederatedApps { .. } => federated_apps::run(ctx, progress).await,
        Action::Verify => {
            // What was ready for an instant, and has crashed since, is not ready.
            steady(ctx, Duration::ZERO, progress).await?;
            if verify::run(ctx, progress).await?.passed {
                steady(ctx, TRIAL, progress).await?;
            }
            Ok(true)
        }
    }
}

/// So long a container of the user's must have run when a lab is called up: what ends at once is seen by then, also on a busy machine.
const TRIAL: Duration = Duration::from_secs(5);

/// Waits until everything of the lab's that runs pods runs them, and has not just crashed.
async fn steady(ctx: &Context, trial: Duration, progress: &Progress) -> Result<(), StepError> {
    let label = format!("{LAB_LABEL}={}", ctx.lab.name);
    let own = [render::APP_NAMESPACE, render::LEGACY_NAMESPACE, render::ISTIO_NAMESPACE, metallb::NAMESPACE];
    let is_users = |namespace: &str| !own.contains(&namespace);
    let waits = ctx.lab.clusters.iter().map(|cluster| async {
        let client = ctx.client(&cluster.name).await?;
        Ok::<_, StepError>(client.until_all_steady(&label, trial, is_users, ctx.patience, progress).await?)
    });
    futures::future::try_join_all(waits).await.map(|_| ())
}
