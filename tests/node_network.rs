//! The script that keeps networks apart on a node: the rules that it makes, with stand-ins for the programs that it calls.

use std::process::Command;

use ipnet::Ipv4Net;
use lab::plan::render::node_network;
use lab::plan::resolve;
use lab::scenario::parse;

/// Not every shell takes a hyphen in a function's name.
const STAND_INS: &str =
    "iptables() { return 1; }\nrestore() { cat; }\nip() { :; }\ngetent() { echo 172.18.0.9 STREAM; }\n";

#[test]
fn another_network_reaches_nothing_of_a_node_but_its_api_server() {
    let lab = resolve(&parse("name: demo\nclusters: [c1, c2]\n", "lab.yaml").expect("valid")).expect("addresses");
    let script = node_network::<Ipv4Net>(&lab, &lab.clusters[0], &["demo-c1-control-plane".to_owned()], &[]);
    let script = format!("{STAND_INS}{}", script.replace("iptables-restore", "restore"));
    let output = Command::new("sh").args(["-c", &script]).output().expect("sh starts");
    let made = String::from_utf8_lossy(&output.stdout).into_owned();

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
