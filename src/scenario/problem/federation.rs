//! Problems with a federation.

use miette::Diagnostic;
use thiserror::Error;

/// A federation that cannot work.
#[derive(Clone, Debug, PartialEq, Eq, Error, Diagnostic)]
#[non_exhaustive]
pub enum FederationProblem {
    /// Nothing to spread apps over.
    #[error("this federation has no members")]
    #[diagnostic(help("add clusters beside the manager; without `members` all of them are"))]
    NoMembers,
    /// The manager among its own members.
    #[error("cluster `{cluster}` is the manager of the federation and cannot be its member")]
    #[diagnostic(help("take it out of `members`, or name another manager"))]
    ManagerIsMember {
        /// The cluster.
        cluster: String,
    },
    /// The same member twice.
    #[error("cluster `{cluster}` is a member twice")]
    #[diagnostic(help("keep one of them"))]
    SameMember {
        /// The cluster.
        cluster: String,
    },
    /// The manager in a role of the mesh.
    #[error("cluster `{cluster}` is the manager of the federation and no part of the mesh, but {what}")]
    #[diagnostic(help("{remedy}"))]
    ManagerInMesh {
        /// The cluster.
        cluster: String,
        /// What it is to do.
        what: &'static str,
        /// What to do instead.
        remedy: &'static str,
    },
    /// A toleration that is too long to wait for.
    #[error("`tolerationSeconds` cannot be {value}")]
    #[diagnostic(help("it is a number of seconds from 0 to {limit}"))]
    Toleration {
        /// The value.
        value: u64,
        /// The greatest value.
        limit: u32,
    },
    /// The same object twice.
    #[error("{}Karmada would get {object} twice", .place.as_ref().map_or_else(String::new, |p| format!("{p}: ")))]
    #[diagnostic(help("remove one of them, or give them different names or namespaces"))]
    SameObject {
        /// `FILE:LINE` for an object of a file.
        place: Option<String>,
        /// Kind, namespace and name.
        object: String,
    },
    /// A check of a Deployment that is not there.
    #[error("no object of this scenario is Deployment `{deployment}`")]
    #[diagnostic(help("name one of `federation.objects` or its `files` as NAMESPACE/NAME, or add it there"))]
    NoDeployment {
        /// Namespace and name.
        deployment: String,
    },
    /// A check of a federation that is not there.
    #[error("this check is about a federation, and the scenario has none")]
    #[diagnostic(help("add `federation: {{ manager: CLUSTER }}`, or remove the check"))]
    NoFederation,
    /// A check of a cluster that is no member.
    #[error("`{field}` names cluster `{cluster}`, which is no member of the federation")]
    #[diagnostic(help("name members only"))]
    NotAMember {
        /// The field.
        field: &'static str,
        /// The cluster.
        cluster: String,
    },
    /// Not `NAMESPACE/NAME`.
    #[error("`{value}` is not the name of a Deployment with its namespace")]
    #[diagnostic(help("write NAMESPACE/NAME, such as `demo/hello`"))]
    BadDeployment {
        /// The value.
        value: String,
    },
    /// A loss that nothing answers.
    #[error("`exercise` loses a member, and the apps of a lost member stay where they are")]
    #[diagnostic(help("add `failover: {{ tolerationSeconds: 30 }}` to `federation`, or leave `exercise` out"))]
    NoFailover,
    /// Calls during a loss that does not happen.
    #[error("`service` is called while a member is lost, and `exercise` loses none")]
    #[diagnostic(help("add `exercise: [CLUSTER]`, or write a check `request` for this service"))]
    CallsWithoutLoss,
    /// A check that needs Istio.
    #[error("a {check} calls through the mesh, and this scenario has none")]
    #[diagnostic(help("leave `mesh: none` out, or remove the check"))]
    NoMesh {
        /// Its kind.
        check: &'static str,
    },
}
