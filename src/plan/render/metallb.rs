//! MetalLB's address pool, announced by ARP (layer 2).

use std::net::Ipv4Addr;

use serde_json::{Value, json};

use crate::plan::LabCluster;

/// Namespace of MetalLB, as its own manifest has it.
const NAMESPACE: &str = "metallb-system";

/// Annotations by which a Service asks MetalLB for one address.
pub(super) fn fixed_address(address: Option<&Ipv4Addr>) -> Value {
    address.map_or_else(|| json!({}), |a| json!({ "metallb.io/loadBalancerIPs": a.to_string() }))
}

/// The pool of a cluster and its advertisement.
#[must_use]
pub fn address_pool(cluster: &LabCluster) -> Vec<Value> {
    let Some(pool) = cluster.pool else { return Vec::new() };
    vec![
        json!({
            "apiVersion": "metallb.io/v1beta1",
            "kind": "IPAddressPool",
            "metadata": { "name": "lab", "namespace": NAMESPACE },
            "spec": { "addresses": [pool.to_string()] },
        }),
        json!({
            "apiVersion": "metallb.io/v1beta1",
            "kind": "L2Advertisement",
            "metadata": { "name": "lab", "namespace": NAMESPACE },
            "spec": { "ipAddressPools": ["lab"] },
        }),
    ]
}
