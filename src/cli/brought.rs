//! `lab up` and `lab down` in clusters that lab did not make.

use std::io::{IsTerminal as _, Write as _};
use std::path::Path;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::progress::shown;
use super::up::{Run, keep_source};
use super::{CliError, args, diff, down, eject, output};
use crate::commands::brought::{self, ClusterSurvey, Survey};
use crate::commands::diff::look;
use crate::commands::fixed;
use crate::commands::up::{Up, planned};
use crate::context::{LabContext, RunContext, StepError};
use crate::images::{ImagesError, having};
use crate::observe::verify::Waits;
use crate::plan::{Lab, StepId, refuse_changes};
use crate::sys::docker::Engine;
use crate::sys::kube::{one_context, server_of};
use crate::sys::state::{LabState, State};
use crate::sys::unfinished;

/// How many objects of others are told one by one.
const MOST_TAKEN: usize = 20;

/// Notes where the kubeconfigs are that a scenario in a directory names. None of them is read.
pub(super) fn locate(lab: &mut Lab, directory: &Path) {
    for brought in lab.clusters.iter_mut().filter_map(|c| c.brought.as_mut()) {
        let file = directory.join(&brought.kubeconfig);
        brought.kubeconfig = std::path::absolute(&file).unwrap_or(file).display().to_string();
    }
}

/// Notes where the API servers are by the kubeconfigs. What cannot be read is told by who uses it.
fn find_servers(lab: &mut Lab) {
    let clusters = lab.clusters.iter_mut().filter_map(|c| Some((c.name.clone(), c.brought.as_mut()?)));
    for (name, brought) in clusters {
        let text = one_context(Path::new(&brought.kubeconfig), &brought.context, &name);
        brought.found_server = text.ok().and_then(|text| server_of(&text));
    }
}

/// `lab up`.
pub(super) async fn up(
    args: &args::Up,
    state: &State,
    mut lab: Lab,
    interrupt: &CancellationToken,
) -> Result<(), CliError> {
    if args.remove {
        return Err(CliError::Usage {
            problem: format!("lab did not make the clusters of {}, so it removes none of them", lab.name),
            remedy: format!("`lab down {}` takes the lab out of all of them", lab.name),
        });
    }
    find_servers(&mut lab);
    let engine = Engine::none()?;
    let before = async {
        let lock = output::lock(state, &lab.name).await?;
        let existing = state.existing(&lab.name).ok();
        let mut choice = args.images;
        if let Some(existing) = &existing {
            if let Some(old) = existing.stored::<Lab>()? {
                refuse_other(&old, &lab)?;
                refuse_changes(&old, &lab, false)?;
            }
            choice = keep_source(existing, &lab, choice)?;
            fixed::refuse(&lab, existing).await.map_err(CliError::Before)?;
        }
        let choice = having(choice, lab.versions()).map_err(|e: ImagesError| CliError::Before(e.into()))?;
        // What the steps write that need no cluster goes into a copy, so that nothing is kept of what is refused.
        let scratch = unfinished::dir().map_err(CliError::write("a temporary directory"))?;
        let copy = LabState::at(scratch.path());
        if let Some(existing) = &existing {
            existing.copy_to(&copy)?;
        }
        let ctx = LabContext::new(lab.clone(), engine.clone(), copy);
        brought::reach(&ctx).await?;
        let looked = Up::new(RunContext::new(ctx, choice), Waits::default());
        if !args.dry_run {
            confirm(&looked.ctx, args.yes).await?;
        }
        let plan = planned(&lab, &looked.ctx.state)?;
        eject::prepare(&looked, &plan, interrupt).await?;
        let survey = Box::pin(brought::survey(&looked.ctx, &plan)).await?;
        let is_asked = args.dry_run && survey.clusters.iter().all(|c| c.missing.is_empty());
        let difference = if is_asked { Some(Box::pin(look(&looked.ctx, &plan)).await?) } else { None };
        Ok::<_, CliError>((lock, choice, survey, difference))
    };
    let (_lock, choice, survey, difference) = tokio::select! {
        before = Box::pin(before) => before?,
        () = interrupt.cancelled() => return Err(output::nothing_begun()),
    };
    if let Some(difference) = difference {
        return diff::told(&survey.difference(difference), args.output);
    }
    survey.clusters.iter().flat_map(ClusterSurvey::lines).for_each(|line| eprintln!("{line}"));
    refuse(&lab, &survey, args.adopt)?;
    let lab_state = state.lab(&lab.name)?;
    lab_state.store(&lab)?;
    brought::remember(&LabContext::new(lab.clone(), engine.clone(), lab_state)).await?;
    let run = Run { args, state, lab: &lab, engine: &engine, choice, interrupt };
    run.tell(run.build(Duration::ZERO).await?).await.map(|_| ())
}

/// Refuses to make a lab into one whose clusters are made by others, or the other way round.
pub(super) fn refuse_other(old: &Lab, new: &Lab) -> Result<(), CliError> {
    if (old.is_brought(), old.is_existing()) == (new.is_brought(), new.is_existing()) {
        return Ok(());
    }
    Err(CliError::Usage {
        problem: format!("there is a lab {} whose clusters are others", old.name),
        remedy: format!("give this one another name with --name, or remove that one: `lab down {}`", old.name),
    })
}

/// Asks whether clusters are meant that look as if others used them.
async fn confirm(ctx: &RunContext, is_confirmed: bool) -> Result<(), CliError> {
    let found = brought::in_use(ctx).await?;
    if found.is_empty() || is_confirmed {
        return Ok(());
    }
    for (cluster, reason) in &found {
        let place = ctx.cluster(cluster)?.place().map_or("", |(_, context)| context);
        eprintln!("{cluster}, context {place}: {reason}");
    }
    let names: Vec<&str> = found.iter().map(|(cluster, _)| cluster.as_str()).collect();
    let names = names.join(", ");
    if std::io::stdin().is_terminal() && std::io::stderr().is_terminal() {
        eprint!("lab installs Istio there, and `lab down {}` takes it out again. Type yes to go on: ", ctx.lab.name);
        let _ = std::io::stderr().flush();
        let mut answer = String::new();
        if std::io::stdin().read_line(&mut answer).is_ok() && answer.trim() == "yes" {
            return Ok(());
        }
    }
    Err(CliError::Usage {
        problem: format!("others seem to use {names}, as is written above"),
        remedy:
            "where these are the clusters that you mean, say so with --yes; `--dry-run` shows what would be made there"
                .to_owned(),
    })
}

/// Refuses what stands against an `up`.
fn refuse(lab: &Lab, survey: &Survey, adopts: bool) -> Result<(), CliError> {
    let lacking = survey.clusters.iter().filter(|c| !c.missing.is_empty());
    let lacking: Vec<&str> = lacking.map(|c| c.cluster.as_str()).collect();
    if !lacking.is_empty() {
        let missing = survey.clusters.iter().flat_map(|c| c.missing.iter().cloned()).collect();
        output::print(&brought::role(&lab.name, &missing))?;
        return Err(CliError::Before(StepError::Machine {
            problem: format!(
                "the kubeconfig's user lacks rights in {}: the ClusterRole on standard output has them",
                lacking.join(", ")
            ),
            remedy: format!(
                "have somebody who may apply it there, and bind it: kubectl create clusterrolebinding lab-{0} --clusterrole lab-{0} --user NAME",
                lab.name
            ),
        }));
    }
    let taken = || survey.clusters.iter().flat_map(|c| c.taken.iter().map(move |taken| (c, taken)));
    for (at, (cluster, taken)) in taken().enumerate().take(MOST_TAKEN) {
        if at == 0 {
            eprintln!(
                "{}",
                if adopts { "taken over, and given back by `lab down`:" } else { "there already, and not lab's:" }
            );
        }
        eprintln!("  {}  {}: {}", cluster.cluster, taken.object, taken.owner);
    }
    let count = taken().count();
    if count > MOST_TAKEN {
        eprintln!("  and {} more", count - MOST_TAKEN);
    }
    if let Some((cluster, first)) = taken().next().filter(|_| !adopts) {
        let more = if count > 1 { format!(", and {} more objects", count - 1) } else { String::new() };
        return Err(CliError::Usage {
            problem: format!("{} in {} exists and is not lab's ({}){more}", first.object, cluster.cluster, first.owner),
            remedy: "nothing was changed. Remove it or rename it where you know whose it is; where it is MetalLB's, leave `loadBalancer` out, and that MetalLB gives the addresses; `--adopt` has lab change it, and give it back with `lab down`".to_owned(),
        });
    }
    let refused = survey.clusters.iter().flat_map(|c| c.refused.iter().map(move |refused| (c, refused)));
    if let Some((cluster, (object, reason))) = refused.into_iter().next() {
        return Err(CliError::Before(StepError::Failed {
            problem: format!("the API server of {} would refuse {object}: {reason}", cluster.cluster),
            remedy: "nothing was changed; mend what it names, and run `lab up` again".to_owned(),
        }));
    }
    images(survey)
}

/// Tells the images that nodes have to pull, and refuses those that they cannot.
fn images(survey: &Survey) -> Result<(), CliError> {
    for (image, nodes) in &survey.pulled {
        eprintln!("image {image} is not in {}", nodes.join(", "));
    }
    let images: Vec<&str> = survey.unpublished().collect();
    if images.is_empty() {
        return Ok(());
    }
    Err(CliError::Before(StepError::Machine {
        problem: format!("nodes lack images that no registry has: {}", images.join(", ")),
        remedy: "push them to a registry of yours, from which the nodes can pull: `lab images push HOST:PORT`, then write `images: { mirror: \"HOST:PORT\" }`; or let the nodes pull upstream's: `--images registry`".to_owned(),
    }))
}

/// `lab down`: takes the lab out of its clusters.
pub(super) async fn leave(state: &State, name: &str) -> Result<(), CliError> {
    let start = std::time::Instant::now();
    let _lock = output::lock(state, name).await?;
    let ctx = output::open(name).await?;
    down::end_earlier(&ctx.state).await;
    let kept = shown(async |events| brought::leave(&ctx, &events.progress(&StepId("down".to_owned()))).await).await?;
    for line in kept {
        eprintln!("{line}");
    }
    state.existing(name)?.remove()?;
    eprintln!(
        "lab {name} is down after {:.1} s: what it had made in its clusters is removed; the clusters stay",
        start.elapsed().as_secs_f64()
    );
    Ok(())
}
