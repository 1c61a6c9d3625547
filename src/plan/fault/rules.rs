//! Faults that are rules of nodes: scripts that set them in chains of their own, and scripts that take them away. What lab itself has in `LAB-NETWORK`
//! goes on beside them.

use std::fmt::Write as _;

use ipnet::IpNet;

use super::{Act, Look};
use crate::plan::render::{DISCOVERY_PORT, WEBHOOK_PORT};
use crate::plan::{Lab, LabCluster};
use crate::scenario::layout::overlap;
use crate::scenario::{GroundCluster, Link};

/// Where a chain is entered from.
#[derive(Clone, Copy)]
struct Hook {
    table: &'static str,
    parent: &'static str,
    /// Further words of the jump.
    only: &'static str,
}

/// Before anything else is done with a packet that comes from another node.
const RAW: Hook = Hook { table: "raw", parent: "PREROUTING", only: "-i eth0" };
/// Once the kernel knows its connection.
const MANGLE: Hook = Hook { table: "mangle", parent: "PREROUTING", only: "-i eth0" };
/// Where a packet can be refused: on its way to a pod, and to the node itself.
const FORWARD: Hook = Hook { table: "filter", parent: "FORWARD", only: "-i eth0" };
const INPUT: Hook = Hook { table: "filter", parent: "INPUT", only: "-i eth0" };
/// Once it is known which pod a call of a service goes to, from pods and from the node itself.
const ALL_FORWARD: Hook = Hook { table: "filter", parent: "FORWARD", only: "" };
const OUTPUT: Hook = Hook { table: "filter", parent: "OUTPUT", only: "" };

/// Drops or refuses, at the receiver, what comes from the other side: all of it or, one way, what belongs to connections that the first side began.
pub(super) fn partition(lab: &Lab, between: &[String], one_way: bool, refuse: bool, id: &str) -> Vec<Act> {
    let hooks: &[Hook] = match (refuse, one_way) {
        (true, _) => &[FORWARD, INPUT],
        (false, true) => &[MANGLE],
        (false, false) => &[RAW],
    };
    // Packets of answers pass, as of connections that the other side began.
    let which = if one_way { "-m conntrack --ctdir ORIGINAL " } else { "" };
    let ends: &[&str] = if refuse { &["-p tcp -j REJECT --reject-with tcp-reset", "-j REJECT"] } else { &["-j DROP"] };
    let ends: Vec<String> = ends.iter().map(|end| format!("{which}{end}")).collect();
    let (first, second) = clusters(lab, between);
    let mut acts = receivers(lab, &second, &first, (hooks, &ends), id);
    if !one_way {
        acts.extend(receivers(lab, &first, &second, (hooks, &ends), id));
    }
    acts
}

/// Drops some of what comes from the other side at the receiver, and holds back what leaves the sender.
pub(super) fn network(lab: &Lab, between: &[String], one_way: bool, link: Link, id: &str) -> Vec<Act> {
    let mut ends = Vec::new();
    if let Some(loss) = link.loss {
        ends.push(format!("-m statistic --mode random --probability 0.{loss:02} -j DROP"));
    }
    if let Some(bandwidth) = link.bandwidth {
        // Bytes a second. A burst of a second passes, than which iptables takes no smaller one, and of a few packets at least.
        let rate = bandwidth.saturating_mul(125);
        let burst = rate.max(6000);
        ends.push(format!(
            "-m hashlimit --hashlimit-name f{id} --hashlimit-above {rate}b/s --hashlimit-burst {burst}b -j DROP"
        ));
    }
    let (first, second) = clusters(lab, between);
    let mut acts = Vec::new();
    if !ends.is_empty() {
        acts.extend(receivers(lab, &second, &first, (&[RAW], &ends), id));
        if !one_way {
            acts.extend(receivers(lab, &first, &second, (&[RAW], &ends), id));
        }
    }
    if let Some(latency) = link.latency {
        let late = if one_way { first } else { [first, second].concat() };
        acts.extend(late.into_iter().flat_map(LabCluster::nodes).map(|node| delay(node, latency, link.jitter)));
    }
    acts
}

/// Has all that leaves a node wait.
fn delay(node: String, latency: u32, jitter: Option<u32>) -> Act {
    let jitter = jitter.map(|j| format!(" {j}ms")).unwrap_or_default();
    Act::Shell {
        node,
        what: Some("what leaves eth0".to_owned()),
        look: Some(Look {
            script: "tc qdisc add dev lo root netem delay 1ms && tc qdisc del dev lo root".to_owned(),
            problem: "the kernel has no netem, so no packet can be late".to_owned(),
            remedy: "load its module where the engine runs (`modprobe sch_netem`), or leave `latency` and `jitter` out: loss and bandwidth need none".to_owned(),
        }),
        script: format!("tc qdisc add dev eth0 root netem delay {latency}ms{jitter}"),
        undo: "if tc qdisc show dev eth0 | grep -q netem; then tc qdisc del dev eth0 root; fi".to_owned(),
    }
}

/// The clusters on both sides.
fn clusters<'l>(lab: &'l Lab, between: &[String]) -> (Vec<&'l LabCluster>, Vec<&'l LabCluster>) {
    let ground = lab.ground();
    let (first, second) = ground.sides(between);
    let of = |side: Vec<&GroundCluster>| side.into_iter().filter_map(|c| lab.cluster(&c.name)).collect();
    (of(first), of(second))
}

/// Rules in every node of `to` about what comes from `from`: where they are entered from, and how they end.
fn receivers(
    lab: &Lab,
    to: &[&LabCluster],
    from: &[&LabCluster],
    (hooks, ends): (&[Hook], &[String]),
    id: &str,
) -> Vec<Act> {
    let receiver = |cluster: &&LabCluster| {
        let own = pods(cluster);
        let mut calls = String::new();
        for peer in from {
            for end in ends {
                for node in peer.nodes() {
                    let _ = writeln!(calls, "from_node {node} '{end}'");
                }
                // Where pods have the same addresses, none leaves its cluster with its own.
                for subnet in pods(peer).iter().filter(|subnet| own.iter().all(|own| !meet(*own, **subnet))) {
                    let _ = writeln!(calls, "from {subnet} '{end}'");
                }
            }
        }
        let body = format!("{SOURCES}table={}\n{calls}", hooks[0].table);
        cluster.nodes().map(|node| rules(lab, node, id, hooks, &body)).collect::<Vec<_>>()
    };
    to.iter().flat_map(receiver).collect()
}

/// Drops what calls an istiod: proxies, and the API server for injection.
pub(super) fn discovery(lab: &Lab, cluster: &str, id: &str) -> Vec<Act> {
    let body = format!(
        "for run in $runs; do \"$run\" -w -t filter -A \"$chain\" -p tcp -m multiport --dports {DISCOVERY_PORT},{WEBHOOK_PORT} -j DROP || failed=1; done\n"
    );
    let nodes = lab.cluster(cluster).into_iter().flat_map(LabCluster::nodes);
    nodes.map(|node| rules(lab, node, id, &[ALL_FORWARD, OUTPUT], &body)).collect()
}

/// A script that makes chains, fills them, and enters them once they are whole; and one that takes them away.
fn rules(lab: &Lab, node: String, id: &str, hooks: &[Hook], body: &str) -> Act {
    let runs = if lab.is_dual() { "iptables ip6tables" } else { "iptables" };
    let head = format!("chain=LAB-FAULT-{id}\nruns='{runs}'\nfailed=0\n");
    let mut tables: Vec<&str> = hooks.iter().map(|h| h.table).collect();
    tables.dedup();
    let (mut script, mut undo) = (head.clone(), head);
    for table in &tables {
        let _ = writeln!(
            script,
            "for run in $runs; do \"$run\" -w -t {table} -N \"$chain\" 2>/dev/null || \"$run\" -w -t {table} -F \"$chain\" || failed=1; done"
        );
    }
    script.push_str(body);
    for Hook { table, parent, only } in hooks {
        let _ = writeln!(
            script,
            "for run in $runs; do \"$run\" -w -t {table} -I {parent} 1 {only} -j \"$chain\" || failed=1; done"
        );
        let _ = writeln!(
            undo,
            "for run in $runs; do while \"$run\" -w -t {table} -D {parent} {only} -j \"$chain\" 2>/dev/null; do :; done; done"
        );
    }
    for table in tables {
        let _ = writeln!(
            undo,
            "for run in $runs; do if \"$run\" -w -t {table} -F \"$chain\" 2>/dev/null; then \"$run\" -w -t {table} -X \"$chain\" || failed=1; fi; done"
        );
    }
    script.push_str("exit \"$failed\"\n");
    undo.push_str("exit \"$failed\"\n");
    Act::Shell { node, what: None, look: None, script, undo }
}

/// `from SUBNET RULE` and `from_node NODE RULE`: a rule about what comes from there. A node's address is looked up, since it may change when the node starts.
const SOURCES: &str = r#"from() {
    case $1 in *:*) run=ip6tables ;; *) run=iptables ;; esac
    "$run" -w -t "$table" -A "$chain" -s "$1" $2 || failed=1
}
from_node() {
    for run in $runs; do
        case $run in ip6tables) family=6 ;; *) family=4 ;; esac
        found=$(getent "ahostsv$family" "$1" | sed -n '/^::ffff:/!{s/ .*//p;q;}')
        if [ -n "$found" ]; then from "$found" "$2"; else echo "node $1 has no address of IPv$family" && failed=1; fi
    done
}
"#;

/// The subnets of a cluster's pods.
fn pods(cluster: &LabCluster) -> Vec<IpNet> {
    std::iter::once(cluster.pod_subnet.into()).chain(cluster.ipv6.map(|v6| v6.pod_subnet.into())).collect()
}

fn meet(a: IpNet, b: IpNet) -> bool {
    match (a, b) {
        (IpNet::V4(a), IpNet::V4(b)) => overlap(a, b),
        (IpNet::V6(a), IpNet::V6(b)) => a.contains(&b) || b.contains(&a),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lab(text: &str) -> Lab {
        crate::plan::resolve(&crate::scenario::parse(text, "x").expect("a scenario")).expect("a lab")
    }

    fn sides(names: &[&str]) -> Vec<String> {
        names.iter().map(|n| (*n).to_owned()).collect()
    }

    /// Nodes with what is set in them.
    fn scripts(acts: &[Act]) -> Vec<(&str, &str)> {
        let mut all = Vec::new();
        for act in acts {
            match act {
                Act::Shell { node, script, .. } => all.push((node.as_str(), script.as_str())),
                other => panic!("{other:?}"),
            }
        }
        all
    }

    const TWO: &str = "name: x\nclusters: [c1, { name: c2, nodes: { workers: 1 } }]\n";

    #[test]
    fn every_node_drops_what_comes_from_the_other_side() {
        let lab = lab(TWO);
        let acts = partition(&lab, &sides(&["c1", "c2"]), false, false, "a1");
        let scripts = scripts(&acts);
        assert_eq!(
            scripts.iter().map(|(node, _)| *node).collect::<Vec<_>>(),
            ["x-c2-control-plane", "x-c2-worker", "x-c1-control-plane"]
        );
        assert!(
            scripts[0].1.contains("from_node x-c1-control-plane '-j DROP'\nfrom 10.101.0.0/16 '-j DROP'"),
            "{}",
            scripts[0].1
        );
        assert!(scripts[2].1.contains("from_node x-c2-worker '-j DROP'"), "{}", scripts[2].1);
        assert!(scripts[0].1.contains("-t raw -I PREROUTING 1 -i eth0 -j \"$chain\""));
    }

    #[test]
    fn one_way_only_the_second_side_drops_and_answers_pass() {
        let acts = partition(&lab(TWO), &sides(&["c1", "c2"]), true, false, "a1");
        let scripts = scripts(&acts);
        assert_eq!(scripts.len(), 2);
        assert!(scripts[0].1.contains("from_node x-c1-control-plane '-m conntrack --ctdir ORIGINAL -j DROP'"));
        assert!(scripts[0].1.contains("-t mangle -I PREROUTING 1"));
    }

    #[test]
    fn what_is_refused_is_refused_where_it_can_be() {
        let acts = partition(&lab(TWO), &sides(&["c1"]), true, true, "a1");
        let Act::Shell { script, undo, .. } = &acts[0] else { panic!("{:?}", acts[0]) };
        assert!(script.contains("--reject-with tcp-reset") && script.contains("-t filter -I INPUT 1"), "{script}");
        assert!(undo.contains("-t filter -D INPUT -i eth0") && undo.contains("-t filter -D FORWARD"), "{undo}");
    }

    #[test]
    fn pods_with_the_same_addresses_are_known_by_their_nodes() {
        let lab =
            lab("name: x\nclusters: [{ name: c1, podSubnet: 10.1.0.0/16 }, { name: c2, podSubnet: 10.1.0.0/16 }]\n");
        let acts = partition(&lab, &sides(&["c1", "c2"]), false, false, "a1");
        assert!(!scripts(&acts)[0].1.contains("from 10.1.0.0/16"));
    }

    #[test]
    fn a_bad_network_loses_some_of_it_and_holds_the_rest_back() {
        let link = Link { loss: Some(5), bandwidth: Some(64), latency: Some(100), jitter: Some(20) };
        let acts = network(&lab(TWO), &sides(&["c1", "c2"]), true, link, "a1");
        let scripts = scripts(&acts[..2]);
        assert!(scripts[0].1.contains("--probability 0.05 -j DROP"), "{}", scripts[0].1);
        assert!(scripts[0].1.contains("--hashlimit-above 8000b/s --hashlimit-burst 8000b"), "{}", scripts[0].1);
        assert_eq!(acts.len(), 3);
        assert!(
            matches!(&acts[2], Act::Shell { node, script, .. } if node == "x-c1-control-plane" && script.ends_with("netem delay 100ms 20ms"))
        );
    }

    #[test]
    fn both_families_are_cut() {
        let lab = lab("name: x\nipFamily: dual\nclusters: [c1, c2]\n");
        let mut acts = partition(&lab, &sides(&["c1", "c2"]), false, true, "a1");
        acts.extend(discovery(&lab, "c1", "a1"));
        assert_eq!(acts.len(), 3);
        for (_, script) in scripts(&acts) {
            assert!(script.contains("runs='iptables ip6tables'"), "{script}");
        }
    }
}
