//! What a mirror would be in each cluster, before anything is changed.

use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{Pod, Service};
use kube::ResourceExt as _;
use serde_json::Value;

use crate::context::{LabContext, StepError};
use crate::plan::render::{self, MirrorHost, PROXY};
use crate::plan::{Behind, MirrorPlace, MirrorRefusal};
use crate::sys::kube::{Cluster, KubeError};

/// A mirror as it is asked for.
#[derive(Clone, Debug)]
pub struct Wanted {
    /// Name of the Service.
    pub service: String,
    /// Its namespace.
    pub namespace: String,
    /// Its port; none for its only one.
    pub port: Option<u16>,
    /// The clusters.
    pub clusters: Vec<String>,
    /// Whether the Service must be in each of them.
    pub in_each: bool,
    /// Whether the pods that are there stay.
    pub beside: bool,
}

/// A mirror that can be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// What it is like.
    pub place: MirrorPlace,
    /// The image of sidecars there.
    pub image: String,
}

/// Looks for the Service in each cluster, for what is behind it, and for the sidecar that a pod in its place would get.
///
/// # Errors
/// A cluster cannot be asked. The refusal inside is about what was asked for.
pub async fn find(ctx: &LabContext, wanted: &Wanted) -> Result<Result<Vec<Found>, MirrorRefusal>, StepError> {
    let (mut there, mut others) = (Vec::new(), Vec::new());
    for cluster in &wanted.clusters {
        let client = ctx.client(cluster).await?;
        let services: Vec<Service> = client.list_in(&wanted.namespace, "").await?;
        match services.iter().find(|s| s.name_any() == wanted.service) {
            Some(service) => there.push(look(cluster, client, service.clone()).await?),
            None if wanted.in_each => return Ok(Err(missing(wanted, cluster, names(&services)))),
            None => others.extend(names(&services)),
        }
    }
    if there.is_empty() {
        return Ok(Err(missing(wanted, &wanted.clusters.join(", "), others)));
    }
    // Callers elsewhere reach it through the mesh, as they reached what was there.
    if !wanted.in_each && there.iter().any(|looked| looked.behind().answers()) {
        there.retain(|looked| looked.behind().answers());
    }
    let mut found = Vec::new();
    for looked in there {
        let place = MirrorPlace::of(&looked.cluster, looked.behind(), wanted.port, wanted.beside);
        let image = match &place {
            Ok(place) => image(&looked.client, place, ctx.lab.is_dual()).await?,
            Err(refusal) => Err(refusal.clone()),
        };
        match place.and_then(|place| Ok(Found { place, image: image? })) {
            Ok(mirror) => found.push(mirror),
            Err(refusal) => return Ok(Err(refusal)),
        }
    }
    Ok(Ok(found))
}

/// The Service in a cluster, and what is behind it.
struct Looked {
    cluster: String,
    client: Cluster,
    service: Service,
    deployments: Vec<Deployment>,
    pods: Vec<Pod>,
}

impl Looked {
    fn behind(&self) -> Behind<'_> {
        Behind { service: &self.service, deployments: &self.deployments, pods: &self.pods }
    }
}

async fn look(cluster: &str, client: Cluster, service: Service) -> Result<Looked, StepError> {
    let namespace = service.namespace().unwrap_or_default();
    let deployments = client.list_in(&namespace, "").await?;
    let selector = service.spec.as_ref().and_then(|s| s.selector.clone()).unwrap_or_default();
    let labels: Vec<String> = selector.iter().map(|(key, value)| format!("{key}={value}")).collect();
    let pods = if labels.is_empty() { Vec::new() } else { client.pods(&namespace, &labels.join(",")).await? };
    Ok(Looked { cluster: cluster.to_owned(), client, service, deployments, pods })
}

fn names(services: &[Service]) -> Vec<String> {
    services.iter().map(kube::ResourceExt::name_any).collect()
}

fn missing(wanted: &Wanted, clusters: &str, mut others: Vec<String>) -> MirrorRefusal {
    others.sort();
    others.dedup();
    let Wanted { service, namespace, .. } = wanted;
    let remedy = if others.is_empty() {
        format!("that namespace has none: give SERVICE.NAMESPACE, or apply what is called {service} first")
    } else {
        format!("its Services are {}", others.join(", "))
    };
    MirrorRefusal::new(format!("there is no Service {service} in namespace {namespace} of {clusters}"), remedy)
}

/// The image of the sidecar that the mirror's pod would get: that of Envoy, which every node has. Nothing is created.
async fn image(
    client: &Cluster,
    place: &MirrorPlace,
    is_dual: bool,
) -> Result<Result<String, MirrorRefusal>, StepError> {
    let nowhere = MirrorHost { at: ([127, 0, 0, 1], 1).into(), password: String::new() };
    let [_, mut deployment] = render::mirror(place, PROXY, &nowhere, is_dual);
    let mut trial = deployment["spec"]["template"].take();
    trial["metadata"]["generateName"] = Value::from(format!("{}-", MirrorPlace::deployment_of(&place.service)));
    let trial: Pod = serde_json::from_value(trial).map_err(|e| KubeError::Manifest(e.to_string()))?;
    let spec = client.dry_run(&place.namespace, &trial).await?.spec.unwrap_or_default();
    let mut containers = spec.containers.into_iter().chain(spec.init_containers.into_iter().flatten());
    let sidecar = containers.find(|c| c.name == PROXY).and_then(|c| c.image);
    let MirrorPlace { namespace, cluster, .. } = place;
    Ok(sidecar.ok_or_else(|| {
        MirrorRefusal::new(
            format!("a pod in namespace {namespace} of {cluster} gets no sidecar, and a mirror is one of the mesh"),
            format!("label the namespace: kubectl label namespace {namespace} istio-injection=enabled"),
        )
    }))
}
