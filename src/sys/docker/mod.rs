//! The Docker engine: networks, containers, images, and what it says about itself.

mod answer;
mod containers;
mod derive;
mod dial;
mod endpoint;
mod error;
mod exec;
mod files;
mod images;
mod info;
mod keep;
mod login;
mod networks;
mod own_build;
mod probe;
mod proxies;
mod registries;

use std::time::Duration;

use bollard::{API_DEFAULT_VERSION, Docker};

pub use answer::ANSWER;
use answer::{ACTION, ask, in_time, while_it_answers};
pub use bollard::auth::DockerCredentials;
pub use bollard::errors::Error;
pub use containers::Node;
pub use derive::{BUILD_LABEL, Derivation};
pub use endpoint::{Chosen, Endpoint};
pub use error::{DockerError, NO_ENGINE};
pub use exec::{ContainerOutput, NodeLines};
pub use images::LocalImage;
pub use info::EngineFacts;
pub use keep::{ContainerSpec, Kept, Place};
pub use login::login;
pub use networks::{Network, Subnet};
pub use proxies::Proxies;
pub use registries::Registries;

/// Label that everything made for a lab carries; its value is the lab's name.
pub const LAB_LABEL: &str = "dev.lab.lab";
/// Label with the name of the cluster in the scenario.
pub const CLUSTER_LABEL: &str = "dev.lab.cluster";

/// Label with the name of the kind cluster, by which kind knows its own.
pub const KIND_LABEL: &str = "io.x-k8s.kind.cluster";

/// How long the engine may take to begin its answer where it copies gigabytes first.
const COPY: Duration = Duration::from_secs(3600);

/// A connection to the engine.
#[derive(Clone, Debug)]
pub struct Engine {
    /// Which engine it is.
    pub endpoint: Endpoint,
    /// The client.
    docker: Docker,
    /// The same for what copies images, which may take long to begin its answer.
    copying: Docker,
}

impl Engine {
    /// Connects to the engine that the `docker` command line uses.
    pub async fn connect() -> Result<Self, DockerError> {
        let endpoint = Endpoint::here().map_err(DockerError::NoContext)?;
        let unreachable = |e: Error| DockerError::Unreachable { tried: endpoint.to_string(), source: e.into() };
        let seconds = ACTION.as_secs();
        let client = match endpoint.socket() {
            Some(path) => Docker::connect_with_socket(&path.to_string_lossy(), seconds, API_DEFAULT_VERSION),
            None => dial::client(&endpoint, seconds, API_DEFAULT_VERSION),
        };
        let client = client.map_err(unreachable)?;
        let asked = tokio::time::timeout(ANSWER, client.negotiate_version()).await;
        let silent = |_| DockerError::Silent { what: format!("tell its version at {endpoint}") };
        let docker = asked.map_err(silent)?.map_err(|error| match error {
            // It is there, and in trouble.
            Error::DockerResponseServerError { .. } => {
                DockerError::Request { what: format!("tell its version at {endpoint}"), source: error.into() }
            }
            error => unreachable(error),
        })?;
        Ok(Self::new(docker, endpoint))
    }

    /// No engine, for work that needs none: whatever is asked of it fails.
    pub fn none() -> Result<Self, DockerError> {
        let endpoint = Endpoint { host: "no address".to_owned(), from: Chosen::Default };
        // A client connects when it is first used; until then anything that exists will do as its socket.
        match Docker::connect_with_unix("/dev/null", 1, API_DEFAULT_VERSION) {
            Ok(docker) => Ok(Self::new(docker, endpoint)),
            Err(e) => Err(DockerError::Unreachable { tried: endpoint.to_string(), source: e.into() }),
        }
    }

    fn new(docker: Docker, endpoint: Endpoint) -> Self {
        let copying = docker.clone().with_timeout(COPY);
        Self { endpoint, docker, copying }
    }

    /// Has the engine do something that takes its time.
    async fn perform<T>(
        &self,
        what: impl Into<String>,
        action: impl Future<Output = Result<T, Error>>,
    ) -> Result<T, DockerError> {
        while_it_answers(&self.docker, action).await.map_err(DockerError::request(what))
    }
}

fn ignore_missing(result: Result<(), Error>) -> Result<(), Error> {
    match result {
        Err(Error::DockerResponseServerError { status_code: 404, .. }) => Ok(()),
        result => result,
    }
}
