//! `status`: one look at a lab. All clusters are asked side by side, and of what does not answer in time it is said so.

use std::time::Duration;

use futures::future::join_all;
use k8s_openapi::api::apps::v1::{DaemonSet, Deployment, StatefulSet};
use k8s_openapi::api::core::v1::{Node as KubeNode, Service};
use kube::ResourceExt;

use crate::context::{LabContext, StepError, files, karmada_api, nodes};
use crate::fault::{Record, now, records};
use crate::mirror;
use crate::plan::render::{self, EAST_WEST_GATEWAY, EXTERNAL_ISTIOD, INGRESS_GATEWAY, ISTIO_NAMESPACE};
use crate::plan::{Gateway, LabCluster};
use crate::scenario::{Existing, FoundGateway};
use crate::sys::docker::Node;
use crate::sys::kube::{Cluster, Condition, condition, load_balancer_addresses};
use crate::verdict::{
    AppStatus, ClusterStatus, FOREIGN_NODE, FaultStatus, FederationStatus, GatewayStatus, LabStatus, LastVerdict,
    MemberStatus, NodeStatus, ProxyStatus, RemoteCluster, Replicas, Verdict, proxies, remote_clusters,
};

/// How long one question may take. A cluster that is frozen answers none, and must not hold up the others.
const PATIENCE: Duration = Duration::from_secs(4);

/// The port of istiod on which it tells about itself.
const ISTIOD_DEBUG: u16 = 15014;

/// Looks at the lab.
///
/// # Errors
/// The engine does not answer, or the lab's state cannot be read.
pub async fn look(ctx: &LabContext) -> Result<LabStatus, StepError> {
    let lab = &ctx.lab;
    let nodes = ctx.nodes().await?;
    let (looks, federation) =
        tokio::join!(join_all(lab.clusters.iter().map(|c| cluster(ctx, c, &nodes))), federation(ctx));
    let (mut clusters, mut known): (Vec<ClusterStatus>, Vec<Vec<(String, ProxyStatus)>>) = looks.into_iter().unzip();
    for (cluster, proxy) in known.drain(..).flatten() {
        let name = lab.clusters.iter().find(|c| c.id() == cluster).map_or(cluster.as_str(), |c| c.name.as_str());
        if let Some(status) = clusters.iter_mut().find(|c| c.name == name) {
            status.proxies.push(proxy);
        }
    }
    for status in &mut clusters {
        status.proxies.sort_by(|a, b| a.name.cmp(&b.name));
    }
    let verdict: Option<Verdict> = ctx.state.recall(files::VERDICT)?;
    let mirrors = mirror::records(&ctx.state)?;
    Ok(LabStatus {
        lab: lab.name.clone(),
        mesh: lab.mesh_in_words(),
        docker_network: if lab.makes_machines() {
            format!("{} {}", lab.docker_network.name, lab.docker_network.subnet)
        } else {
            "none: lab did not make these clusters".to_owned()
        },
        clusters,
        federation,
        faults: records(&ctx.state)?.iter().map(fault).collect(),
        mirrors: mirrors.iter().map(|record| mirror::told(&ctx.state, record)).collect::<Result<_, _>>()?,
        last_verdict: verdict.map(|v| LastVerdict {
            passed: v.passed,
            at: v.at,
            causes: v.findings.into_iter().map(|f| f.cause).collect(),
        }),
    })
}

fn fault(record: &Record) -> FaultStatus {
    let left = record.until.saturating_sub(now()).div_ceil(1000);
    FaultStatus { fault: record.kind.to_string(), kind: record.kind.word(), left }
}

/// A cluster, and the Envoys that its istiod knows, which may be those of other clusters too.
async fn cluster(
    ctx: &LabContext,
    cluster: &LabCluster,
    nodes: &[Node],
) -> (ClusterStatus, Vec<(String, ProxyStatus)>) {
    let mut status = ClusterStatus {
        name: cluster.name.clone(),
        network: cluster.network.clone(),
        primary: cluster.primary.clone(),
        controlled_by: ctx.lab.controlled_by(cluster),
        east_west_gateway: cluster.east_west_endpoint().map(|e| e.ip().to_string()),
        nodes: planned_nodes(ctx, cluster, nodes),
        api_server: "not built",
        ..ClusterStatus::default()
    };
    let Ok(client) = ctx.client(&cluster.name).await else { return (status, Vec::new()) };
    // Nothing else can be asked of a cluster that is not ready, and each question would take its time.
    if !matches!(tokio::time::timeout(PATIENCE, client.is_ready()).await, Ok(true)) {
        status.api_server = "no answer";
        status.gateways = gateways(cluster, &[], None);
        return (status, Vec::new());
    }
    status.api_server = "ready";
    let runs_istiod = ctx.lab.has_istio(cluster) && cluster.runs_istiod();
    let (kube_nodes, deployments, sets, daemons, services, istiod) = tokio::join!(
        asked("nodes", client.list::<KubeNode>()),
        asked("Deployments", client.everywhere::<Deployment>()),
        asked("StatefulSets", client.everywhere::<StatefulSet>()),
        asked("DaemonSets", client.everywhere::<DaemonSet>()),
        asked("Services", client.everywhere::<Service>()),
        async { if runs_istiod { Some(istiod(ctx, cluster, &client).await) } else { None } },
    );
    let mut answer = Answers { unanswered: Vec::new() };
    let kube_nodes = answer.take(kube_nodes);
    if !cluster.is_made() {
        status.nodes = kube_nodes.iter().map(found_node).collect();
    }
    for node in &mut status.nodes {
        let name = cluster.node_name(&node.name);
        node.ready = kube_nodes.iter().find(|n| n.name_any() == name).map(is_ready);
    }
    let deployments = answer.take(deployments);
    let services = services.map_err(|why| answer.unanswered.push(why)).ok();
    let (sets, daemons) = (answer.take(sets), answer.take(daemons));
    status.istiod = runs_istiod.then(|| replicas_of(&deployments, &cluster.istiod()).unwrap_or_default());
    status.gateways = gateways(cluster, &deployments, services.as_deref());
    status.apps =
        deployments.iter().map(deployment).chain(sets.iter().map(stateful)).chain(daemons.iter().map(daemon)).collect();
    status.apps.retain(is_app);
    status.apps.sort_by(|a, b| (&a.namespace, &a.name).cmp(&(&b.namespace, &b.name)));
    let mut known = Vec::new();
    match istiod {
        None => {}
        Some(Ok((remotes, proxies))) => (status.remote_clusters, known) = (remotes, proxies),
        Some(Err(why)) => answer.unanswered.push(format!("istiod: {why}")),
    }
    status.unanswered = answer.unanswered;
    (status, known)
}

/// Collects what could not be asked.
struct Answers {
    unanswered: Vec<String>,
}

impl Answers {
    fn take<T>(&mut self, answer: Result<Vec<T>, String>) -> Vec<T> {
        answer.unwrap_or_else(|why| {
            self.unanswered.push(why);
            Vec::new()
        })
    }
}

async fn asked<T, E: std::fmt::Display>(what: &str, question: impl Future<Output = Result<T, E>>) -> Result<T, String> {
    match tokio::time::timeout(PATIENCE, question).await {
        Ok(answer) => answer.map_err(|e| format!("{what}: {e}")),
        Err(_) => Err(format!("{what}: no answer within {} s", PATIENCE.as_secs())),
    }
}

type Istiod = (Vec<RemoteCluster>, Vec<(String, ProxyStatus)>);

/// What the istiod of a cluster says: every replica is asked, since each has Envoys of its own.
async fn istiod(ctx: &LabContext, cluster: &LabCluster, client: &Cluster) -> Result<Istiod, String> {
    let pods = asked("pods", client.pods(ISTIO_NAMESPACE, "app=istiod")).await?;
    if pods.is_empty() {
        return Err("no pod of it runs".to_owned());
    }
    let ask = async |pod: &str, path: &str| {
        let answer = asked(path, client.http_get(ISTIO_NAMESPACE, pod, ISTIOD_DEBUG, path)).await?;
        if answer.status == 200 { Ok(answer.body) } else { Err(format!("{path}: it answered {}", answer.status)) }
    };
    let own = ctx.lab.config_cluster(cluster).id();
    let expected: Vec<&str> = ctx.lab.meshed_with(cluster).map(LabCluster::id).collect();
    let mut all: Istiod = (Vec::new(), Vec::new());
    let names: Vec<String> = pods.iter().map(ResourceExt::name_any).collect();
    let answers = join_all(
        names.iter().map(|pod| async { tokio::try_join!(ask(pod, "/debug/clusterz"), ask(pod, "/debug/syncz")) }),
    );
    for answer in answers.await {
        let (clusterz, syncz) = answer?;
        all.0 = remote_clusters(&clusterz, own, &expected).map_err(|e| format!("/debug/clusterz: {e}"))?;
        all.1.extend(proxies(&syncz).map_err(|e| format!("/debug/syncz: {e}"))?);
    }
    Ok(all)
}

/// A node that is no container of lab's.
fn found_node(node: &KubeNode) -> NodeStatus {
    let addresses = node.status.as_ref().and_then(|s| s.addresses.as_ref());
    let inside = addresses.into_iter().flatten().find(|a| a.type_ == "InternalIP");
    NodeStatus {
        name: node.name_any(),
        running: is_ready(node),
        status: FOREIGN_NODE.to_owned(),
        address: inside.map(|a| a.address.clone()),
        ready: Some(is_ready(node)),
    }
}

/// The nodes of a cluster that lab makes, those that are not there among them.
fn planned_nodes(ctx: &LabContext, cluster: &LabCluster, found: &[Node]) -> Vec<NodeStatus> {
    if cluster.existing.is_some() {
        return Vec::new();
    }
    let own = found.iter().filter(|n| n.cluster == cluster.name);
    let absent = cluster.nodes().filter(|name| !found.iter().any(|n| n.name == *name));
    let absent = absent.map(|name| NodeStatus { name, status: "is not there".to_owned(), ..NodeStatus::default() });
    own.map(|found| node(found, &ctx.lab.docker_network.name)).chain(absent).collect()
}

fn node(node: &Node, network: &str) -> NodeStatus {
    // What Docker says of a container does not say where it is attached.
    let detached = nodes::condition(node, network).filter(|_| node.running && !node.paused);
    let status = detached.map_or_else(|| node.status.clone(), |(condition, _)| format!("{}, {condition}", node.status));
    NodeStatus { name: node.name.clone(), running: node.running, status, address: node.address.clone(), ready: None }
}

fn is_ready(node: &KubeNode) -> bool {
    let conditions = node.status.as_ref().and_then(|s| s.conditions.as_ref());
    conditions.into_iter().flatten().any(|c| c.type_ == "Ready" && c.status == "True")
}

/// The gateways that were planned, with what became of them.
fn gateways(cluster: &LabCluster, deployments: &[Deployment], services: Option<&[Service]>) -> Vec<GatewayStatus> {
    if let Some(existing) = &cluster.existing {
        return found(existing, deployments, services);
    }
    let service = |name: &str| {
        let found =
            services?.iter().find(|s| s.name_any() == name && s.namespace().as_deref() == Some(ISTIO_NAMESPACE));
        Some(found.map(load_balancer_addresses).unwrap_or_default())
    };
    let balanced = cluster.addresses.iter().map(|(gateway, planned)| {
        let (service_name, deployment) = match gateway {
            Gateway::EastWestGateway => (EAST_WEST_GATEWAY, EAST_WEST_GATEWAY),
            Gateway::IngressGateway => (INGRESS_GATEWAY, INGRESS_GATEWAY),
            Gateway::Istiod => (EXTERNAL_ISTIOD, "istiod"),
        };
        GatewayStatus {
            name: gateway.title(),
            planned: planned.to_string(),
            addresses: service(service_name),
            replicas: replicas_of(deployments, deployment),
        }
    });
    let published = cluster.published_gateway.iter().map(|endpoint| GatewayStatus {
        name: Gateway::EastWestGateway.title(),
        planned: endpoint.to_string(),
        addresses: services.map(|_| vec![endpoint.to_string()]),
        replicas: replicas_of(deployments, EAST_WEST_GATEWAY),
    });
    balanced.chain(published).collect()
}

/// The gateways of a cluster that lab did not make. What runs behind them is a Deployment that has the labels by which the Service selects.
fn found(existing: &Existing, deployments: &[Deployment], services: Option<&[Service]>) -> Vec<GatewayStatus> {
    let gateway = |name: &'static str, gateway: &FoundGateway| {
        let (namespace, service) = gateway.place();
        let is_it = |s: &&Service| s.name_any() == service && s.namespace().as_deref() == Some(namespace);
        let service = services.and_then(|all| all.iter().find(is_it));
        let selector = service.and_then(|s| s.spec.as_ref()).and_then(|s| s.selector.clone()).unwrap_or_default();
        let is_behind = |d: &&Deployment| {
            let labels = d.spec.template.metadata.as_ref().and_then(|m| m.labels.as_ref());
            let has = |(k, v): (&String, &String)| labels.is_some_and(|labels| labels.get(k) == Some(v));
            d.namespace().as_deref() == Some(namespace) && !selector.is_empty() && selector.iter().all(has)
        };
        let behind = deployments.iter().find(is_behind).map(|d| deployment(d).replicas);
        GatewayStatus {
            name,
            planned: gateway.address.clone().unwrap_or_default(),
            addresses: services.map(|_| service.map(load_balancer_addresses).unwrap_or_default()),
            replicas: behind,
        }
    };
    let east_west = existing.east_west_gateway.iter().map(|g| gateway(Gateway::EastWestGateway.title(), g));
    east_west.chain(existing.ingress_gateway.iter().map(|g| gateway(Gateway::IngressGateway.title(), g))).collect()
}

fn replicas_of(deployments: &[Deployment], name: &str) -> Option<Replicas> {
    let is_it = |d: &&Deployment| d.name_any() == name && d.namespace().as_deref() == Some(ISTIO_NAMESPACE);
    deployments.iter().find(is_it).map(|d| deployment(d).replicas)
}

fn is_app(app: &AppStatus) -> bool {
    !render::is_system(&app.namespace) || app.namespace == "default"
}

fn deployment(d: &Deployment) -> AppStatus {
    let ready = d.status.as_ref().and_then(|s| s.ready_replicas).unwrap_or(0);
    app(d, "Deployment", Replicas { ready, wanted: d.spec.replicas.unwrap_or(1) })
}

fn stateful(s: &StatefulSet) -> AppStatus {
    let ready = s.status.as_ref().and_then(|s| s.ready_replicas).unwrap_or(0);
    app(s, "StatefulSet", Replicas { ready, wanted: s.spec.replicas.unwrap_or(1) })
}

fn daemon(d: &DaemonSet) -> AppStatus {
    let replicas = d.status.as_ref().map(|s| Replicas { ready: s.number_ready, wanted: s.desired_number_scheduled });
    app(d, "DaemonSet", replicas.unwrap_or_default())
}

fn app(object: &impl ResourceExt, kind: &'static str, replicas: Replicas) -> AppStatus {
    AppStatus { namespace: object.namespace().unwrap_or_default(), kind, name: object.name_any(), replicas }
}

/// Karmada's own view of its members.
async fn federation(ctx: &LabContext) -> Option<FederationStatus> {
    let federation = ctx.lab.federation.as_ref()?;
    let api = match asked("Karmada", karmada_api::client(ctx)).await {
        Ok(api) if matches!(tokio::time::timeout(PATIENCE, api.is_ready()).await, Ok(true)) => Some(api),
        _ => {
            // Its address may have changed since.
            karmada_api::forget_client(ctx);
            None
        }
    };
    let built = karmada_api::kubeconfig(ctx).is_ok();
    let members = join_all(federation.members.iter().map(|member| async {
        let ready = match &api {
            Some(api) => {
                let object = asked("member", api.read(&render::karmada_cluster(&member.cluster))).await;
                object
                    .ok()
                    .map(|object| object.and_then(|o| condition(&o, "Ready")).as_ref().is_some_and(Condition::is_true))
            }
            None => None,
        };
        MemberStatus { cluster: member.cluster.clone(), mode: member.mode.as_str(), ready }
    }));
    Some(FederationStatus {
        manager: federation.manager.clone(),
        api: match (&api, built) {
            (Some(_), _) => "ready",
            (None, true) => "no answer",
            (None, false) => "not built",
        },
        members: members.await,
    })
}
