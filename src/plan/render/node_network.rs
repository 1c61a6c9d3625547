//! What keeps networks apart that share one bridge, and joins the clusters of one network: a script that runs on every node.
//!
//! All nodes are on one Docker network, so one route on a sender would open the pods of another network to it. Therefore the receiver drops
//! what comes from anywhere but its own network for its pods, and for the node itself: node ports, host ports, pods on the host's network. The
//! API server stays open, and so do load balancers' addresses, which no node has as its own, and with them gateways. The sender refuses to route to the pods of other networks, because a packet that no node wants leaves
//! by the default route, and something outside may well answer.

use std::fmt::{Display, Write as _};

use ipnet::IpNet;

use crate::plan::{Lab, LabCluster};

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
pub struct NodePods<P = String> {
    /// Name of the node, which Docker's DNS serves.
    pub node: String,
    /// Subnets of its pods, one a family, with spaces between them.
    pub pods: P,
}

/// A script that sets the routes and rules of a node of `cluster`, and with `check` only tells whether they are set. `own` are the
/// cluster's nodes, `peers` those of other clusters on its network. Names are looked up when it runs, because addresses change when nodes
/// restart; as long as one is unknown the script fails, after it has set what it can.
#[must_use]
pub fn node_network<P: Display>(lab: &Lab, cluster: &LabCluster, own: &[String], peers: &[NodePods<P>]) -> String {
    let of = |c: &LabCluster| -> Vec<IpNet> {
        std::iter::once(c.pod_subnet.into()).chain(c.ipv6.map(|v6| v6.pod_subnet.into())).collect()
    };
    let pods = of(cluster);
    let mut text = String::from(HEAD);
    // Writing to a string cannot fail.
    let _ = writeln!(text, "from {}", lab.docker_network.gateway);
    if let Some(gateway) = lab.docker_network.ipv6_gateway() {
        let _ = writeln!(text, "families='4 6'\nfrom {gateway}");
    }
    for node in own.iter().chain(peers.iter().map(|p| &p.node)) {
        let _ = writeln!(text, "from_node {node}");
    }
    let friends: Vec<IpNet> = lab.network_peers(cluster).flat_map(of).collect();
    let near: Vec<IpNet> = pods.iter().copied().chain(friends.iter().copied()).collect();
    for subnet in &near {
        let _ = writeln!(text, "from {subnet}");
    }
    for pods in &pods {
        let _ = writeln!(text, "close {pods}");
    }
    for peer in peers {
        let _ = writeln!(text, "routes {} {}", peer.node, peer.pods);
    }
    for subnet in &friends {
        // So that a callee sees the caller's own address.
        for pods in pods.iter().filter(|pods| pods.addr().is_ipv4() == subnet.addr().is_ipv4()) {
            let _ = writeln!(text, "keep_source {pods} {subnet}");
        }
    }
    let mut far: Vec<IpNet> = lab.data_clusters().filter(|c| c.network != cluster.network).flat_map(of).collect();
    far.sort_unstable();
    far.dedup();
    for subnet in far.iter().filter(|f| near.iter().all(|n| !n.contains(*f) && !f.contains(n))) {
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
failed=0 families=4
accept4='' pods4='' host4='' nat4=''
accept6='' pods6='' host6='' nat6=''

# family ADDRESS
family() { case $1 in *:*) echo 6 ;; *) echo 4 ;; esac; }

# add LIST ADDRESS LINE: one more line in the list of the address's family.
add() { eval "$1$(family "$2")=\"\$$1$(family "$2")\$3
\""; }

# address NODE FAMILY. A node without an IPv6 address would be told with its IPv4 one in another notation.
address() { getent "ahostsv$2" "$1" | sed -n '/^::ffff:/!{s/ .*//p;q;}'; }

# from SUBNET: what comes from there may go to pods and nodes.
from() {
    case $1 in */*) s=$1 ;; *:*) s=$1/128 ;; *) s=$1/32 ;; esac
    add accept "$1" "-A LAB-NETWORK -s $s -j RETURN"
}

from_node() {
    for f in $families; do
        found=$(address "$1" "$f")
        if [ -n "$found" ]; then from "$found"; else echo "no IPv$f address of $1 yet" && failed=1; fi
    done
}

# close PODS: nothing else may, but to the API server. Answers to what the node itself has begun come in.
close() {
    case $1 in *:*) icmp=ipv6-icmp ;; *) icmp=icmp ;; esac
    add pods "$1" "-A LAB-NETWORK -d $1 -j DROP"
    add host "$1" "-A LAB-NETWORK -p tcp -m tcp --dport 6443 -j RETURN"
    add host "$1" "-A LAB-NETWORK ! -p $icmp -m addrtype --dst-type LOCAL -m conntrack --ctstate NEW -j DROP"
}

# keep_source OWN PEER
keep_source() { add nat "$1" "-A LAB-NETWORK -s $1 -d $2 -j ACCEPT"; }

# is_route WORDS: whether there is exactly this route.
is_route() { { ip route show; ip -6 route show; } | grep -q "^$1\$\|^$1 "; }

# routes NODE PODS...
routes() {
    node=$1
    shift
    for subnet; do route "$subnet" "$node"; done
}

route() {
    found=$(address "$2" "$(family "$1")")
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

# chain IPTABLES TABLE PARENT RULES JUMP...: a chain of our own with exactly these rules, and the jump to it.
chain() {
    iptables=$1 table=$2 parent=$3 rules=$4
    shift 4
    if [ "$("$iptables" -w -t "$table" -S LAB-NETWORK 2>/dev/null | grep '^-A')" = "$(printf %s "$rules")" ] &&
        "$iptables" -w -t "$table" -C "$parent" "$@" -j LAB-NETWORK 2>/dev/null; then return; fi
    if [ "$mode" = check ]; then echo "rules of $table differ" && failed=1 && return; fi
    printf '*%s
:LAB-NETWORK - [0:0]
%sCOMMIT
' "$table" "$rules" | "$iptables-restore" -w -n || failed=1
    "$iptables" -w -t "$table" -C "$parent" "$@" -j LAB-NETWORK 2>/dev/null ||
        "$iptables" -w -t "$table" -I "$parent" 1 "$@" -j LAB-NETWORK || failed=1
}

"#;

const TAIL: &str = r#"for f in $families; do
    case $f in 4) accept=$accept4 pods=$pods4 host=$host4 nat=$nat4 run=iptables ;; 6) accept=$accept6 pods=$pods6 host=$host6 nat=$nat6 run=ip6tables ;; esac
    chain "$run" raw PREROUTING "$accept$pods" -i eth0
    # Once the kernel knows the connection, and before it rewrites addresses: a node port is still one of the node.
    chain "$run" mangle PREROUTING "$accept$host" -i eth0
    chain "$run" nat POSTROUTING "$nat"
done
exit "$failed"
"#;
