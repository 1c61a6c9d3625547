//! The mesh that several clusters make together.

use std::collections::{BTreeMap, BTreeSet};

use super::told::{gateways, roots, watched};
use super::{ClusterFacts, GatewayFacts, SecretFacts};
use crate::plan::render::EAST_WEST_PORT;
use crate::scenario::{Cluster, Existing, FoundGateway, Locality, Topology, is_lab_name};

/// Longest name of a cluster.
const LONGEST: usize = 20;

/// A mesh that was found.
#[derive(Clone, Debug)]
pub struct FoundMesh {
    /// Istio's mesh ID.
    pub id: String,
    /// Its trust domain.
    pub trust_domain: String,
    /// How control planes and clusters relate.
    pub topology: Topology,
    /// Whether sidecars answer DNS queries.
    pub dns_capture: bool,
    /// Whether proxies write access logs.
    pub access_logs: bool,
    /// Whether networks are listed in `meshNetworks`.
    pub mesh_networks: bool,
    /// The clusters, as they were named.
    pub clusters: Vec<FoundCluster>,
    /// What a reader should know, one sentence each.
    pub remarks: Vec<String>,
    /// What is wrong, or what could not be told, one sentence each.
    pub warnings: Vec<String>,
}

/// A cluster of it.
#[derive(Clone, Debug)]
pub struct FoundCluster {
    /// Its name in the scenario.
    pub name: String,
    /// Its network.
    pub network: String,
    /// The cluster whose control plane it uses.
    pub primary: String,
    /// Where its nodes are, if all of them are in one place.
    pub locality: Option<Locality>,
    /// How it is reached and what it has.
    pub existing: Existing,
    /// What it is, in words.
    pub about: String,
}

/// What a cluster is to the mesh.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    /// It has a control plane of its own.
    Primary,
    /// It uses that of another.
    Remote,
    /// It hosts that of others, and is no part of the mesh.
    Host,
}

/// What the clusters make together.
#[must_use]
pub fn found_mesh(facts: &[ClusterFacts]) -> FoundMesh {
    let mut warnings: Vec<String> =
        facts.iter().flat_map(|f| f.unread.iter().map(|u| format!("{}: {u}", f.context))).collect();
    let mut remarks = Vec::new();
    let roles: Vec<Role> = facts.iter().map(|f| role(f, facts)).collect();
    let ids: Vec<String> = facts.iter().zip(&roles).map(|(f, role)| id(f, *role, facts)).collect();
    let names = names(&ids, facts, &mut warnings);
    let topology = match (roles.contains(&Role::Host), roles.contains(&Role::Remote)) {
        (true, _) => Topology::External,
        (false, true) => Topology::PrimaryRemote,
        (false, false) => Topology::MultiPrimary,
    };
    let mesh_networks = facts.iter().any(has_networks);
    let mut clusters = Vec::new();
    for (at, f) in facts.iter().enumerate() {
        let primary = primary(at, facts, &roles, &ids, &names, &mut warnings);
        let network = network(f, &names[at], roles[at], mesh_networks, &mut warnings);
        let existing = Existing {
            kubeconfig: f.kubeconfig.clone(),
            context: f.context.clone(),
            server: None,
            cluster_id: (ids[at] != names[at] && roles[at] != Role::Host).then(|| ids[at].clone()),
            revision: f.istiods.first().and_then(|i| i.revision.clone()),
            east_west_gateway: east_west(&f.gateways).map(|g| gateway(g, EAST_WEST_PORT)),
            ingress_gateway: ingress(&f.gateways).map(|g| gateway(g, 80)),
        };
        let about = about(f, roles[at]);
        let locality = locality(f, &names[at], &mut remarks);
        clusters.push(FoundCluster { name: names[at].clone(), network, primary, locality, existing, about });
    }
    gateways(facts, &roles, &clusters, mesh_networks, &mut warnings);
    watched(facts, &roles, &ids, &names, &mut remarks, &mut warnings);
    roots(facts, &roles, &names, &mut remarks, &mut warnings);
    let members = || facts.iter().zip(&roles).filter(|(_, role)| **role != Role::Host).map(|(f, _)| f);
    let mut same = |what: &str, of: fn(&ClusterFacts) -> Option<String>, default: &str| {
        let all: BTreeSet<String> = members().filter_map(of).collect();
        if all.len() > 1 {
            let all: Vec<&str> = all.iter().map(String::as_str).collect();
            warnings.push(format!("the clusters do not have the same {what}: {}", all.join(", ")));
        }
        all.into_iter().next().unwrap_or_else(|| default.to_owned())
    };
    let id = same("mesh ID", mesh_id, "mesh1");
    let trust_domain = same("trust domain", trust_domain, "cluster.local");
    let captures = |f: &ClusterFacts| f.mesh["defaultConfig"]["proxyMetadata"]["ISTIO_META_DNS_CAPTURE"] == "true";
    let logs = |f: &ClusterFacts| f.mesh["accessLogFile"].as_str().is_some_and(|file| !file.is_empty());
    // An external istiod reads the configuration of the first cluster of the mesh.
    let mut hosts = facts.iter().zip(&roles).filter(|(_, role)| **role == Role::Host);
    if let Some(config) = hosts.find_map(|(f, _)| f.istiods.first()?.cluster_id.clone()) {
        clusters.sort_by_key(|c| c.existing.cluster_id.as_deref().unwrap_or(&c.name) != config);
    }
    FoundMesh {
        id,
        trust_domain,
        topology,
        dns_capture: facts.iter().any(captures),
        access_logs: facts.iter().any(logs),
        mesh_networks,
        clusters,
        remarks,
        warnings,
    }
}

/// What a cluster is to the mesh.
fn role(f: &ClusterFacts, all: &[ClusterFacts]) -> Role {
    let Some(istiod) = f.istiods.first() else { return Role::Remote };
    let configured = f.secrets.iter().find(|s| s.id.is_none());
    let elsewhere = |secret: &SecretFacts| all.iter().any(|o| o.uid != f.uid && is_of(secret, o));
    // An external istiod reads its configuration in another cluster. One that serves others from its own reads it there.
    let is_host = istiod.is_external && configured.is_some_and(elsewhere);
    if is_host { Role::Host } else { Role::Primary }
}

/// Whether a secret leads to a cluster.
pub(super) fn is_of(secret: &SecretFacts, cluster: &ClusterFacts) -> bool {
    secret.authority.is_some() && secret.authority == cluster.authority
}

/// The ID by which Istio knows a cluster: what its own istiod says, what others' remote secrets call it, what its sidecars are told.
fn id(f: &ClusterFacts, role: Role, all: &[ClusterFacts]) -> String {
    let own = f.istiods.first().filter(|_| role == Role::Primary).and_then(|i| i.cluster_id.clone());
    let others = || all.iter().filter(|o| o.uid != f.uid);
    let by_secret = || {
        let secrets = others().flat_map(|o| &o.secrets);
        secrets.filter(|s| is_of(s, f)).find_map(|s| s.id.clone())
    };
    // The cluster whose configuration an external istiod reads has its ID.
    let by_host = || {
        let mut hosts = others().filter(|o| o.secrets.iter().any(|s| s.id.is_none() && is_of(s, f)));
        hosts.find_map(|o| o.istiods.first()?.cluster_id.clone())
    };
    let injected =
        || f.injected["global"]["multiCluster"]["clusterName"].as_str().filter(|n| !n.is_empty()).map(str::to_owned);
    let found = own.or_else(|| if role == Role::Host { None } else { by_secret().or_else(by_host).or_else(injected) });
    found.unwrap_or_else(|| f.context.clone())
}

/// Names of clusters: their IDs where these can be names, each once.
fn names(ids: &[String], facts: &[ClusterFacts], warnings: &mut Vec<String>) -> Vec<String> {
    let mut seen: BTreeMap<&str, &str> = BTreeMap::new();
    for (id, f) in ids.iter().zip(facts) {
        if let Some(other) = seen.insert(id, &f.context) {
            warnings.push(format!(
                "{other} and {} have the same cluster ID, {id}: a control plane takes the one for the other; give each its own (global.multiCluster.clusterName)",
                f.context
            ));
        }
    }
    let mut taken = BTreeSet::new();
    let name = |id: &String| {
        let plain = plain(id);
        let mut name = plain.clone();
        let mut number = 2;
        while !taken.insert(name.clone()) {
            name = format!("{}-{number}", plain.chars().take(LONGEST - 3).collect::<String>());
            number += 1;
        }
        name
    };
    ids.iter().map(name).collect()
}

/// A DNS label that is like the text.
fn plain(text: &str) -> String {
    let short = text.strip_prefix("kind-").unwrap_or(text);
    let letters =
        short.to_lowercase().chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect::<String>();
    let letters = letters.trim_matches('-');
    // What ends a long name tells it from others.
    let from = letters.len().saturating_sub(LONGEST);
    let name = letters[from..].trim_matches('-');
    if is_lab_name(name) { name.to_owned() } else { "cluster".to_owned() }
}

/// The cluster whose control plane a cluster uses.
fn primary(
    at: usize,
    facts: &[ClusterFacts],
    roles: &[Role],
    ids: &[String],
    names: &[String],
    warnings: &mut Vec<String>,
) -> String {
    if roles[at] != Role::Remote {
        return names[at].clone();
    }
    let f = &facts[at];
    let said: Vec<&str> = f.control_planes.iter().flat_map(|said| said.split(',')).map(str::trim).collect();
    let knows = |o: &usize| facts[*o].secrets.iter().any(|s| s.id.as_deref() == Some(&ids[at]) || is_of(s, f));
    let mut candidates: Vec<usize> =
        (0..facts.len()).filter(|o| *o != at && roles[*o] != Role::Remote).filter(knows).collect();
    candidates.sort_by_key(|o| !said.contains(&ids[*o].as_str()));
    if let Some(first) = candidates.first() {
        return names[*first].clone();
    }
    let any = (0..facts.len()).find(|o| *o != at && roles[*o] != Role::Remote);
    let name = &names[at];
    let Some(any) = any else {
        warnings.push(format!(
            "{name} has no istiod, and none of these clusters has one: name the cluster that does with --context"
        ));
        return name.clone();
    };
    warnings.push(format!(
        "{name} has no istiod, and no istiod has a remote secret for it: taken for a remote of {}",
        names[any]
    ));
    names[any].clone()
}

/// The network of a cluster.
fn network(f: &ClusterFacts, name: &str, role: Role, listed: bool, warnings: &mut Vec<String>) -> String {
    let injected = f.injected["global"]["network"].as_str().filter(|n| !n.is_empty()).map(str::to_owned);
    let meta = f.mesh["defaultConfig"]["proxyMetadata"]["ISTIO_META_NETWORK"].as_str().map(str::to_owned);
    if let (Some(label), Some(injected)) = (&f.network_label, &injected)
        && label != injected
        && role != Role::Host
    {
        warnings.push(format!(
            "{name}: namespace istio-system says that it is on network {label}, and its sidecars are told {injected}"
        ));
    }
    if let Some(found) = f.network_label.clone().or(injected).or(meta) {
        return found;
    }
    if role != Role::Host && !listed {
        warnings.push(format!(
            "{name}: nothing says on which network it is (no label topology.istio.io/network of istio-system, no global.network): taken for one of its own"
        ));
    }
    Cluster::default_network(name)
}

/// What takes traffic from other networks.
pub(super) fn east_west(gateways: &[GatewayFacts]) -> Option<&GatewayFacts> {
    let takes = |g: &&GatewayFacts| g.ports.contains(&EAST_WEST_PORT);
    let says = |g: &&GatewayFacts| {
        let named = |text: &str| text.contains("eastwest") || text.contains("east-west");
        g.network.is_some() || named(&g.name) || g.kind.as_deref().is_some_and(named)
    };
    // An ingress gateway may have that port, too.
    gateways.iter().find(|g| takes(g) && says(g))
}

/// What takes traffic from outside.
fn ingress(gateways: &[GatewayFacts]) -> Option<&GatewayFacts> {
    let is = |g: &&GatewayFacts| g.kind.as_deref().is_some_and(|k| k.contains("ingress")) || g.name.contains("ingress");
    let east_west = east_west(gateways);
    gateways.iter().filter(|g| Some(*g) != east_west).find(is)
}

/// A gateway as the scenario has it.
fn gateway(found: &GatewayFacts, usual: u16) -> FoundGateway {
    let address = found.addresses.first().map(|address| {
        let port = found.node_port.filter(|_| usual == EAST_WEST_PORT);
        port.map_or_else(|| address.clone(), |port| format!("{address}:{port}"))
    });
    FoundGateway { service: format!("{}/{}", found.namespace, found.name), address }
}

/// Where its nodes are, if all are in one place.
fn locality(f: &ClusterFacts, name: &str, remarks: &mut Vec<String>) -> Option<Locality> {
    let label = |node: &BTreeMap<String, String>, key: &str| node.get(key).cloned();
    let of = |node: &BTreeMap<String, String>| {
        Some(Locality {
            region: label(node, "topology.kubernetes.io/region")?,
            zone: label(node, "topology.kubernetes.io/zone"),
            subzone: label(node, "topology.istio.io/subzone"),
        })
    };
    let all: Vec<Option<Locality>> = f.nodes.iter().map(of).collect();
    let first = all.first().cloned().flatten()?;
    if all.iter().all(|l| l.as_ref() == Some(&first)) {
        return Some(first);
    }
    let zones: BTreeSet<String> = all.iter().flatten().map(|l| l.zone.clone().unwrap_or_default()).collect();
    let zones: Vec<&str> = zones.iter().map(String::as_str).collect();
    remarks.push(format!("{name}: its nodes are in several zones of {}: {}", first.region, zones.join(", ")));
    Some(Locality { region: first.region, zone: None, subzone: None })
}

/// What a cluster is, in words.
fn about(f: &ClusterFacts, role: Role) -> String {
    let mut said = vec![format!("Kubernetes {}", f.kubernetes)];
    if !f.nodes.is_empty() {
        let s = if f.nodes.len() == 1 { "" } else { "s" };
        said.push(format!("{} node{s}", f.nodes.len()));
    }
    for istiod in &f.istiods {
        let revision = istiod.revision.as_ref().map_or_else(String::new, |r| format!(" (revision {r})"));
        let runs = if istiod.available > 0 { "" } else { ", which does not run" };
        said.push(format!("istiod {}{revision}{runs}", istiod.version));
    }
    if role == Role::Host {
        said.push("hosts the control plane of the others".to_owned());
    }
    said.join(", ")
}

fn mesh_id(f: &ClusterFacts) -> Option<String> {
    let of = |value: &serde_json::Value| value.as_str().filter(|id| !id.is_empty()).map(str::to_owned);
    of(&f.mesh["defaultConfig"]["meshId"]).or_else(|| of(&f.injected["global"]["meshID"]))
}

fn trust_domain(f: &ClusterFacts) -> Option<String> {
    f.mesh["trustDomain"].as_str().map(str::to_owned)
}

/// Whether networks are listed.
fn has_networks(f: &ClusterFacts) -> bool {
    f.injected["global"]["meshNetworks"].as_object().is_some_and(|networks| !networks.is_empty())
}
