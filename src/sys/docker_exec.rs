//! Commands in node containers.

use std::io;

use bollard::exec::{StartExecOptions, StartExecResults};
use bollard::models::ExecConfig;
use bytes::Bytes;
use futures::{Stream, StreamExt};

use super::docker::{DockerError, Engine};
use super::pipe::feed;

/// What a command in a container printed, and whether it ended well.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ContainerOutput {
    /// Standard output and standard error together.
    pub text: String,
    /// Whether its exit status was 0.
    pub success: bool,
}

impl Engine {
    /// Runs a command in a container to its end, with `input` on its standard input.
    pub async fn exec(
        &self,
        container: &str,
        command: &[&str],
        input: Option<&str>,
    ) -> Result<ContainerOutput, DockerError> {
        let input = input.map(|text| futures::stream::iter([Ok(Bytes::copy_from_slice(text.as_bytes()))]));
        self.exec_stream(container, command, input).await
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
        let id = self.docker.create_exec(container, config).await.map_err(DockerError::request(what()))?.id;
        let started =
            self.docker.start_exec(&id, None::<StartExecOptions>).await.map_err(DockerError::request(what()))?;
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
                    let part = part.map_err(DockerError::request(what()))?;
                    text.push_str(&String::from_utf8_lossy(&part.into_bytes()));
                }
                Ok(())
            };
            // A command that reads nothing more has its own words for why.
            let (written, read) = tokio::join!(write, read);
            read?;
            if text.is_empty() {
                written.map_err(|e| DockerError::request(what())(e.into()))?;
            }
        }
        let ended = self.docker.inspect_exec(&id).await.map_err(DockerError::request(what()))?;
        Ok(ContainerOutput { text, success: ended.exit_code == Some(0) })
    }
}
