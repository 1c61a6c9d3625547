//! The file as it is written: every field optional, every value with its place, nothing checked but names and types of fields.

mod apps;
mod authority;
mod federation;
mod values;

pub(super) use apps::{RawApp, RawAppKind, RawManifests, RawObject, RawVersions};
pub(super) use authority::{RawAuthority, RawIntermediate, RawPem};
pub(super) use federation::{RawFederation, RawMember};

use super::check::RawCheck;
use super::describe::{ADDRESSES, CLUSTER, DOCKER_NETWORK, IMAGES, LOAD_BALANCER, LOCALITY, MESH, NODES, SCENARIO};
use super::error::Problems;
use super::form::{Each, Form as _, OneKey, Place};
use super::model::Gateway;
use super::read::{Fields, json, list, number, text, unknown_value, wrong_type};
use super::tree::{Located, Node, Span, Value};

pub(super) const API_VERSION: &str = "lab/v1";
pub(super) const KIND: &str = "Scenario";

#[derive(Default)]
pub(super) struct RawScenario {
    pub name: Option<Located<String>>,
    pub mesh: RawMesh,
    pub docker_subnet: Option<Located<String>>,
    pub api_server_address: Option<Located<String>>,
    pub mirror: Option<Located<String>>,
    /// `None` when it is missing or no list; that is recorded already.
    pub clusters: Option<Located<Vec<RawCluster>>>,
    pub apps: Option<Vec<RawApp>>,
    pub federation: Option<RawFederation>,
    pub checks: Option<Vec<Located<RawCheck>>>,
}

#[derive(Debug, Default)]
pub(super) struct RawMesh {
    /// Whether it is `mesh: none`.
    pub none: bool,
    pub id: Option<Located<String>>,
    pub trust_domain: Option<Located<String>>,
    pub topology: Option<Located<String>>,
    pub mesh_networks: Option<Located<bool>>,
    pub dns_capture: Option<Located<bool>>,
    pub ingress_gateway: Option<Located<bool>>,
    pub values: Option<serde_json::Value>,
    pub ca: Option<RawAuthority>,
}

#[derive(Debug, Default)]
pub(super) struct RawCluster {
    pub name: Option<Located<String>>,
    pub network: Option<Located<String>>,
    pub primary: Option<Located<String>>,
    pub pod_subnet: Option<Located<String>>,
    pub service_subnet: Option<Located<String>>,
    pub workers: Option<Located<u64>>,
    pub locality: Option<RawLocality>,
    /// Where `loadBalancer: none` stands.
    pub no_load_balancer: Option<Span>,
    pub pool: Option<Located<String>>,
    pub addresses: Vec<(Gateway, Located<String>)>,
}

#[derive(Debug)]
pub(super) struct RawLocality {
    pub region: Option<Located<String>>,
    pub zone: Option<Located<String>>,
    pub subzone: Option<Located<String>>,
}

/// Reads a scenario out of a tree.
pub(super) fn scenario(root: &Node, problems: &mut Problems) -> RawScenario {
    let Some(fields) = Fields::of(root, "a scenario", &SCENARIO.names(), "name: demo", problems) else {
        return RawScenario::default();
    };
    constant(&fields, "apiVersion", API_VERSION, problems);
    constant(&fields, "kind", KIND, problems);
    let name = fields.text("name", "name: demo", problems);
    if name.is_none() && fields.get("name").is_none() {
        fields.missing("name", "demo", problems);
    }
    if fields.get("clusters").is_none() {
        fields.missing("clusters", "[c1, c2]", problems);
    }
    let docker_network = fields.get("dockerNetwork").and_then(|n| {
        let example = "dockerNetwork: { subnet: 172.30.0.0/16 }";
        Fields::of(n, "`dockerNetwork`", &DOCKER_NETWORK.names(), example, problems)
    });
    let docker_subnet = docker_network.as_ref().and_then(|f| f.text("subnet", "subnet: 172.30.0.0/16", problems));
    let api_server_address =
        docker_network.as_ref().and_then(|f| f.text("apiServerAddress", "apiServerAddress: 172.17.0.1", problems));
    let mirror = fields
        .get("images")
        .and_then(|n| {
            Fields::of(n, "`images`", &IMAGES.names(), "images: { mirror: \"registry.example:5000\" }", problems)
        })
        .and_then(|f| f.text("mirror", "mirror: registry.example:5000", problems));
    let clusters = fields.get("clusters").and_then(|node| {
        let items = list(node, "`clusters`", "clusters: [c1, c2]", problems)?;
        // One that cannot be read still counts as a cluster; its name is unknown.
        let clusters = items.iter().map(|n| cluster(n, problems).unwrap_or_default()).collect();
        Some(Located { value: clusters, span: node.span })
    });
    let apps = fields.get("apps").and_then(|node| {
        let items = list(node, "`apps`", "apps: [helloworld, sleep]", problems)?;
        let apps: Vec<Option<RawApp>> = items.iter().map(|n| apps::app(n, problems)).collect();
        // If one cannot be read, none can be said to be missing.
        apps.into_iter().collect()
    });
    let federation = fields.get("federation").and_then(|n| federation::federation(n, problems));
    let checks = fields.get("checks").and_then(|node| {
        let place = Place { field: "checks", what: "`checks`".to_owned(), example: "checks: [rotation]".to_owned() };
        Each(OneKey::<RawCheck>::FORM).read(node, &place, problems).map(|checks| checks.value)
    });
    let mesh = fields.get("mesh").map(|n| mesh(n, problems)).unwrap_or_default();
    RawScenario { name, mesh, docker_subnet, api_server_address, mirror, clusters, apps, federation, checks }
}

/// A field that may be left out and has one value.
fn constant(fields: &Fields<'_>, field: &'static str, value: &'static str, problems: &mut Problems) {
    if let Some(found) = fields.text(field, value, problems)
        && found.value != value
    {
        problems.add(found.span, unknown_value(field, &found.value, &[value]));
    }
}

fn mesh(node: &Node, problems: &mut Problems) -> RawMesh {
    if matches!(&node.value, Value::Scalar { text, .. } if text == "none") {
        return RawMesh { none: true, ..RawMesh::default() };
    }
    let Some(fields) = Fields::of(node, "`mesh`", &MESH.names(), "mesh: { id: mesh1 }", problems) else {
        return RawMesh::default();
    };
    let values = fields.get("values").and_then(|n| {
        if let Value::Mapping(_) = n.value {
            values::names_stay(n, problems);
            return Some(json(n));
        }
        let example = "values: { pilot: { traceSampling: 100 } }";
        problems.add(n.span, wrong_type("`values`", "a mapping", n.kind(), example));
        None
    });
    RawMesh {
        none: false,
        id: fields.text("id", "id: mesh1", problems),
        trust_domain: fields.text("trustDomain", "trustDomain: cluster.local", problems),
        topology: fields.text("topology", "topology: multi-primary", problems),
        mesh_networks: fields.truth("meshNetworks", "meshNetworks: true", problems),
        dns_capture: fields.truth("dnsCapture", "dnsCapture: true", problems),
        ingress_gateway: fields.truth("ingressGateway", "ingressGateway: true", problems),
        ca: fields.get("ca").and_then(|n| authority::authority(n, problems)),
        values,
    }
}

fn cluster(node: &Node, problems: &mut Problems) -> Option<RawCluster> {
    if let Value::Scalar { .. } = node.value {
        let name = text(node, "a cluster", "c1", problems);
        return Some(RawCluster { name, ..RawCluster::default() });
    }
    let fields = Fields::of(node, "a cluster", &CLUSTER.names(), "{ name: c1 }", problems)?;
    let name = fields.text("name", "name: c1", problems);
    if fields.get("name").is_none() {
        fields.missing("name", "c1", problems);
    }
    let workers = fields
        .get("nodes")
        .and_then(|n| Fields::of(n, "`nodes`", &NODES.names(), "nodes: { workers: 1 }", problems))
        .and_then(|f| number(f.get("workers")?, "`workers`", "nodes: { workers: 1 }", problems));
    let balancer = fields.get("loadBalancer");
    let no_load_balancer =
        balancer.filter(|n| matches!(&n.value, Value::Scalar { text, .. } if text == "none")).map(|n| n.span);
    let balancer = balancer.filter(|_| no_load_balancer.is_none()).and_then(|n| {
        let example = "loadBalancer: { pool: auto }";
        Fields::of(n, "`loadBalancer`", &LOAD_BALANCER.names(), example, problems)
    });
    let pool = balancer.as_ref().and_then(|f| f.text("pool", "pool: 172.30.255.10-172.30.255.19", problems));
    let example = "addresses: { eastWestGateway: 172.30.255.10 }";
    let known = ADDRESSES.names();
    let addresses =
        balancer.as_ref().and_then(|f| Fields::of(f.get("addresses")?, "`addresses`", &known, example, problems));
    let addresses = addresses.map_or_else(Vec::new, |f| {
        Gateway::ALL
            .into_iter()
            .filter_map(|gateway| Some((gateway, f.text(gateway.field(), example, problems)?)))
            .collect()
    });
    Some(RawCluster {
        name,
        network: fields.text("network", "network: network-c1", problems),
        primary: fields.text("primary", "primary: c1", problems),
        pod_subnet: fields.text("podSubnet", "podSubnet: 10.101.0.0/16", problems),
        service_subnet: fields.text("serviceSubnet", "serviceSubnet: 10.201.0.0/16", problems),
        workers,
        locality: fields.get("locality").and_then(|n| locality(n, problems)),
        no_load_balancer,
        pool,
        addresses,
    })
}

fn locality(node: &Node, problems: &mut Problems) -> Option<RawLocality> {
    let fields =
        Fields::of(node, "`locality`", &LOCALITY.names(), "locality: { region: region1, zone: zone1 }", problems)?;
    if fields.get("region").is_none() {
        fields.missing("region", "region1", problems);
    }
    if fields.get("zone").is_none() && fields.get("subzone").is_some() {
        fields.missing("zone", "zone1", problems);
    }
    Some(RawLocality {
        region: fields.text("region", "region: region1", problems),
        zone: fields.text("zone", "zone: zone1", problems),
        subzone: fields.text("subzone", "subzone: subzone1", problems),
    })
}
