//! The image of what is in the directory.

use std::path::Path;
use std::time::Duration;

use bytes::Bytes;

use super::event::{DevEvent, Failure, Happened, Phase};
use super::{Dev, failure};
use crate::images::context::{Context, DOCKERFILE, Recipe};
use crate::images::{self, Alone};
use crate::sys::docker::LAB_LABEL;
use crate::sys::process::{Process, ProcessError};
use crate::sys::{input, words};

/// What a program is on that needs nothing.
const NOTHING: &str = "scratch";
/// A larger program is for the engine.
const LARGEST: u64 = 512 << 20;
/// How long a build command may take.
const LIMIT: Duration = Duration::from_secs(3600);
/// The variable by which a build command is told the name under which it may leave an image.
const VARIABLE: &str = "LAB_IMAGE";
/// How much of an image's identifier is its tag.
const TAG: usize = 12;
/// Before it in an identifier.
const SHA: &str = "sha256:";

/// An image that was built.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Image {
    /// The name that nodes get it by: its tag is the identifier, so that no two images have one name.
    pub reference: String,
    /// The context that it was built from; none if the command has made it.
    context: Option<String>,
    /// The archive of one that the engine does not have.
    pub archive: Option<Bytes>,
}

impl Dev<'_> {
    /// Builds the image, if what it is built from has changed.
    pub(super) async fn build(&mut self) -> Result<(), Failure> {
        let repository = self.project.repository(&self.ctx.lab.name);
        let building = format!("{repository}:building");
        if let Some(command) = self.project.command.clone() {
            // One that is there afterwards is the command's.
            self.ctx.engine.untag_image(&building).await.map_err(|e| failure(Phase::Build, e))?;
            self.edited_before()?;
            let ran = self.run(&command, &building).await;
            self.edited_within()?;
            ran?;
            if let Some(id) = self.ctx.engine.image_id(&building).await.map_err(|e| failure(Phase::Build, e))? {
                return self.take(&repository, &building, &id, None).await;
            }
        }
        let context = Context::of(&self.project.directory, &self.project.recipe).map_err(|e| Failure {
            phase: Phase::Build,
            problem: format!("{}: {}", self.project.directory.display(), words::io_error(&e)),
            remedy: "the image is built from this directory and nothing else".to_owned(),
        })?;
        let digest = context.digest();
        if self.image.as_ref().is_some_and(|image| image.context.as_ref() == Some(&digest)) {
            return Ok(());
        }
        if let Recipe::Program { path, base } = &self.project.recipe
            && base == NOTHING
            && let Some(alone) = self.alone(path, &repository).await?
        {
            self.built(Image { reference: alone.reference, context: Some(digest), archive: Some(alone.archive) });
            return Ok(());
        }
        let registries = context.registries();
        let labels = [(LAB_LABEL, self.ctx.lab.name.as_str())];
        let (engine, tell) = (&self.ctx.engine, &self.tell);
        let printed = |line: &str| {
            if !is_of_builder(line) {
                tell.printed(line);
            }
        };
        let building_it = engine.build_own_image(context.pack(), &building, &labels, &registries, printed);
        let built = Box::pin(building_it).await;
        if let Err(told) = built.map_err(|e| failure(Phase::Build, e))? {
            return Err(self.refused(&told));
        }
        let id = engine.image_id(&building).await.map_err(|e| failure(Phase::Build, e))?.unwrap_or_default();
        self.take(&repository, &building, &id, Some(digest)).await
    }

    /// Gives an image the name by which nodes get it.
    async fn take(
        &mut self,
        repository: &str,
        building: &str,
        id: &str,
        context: Option<String>,
    ) -> Result<(), Failure> {
        let id = id.strip_prefix(SHA).unwrap_or(id);
        let tag = id.get(..TAG).unwrap_or(id);
        let reference = format!("{repository}:{tag}");
        let engine = &self.ctx.engine;
        engine.tag_image(building, repository, tag).await.map_err(|e| failure(Phase::Build, e))?;
        engine.untag_image(building).await.map_err(|e| failure(Phase::Build, e))?;
        self.built(Image { reference, context, archive: None });
        Ok(())
    }

    /// Takes an image for what is in the directory.
    fn built(&mut self, image: Image) {
        if self.image.as_ref().is_none_or(|before| before.reference != image.reference) {
            let event = DevEvent::of(Happened::Built);
            self.tell.send(DevEvent { image: Some(image.reference.clone()), ..event });
        }
        self.image = Some(image);
    }

    /// The image of a program on nothing: no engine is needed for it.
    async fn alone(&self, program: &Path, repository: &str) -> Result<Option<Alone>, Failure> {
        let (path, repository) = (self.project.directory.join(program), repository.to_owned());
        let shown = path.display().to_string();
        let made = tokio::task::spawn_blocking(move || {
            let program = input::read(&path, LARGEST).map_err(|e| e.to_string())?;
            images::alone(&program, &repository).map_err(|e| words::io_error(&e))
        });
        let made = made.await.unwrap_or_else(|e| Err(e.to_string()));
        made.map_err(|reason| Failure {
            phase: Phase::Build,
            problem: format!("{shown} cannot be made an image: {reason}"),
            remedy: "name a program in the directory by --binary".to_owned(),
        })
    }

    /// Runs the build command.
    async fn run(&self, command: &str, building: &str) -> Result<(), Failure> {
        let process = Process::new("sh").args(["-c", command]).dir(&self.project.directory).env(VARIABLE, building);
        let ran = process.limit(LIMIT).run(|line| self.tell.printed(line)).await;
        ran.map(|_| ()).map_err(|error| Failure {
            phase: Phase::Build,
            problem: match error {
                ProcessError::Failed { status, tail, .. } => format!("`{command}` failed ({status}):\n{tail}"),
                error => error.to_string(),
            },
            remedy: format!("correct what it names; it runs in {}", self.project.directory.display()),
        })
    }

    /// A build that the engine refused.
    fn refused(&self, told: &str) -> Failure {
        let file = self.project.directory.join(DOCKERFILE);
        let problem = match line_of(told) {
            Some((line, what)) if self.project.recipe == Recipe::Dockerfile => {
                format!("{}:{line}: {what}", file.display())
            }
            _ => told.to_owned(),
        };
        let remedy = if told.contains("BuildKit") {
            format!(
                "the engine's own builder cannot do that: let the command build the image, `--build 'docker buildx build --load -t \"${VARIABLE}\" .'`"
            )
        } else {
            format!("correct {}, or what it copies", file.display())
        };
        Failure { phase: Phase::Build, problem, remedy }
    }
}

/// Whether a line is what the builder says of each step, rather than what a step says.
fn is_of_builder(line: &str) -> bool {
    ["Step ", " ---> ", "Removing intermediate container", "Successfully "].iter().any(|start| line.starts_with(start))
}

/// The line of the Dockerfile that cannot be read, and why.
fn line_of(told: &str) -> Option<(usize, &str)> {
    let (_, rest) = told.split_once("ockerfile parse error ")?;
    let rest = rest.strip_prefix("on ").unwrap_or(rest).strip_prefix("line ")?;
    let (line, what) = rest.split_once(": ")?;
    Some((line.split('-').next()?.parse().ok()?, what.trim()))
}

#[cfg(test)]
mod tests {
    use super::line_of;

    #[test]
    fn the_line_of_a_dockerfile_is_known() {
        for (told, line) in [
            ("dockerfile parse error line 2: unknown instruction: FORM", Some((2, "unknown instruction: FORM"))),
            ("failed to process: dockerfile parse error on line 12: x", Some((12, "x"))),
            ("Dockerfile parse error line 3-4: y", Some((3, "y"))),
            ("COPY failed: file not found", None),
        ] {
            assert_eq!(line_of(told), line, "{told}");
        }
    }
}
