//! Containers: the nodes of labs, and what is done to them.

use std::collections::HashMap;

use bollard::errors::Error;
use bollard::models::{ContainerSummary, ContainerSummaryStateEnum, NetworkConnectRequest};
use bollard::query_parameters::{ListContainersOptionsBuilder, RemoveContainerOptionsBuilder};

use super::{
    CLUSTER_LABEL, DockerError, Engine, KIND_LABEL, LAB_LABEL, ask, ignore_missing, in_time, while_it_answers,
};

/// How often a container is frozen at most: a kernel with much to do may not get every process to stand still in the time that it is given.
const FREEZES: usize = 5;

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

impl Engine {
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
        let label = format!("{KIND_LABEL}={kind_name}");
        let options = ListContainersOptionsBuilder::default()
            .all(true)
            .filters(&HashMap::from([("label", vec![label.as_str()])]))
            .build();
        let all = ask("list containers", self.docker.list_containers(Some(options))).await?;
        Ok(all.into_iter().filter_map(|c| container_name(&c)).collect())
    }

    /// Labels of a container, if there is one of that name.
    pub async fn labels(&self, container: &str) -> Result<Option<HashMap<String, String>>, DockerError> {
        match in_time(self.docker.inspect_container(container, None)).await {
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
        self.perform(format!("start {name}"), self.docker.start_container(name, None)).await
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
        self.perform(format!("attach {container} to network {network}"), attached).await
    }

    /// Stops a container.
    pub async fn stop(&self, name: &str) -> Result<(), DockerError> {
        self.perform(format!("stop {name}"), self.docker.stop_container(name, None)).await
    }

    /// Kills a container, as when the power goes; that it does not run is well.
    pub async fn kill(&self, name: &str) -> Result<(), DockerError> {
        let killed = async {
            match self.docker.kill_container(name, None).await {
                Err(Error::DockerResponseServerError { message, .. }) if message.contains("is not running") => Ok(()),
                result => result,
            }
        };
        self.perform(format!("kill {name}"), killed).await
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
        let gone = async { ignore_missing(self.docker.remove_container(name, Some(options)).await) };
        self.perform(format!("remove container {name}"), gone).await
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
