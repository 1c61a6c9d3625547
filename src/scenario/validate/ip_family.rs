//! What goes with a second address family.

use super::{Located, Problems, RawMesh, Topology};
use crate::scenario::model::IpFamily;
use crate::scenario::problem::AddressProblem;
use crate::scenario::raw::RawFederation;

/// Records what is not known to work with two families.
pub(super) fn check(
    family: Option<&Located<IpFamily>>,
    mesh: &RawMesh,
    federation: Option<&Located<RawFederation>>,
    problems: &mut Problems,
) {
    if family.is_none_or(|family| family.value != IpFamily::Dual) {
        return;
    }
    let mut refuse = |span, what, reason, instead| {
        problems.add(span, AddressProblem::NotDual { what, reason, instead });
    };
    if let Some(topology) = mesh.topology.as_ref().filter(|topology| topology.value != Topology::MultiPrimary) {
        let reason = "a remote cluster is told one address of its istiod, so only IPv4 would be used to it, which nobody has tried";
        refuse(topology.span, "a topology with remote clusters", reason, "let every cluster have its own istiod");
    }
    if let Some(listed) = mesh.mesh_networks.as_ref().filter(|listed| listed.value) {
        let reason = "it lists one address of each gateway, and Istio would call over IPv4 alone";
        refuse(listed.span, "`meshNetworks`", reason, "let Istio find gateways by their labels");
    }
    if let Some(federation) = federation {
        let reason = "nobody has tried Karmada with it";
        refuse(federation.span, "a federation", reason, "leave `federation` out");
    }
}
