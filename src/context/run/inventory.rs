//! What lab has applied to a cluster, by the step that did, in the lab's state: so that what is no longer planned goes, and what was there before comes back.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use kube::api::DynamicObject;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use super::super::StepError;
use crate::plan::{Action, StepId};
use crate::sys::docker::LAB_LABEL;
use crate::sys::kube::{Manager, Manifest, is_applied_by};
use crate::sys::state::{LabState, StateError};

/// Where something is applied, and by which step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Owner {
    /// A cluster, or Karmada's own API.
    pub(crate) place: String,
    /// The step.
    pub(crate) step: StepId,
    /// As whom it applies.
    pub(crate) manager: Manager,
}

impl Owner {
    /// That of a step.
    pub(crate) fn of(action: &Action) -> Self {
        let place = match action {
            // No cluster has this name.
            Action::FederatedApps { .. } => "karmada/api",
            action => action.cluster().unwrap_or_default(),
        };
        Self::by(place, action.id())
    }

    /// That of a step, be it planned or not.
    pub(crate) fn by(place: &str, step: StepId) -> Self {
        let manager = if is_app(&step) { Manager::Scenario } else { Manager::Lab };
        Self { place: place.to_owned(), step, manager }
    }
}

/// Whether a step applies what the scenario brings, rather than lab's own.
fn is_app(step: &StepId) -> bool {
    step.0.starts_with("apps/") || step.0.starts_with("federated-apps/")
}

/// An object that a step has applied, without the version of its kind: that may change while the object stays the same.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Entry {
    api_version: String,
    kind: String,
    namespace: Option<String>,
    name: String,
    /// The step; older states have none, and had only apps.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) step: Option<StepId>,
    /// What was applied last, as a whole; nothing while that is not certain.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) digest: Option<String>,
    /// What the object was before lab applied to it; nothing for an object that lab has made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) before: Option<Value>,
}

impl Entry {
    fn of(object: &DynamicObject, step: &StepId, before: Option<Value>) -> Self {
        let types = object.types.clone().unwrap_or_default();
        Self {
            api_version: types.api_version,
            kind: types.kind,
            namespace: object.metadata.namespace.clone(),
            name: object.metadata.name.clone().unwrap_or_default(),
            step: Some(step.clone()),
            digest: None,
            before,
        }
    }

    fn is_same(&self, other: &Self) -> bool {
        let group = |version: &str| version.rsplit_once('/').map(|(group, _)| group.to_owned());
        group(&self.api_version) == group(&other.api_version)
            && self.kind == other.kind
            && self.namespace == other.namespace
            && self.name == other.name
    }

    fn is_by(&self, step: &StepId) -> bool {
        self.step.as_ref().map_or_else(|| is_app(step), |by| by == step)
    }

    /// The object's identity alone.
    pub(crate) fn to_object(&self) -> Result<DynamicObject, StepError> {
        let identity = serde_json::json!({ "apiVersion": self.api_version, "kind": self.kind,
            "metadata": { "namespace": self.namespace, "name": self.name } });
        let manifest = Manifest::from_values([identity])?;
        manifest.objects.into_iter().next().ok_or_else(|| StepError::Missing(self.name.clone()))
    }

    /// Whether it is a node, of which lab has labelled where it is.
    pub(crate) fn is_node(&self) -> bool {
        self.kind == "Node" && self.api_version == "v1"
    }

    /// Namespaces that are there without anybody's apps stay, whoever once named them.
    pub(crate) fn is_kept(&self) -> bool {
        self.kind == "Namespace" && (self.name == "default" || self.name.starts_with("kube-"))
    }
}

/// All that lab has applied to one place.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct Inventory(Vec<Entry>);

impl Inventory {
    /// The entry of a step for an object.
    pub(crate) fn entry(&self, object: &DynamicObject, step: &StepId) -> Option<&Entry> {
        let wanted = Entry::of(object, step, None);
        self.0.iter().find(|e| e.is_by(step) && e.is_same(&wanted))
    }

    /// Whether an object is applied by lab itself too.
    pub(crate) fn is_own(&self, object: &DynamicObject) -> bool {
        let wanted = Entry::of(object, &StepId(String::new()), None);
        self.0.iter().any(|e| e.step.as_ref().is_some_and(|s| !is_app(s)) && e.is_same(&wanted))
    }

    /// Records what a step is about to apply. `live` are the same objects as they are in the cluster.
    pub(crate) fn begin(&mut self, owner: &Owner, wanted: &[DynamicObject], live: &[Option<DynamicObject>], lab: &str) {
        for (object, live) in wanted.iter().zip(live) {
            let new = Entry::of(object, &owner.step, None);
            let known = self.0.iter_mut().find(|e| e.is_by(&owner.step) && e.is_same(&new));
            if let Some(known) = known {
                let planned = digest(&as_applied(object, known.before.is_some()));
                if known.digest.as_ref() != Some(&planned) {
                    known.digest = None;
                }
                known.api_version = new.api_version;
                known.step = new.step;
                continue;
            }
            let before = live.as_ref().filter(|live| !is_made_by_lab(live, owner, lab));
            let before = before.map(|live| {
                let mut before = live.clone();
                before.metadata.managed_fields = None;
                serde_json::to_value(before).unwrap_or_default()
            });
            self.0.push(Entry { before, ..new });
        }
    }

    /// Records that these objects have been applied as they are.
    pub(crate) fn applied(&mut self, owner: &Owner, objects: &[DynamicObject]) {
        for object in objects {
            let new = Entry::of(object, &owner.step, None);
            for known in self.0.iter_mut().filter(|e| e.is_by(&owner.step) && e.is_same(&new)) {
                known.digest = Some(digest(object));
            }
        }
    }

    /// What a step has applied and does not want any more.
    pub(crate) fn stale(&self, step: &StepId, wanted: &[DynamicObject]) -> Vec<Entry> {
        let wanted: Vec<Entry> = wanted.iter().map(|o| Entry::of(o, step, None)).collect();
        self.0.iter().filter(|e| e.is_by(step) && !wanted.iter().any(|w| w.is_same(e))).cloned().collect()
    }

    /// Whether a step other than the entry's own applies the same object.
    pub(crate) fn is_shared(&self, entry: &Entry) -> bool {
        self.0.iter().any(|e| e.step != entry.step && e.is_same(entry))
    }

    /// Forgets an entry.
    pub(crate) fn forget(&mut self, entry: &Entry) {
        self.0.retain(|e| !(e.step == entry.step && e.is_same(entry)));
    }

    /// Whether any step has applied an object.
    pub(crate) fn has(&self, object: &DynamicObject) -> bool {
        let wanted = Entry::of(object, &StepId(String::new()), None);
        self.0.iter().any(|e| e.is_same(&wanted))
    }

    /// All that was applied, in the order in which it was begun.
    pub(crate) fn entries(&self) -> &[Entry] {
        &self.0
    }

    /// The steps that have applied something.
    pub(crate) fn steps(&self) -> Vec<StepId> {
        let mut steps: Vec<StepId> = self.0.iter().filter_map(|e| e.step.clone()).collect();
        steps.sort();
        steps.dedup();
        steps
    }

    /// Whether an object, as `wanted`, is what was applied last.
    pub(crate) fn is_current(&self, object: &DynamicObject, step: &StepId) -> bool {
        self.entry(object, step).is_some_and(|e| e.digest.as_ref() == Some(&digest(object)))
    }
}

/// An object as it is applied: what lab has found does not get the label of what it has made.
pub(crate) fn as_applied(object: &DynamicObject, is_found: bool) -> DynamicObject {
    let mut object = object.clone();
    if is_found && let Some(labels) = &mut object.metadata.labels {
        labels.remove(LAB_LABEL);
    }
    object
}

/// Whether lab has made an object, rather than found it: then its label tells, or that lab's own steps apply it. A node is never lab's.
fn is_made_by_lab(live: &DynamicObject, owner: &Owner, lab: &str) -> bool {
    let is_labelled = live.metadata.labels.iter().flatten().any(|(key, value)| key == LAB_LABEL && value == lab);
    let is_node = live.types.as_ref().is_some_and(|t| t.kind == "Node");
    is_labelled || owner.manager == Manager::Lab && !is_node && is_applied_by(live, Manager::Lab.name())
}

fn digest(object: &DynamicObject) -> String {
    let text = serde_json::to_string(object).unwrap_or_default();
    format!("{:x}", Sha256::digest(text))
}

/// The file of a place in the lab's state.
fn path(place: &str) -> String {
    format!("applied/{place}.json")
}

/// What a lab's state says of a place.
pub(super) fn read(state: &LabState, place: &str) -> Result<Inventory, StateError> {
    Ok(state.read_json(&path(place))?.unwrap_or_default())
}

/// The inventories of one run. Steps run side by side, so each change is made to the newest, and written at once.
#[derive(Debug, Default)]
pub(super) struct Inventories(Mutex<BTreeMap<String, Inventory>>);

impl Inventories {
    /// The inventory of a place as it is now. A place that this run has made holds nothing of what an earlier one of that name did.
    pub(super) fn get(&self, state: &LabState, is_new: bool, place: &str) -> Result<Inventory, StepError> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        Self::of(&mut all, state, is_new, place).cloned()
    }

    /// Changes the inventory of a place, and writes it.
    pub(super) fn change(
        &self,
        state: &LabState,
        is_new: bool,
        place: &str,
        change: impl FnOnce(&mut Inventory),
    ) -> Result<(), StepError> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let inventory = Self::of(&mut all, state, is_new, place)?;
        let before = inventory.clone();
        change(inventory);
        if *inventory != before {
            state.write_json(&path(place), inventory)?;
        }
        Ok(())
    }

    fn of<'a>(
        all: &'a mut BTreeMap<String, Inventory>,
        state: &LabState,
        is_new: bool,
        place: &str,
    ) -> Result<&'a mut Inventory, StepError> {
        if !all.contains_key(place) {
            let inventory = if is_new { Inventory::default() } else { read(state, place)? };
            all.insert(place.to_owned(), inventory);
        }
        all.get_mut(place).ok_or_else(|| StepError::Missing(format!("what is applied to {place}")))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn object(kind: &str, name: &str, more: Value) -> DynamicObject {
        let api_version = if kind == "Deployment" { "apps/v1" } else { "v1" };
        let mut value = json!({ "apiVersion": api_version, "kind": kind, "metadata": { "name": name } });
        if let (Some(value), Value::Object(more)) = (value.as_object_mut(), more) {
            value.extend(more);
        }
        serde_json::from_value(value).expect("an object")
    }

    fn apps() -> Owner {
        Owner::of(&Action::Apps { cluster: "c1".to_owned(), apps: Vec::new() })
    }

    fn recorded(owner: &Owner, objects: &[DynamicObject]) -> Inventory {
        let mut inventory = Inventory::default();
        inventory.begin(owner, objects, &vec![None; objects.len()], "demo");
        inventory.applied(owner, objects);
        inventory
    }

    fn names(entries: &[Entry]) -> Vec<String> {
        entries.iter().map(|e| format!("{} {}", e.kind, e.name)).collect()
    }

    #[test]
    fn what_is_no_longer_wanted_goes() {
        let [web, old, demo] = [("Deployment", "web"), ("Deployment", "old"), ("Namespace", "demo")]
            .map(|(kind, name)| object(kind, name, json!({})));
        let inventory = recorded(&apps(), &[web.clone(), old, demo]);
        let now = [web, object("Service", "old", json!({}))];
        assert_eq!(names(&inventory.stale(&apps().step, &now)), ["Deployment old", "Namespace demo"]);
        let other = Owner::of(&Action::IstioBase { cluster: "c1".to_owned() });
        assert_eq!(inventory.stale(&other.step, &[]), []);
    }

    #[test]
    fn another_version_of_its_kind_is_the_same_object() {
        let inventory = recorded(&apps(), &[object("Deployment", "web", json!({}))]);
        let newer = object("Deployment", "web", json!({ "apiVersion": "apps/v2" }));
        assert_eq!(inventory.stale(&apps().step, &[newer]), []);
        let other = object("Deployment", "web", json!({ "apiVersion": "example.org/v1" }));
        assert_eq!(inventory.stale(&apps().step, &[other]).len(), 1);
    }

    #[test]
    fn a_field_less_is_another_object_to_apply() {
        let full = object("ConfigMap", "a", json!({ "data": { "a": "1", "b": "2" } }));
        let less = object("ConfigMap", "a", json!({ "data": { "a": "1" } }));
        let mut inventory = recorded(&apps(), std::slice::from_ref(&full));
        assert!(inventory.is_current(&full, &apps().step) && !inventory.is_current(&less, &apps().step));
        // An interrupt before it is applied forgets nothing.
        inventory.begin(&apps(), std::slice::from_ref(&less), &[Some(full.clone())], "demo");
        assert!(!inventory.is_current(&full, &apps().step) && !inventory.is_current(&less, &apps().step));
        inventory.applied(&apps(), std::slice::from_ref(&less));
        assert!(inventory.is_current(&less, &apps().step));
    }

    #[test]
    fn what_was_there_is_remembered_and_what_lab_made_is_not() {
        let there = object("ConfigMap", "coredns", json!({ "data": { "Corefile": "old" } }));
        let made =
            object("ConfigMap", "mine", json!({ "metadata": { "name": "mine", "labels": { LAB_LABEL: "demo" } } }));
        let mut inventory = Inventory::default();
        let wanted = ["coredns", "mine"].map(|name| object("ConfigMap", name, json!({ "data": { "a": "1" } })));
        inventory.begin(&apps(), &wanted, &[Some(there), Some(made)], "demo");
        let before = |i: usize| inventory.entry(&wanted[i], &apps().step).and_then(|e| e.before.clone());
        assert_eq!(before(0).expect("remembered")["data"]["Corefile"], "old");
        // It is applied without lab's label, and is current with the one that was planned.
        let mut labelled = wanted[0].clone();
        labelled.metadata.labels = Some([(LAB_LABEL.to_owned(), "demo".to_owned())].into());
        let bare = as_applied(&labelled, true);
        let mut again = inventory.clone();
        again.applied(&apps(), std::slice::from_ref(&bare));
        again.begin(&apps(), &[labelled], &[None], "demo");
        assert!(again.is_current(&bare, &apps().step));
        assert_eq!(before(1), None);
    }

    #[test]
    fn an_object_of_two_steps_is_shared() {
        let base = Owner::of(&Action::IstioBase { cluster: "c1".to_owned() });
        let namespace = [object("Namespace", "istio-system", json!({}))];
        let mut inventory = recorded(&base, &namespace);
        assert!(inventory.is_own(&namespace[0]));
        inventory.begin(&apps(), &namespace, &[None], "demo");
        let stale = inventory.stale(&apps().step, &[]);
        assert!(inventory.is_shared(&stale[0]));
        inventory.forget(&stale[0]);
        assert_eq!((inventory.stale(&apps().step, &[]).len(), inventory.stale(&base.step, &[]).len()), (0, 1));
    }

    #[test]
    fn an_older_state_is_that_of_apps() {
        let old = r#"[{ "apiVersion": "v1", "kind": "ConfigMap", "namespace": "demo", "name": "a" }]"#;
        let inventory: Inventory = serde_json::from_str(old).expect("an inventory");
        assert_eq!(names(&inventory.stale(&apps().step, &[])), ["ConfigMap a"]);
        assert_eq!(inventory.stale(&StepId("istio-base/c1".to_owned()), &[]), []);
    }

    #[test]
    fn namespaces_of_the_system_stay() {
        let kept = |name: &str| Entry::of(&object("Namespace", name, json!({})), &apps().step, None).is_kept();
        assert!(kept("default") && kept("kube-system") && !kept("demo"));
    }
}
