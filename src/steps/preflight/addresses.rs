//! Addresses and names that something else may have taken.

use super::super::StepError;
use crate::plan::Lab;
use crate::scenario::layout::overlap;
use crate::sys::docker::Engine;
use crate::sys::routes::routes;

/// Refuses when the lab's addresses or names are taken by something else.
pub(super) async fn check(lab: &Lab, engine: &Engine) -> Result<(), StepError> {
    let wanted = &lab.docker_network;
    let networks = engine.networks().await?;
    let exists = networks.iter().any(|n| n.name == wanted.name);
    for network in networks.iter().filter(|n| n.name != wanted.name) {
        if let Some(subnet) = network.subnets.iter().find(|s| overlap(**s, wanted.subnet)) {
            let owner = network.lab.as_ref().map_or_else(String::new, |l| format!(" of lab {l}"));
            return Err(StepError::Machine {
                problem: format!(
                    "the lab's Docker network {} overlaps {subnet} of Docker network {}{owner}",
                    wanted.subnet, network.name
                ),
                remedy: format!(
                    "set dockerNetwork.subnet in the scenario to a free range, or remove that network{}",
                    network.lab.as_ref().map_or_else(String::new, |l| format!(" with `lab down {l}`"))
                ),
            });
        }
    }
    // When the network exists, the host has a route to it: its own.
    if !exists && let Some(route) = routes().into_iter().find(|r| overlap(r.destination, wanted.subnet)) {
        return Err(StepError::Machine {
            problem: format!(
                "the lab's Docker network {} overlaps the host's route to {} by {}",
                wanted.subnet, route.destination, route.interface
            ),
            remedy: "set dockerNetwork.subnet in the scenario to a range that the host does not use".to_owned(),
        });
    }
    let own: Vec<String> = engine.nodes(Some(&lab.name)).await?.into_iter().map(|n| n.name).collect();
    for cluster in &lab.clusters {
        let nodes = engine.kind_nodes(&cluster.kind_name).await?;
        if let Some(node) = nodes.iter().find(|n| !own.contains(n)) {
            return Err(StepError::Machine {
                problem: format!("a kind cluster named {} exists that lab did not make ({node})", cluster.kind_name),
                remedy: format!(
                    "give the lab another name with --name, or remove it with `kind delete cluster --name {}`",
                    cluster.kind_name
                ),
            });
        }
    }
    Ok(())
}
