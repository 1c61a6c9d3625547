//! `lab report`.

use k8s_openapi::api::core::v1::Event;
use tokio_util::sync::CancellationToken;

use super::up::TIMELINE_FILE;
use super::{CliError, args, output};
use crate::context::{LabContext, StepError, files};
use crate::graph::{layout, topology};
use crate::images::{self, Kind, Source};
use crate::observe::warnings;
use crate::plan::Lab;
use crate::report::{Page, Part, Timeline, Warning, Warnings, page};
use crate::sys::state::State;
use crate::verdict::Verdict;

/// The latest warnings that a page shows.
const MOST_WARNINGS: usize = 100;

pub(super) async fn run(args: &args::Report, interrupt: &CancellationToken) -> Result<(), CliError> {
    if let Some(file) = &args.output {
        output::refuse_unwritable(file)?;
    }
    let state = State::open()?.existing(&args.name)?;
    let lab: Lab = state.load()?;
    let verdict: Option<Verdict> = state.recall(files::VERDICT)?;
    let timeline: Option<Timeline> = state.recall(TIMELINE_FILE)?;
    let source: Option<Source> = state.recall(files::SOURCE)?;
    let ctx = LabContext::open(lab.clone(), state).await?;
    // Nothing of what lab makes is in clusters that it did not make.
    let inventory =
        if lab.makes_machines() { images::inventory(&ctx.engine).await.map_err(StepError::from)? } else { Vec::new() };
    let warnings = tokio::select! {
        found = warnings(&ctx) => sorted(found),
        () = interrupt.cancelled() => return Err(CliError::Interrupted { remedy: "no page was written".to_owned() }),
    };
    let parts: Vec<Part> = inventory.into_iter().filter(|entry| is_of(entry, &lab, source)).map(part).collect();
    let text = page(&Page {
        lab: &lab,
        topology: &layout(&topology(&lab)).svg(),
        verdict: verdict.as_ref(),
        timeline: timeline.as_ref(),
        parts: &parts,
        warnings: &warnings,
        at: &output::now(),
    });
    output::print_to(args.output.as_deref(), &text)
}

/// Whether a lab has it in its nodes, or was made by it.
fn is_of(entry: &images::Entry, lab: &Lab, source: Option<Source>) -> bool {
    match entry.kind {
        Kind::Node(of) => source.is_none_or(|source| of == source),
        Kind::Optional => lab.federation.is_some(),
        Kind::Image | Kind::Tool => true,
        Kind::Lab => false,
    }
}

fn part(entry: images::Entry) -> Part {
    let digest = entry.local.as_deref().and_then(|l| l.rsplit_once(':')).map_or("", |(_, digest)| digest).to_owned();
    Part { name: entry.name, version: entry.version, digest }
}

fn sorted(found: Vec<(String, Result<Vec<Event>, String>)>) -> Warnings {
    let mut warnings = Warnings::default();
    for (cluster, found) in found {
        match found {
            Ok(events) => warnings.all.extend(events.into_iter().map(|e| warning(&cluster, e))),
            Err(reason) => warnings.silent.push((cluster, reason)),
        }
    }
    warnings.all.sort_by(|a, b| b.at.cmp(&a.at));
    warnings.all.truncate(MOST_WARNINGS);
    warnings
}

fn warning(cluster: &str, event: Event) -> Warning {
    let about = event.involved_object;
    let name = [about.namespace, about.name].into_iter().flatten().collect::<Vec<_>>().join("/");
    let at = event.last_timestamp.map(|t| t.0.to_string()).or_else(|| event.event_time.map(|t| t.0.to_string()));
    Warning {
        cluster: cluster.to_owned(),
        at: at.unwrap_or_default(),
        about: format!("{} {name}", about.kind.unwrap_or_default()),
        message: format!("{}: {}", event.reason.unwrap_or_default(), event.message.unwrap_or_default()),
        count: event.count.unwrap_or(1),
    }
}
