//! `lab dev`.

mod manifests;
mod project;
mod told;

use std::path::PathBuf;
use std::time::{Duration, Instant, SystemTime};

use k8s_openapi::jiff::Timestamp;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::{CliError, args, output, pause};
use crate::commands::dev::{Dev, DevEvent, Edited, Failure, Happened, Logs, Started, Tell};
use crate::context::LabContext;
use crate::images::context::Ignored;
use crate::images::{self, Choice};
use crate::plan::Lab;
use crate::sys::fs;

/// An edit that is older than this was not made just now: its file came from elsewhere with its time.
const JUST_NOW: Duration = Duration::from_secs(5);

pub(super) async fn run(args: args::Dev, interrupt: &CancellationToken) -> Result<(), CliError> {
    let began = Instant::now();
    let ctx = output::open_own(&args.name).await?;
    pause::refuse_paused(&ctx).await?;
    let project = project::project(&args, &ctx.lab)?;
    let keys = keys(&ctx).await;
    let (events, told) = mpsc::unbounded_channel();
    let unread = CancellationToken::new();
    let printer = tokio::spawn(super::told::print(told, args.output, told::text, unread.clone()));
    let mut tell = Tell::new(events);
    tell.begin(began);
    let ignored = Ignored::default().and(&args.ignored);
    let dev = Dev::new(&ctx, project, keys, ignored, tell)?;
    let ended = tokio::select! {
        ended = Box::pin(rounds(dev, &ctx.lab, &args, interrupt)) => ended,
        () = interrupt.cancelled() => Ended::Interrupted,
        () = unread.cancelled() => Ended::Interrupted,
    };
    // All that was told is printed, or nobody reads it.
    let outcome = printer.await.map_err(|e| CliError::write("what happened")(e.into()))?;
    outcome?;
    match ended {
        Ended::Live => Ok(()),
        Ended::Failed(failure) => Err(CliError::Command { code: failure.exit_code() }),
        Ended::Broken(error) => Err(error),
        // A watch has no other end; what was once begun and not ended is another thing.
        Ended::Interrupted if args.once => Err(CliError::Interrupted { remedy: "run it again".to_owned() }),
        Ended::Interrupted => {
            eprintln!("the app stays as it is in lab {}", args.name);
            Ok(())
        }
    }
}

/// How the watch ended.
enum Ended {
    Live,
    Failed(Failure),
    Broken(CliError),
    Interrupted,
}

/// Rounds without an end or, with `--once`, one.
async fn rounds(mut dev: Dev<'_>, lab: &Lab, args: &args::Dev, interrupt: &CancellationToken) -> Ended {
    let (since, mut logs) = (Timestamp::now(), Logs::default());
    let (mut edited, mut objects): (Option<Edited>, Option<Result<Lab, Failure>>) = (None, None);
    // What was started and does not run yet, also by an earlier round.
    let mut waited: Vec<Started> = Vec::new();
    loop {
        let is_quiet = edited.as_ref().is_some_and(|edited| edited.while_building);
        if !is_quiet {
            let files = edited.as_ref().map(|edited| shown(&dev, edited)).unwrap_or_default();
            dev.tell.send(DevEvent { files, ..DevEvent::of(Happened::Edited) });
        }
        let files = edited.as_ref().map(|edited| &edited.files);
        let is_of_manifests = |file: &PathBuf| dev.project.is_manifest(file) || file.as_os_str().is_empty();
        if objects.is_none() || files.is_some_and(|files| files.iter().any(is_of_manifests)) {
            match manifests::read(&dev.project, lab, &args.namespace, interrupt).await {
                Ok(read) => objects = Some(read),
                Err(error) => return Ended::Broken(error),
            }
        }
        let Some(read) = &objects else { return Ended::Interrupted };
        let round = Box::pin(dev.round(files, read)).await;
        if args.logs && !args.once {
            logs.follow(&dev, since).await;
        }
        let mut next = None;
        let ended = match round {
            Ok(started) => {
                waited = Started::after(waited, started);
                // An edit ends the wait for what it makes out of date.
                tokio::select! {
                    biased;
                    live = Box::pin(Dev::until_live(&waited)) => Some(live),
                    files = dev.edited(), if !args.once => {
                        next = Some(files);
                        None
                    }
                }
            }
            Err(failure) => Some(Err(failure)),
        };
        match &ended {
            Some(Ok(())) if waited.is_empty() && is_quiet => {}
            Some(Ok(())) => {
                let event = DevEvent::of(if waited.is_empty() { Happened::Unchanged } else { Happened::Live });
                dev.tell.send(DevEvent { clusters: dev.project.clusters.clone(), ..event });
            }
            Some(Err(failure)) => dev.tell.failed(failure),
            None => {}
        }
        if let Some(ended) = ended {
            waited.clear();
            if args.once {
                return ended.map_or_else(Ended::Failed, |()| Ended::Live);
            }
        }
        let files = match next {
            Some(files) => files,
            None => dev.edited().await,
        };
        match files {
            Ok(files) => {
                begin(&mut dev, &files);
                edited = Some(files);
            }
            Err(error) => return Ended::Broken(error.into()),
        }
    }
}

/// The files that were edited, for people: without those that an editor wrote on the way and removed again, unless all have gone.
fn shown(dev: &Dev<'_>, edited: &Edited) -> Vec<String> {
    let is_there = |file: &&PathBuf| fs::exists(&dev.project.directory.join(file));
    let there: Vec<String> = edited.files.iter().filter(is_there).map(|file| file.display().to_string()).collect();
    if there.is_empty() { edited.files.iter().map(|file| file.display().to_string()).collect() } else { there }
}

/// Counts the time of the next round from the edit.
fn begin(dev: &mut Dev<'_>, edited: &Edited) {
    if edited.while_building {
        return;
    }
    let now = SystemTime::now();
    let written = edited.files.iter().filter_map(|file| fs::changed(&dev.project.directory.join(file)));
    let age = written.filter_map(|at| now.duration_since(at).ok()).min().filter(|age| *age < JUST_NOW);
    let edited = Instant::now().checked_sub(age.unwrap_or_default());
    dev.tell.begin(edited.unwrap_or_else(Instant::now));
}

/// Images of the stack, as nodes have them; none where what is prepared cannot be told.
async fn keys(ctx: &LabContext) -> crate::plan::render::Images {
    let versions = ctx.lab.versions().into_iter().next_back().unwrap_or_default();
    let prepared = images::is_prepared(Choice::Auto, &ctx.lab.images, versions, &ctx.engine).await;
    prepared.map(|prepared| prepared.images).unwrap_or_default()
}
