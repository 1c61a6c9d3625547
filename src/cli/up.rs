//! `lab up`.

use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::{CliError, args, diff, down, dump, output};
use crate::commands::fixed;
use crate::commands::up::Up;
use crate::context::run::leftovers;
use crate::context::{LabContext, RunContext, files};
use crate::exec::{Event, Events, execute};
use crate::images::{Choice, Source};
use crate::machine::preflight;
use crate::observe::verify::Waits;
use crate::plan::{Action, Lab, LabCluster, Plan};
use crate::report::{Style, follow};
use crate::scenario::Authority;
use crate::sys::docker::{Engine, Node};
use crate::sys::marked;
use crate::sys::state::{LabState, State};

/// How long endpoints may take to settle after everything is ready.
const SETTLE: Duration = Duration::from_secs(60);

/// Durations of the steps of the last run, in the lab's state.
pub(super) const TIMELINE_FILE: &str = "timeline.json";
/// All events of the last run, in the lab's state.
const EVENTS_FILE: &str = "events.jsonl";
/// What was done, run after run, in the lab's state.
const JOURNAL_FILE: &str = "journal.jsonl";

pub(super) async fn run(args: args::Up, interrupt: &CancellationToken) -> Result<(), CliError> {
    let state = State::open()?;
    let lab = output::load_file_or_lab(&args.scenario, args.name.as_deref(), interrupt).await?;
    if args.dry_run {
        return diff::tell(lab, args.images, args.output, interrupt).await;
    }
    let before = async {
        let engine = Engine::connect().await?;
        let told = || eprintln!("waiting: another lab process is working on {}", lab.name);
        let lock = state.lock(&lab.name, told).await?;
        let mut choice = args.images;
        if let Ok(existing) = state.existing(&lab.name) {
            if let Some(old) = existing.stored()? {
                refuse_changes(&old, &lab)?;
            }
            choice = keep_source(&existing, &lab, choice)?;
            fixed::refuse(&lab, &existing).await.map_err(CliError::Before)?;
        }
        // Also when the state that would tell it is lost.
        refuse_unnamed(&engine.nodes(Some(&lab.name)).await?, &lab)?;
        for warning in preflight::check(&lab, &engine).await? {
            eprintln!("warning: {warning}");
        }
        Ok::<_, CliError>((engine, lock, choice))
    };
    let (engine, _lock, choice) = tokio::select! {
        before = before => before?,
        () = interrupt.cancelled() => {
            return Err(CliError::Interrupted { remedy: "nothing was begun".to_owned() });
        }
    };
    let lab_state = state.lab(&lab.name)?;
    lab_state.store(&lab)?;
    down::end_earlier(&lab_state).await;
    for file in lab_state.forget_damaged()? {
        let lost = if file.starts_with("applied/") { "; what it named and the scenario does not may stay" } else { "" };
        eprintln!("warning: {} cannot be read, and is made anew{lost}", lab_state.path(&file).display());
    }
    marked::mark(lab_state.mark());

    let mut plan = Plan::of(&lab);
    for cluster in leftovers(&lab_state, &plan, &lab.clusters)? {
        plan.retire(&cluster);
    }
    if args.no_verify {
        plan.steps.retain(|s| s.action != Action::Verify);
    }
    let name = lab.name.clone();
    let ctx = RunContext::new(LabContext::new(lab, engine, lab_state.clone()), choice);
    let up = Up::new(ctx, Waits { retry: SETTLE, settle: SETTLE });
    let (events, receiver) = Events::channel();
    let (journal, written) = journal(receiver, lab_state.clone());
    let follower = tokio::spawn(follow(journal, Style::detect()));
    let finished = execute(&plan, &up, &events, interrupt).await;
    drop(events);
    let timeline = follower.await.unwrap_or_default();
    let _ = written.await;
    lab_state.write_json(TIMELINE_FILE, &timeline)?;

    eprintln!("\n{}", timeline.table());
    if finished.interrupted {
        return Err(CliError::Interrupted {
            remedy: format!("what was built so far is kept: `lab up` goes on from there, `lab down {name}` removes it"),
        });
    }
    if !finished.failures.is_empty() {
        dump::in_ci(&up.ctx).await;
        let failures = finished.failures.into_iter().map(|f| (f.title, f.error)).collect();
        return Err(CliError::Build { lab: name, failures });
    }
    if up.ctx.untold_changes() > 0 {
        eprintln!("and {} more objects changed; `lab diff` tells before an `up`", up.ctx.untold_changes());
    }
    let changed = if finished.changed { "up" } else { "up already, nothing changed" };
    eprintln!("lab {name} is {changed} after {:.1} s\n", finished.took.as_secs_f64());
    let Some(verdict) = up.verdict() else { return Ok(()) };
    let told = output::tell(verdict, args.output, args.junit.as_deref());
    if told.is_err() {
        dump::in_ci(&up.ctx).await;
    }
    told
}

/// What kind fixes when it makes a cluster cannot be changed afterwards, and no cluster may be forgotten.
pub(super) fn refuse_changes(old: &Lab, new: &Lab) -> Result<(), CliError> {
    let refuse = |what: String| {
        Err(CliError::Usage {
            problem: format!("lab {} exists, and {what}", new.name),
            remedy: format!("remove it first with `lab down {}`, or make another lab with --name", new.name),
        })
    };
    if old.docker_network.api_server_address != new.docker_network.api_server_address {
        return refuse("dockerNetwork.apiServerAddress would change".to_owned());
    }
    if old.docker_network != new.docker_network {
        let (old, new) = (old.docker_network.subnet, new.docker_network.subnet);
        return refuse(format!("its Docker network would change from {old} to {new}"));
    }
    if old.images != new.images {
        return refuse("images.mirror would change".to_owned());
    }
    let clusters = old.istio_clusters().map(|c| c.name.as_str());
    if let Some(change) = Authority::change(old.mesh.ca.as_ref(), new.mesh.ca.as_ref(), clusters) {
        return refuse(change);
    }
    if let Some(change) = federation_change(old, new) {
        return refuse(change);
    }
    for before in &old.clusters {
        let Some(after) = new.cluster(&before.name) else {
            return refuse(format!("the scenario no longer has its cluster {}", before.name));
        };
        let fixed = [
            ("podSubnet", before.pod_subnet.to_string(), after.pod_subnet.to_string()),
            ("serviceSubnet", before.service_subnet.to_string(), after.service_subnet.to_string()),
            ("nodes.workers", before.workers.to_string(), after.workers.to_string()),
            ("network", before.network.clone(), after.network.clone()),
            ("primary", before.primary.clone(), after.primary.clone()),
            ("loadBalancer", balanced(before), balanced(after)),
        ];
        if let Some((field, was, is)) = fixed.into_iter().find(|(_, was, is)| was != is) {
            return refuse(format!("{field} of its cluster {} would change from {was} to {is}", before.name));
        }
    }
    Ok(())
}

/// No cluster of the lab may be forgotten: whose containers are there is named by the scenario.
fn refuse_unnamed(nodes: &[Node], lab: &Lab) -> Result<(), CliError> {
    let unnamed: Vec<&Node> = nodes.iter().filter(|n| lab.cluster(&n.cluster).is_none()).collect();
    let Some(first) = unnamed.first() else { return Ok(()) };
    let names: Vec<&str> = unnamed.iter().map(|n| n.name.as_str()).collect();
    Err(CliError::Usage {
        problem: format!(
            "lab {} has containers of a cluster {} that the scenario does not name: {}",
            lab.name,
            first.cluster,
            names.join(", ")
        ),
        remedy: format!(
            "add cluster {} to the scenario, or remove the lab first with `lab down {}`, or make another lab with --name",
            first.cluster, lab.name
        ),
    })
}

/// What of a federation would change that cannot: Karmada is not moved, and no member leaves or is joined in another way.
fn federation_change(old: &Lab, new: &Lab) -> Option<String> {
    let before = old.federation.as_ref()?;
    let Some(after) = &new.federation else { return Some("the scenario no longer has its federation".to_owned()) };
    if before.manager != after.manager {
        return Some(format!(
            "the manager of its federation would change from {} to {}",
            before.manager, after.manager
        ));
    }
    before.members.iter().find_map(|member| match after.member(&member.cluster) {
        None => Some(format!("its cluster {} would no longer be a member of the federation", member.cluster)),
        Some(now) if now.mode != member.mode => {
            let (was, is) = (member.mode.as_str(), now.mode.as_str());
            Some(format!("the mode of its member {} would change from {was} to {is}", member.cluster))
        }
        Some(_) => None,
    })
}

/// Whether a cluster has a load balancer, as the scenario says it.
fn balanced(cluster: &LabCluster) -> String {
    if cluster.pool.is_some() { "a pool" } else { "none" }.to_owned()
}

/// A lab keeps the source of its images for life: its nodes hold them, and Istio's settings go with them.
pub(super) fn keep_source(state: &LabState, lab: &Lab, choice: Choice) -> Result<Choice, CliError> {
    let Some(source) = state.recall::<Source>(files::SOURCE)? else { return Ok(choice) };
    match (choice, source) {
        (Choice::Auto, Source::Registry) => Ok(Choice::Registry),
        (Choice::Auto, Source::Packages) => Ok(Choice::Packages),
        (Choice::Registry, Source::Registry) | (Choice::Packages, Source::Packages) => Ok(choice),
        _ => Err(CliError::Usage {
            problem: format!("lab {} exists, and its images are from {source}", lab.name),
            remedy: format!("leave --images out, or remove the lab first with `lab down {}`", lab.name),
        }),
    }
}

/// Writes events down while it passes them on: all of this run, and in the journal what ended.
fn journal(
    mut events: tokio::sync::mpsc::UnboundedReceiver<Event>,
    state: LabState,
) -> (tokio::sync::mpsc::UnboundedReceiver<Event>, tokio::task::JoinHandle<()>) {
    let (sender, receiver) = tokio::sync::mpsc::unbounded_channel();
    let written = tokio::spawn(async move {
        // A full disk must not end a run that works; the next write of state tells it.
        let _ = state.write(EVENTS_FILE, "");
        while let Some(event) = events.recv().await {
            if let Ok(line) = serde_json::to_string(&event) {
                let _ = state.append(EVENTS_FILE, &line);
                if matches!(event, Event::StepFinished { .. }) {
                    let _ = state.append(JOURNAL_FILE, &line);
                }
            }
            let _ = sender.send(event);
        }
    });
    (receiver, written)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cluster_whose_containers_are_there_is_not_forgotten() {
        let text = "name: x\nclusters: [c1]\n";
        let lab = crate::plan::resolve(&crate::scenario::parse(text, "x").expect("a scenario")).expect("a lab");
        let node = |cluster: &str| Node {
            name: format!("x-{cluster}-control-plane"),
            cluster: cluster.to_owned(),
            lab: "x".to_owned(),
            running: true,
            paused: false,
            status: "Up 3 minutes".to_owned(),
            address: None,
            networks: Vec::new(),
        };
        assert!(refuse_unnamed(&[node("c1")], &lab).is_ok());
        let refused = refuse_unnamed(&[node("c1"), node("c2")], &lab).expect_err("c2 is not named").to_string();
        assert!(refused.contains("a cluster c2 that the scenario does not name: x-c2-control-plane"), "{refused}");
    }
}
