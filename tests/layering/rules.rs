//! The rule of who may name what, and what breaks it.

use std::collections::BTreeMap;

use super::source::{Reference, Source};

/// One layer: a module with everything below it that has no rule of its own.
struct Layer {
    module: &'static str,
    /// Layers that it may name, itself aside.
    uses: &'static [&'static str],
    /// The layer that it is a part of: it may name that one, and what that one may.
    whole: Option<&'static str>,
    /// Exceptions to [`IO`].
    may: &'static [&'static [&'static str]],
    /// Whether [`IMPURE`] is forbidden too.
    pure: bool,
}

const fn pure(module: &'static str, uses: &'static [&'static str]) -> Layer {
    Layer { module, uses, whole: None, may: &[], pure: true }
}

const fn effects(
    module: &'static str,
    uses: &'static [&'static str],
    may: &'static [&'static [&'static str]],
) -> Layer {
    Layer { module, uses, whole: None, may, pure: false }
}

const fn part(module: &'static str, whole: &'static str, uses: &'static [&'static str]) -> Layer {
    Layer { module, uses, whole: Some(whole), may: &[OBJECTS], pure: false }
}

/// The rule. `crate` is `src/lib.rs`, `main` is `src/main.rs`.
const LAYERS: &[Layer] = &[
    pure("crate", &[]),
    pure("crate::scenario", &[]),
    pure("crate::plan", &["crate::scenario"]),
    pure("crate::graph", &["crate::scenario", "crate::plan"]),
    pure("crate::eject", &["crate::scenario", "crate::plan"]),
    pure("crate::mask", &[]),
    pure("crate::reference", &[]),
    pure("crate::verdict", &["crate::scenario", "crate::plan"]),
    effects("crate::sys", &[], &[IO]),
    effects("crate::exec::event", &["crate::plan"], &[]),
    effects("crate::exec", &["crate::exec::event", "crate::plan", "crate::scenario"], &[]),
    effects("crate::report", &["crate::exec::event", "crate::plan", "crate::verdict"], &[]),
    effects(
        "crate::images",
        &["crate::sys", "crate::exec::event", "crate::plan", "crate::scenario"],
        &[OBJECTS, ENGINE_MODELS],
    ),
    effects(
        "crate::context",
        &["crate::sys", "crate::images", "crate::exec::event", "crate::plan", "crate::scenario", "crate::verdict"],
        &[OBJECTS],
    ),
    effects(
        "crate::context::run",
        &["crate::context", "crate::sys", "crate::images", "crate::exec::event", "crate::plan", "crate::scenario"],
        &[OBJECTS],
    ),
    effects(
        "crate::machine",
        &["crate::context", "crate::sys", "crate::images", "crate::plan", "crate::scenario", "crate::verdict"],
        &[],
    ),
    // What builds a lab knows nothing of verdicts.
    effects(
        "crate::steps",
        &[
            "crate::context",
            "crate::context::run",
            "crate::sys",
            "crate::images",
            "crate::exec::event",
            "crate::plan",
            "crate::scenario",
        ],
        &[OBJECTS],
    ),
    // What breaks a lab for a while knows neither who builds it nor who looks.
    effects("crate::fault", &["crate::context", "crate::sys", "crate::plan", "crate::scenario"], &[OBJECTS]),
    // What stands in for a service of a lab: likewise.
    effects("crate::mirror", &["crate::context", "crate::sys", "crate::plan"], &[OBJECTS]),
    // What observes a lab needs no run. Of its parts the diagnosis knows neither explanation nor verdict, and the explanation no verdict.
    effects(
        "crate::observe",
        &[
            "crate::context",
            "crate::fault",
            "crate::mirror",
            "crate::steps",
            "crate::sys",
            "crate::images",
            "crate::exec::event",
            "crate::plan",
            "crate::scenario",
            "crate::verdict",
            "crate::mask",
        ],
        &[OBJECTS],
    ),
    part("crate::observe::diagnose", "crate::observe", &[]),
    part("crate::observe::explain", "crate::observe", &["crate::observe::diagnose"]),
    part("crate::observe::steady", "crate::observe", &[]),
    part("crate::observe::verify", "crate::observe", &["crate::observe::diagnose", "crate::observe::explain"]),
    effects(
        "crate::commands",
        &[
            "crate::context",
            "crate::context::run",
            "crate::fault",
            "crate::mirror",
            "crate::steps",
            "crate::observe::steady",
            "crate::observe::verify",
            "crate::sys",
            "crate::images",
            "crate::exec",
            "crate::exec::event",
            "crate::plan",
            "crate::scenario",
            "crate::verdict",
        ],
        &[OBJECTS],
    ),
    effects(
        "crate::cli",
        &[
            "crate::sys",
            "crate::images",
            "crate::context",
            "crate::context::run",
            "crate::fault",
            "crate::mirror",
            "crate::machine",
            "crate::observe",
            "crate::observe::explain",
            "crate::observe::verify",
            "crate::commands",
            "crate::exec",
            "crate::exec::event",
            "crate::eject",
            "crate::graph",
            "crate::plan",
            "crate::reference",
            "crate::report",
            "crate::scenario",
            "crate::verdict",
        ],
        &[OBJECTS, EXIT],
    ),
    effects("main", &["crate::cli"], &[EXIT]),
];

/// What reaches outside the process: for `sys` only.
const IO: &[&str] = &[
    "bollard",
    "hyper",
    "hyper_util",
    "kube",
    "reqwest",
    "rustix",
    "std::fs",
    "std::net::TcpListener",
    "std::net::TcpStream",
    "std::net::ToSocketAddrs",
    "std::net::UdpSocket",
    "std::os::unix::net",
    "std::process",
    "tempfile",
    "tokio::fs",
    "tokio::net",
    "tokio::process",
    "tower",
];

/// What makes a result depend on more than the arguments.
const IMPURE: &[&str] = &["std::env", "std::io", "std::thread", "std::time::Instant", "std::time::SystemTime", "tokio"];

/// Kubernetes objects are data; only their client is I/O.
const OBJECTS: &[&str] = &[
    "kube::Resource",
    "kube::ResourceExt",
    "kube::api::ApiResource",
    "kube::api::DynamicObject",
    "kube::api::GroupVersionKind",
    "kube::api::ObjectMeta",
    "kube::api::TypeMeta",
    "kube::core",
];

/// What the engine says and is told.
const ENGINE_MODELS: &[&str] = &["bollard::models", "bollard::query_parameters"];

/// How a process says how it ended.
const EXIT: &[&str] = &["std::process::ExitCode", "std::process::exit"];

/// Methods of paths that look at the file system.
const FILE_METHODS: &[&str] =
    &["canonicalize", "exists", "is_dir", "is_file", "is_symlink", "read_dir", "read_link", "try_exists"];

/// Whether `path` is `prefix` or lies below it.
fn within(path: &str, prefix: &str) -> bool {
    path.strip_prefix(prefix).is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
}

fn layer_of(path: &str) -> Option<&'static Layer> {
    LAYERS.iter().filter(|layer| within(path, layer.module)).max_by_key(|layer| layer.module.len())
}

/// What is wrong with one file, a line each.
pub fn violations(source: &Source, reexports: &BTreeMap<String, String>) -> Vec<String> {
    let Some(layer) = layer_of(&source.module).filter(|layer| layer.module != "crate" || source.module == "crate")
    else {
        return vec![format!("{}: tests/layering.rs has no rule for {}", source.file, source.module)];
    };
    let mut found = Vec::new();
    let mut report = |line: usize, what: String| found.push(format!("{}:{line}: {what}", source.file));
    let mut broken_imports: Vec<&str> = Vec::new();
    for reference in &source.references {
        if reference.through_import && broken_imports.iter().any(|import| within(&reference.path, import)) {
            continue;
        }
        if let Some(what) = broken_rule(layer, source, reference, reexports) {
            report(reference.line, what);
            broken_imports.extend(reference.import.then_some(reference.path.as_str()));
        }
    }
    if layer.module != "crate::sys" {
        for (method, line) in source.calls.iter().filter(|(method, _)| FILE_METHODS.contains(&method.as_str())) {
            report(*line, format!("{} looks at the file system: .{method}()", layer.module));
        }
    }
    found
}

fn broken_rule(
    layer: &Layer,
    source: &Source,
    reference: &Reference,
    reexports: &BTreeMap<String, String>,
) -> Option<String> {
    let mut path = reference.path.clone();
    if path == "crate" || path.starts_with("crate::") {
        let passed_on = reference.exported && within(&path, &source.module);
        for _ in 0..reexports.len() {
            let Some((alias, target)) = reexports.iter().find(|(alias, _)| within(&path, alias)) else {
                break;
            };
            path = format!("{target}{}", &path[alias.len()..]);
        }
        let target = layer_of(&path)?.module;
        let whole = LAYERS.iter().find(|whole| layer.whole == Some(whole.module));
        let of_whole = whole.is_some_and(|whole| target == whole.module || whole.uses.contains(&target));
        let fine = passed_on || target == layer.module || layer.uses.contains(&target) || of_whole;
        return (!fine).then(|| format!("{} names {path} of {target}", layer.module));
    }
    let forbidden =
        |list: &[&str]| list.iter().any(|name| within(&path, name) || (reference.import && within(name, &path)));
    let glob = path.strip_suffix("::*").is_some_and(|parent| IO.iter().any(|name| within(name, parent)));
    let allowed = layer.may.iter().copied().flatten().any(|name| within(&path, name));
    let io = (forbidden(IO) || glob) && !allowed;
    (io || (layer.pure && forbidden(IMPURE))).then(|| format!("{} names {path}", layer.module))
}

/// Attributes that no file may have.
pub fn bad_attributes(source: &Source) -> Vec<String> {
    let complaint = |(text, line): &(String, usize)| format!("{}:{line}: {text}", source.file);
    source.bad_attributes.iter().map(complaint).collect()
}

/// Full paths by the names under which modules pass them on.
pub fn reexports(sources: &[Source]) -> BTreeMap<String, String> {
    let mut all = BTreeMap::new();
    for source in sources {
        for reference in source.references.iter().filter(|r| r.exported && r.path.starts_with("crate::")) {
            let alias = format!("{}::{}", source.module, reference.name);
            if !within(&reference.path, &alias) {
                all.insert(alias, reference.path.clone());
            }
        }
    }
    all
}
