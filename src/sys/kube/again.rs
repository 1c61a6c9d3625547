//! What an API server could not do at that moment is asked for again, where asking twice is the same as asking once.

use std::io;
use std::time::Duration;

use http::header::{CONTENT_TYPE, RETRY_AFTER};
use http::{Method, Request, Response, StatusCode};
use kube::client::Body;
use tokio::time::{Sleep, sleep};
use tower::BoxError;
use tower::retry::Policy;

use super::deadline::goes_on;

/// How often at most.
const TRIES: u32 = 5;
/// How long it waits before the second try; twice as long before each that follows, and no shorter than the server asks for.
const PAUSE: Duration = Duration::from_millis(150);

/// Asks again after an answer that is none: of a server that is busy or restarts, or a connection that broke off. One that refuses connections does not
/// run, and is not asked again.
#[derive(Clone, Debug, Default)]
pub(super) struct Again {
    tries: u32,
}

impl<B> Policy<Request<Body>, Response<B>, BoxError> for Again {
    type Future = Sleep;

    fn retry(&mut self, request: &mut Request<Body>, result: &mut Result<Response<B>, BoxError>) -> Option<Sleep> {
        let may_pass = match result {
            Ok(response) => match response.status() {
                // It has done nothing, whatever was asked for.
                StatusCode::TOO_MANY_REQUESTS => true,
                status => {
                    is_repeatable(request)
                        && (is_passing(status) || status == StatusCode::CONFLICT && is_merge(request))
                }
            },
            // A command in a pod may have begun by then.
            Err(error) => is_repeatable(request) && !goes_on(request.uri()) && !is_refused(&**error),
        };
        self.tries += 1;
        let told =
            result.as_ref().ok().and_then(|response| response.headers().get(RETRY_AFTER)?.to_str().ok()?.parse().ok());
        let pause = told.map_or(Duration::ZERO, Duration::from_secs).max(PAUSE * 2_u32.pow(self.tries - 1));
        (may_pass && self.tries < TRIES).then(|| sleep(pause))
    }

    fn clone_request(&mut self, request: &Request<Body>) -> Option<Request<Body>> {
        // Whether it is ready is answered by such a status as well.
        let asks_health = matches!(request.uri().path(), "/readyz" | "/livez" | "/healthz");
        if asks_health {
            return None;
        }
        let mut again = Request::new(request.body().try_clone()?);
        *again.method_mut() = request.method().clone();
        *again.uri_mut() = request.uri().clone();
        *again.headers_mut() = request.headers().clone();
        Some(again)
    }
}

/// Whether asking twice is the same as asking once.
fn is_repeatable(request: &Request<Body>) -> bool {
    matches!(*request.method(), Method::GET | Method::DELETE | Method::PATCH)
}

/// Whether it may be another answer in a moment.
fn is_passing(status: StatusCode) -> bool {
    matches!(status.as_u16(), 500 | 502..=504)
}

/// Whether it changes an object as it then is, whatever that may be: it conflicts only with somebody else's change of that moment. What applies has its own
/// ways with conflicts.
fn is_merge(request: &Request<Body>) -> bool {
    let is = |kind: &http::HeaderValue| kind.as_bytes().starts_with(b"application/merge-patch");
    request.method() == Method::PATCH && request.headers().get(CONTENT_TYPE).is_some_and(is)
}

fn is_refused(error: &(dyn std::error::Error + 'static)) -> bool {
    let mut next = Some(error);
    while let Some(error) = next {
        if error.downcast_ref::<io::Error>().is_some_and(|e| e.kind() == io::ErrorKind::ConnectionRefused) {
            return true;
        }
        next = error.source();
    }
    false
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU32, Ordering};

    use tower::{Layer as _, Service as _, ServiceExt as _, retry::RetryLayer, service_fn};

    use super::*;

    /// How often a server is asked that answers otherwise at first, and what it says in the end.
    async fn asked(method: Method, path: &str, first: &[Result<u16, io::ErrorKind>]) -> (u32, Option<u16>) {
        let count = Arc::new(AtomicU32::new(0));
        let (counted, first) = (Arc::clone(&count), Arc::new(first.to_vec()));
        let server = service_fn(move |_: Request<Body>| {
            let at = counted.fetch_add(1, Ordering::Relaxed) as usize;
            let answer = first.get(at).copied().unwrap_or(Ok(200));
            async move {
                let status = answer.map_err(|kind| BoxError::from(io::Error::from(kind)))?;
                Ok::<_, BoxError>(Response::builder().status(status).body(()).expect("a response"))
            }
        });
        let mut client = RetryLayer::new(Again::default()).layer(server);
        let request = Request::builder().method(method).uri(path).header(CONTENT_TYPE, "application/merge-patch+json");
        let request = request.body(Body::from(b"{}".to_vec())).expect("a request");
        let answer = client.ready().await.expect("ready").call(request).await;
        (count.load(Ordering::Relaxed), answer.ok().map(|a| a.status().as_u16()))
    }

    #[tokio::test]
    async fn what_may_be_asked_twice_is_asked_until_it_is_answered() {
        let path = "/api/v1/namespaces/a/secrets";
        let broken = Err(io::ErrorKind::ConnectionReset);
        assert_eq!(asked(Method::GET, path, &[Ok(500), Ok(503), broken]).await, (4, Some(200)));
        assert_eq!(asked(Method::PATCH, path, &[Ok(502), Ok(409)]).await, (3, Some(200)));
        assert_eq!(asked(Method::DELETE, path, &[broken]).await, (2, Some(200)));
        assert_eq!(asked(Method::GET, path, &[Ok(500); 9]).await, (TRIES, Some(500)), "not for ever");
    }

    #[tokio::test]
    async fn what_is_an_answer_is_none_to_ask_again_for() {
        let path = "/api/v1/namespaces/a/secrets";
        for status in [403, 404, 409, 422] {
            assert_eq!(asked(Method::GET, path, &[Ok(status)]).await, (1, Some(status)));
        }
        assert_eq!(asked(Method::POST, path, &[Ok(500)]).await, (1, Some(500)), "it may have been made");
        assert_eq!(asked(Method::POST, path, &[Ok(429)]).await, (2, Some(200)), "it was not even looked at");
        assert_eq!(asked(Method::GET, "/readyz", &[Ok(500)]).await, (1, Some(500)));
        let command = "/api/v1/namespaces/a/pods/b/exec?command=ls";
        assert_eq!(asked(Method::GET, command, &[Ok(500)]).await, (2, Some(200)), "it has not begun");
        assert_eq!(
            asked(Method::GET, command, &[Err(io::ErrorKind::ConnectionReset)]).await,
            (1, None),
            "it may have begun"
        );
        assert_eq!(asked(Method::GET, path, &[Err(io::ErrorKind::ConnectionRefused)]).await, (1, None));
    }
}
