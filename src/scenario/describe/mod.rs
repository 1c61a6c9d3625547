//! The format of scenarios, said once: the parser knows no fields but these, and the JSON schema is generated from them.

mod apps;
mod authority;
mod federation;
mod schema;

pub use schema::schema;

pub(super) use apps::{APPS, HELLOWORLD, MANIFESTS, SLEEP};
pub(super) use authority::{CA, CA_FILES, INTERMEDIATE};
pub(super) use federation::{FEDERATION, MEMBER, MEMBER_LOST};

use super::check::RawCheck;
use super::form::{Each, Form as _, OneKey};

/// A mapping with fields of known names.
pub(super) struct Mapping {
    /// What it is for.
    description: &'static str,
    fields: &'static [Field],
}

impl Mapping {
    /// The names of its fields.
    pub(super) fn names(&self) -> Vec<&'static str> {
        self.fields.iter().map(|f| f.name).collect()
    }
}

/// The names that an entry of a list may have.
pub(super) fn kinds(entries: &[(&'static str, &'static Mapping)]) -> Vec<&'static str> {
    entries.iter().map(|(name, _)| *name).collect()
}

/// A field of a mapping.
struct Field {
    name: &'static str,
    kind: Kind,
    description: &'static str,
    required: bool,
    /// What it is when it is left out, as JSON; text may do without quotation marks.
    default: Option<&'static str>,
    /// A value, as the default.
    example: Option<&'static str>,
}

/// What a value is.
enum Kind {
    /// Text of a form, given as a regular expression; any when it is empty.
    Text(&'static str),
    /// One of these texts.
    One(&'static [&'static str]),
    /// A whole number between two, both included.
    Number(u64, u64),
    /// `true` or `false`.
    Truth,
    /// Anything in a mapping.
    Free,
    /// A list.
    List(&'static Kind),
    /// A mapping from names of the user's choice.
    Names(&'static Kind),
    /// A mapping with known fields.
    Mapping(&'static Mapping),
    /// A name alone, or a mapping from that one name to what belongs to it.
    Entry(&'static [(&'static str, &'static Mapping)]),
    /// What another statement has.
    Other(fn() -> serde_json::Value),
    /// Either of two.
    Either(&'static Kind, &'static Kind),
}

const fn field(name: &'static str, kind: Kind, description: &'static str) -> Field {
    Field { name, kind, description, required: false, default: None, example: None }
}

impl Field {
    const fn required(self) -> Self {
        Self { required: true, ..self }
    }

    const fn default(self, default: &'static str) -> Self {
        Self { default: Some(default), ..self }
    }

    const fn example(self, example: &'static str) -> Self {
        Self { example: Some(example), ..self }
    }
}

const ANY_TEXT: Kind = Kind::Text("");
const LABEL: Kind = Kind::Text("^[a-z0-9]([-a-z0-9]*[a-z0-9])?$");
const SUBNET: Kind = Kind::Text("^[0-9.]+/[0-9]+$");
const ADDRESS: Kind = Kind::Text("^[0-9.]+$");
const ALL_OR_CLUSTERS: Kind = Kind::Either(&Kind::One(&["all"]), &Kind::List(&LABEL));

/// The whole file.
pub(super) const SCENARIO: Mapping = Mapping {
    description: "A multicluster Istio mesh on kind, its apps and its checks",
    fields: &[
        field("apiVersion", Kind::One(&["lab/v1"]), "Version of this format").default("lab/v1"),
        field("kind", Kind::One(&["Scenario"]), "Always Scenario").default("Scenario"),
        field("name", LABEL, "Name of the lab: a DNS label of at most 30 characters").required().example("two-network"),
        field(
            "mesh",
            Kind::Either(&Kind::One(&["none"]), &Kind::Mapping(&MESH)),
            "The mesh over all clusters; none: no Istio at all",
        ),
        field("dockerNetwork", Kind::Mapping(&DOCKER_NETWORK), DOCKER_NETWORK.description),
        field("images", Kind::Mapping(&IMAGES), IMAGES.description),
        field(
            "clusters",
            Kind::List(&Kind::Either(&LABEL, &Kind::Mapping(&CLUSTER))),
            "1 to 20 clusters, each a name or a mapping",
        )
        .required()
        .example("[\"c1\", \"c2\"]"),
        field("apps", Kind::List(&Kind::Entry(APPS)), "What runs in the clusters; without a mesh nothing by default")
            .default("[\"helloworld\", \"sleep\"]"),
        field("federation", Kind::Mapping(&FEDERATION), FEDERATION.description),
        field(
            "checks",
            Kind::Other(|| Each(OneKey::<RawCheck>::FORM).schema()),
            "What must hold for the verdict to be good; by default a rotation, if there is a mesh with helloworld and sleep",
        )
        .example("[\"rotation\", \"reachability\"]"),
    ],
};

/// `mesh`.
pub(super) const MESH: Mapping = Mapping {
    description: "The mesh over all clusters",
    fields: &[
        field("id", ANY_TEXT, "Istio's mesh ID").default("mesh1"),
        field("trustDomain", ANY_TEXT, "Trust domain of all clusters").default("cluster.local"),
        field(
            "topology",
            Kind::One(&["multi-primary", "primary-remote", "external"]),
            "Where istiod runs: in every cluster, in those that others name as primary, or in one cluster outside the mesh",
        )
        .default("multi-primary"),
        field("meshNetworks", Kind::Truth, "Whether networks and gateways are listed in Istio's meshNetworks, rather than found by labels")
            .default("false"),
        field("dnsCapture", Kind::Truth, "Whether sidecars answer DNS queries").default("false"),
        field("ingressGateway", Kind::Truth, "Whether every cluster of the mesh has an ingress gateway, with a route /hello to helloworld")
            .default("false"),
        field("ca", Kind::Mapping(&CA), CA.description),
        field("values", Kind::Free, "Istio's Helm values, merged over lab's own")
            .default("{}")
            .example("{\"pilot\": {\"traceSampling\": 100}}"),
    ],
};

/// `dockerNetwork`.
pub(super) const DOCKER_NETWORK: Mapping = Mapping {
    description: "The Docker network that all nodes are on",
    fields: &[
        field(
            "subnet",
            SUBNET,
            "Its IPv4 subnet; by default the /16 around the pools that the file fixes or, without any, a /20 that follows from the name",
        )
        .example("172.30.0.0/16"),
        field(
            "apiServerAddress",
            ANY_TEXT,
            "The IPv4 address of the engine's machine at which it publishes the API servers, where lab cannot reach its loopback; by default 127.0.0.1",
        )
        .example("172.17.0.1"),
    ],
};

/// `images`.
pub(super) const IMAGES: Mapping = Mapping {
    description: "Where images come from",
    fields: &[field("mirror", ANY_TEXT, "A registry that nodes pull every image from, as HOST:PORT")
        .example("registry.example:5000")],
};

/// An entry of `clusters`.
pub(super) const CLUSTER: Mapping = Mapping {
    description: "A kind cluster",
    fields: &[
        field("name", LABEL, "Name of the cluster: a DNS label of at most 20 characters").required().example("c1"),
        field("network", ANY_TEXT, "Istio's network; clusters with the same one share it. By default network-NAME").example("network-c1"),
        field("primary", LABEL, "The cluster whose istiod it uses; by default its own or, where the topology has remotes and no cluster names a primary, that of the first cluster")
            .example("c1"),
        field("podSubnet", SUBNET, "Addresses of pods; by default 10.101.0.0/16 for the first cluster, and so on").example("10.101.0.0/16"),
        field("serviceSubnet", SUBNET, "Addresses of services; by default 10.201.0.0/16 for the first cluster, and so on").example("10.201.0.0/16"),
        field("nodes", Kind::Mapping(&NODES), NODES.description),
        field("locality", Kind::Mapping(&LOCALITY), LOCALITY.description),
        field("loadBalancer", Kind::Either(&Kind::One(&["none"]), &Kind::Mapping(&LOAD_BALANCER)), LOAD_BALANCER.description),
    ],
};

/// `nodes` of a cluster.
pub(super) const NODES: Mapping = Mapping {
    description: "Its nodes",
    fields: &[field("workers", Kind::Number(0, 5), "Worker nodes besides the control plane").default("0")],
};

/// `locality` of a cluster.
pub(super) const LOCALITY: Mapping = Mapping {
    description: "Where its nodes are; by default they have no such labels",
    fields: &[
        field("region", ANY_TEXT, "Region").required().example("region1"),
        field("zone", ANY_TEXT, "Zone in the region").example("zone1"),
        field("subzone", ANY_TEXT, "Subzone in the zone").example("subzone1"),
    ],
};

/// `loadBalancer` of a cluster.
pub(super) const LOAD_BALANCER: Mapping = Mapping {
    description: "Its load balancer. With none, its gateway is a node port that the host publishes, which needs meshNetworks",
    fields: &[
        field(
            "pool",
            Kind::Text("^(auto|[0-9.]+-[0-9.]+|[0-9.]+/[0-9]+)$"),
            "Its addresses: auto, a range or a subnet",
        )
        .default("auto")
        .example("172.30.255.10-172.30.255.19"),
        field("addresses", Kind::Mapping(&ADDRESSES), ADDRESSES.description),
    ],
};

/// `loadBalancer.addresses` of a cluster.
pub(super) const ADDRESSES: Mapping = Mapping {
    description: "Fixed addresses; by default the first ones of the pool",
    fields: &[
        field("eastWestGateway", ADDRESS, "Of the gateway that takes traffic from other networks")
            .example("172.30.255.10"),
        field("ingressGateway", ADDRESS, "Of the gateway that takes traffic from outside").example("172.30.255.11"),
        field("istiod", ADDRESS, "Of an external control plane, in the cluster that hosts it").example("172.30.255.10"),
    ],
};
