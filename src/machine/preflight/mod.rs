//! What must be true of the machine before anything is created. What is judged is in `judge` and `addresses`; here it is found out.

pub(super) mod addresses;
mod faults;
mod flavour;
pub(super) mod judge;
pub(super) mod mtu;
mod reach;

use crate::context::StepError;
use crate::plan::Lab;
use crate::sys::docker::EngineFacts;
use crate::sys::docker::{Engine, Network, Node};
use crate::sys::host::{self, Host};
use crate::sys::routes::routes;
use crate::verdict::{Judgement, Level};
use judge::Need;

/// Refuses a machine on which the lab cannot work, or whose addresses or names are taken. Gives back what may become a problem, a line each, for
/// the user to know.
pub async fn check(lab: &Lab, engine: &Engine) -> Result<Vec<String>, StepError> {
    let facts = engine.facts().await?;
    let mut judged = engine_itself(lab, &facts);
    judged.extend(reach(lab, engine, &facts).await?);
    judged.extend(taken(lab, engine, &facts).await?);
    judged.extend(resources(lab, engine, &facts).await?);

    let mut warnings = Vec::new();
    for judgement in judged {
        match judgement.level {
            Level::Ok | Level::Unknown => {}
            Level::Warning => warnings.push(judgement.line()),
            Level::Failure => {
                let remedy = judgement.remedy.unwrap_or_default();
                return Err(StepError::Machine { problem: judgement.found, remedy });
            }
        }
    }
    Ok(warnings)
}

/// The engine's kind, version, clock and rights.
pub(super) fn engine_itself(lab: &Lab, facts: &EngineFacts) -> Vec<Judgement> {
    let engine = facts
        .podman
        .as_deref()
        .map_or_else(|| judge::engine(facts.version.as_deref(), facts.api_version.as_deref()), flavour::podman);
    let mut judged = vec![engine, judge::clock(facts.clock_ahead), flavour::rootless(lab, facts)];
    judged.extend(judge::authorities(&host::certificate_authorities()));
    judged
}

/// Whether lab will reach the API servers that the engine publishes and, if it calls them, the load balancers on the lab's network.
pub(super) async fn reach(lab: &Lab, engine: &Engine, facts: &EngineFacts) -> Result<Vec<Judgement>, StepError> {
    let host = Host::read();
    let networks = engine.networks().await?;
    let machine = engine.endpoint.machine();
    // Podman makes a bridge only while something is on it.
    let bridges = networks.iter().filter(|_| facts.podman.is_none());
    let engine = reach::Engine {
        is_elsewhere: machine.is_some_and(|name| !host::addresses_of(name).into_iter().any(host::is_local)),
        machine,
        shares_kernel: facts.is_on(&host),
        forwards: facts.desktop || facts.rootless,
        is_bridge_here: Network::any_is_here(&networks),
        gateway: bridges.flat_map(|n| &n.gateways).next().copied(),
    };
    let mut judged = vec![reach::api_servers(lab, &engine)];
    judged.extend(reach::ingress(lab, &engine));
    Ok(judged)
}

/// Whether the lab's addresses and names are taken by something else, and its network is as it must be.
pub(super) async fn taken(lab: &Lab, engine: &Engine, facts: &EngineFacts) -> Result<Vec<Judgement>, StepError> {
    let networks = engine.networks().await?;
    let routes = routes();
    let mut foreign = Vec::new();
    for cluster in &lab.clusters {
        let nodes = engine.kind_nodes(&cluster.kind_name).await?;
        foreign.extend(nodes.into_iter().map(|n| (cluster.kind_name.clone(), n)));
    }
    // Asked last: what an aborted run is still creating may come between, and is the lab's own.
    let own: Vec<String> = engine.nodes(Some(&lab.name)).await?.into_iter().map(|n| n.name).collect();
    foreign.retain(|(_, node)| !own.contains(node));
    Ok(vec![
        addresses::network(lab, &networks, &routes),
        mtu::of_lab(lab, &networks, Network::way_out(&networks, facts).as_ref()),
        addresses::inside(lab, &routes),
        addresses::names(&foreign),
    ])
}

/// What the machine has, against what the lab needs.
pub(super) async fn resources(lab: &Lab, engine: &Engine, facts: &EngineFacts) -> Result<Vec<Judgement>, StepError> {
    let nodes = engine.nodes(None).await?;
    let own: Vec<&Node> = nodes.iter().filter(|n| n.lab == lab.name).collect();
    let runs = |cluster: &str| own.iter().any(|n| n.cluster == cluster && n.running);
    let exists = |cluster: &str| own.iter().any(|n| n.cluster == cluster);
    let need = Need::of(lab, runs, exists);
    let others = nodes.iter().filter(|n| n.running && n.lab != lab.name).count();
    let host = Host::read();
    // The kernel's files are about this machine, so they count only if the engine runs on it.
    if !facts.is_on(&host) {
        let elsewhere = "the engine runs on another machine, whose limits and free disk cannot be told from here";
        return Ok(vec![
            judge::memory(facts.memory, need.memory, "the machine of the Docker engine has"),
            Judgement::unknown("kernel", elsewhere),
        ]);
    }
    let root = facts.root.as_ref().map(|r| r.display().to_string()).unwrap_or_default();
    let free = facts.root.as_deref().and_then(host::free_space);
    let mut judged = here(&host, need, (free, &root), u64::try_from(others).unwrap_or(0));
    judged.extend(faults::all(lab, &host));
    Ok(judged)
}

/// What this machine has. `disk` is what is free where the engine keeps its data, and `others` counts the nodes of other labs.
pub(super) fn here(host: &Host, need: Need, disk: (Option<u64>, &str), others: u64) -> Vec<Judgement> {
    let mut judged = vec![
        judge::memory(host.memory_available, need.memory, "free on this machine are"),
        judge::disk(disk.0, need.disk, disk.1),
        judge::ip_forward(host.ip_forward),
        judge::overlay(host.file_systems.as_deref(), host.loads_modules),
        judge::iptables(host.iptables.as_deref(), host.loads_modules),
    ];
    judged.extend(judge::inotify(host.inotify_instances, host.inotify_watches, need.nodes + others));
    judged
}
