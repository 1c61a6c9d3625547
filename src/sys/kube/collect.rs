//! All that a cluster has of some kinds, and what its containers have logged, for somebody who looks at it elsewhere.

use std::time::Duration;

use futures::stream::{self, StreamExt};
use k8s_openapi::api::core::v1::Pod;
use kube::api::{Api, DynamicObject, ListParams, LogParams};
use kube::discovery::{ApiGroup, Discovery, verbs};
use serde_json::Value;

use super::refusal::in_words;
use super::{Cluster, KubeError};

/// How long the end of a log may take.
const LOG: Duration = Duration::from_secs(30);

/// Lists under way at once.
const CONCURRENCY: usize = 8;

/// The objects of one kind.
#[derive(Clone, Debug)]
pub struct Collected {
    /// `RESOURCE` or `RESOURCE.GROUP`, as kubectl takes it.
    pub resource: String,
    /// The objects, or why they could not be listed.
    pub objects: Result<Vec<Value>, String>,
}

impl Cluster {
    /// Every object of the kinds that `wanted` picks by group and plural name. Who manages which field is left out.
    ///
    /// # Errors
    /// The kinds cannot be listed.
    pub async fn collect(&self, wanted: impl Fn(&str, &str) -> bool) -> Result<Vec<Collected>, KubeError> {
        let discovery = Discovery::new(self.client.clone()).run_aggregated().await;
        let discovery = discovery.map_err(KubeError::request("list what the cluster serves"))?;
        // A kind is served in its most stable version, which in a group is not the same for all: EnvoyFilter has an alpha only.
        let kinds: Vec<_> = discovery
            .groups()
            .flat_map(ApiGroup::resources_by_stability)
            .filter(|(kind, can)| can.supports_operation(verbs::LIST) && wanted(&kind.group, &kind.plural))
            .collect();
        let list = |(kind, _)| async move {
            let kind: kube::core::ApiResource = kind;
            let dot = if kind.group.is_empty() { "" } else { "." };
            let resource = format!("{}{dot}{}", kind.plural, kind.group);
            let api: Api<DynamicObject> = Api::all_with(self.client.clone(), &kind);
            let objects = api.list(&ListParams::default()).await.map_err(|e| in_words(&e));
            let value = |mut object: DynamicObject| {
                object.metadata.managed_fields = None;
                let mut value = serde_json::to_value(&object).unwrap_or_default();
                // A list says it once for all.
                value["apiVersion"] = kind.api_version.clone().into();
                value["kind"] = kind.kind.clone().into();
                value
            };
            Collected { resource, objects: objects.map(|all| all.items.into_iter().map(value).collect()) }
        };
        let mut all: Vec<Collected> = stream::iter(kinds).map(list).buffer_unordered(CONCURRENCY).collect().await;
        all.sort_by(|a, b| a.resource.cmp(&b.resource));
        Ok(all)
    }

    /// The end of what a container has logged, at most so many bytes; of its run before this one if asked.
    ///
    /// # Errors
    /// There is no such container, or it has not run yet.
    pub async fn logs(
        &self,
        namespace: &str,
        pod: &str,
        container: &str,
        bytes: usize,
        previous: bool,
    ) -> Result<String, KubeError> {
        // The server can count bytes from the beginning only, and lines from the end.
        const SHORT_LINE: usize = 40;
        let lines = i64::try_from(bytes / SHORT_LINE).unwrap_or(i64::MAX);
        let params = LogParams {
            container: Some(container.to_owned()),
            tail_lines: Some(lines),
            previous,
            timestamps: true,
            ..LogParams::default()
        };
        let api: Api<Pod> = Api::namespaced(self.client.clone(), namespace);
        let what = format!("read the log of {namespace}/{pod} {container}");
        let silent =
            || KubeError::Timeout { what: format!("cannot {what}"), seconds: LOG.as_secs(), last: String::new() };
        let text = tokio::time::timeout(LOG, api.logs(pod, &params)).await.map_err(|_| silent())?;
        let text = text.map_err(KubeError::request(what.clone()))?;
        let mut from = text.len().saturating_sub(bytes);
        while !text.is_char_boundary(from) {
            from += 1;
        }
        // A line that is cut off could hide what it is.
        let cut = if from == 0 { 0 } else { text[from..].find('\n').map_or(text.len(), |line| from + line + 1) };
        Ok(text[cut..].to_owned())
    }
}
