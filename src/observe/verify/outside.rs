//! Calls from outside: from this process, through the ingress gateway of a cluster or to the load balancer of a service.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use k8s_openapi::api::core::v1::Service;

use super::super::probe::Probe;
use super::super::traffic::{EnvoyPod, Family};
use crate::context::{LabContext, StepError};
use crate::plan::render::{INGRESS_GATEWAY, ISTIO_NAMESPACE};
use crate::plan::{Gateway, LabCluster};
use crate::scenario::ServiceUrl;
use crate::sys::http::{Answered, Http};
use crate::sys::kube::{Cluster, load_balancer_addresses};
use crate::verdict::Reply;

/// The way in to one cluster.
pub(super) struct Outside {
    http: Http,
    /// Where the calls go.
    pub url: String,
    headers: BTreeMap<String, String>,
    method: Option<String>,
    envoy: Option<(Cluster, EnvoyPod)>,
}

impl Outside {
    /// Finds a cluster's ingress gateway. Calls are made in the name of the service, `SERVICE.NAMESPACE`, unless `headers` have a `Host`.
    pub async fn find(
        ctx: &LabContext,
        (cluster, family): (&LabCluster, Option<Family>),
        service: &ServiceUrl,
        method: Option<&str>,
        headers: &BTreeMap<String, String>,
    ) -> Result<Self, StepError> {
        let address = cluster
            .addresses
            .get(&Gateway::IngressGateway)
            .ok_or_else(|| StepError::Missing(format!("an address of the ingress gateway of {}", cluster.name)))?;
        let twin = ctx.lab.docker_network.ipv6_of(*address).filter(|_| family == Some(Family::Ipv6));
        let host = twin.map_or_else(|| address.to_string(), |twin| format!("[{twin}]"));
        let client = ctx.client(&cluster.name).await?;
        let name = client.pod(ISTIO_NAMESPACE, &format!("app={INGRESS_GATEWAY}")).await?;
        let gateway = EnvoyPod { namespace: ISTIO_NAMESPACE.to_owned(), name };
        Self::at(&host, Some((client, gateway)), service, method, headers)
    }

    /// Finds the address that a cluster's load balancer has given to a service. Calls are made in its name as well.
    pub async fn of_service(
        ctx: &LabContext,
        cluster: &LabCluster,
        service: &ServiceUrl,
        method: Option<&str>,
        headers: &BTreeMap<String, String>,
    ) -> Result<Self, StepError> {
        let ServiceUrl { namespace, service: name, port, .. } = service;
        let found: Option<Service> = ctx.client(&cluster.name).await?.get(namespace, name).await?;
        let address = found.as_ref().map(load_balancer_addresses).unwrap_or_default().into_iter().next();
        let address = address.ok_or_else(|| {
            StepError::Missing(format!(
                "an address of the load balancer for Service {namespace}/{name} of {}",
                cluster.name
            ))
        })?;
        let host = if address.contains(':') { format!("[{address}]") } else { address };
        Self::at(&format!("{host}:{port}"), None, service, method, headers)
    }

    fn at(
        host: &str,
        envoy: Option<(Cluster, EnvoyPod)>,
        service: &ServiceUrl,
        method: Option<&str>,
        headers: &BTreeMap<String, String>,
    ) -> Result<Self, StepError> {
        let http = Http::direct().map_err(|e| StepError::Machine {
            problem: format!("no HTTP client can be made: {e}"),
            remedy: "see the reason above".to_owned(),
        })?;
        let mut headers = headers.clone();
        if !headers.keys().any(|name| name.eq_ignore_ascii_case("host")) {
            headers.insert("host".to_owned(), format!("{}.{}", service.service, service.namespace));
        }
        let (url, method) = (format!("http://{host}{}", service.path), method.map(str::to_owned));
        Ok(Self { http, url, headers, method, envoy })
    }

    /// The Envoy of the gateway; none of a load balancer.
    pub fn envoy(&self) -> Option<(&Cluster, &EnvoyPod)> {
        self.envoy.as_ref().map(|(client, pod)| (client, pod))
    }

    /// Sends requests one after the other, each over a connection of its own and with this body, until all are sent or so many have failed that it is
    /// decided.
    pub async fn send(
        &self,
        body: Option<&Bytes>,
        requests: u32,
        enough_failures: usize,
        failed: impl Fn(&Reply) -> bool,
    ) -> Vec<Reply> {
        let mut replies = Vec::new();
        let mut failures = 0;
        while replies.len() < requests as usize && failures < enough_failures {
            let reply = self.once(body).await;
            failures += usize::from(failed(&reply));
            replies.push(reply);
        }
        replies
    }

    /// Begins to call without a pause, each time over a connection of its own.
    pub fn probe(self) -> Probe {
        let outside = Arc::new(self);
        Probe::by(move || {
            let outside = Arc::clone(&outside);
            async move { outside.once(None).await }
        })
    }

    async fn once(&self, body: Option<&Bytes>) -> Reply {
        let method = self.method.as_deref().unwrap_or(if body.is_some() { "POST" } else { "GET" });
        let start = Instant::now();
        let answered = self.http.call(method, &self.url, &self.headers, body.cloned().unwrap_or_default()).await;
        let micros = micros(start.elapsed());
        match answered {
            Ok(Answered { status, headers, body }) => {
                Reply { status, micros, headers, bytes: body.len() as u64, body, ..Reply::default() }
            }
            Err(error) => Reply { error: error.to_string(), micros, ..Reply::default() },
        }
    }
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}
