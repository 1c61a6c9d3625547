//! Commands in node containers.

use bollard::exec::{StartExecOptions, StartExecResults};
use bollard::models::ExecConfig;
use futures::StreamExt;
use tokio::io::AsyncWriteExt;

use super::docker::{DockerError, Engine};

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
        if let StartExecResults::Attached { mut output, input: mut stdin } = started {
            if let Some(input) = input {
                let written = async {
                    stdin.write_all(input.as_bytes()).await?;
                    stdin.shutdown().await
                };
                written.await.map_err(|e| DockerError::request(what())(e.into()))?;
            }
            while let Some(part) = output.next().await {
                let part = part.map_err(DockerError::request(what()))?;
                text.push_str(&String::from_utf8_lossy(&part.into_bytes()));
            }
        }
        let ended = self.docker.inspect_exec(&id).await.map_err(DockerError::request(what()))?;
        Ok(ContainerOutput { text, success: ended.exit_code == Some(0) })
    }
}
