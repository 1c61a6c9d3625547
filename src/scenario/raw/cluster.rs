//! An entry of `clusters`.

use super::super::form::{
    ADDRESS, ANY_TEXT, Fields, LABEL, List, Names, Number, OrWord, Part, Record, SUBNET, Text, WordOr, raw_names,
};
use super::super::model::{Cluster, Gateway, Locality};
use super::super::problem::TopologyProblem;
use super::super::tree::{Located, Span};
use super::existing::{self, RawExisting};
use super::versions::{self, RawVersions};

/// Most workers a cluster may have: a lab is for one machine.
pub(in crate::scenario) const MAX_WORKERS: u8 = 5;

/// As the file has it.
#[derive(Default)]
pub(in crate::scenario) struct RawCluster {
    pub name: Option<Located<String>>,
    pub network: Option<Located<String>>,
    pub primary: Option<Located<String>>,
    pub mesh: Option<Located<String>>,
    pub pod_subnet: Option<Located<String>>,
    pub service_subnet: Option<Located<String>>,
    pub nodes: Option<Located<RawNodes>>,
    pub locality: Option<Located<RawLocality>>,
    pub versions: Option<Located<RawVersions>>,
    /// The word is `none`.
    pub load_balancer: Option<OrWord<Located<RawLoadBalancer>>>,
    pub existing: Option<Located<RawExisting>>,
}

impl Record for RawCluster {
    const ABOUT: &'static str = "A kind cluster";
    const INLINE: bool = false;

    fn fields(f: &mut Fields<Self>) {
        let network = "Istio's network; clusters with the same one share it. By default network-NAME";
        let primary = "The cluster whose istiod it uses; by default its own or, where the topology has remotes and no cluster names a primary, that of the first cluster";
        let mesh = "The mesh that it is in, where there are several: its mesh ID is this name, its trust domain NAME.local. Each has a root certificate of its own, which all of them trust; services are known within one only";
        let pods = "Addresses of pods; by default 10.101.0.0/16 for the first cluster, and so on";
        let services = "Addresses of services; by default 10.201.0.0/16 for the first cluster, and so on";
        let balancer = WordOr { word: "none", form: Part::FORM, expected: None };
        f.field("name", LABEL, |r| &mut r.name, "Name of the cluster: a DNS label of at most 24 characters")
            .required()
            .example("c1");
        f.field("network", ANY_TEXT, |r| &mut r.network, network).example("network-c1");
        f.field("primary", LABEL, |r| &mut r.primary, primary).example("c1");
        f.field("mesh", LABEL, |r| &mut r.mesh, mesh).example("east");
        f.field("podSubnet", SUBNET, |r| &mut r.pod_subnet, pods).example("10.101.0.0/16");
        f.field("serviceSubnet", SUBNET, |r| &mut r.service_subnet, services).example("10.201.0.0/16");
        f.part("nodes", |r| &mut r.nodes, "{ workers: 1 }");
        f.part("locality", |r| &mut r.locality, "{ region: region1, zone: zone1 }");
        f.part("versions", |r| &mut r.versions, "{ istio: \"1.31\" }");
        f.field("loadBalancer", balancer, |r| &mut r.load_balancer, RawLoadBalancer::ABOUT).example("{ pool: auto }");
        f.part("existing", |r| &mut r.existing, "{ kubeconfig: kubeconfig.yaml, context: kind-c1 }");
    }
}

/// `nodes`.
#[derive(Default)]
pub(in crate::scenario) struct RawNodes {
    pub workers: Option<Located<u8>>,
    pub zones: Option<Names>,
}

impl Record for RawNodes {
    const ABOUT: &'static str = "Its nodes";

    fn fields(f: &mut Fields<Self>) {
        let refusal = |_, workers, _, limit| TopologyProblem::TooManyWorkers { workers, limit }.into();
        let workers = Number { least: 0, most: MAX_WORKERS, refusal };
        let about = "Worker nodes besides the control plane";
        let zones = "Instead of workers: the zone of each node, the control plane's first. Apps run on all of them";
        f.field("workers", workers, |r| &mut r.workers, about).default("0").example("1");
        f.field("zones", List::whole(LABEL), |r| &mut r.zones, zones).example("[zone1, zone2]");
    }
}

/// `locality`.
#[derive(Default)]
pub(in crate::scenario) struct RawLocality {
    pub region: Option<Located<String>>,
    pub zone: Option<Located<String>>,
    pub subzone: Option<Located<String>>,
}

impl Record for RawLocality {
    const ABOUT: &'static str = "Where its nodes are; by default they have no such labels";

    fn fields(f: &mut Fields<Self>) {
        f.field("region", ANY_TEXT, |r| &mut r.region, "Region").required().example("region1");
        f.field("zone", ANY_TEXT, |r| &mut r.zone, "Zone in the region").required_by("subzone").example("zone1");
        f.field("subzone", ANY_TEXT, |r| &mut r.subzone, "Subzone in the zone").example("subzone1");
    }
}

/// `loadBalancer`.
#[derive(Default)]
pub(in crate::scenario) struct RawLoadBalancer {
    pub pool: Option<Located<String>>,
    pub addresses: Option<Located<RawAddresses>>,
}

impl Record for RawLoadBalancer {
    const ABOUT: &'static str =
        "Its load balancer. With none, its gateway is a node port that the host publishes, which needs meshNetworks";
    const INLINE: bool = false;

    fn fields(f: &mut Fields<Self>) {
        let pool = Text("^(auto|[0-9.]+-[0-9.]+|[0-9.]+/[0-9]+)$");
        f.field("pool", pool, |r| &mut r.pool, "Its addresses: auto, a range or a subnet")
            .default("auto")
            .example("172.30.255.10-172.30.255.19");
        f.part("addresses", |r| &mut r.addresses, "{ eastWestGateway: 172.30.255.10 }");
    }
}

/// `loadBalancer.addresses`.
#[derive(Default)]
pub(in crate::scenario) struct RawAddresses {
    pub east_west: Option<Located<String>>,
    pub ingress: Option<Located<String>>,
    pub istiod: Option<Located<String>>,
}

impl Record for RawAddresses {
    const ABOUT: &'static str = "Fixed addresses; by default the first ones of the pool";

    fn fields(f: &mut Fields<Self>) {
        let east_west = "Of the gateway that takes traffic from other networks";
        let istiod = "Of a control plane that other clusters use: they reach it there, rather than at its cluster's east-west gateway. An external one always has one";
        f.field(Gateway::EastWestGateway.field(), ADDRESS, |r| &mut r.east_west, east_west).example("172.30.255.10");
        f.field(
            Gateway::IngressGateway.field(),
            ADDRESS,
            |r| &mut r.ingress,
            "Of the gateway that takes traffic from outside",
        )
        .example("172.30.255.11");
        f.field(Gateway::Istiod.field(), ADDRESS, |r| &mut r.istiod, istiod).example("172.30.255.10");
    }
}

impl RawAddresses {
    /// The address of each gateway that has one.
    pub(in crate::scenario) fn given(self) -> impl Iterator<Item = (Gateway, Located<String>)> {
        let all = [
            (Gateway::EastWestGateway, self.east_west),
            (Gateway::IngressGateway, self.ingress),
            (Gateway::Istiod, self.istiod),
        ];
        all.into_iter().filter_map(|(gateway, address)| Some((gateway, address?)))
    }
}

/// The way back.
pub(super) fn of(cluster: &Cluster) -> RawCluster {
    let Cluster {
        name,
        network,
        primary,
        mesh,
        pod_subnet,
        service_subnet,
        workers,
        zones,
        locality,
        versions,
        load_balancer,
        pool,
        addresses,
        existing,
    } = cluster;
    let address = |gateway| addresses.get(&gateway).map(|a| a.to_string().into());
    let of_gateways = (!addresses.is_empty()).then(|| {
        let [east_west, ingress, istiod] = Gateway::ALL.map(address);
        RawAddresses { east_west, ingress, istiod }.into()
    });
    let balancer = RawLoadBalancer { pool: pool.map(|p| p.to_string().into()), addresses: of_gateways };
    let is_said = balancer.pool.is_some() || balancer.addresses.is_some();
    let nodes = match zones[..] {
        [] => RawNodes { workers: Some((*workers).into()), zones: None },
        _ => RawNodes { workers: None, zones: Some(raw_names(zones)) },
    };
    RawCluster {
        name: Some(name.clone().into()),
        network: network.clone().map(Into::into),
        primary: Some(primary.clone().into()),
        mesh: mesh.clone().map(Into::into),
        pod_subnet: pod_subnet.map(|s| s.to_string().into()),
        service_subnet: service_subnet.map(|s| s.to_string().into()),
        nodes: existing.is_none().then(|| nodes.into()),
        locality: locality.clone().map(|Locality { region, zone, subzone }| {
            let (zone, subzone) = (zone.map(Into::into), subzone.map(Into::into));
            RawLocality { region: Some(region.into()), zone, subzone }.into()
        }),
        versions: versions::of(*versions),
        load_balancer: if *load_balancer {
            is_said.then(|| OrWord::Value(balancer.into()))
        } else {
            Some(OrWord::Word(Span::default()))
        },
        existing: existing.as_ref().map(|e| existing::of(e).into()),
    }
}
