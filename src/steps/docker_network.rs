//! `docker-network`: the lab's own bridge, made once and before any cluster, since two kind processes that make it at once clash.

use super::step::{Custom, Step};
use crate::context::{RunContext, StepError};
use crate::plan::Lab;
use crate::sys::docker::{DockerError, Engine, Network, Subnet};

pub(super) const STEP: Step =
    Step::Custom(Custom { is_satisfied: |ctx, _| Box::pin(is_satisfied(ctx)), run: |ctx, _, _| Box::pin(run(ctx)) });

pub(crate) async fn is_satisfied(ctx: &RunContext) -> Result<bool, StepError> {
    let wanted = &ctx.lab.docker_network;
    let Some(found) = ctx.engine.networks().await?.into_iter().find(|n| n.name == wanted.name) else {
        return Ok(false);
    };
    let foreign = |reason: String| StepError::Docker(DockerError::ForeignNetwork { name: wanted.name.clone(), reason });
    if found.lab.as_deref() != Some(ctx.lab.name.as_str()) {
        return Err(foreign("it was not made by lab".to_owned()));
    }
    if found.subnets != [wanted.subnet] {
        let subnets: Vec<String> = found.subnets.iter().map(ToString::to_string).collect();
        return Err(foreign(format!("its subnet is {}, not {}", subnets.join(", "), wanted.subnet)));
    }
    if found.ipv6_subnets != Vec::from_iter(wanted.ipv6_subnet) {
        let or_none = |subnets: &[ipnet::Ipv6Net]| {
            let all: Vec<String> = subnets.iter().map(ToString::to_string).collect();
            if all.is_empty() { "none".to_owned() } else { all.join(", ") }
        };
        let (is, must) = (or_none(&found.ipv6_subnets), or_none(wanted.ipv6_subnet.as_slice()));
        return Err(foreign(format!("its IPv6 subnet is {is}, not {must}")));
    }
    if let Some(mtu) = wanted.mtu.filter(|mtu| u32::from(*mtu) != found.mtu) {
        return Err(foreign(format!("its MTU is {}, not {mtu}", found.mtu)));
    }
    Ok(true)
}

async fn run(ctx: &RunContext) -> Result<bool, StepError> {
    make(&ctx.engine, &ctx.lab).await?;
    Ok(true)
}

/// Makes the network of a lab.
pub(crate) async fn make(engine: &Engine, lab: &Lab) -> Result<(), StepError> {
    let network = &lab.docker_network;
    let subnet = Subnet { whole: network.subnet, gateway: network.gateway, range: network.node_range };
    let ipv6 = network.ipv6_subnet.zip(network.ipv6_gateway()).zip(network.ipv6_node_range());
    let ipv6 = ipv6.map(|((whole, gateway), range)| Subnet { whole, gateway, range });
    let mtu = mtu(engine, lab).await?;
    Ok(engine.create_network(&lab.name, &network.name, subnet, ipv6, mtu).await?)
}

/// Most bytes of a packet on the network of a lab.
pub(crate) async fn mtu(engine: &Engine, lab: &Lab) -> Result<u32, StepError> {
    let others = engine.networks().await?;
    let way_out = Network::way_out(&others, &engine.facts().await?).map(|way| way.mtu);
    Ok(lab.docker_network.mtu.map_or_else(|| Network::fitting_mtu(&others, way_out), u32::from))
}
