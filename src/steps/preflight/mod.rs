//! What must be true of the machine before anything is created. What is judged is in `judge`; here it is found out.

mod addresses;
mod judge;

use super::StepError;
use crate::plan::Lab;
use crate::sys::docker::{Engine, Node};
use crate::sys::docker_info::EngineFacts;
use crate::sys::host::{self, Host};
use judge::{Finding, Need};

/// Refuses a machine on which the lab cannot work, or whose addresses or names are taken. Gives back what may become a problem, a line each, for
/// the user to know.
pub async fn check(lab: &Lab, engine: &Engine) -> Result<Vec<String>, StepError> {
    let facts = engine.facts().await?;
    let mut findings = vec![
        judge::api_version(facts.version.as_deref(), facts.api_version.as_deref()),
        judge::clock(facts.clock_ahead),
    ];
    addresses::check(lab, engine).await?;
    let nodes = engine.nodes(None).await?;
    let own: Vec<&Node> = nodes.iter().filter(|n| n.lab == lab.name).collect();
    let runs = |cluster: &str| own.iter().any(|n| n.cluster == cluster && n.running);
    let exists = |cluster: &str| own.iter().any(|n| n.cluster == cluster);
    let need = Need::of(lab, runs, exists);
    let others = nodes.iter().filter(|n| n.running && n.lab != lab.name).count();
    findings.extend(resources(&facts, &Host::read(), need, u64::try_from(others).unwrap_or(0)));

    let mut warnings = Vec::new();
    for finding in findings.into_iter().flatten() {
        match finding {
            Finding::Warning(text) => warnings.push(text),
            Finding::Refusal { problem, remedy } => return Err(StepError::Machine { problem, remedy }),
        }
    }
    Ok(warnings)
}

/// What the machine has, against what the lab needs.
fn resources(facts: &EngineFacts, host: &Host, need: Need, others: u64) -> Vec<Option<Finding>> {
    // The kernel's files are about this machine, so they count only if the engine runs on it.
    if !judge::is_here(facts.kernel.as_deref(), facts.memory, host.kernel.as_deref(), host.memory_total) {
        return vec![judge::memory(facts.memory, need.memory, "the machine of the Docker engine has")];
    }
    let free = facts.root.as_deref().and_then(host::free_space);
    let root = facts.root.as_ref().map(|r| r.display().to_string()).unwrap_or_default();
    let mut findings = vec![
        judge::memory(host.memory_available, need.memory, "free on this machine are"),
        judge::disk(free, need.disk, &root),
        judge::ip_forward(host.ip_forward),
        judge::overlay(host.file_systems.as_deref(), host.loads_modules),
        judge::iptables(host.iptables.as_deref(), host.loads_modules),
    ];
    findings.extend(judge::inotify(host.inotify_instances, host.inotify_watches, need.nodes + others));
    findings
}
