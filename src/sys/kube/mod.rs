//! One Kubernetes cluster: a client, server-side apply, waits that watch, and calls into pods.

mod again;
mod apply;
mod attach;
mod by_hand;
mod collect;
mod context;
mod credentials;
mod dead_end;
mod deadline;
mod dynamic;
mod fields;
mod follow;
mod forward;
mod job;
mod list;
mod logs;
mod manifest;
mod pod;
mod refusal;
mod remake;
mod restart;
mod rights;
mod swap;
mod wait;
mod within;
mod workload;

use std::collections::HashMap;
use std::fmt::Debug;
use std::sync::Arc;

use kube::api::{Api, DynamicObject, ListParams, PostParams};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::core::{ApiResource, ClusterResourceScope, GroupVersion, NamespaceResourceScope};
use kube::discovery::{ApiCapabilities, Scope, oneshot};
use kube::{Client, Resource};
use miette::Diagnostic;
use serde::Serialize;
use serde::de::DeserializeOwned;
use thiserror::Error;
use tokio::sync::Mutex;

pub use apply::{How, Manager, Sent, is_covered};
pub use by_hand::{ByHand, set_by_hand};
pub use collect::Collected;
pub use context::{contexts, one_context, server_of};
pub use deadline::{ANSWER, NoAnswer};
pub use dynamic::{Condition, condition};
pub use fields::{FieldChange, is_applied_by, unnamed};
pub use follow::PodLine;
pub use job::{JobState, is_job};
pub use manifest::{Manifest, covers};
pub use pod::{CommandLines, Connection, Duplex, ExecOutput, HttpAnswer, Waiting, is_pod_ready};
pub use refusal::Answer;
pub use remake::may_be_refused;
pub use rights::Right;
pub use swap::Swapped;
pub use wait::{Listener, is_balanced, load_balancer_addresses};
pub use workload::is_workload;

/// Something that was asked of a cluster failed.
#[derive(Debug, Error, Diagnostic)]
pub enum KubeError {
    /// A kubeconfig of lab's own is not usable; why.
    #[error("cannot use the kubeconfig of this cluster: {0}")]
    #[diagnostic(help("run `lab up`, which writes the kubeconfig again"))]
    Kubeconfig(String),
    /// What somebody's kubeconfig says does not lead to a cluster.
    #[error("{problem}")]
    #[diagnostic(help("{remedy}"))]
    Context {
        /// What is wrong.
        problem: String,
        /// What to do.
        remedy: String,
    },
    /// A request failed.
    #[error("cannot {what}")]
    #[diagnostic(help("`lab status NAME` shows what of the lab runs; `lab up` again continues where it stopped"))]
    Request {
        /// What was tried, as "apply Deployment istio-system/istiod".
        what: String,
        /// The API server's answer.
        #[source]
        source: Answer,
    },
    /// A change that is not possible in place, of an object whose end would lose something.
    #[error("{what} cannot be changed in place, and it is not recreated: {loss} ({fields})")]
    #[diagnostic(help(
        "put back what it had; or, if nothing in it is needed, delete it with `{delete}` and run `lab up` again"
    ))]
    Fixed {
        /// Kind, namespace and name.
        what: String,
        /// What the API server says of the fields.
        fields: String,
        /// What would be lost.
        loss: &'static str,
        /// The command that deletes it.
        delete: String,
    },
    /// A Job has given up.
    #[error("{what} has failed: {reason}")]
    #[diagnostic(help(
        "correct it and run `lab up` again, which recreates a changed Job; `{delete}` and then `lab up` run the same one once more"
    ))]
    Job {
        /// Kind, namespace and name.
        what: String,
        /// Kubernetes' reason, and what its last pod ended with.
        reason: String,
        /// The command that deletes it.
        delete: String,
    },
    /// The scenario and lab itself set the same fields to different values.
    #[error("{object} is also lab's own, and lab sets {fields} to another value")]
    #[diagnostic(help(
        "take that out of the scenario's manifests; what other fields of this object they set is merged with lab's own"
    ))]
    Conflict {
        /// Kind, namespace and name.
        object: String,
        /// The fields, as the API server names them.
        fields: String,
    },
    /// A wait ended without its condition.
    #[error("{what} after {seconds} s{last}")]
    #[diagnostic(help(
        "look at the object with `kubectl describe`, then run `lab up` again: it continues where it stopped"
    ))]
    Timeout {
        /// What is not so, as "Deployment istio-system/istiod is not available".
        what: String,
        /// How long was waited.
        seconds: u64,
        /// The last event about it, with a leading separator, or nothing.
        last: String,
    },
    /// A wait that would have ended without its condition, whatever was waited for.
    #[error("{what}, and waiting does not help: {reason}")]
    #[diagnostic(help(
        "mend what is named in the scenario or on the machine, then run `lab up` again: it continues where it stopped"
    ))]
    Hopeless {
        /// What is not so, as "Deployment istio-system/istiod is not available".
        what: String,
        /// Why it never will be: the object, its event, the image.
        reason: String,
    },
    /// A manifest cannot be read.
    #[error("cannot read manifest: {0}")]
    #[diagnostic(help(
        "correct the manifest that the scenario names; `kubectl apply --dry-run=client -f FILE` reads it too"
    ))]
    Manifest(String),
    /// The API server does not serve this kind.
    #[error("the cluster does not serve {kind} of {api_version}")]
    #[diagnostic(help(
        "correct apiVersion and kind, or add the CustomResourceDefinition to the same app; `kubectl api-resources` lists what is served"
    ))]
    UnknownKind {
        /// API version.
        api_version: String,
        /// Kind.
        kind: String,
    },
    /// No pod matches.
    #[error("no running pod in namespace {namespace} has the labels {selector}")]
    #[diagnostic(help("`lab up` deploys it again"))]
    NoPod {
        /// Namespace.
        namespace: String,
        /// Label selector.
        selector: String,
    },
    /// A command or a call in a pod failed.
    #[error("cannot reach into pod {pod}: {reason}")]
    #[diagnostic(help("look at the pod with `kubectl describe`; `lab up` again mends what is not as it must be"))]
    Pod {
        /// `NAMESPACE/NAME`.
        pod: String,
        /// Why.
        reason: String,
    },
}

impl KubeError {
    /// What it comes down to, in one line for people.
    #[must_use]
    pub fn cause(&self) -> String {
        match self {
            Self::Request { source, .. } => source.to_string(),
            error => error.to_string(),
        }
    }

    /// Whether the API server itself did not answer, so that nothing is said about what was asked.
    #[must_use]
    pub fn is_no_answer(&self) -> bool {
        matches!(self, Self::Request { source, .. }
            if matches!(&**source, kube::Error::Service(e) if e.is::<NoAnswer>()))
    }

    /// Whether the API server knows who asks, and does not let him; or does not know who asks.
    #[must_use]
    pub fn is_forbidden(&self) -> bool {
        matches!(self, Self::Request { source, .. }
            if matches!(&**source, kube::Error::Api(status) if matches!(status.code, 401 | 403)))
    }

    /// Whether something is not there that the request was about, such as the namespace of an object.
    #[must_use]
    pub fn is_missing(&self) -> bool {
        matches!(self, Self::Request { source, .. }
            if matches!(&**source, kube::Error::Api(status) if status.code == 404))
    }

    /// That an API server did not answer in time.
    #[cfg(test)]
    #[must_use]
    pub fn silent() -> Self {
        let silent = NoAnswer::Silent { cluster: "c1".to_owned(), limit: ANSWER };
        Self::Request { what: "read it".to_owned(), source: kube::Error::Service(Box::new(silent)).into() }
    }

    pub(super) fn request(what: impl Into<String>) -> impl FnOnce(kube::Error) -> Self {
        let what = what.into();
        move |source| Self::Request { what, source: source.into() }
    }
}

type Served = HashMap<String, Vec<(ApiResource, ApiCapabilities)>>;

/// A cluster that can be reached.
#[derive(Clone)]
pub struct Cluster {
    client: Client,
    served: Arc<Mutex<Served>>,
}

impl std::fmt::Debug for Cluster {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Cluster")
    }
}

impl Cluster {
    /// A client by the text of a kubeconfig. Nothing is asked of the cluster yet.
    pub async fn connect(kubeconfig: &str) -> Result<Self, KubeError> {
        let unread = |e| KubeError::Kubeconfig(credentials::unread(e));
        let kubeconfig = Kubeconfig::from_yaml(kubeconfig).map_err(unread)?;
        let cluster = kubeconfig.clusters.first().map_or("a cluster", |c| c.name.as_str());
        let cluster = cluster.strip_prefix("kind-").unwrap_or(cluster).to_owned();
        let mut config =
            kube::Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await.map_err(unread)?;
        // It is taken from HTTPS_PROXY, and no proxy leads to a lab's clusters.
        config.proxy_url = None;
        // A command for credentials is run at once, and waited for.
        let made = tokio::task::spawn_blocking(move || deadline::client(config, &cluster));
        let client = match tokio::time::timeout(credentials::LIMIT, made).await {
            Ok(Ok(made)) => made.map_err(|e| KubeError::Kubeconfig(refusal::in_words(&e)))?,
            Ok(Err(error)) => return Err(KubeError::Kubeconfig(error.to_string())),
            Err(_) => return Err(KubeError::Kubeconfig(credentials::late())),
        };
        Ok(Self { client, served: Arc::default() })
    }

    /// Whether the API server answers and says that it is ready.
    pub async fn is_ready(&self) -> bool {
        self.readiness().await.is_ok()
    }

    /// The same, with what is wrong.
    ///
    /// # Errors
    /// The API server does not answer, or it says that it is not ready.
    pub async fn readiness(&self) -> Result<(), KubeError> {
        self.health("/readyz", "ask whether the API server is ready").await
    }

    /// Whether the API server reaches the kubelet of a node: without it nothing runs in its pods that is asked for from outside. One of which nothing
    /// can be told counts as reached.
    pub async fn reaches_kubelet(&self, node: &str) -> bool {
        let path = format!("/api/v1/nodes/{node}/proxy/healthz");
        let answer = self.health(&path, "ask whether a kubelet is well").await;
        // So the API server begins what it says of whatever is behind it.
        !answer.is_err_and(|e| e.cause().contains("trying to reach service"))
    }

    async fn health(&self, path: &str, what: &'static str) -> Result<(), KubeError> {
        let request = http::Request::get(path).body(Vec::new());
        let request = request.map_err(|e| KubeError::request(what)(kube::Error::HttpError(e)))?;
        self.client.request_text(request).await.map(|_| ()).map_err(KubeError::request(what))
    }

    /// Reads one namespaced object, if it exists.
    pub async fn get<K>(&self, namespace: &str, name: &str) -> Result<Option<K>, KubeError>
    where
        K: Resource<DynamicType = (), Scope = NamespaceResourceScope> + Clone + Debug + DeserializeOwned,
    {
        let api: Api<K> = Api::namespaced(self.client.clone(), namespace);
        api.get_opt(name).await.map_err(KubeError::request(format!("read {} {namespace}/{name}", K::kind(&()))))
    }

    /// Lists all objects of a kind that has no namespace.
    pub async fn list<K>(&self) -> Result<Vec<K>, KubeError>
    where
        K: Resource<DynamicType = (), Scope = ClusterResourceScope> + Clone + Debug + DeserializeOwned,
    {
        let all = Api::<K>::all(self.client.clone()).list(&ListParams::default()).await;
        all.map(|list| list.items).map_err(KubeError::request(format!("list {}", K::plural(&()))))
    }

    /// Lists the objects of a kind in all namespaces.
    pub async fn everywhere<K>(&self) -> Result<Vec<K>, KubeError>
    where
        K: Resource<DynamicType = (), Scope = NamespaceResourceScope> + Clone + Debug + DeserializeOwned,
    {
        let all = Api::<K>::all(self.client.clone()).list(&ListParams::default()).await;
        all.map(|list| list.items).map_err(KubeError::request(format!("list {}", K::plural(&()))))
    }

    /// What the API server, its admission webhooks included, would make of an object. Nothing is created.
    pub async fn dry_run<K>(&self, namespace: &str, object: &K) -> Result<K, KubeError>
    where
        K: Resource<DynamicType = (), Scope = NamespaceResourceScope> + Clone + Debug + Serialize + DeserializeOwned,
    {
        let api: Api<K> = Api::namespaced(self.client.clone(), namespace);
        let dry_run = PostParams { dry_run: true, ..PostParams::default() };
        api.create(&dry_run, object).await.map_err(KubeError::request(format!("try a {} in {namespace}", K::kind(&()))))
    }

    /// The API for the kind of `object`, in its namespace.
    async fn api_for(&self, object: &DynamicObject) -> Result<Api<DynamicObject>, KubeError> {
        let (resource, capabilities) = self.resource_of(object).await?;
        Ok(match (&capabilities.scope, &object.metadata.namespace) {
            (Scope::Namespaced, Some(namespace)) => Api::namespaced_with(self.client.clone(), namespace, &resource),
            (Scope::Namespaced, None) => Api::namespaced_with(self.client.clone(), "default", &resource),
            (Scope::Cluster, _) => Api::all_with(self.client.clone(), &resource),
        })
    }

    /// How the API server serves the kind of `object`.
    async fn resource_of(&self, object: &DynamicObject) -> Result<(ApiResource, ApiCapabilities), KubeError> {
        let types = object.types.clone().unwrap_or_default();
        let unknown = || KubeError::UnknownKind { api_version: types.api_version.clone(), kind: types.kind.clone() };
        let mut served = self.served.lock().await;
        if !served.get(&types.api_version).is_some_and(|r| r.iter().any(|(r, _)| r.kind == types.kind)) {
            let version: GroupVersion = types
                .api_version
                .parse()
                .map_err(|_| KubeError::Manifest(format!("bad apiVersion {}", types.api_version)))?;
            let group = oneshot::pinned_group(&self.client, &version).await.map_err(|e| match e {
                kube::Error::Api(status) if status.code == 404 => unknown(),
                kube::Error::Discovery(_) => unknown(),
                e => KubeError::request(format!("list the kinds of {}", types.api_version))(e),
            })?;
            served.insert(types.api_version.clone(), group.versioned_resources(&version.version));
        }
        served[&types.api_version].iter().find(|(r, _)| r.kind == types.kind).cloned().ok_or_else(unknown)
    }
}

/// `Kind namespace/name` of an object, for messages.
#[must_use]
pub fn describe(object: &DynamicObject) -> String {
    let kind = object.types.as_ref().map_or("object", |t| t.kind.as_str());
    let name = object.metadata.name.as_deref().unwrap_or("?");
    match &object.metadata.namespace {
        Some(namespace) => format!("{kind} {namespace}/{name}"),
        None => format!("{kind} {name}"),
    }
}
