//! The Docker engine: a lab's network, its nodes, and what else carries the lab's label.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::net::Ipv4Addr;

use bollard::API_DEFAULT_VERSION;
pub use bollard::Docker;
pub use bollard::errors::Error;
use bollard::models::{
    ContainerSummary, ContainerSummaryStateEnum, Ipam, IpamConfig, NetworkConnectRequest, NetworkCreateRequest,
};
use bollard::query_parameters::{
    BuildImageOptionsBuilder, ListContainersOptionsBuilder, ListImagesOptionsBuilder, ListNetworksOptionsBuilder,
    RemoveContainerOptionsBuilder, RemoveImageOptionsBuilder,
};
use bytes::Bytes;
use futures::TryStreamExt;
use ipnet::Ipv4Net;
use miette::Diagnostic;
use thiserror::Error;

pub use super::docker_answer::ANSWER;
pub(super) use super::docker_answer::{DEED, ask, while_it_answers, within};
use super::docker_dial;
use super::docker_host::Endpoint;

/// Label that everything made for a lab carries; its value is the lab's name.
pub const LAB_LABEL: &str = "dev.lab.lab";
/// Label with the name of the cluster in the scenario.
pub const CLUSTER_LABEL: &str = "dev.lab.cluster";

/// How often a container is frozen at most: a kernel with much to do may not get every process to stand still in the time that it is given.
const FREEZES: usize = 5;

/// The engine refused, or it cannot be reached.
#[derive(Debug, Error, Diagnostic)]
pub enum DockerError {
    /// No engine answers.
    #[error("no Docker engine answers at {tried}")]
    #[diagnostic(help("{NO_ENGINE}"))]
    Unreachable {
        /// The engine, and what says that it is this one.
        tried: String,
        /// Why.
        #[source]
        source: Box<Error>,
    },
    /// What says which engine to use cannot be followed.
    #[error("{0}")]
    #[diagnostic(help(
        "`docker context ls` lists the contexts, `docker context use NAME` chooses one, and DOCKER_HOST is stronger than all of them"
    ))]
    NoContext(String),
    /// The engine is there and says nothing.
    #[error("the Docker engine did not answer within {} s when it was to {what}", ANSWER.as_secs())]
    #[diagnostic(help(
        "see whether `docker version` answers; restart the engine if it does not, and run the command again, which goes on where it stopped"
    ))]
    Silent {
        /// What was asked.
        what: String,
    },
    /// A request failed.
    #[error("the Docker engine cannot {what}")]
    #[diagnostic(help(
        "run the command again, which goes on where it stopped; the engine's own log (`journalctl -u docker`) says more"
    ))]
    Request {
        /// What was asked.
        what: String,
        /// Its answer.
        #[source]
        source: Box<Error>,
    },
    /// The network exists with other properties.
    #[error("Docker network {name} exists, but {reason}")]
    #[diagnostic(help("remove it with `docker network rm {name}`, or give the lab another name with --name"))]
    ForeignNetwork {
        /// Its name.
        name: String,
        /// How it differs.
        reason: String,
    },
}

/// What to do where no engine answers.
pub const NO_ENGINE: &str = "start Docker, or choose an engine that runs with DOCKER_HOST or `docker context use`; on Debian or Ubuntu, `./dev setup` as root installs and starts one";

impl DockerError {
    pub(super) fn request(what: impl Into<String>) -> impl FnOnce(Error) -> Self {
        let what = what.into();
        move |source| match source {
            Error::RequestTimeoutError => Self::Silent { what },
            source => Self::Request { what, source: Box::new(source) },
        }
    }

    /// Whether the engine itself did not answer.
    #[must_use]
    pub fn is_no_answer(&self) -> bool {
        matches!(self, Self::Unreachable { .. } | Self::NoContext(_) | Self::Silent { .. })
    }
}

/// A node container of a lab.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node {
    /// Container name, which is the Kubernetes node's name too.
    pub name: String,
    /// The cluster in the scenario.
    pub cluster: String,
    /// The lab.
    pub lab: String,
    /// Whether it runs.
    pub running: bool,
    /// Whether it is paused: its processes are there, and halted.
    pub paused: bool,
    /// Docker's own words about its state, as "Up 3 minutes".
    pub status: String,
    /// Its address on the lab's network, when it runs.
    pub address: Option<String>,
    /// Names of the Docker networks that it is attached to.
    pub networks: Vec<String>,
}

/// An existing Docker network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Network {
    /// Its name.
    pub name: String,
    /// The lab that it belongs to, if any.
    pub lab: Option<String>,
    /// Its IPv4 subnets.
    pub subnets: Vec<Ipv4Net>,
    /// Addresses of its bridge on the engine's machine; none if it has no bridge there.
    pub gateways: Vec<Ipv4Addr>,
}

/// A connection to the engine.
#[derive(Clone, Debug)]
pub struct Engine {
    /// The client, for what this module does not cover.
    pub docker: Docker,
    /// Which engine it is.
    pub endpoint: Endpoint,
}

impl Engine {
    /// Connects to the engine that the `docker` command line uses.
    pub async fn connect() -> Result<Self, DockerError> {
        let endpoint = Endpoint::here().map_err(DockerError::NoContext)?;
        let unreachable = |e| DockerError::Unreachable { tried: endpoint.to_string(), source: Box::new(e) };
        let seconds = DEED.as_secs();
        let client = match endpoint.socket() {
            Some(path) => Docker::connect_with_socket(&path.to_string_lossy(), seconds, API_DEFAULT_VERSION),
            None => docker_dial::client(&endpoint, seconds, API_DEFAULT_VERSION),
        };
        let client = client.map_err(unreachable)?;
        let asked = tokio::time::timeout(ANSWER, client.negotiate_version()).await;
        let silent = |_| DockerError::Silent { what: format!("tell its version at {endpoint}") };
        let docker = asked.map_err(silent)?.map_err(unreachable)?;
        Ok(Self { docker, endpoint })
    }

    /// Has the engine do something that takes its time.
    async fn deed<T>(
        &self,
        what: impl Into<String>,
        deed: impl Future<Output = Result<T, Error>>,
    ) -> Result<T, DockerError> {
        while_it_answers(&self.docker, deed).await.map_err(DockerError::request(what))
    }

    /// All networks of the engine.
    pub async fn networks(&self) -> Result<Vec<Network>, DockerError> {
        let options = ListNetworksOptionsBuilder::default().build();
        let all = ask("list networks", self.docker.list_networks(Some(options))).await?;
        Ok(all
            .into_iter()
            .map(|n| {
                let configs: Vec<IpamConfig> = n.ipam.and_then(|i| i.config).unwrap_or_default();
                let is_bridge = n.driver.as_deref() == Some("bridge");
                // Of its own first bridge an engine does not tell the gateway; there it is the first address too.
                let first = |c: &IpamConfig| c.subnet.as_ref()?.parse::<Ipv4Net>().ok()?.hosts().next();
                let gateway = |c: &IpamConfig| {
                    c.gateway.as_ref().map_or_else(|| first(c), |g| g.parse().ok()).filter(|_| is_bridge)
                };
                Network {
                    name: n.name.unwrap_or_default(),
                    lab: n.labels.and_then(|mut l| l.remove(LAB_LABEL)),
                    subnets: configs.iter().filter_map(|c| c.subnet.as_ref()?.parse().ok()).collect(),
                    gateways: configs.iter().filter_map(gateway).collect(),
                }
            })
            .collect())
    }

    /// Creates a lab's network. Docker deals addresses out of `range` only.
    pub async fn create_network(
        &self,
        lab: &str,
        name: &str,
        subnet: Ipv4Net,
        gateway: Ipv4Addr,
        range: Ipv4Net,
    ) -> Result<(), DockerError> {
        let request = NetworkCreateRequest {
            name: name.to_owned(),
            driver: Some("bridge".to_owned()),
            labels: Some(HashMap::from([(LAB_LABEL.to_owned(), lab.to_owned())])),
            options: Some(HashMap::from([("com.docker.network.bridge.enable_ip_masquerade".into(), "true".into())])),
            ipam: Some(Ipam {
                config: Some(vec![IpamConfig {
                    subnet: Some(subnet.to_string()),
                    gateway: Some(gateway.to_string()),
                    ip_range: Some(range.to_string()),
                    ..IpamConfig::default()
                }]),
                ..Ipam::default()
            }),
            ..NetworkCreateRequest::default()
        };
        let what = format!("create network {name} with subnet {subnet}");
        self.deed(what, self.docker.create_network(request)).await.map(|_| ())
    }

    /// Removes a network; that it is gone already is well.
    pub async fn remove_network(&self, name: &str) -> Result<(), DockerError> {
        let gone = async { gone_is_well(self.docker.remove_network(name).await) };
        self.deed(format!("remove network {name}"), gone).await
    }

    /// The nodes of one lab, or of all.
    pub async fn nodes(&self, lab: Option<&str>) -> Result<Vec<Node>, DockerError> {
        let label = lab.map_or_else(|| LAB_LABEL.to_owned(), |lab| format!("{LAB_LABEL}={lab}"));
        let options = ListContainersOptionsBuilder::default()
            .all(true)
            .filters(&HashMap::from([("label", vec![label.as_str()])]))
            .build();
        let all = ask("list containers", self.docker.list_containers(Some(options))).await?;
        let mut nodes: Vec<Node> = all.into_iter().filter_map(node).collect();
        nodes.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(nodes)
    }

    /// Names of all containers that kind made for a cluster of this name, labelled by us or not.
    pub async fn kind_nodes(&self, kind_name: &str) -> Result<Vec<String>, DockerError> {
        let label = format!("io.x-k8s.kind.cluster={kind_name}");
        let options = ListContainersOptionsBuilder::default()
            .all(true)
            .filters(&HashMap::from([("label", vec![label.as_str()])]))
            .build();
        let all = ask("list containers", self.docker.list_containers(Some(options))).await?;
        Ok(all.into_iter().filter_map(|c| container_name(&c)).collect())
    }

    /// Labels of a container, if there is one of that name.
    pub async fn labels(&self, container: &str) -> Result<Option<HashMap<String, String>>, DockerError> {
        match within(self.docker.inspect_container(container, None)).await {
            Ok(found) => Ok(Some(found.config.and_then(|c| c.labels).unwrap_or_default())),
            Err(Error::DockerResponseServerError { status_code: 404, .. }) => Ok(None),
            Err(error) => Err(DockerError::request(format!("look at {container}"))(error)),
        }
    }

    /// Where a TCP port of a container is published on the engine's machine, as `ADDRESS:PORT`.
    pub async fn published(&self, container: &str, port: u16) -> Result<Option<String>, DockerError> {
        let found = ask(format!("look at {container}"), self.docker.inspect_container(container, None)).await?;
        let mut ports = found.network_settings.and_then(|s| s.ports).unwrap_or_default();
        let binding = ports.remove(&format!("{port}/tcp")).flatten().and_then(|all| all.into_iter().next());
        Ok(binding.and_then(|b| Some(format!("{}:{}", b.host_ip?, b.host_port?))))
    }

    /// Starts a stopped container, or lets a frozen one go on.
    pub async fn start(&self, name: &str) -> Result<(), DockerError> {
        let state = ask(format!("look at {name}"), self.docker.inspect_container(name, None)).await?;
        if state.state.and_then(|s| s.paused) == Some(true) {
            return self.unpause(name).await;
        }
        self.deed(format!("start {name}"), self.docker.start_container(name, None)).await
    }

    /// Attaches a container to a network; that it is attached already is well.
    pub async fn attach(&self, network: &str, container: &str) -> Result<(), DockerError> {
        let request = NetworkConnectRequest { container: container.to_owned(), ..NetworkConnectRequest::default() };
        let attached = async {
            match self.docker.connect_network(network, request).await {
                Err(Error::DockerResponseServerError { message, .. }) if message.contains("already exists") => Ok(()),
                result => result,
            }
        };
        self.deed(format!("attach {container} to network {network}"), attached).await
    }

    /// Stops a container.
    pub async fn stop(&self, name: &str) -> Result<(), DockerError> {
        self.deed(format!("stop {name}"), self.docker.stop_container(name, None)).await
    }

    /// Freezes a container: it keeps its state and answers nothing.
    pub async fn pause(&self, name: &str) -> Result<(), DockerError> {
        let mut again = 1..FREEZES;
        loop {
            match while_it_answers(&self.docker, self.docker.pause_container(name)).await {
                Err(Error::DockerResponseServerError { message, .. })
                    if message.contains("unable to freeze") && again.next().is_some() => {}
                result => return result.map_err(DockerError::request(format!("pause {name}"))),
            }
        }
    }

    /// Lets a frozen container go on; that it runs already is well.
    pub async fn unpause(&self, name: &str) -> Result<(), DockerError> {
        match while_it_answers(&self.docker, self.docker.unpause_container(name)).await {
            Err(Error::DockerResponseServerError { message, .. }) if message.contains("not paused") => Ok(()),
            result => result.map_err(DockerError::request(format!("unpause {name}"))),
        }
    }

    /// Removes a container with its anonymous volumes, running or not; that it is gone already is well.
    pub async fn remove(&self, name: &str) -> Result<(), DockerError> {
        let options = RemoveContainerOptionsBuilder::default().force(true).v(true).build();
        let gone = async { gone_is_well(self.docker.remove_container(name, Some(options)).await) };
        self.deed(format!("remove container {name}"), gone).await
    }

    /// Makes an image that differs from `base` in its labels only. Containers inherit an image's labels, which is how nodes made by kind
    /// come to carry ours.
    pub async fn label_image(&self, base: &str, tag: &str, labels: &[(&str, &str)]) -> Result<(), DockerError> {
        let mut dockerfile = format!("FROM {base}\nLABEL");
        for (key, value) in labels {
            // Writing to a string cannot fail.
            let _ = write!(dockerfile, " {key}=\"{value}\"");
        }
        dockerfile.push('\n');
        let what = || format!("label image {base} as {tag}");
        let io = |source: std::io::Error| DockerError::Request { what: what(), source: Box::new(source.into()) };
        let mut context = tar::Builder::new(Vec::new());
        let mut header = tar::Header::new_gnu();
        header.set_size(dockerfile.len() as u64);
        header.set_mode(0o644);
        header.set_cksum();
        context.append_data(&mut header, "Dockerfile", dockerfile.as_bytes()).map_err(io)?;
        let context = Bytes::from(context.into_inner().map_err(io)?);
        let options = BuildImageOptionsBuilder::default().t(tag).rm(true).forcerm(true).build();
        let built = self.docker.build_image(options, None, Some(bollard::body_full(context)));
        self.deed(what(), built.try_for_each(|_| async { Ok(()) })).await
    }

    /// Tags of the images that carry a lab's label.
    pub async fn images(&self, lab: &str) -> Result<Vec<String>, DockerError> {
        let label = format!("{LAB_LABEL}={lab}");
        let options =
            ListImagesOptionsBuilder::default().filters(&HashMap::from([("label", vec![label.as_str()])])).build();
        let all = ask("list images", self.docker.list_images(Some(options))).await?;
        Ok(all.into_iter().flat_map(|i| i.repo_tags).collect())
    }

    /// Removes an image's tag; that it is gone already is well.
    pub async fn remove_image(&self, tag: &str) -> Result<(), DockerError> {
        let options = RemoveImageOptionsBuilder::default().force(true).noprune(true).build();
        let gone = async { gone_is_well(self.docker.remove_image(tag, Some(options), None).await.map(|_| ())) };
        self.deed(format!("remove image {tag}"), gone).await
    }
}

fn gone_is_well(result: Result<(), Error>) -> Result<(), Error> {
    match result {
        Err(Error::DockerResponseServerError { status_code: 404, .. }) => Ok(()),
        result => result,
    }
}

fn container_name(container: &ContainerSummary) -> Option<String> {
    Some(container.names.as_ref()?.first()?.trim_start_matches('/').to_owned())
}

fn node(container: ContainerSummary) -> Option<Node> {
    let name = container_name(&container)?;
    let labels = container.labels.unwrap_or_default();
    let networks = container.network_settings.and_then(|s| s.networks).unwrap_or_default();
    let names = networks.keys().cloned().collect();
    let address = networks.into_values().find_map(|e| e.ip_address.filter(|a| !a.is_empty()));
    Some(Node {
        cluster: labels.get(CLUSTER_LABEL)?.clone(),
        lab: labels.get(LAB_LABEL)?.clone(),
        running: container.state == Some(ContainerSummaryStateEnum::RUNNING),
        paused: container.state == Some(ContainerSummaryStateEnum::PAUSED),
        status: container.status.unwrap_or_default(),
        name,
        address,
        networks: names,
    })
}
