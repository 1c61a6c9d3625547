//! Whether packets of a lab's network fit through the way out of its machine. Pure: what is there goes in.

use crate::plan::Lab;
use crate::sys::docker::Network;
use crate::sys::routes::WayOut;
use crate::verdict::Judgement;

const WHAT: &str = "MTU";

/// The network of a lab, made or to be made. `way_out` is that of the engine's machine, if it can be seen from here.
pub(in crate::machine) fn of_lab(lab: &Lab, networks: &[Network], way_out: Option<&WayOut>) -> Judgement {
    let wanted = &lab.docker_network;
    let Some(network) = networks.iter().find(|n| n.name == wanted.name) else {
        let mtu = wanted.mtu.map_or_else(|| Network::fitting_mtu(networks, way_out.map(|w| w.mtu)), u32::from);
        return Judgement::ok(WHAT, format!("packets on the lab's Docker network will have at most {mtu} bytes"));
    };
    match wanted.mtu {
        None => of_all(std::slice::from_ref(network), way_out),
        Some(mtu) if u32::from(mtu) == network.mtu => Judgement::ok(
            WHAT,
            format!("packets on the lab's Docker network have at most {mtu} bytes, as the scenario says"),
        ),
        Some(mtu) => Judgement::failure(
            WHAT,
            format!("the lab's Docker network exists with an MTU of {}, and the scenario wants {mtu}", network.mtu),
            format!(
                "make the lab again: `lab down {0}`, then `lab up`; or have the scenario say `mtu: {1}`",
                lab.name, network.mtu
            ),
        ),
    }
}

/// The networks of all labs.
pub(in crate::machine) fn of_all(networks: &[Network], way_out: Option<&WayOut>) -> Judgement {
    let Some(way_out) = way_out else {
        return Judgement::unknown(WHAT, "the way out of the engine's machine cannot be seen from here");
    };
    let WayOut { interface, mtu } = way_out;
    let larger = |network: &&Network| network.lab.is_some() && network.mtu > *mtu;
    match networks.iter().find(larger) {
        None => Judgement::ok(
            WHAT,
            format!("what labs send out fits through {interface}, which carries {mtu} bytes a packet"),
        ),
        Some(Network { name, lab, mtu: larger, .. }) => Judgement::warning(
            WHAT,
            format!(
                "packets on Docker network {name} have up to {larger} bytes, and {interface} carries {mtu}: connections from nodes to outside may hang"
            ),
            format!(
                "make the lab again, whose network then fits: `lab down {0}`, then `lab up`",
                lab.as_deref().unwrap_or_default()
            ),
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::resolve;
    use crate::scenario::parse;
    use crate::verdict::Level;

    fn judged(settings: &str, made: Option<u32>, way_out: Option<u32>) -> Judgement {
        let text = format!("name: demo\nclusters: [c1]\n{settings}");
        let lab = resolve(&parse(&text, "lab.yaml").expect("valid")).expect("addresses");
        let network = |name: &str, lab: Option<&str>, mtu| Network {
            name: name.to_owned(),
            lab: lab.map(str::to_owned),
            ipv6_subnets: Vec::new(),
            subnets: Vec::new(),
            gateways: Vec::new(),
            mtu,
        };
        // Another's network is not lab's to judge.
        let mut networks = vec![network("bridge", None, 1500), network("kind", None, 9000)];
        networks.extend(made.map(|mtu| network("lab-demo", Some("demo"), mtu)));
        let way_out = way_out.map(|mtu| WayOut { interface: "eth0".to_owned(), mtu });
        of_lab(&lab, &networks, way_out.as_ref())
    }

    #[test]
    fn a_network_to_come_fits() {
        assert!(judged("", None, Some(1400)).found.ends_with("at most 1400 bytes"));
        assert!(judged("", None, None).found.ends_with("at most 1500 bytes"));
        assert!(judged("dockerNetwork: { mtu: 1300 }\n", None, Some(1400)).found.ends_with("at most 1300 bytes"));
    }

    #[test]
    fn a_network_that_carries_more_than_the_way_out_is_told() {
        assert_eq!(judged("", Some(1400), Some(1400)).level, Level::Ok);
        assert_eq!(judged("", Some(1500), None).level, Level::Unknown);
        let larger = judged("", Some(1500), Some(1400));
        assert!(larger.level == Level::Warning && larger.line().contains("lab-demo have up to 1500 bytes, and eth0"));
        assert!(larger.line().contains("lab down demo"), "{larger:?}");
        // Who says it means it.
        assert_eq!(judged("dockerNetwork: { mtu: 1500 }\n", Some(1500), Some(1400)).level, Level::Ok);
    }

    #[test]
    fn a_network_that_is_not_as_the_scenario_says_is_refused() {
        let other = judged("dockerNetwork: { mtu: 1300 }\n", Some(1400), Some(1400));
        assert!(
            other.level == Level::Failure && other.line().contains("with an MTU of 1400, and the scenario wants 1300")
        );
    }
}
