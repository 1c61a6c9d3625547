//! The same lab without lab: plain kind configurations, manifests and scripts, as files. Pure: it decides what is in them, and writes none.

mod checks;
mod manifests;
mod phases;
mod readme;
mod scripts;
mod section;

use std::collections::BTreeMap;

use serde_json::Value;

use crate::plan::render;
use crate::plan::{Action, Lab, Plan, StepId, Wait};
use manifests::Manifests;

/// One file of an ejected lab.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct File {
    /// Path in the directory.
    pub path: String,
    /// What is in it.
    pub text: String,
    /// Its permissions.
    pub mode: u32,
}

impl File {
    /// Whether only its owner may read it, because it holds a key.
    #[must_use]
    pub fn is_private(&self) -> bool {
        self.mode == PRIVATE
    }
}

/// A file that everybody may read.
const PLAIN: u32 = 0o644;
/// A script.
const EXECUTABLE: u32 = 0o755;
/// A file with a private key.
const PRIVATE: u32 = 0o600;

/// What the files are made of, besides the lab: what its steps would apply, and the stack that serves.
#[derive(Clone, Debug, Default)]
pub struct Material {
    /// The node image.
    pub node_image: String,
    /// Images of lab's own that no node image holds, by key: the name in the engine, and the name in a node.
    pub images: BTreeMap<String, (String, String)>,
    /// The value of `--images` that brings it.
    pub source: String,
    /// Versions of the programs, by name.
    pub versions: BTreeMap<String, String>,
    /// Where the programs are on the machine that ejects, by name, as far as known.
    pub programs: BTreeMap<String, String>,
    /// What each step applies to its cluster, in the order in which a cluster accepts it.
    pub objects: BTreeMap<StepId, Vec<Value>>,
    /// What each step waits for in its cluster.
    pub waits: BTreeMap<StepId, Vec<Wait>>,
    /// Istio's installation of each cluster, from which istioctl rendered what the steps apply.
    pub operators: BTreeMap<String, Value>,
    /// Certificates and keys as PEM text, by their paths below `certs/`.
    pub certificates: BTreeMap<String, String>,
}

/// Why a lab cannot be ejected, and what to do instead.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// What stands in the way.
    pub problem: &'static str,
    /// What to do.
    pub remedy: &'static str,
}

/// Why a lab cannot be ejected, if it cannot.
#[must_use]
pub fn refusal(lab: &Lab) -> Option<Refusal> {
    if lab.federation.is_some() {
        return Some(Refusal {
            problem: "a lab with a federation cannot be ejected: Karmada is installed from inside its node, step by step, and no manifest holds that",
            remedy: "eject the same clusters without their `federation`, and install Karmada into them by hand",
        });
    }
    if lab.images.mirror.is_some() {
        return Some(Refusal {
            problem: "a lab whose nodes pull from a registry cannot be ejected: its scripts start from a node image that holds every image",
            remedy: "eject the same lab without `images.mirror`",
        });
    }
    None
}

/// Every file of the ejected lab, sorted by path.
#[must_use]
pub fn files(lab: &Lab, plan: &Plan, material: &Material) -> Vec<File> {
    let phases = phases::phases(plan);
    let manifests = Manifests::of(&phases, material);
    let file = |path: &str, text: String, mode: u32| File { path: path.to_owned(), text, mode };
    let mut files = vec![
        file("up.sh", scripts::up(lab, &phases, material, &manifests), EXECUTABLE),
        file("check.sh", checks::script(lab), EXECUTABLE),
        file("down.sh", scripts::down(lab), EXECUTABLE),
    ];
    for cluster in &lab.clusters {
        files.push(file(
            &kind_path(&cluster.name),
            yaml(&[render::kind_config(lab, cluster, render::Surroundings::default())]),
            PLAIN,
        ));
    }
    for (cluster, operator) in &material.operators {
        files.push(file(&operator_path(cluster), yaml(std::slice::from_ref(operator)), PLAIN));
    }
    for (path, pem) in material.certificates.iter().filter(|(path, _)| !is_kept_back(lab, path)) {
        let mode = if path.ends_with("key.pem") { PRIVATE } else { PLAIN };
        files.push(file(&format!("certs/{path}"), pem.clone(), mode));
    }
    files.extend(manifests.files);
    for step in phases.iter().flatten() {
        match &step.action {
            Action::NodeNetwork { cluster } => files.extend(section::node_files(lab, cluster)),
            Action::RemoteSecret { of, to } => files.extend(section::kubeconfig_template(lab, of, to)),
            _ => {}
        }
    }
    if lab.has_mesh() {
        files.push(file(PROBE, yaml(&[render::injection_probe(None)]), PLAIN));
    }
    let has_keys = files.iter().any(File::is_private);
    files.push(file("README.md", readme::readme(lab, plan, material, has_keys), PLAIN));
    files.sort_by(|a, b| a.path.cmp(&b.path));
    files.dedup_by(|a, b| a.path == b.path);
    files
}

/// Whether a file of the mesh's authority stays in the lab's state. No script needs the key of a root, and with that of the user's own somebody could issue
/// for all that trusts that root. The root that lab made is for this directory alone, and its key here is the only one.
fn is_kept_back(lab: &Lab, path: &str) -> bool {
    lab.mesh.ca.is_some() && path == ROOT_KEY
}

/// Key of the root, below `certs/`.
const ROOT_KEY: &str = "root-key.pem";

/// A pod that is created as a dry run only.
const PROBE: &str = "manifests/injection-probe.yaml";

fn kind_path(cluster: &str) -> String {
    format!("kind/{cluster}.yaml")
}

fn operator_path(cluster: &str) -> String {
    format!("istio/{cluster}.yaml")
}

/// Objects as YAML documents.
fn yaml(objects: &[Value]) -> String {
    // A JSON value has no part that YAML cannot say.
    let documents: Vec<String> = objects.iter().map(|o| serde_yaml::to_string(o).unwrap_or_default()).collect();
    documents.join("---\n")
}

/// A word as the shell takes it literally.
fn quoted(word: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '/' | ':' | '=' | ',' | '@');
    if !word.is_empty() && word.chars().all(is_plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::quoted;

    #[test]
    fn the_shell_sees_words_as_they_are() {
        assert_eq!(quoted("lab-a.c1:80/x"), "lab-a.c1:80/x");
        assert_eq!(quoted("it's $HOME"), r"'it'\''s $HOME'");
        assert_eq!(quoted(""), "''");
    }
}
