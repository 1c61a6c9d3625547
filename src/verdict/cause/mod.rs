//! Why a call fails that everything on the way would let through: what Kubernetes and Istio have been told about the service. No I/O: the
//! objects of both clusters are given.

mod access;
mod gateway_api;
mod host;
mod network_policy;
mod object;
mod ports;
mod routes;
mod scope;
mod sides;
#[cfg(test)]
mod tests;
mod tls;

use std::net::SocketAddrV4;

use serde_json::Value;

use super::Finding;
use crate::scenario::Protocol;
pub use host::{HostFacts, has_host};
use object::{kubectl, named};
pub use ports::selects_nothing;
pub use sides::{Objects, alias_of, behind, endpoint_port, is_meant, target_port};

/// Root namespace of the mesh: what is configured there holds everywhere.
const ROOT_NAMESPACE: &str = "istio-system";

/// One side of a call: a pod, where it runs, and what is configured there.
#[derive(Clone, Debug)]
pub struct Side<'a> {
    /// Its cluster.
    pub cluster: &'a str,
    /// The cluster whose objects of Istio configure its Envoy.
    pub config: &'a str,
    /// The pod; null if there is none.
    pub pod: &'a Value,
    /// The called Service in its cluster; null if there is none.
    pub service: &'a Value,
    /// What its cluster has.
    pub here: &'a Objects,
    /// What the cluster has that configures its Envoy.
    pub rules: &'a Objects,
}

/// One call, with all that is configured about it.
#[derive(Clone, Debug)]
pub struct CallFacts<'a> {
    /// The lab, for the commands of remedies.
    pub lab: &'a str,
    /// The called Service.
    pub service: &'a str,
    /// Its namespace.
    pub namespace: &'a str,
    /// The port that is called.
    pub port: u16,
    /// The path that is asked for; empty where nothing has one.
    pub path: &'a str,
    /// What is spoken there.
    pub protocol: Protocol,
    /// Who calls.
    pub caller: Side<'a>,
    /// Who must answer.
    pub callee: Side<'a>,
    /// Where the call enters the other network; none on one network.
    pub gateway: Option<SocketAddrV4>,
    /// Whether it comes from outside: then the caller is the ingress gateway.
    pub enters: bool,
}

/// What explains that the call fails, the likeliest first. Nothing here is wrong by itself: a call that is answered has no cause.
#[must_use]
pub fn causes(call: &CallFacts<'_>) -> Vec<Finding> {
    let looks: [fn(&CallFacts<'_>) -> Option<Finding>; 22] = [
        ports::headless,
        ports::alias,
        scope::sidecar,
        scope::exported,
        scope::kept,
        ports::absent,
        ports::renamed,
        ports::unresolved,
        tls::bare_caller,
        tls::destination_rule,
        tls::peer_authentication,
        network_policy::egress,
        network_policy::ingress,
        access::denied,
        gateway_api::refused,
        routes::no_way_in,
        routes::fault,
        routes::unknown_subset,
        routes::elsewhere,
        ports::undeclared,
        ports::protocol,
        routes::hidden,
    ];
    looks.iter().filter_map(|look| look(call)).collect()
}

impl CallFacts<'_> {
    /// The full name of the service.
    fn host(&self) -> String {
        format!("{}.{}.svc.cluster.local", self.service, self.namespace)
    }

    /// `SERVICE.NAMESPACE`, for sentences.
    fn name(&self) -> String {
        format!("{}.{}", self.service, self.namespace)
    }

    fn crosses_networks(&self) -> bool {
        self.gateway.is_some()
    }

    fn crosses_clusters(&self) -> bool {
        self.caller.cluster != self.callee.cluster
    }

    fn caller_namespace(&self) -> &str {
        object::namespace(self.caller.pod)
    }

    /// The Service by which the caller's control plane knows this one: that of its own cluster comes first.
    fn known(&self) -> (&Value, &str) {
        let side = if self.caller.service.is_null() { &self.callee } else { &self.caller };
        (side.service, side.cluster)
    }

    /// The entry of the called port in a Service.
    fn port_of<'v>(&self, service: &'v Value) -> Option<&'v Value> {
        object::list(service, "/spec/ports").find(|p| p["port"] == self.port)
    }

    /// The port of the called pod.
    fn target_port(&self) -> Option<u16> {
        endpoint_port(self.known().0, self.callee.service, self.callee.pod, self.port)
    }

    /// A cause that lies in one object: what to change in it, and the command that shows it.
    fn blame(&self, cause: String, evidence: String, object: &Value, cluster: &str, change: &str) -> Finding {
        let remedy = format!("in {}, {change}; see it: {}", named(object, cluster), kubectl(self.lab, cluster, object));
        Finding { cause, evidence, remedy }
    }
}
