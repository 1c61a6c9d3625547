//! Problems with the user's own objects.

use miette::Diagnostic;
use thiserror::Error;

use crate::scenario::object::Fault;

/// Manifests that cannot be deployed.
#[derive(Clone, Debug, PartialEq, Eq, Error, Diagnostic)]
#[non_exhaustive]
pub enum ManifestProblem {
    /// Neither files nor objects.
    #[error("these manifests name nothing to deploy")]
    #[diagnostic(help("add `files: [apps/web.yaml]`, or write the objects below `objects:`"))]
    Nothing,
    /// Two entries of one name.
    #[error("there are two manifests called `{name}`")]
    #[diagnostic(help("give each a name of its own, or leave the names out"))]
    SameName {
        /// The name.
        name: String,
    },
    /// A file that cannot be had.
    #[error("`{path}` cannot be used: {reason}")]
    #[diagnostic(help("{remedy}"))]
    File {
        /// As the scenario names it.
        path: String,
        /// Why.
        reason: String,
        /// What to do.
        remedy: String,
    },
    /// A file that is no YAML.
    #[error("{place}: this is not YAML: {message}")]
    #[diagnostic(help(
        "look at the lines above that place too: a missing colon, quote or bracket is often noticed only later"
    ))]
    Syntax {
        /// `FILE:LINE:COLUMN`.
        place: String,
        /// What the parser says.
        message: String,
    },
    /// A file that is YAML, but not of a kind that a manifest may be.
    #[error("{place}: {message}")]
    #[diagnostic(help("write the value out, as `kubectl` would print it"))]
    Refused {
        /// `FILE:LINE:COLUMN`.
        place: String,
        /// What is wrong.
        message: String,
    },
    /// A file without a single object.
    #[error("`{path}` holds no object")]
    #[diagnostic(help("write objects into it, or take it out of `files`"))]
    Empty {
        /// As the scenario names it.
        path: String,
    },
    /// Not an object of Kubernetes.
    #[error("{}this is no Kubernetes object: {reason}", before(.place.as_ref()))]
    #[diagnostic(help("each object needs `apiVersion`, `kind` and `metadata: {{ name: ... }}`"))]
    NotAnObject {
        /// `FILE:LINE` for an object of a file.
        place: Option<String>,
        /// What is missing.
        reason: &'static str,
    },
    /// An object that no API server takes.
    #[error("{}{object}: {what}", before(.place.as_ref()))]
    #[diagnostic(help("{help}"))]
    Fault {
        /// `FILE:LINE:COLUMN` for an object of a file.
        place: Option<String>,
        /// Kind and name.
        object: String,
        /// What is wrong with it.
        what: String,
        /// What to write.
        help: String,
    },
    /// The same object twice in one cluster.
    #[error("{}cluster `{cluster}` would get {object} twice", before(.place.as_ref()))]
    #[diagnostic(help("remove one of them, or give them different names, namespaces or clusters{first}"))]
    SameObject {
        /// `FILE:LINE` for an object of a file.
        place: Option<String>,
        /// Kind, namespace and name.
        object: String,
        /// The cluster.
        cluster: String,
        /// Where the first one is, as "; the first is at ..."; nothing when it is in the scenario.
        first: String,
    },
    /// The Secret that lab makes of the mesh's certificate authority.
    #[error("{}Secret istio-system/cacerts is made by lab for each cluster, and a second one would be overwritten", before(.place.as_ref()))]
    #[diagnostic(help(
        "remove it, and name the files of your certificate authority: `mesh: {{ ca: {{ files: {{ rootCert: ..., rootKey: ... }} }} }}`"
    ))]
    Cacerts {
        /// `FILE:LINE` for an object of a file.
        place: Option<String>,
    },
    /// A Service that would wait for an address for ever.
    #[error("{}{object} finds no address in cluster `{cluster}`: its pool has {size}, of which {kept} are for gateways, and other Services have the rest", before(.place.as_ref()))]
    #[diagnostic(help(
        "make the pool larger, such as `loadBalancer: {{ pool: 172.30.255.10-172.30.255.29 }}`, or let Services share an address (metallb.io/allow-shared-ip)"
    ))]
    NoAddress {
        /// `FILE:LINE` for an object of a file.
        place: Option<String>,
        /// Kind, namespace and name.
        object: String,
        /// The cluster.
        cluster: String,
        /// How many addresses its pool has.
        size: u32,
        /// How many of them gateways have, or may get.
        kept: u32,
    },
    /// An object that lab itself makes.
    #[error("{}{object} is made by lab's own app `{app}`", before(.place.as_ref()))]
    #[diagnostic(help("give it another name or namespace, or take `{app}` out of `apps`"))]
    OwnObject {
        /// `FILE:LINE` for an object of a file.
        place: Option<String>,
        /// Kind, namespace and name.
        object: String,
        /// The app.
        app: &'static str,
    },
}

impl ManifestProblem {
    /// What is wrong with an object, at a place of another file if there is one.
    pub(in crate::scenario) fn of_fault(fault: Fault, place: Option<String>) -> Self {
        Self::Fault { place, object: fault.object, what: fault.what, help: fault.help }
    }
}

/// A place in another file, as the beginning of a message.
fn before(place: Option<&String>) -> String {
    place.map_or_else(String::new, |place| format!("{place}: "))
}
