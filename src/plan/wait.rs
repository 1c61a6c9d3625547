//! What a step waits for, as data: what builds a lab awaits it, what looks asks whether it is so, and an ejected lab has it as commands.

use std::borrow::Cow;
use std::net::Ipv4Addr;

/// What a message calls an object, as `Deployment demo/hello`.
#[must_use]
pub fn object_name(kind: &str, namespace: Option<&str>, name: &str) -> String {
    format!("{kind} {}/{name}", namespace.unwrap_or("default"))
}

/// One thing that a step waits for, in the cluster that it is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wait {
    /// All replicas of a Deployment are available.
    Available {
        /// Its namespace.
        namespace: &'static str,
        /// Its name.
        deployment: Cow<'static, str>,
    },
    /// A `DaemonSet` is ready on every node.
    OnEveryNode {
        /// Its namespace.
        namespace: &'static str,
        /// Its name.
        daemon_set: &'static str,
    },
    /// A Service has the address that is planned for it, or any.
    Address {
        /// Its namespace.
        namespace: &'static str,
        /// Its name.
        service: &'static str,
        /// The address; none where its cluster's own load balancer gives one.
        address: Option<Ipv4Addr>,
    },
    /// Kubernetes has filled the Secret of a lasting token.
    Token {
        /// Its namespace.
        namespace: &'static str,
        /// Its name.
        secret: String,
    },
    /// A controller has written its certificate into a Secret, from where it comes back to it by a mount. The kubelet refreshes mounts about once a
    /// minute, but also whenever the pod changes: so the controller's pods are given an annotation.
    Certificate {
        /// Namespace of the Secret and the pods.
        namespace: &'static str,
        /// Name of the Secret.
        secret: &'static str,
        /// Labels of the pods.
        pods: &'static str,
    },
    /// A pod that were created now would get its sidecar. It is asked for when all else is so.
    Injects {
        /// What a user calls the control plane whose webhook it is.
        istiod: String,
        /// The revision that the pod must come from.
        revision: Option<String>,
        /// Whether the pod asks for that revision by name, rather than for what every pod gets.
        by_name: bool,
    },
    /// Whatever the step applies and runs pods runs them.
    RolledOut {
        /// But these, as `Deployment demo/hello`: nobody runs them.
        but: Vec<String>,
    },
}
