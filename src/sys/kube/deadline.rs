//! No question without an end: every request to an API server is answered in time, or it fails with the name of the cluster that was silent.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response, Uri};
use http_body_util::{BodyExt, Limited};
use kube::client::{Body, ClientBuilder};
use kube::{Client, Config};
use miette::Diagnostic;
use thiserror::Error;
use tokio::time::{Instant, timeout_at};
use tower::buffer::BufferLayer;
use tower::layer::layer_fn;
use tower::retry::RetryLayer;
use tower::{BoxError, Service};

use super::again::Again;
use super::credentials;
use crate::sys::words;

/// How long an API server may take for a whole answer. Of a watch, a log or a connection into a pod it is how long the answer may take to
/// begin: what comes then has no end of its own, and whoever reads it bounds it.
pub const ANSWER: Duration = Duration::from_secs(10);

/// Most bytes of a whole answer: a list of all objects of a large cluster has some 100 MB.
const LARGEST: usize = 256 << 20;

/// Why there is no answer.
#[derive(Debug, Error, Diagnostic)]
pub enum NoAnswer {
    /// Nothing came, or not all of it.
    #[error("the API server of {cluster} did not answer within {} s", limit.as_secs())]
    #[diagnostic(help(
        "see whether the node runs and has time: `docker ps`, `docker stats`; `lab up` continues where it stopped"
    ))]
    Silent {
        /// The cluster, as its kubeconfig has it.
        cluster: String,
        /// How long it had.
        limit: Duration,
    },
    /// It cannot be reached.
    #[error("the API server of {cluster} cannot be reached: {cause}")]
    #[diagnostic(help("`lab status NAME` shows whether its node runs; `lab up` starts it"))]
    Unreachable {
        /// The cluster, as its kubeconfig has it.
        cluster: String,
        /// What happened.
        cause: String,
    },
}

/// Requests that may wait for their turn on the way to one API server.
const WAITING: usize = 1024;

/// A client by a configuration, whose questions all end, those that are asked again included.
pub(super) fn client(mut config: Config, cluster: &str) -> Result<Client, kube::Error> {
    let cluster = cluster.to_owned();
    let bound = layer_fn(move |inner| Bounded { inner, cluster: cluster.clone(), limit: ANSWER });
    // Its own policy repeats what makes an object as well, and heeds a pause that is longer than any answer may take.
    config.default_retry = false;
    let again = RetryLayer::new(Again::default());
    let shared = BufferLayer::new(WAITING);
    Ok(ClientBuilder::try_from(config)?.with_layer(&shared).with_layer(&again).with_layer(&bound).build())
}

/// Bounds what it hands on.
struct Bounded<S> {
    inner: S,
    cluster: String,
    limit: Duration,
}

impl<S, B> Service<Request<Body>> for Bounded<S>
where
    S: Service<Request<Body>, Response = Response<B>, Error = BoxError>,
    S::Future: Send + 'static,
    B: hyper::body::Body<Data = Bytes, Error = BoxError> + Send + Unpin + 'static,
{
    type Response = Response<Box<dyn hyper::body::Body<Data = Bytes, Error = BoxError> + Send + Unpin>>;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, BoxError>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let (cluster, limit) = (self.cluster.clone(), self.limit);
        let end = Instant::now() + limit;
        let goes_on = goes_on(request.uri());
        let answer = self.inner.call(request);
        Box::pin(async move {
            let silent = |_| NoAnswer::Silent { cluster: cluster.clone(), limit };
            let response = timeout_at(end, answer).await.map_err(silent)?.map_err(|e| unreached(&cluster, e))?;
            if goes_on {
                return Ok(response.map(|body| Box::new(body) as _));
            }
            let (head, body) = response.into_parts();
            let body = Limited::new(body, LARGEST).collect();
            let whole = timeout_at(end, body).await.map_err(silent)?.map_err(|e| unreached(&cluster, e))?;
            let whole = http_body_util::Full::new(whole.to_bytes()).map_err(BoxError::from);
            Ok(Response::from_parts(head, Box::new(whole) as _))
        })
    }
}

/// Whether an answer has no end of its own.
pub(super) fn goes_on(uri: &Uri) -> bool {
    let is_watch = uri.query().is_some_and(|query| query.split('&').any(|q| q == "watch=true" || q == "watch=1"));
    let last = uri.path().rsplit('/').next().unwrap_or_default();
    is_watch || matches!(last, "log" | "exec" | "attach" | "portforward")
}

/// Names the cluster in what went wrong on the way to it. What kube says itself stays as it is.
fn unreached(cluster: &str, error: BoxError) -> BoxError {
    if error.is::<kube::Error>() || error.is::<NoAnswer>() {
        return error;
    }
    let cause = credentials::in_words(&*error).unwrap_or_else(|| words::innermost(&*error));
    NoAnswer::Unreachable { cluster: cluster.to_owned(), cause }.into()
}

#[cfg(test)]
mod tests {
    use futures::StreamExt;
    use http_body_util::{Full, StreamBody};
    use hyper::body::Frame;
    use tower::service_fn;

    use super::*;

    /// How a server answers.
    #[derive(Clone, Copy)]
    enum Server {
        Whole,
        Never,
        HalfWay,
    }

    type Answer = Box<dyn hyper::body::Body<Data = Bytes, Error = BoxError> + Send + Unpin>;

    async fn ask(server: Server, path: &str) -> Result<Response<Answer>, BoxError> {
        let inner = service_fn(move |_: Request<Body>| async move {
            let body: Answer = match server {
                Server::Never => std::future::pending().await,
                Server::Whole => Box::new(Full::new(Bytes::from("all")).map_err(BoxError::from)),
                Server::HalfWay => {
                    let first = futures::stream::iter([Ok::<_, BoxError>(Frame::data(Bytes::from("ha")))]);
                    Box::new(StreamBody::new(Box::pin(first.chain(futures::stream::pending()))))
                }
            };
            Ok::<_, BoxError>(Response::new(body))
        });
        let mut bounded = Bounded { inner, cluster: "c2".to_owned(), limit: Duration::from_millis(30) };
        let asked = bounded.call(Request::get(path).body(Body::from(Vec::new())).expect("a request"));
        // Far longer than the limit, and far shorter than for ever.
        tokio::time::timeout(Duration::from_secs(10), asked).await.expect("an end")
    }

    async fn refusal(server: Server, path: &str) -> String {
        ask(server, path).await.err().map(|e| e.to_string()).unwrap_or_default()
    }

    #[tokio::test]
    async fn a_silent_server_is_named_in_time() {
        let silent = "the API server of c2 did not answer within 0 s";
        assert_eq!(refusal(Server::Never, "/api/v1/pods").await, silent);
        assert_eq!(refusal(Server::HalfWay, "/api/v1/pods").await, silent);
        // Also where only the beginning is bounded.
        assert_eq!(refusal(Server::Never, "/api/v1/pods?watch=true").await, silent);
        assert_eq!(refusal(Server::Never, "/api/v1/namespaces/a/pods/b/exec?command=ls").await, silent);
    }

    #[tokio::test]
    async fn an_answer_is_handed_on_whole_and_a_stream_as_it_comes() {
        let whole = ask(Server::Whole, "/api/v1/pods").await.expect("an answer").into_body().collect().await;
        assert_eq!(whole.expect("a body").to_bytes(), "all");
        for stream in ["/api/v1/pods?limit=1&watch=true", "/api/v1/namespaces/a/pods/b/log?follow=true"] {
            let mut body = ask(Server::HalfWay, stream).await.expect("a beginning").into_body();
            let first = body.frame().await.expect("a frame").expect("no error");
            assert_eq!(first.into_data().expect("data"), "ha");
        }
    }

    #[test]
    fn what_cannot_be_reached_is_named_with_the_innermost_cause() {
        let refused = std::io::Error::other(std::io::Error::other("refused"));
        assert_eq!(unreached("c1", refused.into()).to_string(), "the API server of c1 cannot be reached: refused");
    }
}
