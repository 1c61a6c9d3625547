//! Clusters that lab did not make, in a mesh of lab's own. Pure.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Gateway, Lab, LabCluster};
use crate::scenario::{Existing, is_loopback};

/// How a cluster is reached that lab did not make.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Brought {
    /// The file that says how its API server is reached.
    pub kubeconfig: String,
    /// The context in it.
    pub context: String,
    /// Where pods of the other clusters reach its API server: as the scenario says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub server: Option<String>,
    /// The same as the kubeconfig has it, which counts where the scenario says nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub found_server: Option<String>,
}

impl Brought {
    /// As the scenario says it.
    #[must_use]
    pub fn of(existing: &Existing) -> Self {
        let Existing { kubeconfig, context, server, .. } = existing.clone();
        Self { kubeconfig, context, server, found_server: None }
    }

    /// The way back.
    #[must_use]
    pub fn said(&self) -> Existing {
        Existing {
            kubeconfig: self.kubeconfig.clone(),
            context: self.context.clone(),
            server: self.server.clone(),
            cluster_id: None,
            revision: None,
            east_west_gateway: None,
            ingress_gateway: None,
        }
    }

    /// Where pods of the other clusters reach its API server, as far as that is known.
    #[must_use]
    pub fn server(&self) -> Option<&str> {
        self.server.as_deref().or(self.found_server.as_deref())
    }

    /// The same, in words where it is not known.
    pub(super) fn server_in_words(&self) -> String {
        self.server().map_or_else(|| format!("as context {} of {} says", self.context, self.kubeconfig), str::to_owned)
    }

    /// Whether other machines cannot reach the API server where the kubeconfig says that it is.
    #[must_use]
    pub fn is_loopback(&self) -> bool {
        self.server.is_none() && self.found_server.as_deref().is_some_and(is_loopback)
    }
}

impl LabCluster {
    /// Whether lab makes the cluster.
    #[must_use]
    pub fn is_made(&self) -> bool {
        self.existing.is_none() && self.brought.is_none()
    }

    /// The kubeconfig and the context that lead to a cluster that lab did not make.
    #[must_use]
    pub fn place(&self) -> Option<(&str, &str)> {
        let found = self.existing.as_ref().map(|e| (e.kubeconfig.as_str(), e.context.as_str()));
        found.or_else(|| self.brought.as_ref().map(|b| (b.kubeconfig.as_str(), b.context.as_str())))
    }

    /// Whether it has a gateway, be its address known or not.
    #[must_use]
    pub fn has(&self, gateway: Gateway) -> bool {
        let is_published = gateway == Gateway::EastWestGateway && self.published_gateway.is_some();
        self.addresses.contains_key(&gateway) || self.awaited.contains(&gateway) || is_published
    }

    /// The address that a gateway's Service asks for; none where it takes what it is given.
    #[must_use]
    pub fn asked_address(&self, gateway: Gateway) -> Option<&Ipv4Addr> {
        self.addresses.get(&gateway).filter(|_| !self.awaited.contains(&gateway))
    }

    /// The gateways whose addresses are not known yet, in words.
    pub fn unknown_addresses(&self) -> impl Iterator<Item = String> {
        let unknown = self.awaited.iter().filter(|gateway| !self.addresses.contains_key(gateway));
        unknown.map(|gateway| format!("{} known after up", gateway.title()))
    }
}

impl Lab {
    /// Whether the mesh is lab's own, in clusters that it did not make.
    #[must_use]
    pub fn is_brought(&self) -> bool {
        self.clusters.iter().any(|cluster| cluster.brought.is_some())
    }

    /// Whether lab makes the machines, for which it takes an engine.
    #[must_use]
    pub fn makes_machines(&self) -> bool {
        !self.is_existing() && !self.is_brought()
    }

    /// The lab with addresses that its clusters' load balancers have given, by cluster.
    #[must_use]
    pub fn with_seen(&self, seen: &BTreeMap<String, BTreeMap<Gateway, Ipv4Addr>>) -> Self {
        let mut lab = self.clone();
        for cluster in &mut lab.clusters {
            for gateway in cluster.awaited.clone() {
                match seen.get(&cluster.name).and_then(|of_cluster| of_cluster.get(&gateway)) {
                    Some(address) => _ = cluster.addresses.insert(gateway, *address),
                    None => _ = cluster.addresses.remove(&gateway),
                }
            }
        }
        lab
    }

    /// Takes over the addresses that load balancers had given before.
    pub(super) fn keep_seen(&mut self, old: &Self) {
        if self.is_brought() {
            let seen = old.clusters.iter().map(|c| (c.name.clone(), c.addresses.clone())).collect();
            *self = self.with_seen(&seen);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::{Action, Plan, resolve, resolve_again, scenario_yaml};
    use crate::scenario::parse;

    const TWO: &str = "name: demo
versions: { istio: '1.31' }
clusters:
  - { name: c1, existing: { kubeconfig: /k, context: east } }
  - { name: c2, existing: { kubeconfig: /k, context: west, server: 'https://west:6443' }, loadBalancer: { pool: 192.168.7.10-192.168.7.12 } }
";

    fn lab() -> Lab {
        resolve(&parse(TWO, "x").expect("a scenario")).expect("a lab")
    }

    #[test]
    fn a_plan_without_machines_has_all_else() {
        let plan = Plan::of(&lab());
        let ids: Vec<&str> = plan.steps.iter().map(|s| s.id.0.as_str()).collect();
        for none in ["docker-network", "cluster/c1", "node-network/c1", "metallb/c1", "address-pool/c1"] {
            assert!(!ids.contains(&none), "{ids:?}");
        }
        for some in ["images", "root-ca", "metallb/c2", "east-west-gateway/c1", "remote-secret/c2/c1", "sidecars/c1"] {
            assert!(ids.contains(&some), "{ids:?}");
        }
        assert!(plan.steps.iter().flat_map(|s| &s.needs).all(|need| plan.step(need).is_some()));
        assert!(plan.steps.iter().any(|s| matches!(s.action, Action::Verify)));
    }

    #[test]
    fn an_address_that_a_load_balancer_gives_is_known_afterwards() {
        let lab = lab();
        let (c1, c2) = (&lab.clusters[0], &lab.clusters[1]);
        assert!(c1.has(Gateway::EastWestGateway) && c1.east_west_endpoint().is_none());
        assert_eq!(c1.unknown_addresses().collect::<Vec<_>>(), ["east-west gateway known after up"]);
        assert_eq!(c2.asked_address(Gateway::EastWestGateway), Some(&Ipv4Addr::new(192, 168, 7, 10)));
        let address = Ipv4Addr::new(10, 0, 0, 7);
        let up = lab.with_seen(&[("c1".to_owned(), [(Gateway::EastWestGateway, address)].into())].into());
        assert_eq!(up.clusters[0].east_west_endpoint().map(|e| *e.ip()), Some(address));
        assert_eq!(up.clusters[0].asked_address(Gateway::EastWestGateway), None, "nobody asks for it");
        assert_eq!(up.clusters[1], lab.clusters[1]);
        let again = resolve_again(&parse(TWO, "x").expect("a scenario"), &up).expect("a lab");
        assert_eq!(again, up);
        let written = resolve(&parse(&scenario_yaml(&up), "x").expect("a scenario")).expect("a lab");
        assert_eq!(written, lab, "the file says what is asked for");
    }

    #[test]
    fn a_server_that_only_this_machine_reaches_is_known() {
        let with = |found: &str, said: Option<&str>| Brought {
            kubeconfig: "/k".to_owned(),
            context: "a".to_owned(),
            server: said.map(str::to_owned),
            found_server: Some(found.to_owned()),
        };
        for loopback in
            ["https://127.0.0.1:40123", "https://localhost:6443/", "https://[::1]:6443", "https://0.0.0.0:1"]
        {
            assert!(with(loopback, None).is_loopback(), "{loopback}");
            assert!(!with(loopback, Some("https://c1:6443")).is_loopback());
        }
        assert!(!with("https://10.0.0.1:6443", None).is_loopback() && !with("https://api.example", None).is_loopback());
        assert_eq!(with("https://a:1", Some("https://b:2")).server(), Some("https://b:2"));
    }
}
