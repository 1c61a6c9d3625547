//! What a scenario asserts over its lab.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// An assertion over the running lab.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Check {
    /// Calls from each source reach every version, and nothing fails.
    Rotation {
        /// What to call: `SERVICE.NAMESPACE:PORT/PATH`.
        service: ServiceUrl,
        /// Clusters that call or, through their ingress gateways, are called.
        from: Vec<String>,
        /// By which way.
        #[serde(default)]
        through: Through,
    },
    /// Requests of the user's own, and what must come back.
    Request(Box<RequestCheck>),
    /// Who answers whom while all is well and, if exercised, when that one is gone.
    Failover(FailoverCheck),
    /// Who reaches what in every other cluster, and who must not.
    Reachability,
    /// Where a federation runs the replicas of a Deployment.
    Federation(FederationCheck),
}

/// By which way a rotation calls.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Through {
    /// From pods in the mesh.
    #[default]
    Mesh,
    /// From outside, through the ingress gateway of each cluster.
    Ingress,
}

/// The user's own requests.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RequestCheck {
    /// What reports call it.
    pub name: Option<String>,
    /// What to call.
    pub target: Target,
    /// Clusters that call.
    pub from: Vec<String>,
    /// The pod that calls.
    pub caller: CallerPod,
    /// HTTP method; GET when nothing is said.
    pub method: Option<String>,
    /// Headers to send.
    pub headers: BTreeMap<String, String>,
    /// Requests to send at least; what is expected may need more.
    pub times: u32,
    /// What must come back.
    pub expect: Expect,
}

/// What a request goes to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Target {
    /// A service of the mesh, over plain HTTP.
    Service(ServiceUrl),
    /// Any URL of http or https.
    Url(String),
}

/// The pod that calls: the newest with the label `app=APP`, in its container of that name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CallerPod {
    /// Its namespace.
    pub namespace: String,
    /// Its label `app`.
    pub app: String,
}

/// What must come back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Expect {
    /// Answers like this.
    Answers(Answers),
    /// No request may be answered with status 2xx or 3xx.
    Denied {
        /// Text that each failure must contain, so that it does not fail for another reason.
        reason: Option<String>,
    },
}

/// What answers must be like.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Answers {
    /// Status of each answer.
    pub status: u16,
    /// Text that each body contains.
    pub body: Option<String>,
    /// Text that each answer's header of that name contains.
    pub headers: BTreeMap<String, String>,
    /// Who may answer.
    pub who: Who,
    /// Milliseconds that 95 of 100 answers may take.
    pub within: Option<u64>,
    /// Requests that may fail.
    pub failures: u32,
    /// Whether outlier detection must have taken an endpoint out afterwards.
    pub ejected: bool,
}

/// Who may answer, told apart by helloworld's version.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Who {
    /// Anybody.
    Anybody,
    /// Exactly these versions, each at least once.
    Versions(Vec<String>),
    /// These versions with these shares in percent, which add up to 100.
    Weights(BTreeMap<String, u8>),
    /// Only the helloworld of these clusters.
    Clusters(Vec<String>),
}

/// Where the replicas of a Deployment are.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FederationCheck {
    /// Namespace of the Deployment.
    pub namespace: String,
    /// Its name.
    pub deployment: String,
    /// Replicas by member; a member that is not named runs none.
    pub replicas: BTreeMap<String, u32>,
    /// Members that are lost and come back, one after the other.
    pub exercise: Vec<String>,
}

/// Who answers whom.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FailoverCheck {
    /// What to call.
    pub service: ServiceUrl,
    /// For each cluster that calls, the clusters that answer: the second when the first is gone, and so on.
    pub order: BTreeMap<String, Vec<String>>,
    /// Clusters whose helloworld is stopped and started again, one after the other; each is the first of its own order.
    pub exercise: Vec<String>,
}

/// `SERVICE.NAMESPACE:PORT/PATH`, as a check names what it calls.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ServiceUrl {
    /// Kubernetes Service.
    pub service: String,
    /// Its namespace.
    pub namespace: String,
    /// Service port.
    pub port: u16,
    /// Path with its leading slash.
    pub path: String,
}

impl std::fmt::Display for ServiceUrl {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{}:{}{}", self.service, self.namespace, self.port, self.path)
    }
}

impl std::fmt::Display for Target {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Service(service) => service.fmt(f),
            Self::Url(url) => url.fmt(f),
        }
    }
}
