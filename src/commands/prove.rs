//! `prove`: breaks a lab in every way that its plan knows, and looks whether the checks notice.

use std::time::{Duration, Instant};

use tokio_util::sync::CancellationToken;

use super::up::{Stopped, Up};
use crate::context::{LabContext, StepError, karmada_api};
use crate::exec::{Events, Progress};
use crate::observe::verify::Waits;
use crate::plan::{Action, Break, Damage, breaks};
use crate::sys::kube::{Cluster, Manifest};
use crate::verdict::{Noticed, Proof, Trial, Trialled, judged};

/// How long a break may take to be seen: proxies learn of most within seconds, and connections that are open carry on for a while.
const RED: Duration = Duration::from_secs(60);
/// How long a mended lab may take to be well.
const GREEN: Duration = Duration::from_secs(120);
/// Between two looks at a lab that is still green.
const PAUSE: Duration = Duration::from_secs(1);

/// The breaks of a lab whose words contain `only`, all without it.
#[must_use]
pub fn planned(ctx: &LabContext, only: Option<&str>) -> Vec<Break> {
    breaks(&ctx.lab).into_iter().filter(|b| only.is_none_or(|only| b.what.contains(only))).collect()
}

/// Makes these breaks one after the other, each in a lab that is well, and mends each.
///
/// # Errors
/// See [`Stopped`].
pub async fn run(
    up: &Up,
    planned: &[Break],
    is_whole: bool,
    events: &Events,
    interrupt: &CancellationToken,
) -> Result<Proof, Stopped> {
    let progress = &events.progress(&Action::Verify.id());
    progress.say("looking whether all is well before anything is broken");
    let before = up.until_well(Waits { retry: Duration::ZERO, settle: RED }, progress).await?;
    let mut trials = Vec::new();
    for (at, of) in planned.iter().enumerate() {
        progress.say(format!("{} of {}: {}", at + 1, planned.len(), of.what));
        trials.push(tokio::select! {
            trial = Box::pin(trial(up, of, progress, interrupt)) => trial?,
            () = interrupt.cancelled() => return Err(Stopped::Interrupted),
        });
    }
    Ok(Proof::of(&up.ctx.lab.name, &judged(&before), trials, is_whole))
}

async fn trial(up: &Up, of: &Break, progress: &Progress, interrupt: &CancellationToken) -> Result<Trial, Stopped> {
    let client = place(&up.ctx, of).await?;
    let start = Instant::now();
    damage(&client, &of.damage).await?;
    let mut noticed = Noticed::default();
    // A check that turns red before proxies have heard of all of it may be red for the wrong reason.
    while start.elapsed() < RED {
        noticed = Noticed::of(&up.judge_at_rest(Waits::default(), progress).await?, of);
        if noticed.outcome() == Trialled::Named && noticed.strays.is_empty() {
            break;
        }
        tokio::time::sleep(PAUSE).await;
    }
    let outcome = noticed.outcome();
    progress.note(format!("{}: {} after {:.0} s", of.what, in_words(outcome), start.elapsed().as_secs_f64()));
    let red_after = if outcome == Trialled::Unnoticed { 0.0 } else { start.elapsed().as_secs_f64() };
    let mut problems: Vec<String> =
        noticed.strays.iter().map(|stray| format!("{stray} turned red, which has nothing to do with it")).collect();

    let start = Instant::now();
    progress.say(format!("mending: {}", of.what));
    up.build(interrupt).await?;
    let after = up.judge_at_rest(Waits { retry: GREEN, settle: GREEN }, progress).await?;
    if !after.passed {
        problems.push(format!("the lab was not well {} s after it was mended", start.elapsed().as_secs()));
        return Err(Stopped::Failed(StepError::Failed {
            problem: format!("{}: {}", of.what, problems.join("; ")),
            remedy: format!("lab verify {0}; lab up {0} mends it", up.ctx.lab.name),
        }));
    }
    Ok(Trial {
        what: of.what.clone(),
        is_own: of.is_own,
        outcome,
        red: noticed.red,
        finding: noticed.finding,
        problems,
        red_after,
        green_after: start.elapsed().as_secs_f64(),
    })
}

fn in_words(outcome: Trialled) -> &'static str {
    match outcome {
        Trialled::Named => "red, and named",
        Trialled::Unnamed => "red, and not named",
        Trialled::Unnoticed => "still green",
    }
}

/// Where the objects of a cluster are: those for Karmada are in its own API.
async fn place(ctx: &LabContext, of: &Break) -> Result<Cluster, StepError> {
    let is_manager = ctx.lab.cluster(&of.cluster).is_some_and(|c| ctx.lab.is_manager(c));
    if is_manager { karmada_api::client(ctx).await } else { ctx.client(&of.cluster).await }
}

async fn damage(client: &Cluster, damage: &Damage) -> Result<(), StepError> {
    let object = |identity: &serde_json::Value| Manifest::from_values([identity.clone()]).map(|m| m.objects);
    match damage {
        Damage::Stopped { namespace, name } => client.scale(namespace, name, 0).await?,
        Damage::Deleted(identity) => {
            for object in object(identity)? {
                client.delete(&object).await?;
            }
        }
        Damage::Changed { identity, patch } => {
            for object in object(identity)? {
                client.merge(&object, patch).await?;
            }
        }
    }
    Ok(())
}
