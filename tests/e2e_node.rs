//! The node does what kind's own does, whatever it was built from: network policies hold, volumes can be written without being root, host ports are
//! served. One small lab without a mesh, of two nodes.

mod e2e;

#[path = "e2e/node.rs"]
mod node;

#[test]
fn a_node_does_what_kinds_own_does() {
    node::does_what_kinds_own_does();
}
