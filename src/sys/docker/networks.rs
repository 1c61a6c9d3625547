//! Docker networks.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use bollard::models::{Ipam, IpamConfig, NetworkCreateRequest};
use bollard::query_parameters::ListNetworksOptionsBuilder;
use ipnet::{Ipv4Net, Ipv6Net};

use super::{DockerError, Engine, EngineFacts, LAB_LABEL, ask, ignore_missing};
use crate::sys::host::{self, Host};
use crate::sys::routes::{WayOut, way_out};

/// The engine's option for most bytes of a packet on a network.
const MTU: &str = "com.docker.network.driver.mtu";

/// What a network without that option has.
const USUAL_MTU: u32 = 1500;

/// The network that the engine makes for itself.
const OWN: &str = "bridge";

/// An existing Docker network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Network {
    /// Its name.
    pub name: String,
    /// The lab that it belongs to, if any.
    pub lab: Option<String>,
    /// Its IPv4 subnets.
    pub subnets: Vec<Ipv4Net>,
    /// Its IPv6 subnets.
    pub ipv6_subnets: Vec<Ipv6Net>,
    /// IPv4 addresses of its bridge on the engine's machine; none if it has no bridge there.
    pub gateways: Vec<Ipv4Addr>,
    /// Most bytes of a packet on it.
    pub mtu: u32,
}

impl Network {
    /// Most bytes of a packet on a network beside these, on a machine whose way out carries `way_out`. A larger packet than that is split or, as TCP
    /// asks for, refused; and where a firewall swallows the refusal, a connection hangs.
    #[must_use]
    pub fn fitting_mtu(networks: &[Self], way_out: Option<u32>) -> u32 {
        let engine = networks.iter().find(|n| n.name == OWN).map_or(USUAL_MTU, |n| n.mtu);
        if engine != USUAL_MTU {
            // Somebody has set it for the engine.
            return engine;
        }
        way_out.map_or(engine, |way_out| way_out.min(engine))
    }

    /// Whether one of the networks has its bridge in the network namespace of this process, by an address of it.
    #[must_use]
    pub fn any_is_here(networks: &[Self]) -> bool {
        networks.iter().flat_map(|n| &n.gateways).any(|gateway| host::is_local((*gateway).into()))
    }

    /// The way out of the engine's machine, whose networks these are; none where that machine, or its network namespace, is not the one of this
    /// process.
    #[must_use]
    pub fn way_out(networks: &[Self], engine: &EngineFacts) -> Option<WayOut> {
        way_out().filter(|_| engine.is_on(&Host::read()) && Self::any_is_here(networks))
    }
}

/// What a network has of one family of addresses.
#[derive(Clone, Copy, Debug)]
pub struct Subnet<N, A> {
    /// All of its addresses.
    pub whole: N,
    /// Address of the bridge on the engine's machine.
    pub gateway: A,
    /// Docker deals addresses from here only.
    pub range: N,
}

impl<N: ToString, A: Into<IpAddr>> Subnet<N, A> {
    fn config(self) -> IpamConfig {
        IpamConfig {
            subnet: Some(self.whole.to_string()),
            gateway: Some(self.gateway.into().to_string()),
            ip_range: Some(self.range.to_string()),
            ..IpamConfig::default()
        }
    }
}

impl Engine {
    /// All networks of the engine.
    pub async fn networks(&self) -> Result<Vec<Network>, DockerError> {
        let options = ListNetworksOptionsBuilder::default().build();
        let all = ask("list networks", self.docker.list_networks(Some(options))).await?;
        Ok(all
            .into_iter()
            .map(|n| {
                let configs: Vec<IpamConfig> = n.ipam.and_then(|i| i.config).unwrap_or_default();
                let is_bridge = n.driver.as_deref() == Some("bridge");
                // Of its own first bridge an engine does not tell the gateway; there it is the first address too.
                let first = |c: &IpamConfig| c.subnet.as_ref()?.parse::<Ipv4Net>().ok()?.hosts().next();
                let gateway = |c: &IpamConfig| {
                    c.gateway.as_ref().map_or_else(|| first(c), |g| g.parse().ok()).filter(|_| is_bridge)
                };
                let mtu = n.options.as_ref().and_then(|o| o.get(MTU)?.parse().ok());
                Network {
                    mtu: mtu.unwrap_or(USUAL_MTU),
                    name: n.name.unwrap_or_default(),
                    lab: n.labels.and_then(|mut l| l.remove(LAB_LABEL)),
                    ipv6_subnets: configs.iter().filter_map(|c| c.subnet.as_ref()?.parse().ok()).collect(),
                    subnets: configs.iter().filter_map(|c| c.subnet.as_ref()?.parse().ok()).collect(),
                    gateways: configs.iter().filter_map(gateway).collect(),
                }
            })
            .collect())
    }

    /// Creates a lab's network of one subnet a family. `mtu` is most bytes of a packet.
    pub async fn create_network(
        &self,
        lab: &str,
        name: &str,
        subnet: Subnet<Ipv4Net, Ipv4Addr>,
        ipv6: Option<Subnet<Ipv6Net, Ipv6Addr>>,
        mtu: u32,
    ) -> Result<(), DockerError> {
        let what = match &ipv6 {
            None => format!("create network {name} with subnet {}", subnet.whole),
            Some(v6) => format!("create network {name} with subnets {} and {}", subnet.whole, v6.whole),
        };
        let request = NetworkCreateRequest {
            name: name.to_owned(),
            driver: Some("bridge".to_owned()),
            labels: Some(HashMap::from([(LAB_LABEL.to_owned(), lab.to_owned())])),
            options: Some(HashMap::from([
                ("com.docker.network.bridge.enable_ip_masquerade".into(), "true".into()),
                (MTU.to_owned(), mtu.to_string()),
            ])),
            ipam: Some(Ipam {
                config: Some(std::iter::once(subnet.config()).chain(ipv6.map(Subnet::config)).collect()),
                ..Ipam::default()
            }),
            enable_ipv6: ipv6.is_some().then_some(true),
            ..NetworkCreateRequest::default()
        };
        self.perform(what, self.docker.create_network(request)).await.map(|_| ())
    }

    /// Removes a network; that it is gone already is well.
    pub async fn remove_network(&self, name: &str) -> Result<(), DockerError> {
        let gone = async { ignore_missing(self.docker.remove_network(name).await) };
        self.perform(format!("remove network {name}"), gone).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_carries_no_more_than_the_way_out() {
        let fitting = |engine: Option<u32>, way_out| {
            let own = engine.map(|mtu| Network {
                name: OWN.to_owned(),
                lab: None,
                subnets: Vec::new(),
                ipv6_subnets: Vec::new(),
                gateways: Vec::new(),
                mtu,
            });
            Network::fitting_mtu(own.as_slice(), way_out)
        };
        assert_eq!(fitting(None, None), 1500);
        assert_eq!(fitting(Some(1500), Some(1400)), 1400);
        // What lies behind the next router may carry less than this machine's cable.
        assert_eq!(fitting(Some(1500), Some(9001)), 1500);
        // Whoever sets the engine knows why.
        assert_eq!((fitting(Some(9001), Some(1400)), fitting(Some(1300), None)), (9001, 1300));
    }
}
