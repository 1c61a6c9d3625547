//! Builds images of the user's own, and tells what their steps print.

use std::collections::{HashMap, VecDeque};
use std::io;

use bollard::auth::DockerCredentials;
use bollard::errors::Error;
use bollard::query_parameters::BuildImageOptionsBuilder;
use bytes::Bytes;
use futures::{Stream, StreamExt};

use super::login::login;
use super::{DockerError, Engine, in_time, while_it_answers};

/// Lines of a failed build that are told.
const TAIL: usize = 20;

impl Engine {
    /// Builds an image from a context with a `Dockerfile` in it, as `docker build` does where there is no `BuildKit`. Images are pulled with the logins of
    /// these registries. The inner error is what the engine says of a build that failed, after the last lines of what it printed.
    ///
    /// # Errors
    /// The engine does not answer.
    pub async fn build_own_image<S>(
        &self,
        context: S,
        tag: &str,
        labels: &[(&str, &str)],
        registries: &[String],
        mut on_line: impl FnMut(&str),
    ) -> Result<Result<(), String>, DockerError>
    where
        S: Stream<Item = io::Result<Bytes>> + Send + 'static,
    {
        let mut logins: HashMap<String, DockerCredentials> = HashMap::new();
        for registry in registries {
            // The registry itself says whether it wants one.
            if let Ok(Some(login)) = login(registry).await {
                logins.insert(registry.clone(), login);
            }
        }
        let options = BuildImageOptionsBuilder::default()
            .t(tag)
            .labels(&labels.iter().copied().collect())
            .rm(true)
            .forcerm(true)
            .build();
        let body = bollard::body_try_stream(context);
        let mut tail = VecDeque::new();
        let mut answers = std::pin::pin!(self.copying.build_image(options, Some(logins), Some(body)));
        let built = async {
            while let Some(answer) = answers.next().await {
                for line in answer?.stream.unwrap_or_default().lines().filter(|line| !line.trim().is_empty()) {
                    on_line(line);
                    if tail.len() == TAIL {
                        tail.pop_front();
                    }
                    tail.push_back(line.to_owned());
                }
            }
            Ok(())
        };
        let told = match while_it_answers(&self.copying, built).await {
            Ok(()) => return Ok(Ok(())),
            Err(Error::DockerStreamError { error }) => error,
            Err(Error::DockerResponseServerError { status_code: 400..=499, message }) => message,
            // Before version 25 a Dockerfile that cannot be read is no refusal but a failure.
            Err(Error::DockerResponseServerError { message, .. }) if message.contains("ockerfile") => message,
            Err(error) => return Err(DockerError::request(format!("build {tag}"))(error)),
        };
        Ok(Err(tail.into_iter().chain([told.trim().to_owned()]).collect::<Vec<_>>().join("\n")))
    }

    /// The identifier of an image, `sha256:` first; `None` when the engine does not have it.
    pub async fn image_id(&self, reference: &str) -> Result<Option<String>, DockerError> {
        match in_time(self.docker.inspect_image(reference)).await {
            Ok(image) => Ok(image.id),
            Err(Error::DockerResponseServerError { status_code: 400 | 404, .. }) => Ok(None),
            Err(e) => Err(DockerError::request(format!("inspect image {reference}"))(e)),
        }
    }
}
