//! `soak`: faults by a seed, one after the other, and a verdict after each.

use std::time::{Duration, Instant};

use tokio_util::sync::CancellationToken;

use super::up::{Stopped, Up};
use crate::exec::Progress;
use crate::observe::verify::{self, Waits};
use crate::plan::Draws;
use crate::scenario::{Fault, FaultExpect, ServiceUrl};
use crate::sys::process;
use crate::verdict::{Held, Round, Soak, endpoints};

/// How long the lab may take to be well after a fault.
const WELL: Duration = Duration::from_secs(120);

/// Breaks one thing after the other until that time is over. A lab that is not well after a fault ends it: what comes then would prove nothing.
///
/// # Errors
/// See [`Stopped`]. An interrupt is none: what was seen until then is told.
pub async fn run(
    up: &Up,
    (seed, span): (u64, Duration),
    service: &ServiceUrl,
    progress: &Progress,
    interrupt: &CancellationToken,
) -> Result<Soak, Stopped> {
    progress.say("looking whether all is well before anything is broken");
    let first = tokio::select! {
        first = Box::pin(up.until_well(Waits { retry: Duration::ZERO, settle: WELL }, progress)) => endpoints(&first?),
        () = interrupt.cancelled() => return Err(Stopped::Interrupted),
    };
    let start = Instant::now();
    let mut rounds: Vec<Round> = Vec::new();
    for (kind, seconds) in Draws::of(&up.ctx.lab, seed) {
        let at = start.elapsed();
        if at >= span || interrupt.is_cancelled() || rounds.last().is_some_and(|round| !round.problems.is_empty()) {
            break;
        }
        let fault = Fault { kind, seconds, service: service.clone(), expect: FaultExpect::default() };
        let round = async {
            let fault = Box::pin(verify::bear(&up.ctx, &fault, progress)).await?;
            let healed = Instant::now();
            let verdict = up.judge_at_rest(Waits { retry: WELL, settle: WELL }, progress).await?;
            let held = Held { memory: process::memory(), files: process::open_files() };
            let round = Round {
                at: at.as_secs_f64(),
                fault,
                well_after: healed.elapsed().as_secs_f64(),
                endpoints: endpoints(&verdict),
                held,
                problems: Round::problems(&verdict, &first),
            };
            Ok::<_, Stopped>(round)
        };
        let round = tokio::select! {
            round = Box::pin(round) => round?,
            () = interrupt.cancelled() => break,
        };
        progress.note(format!(
            "{:5.0} s  {}, for {seconds} s: {}",
            round.at,
            round.fault.fault,
            if round.passed() { "borne" } else { "not borne" }
        ));
        rounds.push(round);
    }
    let took = start.elapsed().as_secs_f64();
    Ok(Soak::of(&up.ctx.lab.name, (seed, span.as_secs()), took, interrupt.is_cancelled(), rounds))
}
