//! From the raw file to a valid scenario. Every rule is checked that can be, so that all mistakes are shown at once.

mod addresses;
mod apps;
mod names;
mod topology;

pub(super) use names::is_lab_name;

use std::net::Ipv4Addr;

use ipnet::Ipv4Net;

use super::error::Problems;
use super::model::{AddressRange, Cluster, ImageSettings, Locality, Mesh, Scenario, Topology};
use super::problem::Problem;
use super::raw::{RawCluster, RawScenario};
use super::read::unknown_value;
use super::tree::{Located, Span};

/// Most workers a cluster may have: a lab is for one machine.
const MAX_WORKERS: u8 = 5;
/// Most clusters in a lab; the address plan has room for as many.
const MAX_CLUSTERS: usize = 20;

/// A cluster whose fields have been read one by one; what was wrong is left out and recorded.
struct Draft {
    /// Empty when it is missing; that is recorded.
    name: Located<String>,
    network: Option<Located<String>>,
    primary: Option<Located<String>>,
    pods: Option<Located<Ipv4Net>>,
    services: Option<Located<Ipv4Net>>,
    workers: u8,
    locality: Option<Locality>,
    pool: Option<Located<AddressRange>>,
    gateway: Option<Located<Ipv4Addr>>,
}

impl Draft {
    /// The network it is on, given or derived.
    fn network(&self) -> String {
        self.network.as_ref().map_or_else(|| Cluster::default_network(&self.name.value), |n| n.value.clone())
    }

    /// The pool that it needs, as [`Cluster::fixed_pool`] has it, with the place that says so.
    fn fixed_pool(&self) -> Option<Located<AddressRange>> {
        let gateway = || self.gateway.as_ref().map(|g| Located { value: AddressRange::from_gateway(g.value), span: g.span });
        self.pool.clone().or_else(gateway)
    }
}

/// The scenario, if nothing is wrong with it; otherwise the problems say what.
pub(super) fn scenario(raw: RawScenario, problems: &mut Problems) -> Option<Scenario> {
    let name = raw.name.filter(|n| names::lab(n, problems));
    let mesh = Mesh {
        id: raw.mesh.id.map_or_else(|| "mesh1".to_owned(), |id| names::label_value("mesh ID", id, problems)),
        trust_domain: raw.mesh.trust_domain.map_or_else(
            || "cluster.local".to_owned(),
            |domain| {
                names::dns_name(&domain, problems);
                domain.value
            },
        ),
        topology: raw.mesh.topology.map_or_else(Topology::default, |t| topology::parse(&t, problems)),
        values: raw.mesh.values.unwrap_or_else(|| serde_json::Value::Object(serde_json::Map::new())),
    };
    if let Some(mirror) = &raw.mirror {
        names::mirror(mirror, problems);
    }
    let docker_subnet = raw.docker_subnet.as_ref().and_then(|s| addresses::subnet("`dockerNetwork.subnet`", s, problems));

    // Rules across clusters would only repeat that there is no usable list of them.
    let raw_clusters = raw.clusters?;
    count(raw_clusters.value.len(), raw_clusters.span, problems);
    let drafts: Vec<Draft> = raw_clusters.value.into_iter().map(|c| draft(c, problems)).collect();
    names::clusters(name.as_ref(), &drafts, problems);
    topology::check(mesh.topology, &drafts, problems);
    addresses::check(docker_subnet.as_ref(), &drafts, problems);
    let (apps, checks) = apps::read(raw.apps, raw.checks, &drafts, problems);

    Some(Scenario {
        name: name?.value,
        mesh,
        docker_subnet: docker_subnet.map(|s| s.value),
        images: ImageSettings { mirror: raw.mirror.map(|m| m.value) },
        clusters: drafts.into_iter().map(cluster).collect(),
        apps,
        checks,
    })
}

fn count(count: usize, span: Span, problems: &mut Problems) {
    if count == 0 {
        problems.add(span, Problem::NoClusters);
    }
    if count > MAX_CLUSTERS {
        problems.add(span, Problem::TooManyClusters { count, limit: MAX_CLUSTERS });
    }
}

fn draft(raw: RawCluster, problems: &mut Problems) -> Draft {
    let name = raw.name.unwrap_or(Located { value: String::new(), span: Span::default() });
    let of = |field: &str| match name.value.as_str() {
        "" => format!("`{field}`"),
        name => format!("`{field}` of cluster `{name}`"),
    };
    let subnet = |field, value: Option<Located<String>>, problems: &mut Problems| {
        value.and_then(|v| addresses::subnet(&of(field), &v, problems))
    };
    let pods = subnet("podSubnet", raw.pod_subnet, problems);
    let services = subnet("serviceSubnet", raw.service_subnet, problems);
    let pool = raw.pool.and_then(|p| addresses::pool(&of("pool"), &p, problems));
    let gateway = raw.east_west_gateway.and_then(|a| addresses::address(&of("eastWestGateway"), &a, problems));
    let workers = raw.workers.map_or(0, |w| {
        u8::try_from(w.value).ok().filter(|n| *n <= MAX_WORKERS).unwrap_or_else(|| {
            problems.add(w.span, Problem::TooManyWorkers { workers: w.value, limit: MAX_WORKERS });
            0
        })
    });
    let mut label = |field, value: Option<Located<String>>| value.map(|v| names::label_value(field, v, problems));
    let network = raw.network.map(|n| Located { span: n.span, value: label("network", Some(n)).unwrap_or_default() });
    let locality = raw.locality.and_then(|l| {
        let (region, zone, subzone) = (label("region", l.region), label("zone", l.zone), label("subzone", l.subzone));
        Some(Locality { region: region?, zone, subzone })
    });
    Draft { name, network, primary: raw.primary, pods, services, workers, locality, pool, gateway }
}

fn cluster(draft: Draft) -> Cluster {
    Cluster {
        name: draft.name.value,
        network: draft.network.map(|n| n.value),
        primary: draft.primary.map(|p| p.value),
        pod_subnet: draft.pods.map(|s| s.value),
        service_subnet: draft.services.map(|s| s.value),
        workers: draft.workers,
        locality: draft.locality,
        pool: draft.pool.map(|p| p.value),
        east_west_gateway: draft.gateway.map(|g| g.value),
    }
}

/// Records a reference to a cluster that does not exist. `true` when it does.
fn known_cluster(what: &'static str, name: &Located<String>, drafts: &[Draft], problems: &mut Problems) -> bool {
    if drafts.iter().any(|d| d.name.value == name.value) {
        return true;
    }
    let names: Vec<&str> = drafts.iter().map(|d| d.name.value.as_str()).filter(|n| !n.is_empty()).collect();
    let Problem::UnknownValue { help, .. } = unknown_value(what, &name.value, &names) else { return false };
    problems.add(name.span, Problem::UnknownCluster { what, name: name.value.clone(), help });
    false
}
