//! `mesh`.

use super::super::form::{ANY_TEXT, Fields, Names, OneOf, Record, Truth, TruthOr, TruthOrNames, raw_names};
use super::super::model::{IngressGateways, Mesh, Topology};
use super::super::tree::{Located, Span};
use super::authority::{self, RawAuthority};
use super::values::{RawValues, Values};

/// As the file has it.
#[derive(Default)]
pub(in crate::scenario) struct RawMesh {
    pub id: Option<Located<String>>,
    pub trust_domain: Option<Located<String>>,
    pub existing: Option<Located<bool>>,
    pub topology: Option<Located<Topology>>,
    pub mesh_networks: Option<Located<bool>>,
    pub dns_capture: Option<Located<bool>>,
    pub access_logs: Option<Located<bool>>,
    pub ingress_gateway: Option<TruthOr<Names>>,
    pub ca: Option<Located<RawAuthority>>,
    pub values: Option<RawValues>,
}

const TOPOLOGY: OneOf<Topology> = OneOf {
    what: "topology",
    words: &[
        ("multi-primary", Topology::MultiPrimary),
        ("primary-remote", Topology::PrimaryRemote),
        ("external", Topology::External),
    ],
};

const INGRESS: TruthOrNames = TruthOrNames { expected: "`true`, `false` or a list of clusters" };

impl Record for RawMesh {
    const ABOUT: &'static str = "The mesh over all clusters";
    const INLINE: bool = false;

    fn fields(f: &mut Fields<Self>) {
        let topology = "Where istiod runs: in every cluster, in those that others name as primary, or in one cluster outside the mesh";
        let networks = "Whether networks and gateways are listed in Istio's meshNetworks, rather than found by labels";
        let ingress = "Whether the clusters of the mesh have an ingress gateway each, with a route /hello to helloworld; or which of them have one";
        f.field("id", ANY_TEXT, |r| &mut r.id, "Istio's mesh ID").default("mesh1");
        f.field("trustDomain", ANY_TEXT, |r| &mut r.trust_domain, "Trust domain of all clusters")
            .default("cluster.local");
        let existing = "Whether somebody else has installed the mesh: lab then looks at it, and changes nothing. Every cluster says where it is (`existing`)";
        f.field("existing", Truth, |r| &mut r.existing, existing).default("false").example("true");
        f.field("topology", TOPOLOGY, |r| &mut r.topology, topology).default("multi-primary");
        f.field("meshNetworks", Truth, |r| &mut r.mesh_networks, networks).default("false").example("true");
        f.field("dnsCapture", Truth, |r| &mut r.dns_capture, "Whether sidecars answer DNS queries")
            .default("false")
            .example("true");
        let logs = "Whether sidecars and gateways write a line for each call, which `lab trace` reads";
        f.field("accessLogs", Truth, |r| &mut r.access_logs, logs).default("false").example("true");
        f.field("ingressGateway", INGRESS, |r| &mut r.ingress_gateway, ingress).default("false").example("[c1]");
        f.part("ca", |r| &mut r.ca, "{ files: { rootCert: ca/root-cert.pem, rootKey: ca/root-key.pem } }");
        f.field("values", Values, |r| &mut r.values, "Istio's Helm values, merged over lab's own")
            .default("{}")
            .example("{ pilot: { traceSampling: 100 } }");
    }
}

/// The way back. Where clusters are in meshes of their own, these have the names and the domains.
pub(super) fn of(mesh: &Mesh, is_one: bool) -> RawMesh {
    let Mesh {
        id,
        trust_domain,
        existing,
        topology,
        mesh_networks,
        dns_capture,
        access_logs,
        ingress_gateway,
        ca,
        values,
        values_at: _,
    } = mesh;
    RawMesh {
        id: is_one.then(|| id.clone().into()),
        trust_domain: is_one.then(|| trust_domain.clone().into()),
        existing: existing.then(|| true.into()),
        topology: Some((*topology).into()),
        mesh_networks: Some((*mesh_networks).into()),
        dns_capture: Some((*dns_capture).into()),
        access_logs: Some((*access_logs).into()),
        ingress_gateway: Some(match ingress_gateway {
            IngressGateways::None => TruthOr::Truth(false),
            IngressGateways::All => TruthOr::Truth(true),
            IngressGateways::Of(clusters) => TruthOr::Value(raw_names(clusters)),
        }),
        ca: ca.as_ref().map(|ca| authority::of(ca).into()),
        values: Some(RawValues { value: values.clone(), span: Span::default(), at: String::new(), said: Vec::new() }),
    }
}
