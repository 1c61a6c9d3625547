//! Secrets: the cluster's intermediate CA, the reader's token, and remote secrets.

use serde_json::{Value, json};

use super::{ISTIO_NAMESPACE, READER_TOKEN};
use crate::plan::LabCluster;

/// A cluster's intermediate CA as PEM text.
#[derive(Clone, Debug)]
pub struct Intermediate {
    /// Its certificate.
    pub certificate: String,
    /// Its private key.
    pub key: String,
    /// The root certificate, the same in every cluster.
    pub root: String,
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
            "cert-chain.pem": base64(&format!("{}{}", intermediate.certificate, intermediate.root)),
        },
    })
}

/// The Secret into which Kubernetes writes a lasting token of Istio's reader account; without it tokens expire (Kubernetes 1.24 on).
#[must_use]
pub fn reader_token() -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {
            "name": READER_TOKEN,
            "namespace": ISTIO_NAMESPACE,
            "annotations": { "kubernetes.io/service-account.name": "istio-reader-service-account" },
        },
        "type": "kubernetes.io/service-account-token",
    })
}

/// The remote secret by which another control plane reads cluster `of`. `ca` and `token` are base64, as in the token's Secret.
///
/// The server is a name, because Docker deals addresses out anew when nodes restart.
#[must_use]
pub fn remote_secret(of: &LabCluster, ca: &str, token: &str) -> Value {
    let name = &of.name;
    let kubeconfig = json!({
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{ "name": name, "cluster": { "server": of.api_server(), "certificate-authority-data": ca } }],
        "users": [{ "name": name, "user": { "token": token } }],
        "contexts": [{ "name": name, "context": { "cluster": name, "user": name } }],
        "current-context": name,
    });
    json!({
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {
            "name": format!("istio-remote-secret-{name}"),
            "namespace": ISTIO_NAMESPACE,
            "labels": { "istio/multiCluster": "true" },
            "annotations": { "networking.istio.io/cluster": name },
        },
        "type": "Opaque",
        "data": { name: base64(&kubeconfig.to_string()) },
    })
}

fn base64(text: &str) -> Value {
    serde_json::to_value(k8s_openapi::ByteString(text.as_bytes().to_vec())).unwrap_or_default()
}
