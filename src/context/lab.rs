//! What a lab is: enough to look at it, to talk to its clusters and to take it down.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::{StepError, kubeconfig};
use crate::plan::{Lab, LabCluster};
use crate::sys::docker::{Engine, Node};
use crate::sys::kube::Cluster;
use crate::sys::state::LabState;

/// How long one object is waited for.
pub const PATIENCE: Duration = Duration::from_secs(180);

/// A lab, with what it takes to reach it.
#[derive(Debug)]
pub struct LabContext {
    /// The lab as it is planned.
    pub lab: Lab,
    /// The Docker engine.
    pub engine: Engine,
    /// The lab's state.
    pub state: LabState,
    clients: Mutex<BTreeMap<String, Cluster>>,
}

impl LabContext {
    /// A lab of which nothing was asked yet.
    #[must_use]
    pub fn new(lab: Lab, engine: Engine, state: LabState) -> Self {
        Self { lab, engine, state, clients: Mutex::default() }
    }

    /// A lab with the engine that it needs: none where lab made none of the clusters.
    ///
    /// # Errors
    /// The engine does not answer.
    pub async fn open(lab: Lab, state: LabState) -> Result<Self, StepError> {
        let engine = if lab.makes_machines() { Engine::connect().await? } else { Engine::none()? };
        Ok(Self::new(lab, engine, state))
    }

    /// A client of a cluster that lab did not make, without any lab.
    ///
    /// # Errors
    /// Its context is not there.
    pub async fn reach(cluster: &LabCluster) -> Result<Cluster, StepError> {
        let text = kubeconfig::existing(cluster)?
            .ok_or_else(|| StepError::Missing(format!("a context of {}", cluster.name)))?;
        let (file, context) = cluster.place().unwrap_or_default();
        Cluster::connect(&text).await.map_err(|error| kubeconfig::unusable(error, file, context))
    }

    /// The cluster of that name.
    pub fn cluster(&self, name: &str) -> Result<&LabCluster, StepError> {
        self.lab.cluster(name).ok_or_else(|| StepError::Missing(format!("cluster {name}")))
    }

    /// The nodes that are containers of lab's: none of those of clusters that it did not make.
    pub(crate) async fn nodes(&self) -> Result<Vec<Node>, StepError> {
        if !self.lab.makes_machines() {
            return Ok(Vec::new());
        }
        Ok(self.engine.nodes(Some(&self.lab.name)).await?)
    }

    /// The nodes of a cluster.
    pub(crate) async fn nodes_of(&self, cluster: &str) -> Result<Vec<Node>, StepError> {
        let mut nodes = self.nodes().await?;
        nodes.retain(|n| n.cluster == cluster);
        Ok(nodes)
    }

    /// A client for a cluster, made once.
    pub async fn client(&self, cluster: &str) -> Result<Cluster, StepError> {
        if let Some(client) = self.known_client(cluster) {
            return Ok(client);
        }
        let client = kubeconfig::client(self, cluster).await?;
        self.remember_client(cluster, &client);
        Ok(client)
    }

    /// A client by what the cluster's node says now, whatever the state says: that may be of an earlier cluster of the same name.
    pub(crate) async fn fresh_client(&self, cluster: &str) -> Result<Cluster, StepError> {
        self.forget_client(cluster);
        let client = if self.cluster(cluster)?.is_made() {
            kubeconfig::ask(self, cluster).await?
        } else {
            kubeconfig::client(self, cluster).await?
        };
        self.remember_client(cluster, &client);
        Ok(client)
    }

    /// A client that was made before.
    pub(super) fn known_client(&self, name: &str) -> Option<Cluster> {
        lock(&self.clients).get(name).cloned()
    }

    pub(super) fn remember_client(&self, name: &str, client: &Cluster) {
        lock(&self.clients).insert(name.to_owned(), client.clone());
    }

    pub(super) fn forget_client(&self, cluster: &str) {
        lock(&self.clients).remove(cluster);
    }
}

/// A lock whose holder panicked still guards whole values here.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
