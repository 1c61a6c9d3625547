//! What keeps networks apart that share one bridge, and joins the clusters of one network: a script that runs on every node.
//!
//! All nodes are on one Docker network, so one route on a sender would open the pods of another network to it. Therefore the receiver drops
//! what comes from anywhere but its own network for its pods, and for the node itself: node ports, host ports, pods on the host's network. The
//! API server stays open, and so do load balancers' addresses, which no node has as its own, and with them gateways. The sender refuses to route to the pods of other networks, because a packet that no node wants leaves
//! by the default route, and something outside may well answer.

use std::fmt::{Display, Write as _};

use ipnet::Ipv4Net;

use crate::plan::{Lab, LabCluster};
use crate::scenario::layout::overlap;

/// Where the script is on a node.
pub const NODE_NETWORK_SCRIPT: &str = "/etc/lab/node-network";
/// Where the service is that runs it.
pub const NODE_NETWORK_UNIT: &str = "/etc/systemd/system/lab-node-network.service";

/// The name of that service.
#[must_use]
pub fn node_network_service() -> &'static str {
    NODE_NETWORK_UNIT.rsplit('/').next().unwrap_or(NODE_NETWORK_UNIT)
}

/// A node and the pods on it. Before there are nodes, their pods are a word that stands for the subnet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodePods<P = Ipv4Net> {
    /// Name of the node, which Docker's DNS serves.
    pub node: String,
    /// Addresses of its pods.
    pub pods: P,
}

/// A script that sets the routes and rules of a node of `cluster`, and with `check` only tells whether they are set. `own` are the
/// cluster's nodes, `peers` those of other clusters on its network. Names are looked up when it runs, because addresses change when nodes
/// restart; as long as one is unknown the script fails, after it has set what it can.
#[must_use]
pub fn node_network<P: Display>(lab: &Lab, cluster: &LabCluster, own: &[String], peers: &[NodePods<P>]) -> String {
    let pods = cluster.pod_subnet;
    let mut text = String::from(HEAD);
    // Writing to a string cannot fail.
    let _ = writeln!(text, "from {}", lab.docker_network.gateway);
    for node in own.iter().chain(peers.iter().map(|p| &p.node)) {
        let _ = writeln!(text, "from_node {node}");
    }
    let friends: Vec<Ipv4Net> = lab.network_peers(cluster).map(|p| p.pod_subnet).collect();
    for subnet in std::iter::once(pods).chain(friends.iter().copied()) {
        let _ = writeln!(text, "from {subnet}");
    }
    let _ = writeln!(text, "close {pods}");
    for peer in peers {
        let _ = writeln!(text, "route {} {}", peer.pods, peer.node);
    }
    for subnet in &friends {
        // So that a callee sees the caller's own address.
        let _ = writeln!(text, "keep_source {pods} {subnet}");
    }
    let near: Vec<Ipv4Net> = std::iter::once(pods).chain(friends).collect();
    let mut far: Vec<Ipv4Net> =
        lab.data_clusters().filter(|c| c.network != cluster.network).map(|c| c.pod_subnet).collect();
    far.sort_unstable();
    far.dedup();
    for subnet in far.iter().filter(|f| near.iter().all(|n| !overlap(*n, **f))) {
        let _ = writeln!(text, "unreachable {subnet}");
    }
    text.push_str(TAIL);
    text
}

/// The service that runs the script at every start of the node.
#[must_use]
pub fn node_network_unit() -> String {
    let script = NODE_NETWORK_SCRIPT;
    format!(
        "[Unit]\nDescription=Routes between clusters of one network, and none between networks\nAfter=network.target\n\n\
         [Service]\nType=oneshot\nRemainAfterExit=yes\nExecStart=/bin/sh {script}\nRestart=on-failure\nRestartSec=1s\n\n\
         [Install]\nWantedBy=multi-user.target\n"
    )
}

const HEAD: &str = r#"#!/bin/sh
# Made by lab. With `check`: tells whether everything is set, and changes nothing.
mode=${1-set}
failed=0 accept='' pods='' host='' nat=''

address() { getent ahostsv4 "$1" | sed -n '1s/ .*//p'; }

# from SUBNET: what comes from there may go to pods and nodes.
from() { case $1 in */*) s=$1 ;; *) s=$1/32 ;; esac; accept="$accept-A LAB-NETWORK -s $s -j RETURN
"; }

from_node() {
    found=$(address "$1")
    if [ -n "$found" ]; then from "$found"; else echo "no address of $1 yet" && failed=1; fi
}

# close PODS: nothing else may, but to the API server. Answers to what the node itself has begun come in.
close() {
    pods="-A LAB-NETWORK -d $1 -j DROP
"
    host="-A LAB-NETWORK -p tcp -m tcp --dport 6443 -j RETURN
-A LAB-NETWORK ! -p icmp -m addrtype --dst-type LOCAL -m conntrack --ctstate NEW -j DROP
"
}

# keep_source OWN PEER
keep_source() { nat="$nat-A LAB-NETWORK -s $1 -d $2 -j ACCEPT
"; }

# is_route WORDS: whether there is exactly this route.
is_route() { ip route show | grep -q "^$1\$\|^$1 "; }

route() {
    found=$(address "$2")
    if [ -z "$found" ]; then
        echo "no address of $2 yet" && failed=1
    elif ! is_route "$1 via $found"; then
        if [ "$mode" = check ]; then echo "no route to $1" && failed=1; else ip route replace "$1" via "$found" || failed=1; fi
    fi
}

unreachable() {
    is_route "unreachable $1" && return
    if [ "$mode" = check ]; then echo "$1 is not unreachable" && failed=1; else ip route replace unreachable "$1" || failed=1; fi
}

# chain TABLE PARENT RULES JUMP...: a chain of our own with exactly these rules, and the jump to it.
chain() {
    table=$1 parent=$2 rules=$3
    shift 3
    if [ "$(iptables -w -t "$table" -S LAB-NETWORK 2>/dev/null | grep '^-A')" = "$(printf %s "$rules")" ] &&
        iptables -w -t "$table" -C "$parent" "$@" -j LAB-NETWORK 2>/dev/null; then return; fi
    if [ "$mode" = check ]; then echo "rules of $table differ" && failed=1 && return; fi
    printf '*%s
:LAB-NETWORK - [0:0]
%sCOMMIT
' "$table" "$rules" | iptables-restore -w -n || failed=1
    iptables -w -t "$table" -C "$parent" "$@" -j LAB-NETWORK 2>/dev/null ||
        iptables -w -t "$table" -I "$parent" 1 "$@" -j LAB-NETWORK || failed=1
}

"#;

const TAIL: &str = r#"chain raw PREROUTING "$accept$pods" -i eth0
# Once the kernel knows the connection, and before it rewrites addresses: a node port is still one of the node.
chain mangle PREROUTING "$accept$host" -i eth0
chain nat POSTROUTING "$nat"
exit "$failed"
"#;
