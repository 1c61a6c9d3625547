//! What lies between clusters that lab did not make: nothing was planned there, so what is there is compared with what the scenario says of it.

use k8s_openapi::api::core::v1::{ConfigMap, Pod, Secret, Service};
use kube::ResourceExt;
use serde_json::{Value, json};

use crate::context::{LabContext, StepError};
use crate::plan::LabCluster;
use crate::plan::render::{EAST_WEST_PORT, ISTIO_NAMESPACE, remote_secret_name};
use crate::scenario::{FoundGateway, is_loopback};
use crate::sys::kube::{Cluster, is_pod_ready, load_balancer_addresses};
use crate::verdict::{Finding, words};

/// Label by which istiod knows the network of a namespace or a Service.
const NETWORK_LABEL: &str = "topology.istio.io/network";
/// Annotation of a remote cluster's namespace: the clusters whose control planes may manage it.
const CONTROL_PLANES: &str = "topology.istio.io/controlPlaneClusters";
/// Where each namespace has the certificate of its own API server.
const KUBERNETES_ROOT: &str = "kube-root-ca.crt";

/// Whether the east-west gateway of a cluster runs, is where other networks look for it, and listens; and whether istiod knows whose it is.
pub(super) async fn gateway(ctx: &LabContext, to: &LabCluster) -> Result<Option<Finding>, StepError> {
    let name = &to.name;
    let Some(gateway) = to.existing.as_ref().and_then(|e| e.east_west_gateway.as_ref()) else {
        return Ok(Some(Finding {
            cause: format!("{name} has no east-west gateway, so nothing from other networks gets in"),
            evidence: format!("no Service of {name} takes traffic at port {EAST_WEST_PORT} for network {}", to.network),
            remedy: format!("install one in {name}, expose services by it, and write the scenario anew: lab inspect"),
        }));
    };
    let client = ctx.client(name).await?;
    let (namespace, service) = gateway.place();
    let context = ctx.lab.context(to);
    let Some(found) = client.get::<Service>(namespace, service).await? else {
        return Ok(Some(Finding {
            cause: format!("the east-west gateway of {name} is gone, so nothing from other networks gets in"),
            evidence: format!("Service {namespace}/{service} does not exist in {name}"),
            remedy: "install it again; where it is another one now, write the scenario anew: lab inspect".to_owned(),
        }));
    };
    if let Some(finding) = runs(&client, to, (namespace, service), &found, &context).await? {
        return Ok(Some(finding));
    }
    if let Some(finding) = address(to, gateway, &found, &context) {
        return Ok(Some(finding));
    }
    if !ctx.lab.mesh.mesh_networks && ctx.lab.is_multi_network() {
        let label = found.labels().get(NETWORK_LABEL);
        if label != Some(&to.network) {
            return Ok(Some(unknown(
                to,
                &format!("Service {namespace}/{service}"),
                label,
                format!(
                    "kubectl --context {context} -n {namespace} label service {service} --overwrite {NETWORK_LABEL}={}",
                    to.network
                ),
            )));
        }
        if let Some(finding) = network(ctx, to).await? {
            return Ok(Some(finding));
        }
    }
    listens(ctx, to, &found).await
}

/// Whether anything runs behind a gateway's Service.
async fn runs(
    client: &Cluster,
    to: &LabCluster,
    (namespace, service): (&str, &str),
    found: &Service,
    context: &str,
) -> Result<Option<Finding>, StepError> {
    let selector = selector(found);
    let pods: Vec<Pod> = client.pods(namespace, &selector).await?;
    if pods.iter().any(is_pod_ready) {
        return Ok(None);
    }
    let waiting = client.waiting(namespace, &selector).await?;
    let waiting: Vec<String> =
        waiting.iter().map(|w| format!("; pod {} with image {}: {}", w.pod, w.image, w.reason)).collect();
    Ok(Some(Finding {
        cause: format!("the east-west gateway of {} does not run, so nothing from other networks gets in", to.name),
        evidence: format!(
            "no pod behind Service {namespace}/{service} in {} is ready ({selector}){}",
            to.name,
            waiting.concat()
        ),
        remedy: format!("see why: kubectl --context {context} -n {namespace} describe pods -l {selector}"),
    }))
}

/// Whether a gateway has the address at which the scenario says that it is, and takes traffic of other networks.
fn address(to: &LabCluster, gateway: &FoundGateway, found: &Service, context: &str) -> Option<Finding> {
    let (namespace, service) = gateway.place();
    let spec = found.spec.clone().unwrap_or_default();
    let ports: Vec<i32> = spec.ports.iter().flatten().map(|p| p.port).collect();
    let at_node = spec.ports.iter().flatten().filter_map(|p| p.node_port);
    let said = gateway.address.as_deref()?;
    let (host, port) = said.rsplit_once(':').map_or((said, EAST_WEST_PORT.to_string()), |(h, p)| (h, p.to_owned()));
    if !ports.iter().copied().chain(at_node).any(|p| p.to_string() == port) {
        return Some(Finding {
            cause: format!("the east-west gateway of {} does not take traffic at port {port}", to.name),
            evidence: format!("Service {namespace}/{service} in {} has {}", to.name, words::names(ports)),
            remedy: "add the port (15443 to 15443, named tls), or write the scenario anew: lab inspect".to_owned(),
        });
    }
    let mut addresses = load_balancer_addresses(found);
    addresses.extend(spec.external_ips.into_iter().flatten());
    // A node's address is in no Service.
    if addresses.iter().any(|a| a == host) || spec.type_.as_deref() == Some("NodePort") {
        return None;
    }
    Some(Finding {
        cause: format!("the east-west gateway of {} does not have its address", to.name),
        evidence: format!(
            "Service {namespace}/{service} in {}: the scenario says {host}, found {}",
            to.name,
            words::names(addresses)
        ),
        remedy: format!(
            "see what its load balancer says: kubectl --context {context} -n {namespace} describe service {service}; where the new address is to stay, write the scenario anew: lab inspect"
        ),
    })
}

/// Whether istiod knows on which network a cluster is.
pub(super) async fn network(ctx: &LabContext, to: &LabCluster) -> Result<Option<Finding>, StepError> {
    if ctx.lab.mesh.mesh_networks {
        return Ok(None);
    }
    let client = ctx.client(&to.name).await?;
    let place = json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": ISTIO_NAMESPACE } });
    let namespace = client.read(&place).await?;
    let label = namespace.as_ref().and_then(|n| n.labels().get(NETWORK_LABEL).cloned());
    if label.as_deref() == Some(to.network.as_str()) {
        return Ok(None);
    }
    // Without the label a pod says itself where it is, by what its sidecar was injected with.
    if label.is_none() && injected_network(&client, to).await?.as_deref() == Some(to.network.as_str()) {
        return Ok(None);
    }
    let command = format!(
        "kubectl --context {} label namespace {ISTIO_NAMESPACE} --overwrite {NETWORK_LABEL}={}",
        ctx.lab.context(to),
        to.network
    );
    Ok(Some(unknown(to, &format!("Namespace {ISTIO_NAMESPACE}"), label.as_ref(), command)))
}

/// The network that sidecars of a cluster are told.
async fn injected_network(client: &Cluster, cluster: &LabCluster) -> Result<Option<String>, StepError> {
    let name = with_revision("istio-sidecar-injector", cluster);
    let map: Option<ConfigMap> = client.get(ISTIO_NAMESPACE, &name).await?;
    let values = map.and_then(|m| m.data).and_then(|mut d| d.remove("values"));
    let values: Value = values.and_then(|text| serde_json::from_str(&text).ok()).unwrap_or_default();
    Ok(values["global"]["network"].as_str().map(str::to_owned))
}

fn unknown(to: &LabCluster, what: &str, label: Option<&String>, command: String) -> Finding {
    let said = label.map_or_else(|| "not there".to_owned(), |label| format!("`{label}`"));
    Finding {
        cause: format!(
            "istiod does not know that {} is on network {}, and gives out addresses of its pods",
            to.name, to.network
        ),
        evidence: format!("{what} in {}: label {NETWORK_LABEL} is {said}", to.name),
        remedy: command,
    }
}

/// Whether a Gateway lets through what comes to a gateway's port for other networks.
async fn listens(ctx: &LabContext, to: &LabCluster, found: &Service) -> Result<Option<Finding>, StepError> {
    let config = ctx.lab.config_cluster(to);
    let client = ctx.client(&config.name).await?;
    let kinds = client.collect(|group, plural| (group, plural) == ("networking.istio.io", "gateways"));
    let gateways: Vec<Value> = kinds.await?.into_iter().filter_map(|kind| kind.objects.ok()).flatten().collect();
    let labels = found.spec.as_ref().and_then(|s| s.selector.clone()).unwrap_or_default();
    let is_of = |gateway: &&Value| {
        let selector = gateway["spec"]["selector"].as_object();
        selector.is_none_or(|s| s.iter().all(|(k, v)| labels.get(k).is_some_and(|l| v == l)))
    };
    let lets_in = |gateway: &Value| {
        let servers = gateway["spec"]["servers"].as_array();
        servers.into_iter().flatten().any(|s| s["tls"]["mode"] == "AUTO_PASSTHROUGH")
    };
    if gateways.iter().filter(is_of).any(lets_in) {
        return Ok(None);
    }
    Ok(Some(Finding {
        cause: format!("the east-west gateway of {} has no listener for what comes to it", to.name),
        evidence: format!(
            "in {}, no Gateway with tls.mode AUTO_PASSTHROUGH selects it ({})",
            config.name,
            selector(found)
        ),
        remedy: format!(
            "expose services by it (Istio's samples/multicluster/expose-services.yaml): kubectl --context {} -n {ISTIO_NAMESPACE} apply -f expose-services.yaml",
            ctx.lab.context(config)
        ),
    }))
}

/// Whether a cluster says which control plane manages it.
pub(super) async fn managed(ctx: &LabContext, cluster: &LabCluster) -> Result<Option<Finding>, StepError> {
    let config = ctx.lab.config_cluster(cluster);
    if cluster.runs_istiod() || config.name == cluster.name {
        return Ok(None);
    }
    let place = json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": ISTIO_NAMESPACE } });
    let namespace = ctx.client(&cluster.name).await?.read(&place).await?;
    let said = namespace.as_ref().and_then(|n| n.annotations().get(CONTROL_PLANES).cloned());
    let names = said.iter().flat_map(|said| said.split(',')).map(str::trim);
    if names.into_iter().any(|name| name == "*" || name == config.id()) {
        return Ok(None);
    }
    Ok(Some(Finding {
        cause: format!("namespace {ISTIO_NAMESPACE} of {} does not say which control plane manages it", cluster.name),
        evidence: format!(
            "Namespace {ISTIO_NAMESPACE} in {}: annotation {CONTROL_PLANES} is {}",
            cluster.name,
            said.map_or_else(|| "not there".to_owned(), |s| format!("`{s}`"))
        ),
        remedy: format!(
            "kubectl --context {} annotate namespace {ISTIO_NAMESPACE} --overwrite {CONTROL_PLANES}={}; istiod reads it only when it adds a cluster, so apply the remote secret anew",
            ctx.lab.context(cluster),
            config.id()
        ),
    }))
}

/// What is wrong with the remote secret by which istiod of `from` watches `to`, as far as it can be read.
pub(super) async fn secret(ctx: &LabContext, from: &LabCluster, to: &LabCluster) -> Result<Option<Finding>, StepError> {
    let secrets = ctx.client(&from.name).await?.list_in::<Secret>(ISTIO_NAMESPACE, "istio/multiCluster=true").await;
    let secrets = match secrets {
        // Who may not read Secrets is told by istiod alone.
        Err(error) if error.is_forbidden() => return Ok(None),
        secrets => secrets?,
    };
    let id = to.id();
    let remedy = new_secret(ctx, from, to);
    let Some((name, kubeconfig)) = secrets.iter().find_map(|s| Some((s.name_any(), s.data.as_ref()?.get(id)?))) else {
        return Ok(Some(Finding {
            cause: format!("istiod of {} does not watch {}: it has no remote secret for it", from.name, to.name),
            evidence: format!(
                "no Secret of {ISTIO_NAMESPACE} in {} with the label istio/multiCluster=true has the key {id}",
                from.name
            ),
            remedy,
        }));
    };
    let kubeconfig: Value = serde_yaml::from_str(&String::from_utf8_lossy(&kubeconfig.0)).unwrap_or_default();
    let server = kubeconfig.pointer("/clusters/0/cluster/server").and_then(Value::as_str).unwrap_or("none");
    // What kind and minikube write for the machine that they are on.
    if is_loopback(server) {
        return Ok(Some(Finding {
            cause: format!("istiod of {} cannot read {}: its remote secret leads to its own pod", from.name, to.name),
            evidence: format!("Secret {ISTIO_NAMESPACE}/{name} in {}: its server is {server}", from.name),
            remedy: format!(
                "make it anew with an address of {}'s API server that pods of {} reach (--server https://HOST:PORT): {remedy}",
                to.name, from.name
            ),
        }));
    }
    let trusts = kubeconfig.pointer("/clusters/0/cluster/certificate-authority-data").and_then(Value::as_str);
    let own: Option<ConfigMap> = ctx.client(&to.name).await?.get(ISTIO_NAMESPACE, KUBERNETES_ROOT).await?;
    let own = own.and_then(|m| m.data).and_then(|mut d| d.remove("ca.crt"));
    let (Some(trusts), Some(own)) = (trusts, own) else { return Ok(None) };
    if is_same(trusts, &own) {
        return Ok(None);
    }
    Ok(Some(Finding {
        cause: format!("istiod of {} cannot read {}: its remote secret is wrong", from.name, to.name),
        evidence: format!(
            "Secret {ISTIO_NAMESPACE}/{name} in {}, whose server is {server}, trusts another certificate than the one of {}'s API server",
            from.name, to.name
        ),
        remedy,
    }))
}

/// The command that makes a remote secret.
pub(super) fn new_secret(ctx: &LabContext, from: &LabCluster, to: &LabCluster) -> String {
    format!(
        "istioctl create-remote-secret --context {} --name {} | kubectl --context {} -n {ISTIO_NAMESPACE} apply -f - (it makes {})",
        ctx.lab.context(to),
        to.id(),
        ctx.lab.context(from),
        remote_secret_name(to.id())
    )
}

/// Whether a certificate as Secrets have it is this one.
fn is_same(data: &str, pem: &str) -> bool {
    use base64::Engine as _;
    let decoded = base64::engine::general_purpose::STANDARD.decode(data.trim()).unwrap_or_default();
    String::from_utf8_lossy(&decoded).trim() == pem.trim()
}

/// Whether istiod of a cluster is in the mesh that the scenario says.
pub(super) async fn mesh(ctx: &LabContext, cluster: &LabCluster) -> Result<Option<Finding>, StepError> {
    let name = with_revision("istio", cluster);
    let map: Option<ConfigMap> = ctx.client(&cluster.name).await?.get(ISTIO_NAMESPACE, &name).await?;
    let Some(text) = map.and_then(|map| map.data).and_then(|mut data| data.remove("mesh")) else { return Ok(None) };
    let found: Value = serde_yaml::from_str(&text).unwrap_or_default();
    let domain = found["trustDomain"].as_str().unwrap_or("cluster.local");
    let id = found["defaultConfig"]["meshId"].as_str();
    let mesh = &ctx.lab.mesh;
    let wrong = if domain != mesh.trust_domain {
        format!("trustDomain is {domain}, and the scenario says {}", mesh.trust_domain)
    } else if let Some(id) = id.filter(|id| *id != mesh.id) {
        format!("meshId is {id}, and the scenario says {}", mesh.id)
    } else {
        return Ok(None);
    };
    Ok(Some(Finding {
        cause: format!("istiod of {} does not have the mesh configuration of the scenario", cluster.name),
        evidence: format!("ConfigMap {ISTIO_NAMESPACE}/{name} in {}: {wrong}", cluster.name),
        remedy: "set the same in every cluster of the mesh, or write the scenario anew: lab inspect".to_owned(),
    }))
}

fn with_revision(name: &str, cluster: &LabCluster) -> String {
    cluster.revision.as_ref().map_or_else(|| name.to_owned(), |revision| format!("{name}-{revision}"))
}

/// The labels that a Service selects by, as a selector.
fn selector(service: &Service) -> String {
    let labels = service.spec.as_ref().and_then(|s| s.selector.clone()).unwrap_or_default();
    labels.iter().map(|(k, v)| format!("{k}={v}")).collect::<Vec<_>>().join(",")
}
