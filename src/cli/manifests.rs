//! Reads the files that a scenario names: YAML and JSON, directories of it, and kustomizations.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::args::Reading;
use super::{CliError, images, output};
use crate::images::{kubectl, kubectl_here};
use crate::scenario::kustomization::references;
use crate::scenario::{Files, ManifestFile, Named, Unusable, decode};
use crate::sys::process::{Process, ProcessError};
use crate::sys::{fs, input, words};

/// By any of these names `kubectl kustomize` finds what to build in a directory.
const KUSTOMIZATIONS: [&str; 3] = ["kustomization.yaml", "kustomization.yml", "Kustomization"];

/// A kustomization that takes longer waits for something.
const KUSTOMIZE_LIMIT: Duration = Duration::from_secs(60);

/// What the files of a directory are called that are read, in upper case or lower case.
const MANIFESTS: [&str; 3] = ["yaml", "yml", "json"];

/// What is at the paths that a scenario names, relative to the scenario's file, whose size is `size`.
pub(super) async fn read(
    named: Named,
    scenario: &Path,
    size: usize,
    reading: Reading,
    interrupt: &CancellationToken,
) -> Result<Files, CliError> {
    // What comes by a pipe is nowhere: its files are where lab was called.
    let base = scenario.parent().filter(|_| !input::is_own(scenario)).unwrap_or(Path::new(""));
    let mut files = Files::new();
    let mut program = None;
    let mut left = input::TOTAL_LIMIT.saturating_sub(size as u64);
    for path in named.paths {
        let at = base.join(&path);
        let found = if path.is_empty() {
            Err(Unusable { reason: "it names no file".to_owned(), remedy: relative() })
        } else if named.pem.contains(&path) {
            output::aside(interrupt, move || file(&at, left).map(|file| vec![file])).await?
        } else if KUSTOMIZATIONS.iter().any(|name| fs::is_file(&at.join(name))) {
            let look = at.clone();
            if let Some(unfit) = output::aside(interrupt, move || unfit(&look, reading)).await? {
                files.insert(path, Err(unfit));
                continue;
            }
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
            return Err(CliError::Interrupted { remedy: "nothing was started".to_owned() });
        }
    };
    match here {
        Some(program) => Ok(program),
        None => images::watched("kubectl, to build kustomizations", interrupt, async |p| kubectl(&p).await).await,
    }
}

/// Reads a file that all files together leave `left` bytes for.
fn file(at: &Path, left: u64) -> Result<ManifestFile, Unusable> {
    let remedy = relative();
    let name = at.display().to_string();
    match input::read(at, left.min(input::FILE_LIMIT)) {
        Ok(bytes) => match decode(bytes) {
            Ok(text) => Ok(ManifestFile { name, text }),
            Err(e) => {
                Err(Unusable { reason: format!("{name}:{}:{}: {e}", e.line, e.column), remedy: e.remedy().to_owned() })
            }
        },
        Err(input::Refused::Missing) if fs::is_link(at) => {
            Err(Unusable { reason: format!("{name} is a link, and nothing is where it leads"), remedy })
        }
        Err(input::Refused::Missing) => Err(Unusable { reason: format!("there is no {name}"), remedy }),
        Err(input::Refused::Failed(e)) => {
            Err(Unusable { reason: format!("{name} cannot be read: {}", words::io_error(&e)), remedy })
        }
        Err(e @ input::Refused::NotAFile(_)) => Err(Unusable { reason: format!("{name}: {e}"), remedy }),
        Err(e @ input::Refused::TooLarge(_)) => Err(Unusable { reason: format!("{name}: {e}"), remedy: limits() }),
    }
}

/// What is said of files that are not there.
fn relative() -> String {
    "give a YAML file, or a directory of them, relative to the scenario's file".to_owned()
}

/// What is said of files that are too large.
pub(super) fn limits() -> String {
    format!(
        "a file may have {} MiB, and a scenario with all its files {} MiB",
        input::FILE_LIMIT >> 20,
        input::TOTAL_LIMIT >> 20
    )
}

/// The YAML and JSON files of a directory in the order of their names, without those of directories in it.
fn directory(at: &Path, mut left: u64) -> Result<Vec<ManifestFile>, Unusable> {
    let remedy =
        "name the files, or a directory with .yaml, .yml or .json files or a kustomization.yaml in it".to_owned();
    let entries = fs::entries(at).map_err(|e| Unusable {
        reason: format!("{} cannot be listed: {}", at.display(), words::io_error(&e)),
        remedy: remedy.clone(),
    })?;
    let is_manifest = |path: &PathBuf| {
        path.extension().is_some_and(|e| MANIFESTS.iter().any(|known| e.eq_ignore_ascii_case(known)))
            && !fs::is_dir(path)
    };
    let paths: Vec<PathBuf> = entries.into_iter().filter(is_manifest).collect();
    if paths.is_empty() {
        return Err(Unusable {
            reason: format!("the directory {} holds no file *.yaml, *.yml or *.json", at.display()),
            remedy,
        });
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
        Err(_) => unusable(format!("it was not built within {} s", KUSTOMIZE_LIMIT.as_secs()), see),
        Ok(Ok(text)) if text.len() as u64 > left => unusable(format!("it builds {} bytes", text.len()), limits()),
        Ok(Ok(text)) => Ok(vec![ManifestFile { name: format!("kubectl kustomize {directory}"), text }]),
        Ok(Err(ProcessError::Failed { tail, .. })) => {
            let line = tail.split_whitespace().collect::<Vec<_>>().join(" ");
            let line = line.trim_start_matches("error: ");
            let reason = innermost(line);
            if !reading.remote_bases && fetches(line) {
                return Err(remote(at, &reason));
            }
            unusable(reason, see)
        }
        Ok(Err(error)) => unusable(error.to_string(), see),
    }
}

/// What is said of a kustomization that something is fetched for.
fn remote(at: &Path, what: &str) -> Unusable {
    Unusable {
        reason: format!("it fetches a base from the network, which lab does not do by itself: {what}"),
        remedy: format!(
            "keep a copy of the base beside it, or name the output of `kubectl kustomize {}` instead; --remote-bases makes lab fetch it each time",
            at.display()
        ),
    }
}

/// The first thing that a kustomization, or one that it is built on, names and that kustomize is not let at, with its place: what has to be fetched, since
/// kustomize asks addresses of this machine without any proxy, so that it is not enough to take the network from it; and what is no file of a size that
/// lab reads, since kustomize keeps all of it in memory.
fn unfit(at: &Path, reading: Reading) -> Option<Unusable> {
    let mut seen = BTreeSet::new();
    let mut left = vec![at.to_owned()];
    while let Some(directory) = left.pop() {
        if !seen.insert(fs::canonical(&directory)) {
            continue;
        }
        let Some(file) = KUSTOMIZATIONS.iter().map(|name| directory.join(name)).find(|file| fs::is_file(file)) else {
            continue;
        };
        // What cannot be read is for kustomize to tell.
        let text = input::read(&file, input::FILE_LIMIT).ok().and_then(|bytes| decode(bytes).ok());
        for reference in references(&text.unwrap_or_default()) {
            let path = directory.join(&reference.path);
            let named =
                format!("{}:{}:{} names `{}`", file.display(), reference.line, reference.column, reference.path);
            let is_here = fs::exists(&path) && !reference.path.contains("://");
            if reference.is_remote() && !is_here && !reading.remote_bases {
                return Some(remote(at, &named));
            }
            if fs::is_dir(&path) {
                left.push(path);
            } else if let Err(why @ (input::Refused::TooLarge(_) | input::Refused::NotAFile(_))) =
                input::read(&path, input::FILE_LIMIT)
            {
                return Some(Unusable { reason: format!("{named}, and {why}"), remedy: limits() });
            }
        }
    }
    None
}

/// What went wrong, of all that kustomize says: it wraps a reason once for each base on the way to it, and adds what it tried besides.
fn innermost(message: &str) -> String {
    // "... : recursed accumulation of path 'PATH': REASON", or "couldn't make target for path", once for each base.
    let bases = ["recursed accumulation of path '", "couldn't make target for path '"];
    let last = bases.iter().filter_map(|words| Some(message.rfind(words)? + words.len())).max();
    let base = last.and_then(|at| message[at..].split_once("': "));
    let (place, mut reason) = base.map_or((None, message), |(path, reason)| (Some(path), reason));
    reason = reason.strip_prefix("accumulating resources: ").unwrap_or(reason);
    // The same as a file, then as a directory: what it was meant as is the first.
    if let Some(tried) = reason.strip_prefix("accumulation err='") {
        reason = tried.split("': must build at directory: ").next().unwrap_or(tried);
    }
    reason = reason.strip_prefix("accumulating resources from ").unwrap_or(reason);
    if let Some((_, path)) = reason.rsplit_once(": lstat ")
        && let Some(path) = path.strip_suffix(": no such file or directory")
    {
        return format!("there is no {path}");
    }
    place.map_or_else(|| reason.to_owned(), |place| format!("{place}: {reason}"))
}

/// Whether a kustomization failed for want of git or of the proxy that it was given.
fn fetches(message: &str) -> bool {
    ["'git' program", "\"git\": executable file not found", "127.0.0.1:9"].iter().any(|sign| message.contains(sign))
}

#[cfg(test)]
mod tests {
    use super::innermost;

    #[test]
    fn of_what_kustomize_says_the_reason_is_told() {
        let first = "accumulating resources: accumulation err='accumulating resources from";
        let missing = format!(
            "{first} 'no.yaml': evalsymlink failure on '/k/a/no.yaml' : lstat /k/a/no.yaml: no such file or directory': must build at \
             directory: not a valid directory: evalsymlink failure on '/k/a/no.yaml' : lstat /k/a/no.yaml: no such file or directory"
        );
        let base = |path: &str, reason: &str| {
            format!(
                "{first} '../x': '{path}' must resolve to a file': recursed accumulation of path '{path}': {reason}"
            )
        };
        let yaml = "accumulating resources: accumulating resources from 'x.yaml': MalformedYAMLError: yaml: line 1: did not find expected";
        let unknown = "invalid Kustomization: json: unknown field \"resorces\"";
        let twice = "accumulating resources: accumulation err='merging resources from 'x.yaml': may not add resource with an already registered \
                     id: ConfigMap.v1.[noGrp]/a.[noNs]': must build at directory: '/k/i/x.yaml': file is not directory";
        for (message, told) in [
            (missing.clone(), "there is no /k/a/no.yaml"),
            (base("/k/b", &base("/k/a", &missing)), "there is no /k/a/no.yaml"),
            (yaml.to_owned(), "'x.yaml': MalformedYAMLError: yaml: line 1: did not find expected"),
            (base("/k/d", yaml), "/k/d: 'x.yaml': MalformedYAMLError: yaml: line 1: did not find expected"),
            (unknown.to_owned(), unknown),
            (
                format!(
                    "{first} '../f': '/k/f' must resolve to a file': couldn't make target for path '/k/f': {unknown}"
                ),
                "/k/f: invalid Kustomization: json: unknown field \"resorces\"",
            ),
            (
                twice.to_owned(),
                "merging resources from 'x.yaml': may not add resource with an already registered id: ConfigMap.v1.[noGrp]/a.[noNs]",
            ),
            (
                format!(
                    "{first} 'https://x/y.yaml': Get \"https://x/y.yaml\": refused': must build at directory: not a valid directory: z"
                ),
                "'https://x/y.yaml': Get \"https://x/y.yaml\": refused",
            ),
        ] {
            assert_eq!(innermost(&message), told);
        }
    }
}
