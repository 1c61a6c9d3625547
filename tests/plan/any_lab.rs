//! Arbitrary labs.

use std::fmt::Write as _;

use lab::plan::{Lab, resolve};
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

/// A lab of any topology with one cluster for each shape.
pub fn any_lab() -> impl Strategy<Value = Lab> {
    (0_u8..3, any::<bool>(), proptest::collection::vec(shape(), 1..=8))
        .prop_map(|(topology, ingress, shapes)| lab_of(topology, ingress, &shapes))
}

fn lab_of(topology: u8, ingress: bool, shapes: &[Shape]) -> Lab {
    // A topology that the shapes cannot have is none of these tests.
    let topology = match topology {
        1 if shapes.iter().skip(1).any(|s| s.remote) => "primary-remote",
        2 if shapes.len() > 1 => "external",
        _ => "multi-primary",
    };
    let mut text = format!("name: demo\nmesh: {{ topology: {topology}, ingressGateway: {ingress} }}\nclusters:\n");
    for (i, shape) in shapes.iter().enumerate() {
        let _ = writeln!(text, "  - name: c{i}\n    nodes: {{ workers: {} }}", shape.workers);
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
    let scenario = parse(&text, "lab.yaml").unwrap_or_else(|e| panic!("{}\n{text}", render(&e)));
    resolve(&scenario).expect("room for every address")
}
