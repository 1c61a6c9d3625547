//! Arbitrary labs.

use std::fmt::Write as _;

use lab::plan::{Lab, resolve, resolve_again};
use lab::scenario::{parse, render};
use proptest::prelude::*;

/// How one cluster of an arbitrary lab looks.
#[derive(Clone, Debug)]
struct Shape {
    /// Which of a few networks it is on; its own when left out.
    network: Option<u8>,
    locality: bool,
    workers: u8,
    /// Whether it uses the first cluster's control plane, where the topology has remotes.
    remote: bool,
}

fn shape() -> impl Strategy<Value = Shape> {
    (proptest::option::of(0_u8..3), any::<bool>(), 0_u8..3, any::<bool>())
        .prop_map(|(network, locality, workers, remote)| Shape { network, locality, workers, remote })
}

/// A lab of any topology, or without a mesh, with one cluster for each shape; with a federation, one more cluster manages it.
pub fn any_lab() -> impl Strategy<Value = Lab> {
    let federation = proptest::option::of(any::<bool>());
    (0_u8..4, 0_u8..3, any::<bool>(), proptest::collection::vec(shape(), 1..=8), federation)
        .prop_map(|(topology, ingress, own, shapes, federation)| lab_of(topology, ingress, own, &shapes, federation))
}

/// `ingress` is whether no cluster, each, or the last alone has an ingress gateway, `own` whether a primary with remotes has an address of its own
/// for istiod, and `federation` whether it has failover. Members with an odd number are pulled.
fn lab_of(topology: u8, ingress: u8, own: bool, shapes: &[Shape], federation: Option<bool>) -> Lab {
    // A topology that the shapes cannot have is none of these tests.
    let topology = match topology {
        1 if shapes.iter().skip(1).any(|s| s.remote) => "primary-remote",
        2 if shapes.len() > 1 => "external",
        3 => "none",
        _ => "multi-primary",
    };
    let ingress = match ingress {
        0 => "false".to_owned(),
        1 => "true".to_owned(),
        _ => format!("[c{}]", shapes.len() - 1),
    };
    let mesh = match topology {
        "none" => "none".to_owned(),
        _ => format!("{{ topology: {topology}, ingressGateway: {ingress} }}"),
    };
    let mut text = format!("name: demo\nmesh: {mesh}\ndockerNetwork: {{ subnet: 172.24.0.0/20 }}\nclusters:\n");
    for (i, shape) in shapes.iter().enumerate() {
        let _ = writeln!(text, "  - name: c{i}\n    nodes: {{ workers: {} }}", shape.workers);
        if i == 0 && own && topology == "primary-remote" {
            text += "    loadBalancer: { addresses: { istiod: 172.24.15.12 } }\n";
        }
        if shape.locality {
            text += "    locality: { region: r1 }\n";
        }
        if let Some(network) = shape.network {
            let _ = writeln!(text, "    network: shared-{network}");
        }
        if i > 0 && (topology == "external" || topology == "primary-remote" && shape.remote) {
            text += "    primary: c0\n";
        }
    }
    if let Some(failover) = federation {
        text += "  - manager\nfederation:\n  manager: manager\n  members:\n";
        for i in usize::from(topology == "external")..shapes.len() {
            let _ = writeln!(text, "    - {{ cluster: c{i}, mode: {} }}", if i % 2 == 0 { "push" } else { "pull" });
        }
        text += if failover { "  failover: {}\n" } else { "" };
        text += "  objects: [{ apiVersion: apps/v1, kind: Deployment, metadata: { name: hello }, spec: { replicas: 3 } }]\n";
    }
    let scenario = parse(&text, "lab.yaml").unwrap_or_else(|e| panic!("{}\n{text}", render(&e)));
    let lab = resolve(&scenario).expect("room for every address");
    // A lab that is there keeps its addresses, and nothing but another scenario changes it.
    assert_eq!(resolve_again(&scenario, &lab).as_ref(), Ok(&lab), "{text}");
    lab
}
