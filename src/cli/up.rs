//! `lab up`.

use std::time::Duration;

use miette::Diagnostic as _;
use tokio_util::sync::CancellationToken;

use super::progress::followed;
use super::{CliError, again, args, brought, diff, down, dump, heal, output};
use crate::commands::brought::with_addresses;
use crate::commands::down::until_gone;
use crate::commands::fixed;
use crate::commands::leave::leave;
use crate::commands::snapshot::clear_half;
use crate::commands::up::{Up, planned};
use crate::context::{LabContext, RunContext, StepError, files};
use crate::exec::{Event, Events, execute};
use crate::images::{Choice, ImagesError, Source, having};
use crate::machine::preflight;
use crate::observe::verify::Waits;
use crate::plan::render::unplaced;
use crate::plan::{Action, Lab, refuse_changes, refuse_unnamed, undeclared_ports};
use crate::sys::docker::Engine;
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
    if let Some(file) = &args.junit {
        output::refuse_unwritable(file)?;
    }
    let state = State::open()?;
    let lab = output::load_file_or_lab(&args.scenario, args.name.as_deref(), args.reading, interrupt).await?;
    output::refuse_found(&lab)?;
    if lab.is_brought() {
        return Box::pin(brought::up(&args, &state, lab, interrupt)).await;
    }
    if args.adopt || args.yes {
        return Err(CliError::Usage {
            problem: "--adopt and --yes are for clusters that lab did not make".to_owned(),
            remedy: "leave them out: lab makes the clusters of this scenario".to_owned(),
        });
    }
    if args.dry_run {
        return diff::tell(lab, args.images, args.output, args.remove, interrupt).await;
    }
    let before = async {
        let engine = Engine::connect().await?;
        let lock = output::lock(&state, &lab.name).await?;
        if clear_half(&engine, &state, &lab.name).await? {
            eprintln!("what an interrupted restore left of lab {} is removed", lab.name);
        }
        let mut choice = args.images;
        let existing = state.existing(&lab.name).ok();
        if let Some(existing) = &existing {
            until_gone(&engine, &lab.name, existing).await?;
            if let Some(old) = existing.stored::<Lab>()? {
                brought::refuse_other(&old, &lab)?;
                refuse_changes(&old, &lab, args.remove)?;
            }
            choice = keep_source(existing, &lab, choice)?;
            fixed::refuse(&lab, existing).await.map_err(CliError::Before)?;
        }
        let refused = |e: ImagesError| CliError::Usage {
            problem: e.to_string(),
            remedy: e.help().map(|help| help.to_string()).unwrap_or_default(),
        };
        let choice = having(choice, lab.versions()).map_err(refused)?;
        // Also when the state that would tell it is lost.
        let nodes = engine.nodes(Some(&lab.name)).await?;
        if !args.remove {
            refuse_unnamed(&lab, nodes.iter().map(|n| (n.cluster.as_str(), n.name.as_str())))?;
        }
        for warning in preflight::check(&lab, &engine).await? {
            eprintln!("warning: {warning}");
        }
        for object in unplaced(&lab) {
            eprintln!(
                "warning: no policy of the scenario is about {object}, so Karmada runs it nowhere: name it in `resourceSelectors` of a PropagationPolicy"
            );
        }
        let is_new = existing.is_none() && nodes.is_empty();
        Ok::<_, CliError>((engine, lock, choice, is_new))
    };
    let (engine, _lock, choice, is_new) = tokio::select! {
        before = before => before?,
        () = interrupt.cancelled() => {
            return Err(CliError::Interrupted { remedy: "nothing was started".to_owned() });
        }
    };
    let run = Run { args: &args, state: &state, lab: &lab, engine: &engine, choice, interrupt };
    if let Some(restored) = again::restored(&run, is_new).await? {
        let built = run.build(restored.took).await?;
        match built.why_not() {
            None => return run.tell(built).await.map(|_| ()),
            Some(why) => again::undo(&run, &restored, &why).await?,
        }
    }
    let up = run.tell(run.build(Duration::ZERO).await?).await?;
    if is_new { again::keep(&run, &up).await } else { Ok(()) }
}

/// One `lab up`, after all that is looked at before.
pub(super) struct Run<'a> {
    pub args: &'a args::Up,
    pub state: &'a State,
    pub lab: &'a Lab,
    pub engine: &'a Engine,
    pub choice: Choice,
    pub interrupt: &'a CancellationToken,
}

/// What came of the steps.
pub(super) struct Built {
    up: Up,
    failures: Vec<(String, StepError)>,
    changed: bool,
    took: Duration,
}

impl Built {
    /// Why it is no lab that works; nothing if it is one, as far as that was looked at.
    fn why_not(&self) -> Option<String> {
        if self.up.verdict().is_some_and(|verdict| !verdict.passed) {
            return Some("a check failed".to_owned());
        }
        let failures = self.failures.iter().map(|(title, error)| format!("{title}: {error}"));
        failures.reduce(|all, next| format!("{all}; {next}"))
    }
}

impl Run<'_> {
    /// Runs the steps and the verdict. `before` is what was done of it before.
    pub(super) async fn build(&self, before: Duration) -> Result<Built, CliError> {
        let lab_state = self.state.lab(&self.lab.name)?;
        lab_state.store(self.lab)?;
        down::end_earlier(&lab_state).await;
        for file in lab_state.forget_damaged()? {
            let lost = if file.starts_with("applied/") {
                "; objects that it listed and the scenario does not have may stay"
            } else {
                ""
            };
            eprintln!("warning: {} cannot be read, and is made again{lost}", lab_state.path(&file).display());
        }
        marked::mark(lab_state.mark());

        let mut plan = planned(self.lab, &lab_state).map_err(CliError::Before)?;
        if self.args.remove {
            plan.let_members_leave();
        }
        if self.args.no_verify {
            plan.steps.retain(|s| s.action != Action::Verify);
        }
        let ctx = LabContext::new(self.lab.clone(), self.engine.clone(), lab_state.clone());
        // What is broken on purpose is no longer.
        if let Err(error) = heal::heal(&ctx, None).await {
            eprintln!("warning: {error}");
        }
        let processors = if self.lab.makes_machines() { self.engine.processors().await? } else { None };
        let up = Up::new(RunContext::new(ctx, self.choice), Waits { retry: SETTLE, settle: SETTLE })
            .with_processors(processors);
        let run = async |events: &Events| execute(&plan, &up, events, self.interrupt).await;
        let (finished, timeline) = followed(journal(lab_state.clone()), run).await;
        lab_state.write_json(TIMELINE_FILE, &timeline)?;

        eprintln!("\n{}", timeline.table());
        if finished.interrupted {
            return Err(CliError::Interrupted {
                remedy: format!(
                    "what was built so far is kept: `lab up` continues from there, `lab down {}` removes it",
                    self.lab.name
                ),
            });
        }
        if self.lab.is_brought() && finished.failures.is_empty() {
            lab_state.store(&with_addresses(&up.ctx).await?)?;
        }
        let mut changed = finished.changed;
        if self.args.remove && finished.failures.is_empty() {
            // Nobody is sent there any more.
            for (cluster, containers) in leave(self.engine, &lab_state, self.lab).await? {
                eprintln!("cluster {cluster} is removed: {}", containers.join(", "));
                changed = true;
            }
        }
        let failures = finished.failures.into_iter().map(|f| (f.title, f.error)).collect();
        Ok(Built { up, failures, changed, took: before + finished.took })
    }

    /// Tells what came of it.
    pub(super) async fn tell(&self, built: Built) -> Result<Up, CliError> {
        let Built { up, failures, changed, took } = built;
        let name = &self.lab.name;
        if !failures.is_empty() {
            dump::in_ci(&up.ctx).await;
            return Err(CliError::Build { lab: name.clone(), failures });
        }
        if up.ctx.untold_changes() > 0 {
            eprintln!("and {} more objects changed; `lab diff` shows them before an `up`", up.ctx.untold_changes());
        }
        let changed = if changed { "up" } else { "already up, nothing changed" };
        eprintln!("lab {name} is {changed} after {:.1} s\n", took.as_secs_f64());
        if self.lab.has_mesh() && up.ctx.prepared().is_ok_and(|p| p.source == Source::Packages) {
            for port in undeclared_ports(self.lab) {
                eprintln!(
                    "warning: {port}, and the Envoy of packages lacks the filter by which Istio tells: the callee's sidecar then knows connections and no requests, so no rule by path, method or header holds there. Name the port http-NAME, or write appProtocol"
                );
            }
        }
        let Some(verdict) = up.verdict() else { return Ok(up) };
        let told = output::tell(verdict, self.args.output, self.args.junit.as_deref());
        if told.is_err() {
            dump::in_ci(&up.ctx).await;
        }
        told.map(|()| up)
    }
}

/// The source that a lab was made with, which it keeps for life.
pub(super) fn keep_source(state: &LabState, lab: &Lab, choice: Choice) -> Result<Choice, CliError> {
    let Some(source) = state.recall::<Source>(files::SOURCE)? else { return Ok(choice) };
    choice.kept(source).ok_or_else(|| CliError::Usage {
        problem: format!("lab {} exists, and its images are from {source}", lab.name),
        remedy: format!("leave --images out, or remove the lab first with `lab down {}`", lab.name),
    })
}

/// Writes events down as they come: all of this run, and in the journal what ended.
fn journal(state: LabState) -> impl FnMut(&Event) + Send + 'static {
    // A full disk must not end a run that works; the next write of state tells it.
    let _ = state.write(EVENTS_FILE, "");
    move |event| {
        if let Ok(line) = serde_json::to_string(event) {
            let _ = state.append(EVENTS_FILE, &line);
            if matches!(event, Event::StepFinished { .. }) {
                let _ = state.append(JOURNAL_FILE, &line);
            }
        }
    }
}
