//! Whether a machine will do. Pure: facts go in as numbers and words, and what is unknown is never held against a machine.

use crate::plan::{Lab, LabCluster};
use crate::scenario::App;
use crate::verdict::{Judgement, Raise};

const MIB: u64 = 1024 * 1024;

/// Memory of a control-plane node with Kubernetes and MetalLB on it.
///
/// Seen on a lab of two clusters at rest (packages, `docker stats`): 978 and 967 MiB a node with istiod, an east-west gateway, helloworld, sleep and three
/// more pods with sidecars; 851 to 964 MiB without those three. Of it kube-apiserver had 382 MiB, all six Envoys and their agents 170, the
/// controller manager 50, istiod 47, etcd 45, kubelet 44.
const CONTROL_PLANE: u64 = 800 * MIB;
/// Memory of a worker: kubelet, containerd, kube-proxy and MetalLB's speaker had 100 MiB, without pods.
const WORKER: u64 = 250 * MIB;
/// Memory of istiod, which grows with the mesh.
const ISTIOD: u64 = 150 * MIB;
/// Memory of an east-west gateway.
const GATEWAY: u64 = 100 * MIB;
/// Memory of an app in one cluster with its sidecar: 30 MiB for Envoy and its agent were seen.
const APP: u64 = 64 * MIB;
/// Disk of a node: its volume held 955 MiB right after start, nearly all of it images.
const NODE_DISK: u64 = 1100 * MIB;

/// With less than this part of what a lab needs it does not come up, or not for long.
const CLEARLY_SHORT: (u64, u64) = (60, 100);

/// Most seconds that two clocks may differ. Certificates of the lab begin to be valid at the host's time, Kubernetes' and Istio's own at the engine's.
const CLOCKS: f64 = 30.0;

/// The API of Docker 20.10.
const API: (u32, u32) = (1, 41);

/// inotify instances of root in a node. 27 were seen at rest; while nodes start there are more, and three did not come up with 128.
const INSTANCES: u64 = 50;
/// inotify watches in a node: 450 were seen at rest.
const WATCHES: u64 = 1000;

/// Parts of iptables without which Services, or the redirection into a sidecar, cannot work.
const IPTABLES: [&str; 8] =
    ["addrtype", "comment", "conntrack", "owner", "statistic", "DNAT", "MASQUERADE", "REDIRECT"];

/// The certificate authorities that this user names, if any.
pub(in crate::machine) fn authorities(named: &Result<Option<String>, String>) -> Option<Judgement> {
    const WHAT: &str = "authorities";
    match named {
        Ok(None) => None,
        Ok(Some(_)) => Some(Judgement::ok(WHAT, "nodes, too, trust those in the file that SSL_CERT_FILE names")),
        Err(why) => Some(Judgement::failure(WHAT, why, "let it name a file of PEM certificates, or unset it")),
    }
}

/// What a lab needs beyond what it has already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::machine) struct Need {
    /// Bytes of memory.
    pub memory: u64,
    /// Bytes of disk.
    pub disk: u64,
    /// All nodes of the lab, those that run included.
    pub nodes: u64,
}

impl Need {
    /// An estimate. A cluster that runs needs no more memory, one that exists no more disk.
    pub(in crate::machine) fn of(lab: &Lab, runs: impl Fn(&str) -> bool, exists: impl Fn(&str) -> bool) -> Self {
        let mut need = Self { memory: 0, disk: 0, nodes: 0 };
        for cluster in &lab.clusters {
            let workers = u64::from(cluster.workers);
            need.nodes += 1 + workers;
            if !exists(&cluster.name) {
                need.disk += NODE_DISK * (1 + workers);
            }
            if !runs(&cluster.name) {
                let istiod = if cluster.primary == cluster.name { ISTIOD } else { 0 };
                let gateways = u64::try_from(cluster.addresses.len()).unwrap_or(0);
                need.memory += CONTROL_PLANE + WORKER * workers + istiod + GATEWAY * gateways;
                need.memory += APP * lab.apps.iter().map(|app| pods(app, cluster)).sum::<u64>();
            }
        }
        need
    }
}

/// About how many pods an app has in a cluster: one for each object that runs any.
fn pods(app: &App, cluster: &LabCluster) -> u64 {
    const KINDS: [&str; 5] = ["Deployment", "StatefulSet", "DaemonSet", "ReplicaSet", "Pod"];
    match app {
        App::Helloworld { versions } if !versions.contains_key(&cluster.name) => 0,
        App::Helloworld { .. } | App::Sleep => u64::try_from(cluster.zones_once().len().max(1)).unwrap_or(1),
        App::Manifests(m) if m.is_in(&cluster.name) => {
            let runs = m.objects.iter().filter(|o| o["kind"].as_str().is_some_and(|k| KINDS.contains(&k)));
            u64::try_from(runs.count()).unwrap_or(0)
        }
        App::Manifests(_) => 0,
    }
}

/// The engine, by the version that it tells.
pub(in crate::machine) fn engine(version: Option<&str>, api: Option<&str>) -> Judgement {
    const WHAT: &str = "engine";
    let told = version.unwrap_or("version unknown");
    let number = |(major, minor): (&str, &str)| Some((major.parse::<u32>().ok()?, minor.parse::<u32>().ok()?));
    let Some(found) = api.and_then(|api| api.split_once('.')).and_then(number) else {
        return Judgement::unknown(WHAT, format!("the engine ({told}) does not say which API it speaks"));
    };
    let (major, minor) = found;
    if found >= API {
        return Judgement::ok(WHAT, format!("Docker {told}, API {major}.{minor}"));
    }
    Judgement::failure(
        WHAT,
        format!("the Docker engine is too old: {told}, API {major}.{minor}; lab needs 20.10, API {}.{}", API.0, API.1),
        "update Docker, or point DOCKER_HOST at a newer engine",
    )
}

/// The engine's clock, by the seconds that it is ahead.
pub(in crate::machine) fn clock(ahead: Option<f64>) -> Judgement {
    const WHAT: &str = "clock";
    let Some(ahead) = ahead else { return Judgement::unknown(WHAT, "the engine does not tell its time") };
    if ahead.abs() <= CLOCKS {
        return Judgement::ok(WHAT, format!("the engine's and this machine's are {:.0} s apart", ahead.abs()));
    }
    let direction = if ahead > 0.0 { "ahead of" } else { "behind" };
    Judgement::failure(
        WHAT,
        format!(
            "the clock of the Docker engine is {:.0} s {direction} this machine's, so certificates would not be valid",
            ahead.abs()
        ),
        "set both clocks, for example with NTP; a virtual machine that slept may need a restart of its clock service",
    )
}

/// `subject` begins the sentence that ends with what there is.
pub(in crate::machine) fn memory(available: Option<u64>, need: u64, subject: &str) -> Judgement {
    const WHAT: &str = "memory";
    let Some(available) = available else { return Judgement::unknown(WHAT, "how much there is cannot be told") };
    let text = format!("the lab needs about {} of memory, and {subject} {}", gib(need), gib(available));
    short(
        WHAT,
        (available, need),
        text,
        "end other labs (`lab list`) or programs, or have fewer clusters or workers in the scenario",
    )
}

/// `root` is where the engine keeps its data.
pub(in crate::machine) fn disk(free: Option<u64>, need: u64, root: &str) -> Judgement {
    const WHAT: &str = "disk";
    let Some(free) = free else { return Judgement::unknown(WHAT, "what the engine has free cannot be told") };
    let text = format!("the lab needs about {} of disk, and {root} has {} free", gib(need), gib(free));
    short(
        WHAT,
        (free, need),
        text,
        "make room, for example with `docker image prune`, or remove other labs (`lab list`)",
    )
}

/// Refuses what is clearly too little, warns of what is tight.
fn short(what: &'static str, (available, need): (u64, u64), text: String, remedy: &str) -> Judgement {
    if available >= need {
        Judgement::ok(what, text)
    } else if available * CLEARLY_SHORT.1 < need * CLEARLY_SHORT.0 {
        Judgement::failure(what, text, remedy)
    } else {
        Judgement::warning(what, text, remedy)
    }
}

/// Whether the kernel passes packets on from one interface to another.
pub(in crate::machine) fn ip_forward(on: Option<bool>) -> Judgement {
    const WHAT: &str = "forwarding";
    match on {
        None => Judgement::unknown(WHAT, "the kernel does not say whether it forwards packets"),
        Some(true) => Judgement::ok(WHAT, "this machine forwards packets"),
        Some(false) => Judgement::warning(
            WHAT,
            "this machine forwards no packets, so nodes may not reach each other",
            "as root run sysctl -w net.ipv4.ip_forward=1",
        ),
    }
}

/// What a user of a kernel that lacks something can do about it.
const OTHER_KERNEL: &str = "use a kernel that has it, or load its module";

/// Only a kernel that loads nothing can be said to lack what it does not have now.
pub(in crate::machine) fn overlay(file_systems: Option<&[String]>, loads_modules: bool) -> Judgement {
    const WHAT: &str = "overlay";
    match file_systems {
        Some(all) if all.iter().any(|f| f == "overlay") => {
            Judgement::ok(WHAT, "this kernel has the overlay file system")
        }
        _ if loads_modules => Judgement::ok(WHAT, "this kernel can load the overlay file system"),
        None => Judgement::unknown(WHAT, "the kernel does not list its file systems"),
        Some(_) => Judgement::warning(
            WHAT,
            "this kernel has no overlay file system, which containers in nodes are made of",
            OTHER_KERNEL,
        ),
    }
}

/// The same for iptables. A kernel with nftables alone shows no parts, or none at all.
pub(in crate::machine) fn iptables(parts: Option<&[String]>, loads_modules: bool) -> Judgement {
    const WHAT: &str = "iptables";
    if loads_modules {
        return Judgement::ok(WHAT, "this kernel can load what Kubernetes and Istio use");
    }
    let Some(parts) = parts.filter(|p| !p.is_empty()) else {
        return Judgement::unknown(WHAT, "the kernel does not list its parts of iptables");
    };
    let missing: Vec<&str> = IPTABLES.into_iter().filter(|name| !parts.iter().any(|p| p == name)).collect();
    if missing.is_empty() {
        return Judgement::ok(WHAT, "this kernel has what Kubernetes and Istio use");
    }
    Judgement::warning(
        WHAT,
        format!(
            "this kernel lacks parts of iptables that Kubernetes and Istio use: {}; Services or sidecars may not work",
            missing.join(", ")
        ),
        OTHER_KERNEL,
    )
}

/// The limits of inotify, for the nodes of all labs together.
pub(in crate::machine) fn inotify(instances: Option<u64>, watches: Option<u64>, nodes: u64) -> [Judgement; 2] {
    let judge = |what: &'static str, limit: &'static str, found: Option<u64>, each: u64| {
        let Some(found) = found else { return Judgement::unknown(what, format!("the kernel does not tell {limit}")) };
        let need = each * nodes;
        let text = format!("{limit} is {found}, and {nodes} nodes need about {need}");
        if found >= need {
            return Judgement::ok(what, text);
        }
        let to = need.next_power_of_two();
        let remedy = format!("as root run sysctl -w {limit}={to}");
        let warning = Judgement::warning(what, format!("{text}: nodes may not start"), remedy);
        Judgement { raise: Some(Raise { limit, to }), ..warning }
    };
    [
        judge("inotify instances", "fs.inotify.max_user_instances", instances, INSTANCES),
        judge("inotify watches", "fs.inotify.max_user_watches", watches, WATCHES),
    ]
}

fn gib(bytes: u64) -> String {
    let tenths = bytes.saturating_mul(10) / (1024 * MIB);
    format!("{}.{} GiB", tenths / 10, tenths % 10)
}

#[cfg(test)]
mod tests;
