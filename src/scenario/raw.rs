//! The file as it is written: its fields, said once, every value optional and with its place. Beside each mapping is the way back to it from the
//! model. Checks are in `check`, a file each.

mod apps;
mod authority;
mod cluster;
mod existing;
mod federation;
mod ip_family;
mod mesh;
mod values;
mod versions;

pub(super) use apps::{RawApp, RawHelloworld, RawManifests, RawObject, RawSleep};
pub(super) use authority::{RawAuthority, RawIntermediate, RawPem};
pub(super) use cluster::{MAX_WORKERS, RawCluster, RawLoadBalancer, RawLocality, RawNodes};
pub(super) use existing::{RawExisting, RawFoundGateway};
pub(super) use federation::{RawFederation, RawMember, TOLERATION};
pub(super) use mesh::RawMesh;
pub(super) use values::refuse_asked_for;
pub(super) use versions::RawVersions;

use super::check::RawCheck;
use super::error::Problems;
use super::fault::RawFault;
use super::form::Form as _;
use super::form::{
    ANY_TEXT, Fields, LABEL, List, NameOr, Number, OneKey, OneOf, OrWord, Part, Place, Record, SUBNET, WordOr,
};
use super::model::{IpFamily, Scenario, Topology};
use super::tree::{Located, Node, Span};

/// The whole file.
#[derive(Default)]
pub(super) struct RawScenario {
    api_version: Option<Located<()>>,
    kind: Option<Located<()>>,
    pub name: Option<Located<String>>,
    /// The word is `none`.
    pub mesh: Option<OrWord<Located<RawMesh>>>,
    pub ip_family: Option<Located<IpFamily>>,
    pub docker_network: Option<Located<RawDockerNetwork>>,
    pub images: Option<Located<RawImages>>,
    pub versions: Option<Located<RawVersions>>,
    pub clusters: Option<Located<Vec<Located<RawCluster>>>>,
    pub apps: Option<Located<Vec<Located<RawApp>>>>,
    pub federation: Option<Located<RawFederation>>,
    pub checks: Option<Located<Vec<Located<RawCheck>>>>,
    pub faults: Option<Located<Vec<Located<RawFault>>>>,
}

impl Record for RawScenario {
    const ABOUT: &'static str = "A multicluster Istio mesh on kind, its apps and its checks";
    const INLINE: bool = false;

    fn fields(f: &mut Fields<Self>) {
        let version = OneOf { what: "apiVersion", words: &[("lab/v1", ())] };
        let kind = OneOf { what: "kind", words: &[("Scenario", ())] };
        let mesh = WordOr { word: "none", form: Part::FORM, expected: None };
        let clusters = List::whole(NameOr {
            what: "a cluster",
            place: |cluster: &mut RawCluster| &mut cluster.name,
            example: "{ name: c1 }",
        });
        let of_checks = "What must hold for the verdict to be good; by default a rotation, if there is a mesh with helloworld and sleep";
        f.field("apiVersion", version, |r| &mut r.api_version, "Version of this format").default("lab/v1");
        f.field("kind", kind, |r| &mut r.kind, "Always Scenario").default("Scenario");
        f.field("name", LABEL, |r| &mut r.name, "Name of the lab: a DNS label of at most 30 characters")
            .required()
            .example("demo");
        f.field("mesh", mesh, |r| &mut r.mesh, "The mesh over all clusters; none: no Istio at all")
            .example("{ id: mesh1 }");
        f.field("ipFamily", ip_family::FAMILY, |r| &mut r.ip_family, ip_family::ABOUT).default("ipv4").example("dual");
        f.part("dockerNetwork", |r| &mut r.docker_network, "{ subnet: 172.30.0.0/16 }");
        f.part("images", |r| &mut r.images, "{ mirror: \"registry.example:5000\" }");
        f.part("versions", |r| &mut r.versions, "{ kubernetes: \"1.35\" }");
        f.field("clusters", clusters, |r| &mut r.clusters, "1 to 20 clusters, each a name or a mapping")
            .required()
            .example("[c1, c2]");
        // If one cannot be read, none can be said to be missing.
        f.field(
            "apps",
            List::whole(OneKey::FORM),
            |r| &mut r.apps,
            "What runs in the clusters; without a mesh nothing by default",
        )
        .default("[helloworld, sleep]");
        f.part("federation", |r| &mut r.federation, "{ manager: c1 }");
        f.field("checks", List::each(OneKey::FORM), |r| &mut r.checks, of_checks).example("[rotation]");
        let of_faults =
            "What breaks for a while once all checks have passed, one after the other, while every cluster calls";
        f.field("faults", List::each(OneKey::FORM), |r| &mut r.faults, of_faults)
            .example("[partition: { between: [c1, c2] }]");
    }
}

/// `dockerNetwork`.
#[derive(Default)]
pub(super) struct RawDockerNetwork {
    pub subnet: Option<Located<String>>,
    pub api_server_address: Option<Located<String>>,
    pub mtu: Option<Located<u16>>,
}

impl Record for RawDockerNetwork {
    const ABOUT: &'static str = "The Docker network that all nodes are on";

    fn fields(f: &mut Fields<Self>) {
        let subnet = "Its IPv4 subnet; by default the /16 around the pools that the file fixes or, without any, a /20 that follows from the name";
        let address = "The IPv4 address of the engine's machine at which it publishes the API servers, where lab cannot reach its loopback; by default 127.0.0.1";
        f.field("subnet", SUBNET, |r| &mut r.subnet, subnet).example("172.30.0.0/16");
        f.field("apiServerAddress", ANY_TEXT, |r| &mut r.api_server_address, address).example("172.17.0.1");
        // Fewer bytes than that an IPv4 network need not carry.
        let mtu = Number::new(576, u16::MAX);
        let about = "Most bytes of a packet on it, its MTU; by default what the engine is set to, or less where the machine's way out carries less";
        f.field("mtu", mtu, |r| &mut r.mtu, about).example("1400");
    }
}

/// `images`.
#[derive(Default)]
pub(super) struct RawImages {
    pub mirror: Option<Located<String>>,
}

impl Record for RawImages {
    const ABOUT: &'static str = "Where images come from";

    fn fields(f: &mut Fields<Self>) {
        let mirror = "A registry that nodes pull every image from, as HOST:PORT";
        f.field("mirror", ANY_TEXT, |r| &mut r.mirror, mirror).example("registry.example:5000");
    }
}

/// Reads a scenario out of a tree.
pub(super) fn scenario(root: &Node, problems: &mut Problems) -> RawScenario {
    let place = Place { field: "", what: "a scenario".to_owned(), example: "name: demo".to_owned() };
    Part::FORM.read(root, &place, problems).map(|scenario| scenario.value).unwrap_or_default()
}

/// The way back.
pub(super) fn of(scenario: &Scenario) -> RawScenario {
    let Scenario {
        name,
        mesh,
        ip_family,
        docker_subnet,
        api_server_address,
        mtu,
        images,
        versions,
        clusters,
        apps,
        federation,
        checks,
        faults,
    } = scenario;
    let all: Vec<String> = scenario.data_clusters().map(|c| c.name.clone()).collect();
    let docker_network = (docker_subnet.is_some() || api_server_address.is_some() || mtu.is_some()).then(|| {
        let subnet = docker_subnet.map(|s| s.to_string().into());
        let api_server_address = api_server_address.map(|a| a.to_string().into());
        RawDockerNetwork { subnet, api_server_address, mtu: mtu.map(Located::from) }.into()
    });
    RawScenario {
        api_version: Some(().into()),
        kind: Some(().into()),
        name: Some(name.clone().into()),
        mesh: Some(match mesh.topology {
            Topology::None => OrWord::Word(Span::default()),
            _ => OrWord::Value(mesh::of(mesh, clusters.iter().all(|c| c.mesh.is_none())).into()),
        }),
        ip_family: (*ip_family != IpFamily::default()).then(|| (*ip_family).into()),
        docker_network,
        images: images.mirror.clone().map(|mirror| RawImages { mirror: Some(mirror.into()) }.into()),
        versions: versions::of(*versions),
        clusters: Some(located(clusters.iter().map(cluster::of))),
        apps: Some(located(apps.iter().map(|app| apps::of(app, &all)))),
        federation: federation.as_ref().map(|f| federation::of(f).into()),
        checks: Some(located(checks.iter().map(|check| RawCheck::of(check, &all)))),
        faults: (!faults.is_empty()).then(|| located(faults.iter().map(RawFault::of))),
    }
}

/// A list that is in no file.
fn located<T>(items: impl Iterator<Item = T>) -> Located<Vec<Located<T>>> {
    items.map(Located::from).collect::<Vec<_>>().into()
}
