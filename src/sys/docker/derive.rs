//! Derives an image from another: runs a program in a container with an archive on its standard input and commits what it leaves.

use std::collections::HashMap;
use std::io;

use bollard::container::{AttachContainerResults, LogOutput};
use bollard::errors::Error;
use bollard::models::{ContainerConfig, ContainerCreateBody, HostConfig, ImageConfig, Mount, MountType};
use bollard::query_parameters::{
    AttachContainerOptionsBuilder, CommitContainerOptionsBuilder, CreateContainerOptionsBuilder,
    ListContainersOptionsBuilder, WaitContainerOptionsBuilder,
};
use bytes::Bytes;
use futures::{Stream, StreamExt, TryStreamExt};

use super::{DockerError, Engine, ask, while_it_answers};
use crate::sys::pipe::feed;

/// Label of the containers in which images are derived. The images themselves carry it empty: it would be handed down to every node otherwise,
/// and nodes would be taken for what an interrupted run left behind.
pub const BUILD_LABEL: &str = "dev.lab.build";

/// Its value on a container.
const BUILDING: &str = "1";

/// Prefix of the names of such containers.
const PREFIX: &str = "lab-build-";

/// What to derive.
#[derive(Clone, Debug)]
pub struct Derivation<'a> {
    /// Name of the container, after the prefix; the caller holds a lock of this name.
    pub name: &'a str,
    /// The image to start from.
    pub from: &'a str,
    /// What to run in it.
    pub command: Vec<String>,
    /// Directory that is a volume while it runs, and no part of the result.
    pub volume: &'a str,
    /// Repository and tag of the result.
    pub to: (&'a str, &'a str),
    /// Its labels.
    pub labels: Vec<(&'a str, &'a str)>,
}

/// Lines of the program's output that an error shows.
const TAIL: usize = 15;

/// Removes the container also when the future that works on it is dropped.
pub(super) struct Container<'a> {
    pub(super) engine: &'a Engine,
    pub(super) name: String,
}

impl<'a> Container<'a> {
    /// The container for work of this name, of which the caller holds a lock. What an interrupted run left of it goes.
    pub(super) async fn of(engine: &'a Engine, name: &str) -> Result<Self, DockerError> {
        let container = Self { engine, name: format!("{PREFIX}{name}") };
        engine.remove(&container.name).await?;
        Ok(container)
    }

    /// By which what is left of it is known.
    pub(super) fn labels() -> HashMap<String, String> {
        HashMap::from([(BUILD_LABEL.to_owned(), BUILDING.to_owned())])
    }
}

impl Drop for Container<'_> {
    fn drop(&mut self) {
        let (engine, name) = (self.engine.clone(), std::mem::take(&mut self.name));
        // Nobody may be left to poll this when the process is about to end; the next run removes what is left then.
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(async move { engine.remove(&name).await });
        }
    }
}

impl Engine {
    /// Derives an image. `on_line` sees the program's output.
    pub async fn derive_image<S>(
        &self,
        what: Derivation<'_>,
        input: S,
        on_line: impl FnMut(&str),
    ) -> Result<(), DockerError>
    where
        S: Stream<Item = io::Result<Bytes>> + Send,
    {
        let container = Container::of(self, what.name).await?;
        let action = async { Ok(run_and_commit(self, &what, &container.name, input, on_line).await) };
        let failed = |e| Err(DockerError::request(format!("derive an image from {}", what.from))(e));
        let result = while_it_answers(&self.copying, action).await.unwrap_or_else(failed);
        self.remove(&container.name).await?;
        result
    }

    /// Removes containers that interrupted runs left behind. `is_free` tells whether nobody works on the name any more.
    pub async fn remove_leftovers(&self, is_free: impl Fn(&str) -> bool) -> Result<(), DockerError> {
        let filters = HashMap::from([("label".to_owned(), vec![format!("{BUILD_LABEL}={BUILDING}")])]);
        let options = ListContainersOptionsBuilder::default().all(true).filters(&filters).build();
        let left = ask("list containers", self.docker.list_containers(Some(options))).await?;
        for name in left.into_iter().flat_map(|c| c.names.unwrap_or_default()) {
            let name = name.trim_start_matches('/');
            if name.strip_prefix(PREFIX).is_some_and(&is_free) {
                self.remove(name).await?;
            }
        }
        Ok(())
    }
}

async fn run_and_commit<S>(
    engine: &Engine,
    what: &Derivation<'_>,
    container: &str,
    input: S,
    mut on_line: impl FnMut(&str),
) -> Result<(), DockerError>
where
    S: Stream<Item = io::Result<Bytes>> + Send,
{
    let docker = &engine.copying;
    let failed = || DockerError::request(format!("derive an image from {}", what.from));
    let base = engine.image_config(what.from).await?.unwrap_or_default();
    let options = CreateContainerOptionsBuilder::default().name(container).build();
    docker.create_container(Some(options), body(what)).await.map_err(failed())?;

    let options = AttachContainerOptionsBuilder::default().stdin(true).stdout(true).stderr(true).stream(true).build();
    let AttachContainerResults { mut output, input: stdin } =
        docker.attach_container(container, Some(options)).await.map_err(failed())?;
    let start = None::<bollard::query_parameters::StartContainerOptions>;
    docker.start_container(container, start).await.map_err(failed())?;

    let write = feed(stdin, input);
    let mut tail = std::collections::VecDeque::new();
    let listen = async {
        while let Some(written) = output.next().await {
            let Ok(LogOutput::StdOut { message } | LogOutput::StdErr { message }) = written else { continue };
            let line = String::from_utf8_lossy(&message).trim_end().to_owned();
            on_line(&line);
            if tail.len() == TAIL {
                tail.pop_front();
            }
            tail.push_back(line);
        }
    };
    // Whichever end fails, the program's own words and its exit code say more than a broken pipe does.
    let (fed, ()) = tokio::join!(write, listen);
    let options = WaitContainerOptionsBuilder::default().condition("not-running").build();
    let ended: Result<Vec<_>, Error> = docker.wait_container(container, Some(options)).try_collect().await;
    if let Err(error) = ended {
        let lines: Vec<String> = [error.to_string()].into_iter().chain(tail).collect();
        return Err(failed()(Error::DockerStreamError { error: lines.join("\n  ") }));
    }
    fed.map_err(|e| failed()(e.into()))?;

    let options = CommitContainerOptionsBuilder::default().container(container).repo(what.to.0).tag(what.to.1).build();
    docker.commit_container(options, config(base, what)).await.map_err(failed())?;
    Ok(())
}

fn body(what: &Derivation<'_>) -> ContainerCreateBody {
    ContainerCreateBody {
        image: Some(what.from.to_owned()),
        entrypoint: Some(what.command.clone()),
        attach_stdin: Some(true),
        attach_stdout: Some(true),
        attach_stderr: Some(true),
        open_stdin: Some(true),
        // When this process ends, however it ends, the program reads the end of a torn archive and fails.
        stdin_once: Some(true),
        labels: Some(Container::labels()),
        host_config: Some(HostConfig {
            // Unpacking a layer takes mounting it.
            privileged: Some(true),
            network_mode: Some("none".to_owned()),
            mounts: Some(vec![Mount {
                target: Some(what.volume.to_owned()),
                typ: Some(MountType::VOLUME),
                ..Mount::default()
            }]),
            ..HostConfig::default()
        }),
        ..ContainerCreateBody::default()
    }
}

/// The result starts as the image did that it is derived from.
fn config(base: ImageConfig, what: &Derivation<'_>) -> ContainerConfig {
    let mut labels = base.labels.unwrap_or_default();
    labels.extend(what.labels.iter().map(|&(k, v)| (k.to_owned(), v.to_owned())));
    labels.insert(BUILD_LABEL.to_owned(), String::new());
    ContainerConfig {
        user: base.user,
        env: base.env,
        cmd: base.cmd,
        working_dir: base.working_dir,
        entrypoint: base.entrypoint,
        stop_signal: base.stop_signal,
        labels: Some(labels),
        ..ContainerConfig::default()
    }
}
