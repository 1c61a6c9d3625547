//! A way to an engine that is not behind a socket of this machine: over TCP, with TLS, by SSH, or whatever else `docker` knows.
//!
//! `docker system dial-stdio` connects where `docker` would, with its certificates and keys, and hands over what comes and goes. Each request has a
//! connection of its own.

use std::io;
use std::pin::Pin;
use std::process::Stdio;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bollard::errors::Error;
use bollard::{BollardRequest, ClientVersion, Docker};
use http::{HeaderValue, Response, header};
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, ReadBuf};
use tokio::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command};

use super::endpoint::Endpoint;
use crate::sys::words;

/// Most bytes of what `docker` says about why it cannot connect.
const SAID: u64 = 4096;
/// How long a `docker` that has lost its connection may take to say so.
const LAST_WORDS: Duration = Duration::from_secs(2);

/// A client whose requests go to an engine by `docker`, each within `timeout` seconds.
pub(super) fn client(endpoint: &Endpoint, timeout: u64, version: &ClientVersion) -> Result<Docker, Error> {
    let endpoint = Arc::new(endpoint.clone());
    let transport = move |request| request_by(Arc::clone(&endpoint), request);
    Docker::connect_with_custom_transport(transport, Some("http://docker"), timeout, version)
}

async fn request_by(endpoint: Arc<Endpoint>, mut request: BollardRequest) -> Result<Response<Incoming>, Error> {
    let mut child = Command::new("docker")
        .args(["system", "dial-stdio"])
        .envs(endpoint.variables())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0)
        .kill_on_drop(true)
        .spawn()
        .map_err(|e| {
            io::Error::new(
                e.kind(),
                format!("the command `docker`, which connects to {}: {}", endpoint.host, words::io_error(&e)),
            )
        })?;
    let (Some(input), Some(output), Some(errors)) = (child.stdin.take(), child.stdout.take(), child.stderr.take())
    else {
        return Err(io::Error::other("`docker system dial-stdio` has no pipes").into());
    };
    let said = tokio::spawn(said(errors));
    // On a connection that is no proxy's a request names its path only.
    let path = request.uri().path_and_query().map_or("/", |path| path.as_str()).parse();
    *request.uri_mut() = path.map_err(io::Error::other)?;
    request.headers_mut().insert(header::HOST, HeaderValue::from_static("docker"));

    let child = Arc::new(child);
    let line = Line { input: Some(input), output, _child: Arc::clone(&child) };
    let answered = async {
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(line)).await?;
        tokio::spawn(connection.with_upgrades());
        sender.send_request(request).await
    };
    let answer = match answered.await {
        Ok(response) => Ok(response),
        // Why there is no connection is for `docker` to say, which must live as long as it takes to say it.
        Err(error) => match tokio::time::timeout(LAST_WORDS, said).await {
            Ok(Ok(said)) if !said.is_empty() => Err(io::Error::other(said).into()),
            _ => Err(error.into()),
        },
    };
    drop(child);
    answer
}

/// The last line of what `docker` says.
async fn said(errors: ChildStderr) -> String {
    let mut text = Vec::new();
    let _ = errors.take(SAID).read_to_end(&mut text).await;
    last_words(&String::from_utf8_lossy(&text)).to_owned()
}

/// The last line of a text that says something. Of a connection that breaks off `docker` keeps a log, with times, which is about how and not about why.
fn last_words(text: &str) -> &str {
    let is_said = |line: &&str| !line.is_empty() && !line.starts_with("time=\"");
    text.lines().map(str::trim).rfind(is_said).unwrap_or_default()
}

/// Both directions of a connection, and the process that carries it, which ends with them.
struct Line {
    /// None once this side has said all.
    input: Option<ChildStdin>,
    output: ChildStdout,
    _child: Arc<Child>,
}

impl AsyncRead for Line {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.output).poll_read(cx, buffer)
    }
}

impl AsyncWrite for Line {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match &mut self.input {
            Some(input) => Pin::new(input).poll_write(cx, bytes),
            None => Poll::Ready(Err(io::ErrorKind::BrokenPipe.into())),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.input.as_mut().map_or(Poll::Ready(Ok(())), |input| Pin::new(input).poll_flush(cx))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        // The end of its input tells the process, and so the engine, that there is no more; closing the pipe is what ends it.
        self.input = None;
        Poll::Ready(Ok(()))
    }
}

#[cfg(test)]
mod tests {
    use super::last_words;

    #[test]
    fn what_docker_says_is_told_and_its_log_is_not() {
        let log =
            "time=\"2026-11-26T11:14:13Z\" level=error msg=\"error while CloseRead (stream to stdout): close tcp\"\n";
        assert_eq!(last_words(log), "");
        let said = "Failed to initialize: unable to resolve docker endpoint: open /home/u/.docker/ca.pem: no such file or directory";
        assert_eq!(last_words(&format!("{said}\n{log}\n")), said);
    }
}
