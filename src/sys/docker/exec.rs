//! Commands in node containers.

use std::io;
use std::pin::Pin;
use std::time::Duration;

use bollard::container::LogOutput;
use bollard::errors::Error;
use bollard::exec::{StartExecOptions, StartExecResults};
use bollard::models::ExecConfig;
use bytes::Bytes;
use futures::{Stream, StreamExt};
use tokio::io::AsyncWrite;

use super::{DockerError, Engine, ask, while_it_answers};
use crate::sys::pipe::feed;

/// How long a command in a node may take that is sent no stream. The slowest waits until a control plane of Karmada is up.
const WHOLE: Duration = Duration::from_secs(600);

/// What a command in a container printed, and whether it ended well.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ContainerOutput {
    /// Standard output and standard error together.
    pub text: String,
    /// Whether its exit status was 0.
    pub success: bool,
}

/// Lines that a command in a container prints. It ends when this is dropped, or when this process is gone.
pub struct NodeLines {
    output: Pin<Box<dyn Stream<Item = Result<LogOutput, Error>> + Send>>,
    /// Held open: its end is what ends the command.
    _input: Pin<Box<dyn AsyncWrite + Send>>,
    rest: String,
}

impl NodeLines {
    /// The next line; `None` at its end, however it ended.
    pub async fn next(&mut self) -> Option<String> {
        loop {
            if let Some((line, rest)) = self.rest.split_once('\n') {
                let (line, rest) = (line.to_owned(), rest.to_owned());
                self.rest = rest;
                return Some(line);
            }
            let part = self.output.next().await?.ok()?;
            self.rest.push_str(&String::from_utf8_lossy(&part.into_bytes()));
        }
    }
}

impl Engine {
    /// Starts a command in a container that has a shell. Its lines come as they are printed.
    ///
    /// The engine lets a command go on when nobody listens any more. So a shell waits for the end of its input, which comes when this process lets go of
    /// the command or is gone itself, and then ends the command.
    pub async fn exec_lines(&self, container: &str, command: &[&str]) -> Result<NodeLines, DockerError> {
        let what = || format!("run {} in {container}", command.first().copied().unwrap_or_default());
        let words = ["sh", "-c", "\"$@\" & read -r _; kill $!", "sh"].into_iter().chain(command.iter().copied());
        let config = ExecConfig {
            attach_stdin: Some(true),
            attach_stdout: Some(true),
            cmd: Some(words.map(str::to_owned).collect()),
            ..ExecConfig::default()
        };
        let id = ask(what(), self.docker.create_exec(container, config)).await?.id;
        match ask(what(), self.docker.start_exec(&id, None::<StartExecOptions>)).await? {
            StartExecResults::Attached { output, input } => {
                Ok(NodeLines { output, _input: input, rest: String::new() })
            }
            StartExecResults::Detached => {
                Err(DockerError::request(what())(io::Error::other("it has no output").into()))
            }
        }
    }

    /// Runs a command in a container to its end, with `input` on its standard input.
    pub async fn exec(
        &self,
        container: &str,
        command: &[&str],
        input: Option<&str>,
    ) -> Result<ContainerOutput, DockerError> {
        let input = input.map(|text| futures::stream::iter([Ok(Bytes::copy_from_slice(text.as_bytes()))]));
        let run = self.exec_stream(container, command, input);
        // On the heap: it is a large future, and every step that runs something in a node would carry it.
        let ended = tokio::time::timeout(WHOLE, Box::pin(run)).await;
        let what = command.first().copied().unwrap_or_default();
        ended.unwrap_or_else(|_| {
            let late = io::Error::new(io::ErrorKind::TimedOut, format!("it did not end within {} s", WHOLE.as_secs()));
            Err(DockerError::request(format!("run {what} in {container} to its end"))(late.into()))
        })
    }

    /// The same with a stream as its standard input.
    pub async fn exec_stream<S>(
        &self,
        container: &str,
        command: &[&str],
        input: Option<S>,
    ) -> Result<ContainerOutput, DockerError>
    where
        S: Stream<Item = io::Result<Bytes>> + Send,
    {
        let what = || format!("run {} in {container}", command.first().copied().unwrap_or_default());
        let config = ExecConfig {
            attach_stdin: Some(input.is_some()),
            attach_stdout: Some(true),
            attach_stderr: Some(true),
            cmd: Some(command.iter().map(|w| (*w).to_owned()).collect()),
            ..ExecConfig::default()
        };
        let id = ask(what(), self.docker.create_exec(container, config)).await?.id;
        let started = ask(what(), self.docker.start_exec(&id, None::<StartExecOptions>)).await?;
        let mut text = String::new();
        if let StartExecResults::Attached { mut output, input: stdin } = started {
            let write = async {
                match input {
                    Some(input) => feed(stdin, input).await,
                    None => Ok(()),
                }
            };
            let read = async {
                while let Some(part) = output.next().await {
                    text.push_str(&String::from_utf8_lossy(&part?.into_bytes()));
                }
                Ok(())
            };
            let both = async {
                let (written, read) = tokio::join!(write, read);
                read.map(|()| written)
            };
            // A command that reads nothing more has its own words for why.
            let written = while_it_answers(&self.docker, both).await.map_err(DockerError::request(what()))?;
            if text.is_empty() {
                written.map_err(|e| DockerError::request(what())(e.into()))?;
            }
        }
        let ended = ask(what(), self.docker.inspect_exec(&id)).await?;
        Ok(ContainerOutput { text, success: ended.exit_code == Some(0) })
    }
}
