//! Which gateways a cluster has, and their addresses.

use std::collections::BTreeSet;
use std::net::{Ipv4Addr, SocketAddrV4};

use serde_json::Value;

use super::{Lab, LabCluster, ResolveError};
use crate::scenario::layout::POOL_SIZE;
use crate::scenario::{App, Gateway};

/// Node port of the first cluster's published east-west gateway. Kubernetes' range for node ports begins at 30000.
const PUBLISHED_PORT: u16 = 31443;

/// Annotations by which a Service asks `MetalLB` for addresses, the newer name first.
const ASKS: [&str; 2] = ["metallb.io/loadBalancerIPs", "metallb.universe.tf/loadBalancerIPs"];

/// Gives each gateway that the topology asks for its address, and keeps one for each that the cluster may get later, so that neither a Service
/// nor another gateway has it by then. What the scenario's Services ask for by address is stepped over.
pub(super) fn assign(lab: &mut Lab) -> Result<(), ResolveError> {
    let wanted: Vec<Wanted> = lab.clusters.iter().map(|c| Wanted::of(lab, c)).collect();
    let host = lab.docker_network.gateway;
    for ((cluster, wanted), port) in lab.clusters.iter_mut().zip(wanted).zip(PUBLISHED_PORT..) {
        let Some(pool) = cluster.pool else {
            if cluster.brought.is_some() {
                cluster.awaited = wanted.now.into_iter().collect();
                continue;
            }
            let is_published = wanted.now.contains(&Gateway::EastWestGateway);
            cluster.published_gateway = is_published.then(|| SocketAddrV4::new(host, port));
            continue;
        };
        for gateway in wanted.possible {
            if let Some(address) = cluster.addresses.get(&gateway) {
                if let Some((object, _)) = wanted.asked.iter().find(|(_, asked)| asked == address) {
                    let (object, cluster) = (object.clone(), cluster.name.clone());
                    return Err(ResolveError::Asked { object, address: *address, cluster, gateway: gateway.title() });
                }
                continue;
            }
            let is_now = wanted.now.contains(&gateway);
            // In a small pool an address that nobody has yet would be missed, as in one that is not lab's.
            if !is_now && (pool.size() < POOL_SIZE || cluster.brought.is_some()) {
                continue;
            }
            let taken: BTreeSet<Ipv4Addr> =
                cluster.kept_addresses().chain(wanted.asked.iter().map(|(_, a)| *a)).collect();
            let free = (pool.first.to_bits()..=pool.last.to_bits()).map(Ipv4Addr::from_bits);
            match free.into_iter().find(|a| !taken.contains(a)) {
                Some(free) if is_now => _ = cluster.addresses.insert(gateway, free),
                Some(free) => _ = cluster.reserved.insert(gateway, free),
                None if is_now => {
                    let cluster = cluster.name.clone();
                    return Err(ResolveError::PoolFull { pool, cluster, gateway: gateway.title() });
                }
                None => {}
            }
        }
    }
    Ok(())
}

/// What of a cluster wants addresses.
struct Wanted {
    /// The gateways that the topology asks for.
    now: Vec<Gateway>,
    /// Those that it may ask for when the lab grows, too, in the order in which they get addresses.
    possible: Vec<Gateway>,
    /// Services of the scenario, with the addresses that they ask for.
    asked: Vec<(String, Ipv4Addr)>,
}

impl Wanted {
    fn of(lab: &Lab, cluster: &LabCluster) -> Self {
        let asked = asked(lab, cluster);
        if !lab.has_istio(cluster) {
            return Self { now: Vec::new(), possible: Vec::new(), asked };
        }
        if lab.is_host(cluster) {
            return Self { now: vec![Gateway::Istiod], possible: vec![Gateway::Istiod], asked };
        }
        let is_now = |gateway: &Gateway| match gateway {
            Gateway::EastWestGateway => lab.is_multi_network() || lab.exposes_istiod(cluster),
            Gateway::IngressGateway => lab.mesh.ingress_gateway.has(&cluster.name),
            Gateway::Istiod => true,
        };
        // Only a scenario that fixes it asks for an address of istiod's own.
        let istiod = cluster.addresses.contains_key(&Gateway::Istiod).then_some(Gateway::Istiod);
        let possible: Vec<Gateway> =
            [Gateway::EastWestGateway, Gateway::IngressGateway].into_iter().chain(istiod).collect();
        Self { now: possible.iter().copied().filter(is_now).collect(), possible, asked }
    }
}

/// The Services of the scenario in a cluster, each with an address that it asks for.
fn asked(lab: &Lab, cluster: &LabCluster) -> Vec<(String, Ipv4Addr)> {
    let manifests = lab.apps.iter().filter_map(|app| if let App::Manifests(m) = app { Some(m) } else { None });
    let services = manifests.filter(|m| m.is_in(&cluster.name)).flat_map(|m| &m.objects).filter(|o| is_balanced(o));
    services
        .flat_map(|service| {
            let metadata = &service["metadata"];
            let namespace = metadata["namespace"].as_str().unwrap_or("default");
            let name = format!("Service {namespace}/{}", metadata["name"].as_str().unwrap_or_default());
            let annotated = ASKS.iter().map(|key| &metadata["annotations"][*key]);
            let texts: Vec<&str> =
                annotated.chain([&service["spec"]["loadBalancerIP"]]).filter_map(Value::as_str).collect();
            let addresses = texts.into_iter().flat_map(|t| t.split(',')).filter_map(|a| a.trim().parse().ok());
            addresses.map(|a| (name.clone(), a)).collect::<Vec<_>>()
        })
        .collect()
}

/// Whether an object is a Service that wants a load balancer's address.
fn is_balanced(object: &Value) -> bool {
    object["kind"] == "Service" && object["spec"]["type"] == "LoadBalancer"
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::resolve;
    use crate::scenario::parse;

    /// A mesh of a primary with an address for its istiod in a pool of three, and a remote.
    const HOSTED: &str = "name: demo
mesh: { topology: primary-remote, ingressGateway: [c1] }
dockerNetwork: { subnet: 172.24.0.0/20 }
clusters:
  - { name: c1, network: n1, loadBalancer: { pool: 172.24.15.71-172.24.15.73, addresses: { istiod: 172.24.15.71 } } }
  - { name: c2, network: n2, primary: c1 }
";

    fn resolved(text: &str) -> Result<Lab, ResolveError> {
        resolve(&parse(text, "lab.yaml").expect("a scenario"))
    }

    /// The gateways that each cluster of a lab has, with their addresses.
    fn gateways(text: &str) -> Vec<Vec<String>> {
        let of = |c: &LabCluster| c.addresses.iter().map(|(gateway, a)| format!("{} {a}", gateway.title())).collect();
        resolved(text).expect("a lab").clusters.iter().map(of).collect()
    }

    #[test]
    fn a_primary_that_others_use_may_have_an_address_for_istiod() {
        assert_eq!(
            gateways(HOSTED),
            [
                vec!["east-west gateway 172.24.15.72", "ingress gateway 172.24.15.73", "istiod 172.24.15.71"],
                vec!["east-west gateway 172.24.15.20"],
            ]
        );
        // On one network nothing but a primary without such an address needs a gateway.
        let flat = HOSTED.replace("n2", "n1");
        assert_eq!(gateways(&flat)[0], ["ingress gateway 172.24.15.72", "istiod 172.24.15.71"]);
        let exposed = flat.replace("istiod: 172.24.15.71", "");
        assert_eq!(gateways(&exposed)[0], ["east-west gateway 172.24.15.71", "ingress gateway 172.24.15.72"]);
    }

    #[test]
    fn no_service_of_the_scenario_has_the_address_of_istiod() {
        let service = "apps: [manifests: { clusters: [c1], objects: [{ apiVersion: v1, kind: Service, metadata: { name: edge }, spec: { type: LoadBalancer, loadBalancerIP: 172.24.15.71 } }] }]\n";
        let wide = HOSTED.replace("pool: 172.24.15.71-172.24.15.73, ", "");
        let error = resolved(&format!("{wide}{service}")).expect_err("both want one address");
        assert!(error.to_string().contains("fixed for the istiod of cluster `c1`"), "{error}");
    }
}
