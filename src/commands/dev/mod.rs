//! `dev`: what is in a directory, built, put into the nodes of clusters and run there, again after each edit.

mod build;
mod event;
mod logs;
mod objects;
mod project;
mod run;
mod send;
mod tell;

use std::collections::{BTreeMap, BTreeSet};
use std::error::Error as _;
use std::path::{Path, PathBuf};

use miette::Diagnostic as _;
use serde_json::Value;

use crate::context::{LabContext, StepError};
use crate::images::Layers;
use crate::images::context::Ignored;
use crate::plan::Lab;
use crate::plan::render::Images;
use crate::sys::watch::Watch;
use crate::sys::words;

pub use event::{DevEvent, Done, Failure, Happened, Phase};
pub use logs::Logs;
pub use project::{Project, is_image_name};
pub use run::Started;
pub use tell::Tell;

/// A directory that is watched, and what became of it so far.
pub struct Dev<'a> {
    ctx: &'a LabContext,
    /// What is developed.
    pub project: Project,
    /// Who is told.
    pub tell: Tell,
    /// Images of the stack that manifests may name by their keys.
    keys: Images,
    watch: Watch,
    edits: Edits,
    image: Option<build::Image>,
    /// What nodes hold already: the node and the image.
    held: BTreeSet<(String, String)>,
    /// The layers that all nodes hold; none before they were asked.
    layers: Option<Layers>,
    /// What was applied, by cluster and object.
    applied: BTreeMap<(String, String), Value>,
}

/// Files that have changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Edited {
    /// Their paths in the directory.
    pub files: BTreeSet<PathBuf>,
    /// Whether they did so while the build command ran: it may have written them itself.
    pub while_building: bool,
}

/// Which files were written by whom.
#[derive(Debug, Default)]
struct Edits {
    /// Those that the build command has written, or somebody while it ran.
    within: BTreeSet<PathBuf>,
    /// Those that were written while no build command ran.
    outside: BTreeSet<PathBuf>,
    /// Those that another round is for.
    owed: BTreeSet<PathBuf>,
}

impl Edits {
    /// Files that changed while no build command ran.
    fn outside(&mut self, files: &BTreeSet<PathBuf>) {
        self.outside.extend(files.iter().cloned());
    }

    /// Files that changed while the build command ran. What it writes each time, and nobody else, is its result; anything else may be an edit.
    fn within(&mut self, files: BTreeSet<PathBuf>) {
        for file in files {
            let is_result = !self.within.insert(file.clone()) && !self.outside.contains(&file);
            if !is_result {
                self.owed.insert(file);
            }
        }
    }
}

impl<'a> Dev<'a> {
    /// Begins to watch the directory. What `ignored` has is not watched.
    ///
    /// # Errors
    /// The directory cannot be watched.
    pub fn new(
        ctx: &'a LabContext,
        project: Project,
        keys: Images,
        ignored: Ignored,
        tell: Tell,
    ) -> Result<Self, StepError> {
        let is_out = move |path: &Path| project::is_of_tools(path) || ignored.has(&path.to_string_lossy());
        let watch = Watch::of(&project.directory, is_out).map_err(|e| unwatched(&project.directory, &e))?;
        Ok(Self {
            ctx,
            project,
            tell,
            keys,
            watch,
            edits: Edits::default(),
            image: None,
            held: BTreeSet::new(),
            layers: None,
            applied: BTreeMap::new(),
        })
    }

    /// Waits for files to change, and gives them.
    ///
    /// # Errors
    /// The directory cannot be watched any more.
    pub async fn edited(&mut self) -> Result<Edited, StepError> {
        let owed = std::mem::take(&mut self.edits.owed);
        if !owed.is_empty() {
            return Ok(Edited { files: owed, while_building: true });
        }
        let files = self.watch.changes().await.map_err(|e| unwatched(&self.project.directory, &e))?;
        self.edits.outside(&files);
        Ok(Edited { files, while_building: false })
    }

    /// One round, as far as all of it is applied: builds and loads the image unless only manifests were edited, and applies what `lab` has as its apps.
    ///
    /// # Errors
    /// What was edited does not do; what ran before goes on.
    pub async fn round(
        &mut self,
        files: Option<&BTreeSet<PathBuf>>,
        lab: &Result<Lab, Failure>,
    ) -> Result<Vec<Started>, Failure> {
        let only_manifests = files.is_some_and(|files| files.iter().all(|file| self.project.is_manifest(file)));
        // What is wrong with manifests is told before a build, which may take long.
        let lab = lab.as_ref().map_err(Clone::clone)?;
        if !only_manifests || self.image.is_none() {
            Box::pin(self.build()).await?;
        }
        let objects = self.objects(lab)?;
        Box::pin(self.load()).await?;
        Box::pin(self.apply(&objects)).await
    }

    /// What has changed until now belongs to this round.
    fn edited_before(&mut self) -> Result<(), Failure> {
        let files = self.watch.changed().map_err(|e| failure(Phase::Build, unwatched(&self.project.directory, &e)))?;
        self.edits.outside(&files);
        Ok(())
    }

    /// What has changed since then did so while the build command ran.
    fn edited_within(&mut self) -> Result<(), Failure> {
        let files = self.watch.changed().map_err(|e| failure(Phase::Build, unwatched(&self.project.directory, &e)))?;
        self.edits.within(files);
        Ok(())
    }
}

fn unwatched(directory: &Path, error: &std::io::Error) -> StepError {
    StepError::Machine {
        problem: format!("cannot watch {}: {}", directory.display(), words::io_error(error)),
        remedy: "leave out what needs no watching by --ignore; `lab doctor --fix` raises limits that are too low"
            .to_owned(),
    }
}

/// An error with its causes, as the end of a round.
fn failure(phase: Phase, error: impl Into<StepError>) -> Failure {
    let error = error.into();
    let mut problem = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let line = error.to_string();
        if !problem.contains(&line) {
            problem = format!("{problem}: {line}");
        }
        cause = error.source();
    }
    Failure { phase, problem, remedy: error.help().map(|help| help.to_string()).unwrap_or_default() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn files(names: &[&str]) -> BTreeSet<PathBuf> {
        names.iter().map(PathBuf::from).collect()
    }

    #[test]
    fn what_a_build_writes_each_time_is_no_edit() {
        let mut edits = Edits::default();
        edits.within(files(&["hello"]));
        assert_eq!(std::mem::take(&mut edits.owed), files(&["hello"]), "who wrote it is not known yet");
        edits.within(files(&["hello"]));
        assert!(edits.owed.is_empty());
        // Saved while the build ran, and before that while it did not.
        edits.outside(&files(&["main.go"]));
        for _ in 0..3 {
            edits.within(files(&["hello", "main.go"]));
            assert_eq!(std::mem::take(&mut edits.owed), files(&["main.go"]));
        }
        edits.within(files(&["new.go"]));
        assert_eq!(edits.owed, files(&["new.go"]));
    }
}
