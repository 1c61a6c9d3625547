//! From the raw file to a valid scenario. Every rule is checked that can be, so that all mistakes are shown at once.

mod addresses;
mod apps;
mod authority;
mod existing;
mod faults;
mod federation;
mod gateway_api;
mod ip_family;
mod manifests;
mod meshes;
pub(super) mod names;
mod room;
mod topology;
mod versions;
mod zones;

pub(super) use names::is_lab_name;
pub(super) use versions::of_scenario as versions_of;

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::fmt::Display;
use std::net::Ipv4Addr;

use ipnet::Ipv4Net;
use time::OffsetDateTime;

use super::check;
use super::error::Problems;
use super::fault;
use super::form::OrWord;
use super::model::{
    AddressRange, Cluster, Existing, Gateway, ImageSettings, Locality, Mesh, Places, Scenario, Topology, version_in,
};
use super::problem::{NameProblem, TopologyProblem};
use super::raw::{RawCluster, RawLoadBalancer, RawMesh, RawScenario, refuse_asked_for};
use super::read::suggestion;
use super::tree::{Located, Span};
use super::versions::Versions;

/// Most clusters in a lab; the address plan has room for as many.
const MAX_CLUSTERS: usize = 20;

/// A cluster whose fields have been read one by one; what was wrong is left out and recorded.
pub(super) struct Draft {
    /// Empty when it is missing; that is recorded.
    pub(super) name: Located<String>,
    network: Option<Located<String>>,
    primary: Option<Located<String>>,
    mesh: Option<Located<String>>,
    /// The cluster whose control plane it uses.
    uses: String,
    /// Whether it only hosts the control plane, outside the mesh.
    hosts: bool,
    /// Whether it runs Karmada, outside the mesh.
    manages: bool,
    pods: Option<Located<Ipv4Net>>,
    services: Option<Located<Ipv4Net>>,
    workers: u8,
    /// The zone of each node; empty where they are in one.
    pub(super) zones: Vec<String>,
    locality: Option<Locality>,
    versions: Versions,
    /// Where the file says what it runs.
    versions_at: Option<Span>,
    no_load_balancer: Option<Span>,
    pool: Option<Located<AddressRange>>,
    addresses: Vec<(Gateway, Located<Ipv4Addr>)>,
    existing: Option<Existing>,
    existing_at: Option<Span>,
}

impl Draft {
    /// The network it is on, given or derived.
    fn network(&self) -> String {
        self.network.as_ref().map_or_else(|| Cluster::default_network(&self.name.value), |n| n.value.clone())
    }

    /// The versions of helloworld in it, when it is to run this one.
    pub(super) fn versions_of(&self, version: &str) -> Vec<String> {
        match self.zones[..] {
            [] => vec![version_in(version, None)],
            _ => self.zones.iter().map(|zone| version_in(version, Some(zone))).collect(),
        }
    }

    /// Whether it is no part of the mesh and runs no apps.
    pub(super) fn is_outside(&self) -> bool {
        self.hosts || self.manages
    }

    /// Whether other clusters use its control plane.
    fn serves_others(&self, drafts: &[Self]) -> bool {
        drafts.iter().any(|d| d.uses == self.name.value && d.name.value != self.name.value)
    }

    /// Whether the file fixes the address of a gateway.
    fn fixes(&self, gateway: Gateway) -> bool {
        self.addresses.iter().any(|(fixed, _)| *fixed == gateway)
    }

    /// Whether it is put into a mesh of its own.
    pub(super) fn names_mesh(&self) -> bool {
        self.mesh.is_some()
    }

    /// Whether another cluster is in the same mesh.
    pub(super) fn is_meshed_with(&self, other: &Self) -> bool {
        let of = |draft: &Self| draft.mesh.as_ref().map(|mesh| mesh.value.clone());
        of(self) == of(other)
    }

    /// Whether another cluster is on the same network. Two of one name are not: that is a mistake of its own.
    fn shares_network(&self, other: &Self) -> bool {
        self.name.value != other.name.value && self.network() == other.network()
    }

    /// A setting of the cluster as the file has it, for a message.
    fn setting(&self, field: &str, value: impl Display) -> String {
        setting(&self.name.value, field, value)
    }

    /// The pool, for a message: one that follows from a fixed address is in no file.
    fn pool_setting(&self, pool: AddressRange) -> String {
        match self.pool {
            Some(_) => self.setting("pool", pool),
            None => {
                format!("pool {pool} of cluster `{}` (ten addresses from its lowest fixed one on)", self.name.value)
            }
        }
    }

    /// The pool that it needs, as [`Cluster::fixed_pool`] has it, with the place that says so.
    fn fixed_pool(&self) -> Option<Located<AddressRange>> {
        let implied = || {
            let (_, lowest) = self.addresses.iter().min_by_key(|(_, a)| a.value)?;
            Some(Located { value: AddressRange::from_gateway(lowest.value), span: lowest.span })
        };
        self.pool.clone().or_else(implied)
    }
}

/// A setting of a cluster as the file has it, for a message.
fn setting(cluster: &str, field: &str, value: impl Display) -> String {
    match cluster {
        "" => format!("`{field}: {value}`"),
        name => format!("`{field}: {value}` of cluster `{name}`"),
    }
}

/// The scenario, if nothing is wrong with it; otherwise the problems say what.
pub(super) fn scenario(raw: RawScenario, now: Option<OffsetDateTime>, problems: &mut Problems) -> Option<Scenario> {
    let is_existing = existing::read_mesh(&raw, problems);
    let name = raw.name.filter(|n| names::lab(n, problems));
    let of_one_mesh = meshes::excluded(raw.mesh.as_ref(), raw.federation.as_ref(), raw.faults.as_ref());
    let (has_mesh, raw_mesh) = match raw.mesh {
        Some(OrWord::Word(_)) => (false, RawMesh::default()),
        Some(OrWord::Value(mesh)) => (true, mesh.value),
        None => (true, RawMesh::default()),
    };
    ip_family::check(raw.ip_family.as_ref(), &raw_mesh, raw.federation.as_ref(), problems);
    let ip_family = raw.ip_family.map(|family| family.value).unwrap_or_default();
    let topology = raw_mesh.topology;
    let has_networks = raw_mesh.mesh_networks.is_some_and(|m| m.value);
    let has_logs = raw_mesh.access_logs.is_some_and(|d| d.value);
    if let Some(values) = &raw_mesh.values {
        for (_, field) in [(has_networks, "meshNetworks"), (has_logs, "accessLogs")].iter().filter(|(asked, _)| *asked)
        {
            refuse_asked_for(values, field, problems);
        }
    }
    let (values, values_at) = raw_mesh.values.map_or_else(
        || (serde_json::Value::Object(serde_json::Map::new()), Places::default()),
        |v| (v.value, Places(vec![v.at])),
    );
    let mut mesh = Mesh {
        id: raw_mesh.id.map_or_else(|| "mesh1".to_owned(), |id| names::label_value("mesh ID", id, problems)),
        trust_domain: raw_mesh.trust_domain.map_or_else(
            || "cluster.local".to_owned(),
            |domain| {
                names::dns_name(&domain, problems);
                domain.value
            },
        ),
        existing: is_existing,
        topology: match &topology {
            _ if !has_mesh => Topology::None,
            Some(topology) => topology.value,
            None => Topology::default(),
        },
        mesh_networks: has_networks,
        dns_capture: raw_mesh.dns_capture.is_some_and(|d| d.value),
        access_logs: has_logs,
        ingress_gateway: topology::ingress(raw_mesh.ingress_gateway.as_ref()),
        ca: None,
        values,
        values_at,
    };
    let mirror = raw.images.and_then(|images| images.value.mirror);
    if let Some(mirror) = &mirror {
        names::mirror(mirror, problems);
    }
    let versions_at = raw.versions.as_ref().map(|v| v.span);
    let versions = versions::read(raw.versions, problems);
    let docker_network = raw.docker_network.map(|network| network.value).unwrap_or_default();
    let docker_subnet = docker_network
        .subnet
        .and_then(|s| addresses::subnet(&format!("the Docker network `{}`", s.value), &s, problems));
    let api_server_address = docker_network.api_server_address.and_then(|a| addresses::api_server(&a, problems));
    let mtu = docker_network.mtu.map(|m| m.value);

    // Rules across clusters would only repeat that there is no usable list of them.
    let raw_clusters = raw.clusters?;
    count(raw_clusters.value.len(), raw_clusters.span, problems);
    // Every two clusters are compared; of so many that no lab could have them, one mistake says enough.
    if raw_clusters.value.len() > 10 * MAX_CLUSTERS {
        return None;
    }
    let mut drafts: Vec<Draft> =
        raw_clusters.value.into_iter().map(|c| draft(c.value, is_existing, problems)).collect();
    federation::assign(raw.federation.as_ref(), &mut drafts);
    topology::assign(mesh.topology, &mut drafts);
    names::clusters(name.as_ref(), &drafts, problems);
    topology::check(&mesh, topology.as_ref(), &drafts, problems);
    meshes::check(&drafts, of_one_mesh, problems);
    topology::check_ingress(raw_mesh.ingress_gateway.as_ref(), &drafts, problems);
    versions::check(&mesh, versions, versions_at, &drafts, problems);
    mesh.ca = raw_mesh.ca.as_ref().and_then(|ca| authority::read(ca, &drafts, now, problems));
    addresses::check(docker_subnet.as_ref(), &drafts, problems);
    existing::check(is_existing, &drafts, problems);
    let apps = if is_existing { Vec::new() } else { apps::or_default(raw.apps.map(|apps| apps.value), mesh.topology) };
    let is_federation = raw.federation.is_some();
    let federation = raw.federation.and_then(|f| federation::read(f, &mesh, &drafts, problems));
    // Of a federation that cannot be read nothing can be said.
    let (checks, faults) = if is_federation && federation.is_none() {
        (Vec::new(), Vec::new())
    } else {
        let checks = raw.checks.map(|checks| checks.value);
        let scope = check::scope(checks.as_deref(), &apps, &drafts, federation.as_ref(), &mesh);
        let is_told = check::tell_clusters_apart(checks.as_deref());
        if !is_told && raw.faults.as_ref().is_some_and(|faults| !faults.value.is_empty()) {
            check::refuse_same_versions(&apps, &drafts, problems);
        }
        let checks = check::read(checks, &apps, &scope, problems);
        (checks, fault::read(raw.faults, &scope, &faults::ground(&mesh, &drafts), problems))
    };
    let apps = apps::read(apps, &mesh, &drafts, problems);

    Some(Scenario {
        name: name?.value,
        mesh,
        ip_family,
        docker_subnet: docker_subnet.map(|s| s.value),
        api_server_address,
        mtu,
        images: ImageSettings { mirror: mirror.map(|m| m.value) },
        versions,
        clusters: drafts.into_iter().map(cluster).collect(),
        apps,
        federation,
        checks,
        faults,
    })
}

/// The names that were given before, each with the place of the first of its name.
pub(super) fn repeated<'n>(names: impl IntoIterator<Item = &'n Located<String>>) -> Vec<(&'n Located<String>, Span)> {
    let mut seen = HashMap::new();
    let mut repeated = Vec::new();
    for name in names {
        match seen.entry(name.value.as_str()) {
            Entry::Occupied(first) => repeated.push((name, *first.get())),
            Entry::Vacant(place) => _ = place.insert(name.span),
        }
    }
    repeated
}

fn count(count: usize, span: Span, problems: &mut Problems) {
    if count == 0 {
        problems.add(span, TopologyProblem::NoClusters);
    }
    if count > MAX_CLUSTERS {
        problems.add(span, TopologyProblem::TooManyClusters { count, limit: MAX_CLUSTERS });
    }
}

fn draft(mut raw: RawCluster, is_existing: bool, problems: &mut Problems) -> Draft {
    let (existing, existing_at) = existing::of_cluster(&mut raw, is_existing, problems);
    let name = raw.name.unwrap_or(Located { value: String::new(), span: Span::default() });
    let of = |field: &str, value: &str| setting(&name.value, field, value);
    let subnet = |field, value: Option<Located<String>>, problems: &mut Problems| {
        value.and_then(|v| addresses::subnet(&of(field, &v.value), &v, problems))
    };
    let pods = subnet("podSubnet", raw.pod_subnet, problems);
    let services = subnet("serviceSubnet", raw.service_subnet, problems);
    let (no_load_balancer, balancer) = match raw.load_balancer {
        Some(OrWord::Word(span)) => (Some(span), RawLoadBalancer::default()),
        Some(OrWord::Value(balancer)) => (None, balancer.value),
        None => (None, RawLoadBalancer::default()),
    };
    let pool = balancer.pool.and_then(|p| addresses::pool(&of("pool", &p.value), &p, problems));
    let addresses = balancer
        .addresses
        .into_iter()
        .flat_map(|a| a.value.given())
        .filter_map(|(gateway, a)| Some((gateway, addresses::address(&of(gateway.field(), &a.value), &a, problems)?)))
        .collect();
    let (workers, zones) = zones::read(&name.value, raw.nodes.map(|n| n.value), raw.locality.as_ref(), problems);
    let mut label = |field, value: Option<Located<String>>| value.map(|v| names::label_value(field, v, problems));
    let network = raw.network.map(|n| Located { span: n.span, value: label("network", Some(n)).unwrap_or_default() });
    let locality = raw.locality.and_then(|Located { value: l, .. }| {
        let (region, zone, subzone) = (label("region", l.region), label("zone", l.zone), label("subzone", l.subzone));
        Some(Locality { region: region?, zone, subzone })
    });
    let versions_at = raw.versions.as_ref().map(|v| v.span);
    let versions = versions::read(raw.versions, problems);
    Draft {
        name,
        network,
        primary: raw.primary,
        mesh: raw.mesh,
        uses: String::new(),
        hosts: false,
        manages: false,
        pods,
        services,
        workers,
        zones,
        locality,
        versions,
        versions_at,
        no_load_balancer,
        pool,
        addresses,
        existing,
        existing_at,
    }
}

fn cluster(draft: Draft) -> Cluster {
    Cluster {
        name: draft.name.value,
        network: draft.network.map(|n| n.value),
        primary: draft.uses,
        mesh: draft.mesh.map(|m| m.value),
        pod_subnet: draft.pods.map(|s| s.value),
        service_subnet: draft.services.map(|s| s.value),
        workers: draft.workers,
        zones: draft.zones,
        locality: draft.locality,
        versions: draft.versions,
        load_balancer: draft.no_load_balancer.is_none(),
        pool: draft.pool.map(|p| p.value),
        addresses: draft.addresses.into_iter().map(|(gateway, a)| (gateway, a.value)).collect(),
        existing: draft.existing,
    }
}

/// Records a reference to a cluster that does not exist. `true` when it does.
pub(super) fn known_cluster(
    field: &'static str,
    name: &Located<String>,
    drafts: &[Draft],
    problems: &mut Problems,
) -> bool {
    let names: Vec<&str> = drafts.iter().map(|d| d.name.value.as_str()).filter(|n| !n.is_empty()).collect();
    let known = names.contains(&name.value.as_str());
    // Without any named cluster, that is the mistake.
    if !known && !names.is_empty() {
        let help = suggestion(&name.value, &names, "the clusters are");
        problems.add(name.span, NameProblem::UnknownCluster { field, name: name.value.clone(), help });
    }
    known
}

/// Records a reference to a cluster that does not exist, or that is no part of the mesh. `true` when it is.
pub(super) fn data_cluster(
    field: &'static str,
    name: &Located<String>,
    drafts: &[Draft],
    problems: &mut Problems,
) -> bool {
    if !known_cluster(field, name, drafts, problems) {
        return false;
    }
    let cluster = name.value.clone();
    let Some(outside) = drafts.iter().find(|d| d.is_outside() && d.name.value == name.value) else {
        return true;
    };
    let problem = if outside.manages {
        TopologyProblem::AppsOnManager { cluster }
    } else {
        TopologyProblem::AppsOnHost { cluster }
    };
    problems.add(name.span, problem);
    false
}
