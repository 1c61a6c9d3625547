//! Lists of one namespace.

use std::fmt::Debug;

use kube::Resource;
use kube::api::{Api, ListParams};
use kube::core::NamespaceResourceScope;
use serde::de::DeserializeOwned;

use super::{Cluster, KubeError};

impl Cluster {
    /// The version of Kubernetes, as `v1.36.3`.
    ///
    /// # Errors
    /// The API server does not answer, or does not let who asks.
    pub async fn version(&self) -> Result<String, KubeError> {
        let info = self.client.apiserver_version().await;
        info.map(|info| info.git_version).map_err(KubeError::request("ask the API server for its version"))
    }

    /// Lists the objects of a kind in one namespace that have the labels; all of them for an empty selector.
    ///
    /// # Errors
    /// The API server does not answer, or does not let who asks.
    pub async fn list_in<K>(&self, namespace: &str, selector: &str) -> Result<Vec<K>, KubeError>
    where
        K: Resource<DynamicType = (), Scope = NamespaceResourceScope> + Clone + Debug + DeserializeOwned,
    {
        let params = ListParams::default().labels(selector);
        let all = Api::<K>::namespaced(self.client.clone(), namespace).list(&params).await;
        all.map(|list| list.items).map_err(KubeError::request(format!("list {} in {namespace}", K::plural(&()))))
    }
}
