//! Calls into pods: commands, and HTTP to a port that only the pod itself can reach.

use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Empty};
use hyper_util::rt::TokioIo;
use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt;
use kube::api::AttachedProcess;
use kube::api::{Api, AttachParams, DeleteParams, ListParams, Patch, PatchParams};
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::time::timeout;
use tokio_util::task::AbortOnDropHandle;

use super::deadline::ANSWER;
use super::{Cluster, KubeError};
use crate::sys::words;

/// How long a command may print nothing of which nothing else is known.
const SILENCE: Duration = Duration::from_secs(60);

/// What a command in a pod printed, and whether it ended well.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExecOutput {
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
    /// Whether its exit status was 0.
    pub success: bool,
}

/// Whether a pod's condition Ready holds.
#[must_use]
pub fn is_pod_ready(pod: &Pod) -> bool {
    let conditions = pod.status.as_ref().and_then(|s| s.conditions.as_ref());
    conditions.into_iter().flatten().any(|c| c.type_ == "Ready" && c.status == "True")
}

/// A command that runs in a pod until this is dropped.
pub struct CommandLines {
    process: AttachedProcess,
    lines: tokio::io::Lines<BufReader<Box<dyn AsyncRead + Send + Unpin>>>,
}

impl CommandLines {
    /// The next line; `None` at its end, however it ended.
    pub async fn next(&mut self) -> Option<String> {
        self.lines.next_line().await.ok().flatten()
    }
}

/// Bytes in both directions.
pub trait Duplex: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Duplex for T {}

/// A command in a pod that carries bytes, until this is dropped.
pub struct Connection {
    /// What it is given, and what it gives.
    pub stream: Box<dyn Duplex>,
    process: AttachedProcess,
}

impl Connection {
    /// What the command says besides, or why it could not be started. It is waited for no longer than that, and can be asked once.
    pub async fn told(&mut self, patience: Duration) -> String {
        let mut said = Vec::new();
        let (status, stderr) = (self.process.take_status(), self.process.stderr());
        if let Some(mut stderr) = stderr {
            let _ = timeout(patience, stderr.read_to_end(&mut said)).await;
        }
        if let (true, Some(status)) = (said.is_empty(), status)
            && let Ok(Some(status)) = timeout(patience, status).await
        {
            // That it ended badly is no reason; one that was never started has a reason, and no exit code.
            let message = status.message.unwrap_or_default();
            return if message.contains("exit code") { String::new() } else { message };
        }
        String::from_utf8_lossy(&said).into_owned()
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.process.abort();
    }
}

impl Drop for CommandLines {
    fn drop(&mut self) {
        self.process.abort();
    }
}

/// An HTTP answer from inside a pod.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpAnswer {
    /// Status code.
    pub status: u16,
    /// Body as text.
    pub body: String,
}

/// A container that does not run yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Waiting {
    /// Its pod.
    pub pod: String,
    /// Its image, as the pod names it.
    pub image: String,
    /// Kubernetes' reason, as `ErrImagePull`.
    pub reason: String,
}

impl Waiting {
    fn of(pod: &Pod) -> Vec<Self> {
        let status = pod.status.as_ref();
        let first = status.and_then(|s| s.init_container_statuses.as_ref()).into_iter().flatten();
        let containers = first.chain(status.and_then(|s| s.container_statuses.as_ref()).into_iter().flatten());
        let waiting = containers.filter_map(|c| Some((c, c.state.as_ref()?.waiting.as_ref()?)));
        waiting
            .map(|(c, w)| Self {
                pod: pod.name_any(),
                image: c.image.clone(),
                reason: w.reason.clone().unwrap_or_default(),
            })
            .collect()
    }
}

impl Cluster {
    /// The running pods that have the labels, oldest first; those that are being deleted are left out.
    pub async fn pods(&self, namespace: &str, selector: &str) -> Result<Vec<Pod>, KubeError> {
        let mut pods = self.all_pods(namespace, selector).await?;
        pods.retain(|p| p.status.as_ref().and_then(|s| s.phase.as_deref()) == Some("Running"));
        pods.sort_by_key(|p| p.creation_timestamp().map(|t| t.0));
        Ok(pods)
    }

    /// What containers of the pods that have the labels wait for instead of running.
    pub async fn waiting(&self, namespace: &str, selector: &str) -> Result<Vec<Waiting>, KubeError> {
        let pods = self.all_pods(namespace, selector).await?;
        Ok(pods.iter().flat_map(Waiting::of).collect())
    }

    /// Deletes a pod, so that its owner makes another.
    pub async fn delete_pod(&self, namespace: &str, pod: &str) -> Result<(), KubeError> {
        let api: Api<Pod> = Api::namespaced(self.client.clone(), namespace);
        let deleted = api.delete(pod, &DeleteParams::default()).await.map(|_| ());
        deleted.map_err(KubeError::request(format!("delete pod {namespace}/{pod}")))
    }

    pub(super) async fn all_pods(&self, namespace: &str, selector: &str) -> Result<Vec<Pod>, KubeError> {
        let api: Api<Pod> = Api::namespaced(self.client.clone(), namespace);
        let pods = api.list(&ListParams::default().labels(selector)).await;
        let pods = pods.map_err(KubeError::request(format!("list pods in {namespace} with {selector}")))?;
        Ok(pods.items.into_iter().filter(|p| p.metadata.deletion_timestamp.is_none()).collect())
    }

    /// The name of a running pod that has the labels: the newest.
    pub async fn pod(&self, namespace: &str, selector: &str) -> Result<String, KubeError> {
        let pods = self.pods(namespace, selector).await?;
        pods.last()
            .map(ResourceExt::name_any)
            .ok_or_else(|| KubeError::NoPod { namespace: namespace.to_owned(), selector: selector.to_owned() })
    }

    /// Sets one annotation of a pod.
    pub async fn annotate_pod(&self, namespace: &str, pod: &str, key: &str, value: &str) -> Result<(), KubeError> {
        let api: Api<Pod> = Api::namespaced(self.client.clone(), namespace);
        let patch = serde_json::json!({ "metadata": { "annotations": { key: value } } });
        api.patch_metadata(pod, &PatchParams::default(), &Patch::Merge(patch))
            .await
            .map(|_| ())
            .map_err(KubeError::request(format!("annotate pod {namespace}/{pod}")))
    }

    /// Runs a command in a container to its end. It must print something once a minute.
    ///
    /// # Errors
    /// The container cannot be reached, or the command is silent for too long.
    pub async fn exec(
        &self,
        namespace: &str,
        pod: &str,
        container: &str,
        command: &[&str],
    ) -> Result<ExecOutput, KubeError> {
        self.exec_talking(namespace, pod, container, command, SILENCE).await
    }

    /// The same. `silence` is how long it may print nothing.
    ///
    /// # Errors
    /// The container cannot be reached, or the command is silent for too long.
    pub async fn exec_talking(
        &self,
        namespace: &str,
        pod: &str,
        container: &str,
        command: &[&str],
        silence: Duration,
    ) -> Result<ExecOutput, KubeError> {
        self.exec_fed(namespace, pod, container, command, (Bytes::new(), silence)).await
    }

    /// The same with something on its standard input. Why a command could not be started is told as if it had said so itself.
    ///
    /// # Errors
    /// The container cannot be reached, or the command is silent for too long.
    pub async fn exec_fed(
        &self,
        namespace: &str,
        pod: &str,
        container: &str,
        command: &[&str],
        (input, silence): (Bytes, Duration),
    ) -> Result<ExecOutput, KubeError> {
        let broken = |reason: String| KubeError::Pod { pod: format!("{namespace}/{pod}"), reason };
        let api: Api<Pod> = Api::namespaced(self.client.clone(), namespace);
        let params = AttachParams::default().container(container).stdin(!input.is_empty()).stderr(true);
        let mut process =
            api.exec(pod, command.iter().copied(), &params).await.map_err(|e| broken(super::refusal::in_words(&e)))?;
        let status = process.take_status();
        let (out, err, stdin) = (process.stdout(), process.stderr(), process.stdin());
        let silent = |_| broken(format!("the command was silent for {} s", silence.as_secs()));
        let feed = async {
            if let Some(mut stdin) = stdin {
                // A command that reads nothing more has its own words for why.
                let _ = stdin.write_all(&input).await;
                let _ = stdin.shutdown().await;
            }
        };
        let (read, ()) = tokio::join!(read_both(out, err, silence), feed);
        let (stdout, mut stderr) = read.map_err(silent)?;
        let end = async {
            let status = match status {
                Some(status) => status.await,
                None => None,
            };
            process.join().await.map(|()| status)
        };
        let status = timeout(silence, end).await.map_err(silent)?.map_err(|e| broken(e.to_string()))?;
        let success = status.as_ref().and_then(|s| s.status.as_deref()) == Some("Success");
        if !success && stderr.is_empty() {
            stderr = status.and_then(|s| s.message).unwrap_or_default();
        }
        Ok(ExecOutput { stdout, stderr, success })
    }

    /// Starts a command in a container that carries bytes. It must end by itself when its input does.
    ///
    /// # Errors
    /// The container cannot be reached.
    pub async fn exec_open(
        &self,
        namespace: &str,
        pod: &str,
        container: &str,
        command: &[&str],
    ) -> Result<Connection, KubeError> {
        let broken = |reason: String| KubeError::Pod { pod: format!("{namespace}/{pod}"), reason };
        let api: Api<Pod> = Api::namespaced(self.client.clone(), namespace);
        let params = AttachParams::default().container(container).stdin(true).stderr(true);
        let mut process =
            api.exec(pod, command.iter().copied(), &params).await.map_err(|e| broken(super::refusal::in_words(&e)))?;
        let (Some(reader), Some(writer)) = (process.stdout(), process.stdin()) else {
            return Err(broken("the command has no input or no output".to_owned()));
        };
        Ok(Connection { stream: Box::new(tokio::io::join(reader, writer)), process })
    }

    /// Starts a command in a container that has a shell. Its lines come as they are printed.
    ///
    /// A command without a terminal outlives whoever started it. So a shell waits for the end of its input, which comes when this process lets
    /// go of the command or is gone itself, and then ends the command.
    pub async fn exec_lines(
        &self,
        namespace: &str,
        pod: &str,
        container: &str,
        command: &[&str],
    ) -> Result<CommandLines, KubeError> {
        let broken = |reason: String| KubeError::Pod { pod: format!("{namespace}/{pod}"), reason };
        let api: Api<Pod> = Api::namespaced(self.client.clone(), namespace);
        let params = AttachParams::default().container(container).stdin(true).stderr(false);
        let command = ["sh", "-c", "\"$@\" & read -r _; kill $!", "sh"].into_iter().chain(command.iter().copied());
        let mut process = api.exec(pod, command, &params).await.map_err(|e| broken(super::refusal::in_words(&e)))?;
        let stdout = process.stdout().ok_or_else(|| broken("the command has no output".to_owned()))?;
        let stdout: Box<dyn AsyncRead + Send + Unpin> = Box::new(stdout);
        Ok(CommandLines { process, lines: BufReader::new(stdout).lines() })
    }

    /// Asks a port on a pod's loopback interface for `path`.
    pub async fn http_get(&self, namespace: &str, pod: &str, port: u16, path: &str) -> Result<HttpAnswer, KubeError> {
        let broken = |reason: String| KubeError::Pod { pod: format!("{namespace}/{pod} port {port}"), reason };
        let asked = timeout(ANSWER, self.ask_port(namespace, pod, port, path)).await;
        let silent = format!("port {port} did not answer {path} within {} s", ANSWER.as_secs());
        asked.unwrap_or(Err(silent)).map_err(broken)
    }

    async fn ask_port(&self, namespace: &str, pod: &str, port: u16, path: &str) -> Result<HttpAnswer, String> {
        let api: Api<Pod> = Api::namespaced(self.client.clone(), namespace);
        let mut forward = api.portforward(pod, &[port]).await.map_err(|e| super::refusal::in_words(&e))?;
        let stream = forward.take_stream(port).ok_or_else(|| "no stream".to_owned())?;
        let (mut sender, connection) =
            hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(|e| words::innermost(&e))?;
        // It ends with this call, however that ends.
        let _connection = AbortOnDropHandle::new(tokio::spawn(connection));
        let request = hyper::Request::get(path)
            .header("host", "localhost")
            .header("connection", "close")
            .body(Empty::<Bytes>::new())
            .map_err(|e| e.to_string())?;
        let answer = async {
            let answer = sender.send_request(request).await?;
            let status = answer.status().as_u16();
            let body = answer.into_body().collect().await?.to_bytes();
            Ok::<_, hyper::Error>(HttpAnswer { status, body: String::from_utf8_lossy(&body).into_owned() })
        }
        .await;
        forward.abort();
        answer.map_err(|e| words::innermost(&e))
    }
}

/// Reads both to their ends, with at most so much silence between two pieces of either.
async fn read_both(
    mut out: Option<impl AsyncRead + Unpin>,
    mut err: Option<impl AsyncRead + Unpin>,
    silence: Duration,
) -> Result<(String, String), tokio::time::error::Elapsed> {
    let (mut printed, mut told) = (Vec::new(), Vec::new());
    while out.is_some() || err.is_some() {
        // A command that says nothing on one of them, as a quiet curl does, is not silent while it prints on the other.
        let heard = async {
            tokio::select! { () = read_more(&mut out, &mut printed) => (), () = read_more(&mut err, &mut told) => () }
        };
        timeout(silence, heard).await?;
    }
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    Ok((text(printed), text(told)))
}

/// Waits for more of a stream, or for its end, after which it is none; never ends for one that has ended.
async fn read_more(from: &mut Option<impl AsyncRead + Unpin>, all: &mut Vec<u8>) {
    let Some(stream) = from else { return std::future::pending().await };
    // What breaks off has ended; the status says how.
    if !matches!(stream.read_buf(all).await, Ok(1..)) {
        *from = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_silent_command_ends_and_one_that_prints_now_and_then_does_not() {
        let silence = Duration::from_millis(200);
        let (mut writer, reader) = tokio::io::duplex(64);
        let write = async move {
            for _ in 0..6 {
                tokio::time::sleep(silence / 4).await;
                writer.write_all(b"x").await.expect("a reader");
            }
        };
        // It says nothing on the other stream for longer than that.
        let (held, quiet) = tokio::io::duplex(64);
        let write = async {
            write.await;
            drop(held);
        };
        let (read, ()) = tokio::join!(read_both(Some(reader), Some(quiet), silence), write);
        assert_eq!(read.expect("an end").0, "xxxxxx");
        let (_writer, reader) = tokio::io::duplex(64);
        assert!(read_both(Some(reader), None::<tokio::io::DuplexStream>, silence).await.is_err());
    }
}
