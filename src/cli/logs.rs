//! `lab logs`.

use futures::TryStreamExt;

use super::{CliError, args, output, pause};
use crate::context::LabContext;
use crate::observe::logs;
use crate::plan::Lab;
use crate::sys::state::State;

/// What is shown when no component is named.
const COMPONENTS: [&str; 3] = ["istiod", "gateway", "sidecars"];

pub(super) async fn run(args: args::Logs) -> Result<(), CliError> {
    let state = State::open()?.existing(&args.name)?;
    let lab: Lab = state.load()?;
    // `lab logs NAME istiod` names no cluster.
    let (cluster, component) = match (args.cluster, args.component) {
        (Some(word), None) if lab.cluster(&word).is_none() => (None, Some(word)),
        words => words,
    };
    let clusters = match cluster {
        Some(name) if lab.cluster(&name).is_none() => return Err(output::no_cluster(&lab, &name)),
        Some(name) => vec![name],
        None => lab.clusters.iter().map(|c| c.name.clone()).collect(),
    };
    let components = component.map_or_else(|| COMPONENTS.map(str::to_owned).to_vec(), |c| vec![c]);
    let ctx = LabContext::open(lab, state).await?;
    pause::refuse_paused(&ctx).await?;
    let Some(mut lines) = logs::lines(&ctx, &clusters, &components, args.follow, args.tail).await? else {
        return Err(CliError::Usage {
            problem: format!("no pod of {} runs in {}", components.join(", "), clusters.join(", ")),
            remedy: "components are istiod, gateway, sidecars, and the apps of namespace sample by their names"
                .to_owned(),
        });
    };
    let broken = |error| CliError::write("what the logs say")(error);
    let shown = |line: &logs::LogLine| format!("{} | {}\n", line.from, line.text);
    if args.follow {
        while let Some(line) = lines.try_next().await.map_err(broken)? {
            output::print(&shown(&line))?;
        }
        return Ok(());
    }
    let mut all: Vec<logs::LogLine> = lines.try_collect().await.map_err(broken)?;
    all.sort_by(|a, b| a.at.cmp(&b.at));
    output::print(&all.iter().map(shown).collect::<String>())
}
