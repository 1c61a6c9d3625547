//! What of a lab stays as it was made, because a running cluster cannot take it on or something of the lab would be left behind.

use std::collections::BTreeSet;
use std::fmt;

use ipnet::Ipv4Net;
use miette::Diagnostic;
use thiserror::Error;

use super::{Lab, LabCluster};
use crate::scenario::{Authority, Matrix, Product, Topology};

/// A scenario would change what of an existing lab stays as it was made.
#[derive(Debug, Error, Diagnostic)]
#[error("lab {lab} exists, and {change}")]
#[diagnostic(help("{}remove it first with `lab down {lab}`, or make another lab with --name", change.remedy()))]
pub struct FixedError {
    /// The lab.
    lab: String,
    change: Change,
}

/// A scenario does not name a cluster whose containers are there.
#[derive(Debug, Error, Diagnostic)]
#[error("lab {lab} has containers of a cluster {cluster} that the scenario does not name: {}", containers.join(", "))]
#[diagnostic(help(
    "add cluster {cluster} to the scenario, or remove it with `lab up --remove`, or the lab with `lab down {lab}`, or make another lab with --name"
))]
pub struct UnnamedError {
    /// The lab.
    lab: String,
    /// The first such cluster.
    cluster: String,
    /// The containers of all of them.
    containers: Vec<String>,
}

/// The field of the version of Istio.
const ISTIO: &str = "versions.istio";

/// The change, as what follows "the lab exists, and".
#[derive(Debug, PartialEq, Eq)]
enum Change {
    ApiServerAddress,
    Mtu,
    DockerNetwork { was: Ipv4Net, is: Ipv4Net },
    IpFamily,
    Mirror,
    Authority(String),
    Meshes { was: String, is: String },
    NoFederation,
    Manager { was: String, is: String },
    NoMember { cluster: String },
    MemberMode { cluster: String, was: &'static str, is: &'static str },
    NoCluster { cluster: String },
    ConfigCluster { was: String, is: String },
    Cluster { cluster: String, field: &'static str, was: String, is: String },
}

impl Change {
    /// What there is to do besides losing the lab.
    fn remedy(&self) -> &'static str {
        match self {
            Self::Cluster { field: ISTIO, .. } => {
                "see `lab upgrade`, which takes a lab to another version while it runs; or write the version that it runs into the scenario; or "
            }
            Self::NoCluster { .. } => {
                "see what `lab diff FILE --remove` shows, and take the cluster away with `lab up FILE --remove`; or "
            }
            Self::NoMember { .. } => "let the member go with `lab up FILE --remove`; or ",
            Self::ConfigCluster { .. } => {
                "list the cluster that is read first again, which stays as long as its mesh; or "
            }
            _ => "",
        }
    }
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ApiServerAddress => f.write_str("dockerNetwork.apiServerAddress would change"),
            Self::Mtu => f.write_str("dockerNetwork.mtu would change"),
            Self::DockerNetwork { was, is } => write!(f, "its Docker network would change from {was} to {is}"),
            Self::IpFamily => f.write_str("ipFamily would change"),
            Self::Mirror => f.write_str("images.mirror would change"),
            Self::Authority(change) => f.write_str(change),
            Self::Meshes { was, is } => {
                write!(f, "its meshes would change from {was} to {is}, each of which trusts the roots of all")
            }
            Self::NoFederation => f.write_str("the scenario no longer has its federation"),
            Self::Manager { was, is } => write!(f, "the manager of its federation would change from {was} to {is}"),
            Self::NoMember { cluster } => {
                write!(
                    f,
                    "its cluster {cluster} would no longer be a member of the federation, which takes `lab up --remove`"
                )
            }
            Self::MemberMode { cluster, was, is } => {
                write!(f, "the mode of its member {cluster} would change from {was} to {is}")
            }
            Self::NoCluster { cluster } => {
                write!(f, "the scenario no longer has its cluster {cluster}, which only `lab up --remove` takes away")
            }
            Self::ConfigCluster { was, is } => {
                write!(f, "its istiod would no longer read its configuration from {was}, but from {is}")
            }
            Self::Cluster { cluster, field, was, is } => {
                write!(f, "{field} of its cluster {cluster} would change from {was} to {is}")
            }
        }
    }
}

/// Compares a lab with what a scenario now makes of it. Clusters, apps, checks and members may be added, apps and checks removed, and
/// clusters and members if `removes`. A cluster that uses another's control plane may get its own.
///
/// # Errors
/// The first change that the lab cannot take on.
pub fn refuse_changes(old: &Lab, new: &Lab, removes: bool) -> Result<(), FixedError> {
    let change = network(old, new)
        .or_else(|| (old.images != new.images).then_some(Change::Mirror))
        .or_else(|| authority(old, new))
        .or_else(|| federation(old, new, removes))
        .or_else(|| config_cluster(old, new))
        .or_else(|| {
            let mut compared = old.clusters.iter().map(|before| (before, new.cluster(&before.name)));
            let differs =
                |before, after: Option<&_>| cluster(old, before, after).filter(|_| after.is_some() || !removes);
            compared.find_map(|(before, after)| differs(before, after))
        })
        .or_else(|| meshes(old, new))
        .or_else(|| old.clusters.iter().find_map(|before| published(old, before, new)));
    change.map_or(Ok(()), |change| Err(FixedError { lab: new.name.clone(), change }))
}

/// Looks whether a scenario names the cluster of every container of its lab. `containers` are pairs of cluster and container.
///
/// # Errors
/// It leaves one out, which would then be forgotten.
pub fn refuse_unnamed<'a>(lab: &Lab, containers: impl Iterator<Item = (&'a str, &'a str)>) -> Result<(), UnnamedError> {
    let unnamed: Vec<(&str, &str)> = containers.filter(|(cluster, _)| lab.cluster(cluster).is_none()).collect();
    let Some((cluster, _)) = unnamed.first() else { return Ok(()) };
    Err(UnnamedError {
        lab: lab.name.clone(),
        cluster: (*cluster).to_owned(),
        containers: unnamed.iter().map(|(_, container)| (*container).to_owned()).collect(),
    })
}

/// Its nodes are on it, with interfaces that are as it is, and the certificates of its API servers name the address.
fn network(old: &Lab, new: &Lab) -> Option<Change> {
    let (was, is) = (&old.docker_network, &new.docker_network);
    if was.api_server_address != is.api_server_address {
        return Some(Change::ApiServerAddress);
    }
    if was.ipv6_subnet != is.ipv6_subnet {
        return Some(Change::IpFamily);
    }
    if was.mtu != is.mtu {
        return Some(Change::Mtu);
    }
    (was != is).then_some(Change::DockerNetwork { was: was.subnet, is: is.subnet })
}

/// Every workload has certificates of it.
fn authority(old: &Lab, new: &Lab) -> Option<Change> {
    let clusters = old.istio_clusters().map(|c| c.name.as_str());
    Authority::change(old.mesh.ca.as_ref(), new.mesh.ca.as_ref(), clusters).map(Change::Authority)
}

/// Every workload has the roots of all.
fn meshes(old: &Lab, new: &Lab) -> Option<Change> {
    let sorted = |lab: &Lab| lab.meshes().into_iter().map(str::to_owned).collect::<BTreeSet<_>>();
    let (was, is) = (sorted(old), sorted(new));
    (was != is).then(|| Change::Meshes { was: listed(was), is: listed(is) })
}

/// Karmada is not moved, and no member is joined in another way, or leaves without being let go.
fn federation(old: &Lab, new: &Lab, removes: bool) -> Option<Change> {
    let before = old.federation.as_ref()?;
    let Some(after) = &new.federation else { return Some(Change::NoFederation) };
    if before.manager != after.manager {
        return Some(Change::Manager { was: before.manager.clone(), is: after.manager.clone() });
    }
    before.members.iter().find_map(|member| {
        let cluster = member.cluster.clone();
        match after.member(&member.cluster) {
            None => (!removes).then_some(Change::NoMember { cluster }),
            Some(now) if now.mode != member.mode => {
                Some(Change::MemberMode { cluster, was: member.mode.as_str(), is: now.mode.as_str() })
            }
            Some(_) => None,
        }
    })
}

/// An external istiod has the name of the cluster that it reads its configuration from, and a kubeconfig of it.
fn config_cluster(old: &Lab, new: &Lab) -> Option<Change> {
    let of = |lab: &Lab| {
        let host = lab.clusters.iter().find(|c| lab.is_host(c))?;
        Some(lab.config_cluster(host).name.clone())
    };
    let (was, is) = (of(old)?, of(new)?);
    (was != is).then_some(Change::ConfigCluster { was, is })
}

/// Whether a cluster gets a control plane of its own, which it can beside the one that it has: nothing of the old one's is needed any more once it is there.
fn is_promoted(old: &Lab, before: &LabCluster, after: &LabCluster) -> bool {
    old.mesh.topology == Topology::PrimaryRemote && !before.runs_istiod() && after.runs_istiod()
}

/// What kind fixes when it makes a cluster, and what Istio's installation in it was made for.
fn cluster(old: &Lab, before: &LabCluster, after: Option<&LabCluster>) -> Option<Change> {
    let cluster = before.name.clone();
    let Some(after) = after else { return Some(Change::NoCluster { cluster }) };
    let balanced = |cluster: &LabCluster| if cluster.pool.is_some() { "a pool" } else { "none" }.to_owned();
    // Zones are labels, which may change; but the control plane takes pods only where it was made so.
    let zones = match (&before.zones[..], &after.zones[..]) {
        ([], []) | ([_, ..], [_, ..]) => Default::default(),
        (was, is) => (listed(was), listed(is)),
    };
    let primary = if is_promoted(old, before, after) { &after.primary } else { &before.primary }.clone();
    let fields = [
        ("podSubnet", before.pod_subnets(), after.pod_subnets()),
        ("serviceSubnet", before.service_subnets(), after.service_subnets()),
        ("nodes.workers", before.workers.to_string(), after.workers.to_string()),
        ("nodes.zones", zones.0, zones.1),
        ("versions.kubernetes", version(before, Product::Kubernetes), version(after, Product::Kubernetes)),
        (ISTIO, version(before, Product::Istio), version(after, Product::Istio)),
        ("network", before.network.clone(), after.network.clone()),
        ("primary", primary, after.primary.clone()),
        ("mesh", listed(&before.mesh), listed(&after.mesh)),
        ("loadBalancer", balanced(before), balanced(after)),
    ];
    let (field, was, is) = fields.into_iter().find(|(_, was, is)| was != is)?;
    Some(Change::Cluster { cluster, field, was, is })
}

/// A node's ports are published when it is made.
fn published(old: &Lab, before: &LabCluster, new: &Lab) -> Option<Change> {
    let (was, is) = (old.published_ports(before), new.published_ports(new.cluster(&before.name)?));
    let words = |ports: &[(u16, u16)]| listed(ports.iter().map(|(host, _)| host));
    is.iter().any(|port| !was.contains(port)).then(|| Change::Cluster {
        cluster: before.name.clone(),
        field: "what the host publishes",
        was: words(&was),
        is: words(&is),
    })
}

/// What is in a list with commas between, or `none`.
fn listed(list: impl IntoIterator<Item = impl ToString>) -> String {
    let all: Vec<String> = list.into_iter().map(|n| n.to_string()).collect();
    if all.is_empty() { "none".to_owned() } else { all.join(", ") }
}

/// The version of a product that a cluster runs: what nobody asked for is the newest.
fn version(cluster: &LabCluster, product: Product) -> String {
    let asked = cluster.versions.asked().find(|(of, _)| *of == product).map(|(_, minor)| minor);
    Matrix::embedded().effective(product, asked, (true, true)).to_string()
}

#[cfg(test)]
mod tests;
