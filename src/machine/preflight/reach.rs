//! Whether what the engine publishes on its loopback is reached from here. Pure: what is there goes in.

use std::net::Ipv4Addr;

use crate::plan::Lab;
use crate::scenario::{Check, Through};
use crate::verdict::Judgement;

const WHAT: &str = "API servers";

/// How the engine and this process lie to each other.
#[expect(clippy::struct_excessive_bools, reason = "each is seen apart from the others")]
pub(super) struct Engine<'a> {
    /// The name of its machine, if it is reached over a network.
    pub machine: Option<&'a str>,
    /// Whether that name is of another machine, or of another network namespace of this one.
    pub is_elsewhere: bool,
    /// Whether it has this machine's kernel and memory.
    pub shares_kernel: bool,
    /// Whether it is of a kind that forwards published ports to the loopback of its user.
    pub forwards: bool,
    /// Whether one of its bridges has an address of this process's network.
    pub is_bridge_here: bool,
    /// The address of one of its bridges.
    pub gateway: Option<Ipv4Addr>,
}

/// kind has the engine publish each API server at one address of the engine's machine. Unless the scenario says which, it is the loopback, and that
/// is another one in each network namespace.
pub(super) fn api_servers(lab: &Lab, engine: &Engine<'_>) -> Judgement {
    let remedy = |such: String| {
        format!(
            "set dockerNetwork.apiServerAddress in the scenario to an address of the engine's machine that is reached from here{such}; or run lab where the engine runs, in a container with `--network host`"
        )
    };
    if let Some(address) = lab.docker_network.api_server_address.filter(|a| !a.is_loopback()) {
        return Judgement::ok(WHAT, format!("the engine will publish them at {address}, as the scenario says"));
    }
    if let Some(machine) = engine.machine.filter(|_| engine.is_elsewhere) {
        return Judgement::failure(
            WHAT,
            format!(
                "the engine runs elsewhere, at {machine}, and would publish API servers on its own loopback, which is not reached from here"
            ),
            remedy(String::new()),
        );
    }
    let Some(gateway) = engine.gateway else {
        return Judgement::unknown(WHAT, "the engine has no bridge that tells whether its loopback is this one");
    };
    if engine.is_bridge_here || engine.forwards {
        return Judgement::ok(WHAT, "what the engine publishes on its loopback is reached from here");
    }
    let found = format!(
        "the engine would publish API servers on a loopback that is not this one: its bridge {gateway} is no address here, so lab runs in a container or another network namespace"
    );
    if engine.shares_kernel {
        return Judgement::failure(WHAT, found, remedy(format!(", such as {gateway} from a container")));
    }
    // An engine in a virtual machine, whose ports may be forwarded to here.
    Judgement::unknown(
        WHAT,
        format!("the engine's bridge {gateway} is no address here; whether its loopback is forwarded cannot be told"),
    )
}

/// Calls from outside (`through: ingress` or `loadBalancer`) come from lab itself, to load balancers whose addresses are on the lab's bridge. None if there are no such
/// calls.
pub(super) fn ingress(lab: &Lab, engine: &Engine<'_>) -> Option<Judgement> {
    const WHAT: &str = "ingress";
    let is_from_outside = |check: &Check| match check {
        Check::Rotation { through, .. } => *through != Through::Mesh,
        Check::Request(request) => request.through != Through::Mesh,
        _ => false,
    };
    if !lab.checks.iter().any(is_from_outside) {
        return None;
    }
    if engine.is_elsewhere || engine.gateway.is_none() {
        let found = "whether the load balancers of a lab are reached from here cannot be told, and checks with `through: ingress` or `loadBalancer` call them";
        return Some(Judgement::unknown(WHAT, found));
    }
    if engine.is_bridge_here {
        return Some(Judgement::ok(WHAT, "load balancers of a lab are reached from here"));
    }
    Some(Judgement::failure(
        WHAT,
        "the lab's network is not one of this process, so checks with `through: ingress` or `loadBalancer`, which call load balancers on it, would fail",
        "run lab where the engine runs, in a container with `--network host`; or leave out those checks",
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::resolve;
    use crate::scenario::parse;
    use crate::verdict::Level;

    fn lab(network: &str) -> Lab {
        resolve(&parse(&format!("name: demo\nclusters: [c1]\n{network}"), "lab.yaml").expect("valid"))
            .expect("addresses")
    }

    const HERE: Engine<'_> = Engine {
        machine: None,
        is_elsewhere: false,
        shares_kernel: true,
        forwards: false,
        is_bridge_here: true,
        gateway: Some(Ipv4Addr::new(172, 17, 0, 1)),
    };

    #[test]
    fn another_loopback_is_told_before_anything_is_built() {
        let judged = |engine: &Engine<'_>| api_servers(&lab(""), engine);
        assert_eq!(judged(&HERE).level, Level::Ok);
        let apart = judged(&Engine { is_bridge_here: false, ..HERE });
        assert_eq!(apart.level, Level::Failure);
        assert!(apart.line().contains("172.17.0.1") && apart.line().contains("apiServerAddress"), "{apart:?}");
        let far = judged(&Engine { machine: Some("far.example"), is_elsewhere: true, ..HERE });
        assert!(far.level == Level::Failure && far.line().contains("far.example"), "{far:?}");
        // By TCP to this very machine is no other place.
        assert_eq!(judged(&Engine { machine: Some("localhost"), ..HERE }).level, Level::Ok);
    }

    #[test]
    fn what_cannot_be_told_is_not_held_against_a_machine() {
        let judged = |engine: &Engine<'_>| api_servers(&lab(""), engine).level;
        let apart = || Engine { is_bridge_here: false, ..HERE };
        assert_eq!(judged(&Engine { shares_kernel: false, ..apart() }), Level::Unknown);
        assert_eq!(judged(&Engine { gateway: None, ..apart() }), Level::Unknown);
        assert_eq!(judged(&Engine { forwards: true, ..apart() }), Level::Ok);
    }

    #[test]
    fn calls_from_outside_need_the_labs_network() {
        let lab = lab("mesh: { ingressGateway: true }\nchecks: [{ rotation: { through: ingress } }]\n");
        let judged = |engine: &Engine<'_>| ingress(&lab, engine).expect("a judgement").level;
        assert_eq!(judged(&HERE), Level::Ok);
        // That ports are forwarded makes no way to a bridge.
        assert_eq!(judged(&Engine { is_bridge_here: false, forwards: true, ..HERE }), Level::Failure);
        assert_eq!(judged(&Engine { is_elsewhere: true, ..HERE }), Level::Unknown);
        assert!(ingress(&self::lab(""), &Engine { is_bridge_here: false, ..HERE }).is_none());
    }

    #[test]
    fn an_address_of_the_users_is_taken() {
        let lab = lab("dockerNetwork: { apiServerAddress: 172.17.0.1 }\n");
        let far = Engine { machine: Some("far.example"), is_elsewhere: true, is_bridge_here: false, ..HERE };
        assert_eq!(api_servers(&lab, &far).level, Level::Ok);
        let loopback = self::lab("dockerNetwork: { apiServerAddress: 127.0.0.2 }\n");
        assert_eq!(api_servers(&loopback, &far).level, Level::Failure);
    }
}
