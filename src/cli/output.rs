//! Writing data to standard output, and what several verbs share.

use std::io::Write;
use std::path::{Path, PathBuf};

use miette::Diagnostic as _;
use serde::Serialize;
use tokio_util::sync::CancellationToken;

use super::args::Reading;
use super::{CliError, Output, attach, brought, manifests};
use crate::context::LabContext;
use crate::plan::{Lab, resolve, resolve_again};
use crate::report::{junit, table_text, verdict_text};
use crate::scenario;
use crate::sys::input::{self, Refused};
use crate::sys::state::{Lock, State, StateError};
use crate::sys::words;
use crate::verdict::Verdict;

/// Writes text to standard output. A reader that has gone away, as `head` does, is no error.
pub(super) fn print(text: &str) -> Result<(), CliError> {
    print_while_read(text).map(|_| ())
}

/// The same for what has no end of its own. Tells whether there is still a reader.
pub(super) fn print_while_read(text: &str) -> Result<bool, CliError> {
    let mut out = std::io::stdout().lock();
    // What is only flushed as the process ends fails with nobody to tell it.
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(e) if e.kind() == std::io::ErrorKind::BrokenPipe => Ok(false),
        result => result.map(|()| true).map_err(|e| CliError::Print { source: e.into() }),
    }
}

/// Writes a value as JSON to standard output.
pub(super) fn print_json<T: Serialize>(value: &T) -> Result<(), CliError> {
    let text = serde_json::to_string_pretty(value).map_err(|e| CliError::write("JSON")(e.into()))?;
    print(&format!("{text}\n"))
}

/// A value as one line of JSON.
pub(super) fn json_line<T: Serialize>(value: &T) -> Result<String, CliError> {
    let text = serde_json::to_string(value).map_err(|e| CliError::write("JSON")(e.into()))?;
    Ok(format!("{text}\n"))
}

/// The time, to the second, RFC 3339 in UTC.
pub(super) fn now() -> String {
    let now = time::OffsetDateTime::now_utc();
    let now = now.replace_nanosecond(0).unwrap_or(now);
    now.format(&time::format_description::well_known::Rfc3339).unwrap_or_default()
}

/// Shows a verdict and, if asked, writes its JUnit file; red is an error of its own.
pub(super) fn tell(verdict: &Verdict, output: Output, file: Option<&Path>) -> Result<(), CliError> {
    match output {
        Output::Text => print(&verdict_text(verdict))?,
        Output::Json => print_json(verdict)?,
    }
    if let Some(file) = file {
        let xml = junit(verdict).map_err(|e| CliError::write(file.display())(std::io::Error::other(e)))?;
        print_to(Some(file), &xml)?;
    }
    if verdict.passed { Ok(()) } else { Err(CliError::Red) }
}

/// Refuses a file of the command line that cannot be written, before the work that it takes to make it.
pub(super) fn refuse_unwritable(file: &Path) -> Result<(), CliError> {
    refused(file, crate::sys::fs::can_be_written(file))
}

/// The same for an archive, which takes the place of a file only.
pub(super) fn refuse_irreplaceable(file: &Path) -> Result<(), CliError> {
    refused(file, crate::sys::fs::can_be_replaced(file))
}

/// Refuses a file of the command line that is not there.
pub(super) fn refuse_unreadable(file: &Path) -> Result<(), CliError> {
    if crate::sys::fs::is_file(file) {
        return Ok(());
    }
    let is = if crate::sys::fs::exists(file) { "is no file" } else { "is not there" };
    Err(CliError::Usage {
        problem: format!("{} {is}", file.display()),
        remedy: "name an archive that was written before".to_owned(),
    })
}

fn refused(file: &Path, looked: std::io::Result<()>) -> Result<(), CliError> {
    looked.map_err(|e| CliError::Usage {
        problem: format!("cannot write {}: {}", file.display(), words::io_error(&e)),
        remedy: "name a file in a directory that exists".to_owned(),
    })
}

/// Writes a text to a file of the command line, or to standard output without one.
pub(super) fn print_to(file: Option<&Path>, text: &str) -> Result<(), CliError> {
    let Some(file) = file else { return print(text) };
    crate::sys::fs::write(file, text).map_err(CliError::write(file.display()))
}

/// The scenario of a guided lab, in its directory.
const SCENARIO_FILE: &str = "scenario.yaml";

/// The file that a path stands for: itself, standard input for `-`, or the scenario in a directory. `None` for a directory without one.
pub(super) fn scenario_file(path: &Path) -> Option<PathBuf> {
    if path == Path::new("-") {
        return Some(PathBuf::from("/dev/stdin"));
    }
    if !crate::sys::fs::is_dir(path) {
        return Some(path.to_owned());
    }
    let inside = path.join(SCENARIO_FILE);
    crate::sys::fs::is_file(&inside).then_some(inside)
}

/// Runs what may take long, or wait for a pipe, so that an interrupt is obeyed meanwhile.
pub(super) async fn aside<T: Send + 'static>(
    interrupt: &CancellationToken,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, CliError> {
    tokio::select! {
        biased;
        () = interrupt.cancelled() => Err(nothing_begun()),
        done = tokio::task::spawn_blocking(work) => {
            done.map_err(|e| CliError::write("what was read")(e.into()))
        }
    }
}

/// An interrupt before anything was changed.
pub(super) fn nothing_begun() -> CliError {
    CliError::Interrupted { remedy: "nothing was started".to_owned() }
}

/// Reads, checks and resolves a scenario file with the files that it names, or that of a directory.
pub(super) async fn load(
    path: &Path,
    name: Option<&str>,
    reading: Reading,
    interrupt: &CancellationToken,
) -> Result<Lab, CliError> {
    let unreadable = |problem: String| CliError::Usage {
        problem,
        remedy: "give a scenario file, such as scenarios/three-network.yaml, or a directory with a scenario.yaml in it"
            .to_owned(),
    };
    let Some(file) = scenario_file(path) else {
        return Err(unreadable(format!("{} is a directory without {SCENARIO_FILE}", path.display())));
    };
    let at = file.clone();
    let read = aside(interrupt, move || -> Result<_, Refused> {
        let bytes = input::read_or_pipe(&at, input::FILE_LIMIT)?;
        Ok(scenario::decode(bytes).map(|text| {
            let mut begun = scenario::begin(&text);
            (begun.named(), begun, text)
        }))
    });
    let (named, begun, text) = match Box::pin(read).await? {
        Ok(Ok(read)) => read,
        Ok(Err(e)) => {
            let problem = format!("{}:{}:{}: {e}", file.display(), e.line, e.column);
            return Err(CliError::Usage { problem, remedy: e.remedy().to_owned() });
        }
        Err(Refused::Missing) => return Err(unreadable(format!("there is no file {}", file.display()))),
        Err(e @ Refused::TooLarge(_)) => {
            return Err(CliError::Usage { problem: format!("{}: {e}", file.display()), remedy: manifests::limits() });
        }
        Err(e) => return Err(unreadable(format!("cannot read {}: {e}", file.display()))),
    };
    let files = Box::pin(manifests::read(named, &file, text.len(), reading, interrupt)).await?;
    let now = time::OffsetDateTime::now_utc();
    let parse = move || begun.finish(&text, &file.display().to_string(), &files, Some(now));
    let mut scenario = Box::pin(aside(interrupt, parse)).await?.map_err(|e| CliError::Scenario(Box::new(e)))?;
    for (path, end) in scenario.mesh.ca.iter().flat_map(|ca| ca.expiring(now)) {
        let left = (end - now).whole_minutes();
        eprintln!(
            "warning: the certificate {path} expires at {end}, in {left} minutes, and no call of the mesh succeeds then: issue it anew"
        );
    }
    if let Some(name) = name {
        scenario.rename(name).map_err(|problem| CliError::Usage {
            problem: format!("--name {name}: {problem}"),
            remedy: "use lower-case letters, digits and hyphens".to_owned(),
        })?;
    }
    if !reading.versions().is_default() {
        scenario.run_versions(reading.versions()).map_err(|problem| {
            let remedy = problem.help().map(|help| help.to_string()).unwrap_or_default();
            CliError::Usage { problem: problem.to_string(), remedy }
        })?;
    }
    let old = State::look::<Lab>(&scenario.name);
    let mut lab = old.map_or_else(|| resolve(&scenario), |old| resolve_again(&scenario, &old))?;
    brought::locate(&mut lab, &attach::directory(path));
    Ok(lab)
}

/// The lab of a scenario file or, when there is no such file, the lab of that name.
pub(super) async fn load_file_or_lab(
    path: &Path,
    name: Option<&str>,
    reading: Reading,
    interrupt: &CancellationToken,
) -> Result<Lab, CliError> {
    let is_scenario = scenario_file(path).is_some_and(|file| crate::sys::fs::is_readable(&file));
    if is_scenario || name.is_some() {
        return load(path, name, reading, interrupt).await;
    }
    match State::open()?.existing(&path.to_string_lossy()) {
        Err(StateError::Unknown { .. }) if crate::sys::fs::is_dir(path) => load(path, None, reading, interrupt).await,
        Err(StateError::Unknown { nearest, .. }) => Err(CliError::Usage {
            problem: format!("there is neither a file nor a lab named {}", path.display()),
            remedy: match nearest {
                Some(nearest) => format!("did you mean the lab {nearest}?"),
                None => "give a scenario file, such as scenarios/three-network.yaml".to_owned(),
            },
        }),
        existing => {
            let lab = existing?.load()?;
            if reading.versions().is_default() {
                return Ok(lab);
            }
            Err(CliError::Usage {
                problem: format!("{} is a lab, and its clusters keep their versions", path.display()),
                remedy: "leave --kubernetes and --istio out, or give a scenario file and --name to make another lab"
                    .to_owned(),
            })
        }
    }
}

/// A lab that was made before, with what it takes to reach it.
pub(super) async fn open(name: &str) -> Result<LabContext, CliError> {
    let state = State::open()?.existing(name)?;
    let lab: Lab = state.load()?;
    Ok(LabContext::open(lab, state).await?)
}

/// The same, to be changed: which is refused for a mesh that somebody else installed.
pub(super) async fn open_own(name: &str) -> Result<LabContext, CliError> {
    let ctx = open(name).await?;
    refuse_existing(&ctx.lab)?;
    Ok(ctx)
}

/// Refuses to change what lab did not make, and what it does in nodes of its own alone.
pub(super) fn refuse_existing(lab: &Lab) -> Result<(), CliError> {
    refuse_found(lab)?;
    if !lab.is_brought() {
        return Ok(());
    }
    Err(CliError::Usage {
        problem: format!("lab did not make the clusters of {}, and this verb is for those that it makes", lab.name),
        remedy: format!(
            "these do their work there: up, diff, verify, explain, status, graph, report, dump, logs, kubeconfig; `lab down {}` removes what is lab's",
            lab.name
        ),
    })
}

/// Refuses to change a mesh that somebody else has installed.
pub(super) fn refuse_found(lab: &Lab) -> Result<(), CliError> {
    if !lab.is_existing() {
        return Ok(());
    }
    Err(CliError::Usage {
        problem: format!(
            "the mesh of {} is `existing`: somebody else installed it, and lab changes nothing of it",
            lab.name
        ),
        remedy: format!(
            "`lab attach FILE` makes a lab of it, and these verbs look at it: verify, explain, status, graph, report, dump, logs, kubeconfig; `lab down {}` forgets it",
            lab.name
        ),
    })
}

/// Takes the lock of a lab, and says so if another process holds it.
pub(super) async fn lock(state: &State, name: &str) -> Result<Lock, CliError> {
    Ok(state.lock(name, || eprintln!("waiting: another lab process is working on {name}")).await?)
}

/// Keeps other processes from a lab that is there.
pub(super) async fn lock_existing(name: &str) -> Result<Lock, CliError> {
    let state = State::open()?;
    // What cannot be read is told by who reads it.
    if let Ok(lab) = state.existing(name)?.load::<Lab>() {
        refuse_existing(&lab)?;
    }
    lock(&state, name).await
}

/// A cluster that the lab does not have.
pub(super) fn no_cluster(lab: &Lab, name: &str) -> CliError {
    let names: Vec<&str> = lab.clusters.iter().map(|c| c.name.as_str()).collect();
    CliError::Usage {
        problem: format!("lab {} has no cluster {name}", lab.name),
        remedy: format!("its clusters are {}", names.join(", ")),
    }
}

/// The clusters that are named or, without any, all that run apps.
pub(super) fn app_clusters(lab: &Lab, named: &[String]) -> Result<Vec<String>, CliError> {
    let runs_apps: Vec<String> = lab.data_clusters().map(|cluster| cluster.name.clone()).collect();
    for name in named {
        if lab.cluster(name).is_none() {
            return Err(no_cluster(lab, name));
        }
        if !runs_apps.contains(name) {
            return Err(CliError::Usage {
                problem: format!("cluster {name} runs no apps"),
                remedy: format!("those that do: {}", runs_apps.join(", ")),
            });
        }
    }
    Ok(runs_apps.into_iter().filter(|name| named.is_empty() || named.contains(name)).collect())
}

/// Refuses what cannot be the name of a lab or, by the same rule, of a snapshot.
pub(super) fn refuse_no_name(what: &str, name: &str) -> Result<(), CliError> {
    if scenario::is_lab_name(name) {
        return Ok(());
    }
    Err(CliError::Usage {
        problem: format!("`{name}` cannot be the name of a {what}"),
        remedy: "use lower-case letters, digits and hyphens, at most 30 characters in all".to_owned(),
    })
}

/// What is said of a cluster whose pods are not in the lab's mesh.
pub(super) fn no_mesh_cluster(lab: &Lab, name: &str) -> CliError {
    let names: Vec<&str> = lab.data_clusters().map(|c| c.name.as_str()).collect();
    CliError::Usage {
        problem: format!("the mesh of lab {} has no cluster {name}", lab.name),
        remedy: format!("its clusters are {}", names.join(", ")),
    }
}

/// Writes a table to standard output.
pub(super) fn print_table(table: &comfy_table::Table) -> Result<(), CliError> {
    print(&table_text(table))
}

/// Writes each item to standard output as a line.
pub(super) fn print_lines(lines: impl IntoIterator<Item = impl AsRef<str>>) -> Result<(), CliError> {
    let mut text = String::new();
    for line in lines {
        text.push_str(line.as_ref());
        text.push('\n');
    }
    print(&text)
}
