//! What is in a namespace, or of a kind, whoever made it.

use futures::stream::{self, StreamExt};
use kube::api::{Api, DynamicObject, ListParams};
use kube::core::ApiResource;
use kube::discovery::{ApiGroup, Discovery, Scope, verbs};
use serde_json::Value;

use super::{Cluster, KubeError};

/// Lists under way at once.
const CONCURRENCY: usize = 8;

impl Cluster {
    /// Every object of a namespace of a kind that can be listed and deleted, as far as whoever is let in may list it.
    ///
    /// # Errors
    /// The kinds cannot be listed.
    pub async fn within(&self, namespace: &str) -> Result<Vec<DynamicObject>, KubeError> {
        let discovery = Discovery::new(self.client.clone()).run_aggregated().await;
        let discovery = discovery.map_err(KubeError::request("list what the cluster serves"))?;
        let kinds: Vec<ApiResource> = discovery
            .groups()
            .flat_map(ApiGroup::resources_by_stability)
            .filter(|(_, can)| can.scope == Scope::Namespaced)
            .filter(|(_, can)| can.supports_operation(verbs::LIST) && can.supports_operation(verbs::DELETE))
            .map(|(kind, _)| kind)
            .collect();
        let list = |kind: ApiResource| async move {
            let api: Api<DynamicObject> = Api::namespaced_with(self.client.clone(), namespace, &kind);
            let found = api.list(&ListParams::default()).await.map(|all| all.items).unwrap_or_default();
            found.into_iter().map(|object| typed(object, &kind)).collect::<Vec<_>>()
        };
        Ok(stream::iter(kinds).map(list).buffer_unordered(CONCURRENCY).concat().await)
    }

    /// The objects of the kind that a `CustomResourceDefinition` in the cluster defines; none where it is not there.
    ///
    /// # Errors
    /// They cannot be listed.
    pub async fn instances(&self, definition: &DynamicObject) -> Result<Vec<DynamicObject>, KubeError> {
        let Some(live) = self.live(definition).await? else { return Ok(Vec::new()) };
        let spec = &live.data["spec"];
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let versions = spec["versions"].as_array().map(Vec::as_slice).unwrap_or_default();
        let Some(version) = versions.iter().find(|v| v["served"] == true).map(|v| text(&v["name"])) else {
            return Ok(Vec::new());
        };
        let group = text(&spec["group"]);
        let kind = ApiResource {
            api_version: format!("{group}/{version}"),
            group,
            version,
            kind: text(&spec["names"]["kind"]),
            plural: text(&spec["names"]["plural"]),
        };
        let all = Api::<DynamicObject>::all_with(self.client.clone(), &kind).list(&ListParams::default()).await;
        let all = all.map_err(KubeError::request(format!("list {}", kind.plural)))?;
        Ok(all.items.into_iter().map(|object| typed(object, &kind)).collect())
    }
}

/// An object of a list with its kind, which a list says once for all.
fn typed(mut object: DynamicObject, kind: &ApiResource) -> DynamicObject {
    object.types = Some(kube::core::TypeMeta { api_version: kind.api_version.clone(), kind: kind.kind.clone() });
    object
}
