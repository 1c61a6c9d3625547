//! What all steps of one run share.

mod before;
mod inventory;
mod rendered;

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Deref;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::{Duration, Instant};

pub use before::{leftovers, newcomers};
pub(crate) use inventory::{Entry, Inventory, Owner, as_applied};
pub(crate) use rendered::{Rendered, manifest_path};

use self::inventory::Inventories;
use super::StepError;
use super::lab::{LabContext, PATIENCE, lock};
use crate::exec::Progress;
use crate::images::karmada::Karmada;
use crate::images::{Choice, Prepared, Source};
use crate::plan::LabCluster;
use crate::scenario::{Matrix, Minor, Product, Versions};
use crate::sys::kube::Manifest;

/// How long control planes may take to read what they watch.
const READ: Duration = Duration::from_secs(2);
/// Most objects whose changes are told one by one in a run.
const MAX_CHANGES: usize = 30;

/// A lab while a run builds it, or looks what a run would do. All that is asked of a lab can be asked of it.
#[derive(Debug)]
pub struct RunContext {
    lab_context: LabContext,
    /// Which image source the user wants.
    pub choice: Choice,
    /// How long a step waits for one object.
    pub patience: Duration,
    /// By what clusters run.
    prepared: OnceLock<BTreeMap<Versions, Prepared>>,
    karmada: OnceLock<Karmada>,
    gateway_api: OnceLock<Manifest>,
    rendered: Mutex<BTreeMap<String, Arc<Rendered>>>,
    new: Mutex<BTreeSet<String>>,
    mesh_changed: Mutex<Option<Instant>>,
    inventories: Inventories,
    changes: AtomicUsize,
    is_apart: bool,
}

impl Deref for RunContext {
    type Target = LabContext;

    fn deref(&self) -> &LabContext {
        &self.lab_context
    }
}

impl RunContext {
    /// A run in which nothing is prepared yet.
    #[must_use]
    pub fn new(lab_context: LabContext, choice: Choice) -> Self {
        Self {
            lab_context,
            choice,
            patience: PATIENCE,
            prepared: OnceLock::new(),
            karmada: OnceLock::new(),
            gateway_api: OnceLock::new(),
            rendered: Mutex::default(),
            new: Mutex::default(),
            mesh_changed: Mutex::default(),
            inventories: Inventories::default(),
            changes: AtomicUsize::new(0),
            is_apart: false,
        }
    }

    /// The same for who shares nothing with a lab of that name that may be there, such as keys.
    #[must_use]
    pub fn apart(self) -> Self {
        Self { is_apart: true, ..self }
    }

    /// Whether a lab of that name that may be there is another.
    pub(crate) fn is_apart(&self) -> bool {
        self.is_apart
    }

    /// The prepared stack, as far as all clusters have the same.
    pub fn prepared(&self) -> Result<&Prepared, StepError> {
        let first = self.prepared.get().and_then(|all| all.values().next());
        first.ok_or_else(|| StepError::Missing("the stack".to_owned()))
    }

    /// The prepared stack of what a cluster runs.
    pub fn prepared_for(&self, cluster: &LabCluster) -> Result<&Prepared, StepError> {
        let of_versions = self.prepared.get().and_then(|all| all.get(&cluster.versions));
        of_versions.ok_or_else(|| StepError::Missing("the stack".to_owned()))
    }

    /// The version of Istio that a control plane has.
    pub(crate) fn istio(&self, cluster: &LabCluster) -> Result<Minor, StepError> {
        let source = self.prepared_for(cluster)?.source;
        let sources = (source == Source::Packages, source == Source::Registry);
        Ok(Matrix::embedded().effective(Product::Istio, cluster.versions.istio, sources))
    }

    pub(crate) fn set_prepared(&self, prepared: BTreeMap<Versions, Prepared>) {
        let _ = self.prepared.set(prepared);
    }

    /// What the federation needs, once it is prepared.
    pub(crate) fn karmada(&self) -> Result<&Karmada, StepError> {
        self.karmada.get().ok_or_else(|| StepError::Missing("Karmada's images".to_owned()))
    }

    pub(crate) fn set_karmada(&self, karmada: Karmada) {
        let _ = self.karmada.set(karmada);
    }

    /// The definitions of the Gateway API's kinds, once they are prepared.
    pub(crate) fn gateway_api(&self) -> Result<&Manifest, StepError> {
        self.gateway_api.get().ok_or_else(|| StepError::Missing("the definitions of the Gateway API".to_owned()))
    }

    pub(crate) fn set_gateway_api(&self, definitions: Manifest) {
        let _ = self.gateway_api.set(definitions);
    }

    /// Istio's objects of a cluster, read once: they are a megabyte of YAML. Only steps after `render-istio` ask.
    pub(crate) fn rendered(&self, cluster: &LabCluster) -> Result<Arc<Rendered>, StepError> {
        let path = manifest_path(cluster);
        if let Some(rendered) = lock(&self.rendered).get(&path) {
            return Ok(Arc::clone(rendered));
        }
        let rendered = Arc::new(rendered::read(&rendered::written(&self.state, cluster)?, &self.lab.name)?);
        lock(&self.rendered).insert(path, Arc::clone(&rendered));
        Ok(rendered)
    }

    /// Reads them on a thread of their own, so that an interrupt is seen meanwhile and other steps go on.
    pub(crate) async fn read_rendered(&self, cluster: &LabCluster) -> Result<(), StepError> {
        let path = manifest_path(cluster);
        if lock(&self.rendered).contains_key(&path) {
            return Ok(());
        }
        let (yaml, lab) = (rendered::written(&self.state, cluster)?, self.lab.name.clone());
        let read = tokio::task::spawn_blocking(move || rendered::read(&yaml, &lab)).await;
        // A thread that panicked has nothing; whoever asks reads them itself.
        if let Ok(rendered) = read {
            lock(&self.rendered).insert(path, Arc::new(rendered?));
        }
        Ok(())
    }

    /// Remembers that what control planes read has just changed.
    pub(crate) fn mesh_changed(&self) {
        *lock(&self.mesh_changed) = Some(Instant::now());
    }

    /// Waits until control planes have read what this run has changed. They watch it, and nothing announces that they have seen it.
    pub(crate) async fn mesh_settled(&self) {
        let changed = *lock(&self.mesh_changed);
        if let Some(changed) = changed {
            tokio::time::sleep_until((changed + READ).into()).await;
        }
    }

    /// Tells a change of one object, unless many were told before.
    pub(crate) fn tell_change(&self, progress: &Progress, line: &str) {
        if self.changes.fetch_add(1, Ordering::Relaxed) < MAX_CHANGES {
            progress.note(line);
        }
    }

    /// How many changes of objects were not told one by one.
    #[must_use]
    pub fn untold_changes(&self) -> usize {
        self.changes.load(Ordering::Relaxed).saturating_sub(MAX_CHANGES)
    }

    /// What is applied to a cluster, or to Karmada's API, as it is now.
    pub(crate) fn inventory(&self, place: &str) -> Result<Inventory, StepError> {
        self.inventories.get(&self.state, self.is_new(place), place)
    }

    /// Changes what is known to be applied there, and writes it.
    pub(crate) fn change_inventory(&self, place: &str, change: impl FnOnce(&mut Inventory)) -> Result<(), StepError> {
        self.inventories.change(&self.state, self.is_new(place), place, change)
    }

    /// Whether this run made the cluster.
    pub(crate) fn is_new(&self, cluster: &str) -> bool {
        lock(&self.new).contains(cluster)
    }

    pub(crate) fn set_new(&self, cluster: &str) {
        lock(&self.new).insert(cluster.to_owned());
    }
}
