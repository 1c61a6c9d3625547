//! `inspect`: asks clusters that lab did not make what of a mesh is in them. It only reads.

use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{ConfigMap, Node, Secret, Service};
use kube::ResourceExt;
use serde_json::{Value, json};

use crate::context::StepError;
use crate::plan::inspected::{ClusterFacts, GatewayFacts, IstiodFacts, SecretFacts};
use crate::plan::render::{CONFIG_SECRET, EAST_WEST_PORT, ISTIO_NAMESPACE, ROOT_CERT};
use crate::sys::kube::{Cluster, KubeError};

/// Label by which istiod knows the network of a namespace or a Service.
const NETWORK_LABEL: &str = "topology.istio.io/network";
/// Annotation of a remote cluster's namespace: the clusters whose control planes may manage it.
const CONTROL_PLANES: &str = "topology.istio.io/controlPlaneClusters";
/// Where each namespace has the certificate of its own API server.
const KUBERNETES_ROOT: &str = "kube-root-ca.crt";

/// What is read of a cluster.
const READ: &str = "namespaces,nodes,pods,services,configmaps,secrets,deployments.apps,gateways.networking.istio.io";

/// Looks at a cluster through a context of a kubeconfig.
///
/// # Errors
/// It does not answer, does not let who asks, or has no Istio.
pub async fn look(client: &Cluster, kubeconfig: &str, context: &str) -> Result<ClusterFacts, StepError> {
    let mut facts =
        ClusterFacts { kubeconfig: kubeconfig.to_owned(), context: context.to_owned(), ..ClusterFacts::default() };
    let told = |error: KubeError| refused(kubeconfig, context, &error);
    facts.kubernetes = client.version().await.map_err(told)?;
    let system = client.read(&namespace("kube-system")).await.map_err(told)?;
    facts.uid = system.and_then(|n| n.metadata.uid).unwrap_or_default();
    let istio = client.read(&namespace(ISTIO_NAMESPACE)).await.map_err(told)?;
    let Some(istio) = istio else { return Err(without_istio(client, &place(kubeconfig, context)).await) };
    facts.network_label = istio.labels().get(NETWORK_LABEL).cloned();
    facts.control_planes = istio.annotations().get(CONTROL_PLANES).cloned();
    let deployments: Vec<Deployment> = client.list_in(ISTIO_NAMESPACE, "app=istiod").await.map_err(told)?;
    facts.istiods = deployments.iter().map(istiod).collect();
    // The one without a revision, unless it is another one that runs.
    facts.istiods.sort_by_key(|i| (i.available == 0, i.revision.clone()));
    let revision = facts.istiods.first().and_then(|i| i.revision.clone());
    let with_revision = |name: &str| revision.as_ref().map_or_else(|| name.to_owned(), |r| format!("{name}-{r}"));
    let map = async |name: &str, key: &str| {
        let map: Option<ConfigMap> = client.get(ISTIO_NAMESPACE, name).await?;
        Ok::<_, KubeError>(map.and_then(|m| m.data).and_then(|mut d| d.remove(key)))
    };
    let mesh = map(&with_revision("istio"), "mesh").await.map_err(told)?;
    facts.mesh = mesh.and_then(|text| serde_yaml::from_str(&text).ok()).unwrap_or_default();
    let injected = map(&with_revision("istio-sidecar-injector"), "values").await.map_err(told)?;
    facts.injected = injected.and_then(|text| serde_json::from_str(&text).ok()).unwrap_or_default();
    facts.root = map(ROOT_CERT, "root-cert.pem").await.map_err(told)?;
    facts.authority = map(KUBERNETES_ROOT, "ca.crt").await.map_err(told)?.map(|pem| pem.trim().to_owned());
    let mut machines = Vec::new();
    match client.list::<Node>().await {
        Ok(nodes) => {
            facts.nodes = nodes.iter().map(|n| n.labels().clone()).collect();
            machines = nodes.iter().filter_map(address).collect();
        }
        Err(error) => {
            facts.unread.push(format!("nodes cannot be listed, so localities are not known: {}", error.cause()));
        }
    }
    match secrets(client).await {
        Ok(secrets) => facts.secrets = secrets,
        Err(error) => facts.secrets_unread = Some(error.cause()),
    }
    let services = match client.everywhere::<Service>().await {
        Err(error) if error.is_forbidden() => {
            facts.unread.push(format!("gateways are looked for in {ISTIO_NAMESPACE} alone: {}", error.cause()));
            client.list_in(ISTIO_NAMESPACE, "").await
        }
        services => services,
    };
    facts.gateways = services.map_err(told)?.iter().filter_map(|s| gateway(s, &machines)).collect();
    Ok(facts)
}

fn namespace(name: &str) -> Value {
    json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": name } })
}

/// That an API server does not answer, or does not let who asks, with what to do.
fn refused(kubeconfig: &str, context: &str, error: &KubeError) -> StepError {
    let (place, cause) = (place(kubeconfig, context), error.cause());
    let kubectl = format!("kubectl --kubeconfig {kubeconfig} --context {context}");
    let (problem, remedy) = if error.is_forbidden() {
        let remedy = format!(
            "have somebody who may grant them give you these rights: kubectl create clusterrole lab-reader --verb=get,list,watch --resource={READ}; kubectl create clusterrolebinding lab-reader --clusterrole=lab-reader --user=YOU (`{kubectl} auth whoami` tells who you are); verify and explain also need create on pods/portforward and pods/exec"
        );
        (format!("{place} may not look at its cluster: {cause}"), remedy)
    } else if error.is_no_answer() {
        let remedy = format!("see whether it answers kubectl, by the address in the kubeconfig: {kubectl} version");
        (format!("{place}: {cause}"), remedy)
    } else {
        let remedy = format!("see what kubectl says: {kubectl} -n {ISTIO_NAMESPACE} get deployments");
        (format!("{place}: {error}: {cause}"), remedy)
    };
    StepError::Machine { problem, remedy }
}

fn place(kubeconfig: &str, context: &str) -> String {
    format!("context {context} of {kubeconfig}")
}

/// That there is no Istio where lab looks for it.
async fn without_istio(client: &Cluster, place: &str) -> StepError {
    let services: Vec<Service> = client.everywhere().await.unwrap_or_default();
    let elsewhere = services.iter().find(|s| s.labels().get("app").is_some_and(|app| app == "istiod"));
    let remedy = match elsewhere.and_then(ResourceExt::namespace) {
        Some(namespace) => {
            format!("istiod runs in namespace {namespace}, and lab looks at meshes in {ISTIO_NAMESPACE} alone")
        }
        None => {
            "leave the context out, or install Istio there; `lab up` builds a mesh on clusters of its own".to_owned()
        }
    };
    StepError::Machine {
        problem: format!("{place}: the cluster has no Istio: there is no namespace {ISTIO_NAMESPACE}"),
        remedy,
    }
}

/// What a Deployment of istiod says.
fn istiod(deployment: &Deployment) -> IstiodFacts {
    let name = deployment.name_any();
    let container = deployment.spec.template.spec.as_ref().and_then(|s| s.containers.first());
    let env = |name: &str| {
        let all = container.and_then(|c| c.env.as_ref());
        all.into_iter().flatten().find(|e| e.name == name).and_then(|e| e.value.clone())
    };
    let image = container.and_then(|c| c.image.clone()).unwrap_or_default();
    let tag = image.rsplit_once(':').map(|(_, tag)| tag).filter(|tag| !tag.contains('/')).unwrap_or("of a digest");
    IstiodFacts {
        revision: name.strip_prefix("istiod-").map(str::to_owned),
        version: tag.to_owned(),
        cluster_id: env("CLUSTER_ID").filter(|id| !id.is_empty()),
        is_external: env("EXTERNAL_ISTIOD").is_some_and(|v| v == "true"),
        available: deployment.status.as_ref().and_then(|s| s.available_replicas).unwrap_or(0),
    }
}

/// The remote secrets, and that by which an external istiod reads its configuration.
async fn secrets(client: &Cluster) -> Result<Vec<SecretFacts>, KubeError> {
    let remote: Vec<Secret> = client.list_in(ISTIO_NAMESPACE, "istio/multiCluster=true").await?;
    let config: Option<Secret> = client.get(ISTIO_NAMESPACE, CONFIG_SECRET).await?;
    let mut all = Vec::new();
    for (id, data) in remote.iter().flat_map(|s| s.data.iter().flatten()) {
        all.push(secret(Some(id.clone()), &data.0));
    }
    if let Some(data) = config.as_ref().and_then(|s| s.data.as_ref()).and_then(|d| d.values().next()) {
        all.push(secret(None, &data.0));
    }
    Ok(all)
}

fn secret(id: Option<String>, kubeconfig: &[u8]) -> SecretFacts {
    use base64::Engine as _;
    let config: Value = serde_yaml::from_str(&String::from_utf8_lossy(kubeconfig)).unwrap_or_default();
    let cluster = &config["clusters"][0]["cluster"];
    let decoded = cluster["certificate-authority-data"].as_str().and_then(|data| {
        let bytes = base64::engine::general_purpose::STANDARD.decode(data.trim()).ok()?;
        Some(String::from_utf8_lossy(&bytes).trim().to_owned())
    });
    SecretFacts { id, server: cluster["server"].as_str().unwrap_or_default().to_owned(), authority: decoded }
}

/// Where a node is reached: from outside, if it says so.
fn address(node: &Node) -> Option<String> {
    let all = node.status.as_ref()?.addresses.as_ref()?;
    let of = |kind: &str| all.iter().find(|a| a.type_ == kind).map(|a| a.address.clone());
    of("ExternalIP").or_else(|| of("InternalIP"))
}

/// A Service that may be a gateway.
fn gateway(service: &Service, nodes: &[String]) -> Option<GatewayFacts> {
    let spec = service.spec.as_ref()?;
    let selector = spec.selector.as_ref();
    let kind = selector.and_then(|s| s.get("istio").or_else(|| s.get("app"))).cloned();
    let ports: Vec<u16> = spec.ports.iter().flatten().filter_map(|p| u16::try_from(p.port).ok()).collect();
    let network = service.labels().get(NETWORK_LABEL).cloned();
    let is_one = ports.contains(&EAST_WEST_PORT)
        || network.is_some()
        || kind.as_deref().is_some_and(|k| k.contains("gateway") || k.contains("ingress"));
    if !is_one || service.namespace()?.starts_with("kube-") {
        return None;
    }
    let balanced = service.status.as_ref().and_then(|s| s.load_balancer.as_ref()).and_then(|b| b.ingress.as_ref());
    let mut addresses: Vec<String> =
        balanced.into_iter().flatten().filter_map(|i| i.ip.clone().or_else(|| i.hostname.clone())).collect();
    addresses.extend(spec.external_ips.iter().flatten().cloned());
    let node_port = spec.ports.iter().flatten().find(|p| p.port == i32::from(EAST_WEST_PORT)).and_then(|p| p.node_port);
    let is_by_node = spec.type_.as_deref() == Some("NodePort") && addresses.is_empty() && !nodes.is_empty();
    let node_port = node_port.and_then(|p| u16::try_from(p).ok()).filter(|_| is_by_node);
    if node_port.is_some() {
        addresses.extend_from_slice(nodes);
    }
    Some(GatewayFacts {
        namespace: service.namespace()?,
        name: service.name_any(),
        network,
        kind,
        ports,
        addresses,
        node_port,
    })
}
