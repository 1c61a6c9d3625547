//! Whether the engine can start the kind of container that nodes are. It is tried, since no fact about a machine tells it for sure.

use std::collections::HashMap;

use bollard::models::{ContainerCreateBody, HostConfig};
use bollard::query_parameters::CreateContainerOptionsBuilder;

use super::{DockerError, Engine, Error, while_it_answers};

/// Label of what is made for the trial.
const LABEL: &str = "dev.lab.probe";

/// What the container would run. No image has it, the empty one of the trial least of all.
const NOTHING: &str = "/lab-probe";

/// Removes container and image also when the future that tries is dropped.
struct Trial {
    engine: Engine,
    name: String,
    image: String,
}

impl Trial {
    /// Removes both.
    async fn end(mut self) -> Result<(), DockerError> {
        let (name, image) = (std::mem::take(&mut self.name), std::mem::take(&mut self.image));
        remove(&self.engine, &name, &image).await
    }
}

impl Drop for Trial {
    fn drop(&mut self) {
        let (engine, name, image) =
            (self.engine.clone(), std::mem::take(&mut self.name), std::mem::take(&mut self.image));
        if name.is_empty() {
            return;
        }
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(async move { remove(&engine, &name, &image).await });
        }
    }
}

async fn remove(engine: &Engine, name: &str, image: &str) -> Result<(), DockerError> {
    engine.remove(name).await?;
    engine.remove_image(image).await
}

impl Engine {
    /// Tries to start a privileged container, by another runtime than the engine's own if one is given. Gives what the engine says when it cannot.
    ///
    /// The container's image is empty, so nothing ever runs: a runtime sets everything up that privileges are about before it looks for the
    /// program, and that there is none is how the trial goes well.
    ///
    /// # Errors
    /// The engine cannot make the image or the container, for reasons that have nothing to do with privileges.
    pub async fn try_privileged(&self, runtime: Option<&str>) -> Result<Result<(), String>, DockerError> {
        let id = std::process::id();
        let trial = Trial { engine: self.clone(), name: format!("lab-probe-{id}"), image: format!("lab/probe:{id}") };
        self.label_image("scratch", &trial.image, &[(LABEL, "1")], &[]).await?;
        let body = ContainerCreateBody {
            image: Some(trial.image.clone()),
            cmd: Some(vec![NOTHING.to_owned()]),
            labels: Some(HashMap::from([(LABEL.to_owned(), "1".to_owned())])),
            host_config: Some(HostConfig {
                privileged: Some(true),
                runtime: runtime.map(str::to_owned),
                network_mode: Some("none".to_owned()),
                ..HostConfig::default()
            }),
            ..ContainerCreateBody::default()
        };
        let options = CreateContainerOptionsBuilder::default().name(&trial.name).build();
        let created = while_it_answers(&self.docker, self.docker.create_container(Some(options), body)).await;
        let started = match created.map_err(DockerError::request("create a container")) {
            Ok(_) => Ok(while_it_answers(&self.docker, self.docker.start_container(&trial.name, None)).await),
            Err(error) => Err(error),
        };
        let ended = trial.end().await;
        let started = started?;
        ended?;
        Ok(match started {
            Ok(()) => Ok(()),
            Err(error) => outcome(&error.to_string()),
        })
    }
}

impl Engine {
    /// Whether a container of this name could be made from this image. It is tried, since the engine shows a container only once it is made, which may
    /// take it many seconds, but reserves its name as soon as it is asked for it.
    ///
    /// # Errors
    /// The engine cannot make a container of the image, for reasons that have nothing to do with its name.
    pub async fn is_name_free(&self, name: &str, image: &str) -> Result<bool, DockerError> {
        let body = ContainerCreateBody {
            image: Some(image.to_owned()),
            cmd: Some(vec![NOTHING.to_owned()]),
            ..ContainerCreateBody::default()
        };
        let options = CreateContainerOptionsBuilder::default().name(name).build();
        match while_it_answers(&self.docker, self.docker.create_container(Some(options), body)).await {
            Ok(_) => self.remove(name).await.map(|()| true),
            Err(Error::DockerResponseServerError { status_code: 409, .. }) => Ok(false),
            Err(error) => Err(DockerError::request(format!("make a container named {name}"))(error)),
        }
    }
}

/// What the refusal to run a program that is not there says about everything before.
fn outcome(message: &str) -> Result<(), String> {
    let is_about_it = message.contains(NOTHING);
    if is_about_it && ["no such file", "not found"].iter().any(|words| message.contains(words)) {
        return Ok(());
    }
    // The engine puts one layer before another; the last says what happened.
    Err(message.trim_end_matches(": unknown").rsplit("container process: ").next().unwrap_or(message).to_owned())
}

#[cfg(test)]
mod tests {
    use super::outcome;

    #[test]
    fn only_the_missing_program_is_well() {
        let runc = |rest: &str| {
            format!(
                "Docker responded with status code 400: failed to create shim task: OCI runtime create failed: runc create failed: unable to start container process: {rest}: unknown"
            )
        };
        assert_eq!(outcome(&runc("exec: \"/lab-probe\": stat /lab-probe: no such file or directory")), Ok(()));
        assert_eq!(outcome("crun: executable file `/lab-probe` not found: No such file or directory"), Ok(()));
        let caps = outcome(&runc("unable to apply caps: operation not permitted"));
        assert_eq!(caps, Err("unable to apply caps: operation not permitted".to_owned()));
        assert!(outcome("error mounting /sys: no such file or directory").is_err());
    }
}
