//! What all steps of one run share.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use super::inventory::Inventories;
use super::render_istio::{self, Rendered};
use super::{StepError, kubeconfig};
use crate::exec::Progress;
use crate::images::karmada::Karmada;
use crate::images::{Choice, Prepared};
use crate::plan::{Lab, LabCluster};
use crate::sys::docker::{Engine, Node};
use crate::sys::kube::Cluster;
use crate::sys::state::LabState;
use crate::verdict::Verdict;

/// How long control planes may take to read what they watch.
const READ: Duration = Duration::from_secs(2);
/// Most objects whose changes are told one by one in a run.
const MAX_CHANGES: usize = 30;

/// Everything that steps work with.
#[derive(Debug)]
pub struct Context {
    /// The lab that is built.
    pub lab: Lab,
    /// The Docker engine.
    pub engine: Engine,
    /// The lab's state.
    pub state: LabState,
    /// Which image source the user wants.
    pub choice: Choice,
    /// How long a step waits for one object.
    pub patience: Duration,
    /// How long a check that is red is made again from the beginning, because the lab has just been changed. Zero: what is, counts.
    pub retry: Duration,
    /// How long the verdict waits for endpoints to be as they must.
    pub settle: Duration,
    prepared: OnceLock<Prepared>,
    karmada: OnceLock<Karmada>,
    verdict: OnceLock<Verdict>,
    clients: Mutex<BTreeMap<String, Cluster>>,
    rendered: Mutex<BTreeMap<String, Arc<Rendered>>>,
    new: Mutex<BTreeSet<String>>,
    mesh_changed: Mutex<Option<Instant>>,
    /// What is applied to each cluster.
    pub(super) inventories: Inventories,
    changes: AtomicUsize,
}

impl Context {
    /// A context for one run.
    #[must_use]
    pub fn new(lab: Lab, engine: Engine, state: LabState, choice: Choice, settle: Duration) -> Self {
        Self {
            lab,
            engine,
            state,
            choice,
            settle,
            retry: Duration::ZERO,
            patience: Duration::from_secs(180),
            prepared: OnceLock::new(),
            karmada: OnceLock::new(),
            verdict: OnceLock::new(),
            clients: Mutex::default(),
            rendered: Mutex::default(),
            new: Mutex::default(),
            mesh_changed: Mutex::default(),
            inventories: Inventories::default(),
            changes: AtomicUsize::new(0),
        }
    }

    /// The cluster of that name.
    pub fn cluster(&self, name: &str) -> Result<&LabCluster, StepError> {
        self.lab.cluster(name).ok_or_else(|| StepError::Missing(format!("cluster {name}")))
    }

    /// The prepared stack.
    pub fn prepared(&self) -> Result<&Prepared, StepError> {
        self.prepared.get().ok_or_else(|| StepError::Missing("the stack".to_owned()))
    }

    pub(super) fn set_prepared(&self, prepared: Prepared) {
        let _ = self.prepared.set(prepared);
    }

    /// What the federation needs, once it is prepared.
    pub(super) fn karmada(&self) -> Result<&Karmada, StepError> {
        self.karmada.get().ok_or_else(|| StepError::Missing("Karmada's images".to_owned()))
    }

    pub(super) fn set_karmada(&self, karmada: Karmada) {
        let _ = self.karmada.set(karmada);
    }

    /// The nodes of a cluster.
    pub(super) async fn nodes_of(&self, cluster: &str) -> Result<Vec<Node>, StepError> {
        let mut nodes = self.engine.nodes(Some(&self.lab.name)).await?;
        nodes.retain(|n| n.cluster == cluster);
        Ok(nodes)
    }

    /// The verdict, once the verify step has run.
    #[must_use]
    pub fn verdict(&self) -> Option<&Verdict> {
        self.verdict.get()
    }

    pub(super) fn set_verdict(&self, verdict: Verdict) {
        let _ = self.verdict.set(verdict);
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

    /// Istio's objects of a cluster, read once: they are a megabyte of YAML. Only steps after `render-istio` ask.
    pub(super) fn rendered(&self, cluster: &LabCluster) -> Result<Arc<Rendered>, StepError> {
        if let Some(rendered) = lock(&self.rendered).get(&cluster.name) {
            return Ok(Arc::clone(rendered));
        }
        let rendered = Arc::new(render_istio::rendered(&render_istio::written(self, cluster)?, &self.lab.name)?);
        lock(&self.rendered).insert(cluster.name.clone(), Arc::clone(&rendered));
        Ok(rendered)
    }

    /// Reads them on a thread of their own, so that an interrupt is seen meanwhile and other steps go on.
    pub(super) async fn read_rendered(&self, cluster: &str) -> Result<(), StepError> {
        if lock(&self.rendered).contains_key(cluster) {
            return Ok(());
        }
        let (yaml, lab) = (render_istio::written(self, self.cluster(cluster)?)?, self.lab.name.clone());
        let read = tokio::task::spawn_blocking(move || render_istio::rendered(&yaml, &lab)).await;
        // A thread that panicked has nothing; whoever asks reads them itself.
        if let Ok(rendered) = read {
            lock(&self.rendered).insert(cluster.to_owned(), Arc::new(rendered?));
        }
        Ok(())
    }

    /// Remembers that what control planes read has just changed.
    pub(super) fn mesh_changed(&self) {
        *lock(&self.mesh_changed) = Some(Instant::now());
    }

    /// Waits until control planes have read what this run has changed. They watch it, and nothing announces that they have seen it.
    pub(super) async fn mesh_settled(&self) {
        let changed = *lock(&self.mesh_changed);
        if let Some(changed) = changed {
            tokio::time::sleep_until((changed + READ).into()).await;
        }
    }

    /// Tells a change of one object, unless many were told before.
    pub(super) fn tell_change(&self, progress: &Progress, line: &str) {
        if self.changes.fetch_add(1, Ordering::Relaxed) < MAX_CHANGES {
            progress.note(line);
        }
    }

    /// How many changes of objects were not told one by one.
    #[must_use]
    pub fn untold_changes(&self) -> usize {
        self.changes.load(Ordering::Relaxed).saturating_sub(MAX_CHANGES)
    }

    /// Whether this run made the cluster.
    pub(super) fn is_new(&self, cluster: &str) -> bool {
        lock(&self.new).contains(cluster)
    }

    pub(super) fn set_new(&self, cluster: &str) {
        lock(&self.new).insert(cluster.to_owned());
    }
}

/// A lock whose holder panicked still guards whole values here.
fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
