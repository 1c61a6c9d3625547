//! Problems with names.

use miette::Diagnostic;
use thiserror::Error;

/// A name that cannot become what is made of it: a host name, a container's name, a label, part of a certificate.
#[derive(Clone, Debug, PartialEq, Eq, Error, Diagnostic)]
#[non_exhaustive]
pub enum NameProblem {
    /// Upper case, underscores and the like.
    #[error("{what} `{name}` is not a DNS label")]
    #[diagnostic(help("use lower-case letters, digits and hyphens, with a letter or digit at either end{suggestion}"))]
    NotDnsLabel {
        /// What is named.
        what: &'static str,
        /// The name.
        name: String,
        /// `, such as my-lab`, or nothing.
        suggestion: String,
    },
    /// Too long for what is made of it.
    #[error("{what} `{name}` has {length} characters, but at most {limit} are allowed")]
    #[diagnostic(help("shorten it: it becomes part of longer names that have limits of their own"))]
    TooLong {
        /// What is named.
        what: &'static str,
        /// The name.
        name: String,
        /// Its length.
        length: usize,
        /// The greatest length.
        limit: usize,
    },
    /// Host names have at most 63 characters in a label.
    #[error("the control-plane node would be called `{node}`: {length} characters, but a host name has at most 63")]
    #[diagnostic(help("the names of lab and cluster may have 48 characters together: shorten either by {excess}"))]
    NodeTooLong {
        /// The node's name.
        node: String,
        /// Its length.
        length: usize,
        /// By how much it is too long.
        excess: usize,
    },
    /// Not a Kubernetes label value.
    #[error("{what} `{value}` cannot be the value of a Kubernetes label")]
    #[diagnostic(help(
        "use at most 63 letters, digits, hyphens, underscores and dots, with a letter or digit at either end"
    ))]
    NotLabelValue {
        /// What has the value.
        what: &'static str,
        /// The value.
        value: String,
    },
    /// A trust domain that certificates cannot carry.
    #[error("trust domain `{value}` is not a DNS name")]
    #[diagnostic(help(
        "use lower-case letters, digits and hyphens, with dots between the parts, such as `cluster.local`"
    ))]
    NotDnsName {
        /// The value.
        value: String,
    },
    /// Not `HOST:PORT`.
    #[error("image mirror `{value}` is not HOST:PORT")]
    #[diagnostic(help(
        "write the registry as the nodes reach it, without scheme and path, such as `registry.example:5000`"
    ))]
    NotMirror {
        /// The value.
        value: String,
    },
    /// Two clusters of one name.
    #[error("there are two clusters called `{name}`")]
    #[diagnostic(help("give each cluster a name of its own"))]
    DuplicateCluster {
        /// The name.
        name: String,
    },
    /// A reference to a cluster that does not exist.
    #[error("`{field}` names cluster `{name}`, which does not exist")]
    UnknownCluster {
        /// The field that refers to it.
        field: &'static str,
        /// The name.
        name: String,
        /// The nearest cluster, or all of them.
        #[help]
        help: String,
    },
}
