//! Who calls, what it sends, and what its Envoy knows.

mod curl;
mod pods;
mod talk;

pub(in crate::observe) use curl::{Call, Family};
use pods::container_of;
pub(in crate::observe) use pods::{any_caller, callers, has_sidecar};

use std::time::{Duration, Instant};

use bytes::Bytes;
use k8s_openapi::api::core::v1::{Pod, Service};
use kube::ResourceExt;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

use crate::context::{LabContext, StepError};
use crate::exec::Progress;
use crate::plan::{Helloworld, LabCluster, helloworlds};
use crate::scenario::{Level, Protocol, ServiceUrl};
use crate::sys::kube::{ANSWER, Cluster, ExecOutput, KubeError};
use crate::verdict::{
    Answer, Endpoint, Expected, Moment, REPLY_FORMAT, Rejected, Reply, at_port, differences, endpoint_port,
    envoy_endpoints, grpc_reply, knows_host, parse_replies, rejected, since,
};

/// Envoy's admin port inside every sidecar and gateway.
pub(in crate::observe) const ENVOY_ADMIN: u16 = 15000;
/// The first batch of requests, so that a broken mesh is known before every request has timed out. Batches grow while nothing fails.
const FIRST_BATCH: u32 = 20;
const LARGEST_BATCH: u32 = 320;
/// Bytes that are kept of a body whose bytes are counted.
const KEPT: usize = 4096;
/// Seconds that one request may take.
pub(in crate::observe) const REQUEST_LIMIT: u32 = 3;

/// A container with curl in a running pod.
pub(in crate::observe) struct Caller {
    client: Cluster,
    pod: EnvoyPod,
    container: String,
    /// Whether requests go through an Envoy beside it.
    has_sidecar: bool,
}

impl Caller {
    /// The newest running pod of `app` in a cluster, or the pod of that name.
    pub(in crate::observe) async fn find(
        ctx: &LabContext,
        cluster: &str,
        namespace: &str,
        app: &str,
    ) -> Result<Self, StepError> {
        Self::find_in(ctx, (cluster, None), namespace, app).await
    }

    /// The same in one zone of a cluster, if one is said.
    pub(in crate::observe) async fn find_in(
        ctx: &LabContext,
        (cluster, zone): (&str, Option<&str>),
        namespace: &str,
        app: &str,
    ) -> Result<Self, StepError> {
        let client = ctx.client(cluster).await?;
        let mut selector = format!("app={app}");
        let mut pods = callers(&client, namespace, app).await?;
        if let Some(zone) = zone {
            let nodes = ctx.cluster(cluster)?.nodes_in(zone);
            let node = |pod: &Pod| pod.spec.as_ref().and_then(|s| s.node_name.clone());
            pods.retain(|pod| node(pod).is_some_and(|node| nodes.contains(&node)));
            selector = format!("{selector} in zone {zone}");
        }
        let pod = pods.pop();
        let pod = pod.ok_or_else(|| KubeError::NoPod { namespace: namespace.to_owned(), selector })?;
        let has_sidecar = has_sidecar(&pod);
        let container = container_of(&pod, app);
        let pod = EnvoyPod { namespace: namespace.to_owned(), name: pod.name_any() };
        Ok(Self { client, pod, container, has_sidecar })
    }

    /// Runs curl with these arguments and gives what it printed, whatever its exit status: failures are part of what is printed. `silence` is how
    /// long it may print nothing: longer than one of its requests may take, since what is silent then is the way to it.
    pub(in crate::observe) async fn curl(
        &self,
        arguments: &[&str],
        silence: Duration,
        limit: Duration,
    ) -> Result<String, StepError> {
        self.curl_with(arguments, Bytes::new(), silence, limit).await
    }

    /// The same with something on its standard input. What it cannot do it says on the other stream: that comes where nothing else is printed.
    async fn curl_with(
        &self,
        arguments: &[&str],
        input: Bytes,
        silence: Duration,
        limit: Duration,
    ) -> Result<String, StepError> {
        // Unbuffered, so that each answer comes when it is there.
        let command: Vec<&str> = ["curl", "-N"].into_iter().chain(arguments.iter().copied()).collect();
        let EnvoyPod { namespace, name } = &self.pod;
        let run = self.client.exec_fed(namespace, name, &self.container, &command, (input, silence));
        match tokio::time::timeout(limit, run).await {
            Ok(output) => {
                let ExecOutput { stdout, stderr, .. } = output?;
                if stdout.is_empty() && talk::is_missing(&stderr) {
                    return Err(self.broken(format!(
                        "container {} has no curl: let `sleep` call, or add it to its image ({})",
                        self.container,
                        stderr.trim()
                    )));
                }
                Ok(if stdout.is_empty() { stderr } else { stdout })
            }
            Err(_) => Err(self.broken(format!("curl did not end within {} s", limit.as_secs()))),
        }
    }

    /// Whether curl is in its container.
    pub(in crate::observe) async fn has_curl(&self) -> bool {
        let EnvoyPod { namespace, name } = &self.pod;
        let ran = self.client.exec(namespace, name, &self.container, &["curl", "--version"]).await;
        ran.is_ok_and(|output| output.success)
    }

    fn broken(&self, reason: String) -> StepError {
        KubeError::Pod { pod: format!("{}/{}", self.pod.namespace, self.pod.name), reason }.into()
    }

    /// Sends requests one after the other, until all are sent or so many have failed that it is decided. At once they would favour the
    /// near endpoint.
    pub(in crate::observe) async fn send(
        &self,
        call: &Call<'_>,
        requests: u32,
        enough_failures: usize,
        failed: impl Fn(&Reply) -> bool,
    ) -> Result<Vec<Reply>, StepError> {
        let mut replies: Vec<Reply> = Vec::new();
        let most = call.most_at_once();
        let mut batch = if call.to_first_failure { LARGEST_BATCH } else { FIRST_BATCH }.min(most);
        while replies.len() < requests as usize {
            let left = requests - u32::try_from(replies.len()).unwrap_or(requests);
            let more = self.send_batch(call, left.min(batch)).await?;
            if more.is_empty() {
                return Err(self.broken("curl printed nothing".to_owned()));
            }
            replies.extend(more);
            match replies.iter().filter(|r| failed(r)).count() {
                0 => batch = (batch * 2).min(LARGEST_BATCH).min(most),
                failures if failures >= enough_failures => break,
                _ if call.to_first_failure => {}
                _ => batch = FIRST_BATCH.min(most),
            }
        }
        Ok(replies)
    }

    /// Sends requests one after the other, at most so many a second (`NUMBER/s`), until the receiver is dropped. Gives each answer with the time
    /// at which it came.
    pub(in crate::observe) async fn stream(
        &self,
        call: &Call<'_>,
        rate: &str,
    ) -> Result<UnboundedReceiver<(Instant, Answer)>, StepError> {
        let (limit, url) = (call.limit.to_string(), format!("{}#[1-1000000]", call.url));
        // Unbuffered, so that each answer comes when it is there.
        let command = ["curl", "-sN", "--rate", rate, "-m", &limit, "-w", REPLY_FORMAT, &url];
        let EnvoyPod { namespace, name } = &self.pod;
        let mut lines = self.client.exec_lines(namespace, name, &self.container, &command).await?;
        let (sender, receiver) = unbounded_channel();
        tokio::spawn(async move {
            let mut replies = Replies::default();
            while let Some(line) = lines.next().await {
                let Some(reply) = replies.line(&line) else { continue };
                if sender.send((Instant::now(), Answer::of(&reply))).is_err() {
                    break;
                }
            }
        });
        Ok(receiver)
    }

    async fn send_batch(&self, call: &Call<'_>, requests: u32) -> Result<Vec<Reply>, StepError> {
        if matches!(call.protocol, Protocol::Tcp | Protocol::WebSocket) {
            return self.converse(call, requests).await;
        }
        let arguments = call.arguments(requests);
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let silence = Duration::from_secs(call.limit.into()) + ANSWER;
        let whole = Duration::from_secs(u64::from(call.limit * requests)) + ANSWER;
        let printed = self.curl_with(&arguments, call.input(), silence, whole).await?;
        let mut replies = parse_replies(&printed);
        if replies.is_empty() && !printed.trim().is_empty() {
            return Err(self.broken(format!("curl says no more than: {}", printed.trim())));
        }
        if call.protocol == Protocol::Grpc {
            replies = replies.into_iter().map(grpc_reply).collect();
        }
        if call.counted.is_some() {
            for reply in &mut replies {
                reply.shorten(KEPT);
            }
        }
        Ok(replies)
    }

    /// What its Envoy has of a service; nothing without a sidecar.
    pub(in crate::observe) async fn endpoints(&self, service: &ServiceUrl) -> Result<Vec<Endpoint>, StepError> {
        match self.envoy() {
            Some((client, pod)) => pod.endpoints(client, service).await,
            None => Ok(Vec::new()),
        }
    }

    /// What its Envoy has of a host by which no Service is known.
    pub(in crate::observe) async fn endpoints_of_host(
        &self,
        host: &str,
        port: u16,
    ) -> Result<EnvoyEndpoints, StepError> {
        let EnvoyPod { namespace, name } = &self.pod;
        let body = self.client.http_get(namespace, name, ENVOY_ADMIN, "/clusters?format=json").await?.body;
        let endpoints = envoy_endpoints(&body, host, port);
        Ok(EnvoyEndpoints { is_known: knows_host(&body, host, port), endpoints })
    }

    /// What its Envoy has been sent and rejects.
    pub(in crate::observe) async fn rejected(&self) -> Result<Vec<Rejected>, StepError> {
        let EnvoyPod { namespace, name } = &self.pod;
        Ok(rejected(&self.client.http_get(namespace, name, ENVOY_ADMIN, "/config_dump").await?.body))
    }

    /// Where its Envoy can be asked; nowhere without a sidecar.
    pub(in crate::observe) fn envoy(&self) -> Option<(&Cluster, &EnvoyPod)> {
        self.has_sidecar.then_some((&self.client, &self.pod))
    }
}

/// Makes calls, and gives with what came back the endpoints that an Envoy has of the called service afterwards, with what it sent there meanwhile; none
/// without an Envoy or a service.
pub(in crate::observe) async fn counted(
    envoy: Option<(&Cluster, &EnvoyPod)>,
    service: Option<&ServiceUrl>,
    calls: impl Future<Output = Result<Vec<Reply>, StepError>>,
) -> Result<(Vec<Reply>, Vec<Endpoint>), StepError> {
    let Some(((client, pod), service)) = envoy.zip(service) else { return Ok((calls.await?, Vec::new())) };
    let before = pod.endpoints(client, service).await?;
    let replies = calls.await?;
    Ok((replies, since(&before, pod.endpoints(client, service).await?)))
}

/// What curl prints, as it comes.
#[derive(Default)]
pub(super) struct Replies(String);

impl Replies {
    /// Takes one more line; gives the reply that ends with it.
    pub fn line(&mut self, line: &str) -> Option<Reply> {
        self.0.push_str(line);
        self.0.push('\n');
        let reply = parse_replies(&self.0).pop()?;
        self.0.clear();
        Some(reply)
    }
}

/// Answers with their times since `start`, until it is enough or time is up.
pub(super) async fn collect(
    answers: &mut UnboundedReceiver<(Instant, Answer)>,
    start: Instant,
    limit: Duration,
    enough: impl Fn(&[Moment]) -> bool,
) -> Vec<Moment> {
    let mut moments = Vec::new();
    let deadline = tokio::time::Instant::from_std(start + limit);
    while !enough(&moments) {
        let Ok(Some((at, answer))) = tokio::time::timeout_at(deadline, answers.recv()).await else { break };
        // What was asked and answered before says nothing.
        let Some(since) = at.checked_duration_since(start) else { continue };
        moments.push(Moment { millis: u64::try_from(since.as_millis()).unwrap_or(u64::MAX), answer });
    }
    moments
}

/// What an Envoy has of a host.
#[derive(Default)]
pub(in crate::observe) struct EnvoyEndpoints {
    /// Whether it knows the host at all.
    pub is_known: bool,
    /// The endpoints, with their counters.
    pub endpoints: Vec<Endpoint>,
}

/// A pod with an Envoy in it.
pub(in crate::observe) struct EnvoyPod {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
}

impl EnvoyPod {
    /// What the Envoy has of a service, with its counters.
    pub(in crate::observe) async fn endpoints(
        &self,
        client: &Cluster,
        service: &ServiceUrl,
    ) -> Result<Vec<Endpoint>, StepError> {
        let answer = client.http_get(&self.namespace, &self.name, ENVOY_ADMIN, "/clusters?format=json").await?;
        let host = format!("{}.{}.svc.cluster.local", service.service, service.namespace);
        Ok(envoy_endpoints(&answer.body, &host, service.port))
    }
}

/// Waits until the Envoy has exactly the endpoints that it must, until a time that all sources of the verdict share. Gives how those that it has then
/// differ.
pub(in crate::observe) async fn settled(
    ctx: &LabContext,
    (client, envoy): (&Cluster, &EnvoyPod),
    service: &ServiceUrl,
    source: &LabCluster,
    priorities: Option<&[Level]>,
    (progress, until): (&Progress, Instant),
) -> Result<Vec<String>, StepError> {
    let mut pause = Duration::from_millis(100);
    loop {
        // Pods come and go while a lab settles, so what is expected is asked each time.
        let (expected, found) =
            tokio::join!(expected_endpoints(ctx, service, source, priorities), envoy.endpoints(client, service));
        let expected = expected?;
        let problems = match found {
            Ok(found) => differences(&found, &expected),
            Err(error) => vec![format!("list cannot be had from Envoy: {error}")],
        };
        match problems.first() {
            Some(problem) if Instant::now() < until => {
                progress.say(format!("{}: waiting, endpoint {problem}", source.name));
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(Duration::from_secs(1));
            }
            _ => return Ok(problems),
        }
    }
}

/// The endpoints that the caller must have: pods on its own network, gateways of the other networks. With `priorities`, those who must answer in
/// their order, each also has its priority.
async fn expected_endpoints(
    ctx: &LabContext,
    service: &ServiceUrl,
    source: &LabCluster,
    priorities: Option<&[Level]>,
) -> Result<Vec<Expected>, StepError> {
    let mut expected: Vec<Expected> = Vec::new();
    let known = service_in(ctx, service, &source.name).await?;
    for Helloworld { cluster: name, zone, version } in helloworlds(&ctx.lab) {
        let target = ctx.cluster(name)?;
        if !target.is_meshed_with(source) {
            continue;
        }
        let priority = priorities.and_then(|order| order.iter().position(|l| l.covers(name, zone))).map(|p| p as u64);
        if target.network == source.network {
            let selector = format!("app={},version={version}", service.service);
            let theirs = service_in(ctx, service, name).await?;
            for pod in ctx.client(name).await?.pods(&service.namespace, &selector).await? {
                let address = pod.status.as_ref().and_then(|s| s.pod_ip.clone()).unwrap_or_default();
                let what = format!("the pod of {version} in {name}, {}", pod.name_any());
                let pod = serde_json::to_value(&pod).unwrap_or_default();
                let known = if known.is_null() { &theirs } else { &known };
                // The Service's port is what callers call; an endpoint has the pod's.
                let port = endpoint_port(known, &theirs, &pod, service.port).unwrap_or(service.port);
                expected.push(Expected { address: at_port(&address, port), what, priority });
            }
        } else {
            for endpoint in target.east_west_endpoints(&ctx.lab.docker_network) {
                let (address, what) = (endpoint.to_string(), format!("the east-west gateway of {name}"));
                // One gateway stands for all zones of its cluster, and is where the nearest of them is.
                match expected.iter_mut().find(|e| e.address == address) {
                    Some(same) => same.priority = same.priority.min(priority),
                    None => expected.push(Expected { address, what, priority }),
                }
            }
        }
    }
    Ok(expected)
}

/// The called Service of a cluster as JSON; null if there is none.
async fn service_in(ctx: &LabContext, service: &ServiceUrl, cluster: &str) -> Result<serde_json::Value, StepError> {
    let found: Option<Service> = ctx.client(cluster).await?.get(&service.namespace, &service.service).await?;
    Ok(found.and_then(|s| serde_json::to_value(s).ok()).unwrap_or_default())
}
