//! The command line: flags, one file a verb, and exit codes.

mod again;
mod args;
mod attach;
mod brought;
mod calls;
mod candidates;
mod change;
mod completions;
mod dev;
mod diff;
mod docs;
mod doctor;
mod down;
mod dump;
mod eject;
mod error;
mod exec;
mod explain;
mod fault;
mod graph;
mod heal;
mod images;
mod inspect;
mod kubeconfig;
mod list;
mod load;
mod logs;
mod man;
mod manifests;
mod mirror;
mod misnamed;
mod open;
mod output;
mod pause;
mod plan;
mod probes;
mod progress;
mod prove;
mod report;
mod restart;
mod restore;
mod rotate;
mod run;
mod scenario;
mod schema;
mod self_check;
mod shell;
mod snapshot;
mod snapshots;
mod soak;
mod status;
mod told;
mod trace;
mod trust;
mod up;
mod upgrade;
mod verify;
mod version;

use std::pin::Pin;
use std::time::Duration;

use clap::Parser as _;
use tokio_util::sync::CancellationToken;

use crate::context::StepError;
use crate::sys::{unfinished, words};

pub use args::{Args, Command, Output};
pub use completions::complete;
pub use error::CliError;

/// Where this process was started to keep a program of another lab process, does that to its end and gives the exit code.
#[must_use]
pub fn keep_child() -> Option<u8> {
    crate::sys::keeper::serve()
}

/// Reads the command line. What it asks for may be help, and it may be wrong: then that is told, and the exit code is given.
///
/// # Errors
/// There is nothing to run.
pub fn parse() -> Result<Args, u8> {
    Args::try_parse_from(args::with_marked_name(std::env::args_os())).map_err(|told| match told.print() {
        Err(e) if e.kind() != std::io::ErrorKind::BrokenPipe => end(&CliError::Print { source: e.into() }),
        // clap has no other codes than 0 and 2.
        _ => u8::from(told.use_stderr()) * 2,
    })
}

/// Tells that the machine has no threads for lab; gives the exit code.
#[must_use]
pub fn cannot_start(error: &std::io::Error) -> u8 {
    end(&CliError::Before(StepError::Machine {
        problem: format!("cannot start: {}", words::io_error(error)),
        remedy: "raise what this user may have of processes and open files (`ulimit -a` shows it)".to_owned(),
    }))
}

/// Tells an error; gives its exit code.
fn end(error: &CliError) -> u8 {
    let text = error.to_text();
    if !text.is_empty() {
        anstream::eprint!("{text}");
    }
    error.exit_code()
}

/// Runs the command and tells errors; gives the exit code:
///
/// 0 all well, 1 a check failed, 2 the scenario or the command line is wrong, 3 the machine lacks something, 4 building the lab failed,
/// 5 `lab up` would change something (`lab diff`, `lab up --dry-run`), 130 interrupted. `lab exec` and `lab run` end as their commands do.
pub async fn run(args: Args) -> u8 {
    start_log();
    let interrupt = CancellationToken::new();
    watch_signals(&interrupt);
    let takes_time = matches!(args.command, Command::Run(_) | Command::Mirror(_));
    let last_words = if takes_time { LONG_LAST_WORDS } else { LAST_WORDS };
    let ended = obeying(&interrupt, last_words, Box::pin(dispatch(args, &interrupt))).await;
    // A thread that an interrupt does not reach may still write.
    unfinished::remove_all();
    match ended {
        Ok(()) => 0,
        Err(error) => end(&error),
    }
}

async fn dispatch(args: Args, interrupt: &CancellationToken) -> Result<(), CliError> {
    match args.command {
        Command::Up(args) => Box::pin(up::run(args, interrupt)).await,
        Command::Down(args) => {
            until(interrupt, "run `lab down` again to remove the rest", Box::pin(down::run(args))).await
        }
        Command::Verify(args) => Box::pin(verify::run(args, interrupt)).await,
        Command::Soak(args) => Box::pin(soak::run(args, interrupt)).await,
        Command::Prove(args) => Box::pin(prove::run(&args, interrupt)).await,
        Command::Rotate(args) => Box::pin(rotate::run(args, interrupt)).await,
        Command::Upgrade(args) => Box::pin(upgrade::run(args, interrupt)).await,
        Command::Inspect(args) => until(interrupt, "nothing was changed", Box::pin(inspect::run(args))).await,
        Command::Attach(args) => Box::pin(attach::run(args, interrupt)).await,
        Command::Explain(args) => Box::pin(explain::run(args, interrupt)).await,
        Command::Trace(args) => until(interrupt, "the lab was not changed", Box::pin(trace::run(args))).await,
        Command::Doctor(args) => doctor::run(args, interrupt).await,
        Command::Diff(args) => Box::pin(diff::run(args, interrupt)).await,
        Command::Plan(args) => plan::run(&args, interrupt).await,
        Command::Graph(args) => graph::run(&args, interrupt).await,
        Command::Report(args) => report::run(&args, interrupt).await,
        Command::List(args) => until(interrupt, "nothing was changed", list::run(&args)).await,
        Command::Status(args) => until(interrupt, "nothing was changed", Box::pin(status::run(&args))).await,
        Command::Dump(args) => until(interrupt, "no archive was written", Box::pin(dump::run(args))).await,
        Command::Eject(args) => Box::pin(eject::run(args, interrupt)).await,
        Command::Kubeconfig(args) => kubeconfig::run(&args),
        Command::Logs(args) => until(interrupt, "nothing was changed", logs::run(args)).await,
        Command::Exec(args) => {
            until(interrupt, "the command may still be running in its pod", Box::pin(exec::run(args))).await
        }
        Command::Run(args) => Box::pin(run::run(args, interrupt)).await,
        Command::Load(args) => {
            until(interrupt, "run `lab load` again to load the rest", Box::pin(load::run(args))).await
        }
        Command::Dev(args) => Box::pin(dev::run(args, interrupt)).await,
        Command::Mirror(args) => Box::pin(mirror::run(args, interrupt)).await,
        Command::Shell(args) => shell::shell(&args),
        Command::Env(args) => shell::env(&args),
        Command::Pause(args) => until(interrupt, "run `lab resume` to resume the nodes", pause::pause(&args)).await,
        Command::Resume(args) => {
            until(interrupt, "run `lab resume` again to continue", Box::pin(pause::resume(&args))).await
        }
        Command::Fault(args) => {
            until(
                interrupt,
                "`lab status` shows whether the fault is there, `lab heal` ends it",
                Box::pin(fault::run(args)),
            )
            .await
        }
        Command::Heal(args) => {
            until(interrupt, "run `lab heal` again to end the rest", Box::pin(heal::run(args))).await
        }
        Command::KeepFault(args) => Box::pin(fault::keep(args)).await,
        Command::KeepMirror(args) => Box::pin(mirror::keep(args)).await,
        Command::Open(args) => open::run(&args),
        Command::Restart(args) => restart::run(args, interrupt).await,
        Command::Snapshot(args) => Box::pin(snapshot::run(args, interrupt)).await,
        Command::Restore(args) => Box::pin(restore::run(args, interrupt)).await,
        Command::Snapshots(args) => until(interrupt, "nothing was changed", snapshots::run(args)).await,
        Command::Images(args) => Box::pin(images::run(args, interrupt)).await,
        Command::Scenario(args) => scenario::run(&args),
        Command::Schema(args) => schema::run(&args),
        Command::Completions(args) => completions::run(&args),
        Command::Man(args) => man::run(&args),
        Command::Version(args) => version::run(&args),
        Command::SelfCheck(args) => until(interrupt, "nothing was changed", self_check::run(&args)).await,
        Command::Docs(args) => docs::run(&args),
    }
}

/// How long a verb may take to end in order after an interrupt.
const LAST_WORDS: Duration = Duration::from_secs(2);
/// How long a program may take that somebody else has written, and what puts pods back.
const LONG_LAST_WORDS: Duration = Duration::from_secs(30);

/// Runs any verb. The first interrupt is obeyed wherever it is: what does not end in order in a moment is dropped.
async fn obeying(
    interrupt: &CancellationToken,
    last_words: Duration,
    mut verb: Pin<Box<impl Future<Output = Result<(), CliError>>>>,
) -> Result<(), CliError> {
    tokio::select! {
        result = &mut verb => return result,
        () = interrupt.cancelled() => {}
    }
    tokio::time::timeout(last_words, verb).await.unwrap_or_else(|_| {
        let remedy = "what was done so far is kept: the same command continues from there".to_owned();
        Err(CliError::Interrupted { remedy })
    })
}

/// Runs a verb that holds nothing worth ending in order.
async fn until(
    interrupt: &CancellationToken,
    remedy: &str,
    verb: impl Future<Output = Result<(), CliError>>,
) -> Result<(), CliError> {
    tokio::select! {
        result = verb => result,
        () = interrupt.cancelled() => Err(CliError::Interrupted { remedy: remedy.to_owned() }),
    }
}

/// `RUST_LOG` shows what lab's libraries do; without it there is nothing.
fn start_log() {
    use tracing_subscriber::EnvFilter;
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("off"));
    let _ = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).try_init();
}

/// The first interrupt ends the run in order; a second one ends the process at once, and its keepers end all that it started. A terminal that is
/// closed, or `Ctrl-\`, is an interrupt too.
fn watch_signals(interrupt: &CancellationToken) {
    use tokio::signal::unix::{SignalKind, signal};
    let mut kinds = vec![SignalKind::interrupt(), SignalKind::terminate(), SignalKind::quit()];
    // `nohup lab up` must go on.
    if !crate::sys::process::ignores_hangup() {
        kinds.push(SignalKind::hangup());
    }
    let (sender, mut signals) = tokio::sync::mpsc::unbounded_channel();
    for kind in kinds {
        let Ok(mut signal) = signal(kind) else { continue };
        let sender = sender.clone();
        tokio::spawn(async move { while signal.recv().await.is_some() && sender.send(()).is_ok() {} });
    }
    let interrupt = interrupt.clone();
    tokio::spawn(async move {
        // Nobody listens any more when the runtime ends, which is no signal: the process would end by it with a code that is not its own.
        if signals.recv().await.is_none() {
            return;
        }
        interrupt.cancel();
        if signals.recv().await.is_some() {
            unfinished::remove_all();
            std::process::exit(130);
        }
    });
}
