//! By which way a check calls: from a pod, or from this process through an ingress gateway.

use std::collections::BTreeMap;

use super::super::traffic::{Call, Caller, EnvoyPod, Family};
use super::outside::Outside;
use crate::context::{LabContext, StepError};
use crate::scenario::{CallerPod, ServiceUrl, Through};
use crate::sys::kube::Cluster;
use crate::verdict::{OUTSIDE, Reply};

/// Who calls, and can be asked what its Envoy knows.
pub(super) enum Way {
    Pod(Caller),
    Outside(Outside),
}

impl Way {
    /// A pod of a cluster, in one zone of it if one is said.
    pub async fn from_pod(
        ctx: &LabContext,
        place: (&str, Option<&str>),
        caller: &CallerPod,
    ) -> Result<Self, StepError> {
        Ok(Self::Pod(Caller::find_in(ctx, place, &caller.namespace, &caller.app).await?))
    }

    /// This process, through the ingress gateway of a cluster.
    pub async fn through_ingress(
        ctx: &LabContext,
        cluster: &str,
        family: Option<Family>,
        service: &ServiceUrl,
        method: Option<&str>,
        headers: &BTreeMap<String, String>,
    ) -> Result<Self, StepError> {
        Ok(Self::Outside(Outside::find(ctx, (ctx.cluster(cluster)?, family), service, method, headers).await?))
    }

    /// This process, by the load balancer of a service in a cluster.
    pub async fn to_load_balancer(
        ctx: &LabContext,
        cluster: &str,
        service: &ServiceUrl,
        method: Option<&str>,
        headers: &BTreeMap<String, String>,
    ) -> Result<Self, StepError> {
        Ok(Self::Outside(Outside::of_service(ctx, ctx.cluster(cluster)?, service, method, headers).await?))
    }

    /// The Envoy that chooses who answers; none beside a pod without a sidecar, and none where the cluster itself chooses.
    pub fn envoy(&self) -> Option<(&Cluster, &EnvoyPod)> {
        match self {
            Self::Pod(caller) => caller.envoy(),
            Self::Outside(outside) => outside.envoy(),
        }
    }

    /// Sends requests one after the other, until all are sent or so many have failed that it is decided. From outside, where they go and what they
    /// are is known already.
    pub async fn send(
        &self,
        call: &Call<'_>,
        requests: u32,
        enough_failures: usize,
        failed: impl Fn(&Reply) -> bool,
    ) -> Result<Vec<Reply>, StepError> {
        match self {
            Self::Pod(caller) => caller.send(call, requests, enough_failures, failed).await,
            Self::Outside(outside) => Ok(outside.send(call.body.as_ref(), requests, enough_failures, failed).await),
        }
    }
}

/// What reports call who calls.
pub(super) fn caller_name(through: Through, caller: &CallerPod) -> String {
    match through {
        Through::Mesh => format!("{}/{}", caller.namespace, caller.app),
        Through::Ingress | Through::LoadBalancer => OUTSIDE.to_owned(),
    }
}
