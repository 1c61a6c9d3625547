//! `verify`: looks at the caller's endpoints, sends real requests from the real pods, and judges.

mod rotation;
mod traffic;

use super::{Context, StepError, diagnose};
use crate::exec::Progress;
use crate::scenario::Check;
use crate::verdict::Verdict;

/// File of the last verdict in the lab's state.
pub const VERDICT_FILE: &str = "verdict.json";

/// Runs every check and stores the verdict. A red verdict is an outcome, not an error.
pub async fn run(ctx: &Context, progress: &Progress) -> Result<Verdict, StepError> {
    let mut sources = Vec::new();
    for check in &ctx.lab.checks {
        match check {
            Check::Rotation { service, from } => {
                let all = from.iter().map(|cluster| rotation::source(ctx, service, cluster, from.len(), progress));
                sources.extend(futures::future::try_join_all(all).await?);
            }
        }
    }
    let passed = sources.iter().all(|s| s.passed);
    let findings = if passed {
        Vec::new()
    } else {
        progress.say("red: looking for the cause");
        diagnose::findings(ctx, &sources).await
    };
    let at = time::OffsetDateTime::now_utc().format(&time::format_description::well_known::Rfc3339).unwrap_or_default();
    let verdict = Verdict { lab: ctx.lab.name.clone(), passed, at, sources, findings };
    ctx.state.write_json(VERDICT_FILE, &verdict)?;
    ctx.set_verdict(verdict.clone());
    Ok(verdict)
}
