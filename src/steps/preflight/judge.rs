//! Whether a machine will do. Pure: facts go in as numbers and words, and what is unknown is never held against a machine.

use crate::plan::Lab;
use crate::scenario::App;

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

/// Something worth telling.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Finding {
    /// It may become a problem.
    Warning(String),
    /// The lab cannot work here.
    Refusal {
        /// What is wrong.
        problem: String,
        /// What to do.
        remedy: String,
    },
}

/// What a lab needs beyond what it has already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Need {
    /// Bytes of memory.
    pub memory: u64,
    /// Bytes of disk.
    pub disk: u64,
    /// All nodes of the lab, those that run included.
    pub nodes: u64,
}

impl Need {
    /// An estimate. A cluster that runs needs no more memory, one that exists no more disk.
    pub(super) fn of(lab: &Lab, runs: impl Fn(&str) -> bool, exists: impl Fn(&str) -> bool) -> Self {
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
                need.memory += APP * lab.apps.iter().map(|app| pods(app, &cluster.name)).sum::<u64>();
            }
        }
        need
    }
}

/// About how many pods an app has in a cluster: one for each object that runs any.
fn pods(app: &App, cluster: &str) -> u64 {
    const KINDS: [&str; 5] = ["Deployment", "StatefulSet", "DaemonSet", "ReplicaSet", "Pod"];
    match app {
        App::Helloworld { versions } => u64::from(versions.contains_key(cluster)),
        App::Sleep => 1,
        App::Manifests(m) if m.is_in(cluster) => {
            let runs = m.objects.iter().filter(|o| o["kind"].as_str().is_some_and(|k| KINDS.contains(&k)));
            u64::try_from(runs.count()).unwrap_or(0)
        }
        App::Manifests(_) => 0,
    }
}

/// Whether the engine runs on this machine, so that what the kernel says here is true for it.
pub(super) fn is_here(
    engine_kernel: Option<&str>,
    engine_memory: Option<u64>,
    kernel: Option<&str>,
    memory: Option<u64>,
) -> bool {
    engine_kernel.is_some() && engine_kernel == kernel && engine_memory.is_some() && engine_memory == memory
}

pub(super) fn api_version(version: Option<&str>, api: Option<&str>) -> Option<Finding> {
    let (major, minor) = api?.split_once('.')?;
    let found: (u32, u32) = (major.parse().ok()?, minor.parse().ok()?);
    (found < API).then(|| Finding::Refusal {
        problem: format!(
            "the Docker engine is too old: {}, API {major}.{minor}; lab needs 20.10, API {}.{}",
            version.unwrap_or("version unknown"),
            API.0,
            API.1
        ),
        remedy: "update Docker, or point DOCKER_HOST at a newer engine".to_owned(),
    })
}

pub(super) fn clock(ahead: Option<f64>) -> Option<Finding> {
    let ahead = ahead.filter(|a| a.abs() > CLOCKS)?;
    let direction = if ahead > 0.0 { "ahead of" } else { "behind" };
    Some(Finding::Refusal {
        problem: format!(
            "the clock of the Docker engine is {:.0} s {direction} this machine's, so certificates would not be valid",
            ahead.abs()
        ),
        remedy: "set both clocks, for example with NTP; a virtual machine that slept may need a restart of its clock service"
            .to_owned(),
    })
}

/// `subject` begins the sentence that ends with what there is.
pub(super) fn memory(available: Option<u64>, need: u64, subject: &str) -> Option<Finding> {
    let available = available?;
    let text = format!("the lab needs about {} of memory, and {subject} {}", gib(need), gib(available));
    short(
        available,
        need,
        text,
        "end other labs (`lab list`) or programs, or have fewer clusters or workers in the scenario",
    )
}

pub(super) fn disk(free: Option<u64>, need: u64, root: &str) -> Option<Finding> {
    let free = free?;
    let text = format!("the lab needs about {} of disk, and {root} has {} free", gib(need), gib(free));
    short(free, need, text, "make room, for example with `docker image prune`, or remove other labs (`lab list`)")
}

/// Refuses what is clearly too little, warns of what is tight.
fn short(available: u64, need: u64, text: String, remedy: &str) -> Option<Finding> {
    if available >= need {
        None
    } else if available * CLEARLY_SHORT.1 < need * CLEARLY_SHORT.0 {
        Some(Finding::Refusal { problem: text, remedy: remedy.to_owned() })
    } else {
        Some(Finding::Warning(format!("{text}; {remedy}")))
    }
}

pub(super) fn ip_forward(on: Option<bool>) -> Option<Finding> {
    (on == Some(false)).then(|| {
        Finding::Warning(
            "this machine forwards no packets, so nodes may not reach each other: as root run sysctl -w net.ipv4.ip_forward=1"
                .to_owned(),
        )
    })
}

/// Only a kernel that loads nothing can be said to lack what it does not have now.
pub(super) fn overlay(file_systems: Option<&[String]>, loads_modules: bool) -> Option<Finding> {
    let lacks = !loads_modules && !file_systems?.iter().any(|f| f == "overlay");
    lacks.then(|| {
        Finding::Warning("this kernel has no overlay file system, which containers in nodes are made of".to_owned())
    })
}

pub(super) fn iptables(parts: Option<&[String]>, loads_modules: bool) -> Option<Finding> {
    let parts = parts.filter(|p| !p.is_empty() && !loads_modules)?;
    let missing: Vec<&str> = IPTABLES.into_iter().filter(|name| !parts.iter().any(|p| p == name)).collect();
    (!missing.is_empty()).then(|| {
        Finding::Warning(format!(
            "this kernel lacks parts of iptables that Kubernetes and Istio use: {}; Services or sidecars may not work",
            missing.join(", ")
        ))
    })
}

pub(super) fn inotify(instances: Option<u64>, watches: Option<u64>, nodes: u64) -> [Option<Finding>; 2] {
    let low = |name: &str, found: Option<u64>, each: u64| {
        let (found, need) = (found?, each * nodes);
        (found < need).then(|| {
            Finding::Warning(format!(
                "fs.inotify.{name} is {found}, and {nodes} nodes need about {need}: nodes may not start; as root run sysctl -w fs.inotify.{name}={}",
                need.next_power_of_two()
            ))
        })
    };
    [low("max_user_instances", instances, INSTANCES), low("max_user_watches", watches, WATCHES)]
}

fn gib(bytes: u64) -> String {
    let tenths = bytes.saturating_mul(10) / (1024 * MIB);
    format!("{}.{} GiB", tenths / 10, tenths % 10)
}

#[cfg(test)]
mod tests;
