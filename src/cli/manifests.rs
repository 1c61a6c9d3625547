//! Reads the files that a scenario names: YAML, directories of it, and kustomizations.

use std::path::{Path, PathBuf};

use tokio_util::sync::CancellationToken;

use super::{CliError, images};
use crate::images::{kubectl, kubectl_here};
use crate::scenario::{Files, ManifestFile, Unusable, paths};
use crate::sys::fs;
use crate::sys::process::{Process, ProcessError};

/// By any of these names `kubectl kustomize` finds what to build in a directory.
const KUSTOMIZATIONS: [&str; 3] = ["kustomization.yaml", "kustomization.yml", "Kustomization"];

/// What is at the paths that the scenario in `text` names, relative to the scenario's file.
pub(super) async fn read(text: &str, scenario: &Path, interrupt: &CancellationToken) -> Result<Files, CliError> {
    let base = scenario.parent().unwrap_or(Path::new(""));
    let mut files = Files::new();
    let mut program = None;
    for path in paths(text) {
        let at = base.join(&path);
        let found = if KUSTOMIZATIONS.iter().any(|name| fs::is_file(&at.join(name))) {
            let program = match &program {
                Some(program) => program,
                None => program.insert(find(interrupt).await?),
            };
            tokio::select! {
                built = kustomize(program, &at) => built,
                () = interrupt.cancelled() => {
                    return Err(CliError::Interrupted { remedy: "nothing was begun".to_owned() });
                }
            }
        } else if fs::is_dir(&at) {
            directory(&at)
        } else {
            file(&at).map(|file| vec![file])
        };
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

fn file(at: &Path) -> Result<ManifestFile, Unusable> {
    let remedy = "give a YAML file, or a directory of them, relative to the scenario's file".to_owned();
    match fs::read(at) {
        Ok(text) => Ok(ManifestFile { name: at.display().to_string(), text }),
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => {
            Err(Unusable { reason: format!("there is no {}", at.display()), remedy })
        }
        Err(e) => Err(Unusable { reason: format!("{} cannot be read: {e}", at.display()), remedy }),
    }
}

/// The YAML files of a directory in the order of their names, without those of directories in it.
fn directory(at: &Path) -> Result<Vec<ManifestFile>, Unusable> {
    let remedy = "name the files, or a directory with YAML files or a kustomization.yaml in it".to_owned();
    let entries = fs::files_in(at)
        .map_err(|e| Unusable { reason: format!("{} cannot be listed: {e}", at.display()), remedy: remedy.clone() })?;
    let is_yaml = |path: &PathBuf| path.extension().is_some_and(|e| e == "yaml" || e == "yml");
    let files: Vec<PathBuf> = entries.into_iter().filter(is_yaml).collect();
    if files.is_empty() {
        return Err(Unusable { reason: format!("the directory {} holds no YAML file", at.display()), remedy });
    }
    files.iter().map(|path| file(path)).collect()
}

async fn kustomize(kubectl: &Path, at: &Path) -> Result<Vec<ManifestFile>, Unusable> {
    let directory = at.display().to_string();
    match Process::new(kubectl).args(["kustomize", &directory]).output().await {
        Ok(text) => Ok(vec![ManifestFile { name: format!("kubectl kustomize {directory}"), text }]),
        Err(error) => Err(Unusable {
            reason: match error {
                ProcessError::Failed { tail, .. } => {
                    let line = tail.split_whitespace().collect::<Vec<_>>().join(" ");
                    line.trim_start_matches("error: ").to_owned()
                }
                error => error.to_string(),
            },
            remedy: format!("see what `kubectl kustomize {directory}` says"),
        }),
    }
}
