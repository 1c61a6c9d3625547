//! Reads the files that a scenario names: YAML, directories of it, and kustomizations.

use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::args::Reading;
use super::{CliError, images, output};
use crate::images::{kubectl, kubectl_here};
use crate::scenario::{Files, ManifestFile, Unusable, decode};
use crate::sys::process::{Process, ProcessError};
use crate::sys::{fs, input};

/// By any of these names `kubectl kustomize` finds what to build in a directory.
const KUSTOMIZATIONS: [&str; 3] = ["kustomization.yaml", "kustomization.yml", "Kustomization"];

/// A kustomization that takes longer waits for something.
const KUSTOMIZE_LIMIT: Duration = Duration::from_secs(60);

/// What is at the `paths` that a scenario names, relative to the scenario's file, whose size is `size`.
pub(super) async fn read(
    paths: Vec<String>,
    scenario: &Path,
    size: usize,
    reading: Reading,
    interrupt: &CancellationToken,
) -> Result<Files, CliError> {
    let base = scenario.parent().unwrap_or(Path::new(""));
    let mut files = Files::new();
    let mut program = None;
    let mut left = input::TOTAL_LIMIT.saturating_sub(size as u64);
    for path in paths {
        let at = base.join(&path);
        let found = if KUSTOMIZATIONS.iter().any(|name| fs::is_file(&at.join(name))) {
            let program = match &program {
                Some(program) => program,
                None => program.insert(find(interrupt).await?),
            };
            tokio::select! {
                built = kustomize(program, &at, left, reading) => built,
                () = interrupt.cancelled() => return Err(output::nothing_begun()),
            }
        } else {
            let look =
                move || if fs::is_dir(&at) { directory(&at, left) } else { file(&at, left).map(|file| vec![file]) };
            output::aside(interrupt, look).await?
        };
        let used = found.iter().flatten().map(|file| file.text.len() as u64).sum();
        left = left.saturating_sub(used);
        files.insert(path, found);
    }
    Ok(files)
}

/// kubectl. Building it takes minutes, so its progress is shown then.
async fn find(interrupt: &CancellationToken) -> Result<PathBuf, CliError> {
    let here = tokio::select! {
        here = kubectl_here() => here,
        () = interrupt.cancelled() => {
            return Err(CliError::Interrupted { remedy: "nothing was begun".to_owned() });
        }
    };
    match here {
        Some(program) => Ok(program),
        None => images::watched("kubectl, to build kustomizations", interrupt, async |p| kubectl(&p).await).await,
    }
}

/// Reads a file that all files together leave `left` bytes for.
fn file(at: &Path, left: u64) -> Result<ManifestFile, Unusable> {
    let remedy = "give a YAML file, or a directory of them, relative to the scenario's file".to_owned();
    let name = at.display().to_string();
    match input::read(at, left.min(input::FILE_LIMIT)) {
        Ok(bytes) => match decode(bytes) {
            Ok(text) => Ok(ManifestFile { name, text }),
            Err(e) => {
                Err(Unusable { reason: format!("{name}:{}:{}: {e}", e.line, e.column), remedy: e.remedy().to_owned() })
            }
        },
        Err(input::Refused::Missing) => Err(Unusable { reason: format!("there is no {name}"), remedy }),
        Err(input::Refused::Failed(e)) => Err(Unusable { reason: format!("{name} cannot be read: {e}"), remedy }),
        Err(e @ input::Refused::NotAFile(_)) => Err(Unusable { reason: format!("{name}: {e}"), remedy }),
        Err(e @ input::Refused::TooLarge(_)) => Err(Unusable { reason: format!("{name}: {e}"), remedy: limits() }),
    }
}

/// What is said of files that are too large.
pub(super) fn limits() -> String {
    format!(
        "a file may have {} MiB, and a scenario with all its files {} MiB",
        input::FILE_LIMIT >> 20,
        input::TOTAL_LIMIT >> 20
    )
}

/// The YAML files of a directory in the order of their names, without those of directories in it.
fn directory(at: &Path, mut left: u64) -> Result<Vec<ManifestFile>, Unusable> {
    let remedy = "name the files, or a directory with YAML files or a kustomization.yaml in it".to_owned();
    let entries = fs::files_in(at)
        .map_err(|e| Unusable { reason: format!("{} cannot be listed: {e}", at.display()), remedy: remedy.clone() })?;
    let is_yaml = |path: &PathBuf| path.extension().is_some_and(|e| e == "yaml" || e == "yml");
    let paths: Vec<PathBuf> = entries.into_iter().filter(is_yaml).collect();
    if paths.is_empty() {
        return Err(Unusable { reason: format!("the directory {} holds no YAML file", at.display()), remedy });
    }
    let mut files = Vec::with_capacity(paths.len());
    for path in paths {
        let file = file(&path, left)?;
        left = left.saturating_sub(file.text.len() as u64);
        files.push(file);
    }
    Ok(files)
}

/// Builds a kustomization, without the network unless the user has asked for it: a plan must be the same wherever it is made.
async fn kustomize(kubectl: &Path, at: &Path, left: u64, reading: Reading) -> Result<Vec<ManifestFile>, Unusable> {
    let directory = at.display().to_string();
    let unusable = |reason: String, remedy: String| Err(Unusable { reason, remedy });
    let see = format!("see what `kubectl kustomize {directory}` says");
    let mut process = Process::new(kubectl).args(["kustomize", &directory]);
    if !reading.remote_bases {
        // Bases come by git, which is not to be found then, or by HTTP, whose proxy is then where nothing listens.
        process = process.env("PATH", "/nonexistent").env("NO_PROXY", "").env("no_proxy", "");
        for name in ["HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"] {
            process = process.env(name, "http://127.0.0.1:9");
        }
    }
    match tokio::time::timeout(KUSTOMIZE_LIMIT, process.output()).await {
        Err(_) => unusable(format!("it is not built after {} s", KUSTOMIZE_LIMIT.as_secs()), see),
        Ok(Ok(text)) if text.len() as u64 > left => {
            unusable(format!("what it builds to is {} bytes", text.len()), limits())
        }
        Ok(Ok(text)) => Ok(vec![ManifestFile { name: format!("kubectl kustomize {directory}"), text }]),
        Ok(Err(ProcessError::Failed { tail, .. })) => {
            let line = tail.split_whitespace().collect::<Vec<_>>().join(" ");
            let line = line.trim_start_matches("error: ");
            if !reading.remote_bases && fetches(line) {
                return unusable(
                    format!("it fetches a base from the network, which lab does not do by itself: {line}"),
                    format!(
                        "keep a copy of the base beside it, or name the output of `kubectl kustomize {directory}` instead; --remote-bases has lab fetch it each time"
                    ),
                );
            }
            unusable(line.to_owned(), see)
        }
        Ok(Err(error)) => unusable(error.to_string(), see),
    }
}

/// Whether a kustomization failed for want of git or of the proxy that it was given.
fn fetches(message: &str) -> bool {
    ["'git' program", "\"git\": executable file not found", "127.0.0.1:9"].iter().any(|sign| message.contains(sign))
}
