//! What the steps apply, as files: one a step, and beside it what must be there before, or must not be read by others.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{File, Material, PLAIN, PRIVATE, yaml};
use crate::plan::{PlannedStep, StepId};

/// The files of all steps.
pub(super) struct Manifests {
    /// The files.
    pub files: Vec<File>,
    /// What each step applies, in order.
    applied: BTreeMap<StepId, Vec<Part>>,
}

/// One file that a step applies.
pub(super) struct Part {
    /// Its name in the directory of the cluster.
    pub name: String,
    /// Whether it defines kinds, which the API server must serve before anything of them comes.
    pub defines: bool,
}

impl Manifests {
    /// Numbers the files of each cluster in the order in which they are applied.
    pub fn of(phases: &[Vec<&PlannedStep>], material: &Material) -> Self {
        let mut manifests = Self { files: Vec::new(), applied: BTreeMap::new() };
        let mut numbers: BTreeMap<&str, usize> = BTreeMap::new();
        for step in phases.iter().flatten() {
            let (Some(cluster), Some(objects)) = (step.action.cluster(), material.objects.get(&step.id)) else {
                continue;
            };
            for (suffix, mode, part) in split(objects) {
                let number = numbers.entry(cluster).or_insert(0);
                *number += 1;
                let name = format!("{number:02}-{}{suffix}.yaml", step.action.verb());
                let defines = part.iter().any(|o| kind(o) == DEFINITION);
                manifests.files.push(File { path: format!("manifests/{cluster}/{name}"), text: yaml(&part), mode });
                manifests.applied.entry(step.id.clone()).or_default().push(Part { name, defines });
            }
        }
        manifests
    }

    /// What a step applies.
    pub fn applied(&self, step: &StepId) -> &[Part] {
        self.applied.get(step).map_or(&[], Vec::as_slice)
    }
}

const DEFINITION: &str = "CustomResourceDefinition";

fn kind(object: &Value) -> &str {
    object["kind"].as_str().unwrap_or_default()
}

/// A Secret that holds something. One that Kubernetes fills with a token does not.
fn is_secret(object: &Value) -> bool {
    kind(object) == "Secret" && (object.get("data").is_some() || object.get("stringData").is_some())
}

/// Namespaces and definitions, Secrets, everything else; all in one where only the last is there.
fn split(objects: &[Value]) -> Vec<(&'static str, u32, Vec<Value>)> {
    let (secrets, rest): (Vec<Value>, Vec<Value>) = objects.iter().cloned().partition(is_secret);
    let defines = rest.iter().any(|o| kind(o) == DEFINITION);
    let is_first = |o: &Value| kind(o) == DEFINITION || kind(o) == "Namespace";
    let (first, rest): (Vec<Value>, Vec<Value>) =
        rest.into_iter().partition(|o| (defines || !secrets.is_empty()) && is_first(o));
    let parts = [("-definitions", PLAIN, first), ("-secrets", PRIVATE, secrets), ("", PLAIN, rest)];
    parts.into_iter().filter(|(_, _, part)| !part.is_empty()).collect()
}
