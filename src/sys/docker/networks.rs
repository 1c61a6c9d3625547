//! Docker networks.

use std::collections::HashMap;
use std::net::Ipv4Addr;

use bollard::models::{Ipam, IpamConfig, NetworkCreateRequest};
use bollard::query_parameters::ListNetworksOptionsBuilder;
use ipnet::Ipv4Net;

use super::{DockerError, Engine, LAB_LABEL, ask, ignore_missing};

/// An existing Docker network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Network {
    /// Its name.
    pub name: String,
    /// The lab that it belongs to, if any.
    pub lab: Option<String>,
    /// Its IPv4 subnets.
    pub subnets: Vec<Ipv4Net>,
    /// Addresses of its bridge on the engine's machine; none if it has no bridge there.
    pub gateways: Vec<Ipv4Addr>,
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
                Network {
                    name: n.name.unwrap_or_default(),
                    lab: n.labels.and_then(|mut l| l.remove(LAB_LABEL)),
                    subnets: configs.iter().filter_map(|c| c.subnet.as_ref()?.parse().ok()).collect(),
                    gateways: configs.iter().filter_map(gateway).collect(),
                }
            })
            .collect())
    }

    /// Creates a lab's network. Docker deals addresses out of `range` only.
    pub async fn create_network(
        &self,
        lab: &str,
        name: &str,
        subnet: Ipv4Net,
        gateway: Ipv4Addr,
        range: Ipv4Net,
    ) -> Result<(), DockerError> {
        let request = NetworkCreateRequest {
            name: name.to_owned(),
            driver: Some("bridge".to_owned()),
            labels: Some(HashMap::from([(LAB_LABEL.to_owned(), lab.to_owned())])),
            options: Some(HashMap::from([("com.docker.network.bridge.enable_ip_masquerade".into(), "true".into())])),
            ipam: Some(Ipam {
                config: Some(vec![IpamConfig {
                    subnet: Some(subnet.to_string()),
                    gateway: Some(gateway.to_string()),
                    ip_range: Some(range.to_string()),
                    ..IpamConfig::default()
                }]),
                ..Ipam::default()
            }),
            ..NetworkCreateRequest::default()
        };
        let what = format!("create network {name} with subnet {subnet}");
        self.perform(what, self.docker.create_network(request)).await.map(|_| ())
    }

    /// Removes a network; that it is gone already is well.
    pub async fn remove_network(&self, name: &str) -> Result<(), DockerError> {
        let gone = async { ignore_missing(self.docker.remove_network(name).await) };
        self.perform(format!("remove network {name}"), gone).await
    }
}
