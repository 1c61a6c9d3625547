//! MetalLB's address pool, announced by ARP (layer 2).

use serde_json::{Value, json};

use crate::plan::LabCluster;

/// Namespace of MetalLB, as its own manifest has it.
const NAMESPACE: &str = "metallb-system";

/// The pool of a cluster and its advertisement.
#[must_use]
pub fn address_pool(cluster: &LabCluster) -> Vec<Value> {
    vec![
        json!({
            "apiVersion": "metallb.io/v1beta1",
            "kind": "IPAddressPool",
            "metadata": { "name": "lab", "namespace": NAMESPACE },
            "spec": { "addresses": [cluster.pool.to_string()] },
        }),
        json!({
            "apiVersion": "metallb.io/v1beta1",
            "kind": "L2Advertisement",
            "metadata": { "name": "lab", "namespace": NAMESPACE },
            "spec": { "ipAddressPools": ["lab"] },
        }),
    ]
}
