//! Secrets: the cluster's intermediate CA, the reader's token, and remote secrets.

use serde_json::{Value, json};

use super::ISTIO_NAMESPACE;
use crate::plan::{Lab, LabCluster};

/// A cluster's intermediate CA as PEM text.
#[derive(Clone, Debug)]
pub struct Intermediate {
    /// Its certificate.
    pub certificate: String,
    /// Its private key.
    pub key: String,
    /// The root certificate, the same in every cluster.
    pub root: String,
    /// The certificates from its own to the root, for workloads to present.
    pub chain: String,
}

/// The Secret `cacerts`, which istiod reads when it starts. A partial bundle is fatal to istiod, so all four parts are here.
#[must_use]
pub fn cacerts(intermediate: &Intermediate) -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": { "name": "cacerts", "namespace": ISTIO_NAMESPACE },
        "type": "Opaque",
        "data": {
            "ca-cert.pem": base64(&intermediate.certificate),
            "ca-key.pem": base64(&intermediate.key),
            "root-cert.pem": base64(&intermediate.root),
            "cert-chain.pem": base64(&intermediate.chain),
        },
    })
}

/// The account whose token lets another cluster's istiod read this cluster.
pub const READER_ACCOUNT: &str = "istio-reader-service-account";
/// The account whose token lets an external istiod read its configuration from this cluster, and write certificates and status to it.
pub const CONFIG_ACCOUNT: &str = "istiod";

/// The account of a cluster whose token other clusters' control planes use; none in the cluster that only hosts an external one.
#[must_use]
pub fn lent_account(lab: &Lab, cluster: &LabCluster) -> Option<&'static str> {
    if lab.is_host(cluster) {
        return None;
    }
    let is_config = !cluster.runs_istiod() && lab.is_config_cluster(cluster);
    Some(if is_config { CONFIG_ACCOUNT } else { READER_ACCOUNT })
}

/// Name of the Secret with an account's token, as istioctl names it.
#[must_use]
pub fn token_name(account: &str) -> String {
    format!("{account}-istio-remote-secret-token")
}

/// The Secret into which Kubernetes writes a lasting token of an account; without it tokens expire (Kubernetes 1.24 on).
#[must_use]
pub fn account_token(account: &str) -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {
            "name": token_name(account),
            "namespace": ISTIO_NAMESPACE,
            "annotations": { "kubernetes.io/service-account.name": account },
        },
        "type": "kubernetes.io/service-account-token",
    })
}

/// Name of the remote secret of a cluster.
#[must_use]
pub fn remote_secret_name(of: &str) -> String {
    format!("istio-remote-secret-{of}")
}

/// The remote secret by which another control plane reads cluster `of`. `ca` and `token` are base64, as in the token's Secret.
///
/// The server is a name, because Docker deals addresses out anew when nodes restart.
#[must_use]
pub fn remote_secret(of: &LabCluster, ca: &str, token: &str) -> Value {
    let name = &of.name;
    json!({
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {
            "name": remote_secret_name(name),
            "namespace": ISTIO_NAMESPACE,
            "labels": { "istio/multiCluster": "true" },
            "annotations": { "networking.istio.io/cluster": name },
        },
        "type": "Opaque",
        "data": { name: base64(&kubeconfig(of, ca, token)) },
    })
}

/// Name of the Secret that an external istiod mounts.
pub const CONFIG_SECRET: &str = "istio-kubeconfig";

/// The Secret by which an external istiod reads its configuration from cluster `of`. It has no label of a remote secret: istiod would add
/// a cluster called `config`.
#[must_use]
pub fn config_kubeconfig(of: &LabCluster, ca: &str, token: &str) -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": { "name": CONFIG_SECRET, "namespace": ISTIO_NAMESPACE },
        "type": "Opaque",
        "data": { "config": base64(&kubeconfig(of, ca, token)) },
    })
}

fn kubeconfig(of: &LabCluster, ca: &str, token: &str) -> String {
    let name = &of.name;
    json!({
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{ "name": name, "cluster": { "server": of.api_server(), "certificate-authority-data": ca } }],
        "users": [{ "name": name, "user": { "token": token } }],
        "contexts": [{ "name": name, "context": { "cluster": name, "user": name } }],
        "current-context": name,
    })
    .to_string()
}

fn base64(text: &str) -> Value {
    serde_json::to_value(k8s_openapi::ByteString(text.as_bytes().to_vec())).unwrap_or_default()
}
