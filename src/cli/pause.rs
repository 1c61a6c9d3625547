//! `lab pause` and `lab resume`.

use std::time::{Duration, Instant};

use super::progress::shown;
use super::{CliError, args, output};
use crate::commands::pause;
use crate::context::{LabContext, StepError};
use crate::exec::Events;
use crate::observe::verify::{self, Waits};
use crate::plan::Action;
use crate::scenario::{Check, Through};

/// How long the mesh may take to be well after it goes on: nodes that were away for long are given up by their control plane first.
const SETTLE: Duration = Duration::from_secs(60);

/// Says that a lab is paused, before something waits for an answer that cannot come.
pub(super) async fn refuse_paused(ctx: &LabContext) -> Result<(), CliError> {
    let nodes = ctx.nodes().await?;
    let paused: Vec<&str> = nodes.iter().filter(|n| n.paused).map(|n| n.name.as_str()).collect();
    let lab = &ctx.lab.name;
    let (problem, remedy) = match &paused[..] {
        [] => return Ok(()),
        all if all.len() == nodes.len() => (format!("lab {lab} is paused"), format!("`lab resume {lab}` resumes it")),
        some => (
            format!("of the nodes of lab {lab} these are paused: {}", some.join(", ")),
            format!("`lab resume {lab}` resumes them, as does `docker unpause {}`", some.join(" ")),
        ),
    };
    Err(CliError::Before(StepError::Machine { problem, remedy }))
}

pub(super) async fn pause(args: &args::Named) -> Result<(), CliError> {
    let _lock = output::lock_existing(&args.name).await?;
    let paused = pause::pause(&output::open(&args.name).await?).await?;
    match paused.len() {
        0 => eprintln!("no node of lab {} is running", args.name),
        nodes => eprintln!("{nodes} nodes of lab {} are paused; `lab resume {0}` resumes them", args.name),
    }
    Ok(())
}

pub(super) async fn resume(args: &args::Named) -> Result<(), CliError> {
    let _lock = output::lock_existing(&args.name).await?;
    let mut ctx = output::open(&args.name).await?;
    let is_rotation = |c: &Check| matches!(c, Check::Rotation { through: Through::Mesh, .. });
    let rotates = ctx.lab.checks.iter().any(is_rotation);
    if rotates {
        ctx.lab.checks.retain(is_rotation);
    }
    // To go on is no occasion to take something away.
    ctx.lab = ctx.lab.at_rest();
    let start = Instant::now();
    let nodes = pause::unpause(&ctx).await?;
    if nodes.is_empty() {
        return Err(CliError::Before(StepError::Machine {
            problem: format!("no node of lab {} is paused", args.name),
            remedy: format!("`lab up {}` starts nodes that are stopped", args.name),
        }));
    }
    let waits = Waits { retry: SETTLE, settle: SETTLE };
    let judge = async |events: &Events| verify::judge(&ctx, waits, &events.progress(&Action::Verify.id())).await;
    let verdict = shown(judge).await?;
    if !verdict.passed {
        return output::tell(&verdict, args::Output::Text, None);
    }
    let well = if rotates { "rotates over every version" } else { "passes its checks" };
    eprintln!("lab {} {well} again after {:.1} s", args.name, start.elapsed().as_secs_f64());
    Ok(())
}
