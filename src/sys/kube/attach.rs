//! Commands in pods with this process's own standard streams.
//!
//! kube's own loop waits for the server to take input before it looks at output again, so a command that answers while it is still being sent to
//! could hang it. Here both directions run side by side. A server that speaks such a connection says nothing of a command's end while input is left that
//! the command did not take: `kubectl exec --stdin` waits there too. Each message of the connection begins with the number of its stream:
//! <https://pkg.go.dev/k8s.io/apimachinery/pkg/util/remotecommand>.

use std::io;

use futures::{Sink, SinkExt, StreamExt};
use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Status;
use kube::api::AttachParams;
use kube::core::Request;
use kube::{Error, Resource};
use tokio::io::{AsyncReadExt, AsyncWrite, AsyncWriteExt};

use super::{Cluster, KubeError};
use crate::sys::words;

/// Bytes that are read at once.
const BUFFER: usize = 64 * 1024;

const STDIN: u8 = 0;
const STDOUT: u8 = 1;
const STDERR: u8 = 2;
const STATUS: u8 = 3;
/// What is said of a stream that ends.
const CLOSE: u8 = 255;

impl Cluster {
    /// Runs a command in a container to its end. Its output goes to this process's standard output and standard error as it comes, and with `input`
    /// it reads this process's standard input. Gives its exit status, and 0 when nobody reads its output any more.
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
        let params = AttachParams::default().container(container).stdin(input).stderr(true);
        let request = Request::new(Pod::url_path(&(), Some(namespace))).exec(pod, command, &params);
        let mut request = request.map_err(Error::BuildRequest).map_err(|e| broken(e.to_string()))?;
        request.extensions_mut().insert("exec");
        let connection = self.client.connect(request).await.map_err(|e| broken(super::refusal::in_words(&e)))?;
        let can_close = connection.supports_stream_close();
        let (mut sender, mut receiver) = connection.into_stream().split();
        let send = async {
            if input {
                // When it cannot be sent, the server has its own words for why.
                let _ = send_input(&mut sender, can_close).await;
            }
            std::future::pending().await
        };
        let receive = async {
            let (mut out, mut err) = (tokio::io::stdout(), tokio::io::stderr());
            while let Some(message) = receiver.next().await {
                let message = message.map_err(|e| broken(words::innermost(&e)))?;
                if !message.is_binary() {
                    continue;
                }
                let data = message.into_data();
                let written = match data.split_first() {
                    Some((&STDOUT, text)) => write(&mut out, text).await,
                    Some((&STDERR, text)) => write(&mut err, text).await,
                    Some((&STATUS, status)) => {
                        let status: Status = serde_json::from_slice(status).map_err(|e| broken(e.to_string()))?;
                        return exit_status(&status).map_err(broken);
                    }
                    _ => Ok(()),
                };
                match written {
                    // Whoever read the output has gone away, as `head` does. Nothing more is wanted of the command.
                    Err(e) if e.kind() == io::ErrorKind::BrokenPipe => return Ok(0),
                    written => written.map_err(|e| broken(words::io_error(&e)))?,
                }
            }
            Err(broken("the connection ended before the command".to_owned()))
        };
        tokio::select! {
            ended = receive => ended,
            never = send => never,
        }
    }
}

async fn write(to: &mut (impl AsyncWrite + Unpin), text: &[u8]) -> io::Result<()> {
    to.write_all(text).await?;
    to.flush().await
}

/// Sends standard input until it ends, and then that it has.
async fn send_input<M, S>(sender: &mut S, can_close: bool) -> Result<(), S::Error>
where
    M: From<Vec<u8>>,
    S: Sink<M> + Unpin,
{
    let mut stdin = tokio::io::stdin();
    let mut buffer = vec![STDIN; BUFFER];
    // An input that cannot be read has ended.
    while let Ok(count @ 1..) = stdin.read(&mut buffer[1..]).await {
        sender.send(buffer[..=count].to_vec().into()).await?;
    }
    if can_close { sender.send(vec![CLOSE, STDIN].into()).await } else { sender.close().await }
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
