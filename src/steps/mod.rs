//! The steps, one file a verb. Each is `is_satisfied`, which looks and changes nothing, and `run`, which may be repeated.

pub(crate) mod address_pool;
pub(crate) mod applied;
pub(crate) mod apps;
mod cluster;
pub(crate) mod docker_network;
pub(crate) mod external_istiod;
pub(crate) mod federated_apps;
pub(crate) mod gateway;
pub(crate) mod half_made;
mod images;
pub(crate) mod istio_base;
mod istiod;
mod istiod_remote;
mod jobs;
pub(crate) mod karmada;
mod karmada_images;
mod karmada_member;
pub(crate) mod locality;
pub(crate) mod metallb;
pub(crate) mod node_network;
mod own_ca;
pub(crate) mod remote_secret;
mod render_istio;
pub(crate) mod root_ca;
pub(crate) mod sidecars;

use crate::context::{RunContext, StepError};
use crate::exec::Progress;
use crate::plan::{Action, Gateway};

/// Does what a step is for, unless there is nothing to do. Tells whether anything changed.
pub(crate) async fn perform(ctx: &RunContext, action: &Action, progress: &Progress) -> Result<bool, StepError> {
    // A cluster that this run has just made has nothing yet, so there is nothing to look for.
    let is_new = action.cluster().is_some_and(|cluster| ctx.is_new(cluster));
    if let Action::IstioBase { cluster }
    | Action::Istiod { cluster }
    | Action::IstiodRemote { cluster }
    | Action::ExternalIstiod { cluster }
    | Action::EastWestGateway { cluster }
    | Action::IngressGateway { cluster } = action
    {
        ctx.read_rendered(cluster).await?;
    }
    if !is_new && is_satisfied(ctx, action).await? {
        return Ok(false);
    }
    let changed = run(ctx, action, progress).await?;
    if changed && action.is_of_mesh() {
        ctx.mesh_changed();
    }
    Ok(changed)
}

/// Whether the step has nothing to do.
async fn is_satisfied(ctx: &RunContext, action: &Action) -> Result<bool, StepError> {
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
async fn run(ctx: &RunContext, action: &Action, progress: &Progress) -> Result<bool, StepError> {
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
        // The verdict is not the steps' matter: they only build.
        Action::Verify => Ok(false),
    }
}
