//! How long the engine may take for what: a question is answered in time, and whatever takes longer goes on while the engine answers to others.

use std::time::Duration;

use bollard::Docker;
use bollard::errors::Error;

use super::DockerError;

/// How long the engine may take to answer a question, whole.
pub const ANSWER: Duration = Duration::from_secs(10);

/// How long a request may take that has the engine do something to a container. [`while_it_answers`] ends it before if the engine is silent.
pub(super) const ACTION: Duration = Duration::from_secs(120);

/// A question: the engine has the whole answer at once.
pub(super) async fn ask<T>(
    what: impl Into<String>,
    question: impl Future<Output = Result<T, Error>>,
) -> Result<T, DockerError> {
    in_time(question).await.map_err(DockerError::request(what))
}

/// The same for a question of which an error may be a good answer too.
pub(super) async fn in_time<T>(question: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
    // On the heap: the engine's client makes large futures, and every step would carry them.
    tokio::time::timeout(ANSWER, Box::pin(question)).await.unwrap_or(Err(Error::RequestTimeoutError))
}

/// Something that takes the engine its time, as long as it answers to others meanwhile.
///
/// # Errors
/// Those of `action`, and that the engine is silent.
pub(super) async fn while_it_answers<T>(
    docker: &Docker,
    action: impl Future<Output = Result<T, Error>>,
) -> Result<T, Error> {
    let silence = async {
        loop {
            tokio::time::sleep(ANSWER).await;
            if !matches!(tokio::time::timeout(ANSWER, docker.ping()).await, Ok(Ok(_))) {
                return;
            }
        }
    };
    tokio::select! {
        done = Box::pin(action) => done,
        () = Box::pin(silence) => Err(Error::RequestTimeoutError),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An engine that takes connections and never says a word.
    fn silent() -> (tempfile::TempDir, tokio::net::UnixListener, Docker) {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("docker.sock");
        let listener = tokio::net::UnixListener::bind(&path).expect("a socket");
        let docker = Docker::connect_with_unix(&path.to_string_lossy(), 3600, bollard::API_DEFAULT_VERSION);
        (directory, listener, docker.expect("a client"))
    }

    /// One test for both, since each takes as long as an engine may be silent.
    #[tokio::test]
    async fn a_silent_engine_is_named_in_time() {
        let (_directory, _listener, docker) = silent();
        let start = std::time::Instant::now();
        let never = std::future::pending::<Result<(), Error>>();
        let (asked, done) = tokio::join!(ask("list images", docker.version()), while_it_answers(&docker, never));
        let text = asked.expect_err("no answer").to_string();
        assert_eq!(text, "the Docker engine did not answer within 10 s when asked to list images");
        let error = DockerError::request("stop x")(done.expect_err("no answer"));
        assert!(error.is_no_answer(), "{error}");
        assert!(start.elapsed() < 3 * ANSWER, "{:?}", start.elapsed());
    }
}
