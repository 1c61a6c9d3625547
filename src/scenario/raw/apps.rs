//! Apps as they are written.

use serde_json::Value as Json;

use super::super::describe::{APPS, HELLOWORLD, MANIFESTS, SLEEP, kinds};
use super::super::error::Problems;
use super::super::read::{Fields, json, list, one_key, text, unknown_value, wrong_type};
use super::super::tree::{Entry, Located, Node, Span, Value};

/// Pairs of cluster and version, in the order of the file.
pub(in crate::scenario) type RawVersions = Located<Vec<(Located<String>, Located<String>)>>;

#[derive(Debug)]
pub(in crate::scenario) struct RawApp {
    pub span: Span,
    pub kind: RawAppKind,
}

#[derive(Debug)]
pub(in crate::scenario) enum RawAppKind {
    Helloworld { versions: Option<RawVersions> },
    Sleep,
    Manifests(RawManifests),
}

#[derive(Debug, Default)]
pub(in crate::scenario) struct RawManifests {
    pub name: Option<Located<String>>,
    /// `None` for all.
    pub clusters: Option<Located<Vec<Located<String>>>>,
    pub namespace: Option<Located<String>>,
    pub files: Vec<Located<String>>,
    /// Those written in the scenario; those of files are put before them when they have been read.
    pub objects: Vec<RawObject>,
    /// Whether the file says what to deploy, readable or not.
    pub says_what: bool,
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

/// Reads an entry of `apps`.
pub(super) fn app(node: &Node, problems: &mut Problems) -> Option<RawApp> {
    let (key, body) = one_key(node, "apps", "app", "helloworld", problems)?;
    let kind = match key.value.as_str() {
        "helloworld" => RawAppKind::Helloworld { versions: body.and_then(|n| helloworld(n, problems)) },
        "sleep" => {
            if let Some(body) = body {
                Fields::of(body, "`sleep`", &SLEEP.names(), "sleep: {}", problems);
            }
            RawAppKind::Sleep
        }
        "manifests" => match body {
            Some(body) => RawAppKind::Manifests(manifests(body, problems)?),
            None => RawAppKind::Manifests(RawManifests::default()),
        },
        other => {
            problems.add(key.span, unknown_value("app", other, &kinds(APPS)));
            return None;
        }
    };
    Some(RawApp { span: key.span, kind })
}

fn helloworld(body: &Node, problems: &mut Problems) -> Option<RawVersions> {
    let example = "versions: { c1: v1, c2: v2 }";
    let fields =
        Fields::of(body, "`helloworld`", &HELLOWORLD.names(), "helloworld: { versions: { c1: v1 } }", problems)?;
    let node = fields.get("versions")?;
    let Value::Mapping(entries) = &node.value else {
        problems.add(node.span, wrong_type("`versions`", "a mapping from cluster to version", node.kind(), example));
        return None;
    };
    let version = |Entry { key, value }: &Entry| {
        let version = text(value, &format!("the version of `{}`", key.value), example, problems)?;
        Some((key.clone(), version))
    };
    let versions: Vec<_> = entries.iter().filter_map(version).collect();
    // Versions of which none can be read are not the same as no versions.
    (entries.is_empty() || !versions.is_empty()).then_some(Located { value: versions, span: node.span })
}

fn manifests(body: &Node, problems: &mut Problems) -> Option<RawManifests> {
    let fields =
        Fields::of(body, "`manifests`", &MANIFESTS.names(), "manifests: { files: [apps/web.yaml] }", problems)?;
    Some(RawManifests {
        name: fields.text("name", "name: web", problems),
        clusters: fields.get("clusters").and_then(|n| clusters(n, problems)),
        namespace: fields.text("namespace", "namespace: demo", problems),
        ..contents(&fields, problems)
    })
}

/// Files and objects, as every field has them that says what to deploy.
pub(super) fn contents(fields: &Fields<'_>, problems: &mut Problems) -> RawManifests {
    let files = fields.get("files").and_then(|node| {
        let items = list(node, "`files`", "files: [apps/web.yaml]", problems)?;
        Some(items.iter().filter_map(|n| text(n, "a file", "files: [apps/web.yaml]", problems)).collect())
    });
    let objects = fields.get("objects").and_then(|node| {
        let items =
            list(node, "`objects`", "objects: [{ apiVersion: v1, kind: ConfigMap, metadata: { name: c } }]", problems)?;
        Some(items.iter().map(|n| RawObject { value: json(n), span: n.span, place: None, at: String::new() }).collect())
    });
    let is_said =
        |field| fields.get(field).is_some_and(|n| !matches!(&n.value, Value::Sequence(items) if items.is_empty()));
    RawManifests {
        files: files.unwrap_or_default(),
        objects: objects.unwrap_or_default(),
        says_what: is_said("files") || is_said("objects"),
        ..RawManifests::default()
    }
}

/// `all`, which is `None`, or a list of clusters.
fn clusters(node: &Node, problems: &mut Problems) -> Option<Located<Vec<Located<String>>>> {
    const EXAMPLE: &str = "clusters: [c1, c2]";
    let found = match &node.value {
        Value::Scalar { text, .. } if text == "all" => return None,
        Value::Sequence(items) => {
            let names = items.iter().filter_map(|n| text(n, "a cluster in `clusters`", EXAMPLE, problems)).collect();
            return Some(Located { value: names, span: node.span });
        }
        Value::Scalar { text, .. } => format!("`{text}`"),
        _ => node.kind().to_owned(),
    };
    problems.add(node.span, wrong_type("`clusters`", "`all` or a list of clusters", found, EXAMPLE));
    None
}
