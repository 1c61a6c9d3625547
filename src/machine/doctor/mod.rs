//! `doctor`: whether a machine can carry a lab, looked at before there is one. What a lab needs is judged by `preflight`, for `lab up` as well; what
//! only somebody who has no lab yet wants to know, by `judge`.

mod judge;

use std::path::Path;

use ipnet::Ipv4Net;

use super::preflight::{self, addresses, judge as machine, mtu};
use crate::context::StepError;
use crate::images;
use crate::plan::Lab;
use crate::sys::docker::{Engine, EngineFacts, Network};
use crate::sys::host::{self, Host};
use crate::sys::process::is_root;
use crate::sys::routes::routes;
use crate::sys::words;
use crate::verdict::{Judgement, Raise};

/// Where labs choose their networks.
const USUAL: (std::net::Ipv4Addr, u8) = (std::net::Ipv4Addr::new(172, 24, 0, 0), 13);

/// Where the engine keeps its data unless it is told otherwise.
const ENGINE_ROOT: &str = "/var/lib/docker";

/// What is asked of the machine.
#[derive(Clone, Copy, Debug)]
pub struct Requirement<'a> {
    /// The lab that the machine must carry.
    pub lab: &'a Lab,
    /// Whether it is the user's, rather than one that stands for any: then its addresses and names count.
    pub is_planned: bool,
}

/// Judges this machine, and its engine if one answers.
///
/// # Errors
/// The engine stops answering, or lab's own cache cannot be used.
pub async fn look(requirement: Requirement<'_>) -> Result<Vec<Judgement>, StepError> {
    let engine = Engine::connect().await;
    let answering = engine.as_ref().ok();
    let settings = &requirement.lab.images;
    let (judged, told) = tokio::join!(
        async {
            match &engine {
                Ok(engine) => with_engine(requirement, engine).await,
                Err(error) => Ok(without_engine(requirement, error)),
            }
        },
        async {
            let sources = images::sources(settings, answering).await?;
            // Which tools a lab needs depends on where its images come from.
            let tools = images::tool_facts(settings, answering, sources.serving()).await?;
            Ok::<_, images::ImagesError>((sources, tools))
        },
    );
    let (mut judged, (sources, tools)) = (judged?, told?);
    judged.extend(tools.iter().map(judge::tool));
    judged.extend(judge::sources(&sources));
    Ok(judged)
}

async fn with_engine(requirement: Requirement<'_>, engine: &Engine) -> Result<Vec<Judgement>, StepError> {
    let lab = requirement.lab;
    let facts = engine.facts().await?;
    let mut judged = preflight::engine_itself(lab, &facts);
    judged.push(privileged(engine, &facts).await);
    judged.push(judge::cgroups(facts.cgroup_version.as_deref()));
    judged.extend(preflight::reach(lab, engine, &facts).await?);
    judged.extend(preflight::resources(lab, engine, &facts).await?);
    if requirement.is_planned {
        judged.extend(preflight::taken(lab, engine, &facts).await?);
    } else {
        let networks = engine.networks().await?;
        judged.push(addresses::usual(usual(), &networks, &routes()));
        judged.push(mtu::of_all(&networks, Network::way_out(&networks, &facts).as_ref()));
    }
    Ok(judged)
}

/// Whether nodes could start, by trying.
async fn privileged(engine: &Engine, facts: &EngineFacts) -> Judgement {
    let tried = engine.try_privileged(None).await.map_err(|e| {
        let cause = std::error::Error::source(&e).map(|c| format!(": {c}")).unwrap_or_default();
        format!("{e}{cause}")
    });
    judge::privileged(tried, facts, &Host::read().lacks_capabilities)
}

/// No engine answers: what the kernel says is taken for true of the one that will run here.
fn without_engine(requirement: Requirement<'_>, error: &crate::sys::docker::DockerError) -> Vec<Judgement> {
    let mut judged = vec![judge::no_engine(error)];
    let need = machine::Need::of(requirement.lab, |_| false, |_| false);
    let free = host::free_space(Path::new(ENGINE_ROOT)).or_else(|| host::free_space(Path::new("/var/lib")));
    judged.extend(preflight::here(&Host::read(), need, (free, ENGINE_ROOT), 0));
    // The bridges of an engine outlive it. What they are for, only it could tell.
    let mut routes = routes();
    routes.retain(|route| !["br-", "docker"].iter().any(|bridge| route.interface.starts_with(bridge)));
    if requirement.is_planned {
        judged.push(addresses::network(requirement.lab, &[], &routes));
        judged.push(addresses::inside(requirement.lab, &routes));
    } else {
        judged.push(addresses::usual(usual(), &[], &routes));
    }
    judged
}

fn usual() -> Ipv4Net {
    Ipv4Net::new_assert(USUAL.0, USUAL.1)
}

/// Raises the limits that are too low. Nothing else is ever touched. Gives a line for each: what was done, or why it could not be.
#[must_use]
pub fn fix(judged: &[Judgement]) -> Vec<String> {
    judged.iter().filter_map(|j| j.raise.as_ref()).map(raise).collect()
}

fn raise(Raise { limit, to }: &Raise) -> String {
    if !is_root() {
        return format!("{limit} was not raised to {to}: only root may, so run `lab doctor --fix` as root");
    }
    match host::raise(limit, *to) {
        Ok(before) if before < *to => format!("{limit}: {before} before, {to} now, until the next boot"),
        Ok(before) => format!("{limit} is {before} already"),
        Err(error) => format!("{limit} was not raised to {to}: {}", words::io_error(&error)),
    }
}
