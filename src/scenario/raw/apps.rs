//! Entries of `apps`.

use serde_json::{Value as Json, json};

use super::super::error::Problems;
use super::super::form::{
    ALL_OR_NAMES, ANY_TEXT, Entry, Fields, Form, Kind, List, Names, OrWord, Pairs, Pairwise, Part, Place, Record,
    Written, kind, raw_clusters,
};
use super::super::model::{App, Manifests};
use super::super::object;
use super::super::problem::ManifestProblem;
use super::super::read;
use super::super::tree::{Located, Node, Span};

/// An app as the file has it.
pub(in crate::scenario) enum RawApp {
    Helloworld(RawHelloworld),
    Sleep(RawSleep),
    Manifests(RawManifests),
}

impl Entry for RawApp {
    const THING: &'static str = "app";
    const EXAMPLE: &'static str = "helloworld";

    fn kinds() -> Vec<Kind<Self>> {
        vec![
            kind("helloworld", Self::Helloworld, "{ versions: { c1: v1 } }"),
            kind("sleep", Self::Sleep, "{}"),
            kind("manifests", Self::Manifests, "{ files: [apps/web.yaml] }"),
        ]
    }

    fn written(self) -> (&'static str, Written) {
        match self {
            Self::Helloworld(raw) => ("helloworld", Part::written(raw)),
            Self::Sleep(raw) => ("sleep", Part::written(raw)),
            Self::Manifests(raw) => ("manifests", Part::written(raw)),
        }
    }
}

/// `helloworld`.
#[derive(Default)]
pub(in crate::scenario) struct RawHelloworld {
    pub versions: Option<Pairwise<Located<String>>>,
}

impl Record for RawHelloworld {
    const ABOUT: &'static str = "Istio's helloworld in namespace sample";

    fn fields(f: &mut Fields<Self>) {
        let versions = "Version by cluster; clusters that are not named run none. By default v1, v2 and so on in the order of the clusters";
        f.field("versions", Pairs(ANY_TEXT), |r| &mut r.versions, versions)
            .example("{ c1: v1, c2: v2 }")
            // Versions that cannot be read are not the same as no versions.
            .decisive();
    }
}

/// `sleep`: it has no fields.
#[derive(Default)]
pub(in crate::scenario) struct RawSleep;

impl Record for RawSleep {
    const ABOUT: &'static str = "A client with curl in namespace sample, in every cluster";

    fn fields(_: &mut Fields<Self>) {}
}

/// `manifests`; also what a federation has of them.
#[derive(Default)]
pub(in crate::scenario) struct RawManifests {
    pub name: Option<Located<String>>,
    /// The word is `all`.
    pub clusters: Option<OrWord<Names>>,
    pub namespace: Option<Located<String>>,
    pub files: Option<Located<Vec<Located<String>>>>,
    /// Those written in the scenario; those of files are put before them when they have been read.
    pub objects: Option<Located<Vec<RawObject>>>,
    /// Whether files or objects are there that cannot be read.
    pub(super) is_unreadable: bool,
}

/// An object, not looked at yet.
#[derive(Debug)]
pub(in crate::scenario) struct RawObject {
    pub value: Json,
    /// Where the scenario says it: the object itself, or the file that it is in.
    pub span: Span,
    /// Where it is in that file, as `FILE:LINE`.
    pub place: Option<String>,
    /// The same of every object, in whatever file it is.
    pub at: String,
}

impl Record for RawManifests {
    const ABOUT: &'static str = "Kubernetes objects of your own; one of files and objects is needed";
    const INLINE: bool = false;

    fn fields(f: &mut Fields<Self>) {
        let namespace = "For objects without one; created with sidecar injection unless the objects bring it";
        f.field("name", ANY_TEXT, |r| &mut r.name, "What progress calls it; by default manifests-1 and so on")
            .example("web");
        f.field("clusters", ALL_OR_NAMES, |r| &mut r.clusters, "Where they are applied")
            .default("all")
            .example("[c1, c2]");
        f.field("namespace", ANY_TEXT, |r| &mut r.namespace, namespace).example("demo");
        let files =
            "YAML files, directories of them, or directories with a kustomization.yaml, relative to the scenario";
        f.field("files", List::whole(ANY_TEXT), |r| &mut r.files, files).example("[apps/web.yaml]");
        f.field("objects", List::whole(Object), |r| &mut r.objects, "Objects written here").example(OBJECTS);
    }

    fn unreadable(&mut self, field: &'static str) {
        self.is_unreadable |= matches!(field, "files" | "objects");
    }
}

/// An object, as YAML.
pub(super) const OBJECTS: &str = "[{ apiVersion: v1, kind: ConfigMap, metadata: { name: c } }]";

impl RawManifests {
    /// Whether the file says what to deploy, readable or not.
    pub(in crate::scenario) fn says_what(&self) -> bool {
        let has_files = self.files.as_ref().is_some_and(|f| !f.value.is_empty());
        self.is_unreadable || has_files || self.objects.as_ref().is_some_and(|o| !o.value.is_empty())
    }

    /// The files that it names.
    pub(in crate::scenario) fn files(&self) -> &[Located<String>] {
        self.files.as_ref().map_or(&[], |files| &files.value)
    }

    /// Takes its objects out.
    pub(in crate::scenario) fn take_objects(&mut self) -> Vec<RawObject> {
        self.objects.take().map(|objects| objects.value).unwrap_or_default()
    }
}

/// A Kubernetes object, whatever it is.
pub(super) struct Object;

impl Form for Object {
    type Value = RawObject;

    fn read(&self, node: &Node, _: &Place, problems: &mut Problems) -> Option<RawObject> {
        let value = read::json(node);
        for fault in object::faults(&value) {
            let span = object::place(node, &fault.path, fault.is_key);
            problems.add(span, ManifestProblem::of_fault(fault, None));
        }
        Some(RawObject { value, span: node.span, place: None, at: String::new() })
    }

    fn write(&self, object: RawObject) -> Written {
        Written::Free(object.value)
    }

    fn schema(&self) -> Json {
        json!({ "type": "object" })
    }
}

/// Objects of the model.
pub(super) fn raw_objects(objects: &[Json]) -> Located<Vec<RawObject>> {
    let raw = |value: &Json| RawObject { value: value.clone(), span: Span::default(), place: None, at: String::new() };
    objects.iter().map(raw).collect::<Vec<_>>().into()
}

/// The way back. Every object is as it is in the model: the files that it may be from are not needed any more.
pub(super) fn of(app: &App, all: &[String]) -> RawApp {
    match app {
        App::Sleep => RawApp::Sleep(RawSleep),
        App::Helloworld { versions } => {
            let versions: Vec<_> = versions.iter().map(|(c, v)| (c.clone().into(), v.clone().into())).collect();
            RawApp::Helloworld(RawHelloworld { versions: Some(versions.into()) })
        }
        App::Manifests(Manifests { name, clusters, namespace, objects, places: _ }) => {
            RawApp::Manifests(RawManifests {
                name: Some(name.clone().into()),
                clusters: Some(raw_clusters(clusters, all)),
                namespace: namespace.clone().map(Into::into),
                files: None,
                objects: Some(raw_objects(objects)),
                is_unreadable: false,
            })
        }
    }
}
