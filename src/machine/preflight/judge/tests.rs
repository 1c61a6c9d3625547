use super::*;
use crate::plan::resolve;
use crate::scenario::parse;
use crate::verdict::Level;

const GIB: u64 = 1024 * MIB;

fn lab(text: &str) -> Lab {
    resolve(&parse(text, "lab.yaml").expect("valid")).expect("addresses")
}

fn words(text: &str) -> Vec<String> {
    text.split(' ').map(str::to_owned).collect()
}

fn refused(judgement: &Judgement) -> String {
    assert_eq!(judgement.level, Level::Failure, "{judgement:?}");
    judgement.line()
}

fn warned(judgement: &Judgement) -> String {
    assert_eq!(judgement.level, Level::Warning, "{judgement:?}");
    judgement.line()
}

#[test]
fn a_need_is_for_what_is_not_there() {
    let lab = lab("name: demo\nclusters: [c1, { name: c2, nodes: { workers: 2 } }]\n");
    let all = Need::of(&lab, |_| false, |_| false);
    assert_eq!((all.nodes, all.disk), (4, 4 * NODE_DISK));
    // Two typical clusters and two workers: what was seen, with some margin.
    assert!((2 * GIB..3 * GIB + 512 * MIB).contains(&all.memory), "{all:?}");
    let one = Need::of(&lab, |c| c == "c2", |c| c == "c2");
    assert_eq!((one.nodes, one.disk), (4, NODE_DISK));
    assert_eq!(one.memory, CONTROL_PLANE + ISTIOD + GATEWAY + 2 * APP);
    let stopped = Need::of(&lab, |_| false, |_| true);
    assert_eq!((stopped.memory, stopped.disk), (all.memory, 0));
    assert_eq!(Need::of(&lab, |_| true, |_| true).memory, 0);
}

#[test]
fn the_users_workloads_count() {
    let with = lab(
        "name: demo\nclusters: [c1]\napps: [{ manifests: { objects: [{ apiVersion: apps/v1, kind: Deployment, metadata: { name: a } }, { apiVersion: v1, kind: Service, metadata: { name: a } }] } }]\n",
    );
    let without = lab("name: demo\nclusters: [c1]\napps: []\n");
    let memory = |lab: &Lab| Need::of(lab, |_| false, |_| false).memory;
    assert_eq!(memory(&with) - memory(&without), APP);
}

#[test]
fn memory_is_enough_tight_or_short() {
    let judge = |available| memory(Some(available), 10 * GIB, "free on this machine are");
    assert_eq!(judge(10 * GIB).level, Level::Ok);
    assert!(
        warned(&judge(10 * GIB - 1)).contains("needs about 10.0 GiB of memory, and free on this machine are 9.9 GiB")
    );
    assert!(warned(&judge(6 * GIB)).contains("6.0 GiB"));
    assert!(refused(&judge(6 * GIB - 1)).contains("5.9 GiB"));
    assert_eq!(memory(None, 10 * GIB, "").level, Level::Unknown);
    assert_eq!(memory(Some(0), 0, "").level, Level::Ok);
}

#[test]
fn disk_is_enough_tight_or_short() {
    assert_eq!(disk(Some(2 * GIB), GIB, "/var/lib/docker").level, Level::Ok);
    assert!(warned(&disk(Some(3 * GIB), 4 * GIB, "/var/lib/docker")).contains("/var/lib/docker has 3.0 GiB free"));
    assert!(refused(&disk(Some(GIB), 4 * GIB, "/var/lib/docker")).contains("docker image prune"));
    assert_eq!(disk(None, GIB, "").level, Level::Unknown);
}

#[test]
fn clocks_may_differ_a_little() {
    for fine in [0.0, 30.0, -30.0] {
        assert_eq!(clock(Some(fine)).level, Level::Ok);
    }
    assert_eq!(clock(None).level, Level::Unknown);
    assert!(refused(&clock(Some(31.4))).contains("31 s ahead of"));
    assert!(refused(&clock(Some(-3600.0))).contains("3600 s behind"));
}

#[test]
fn an_old_engine_is_refused() {
    assert_eq!(engine(Some("20.10.24"), Some("1.41")), Judgement::ok("engine", "Docker 20.10.24, API 1.41"));
    assert_eq!(engine(Some("29.0"), Some("1.100")).level, Level::Ok);
    assert_eq!(engine(None, None).level, Level::Unknown);
    assert_eq!(engine(None, Some("unknown")).level, Level::Unknown);
    assert!(refused(&engine(Some("19.03.15"), Some("1.40"))).contains("too old: 19.03.15, API 1.40"));
}

#[test]
fn a_kernel_that_can_load_the_rest_lacks_nothing() {
    let (with, without) = (words("nodev tmpfs ext4 overlay"), words("nodev tmpfs ext4"));
    assert_eq!(overlay(Some(&with), false).level, Level::Ok);
    assert_eq!(overlay(Some(&without), true).level, Level::Ok);
    assert_eq!(overlay(None, false).level, Level::Unknown);
    assert!(warned(&overlay(Some(&without), false)).contains("overlay"));

    let all = words("addrtype comment conntrack owner statistic DNAT MASQUERADE REDIRECT mark");
    let some = words("addrtype comment conntrack statistic DNAT MASQUERADE");
    assert_eq!(iptables(Some(&all), false).level, Level::Ok);
    assert_eq!(iptables(Some(&some), true).level, Level::Ok);
    // A kernel with nftables alone shows these files not at all, or empty.
    assert_eq!(iptables(Some(&[]), false).level, Level::Unknown);
    assert_eq!(iptables(None, false).level, Level::Unknown);
    assert!(warned(&iptables(Some(&some), false)).contains("owner, REDIRECT"));
}

#[test]
fn forwarding_counts_only_when_it_is_known_to_be_off() {
    assert_eq!(ip_forward(None).level, Level::Unknown);
    assert_eq!(ip_forward(Some(true)).level, Level::Ok);
    assert!(warned(&ip_forward(Some(false))).contains("net.ipv4.ip_forward=1"));
}

#[test]
fn inotify_limits_are_for_all_nodes_and_can_be_raised() {
    assert!(inotify(Some(128), Some(65536), 2).iter().all(|j| j.level == Level::Ok && j.raise.is_none()));
    assert!(inotify(None, None, 20).iter().all(|j| j.level == Level::Unknown));
    let [instances, watches] = inotify(Some(128), Some(8192), 9);
    assert!(warned(&instances).contains("max_user_instances is 128, and 9 nodes need about 450"));
    assert!(warned(&watches).contains("sysctl -w fs.inotify.max_user_watches=16384"));
    assert_eq!(instances.raise, Some(Raise { limit: "fs.inotify.max_user_instances", to: 512 }));
}
