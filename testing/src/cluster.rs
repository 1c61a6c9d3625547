//! A cluster of a lab.

use std::ffi::OsStr;
use std::fmt::{self, Debug};
use std::time::Duration;

use k8s_openapi::NamespaceResourceScope;
use kube::api::{Api, DynamicObject, Patch, PatchParams};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::core::GroupVersionKind;
use kube::discovery::{Scope, pinned_kind};
use kube::runtime::wait::{Condition, await_condition};
use kube::{Client, Config, Resource};
use serde::Deserialize as _;
use serde::de::DeserializeOwned;

use crate::Error;
use crate::program::said;

/// Who applies, to the API server.
const MANAGER: &str = "lab-testing";
/// Where objects go that name no namespace.
const NAMESPACE: &str = "default";

/// A cluster.
#[derive(Clone)]
pub struct Cluster {
    name: String,
    client: Client,
}

impl Debug for Cluster {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cluster").field("name", &self.name).finish_non_exhaustive()
    }
}

impl Cluster {
    pub(crate) async fn of(lab: &str, name: &str) -> Result<Self, Error> {
        let unreadable = |e: &dyn fmt::Display| Error::Unreadable(format!("the kubeconfig of lab {lab}: {e}"));
        let text = said(&["kubeconfig", lab].map(OsStr::new)).await?;
        let kubeconfig: Kubeconfig = serde_yaml::from_str(&text).map_err(|e| unreadable(&e))?;
        let options = KubeConfigOptions { context: Some(format!("lab-{lab}-{name}")), ..KubeConfigOptions::default() };
        let config = Config::from_custom_kubeconfig(kubeconfig, &options).await.map_err(|e| unreadable(&e))?;
        let client = Client::try_from(config).map_err(|e| unreadable(&e))?;
        Ok(Self { name: name.to_owned(), client })
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// A client for its API server, with all rights.
    #[must_use]
    pub fn client(&self) -> Client {
        self.client.clone()
    }

    /// Applies objects, as `kubectl apply --server-side` does: YAML, one document each. What is there already is changed to what they say.
    ///
    /// # Errors
    /// They are no objects, or the API server refuses one.
    pub async fn apply(&self, yaml: &str) -> Result<(), Error> {
        for object in objects(yaml)? {
            let named = |what: &str| Error::Unreadable(format!("an object has no {what}:\n{yaml}"));
            let types = object.types.clone().ok_or_else(|| named("apiVersion and kind"))?;
            let name = object.metadata.name.clone().ok_or_else(|| named("name"))?;
            let kind = GroupVersionKind::try_from(&types).map_err(|e| Error::Unreadable(e.to_string()))?;
            let (resource, capabilities) = pinned_kind(&self.client, &kind).await.map_err(|e| self.refused(e))?;
            let namespace = object.metadata.namespace.as_deref().unwrap_or(NAMESPACE);
            let api: Api<DynamicObject> = match capabilities.scope {
                Scope::Cluster => Api::all_with(self.client(), &resource),
                Scope::Namespaced => Api::namespaced_with(self.client(), namespace, &resource),
            };
            let params = PatchParams::apply(MANAGER).force();
            api.patch(&name, &params, &Patch::Apply(&object)).await.map_err(|e| self.refused(e))?;
        }
        Ok(())
    }

    /// Waits until an object is as the condition says, such as those of [`kube::runtime::wait::conditions`].
    ///
    /// # Errors
    /// It is not in time, or the API server cannot be asked.
    pub async fn wait_for<K>(
        &self,
        namespace: &str,
        name: &str,
        limit: Duration,
        condition: impl Condition<K>,
    ) -> Result<(), Error>
    where
        K: Resource<Scope = NamespaceResourceScope> + Clone + Debug + Send + DeserializeOwned + 'static,
        K::DynamicType: Default,
    {
        let api: Api<K> = Api::namespaced(self.client(), namespace);
        let kind = K::kind(&K::DynamicType::default()).into_owned();
        let what = || format!("{kind} {namespace}/{name} in {}", self.name);
        match tokio::time::timeout(limit, await_condition(api, name, condition)).await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(e)) => Err(Error::Never { what: what(), last: e.to_string() }),
            Err(_) => Err(Error::Never { what: what(), last: format!("waited {} s", limit.as_secs()) }),
        }
    }

    /// An error of its client as one of this library, with the cluster's name.
    #[must_use]
    pub fn refused(&self, source: kube::Error) -> Error {
        Error::Kube { cluster: self.name.clone(), source: Box::new(source) }
    }
}

/// The objects of a text; documents without anything in them are passed over.
fn objects(yaml: &str) -> Result<Vec<DynamicObject>, Error> {
    let unreadable = |e: &dyn fmt::Display| Error::Unreadable(format!("these are no objects: {e}\n{yaml}"));
    let documents: Vec<serde_json::Value> = serde_yaml::from_multiple(yaml).map_err(|e| unreadable(&e))?;
    let documents = documents.into_iter().filter(|document| !document.is_null());
    documents.map(|document| DynamicObject::deserialize(document).map_err(|e| unreadable(&e))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn documents_are_objects() {
        let two = "# a\n---\napiVersion: v1\nkind: Namespace\nmetadata: { name: a }\n---\napiVersion: v1\nkind: Pod\nmetadata: { name: b }\n";
        let names: Vec<_> = objects(two).expect("two").into_iter().filter_map(|o| o.metadata.name).collect();
        assert_eq!(names, ["a", "b"]);
        assert!(objects("- a\n").is_err());
    }
}
