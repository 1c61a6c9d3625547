//! Commands in pods with this process's own standard streams.

use std::io;

use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Status;
use kube::api::{Api, AttachParams};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio_util::io::ReaderStream;

use super::{Cluster, KubeError};
use crate::sys::pipe::feed;

/// Bytes of one stream that wait at most.
const BUFFER: usize = 64 * 1024;

impl Cluster {
    /// Runs a command in a container to its end. Its output goes to this process's standard output and standard error as it comes, and with `input`
    /// it reads this process's standard input. Gives its exit status.
    ///
    /// # Errors
    /// The container cannot be reached, or has no such program.
    pub async fn attach(
        &self,
        namespace: &str,
        pod: &str,
        container: &str,
        command: &[String],
        input: bool,
    ) -> Result<u8, KubeError> {
        let broken = |reason: String| KubeError::Pod { pod: format!("{namespace}/{pod}"), reason };
        let api: Api<Pod> = Api::namespaced(self.client.clone(), namespace);
        let params = AttachParams::default().container(container).stdin(input).stderr(true);
        let params = params.max_stdin_buf_size(BUFFER).max_stdout_buf_size(BUFFER).max_stderr_buf_size(BUFFER);
        let mut process = api.exec(pod, command, &params).await.map_err(|e| broken(e.to_string()))?;
        let ended = process.take_status();
        // The command may end while its input has not, so nobody waits for this task.
        let fed = process.stdin().map(|stdin| tokio::spawn(feed(stdin, ReaderStream::new(tokio::io::stdin()))));
        let (out, err) = (process.stdout(), process.stderr());
        let copied = tokio::try_join!(copy(out, tokio::io::stdout()), copy(err, tokio::io::stderr()));
        if let Some(fed) = fed {
            fed.abort();
        }
        match copied {
            // Whoever read the output has gone away, as `head` does. Nothing more is wanted of the command.
            Err(e) if e.kind() == io::ErrorKind::BrokenPipe => return Ok(0),
            copied => copied.map_err(|e| broken(e.to_string()))?,
        };
        let status = match ended {
            Some(ended) => ended.await,
            None => None,
        };
        exit_status(&status.ok_or_else(|| broken("the connection broke before the command ended".to_owned()))?)
            .map_err(broken)
    }
}

/// Copies all of a stream, each part as soon as it is there.
async fn copy(from: Option<impl AsyncRead + Unpin>, mut to: impl AsyncWrite + Unpin) -> io::Result<()> {
    let Some(mut from) = from else { return Ok(()) };
    let mut buffer = vec![0; BUFFER];
    loop {
        let count = from.read(&mut buffer).await?;
        if count == 0 {
            return Ok(());
        }
        to.write_all(&buffer[..count]).await?;
        to.flush().await?;
    }
}

/// The exit status that the API server tells; the reason when there is none, because the command never started.
fn exit_status(status: &Status) -> Result<u8, String> {
    if status.status.as_deref() == Some("Success") {
        return Ok(0);
    }
    let causes = status.details.iter().flat_map(|d| d.causes.iter().flatten());
    let code = causes.filter(|c| c.reason.as_deref() == Some("ExitCode")).find_map(|c| c.message.as_ref());
    match code.and_then(|code| code.parse::<i64>().ok()) {
        // As a shell has it: only the lowest eight bits.
        Some(code) => Ok(code.to_le_bytes()[0]),
        None => Err(status.message.clone().unwrap_or_else(|| "the command did not start".to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_exit_status_is_the_commands() {
        let status = |json: serde_json::Value| serde_json::from_value(json).expect("a status");
        assert_eq!(exit_status(&status(serde_json::json!({ "status": "Success" }))), Ok(0));
        let ended = serde_json::json!({ "status": "Failure", "reason": "NonZeroExitCode", "message": "command terminated",
            "details": { "causes": [{ "reason": "ExitCode", "message": "42" }] } });
        assert_eq!(exit_status(&status(ended)), Ok(42));
        let absent =
            serde_json::json!({ "status": "Failure", "reason": "InternalError", "message": "no such program" });
        assert_eq!(exit_status(&status(absent)), Err("no such program".to_owned()));
    }
}
