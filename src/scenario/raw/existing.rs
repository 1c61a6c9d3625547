//! `existing`: a cluster that lab did not make.

use super::super::form::{ANY_TEXT, Fields, Record};
use super::super::model::{Existing, FoundGateway};
use super::super::tree::Located;

/// As the file has it.
#[derive(Default)]
pub(in crate::scenario) struct RawExisting {
    pub kubeconfig: Option<Located<String>>,
    pub context: Option<Located<String>>,
    pub server: Option<Located<String>>,
    pub cluster_id: Option<Located<String>>,
    pub revision: Option<Located<String>>,
    pub east_west: Option<Located<RawFoundGateway>>,
    pub ingress: Option<Located<RawFoundGateway>>,
}

impl Record for RawExisting {
    const ABOUT: &'static str = "A cluster that lab did not make. In a mesh that is `existing` lab looks at it (`lab inspect` writes this); otherwise it installs its mesh there";
    const INLINE: bool = false;

    fn fields(f: &mut Fields<Self>) {
        let file = "The kubeconfig that leads to it; a relative path is one from the scenario's directory";
        let id = "The ID by which Istio knows the cluster; by default its name";
        let server = "Where pods of the other clusters reach its API server, where that is not where the kubeconfig says; for a mesh of lab's own";
        let gateway = "{ service: istio-system/istio-eastwestgateway, address: \"172.30.255.10:15443\" }";
        f.field("kubeconfig", ANY_TEXT, |r| &mut r.kubeconfig, file).required().example("kubeconfig.yaml");
        f.field("context", ANY_TEXT, |r| &mut r.context, "The context in it").required().example("kind-c1");
        f.field("server", ANY_TEXT, |r| &mut r.server, server).example("https://c1-control-plane:6443");
        f.field("clusterId", ANY_TEXT, |r| &mut r.cluster_id, id).example("Kubernetes");
        f.field("revision", ANY_TEXT, |r| &mut r.revision, "Revision of its control plane; by default the one without")
            .example("1-31");
        f.part("eastWestGateway", |r| &mut r.east_west, gateway);
        f.part("ingressGateway", |r| &mut r.ingress, "{ service: istio-system/istio-ingressgateway }");
    }
}

/// A gateway in it.
#[derive(Default)]
pub(in crate::scenario) struct RawFoundGateway {
    pub service: Option<Located<String>>,
    pub address: Option<Located<String>>,
}

impl Record for RawFoundGateway {
    const ABOUT: &'static str = "A gateway that is there";

    fn fields(f: &mut Fields<Self>) {
        let address = "Where it is reached: HOST, or HOST:PORT where the port is not 15443";
        f.field("service", ANY_TEXT, |r| &mut r.service, "Its Service, as NAMESPACE/NAME")
            .required()
            .example("istio-system/istio-eastwestgateway");
        f.field("address", ANY_TEXT, |r| &mut r.address, address).example("172.30.255.10");
    }
}

/// The way back.
pub(super) fn of(existing: &Existing) -> RawExisting {
    let Existing { kubeconfig, context, server, cluster_id, revision, east_west_gateway, ingress_gateway } = existing;
    let gateway = |found: &FoundGateway| {
        let FoundGateway { service, address } = found.clone();
        RawFoundGateway { service: Some(service.into()), address: address.map(Into::into) }.into()
    };
    RawExisting {
        kubeconfig: Some(kubeconfig.clone().into()),
        context: Some(context.clone().into()),
        server: server.clone().map(Into::into),
        cluster_id: cluster_id.clone().map(Into::into),
        revision: revision.clone().map(Into::into),
        east_west: east_west_gateway.as_ref().map(gateway),
        ingress: ingress_gateway.as_ref().map(gateway),
    }
}
