//! The script that keeps networks apart on a node: the rules that it makes, with stand-ins for the programs that it calls.

use std::process::Command;

use lab::plan::render::{NodePods, node_network};
use lab::plan::{Lab, resolve};
use lab::scenario::parse;

/// Not every shell takes a hyphen in a function's name.
const STAND_INS: &str = "iptables() { return 1; }\nip6tables() { return 1; }\nrestore() { cat; }\nip() { [ \"$2\" = show ] || [ \"$3\" = show ] || echo ip \"$@\"; }\ngetent() { case $1 in ahostsv6) echo fd00::9 STREAM ;; *) echo 172.18.0.9 STREAM ;; esac; }\n";

fn lab(scenario: &str) -> Lab {
    resolve(&parse(scenario, "lab.yaml").expect("valid")).expect("addresses")
}

/// What the script of the first cluster's node hands to the programs.
fn made(lab: &Lab, peers: &[NodePods]) -> String {
    let script = node_network(lab, &lab.clusters[0], &["demo-c1-control-plane".to_owned()], peers);
    let script = format!("{STAND_INS}{}", script.replace("\"$iptables-restore\"", "restore"));
    let output = Command::new("sh").args(["-c", &script]).output().expect("sh starts");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// The same of both families: rules, and routes only within a family.
#[test]
fn a_second_family_is_kept_apart_and_joined_as_the_first() {
    let lab = lab("name: demo\nipFamily: dual\nclusters: [{ name: c1, network: a }, { name: c2, network: a }, c3]\n");
    let ipv6 = |c: usize| lab.clusters[c].ipv6.expect("two families").pod_subnet;
    let peer = NodePods { node: "demo-c2-control-plane".to_owned(), pods: "10.102.0.0/24 fd00:2::/64".to_owned() };
    let made = made(&lab, &[peer]);
    assert_eq!(
        made.matches("-A LAB-NETWORK -s fd00::9/128 -j RETURN\n").count(),
        4,
        "two nodes, to pods and nodes:\n{made}"
    );
    assert_eq!(made.matches("*raw\n").count(), 2, "{made}");
    assert!(made.contains(&format!("-A LAB-NETWORK -d {} -j DROP\nCOMMIT\n", ipv6(0))), "{made}");
    assert!(made.contains("-A LAB-NETWORK ! -p ipv6-icmp -m addrtype --dst-type LOCAL"), "{made}");
    assert!(
        made.contains(&format!("*nat\n:LAB-NETWORK - [0:0]\n-A LAB-NETWORK -s {} -d {} -j ACCEPT\n", ipv6(0), ipv6(1))),
        "{made}"
    );
    let routes: Vec<&str> = made.lines().filter_map(|line| line.strip_prefix("ip route replace ")).collect();
    let far = [format!("unreachable {}", lab.clusters[2].pod_subnet), format!("unreachable {}", ipv6(2))];
    assert_eq!(routes, ["10.102.0.0/24 via 172.18.0.9", "fd00:2::/64 via fd00::9", &far[0], &far[1]]);
}

#[test]
fn another_network_reaches_nothing_of_a_node_but_its_api_server() {
    let lab = lab("name: demo\nclusters: [c1, c2]\n");
    let made = made(&lab, &[]);

    let pods = lab.clusters[0].pod_subnet;
    let from = |source: &str| made.matches(&format!("-A LAB-NETWORK -s {source} -j RETURN\n")).count();
    assert_eq!([from("172.18.0.9/32"), from(&pods.to_string())], [2, 2], "its own, to pods and to nodes:\n{made}");
    let (raw, mangle) = made.split_once("*mangle\n").expect("two tables");
    assert!(raw.contains(&format!("-A LAB-NETWORK -d {pods} -j DROP\nCOMMIT\n")), "{made}");
    // Whatever the port: node ports, host ports, pods on the host's network.
    let closed = "-A LAB-NETWORK -p tcp -m tcp --dport 6443 -j RETURN\n\
                  -A LAB-NETWORK ! -p icmp -m addrtype --dst-type LOCAL -m conntrack --ctstate NEW -j DROP\nCOMMIT\n";
    assert!(mangle.contains(closed), "{made}");
}
