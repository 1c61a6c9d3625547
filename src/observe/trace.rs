//! `trace`: sends one request, and reads what every proxy of the mesh writes of it.

use std::collections::BTreeMap;
use std::time::Duration;

use futures::future::{join_all, try_join_all};
use futures::stream::{BoxStream, StreamExt, select_all};
use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt;
use tokio::time::Instant;

use super::traffic::{Call, Caller, has_sidecar};
use crate::context::{LabContext, StepError};
use crate::plan::LabCluster;
use crate::plan::render::PROXY;
use crate::scenario::{CallerPod, ServiceUrl};
use crate::sys::kube::Cluster;
use crate::verdict::{AccessLine, Known, Logged, Trace, TracedRequest, is_whole, spans};

/// Label of a pod of a gateway.
const GATEWAY: &str = "istio";
/// Lines of a gateway's past that are read: a connection that requests go through may have begun long ago.
const PAST_OF_GATEWAY: i64 = 2000;
/// Lines of another proxy's past: one, since an answer to who follows a log begins with a line only.
const PAST: i64 = 1;
/// An Envoy writes its lines out once a second, so other tries and copies of the request are known after that time.
const WRITTEN_OUT: Duration = Duration::from_millis(1500);
/// What is missing after that is not waited for any longer.
const MISSING: Duration = Duration::from_secs(5);

/// Sends a request from a pod of a cluster, with these headers, and follows it.
pub async fn run(
    ctx: &LabContext,
    from: &str,
    caller: &CallerPod,
    service: &ServiceUrl,
    headers: &BTreeMap<String, String>,
) -> Result<Trace, StepError> {
    let sender = Caller::find(ctx, from, &caller.namespace, &caller.app).await?;
    if sender.envoy().is_none() {
        return Err(StepError::Failed {
            problem: format!(
                "{}/{} in {from} has no sidecar that could write of its requests",
                caller.namespace, caller.app
            ),
            remedy: format!("`lab explain {} {from} CLUSTER` walks the call without one", ctx.lab.name),
        });
    }
    let clusters: Vec<&LabCluster> = ctx.lab.data_clusters().collect();
    let proxies = try_join_all(clusters.iter().map(|cluster| proxies(ctx, cluster))).await?;
    let logs = proxies.iter().flatten().map(follow);
    let mut lines = select_all(join_all(logs).await.into_iter().flatten());

    let id = uuid::Uuid::new_v4().to_string();
    let mut sent = headers.clone();
    sent.insert("x-request-id".to_owned(), id.clone());
    let call = Call { headers: &sent, ..Call::get(format!("http://{service}")) };
    let reply = sender.send(&call, 1, 1, |_| false).await?.pop().unwrap_or_default();

    let mut logged = Vec::new();
    let (written_out, missing) = (Instant::now() + WRITTEN_OUT, Instant::now() + MISSING);
    loop {
        let until = if is_whole(&id, &logged) { written_out } else { missing };
        match tokio::time::timeout_at(until, lines.next()).await {
            Ok(Some(line)) => logged.push(line),
            Ok(None) | Err(_) if is_whole(&id, &logged) || Instant::now() >= missing => break,
            Ok(None) => break,
            Err(_) => {}
        }
    }
    let networks = clusters.iter().map(|c| (c.name.clone(), c.network.clone())).collect();
    let spans = spans(&id, &logged, &networks, &known(ctx, &proxies));
    let request = TracedRequest {
        lab: ctx.lab.name.clone(),
        from: from.to_owned(),
        caller: format!("{}/{}", caller.namespace, caller.app),
        service: service.to_string(),
        id,
    };
    Ok(Trace::of(&reply, spans, request))
}

/// A pod with a proxy.
struct Proxy<'a> {
    client: Cluster,
    cluster: &'a LabCluster,
    pod: Pod,
}

/// Every pod of a cluster with a proxy in it.
async fn proxies<'a>(ctx: &LabContext, cluster: &'a LabCluster) -> Result<Vec<Proxy<'a>>, StepError> {
    let client = ctx.client(&cluster.name).await?;
    let pods: Vec<Pod> = client.everywhere().await?;
    let pods = pods.into_iter().filter(has_sidecar);
    Ok(pods.map(|pod| Proxy { client: client.clone(), cluster, pod }).collect())
}

/// The lines of an access log from now on; none of a pod that has just gone.
async fn follow(proxy: &Proxy<'_>) -> Option<BoxStream<'static, Logged>> {
    let (namespace, name) = (proxy.pod.namespace().unwrap_or_default(), proxy.pod.name_any());
    let past = if proxy.pod.labels().contains_key(GATEWAY) { PAST_OF_GATEWAY } else { PAST };
    let lines = proxy.client.log_lines(&namespace, &name, PROXY, true, past).await.ok()?;
    let (cluster, pod) = (proxy.cluster.name.clone(), format!("{namespace}/{name}"));
    let logged = lines.filter_map(move |line| {
        // The time before a line is the kubelet's.
        let line = line.ok().and_then(|l| AccessLine::parse(l.split_once(' ').map_or("", |(_, text)| text)));
        let logged = line.map(|line| Logged { cluster: cluster.clone(), pod: pod.clone(), line });
        async { logged }
    });
    Some(logged.boxed())
}

/// Whose addresses are which.
fn known(ctx: &LabContext, proxies: &[Vec<Proxy<'_>>]) -> Known {
    let mut known = Known::new();
    for proxy in proxies.iter().flatten() {
        let whose = format!("{} in {}", proxy.pod.name_any(), proxy.cluster.name);
        for address in proxy.pod.status.iter().flat_map(|s| s.pod_ips.iter().flatten()) {
            known.insert((Some(proxy.cluster.network.clone()), address.ip.clone()), whose.clone());
        }
    }
    for cluster in ctx.lab.data_clusters() {
        for endpoint in cluster.east_west_endpoints(&ctx.lab.docker_network) {
            known.insert((None, endpoint.to_string()), format!("the east-west gateway of {}", cluster.name));
        }
    }
    known
}
