//! Files in a lab's state that one room writes and others read.

/// The last verdict.
pub(crate) const VERDICT: &str = "verdict.json";
/// The source of its images.
pub(crate) const SOURCE: &str = "source.json";
/// Written when kind has finished with the cluster of that name among its own.
pub(crate) fn made(kind_name: &str) -> String {
    format!("made/{kind_name}")
}
/// Kubeconfig of Karmada as this machine reaches it. Addresses change when nodes restart, so it is written each time that it is used.
pub(crate) const KARMADA_KUBECONFIG: &str = "karmada/host.yaml";
