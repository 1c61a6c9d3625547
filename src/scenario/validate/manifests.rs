//! Rules for the user's own objects.

use std::collections::{BTreeMap, HashSet};

use serde_json::Value as Json;

use super::gateway_api::GatewayApi;
use super::{Draft, Located, Mesh, Problems, Topology, data_cluster, names, repeated, room};
use crate::scenario::form::OrWord;
use crate::scenario::model::{App, Manifests, Places};
use crate::scenario::object::{self, Identity, describe, identity};
use crate::scenario::problem::{AppProblem, FederationProblem, ManifestProblem};
use crate::scenario::raw::{RawManifests, RawObject};
use crate::scenario::tree::Span;

/// Most characters of a name, as for a namespace.
const MAX_NAME: usize = 63;

/// Namespace of lab's own apps.
const SAMPLE: &str = "sample";

/// Where an object was first seen.
struct Seen {
    span: Span,
    place: Option<String>,
}

/// The manifests read so far.
#[derive(Default)]
pub(super) struct Reader {
    names: BTreeMap<String, Span>,
    count: usize,
    /// By cluster and identity.
    seen: BTreeMap<(String, Identity), Seen>,
    has_mesh: bool,
    balanced: Vec<Balanced>,
    gateway_api: GatewayApi,
}

/// A Service that wants a load balancer's address.
pub(super) struct Balanced {
    pub name: String,
    pub clusters: Vec<String>,
    pub span: Span,
    pub place: Option<String>,
}

impl Reader {
    pub(super) fn of(mesh: &Mesh) -> Self {
        Self { has_mesh: mesh.topology != Topology::None, ..Self::default() }
    }

    /// Records what is wrong with objects once all are read.
    pub(super) fn together(&self, problems: &mut Problems) {
        self.gateway_api.check(self.has_mesh, problems);
    }

    /// The Services that each want an address of their own, in the order in which they were read.
    pub(super) fn balanced(&self) -> &[Balanced] {
        &self.balanced
    }

    /// One entry. `own` are lab's own apps of the scenario, `taken` the names that other entries of the file give themselves.
    pub(super) fn read(
        &mut self,
        mut raw: RawManifests,
        span: Span,
        taken: &HashSet<String>,
        own: &[App],
        drafts: &[Draft],
        problems: &mut Problems,
    ) -> Manifests {
        self.count += 1;
        if !raw.says_what() {
            problems.add(span, ManifestProblem::Nothing);
        }
        let raw_objects = raw.take_objects();
        let name = self.name(raw.name, taken, problems);
        let all = || drafts.iter().filter(|d| !d.is_outside()).map(|d| d.name.value.clone()).collect();
        let clusters = match &raw.clusters {
            Some(OrWord::Value(named)) => clusters(named, drafts, problems),
            _ => all(),
        };
        if let Some(namespace) = &raw.namespace {
            names::dns_label("namespace", namespace, MAX_NAME, problems);
        }
        let namespace = raw.namespace.map(|n| n.value);
        let mut objects = Vec::with_capacity(raw_objects.len());
        let mut places = Vec::with_capacity(raw_objects.len());
        for RawObject { mut value, span, place, at } in raw_objects {
            let Err(reason) = identity(&value) else {
                give_namespace(&mut value, namespace.as_deref());
                if let Ok(identity) = identity(&value) {
                    self.gateway_api.see(&value, &clusters, span, place.as_ref());
                    self.once(&identity, &clusters, &Seen { span, place: place.clone() }, problems);
                    not_own(&identity, own, (&clusters, drafts), span, place.clone(), problems);
                    if self.has_mesh {
                        not_cacerts(&identity, span, place.clone(), problems);
                    }
                    if room::wants_address(&value) {
                        let (name, clusters) = (describe(&identity), clusters.clone());
                        self.balanced.push(Balanced { name, clusters, span, place });
                    }
                }
                objects.push(value);
                places.push(at);
                continue;
            };
            problems.add(span, ManifestProblem::NotAnObject { place, reason });
        }
        Manifests { name, clusters, namespace, objects, places: Places(places) }
    }

    fn name(&mut self, given: Option<Located<String>>, taken: &HashSet<String>, problems: &mut Problems) -> String {
        let Some(name) = given else {
            // One of so many is free: no more names than these are given.
            let most = self.count + taken.len() + self.names.len();
            let free = (self.count..=most)
                .map(|n| format!("manifests-{n}"))
                .find(|n| !taken.contains(n) && !self.names.contains_key(n));
            let name = free.unwrap_or_default();
            self.names.insert(name.clone(), Span::default());
            return name;
        };
        names::dns_label("name of manifests", &name, MAX_NAME, problems);
        if let Some(first) = self.names.insert(name.value.clone(), name.span) {
            problems
                .add(name.span, ManifestProblem::SameName { name: name.value.clone() })
                .also(first, "first used here");
        }
        name.value
    }

    /// Records an object that a cluster would get twice, once for all its clusters.
    fn once(&mut self, identity: &Identity, clusters: &[String], at: &Seen, problems: &mut Problems) {
        let mut told = false;
        for cluster in clusters {
            let key = (cluster.clone(), identity.clone());
            let Some(first) = self.seen.get(&key) else {
                self.seen.insert(key, Seen { span: at.span, place: at.place.clone() });
                continue;
            };
            if !std::mem::replace(&mut told, true) {
                let problem = ManifestProblem::SameObject {
                    place: at.place.clone(),
                    object: describe(identity),
                    cluster: cluster.clone(),
                    first: first.place.as_ref().map_or_else(String::new, |p| format!("; the first is at {p}")),
                };
                problems.add(at.span, problem).also(first.span, "the first one");
            }
        }
    }
}

fn clusters(named: &Located<Vec<Located<String>>>, drafts: &[Draft], problems: &mut Problems) -> Vec<String> {
    if named.value.is_empty() {
        let remedy = "write `clusters: all`, or name clusters";
        problems.add(named.span, AppProblem::NamesNothing { field: "clusters", remedy });
    }
    for name in &named.value {
        data_cluster("clusters", name, drafts, problems);
    }
    for (name, first) in repeated(&named.value) {
        let problem = AppProblem::DuplicateCluster { name: name.value.clone() };
        problems.add(name.span, problem).also(first, "first named here");
    }
    // In the scenario's order, so that `all` and a list of all are the same.
    drafts.iter().map(|d| d.name.value.clone()).filter(|c| named.value.iter().any(|n| n.value == *c)).collect()
}

/// The objects that Karmada gets.
pub(super) fn federated(raw: Vec<RawObject>, mesh: &Mesh, problems: &mut Problems) -> Vec<Json> {
    let mut seen: BTreeMap<Identity, Span> = BTreeMap::new();
    let mut objects = Vec::with_capacity(raw.len());
    for RawObject { value, span, place, .. } in raw {
        match identity(&value) {
            Err(reason) => _ = problems.add(span, ManifestProblem::NotAnObject { place, reason }),
            Ok(identity) => {
                if mesh.topology != Topology::None {
                    not_cacerts(&identity, span, place.clone(), problems);
                }
                if let Some(first) = seen.get(&identity) {
                    let problem = FederationProblem::SameObject { place, object: describe(&identity) };
                    problems.add(span, problem).also(*first, "the first one");
                }
                seen.insert(identity, span);
                objects.push(value);
            }
        }
    }
    objects
}

/// Writes the entry's namespace into an object that may have one and has none.
fn give_namespace(value: &mut Json, namespace: Option<&str>) {
    let Some(namespace) = namespace else { return };
    if value["kind"].as_str().is_some_and(object::is_of_cluster) {
        return;
    }
    if let Some(metadata) = value.get_mut("metadata").and_then(Json::as_object_mut)
        && metadata.get("namespace").is_none_or(|n| n.as_str().unwrap_or_default().is_empty())
    {
        metadata.insert("namespace".to_owned(), namespace.into());
    }
}

/// Records an object that lab's own apps make too: each would undo what the other sets.
fn not_own(
    identity: &Identity,
    own: &[App],
    (clusters, drafts): (&[String], &[Draft]),
    span: Span,
    place: Option<String>,
    problems: &mut Problems,
) {
    let (_, kind, namespace, name) = identity;
    if namespace != SAMPLE {
        return;
    }
    let app = own.iter().find_map(|app| match app {
        App::Sleep => (kind == "Deployment" && name == "sleep").then_some("sleep"),
        App::Helloworld { versions } => {
            let runs = |(cluster, version): (&String, &String)| {
                let deploys = |version: &String| *name == format!("helloworld-{version}");
                let draft = drafts.iter().find(|d| d.name.value == *cluster);
                clusters.contains(cluster) && draft.is_some_and(|d| d.versions_of(version).iter().any(deploys))
            };
            let is_own = kind == "Service" && name == "helloworld" || kind == "Deployment" && versions.iter().any(runs);
            is_own.then_some("helloworld")
        }
        App::Manifests(_) => None,
    });
    if let Some(app) = app {
        problems.add(span, ManifestProblem::OwnObject { place, object: describe(identity), app });
    }
}

/// Records the Secret that lab makes of the mesh's certificate authority: one of the user's would change with it at every `up`.
fn not_cacerts(identity: &Identity, span: Span, place: Option<String>, problems: &mut Problems) {
    let (group, kind, namespace, name) = identity;
    if (group.as_str(), kind.as_str(), namespace.as_str(), name.as_str()) == ("", "Secret", "istio-system", "cacerts") {
        problems.add(span, ManifestProblem::Cacerts { place });
    }
}
