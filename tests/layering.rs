//! Keeps imports one-way, input and output in `sys`, and source files short.
//!
//! It reads source text rather than compiled code, so it sees every path that is written out, in `use` groups too, but not what a macro of
//! another crate expands to. Code under `#[cfg(test)]` keeps the same rules.

#[path = "layering/source.rs"]
mod source;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use source::{Reference, Source};

/// One layer: a module with everything below it that has no rule of its own.
struct Layer {
    module: &'static str,
    /// Layers that it may name, itself aside.
    uses: &'static [&'static str],
    /// Exceptions to [`IO`].
    may: &'static [&'static str],
    /// Whether [`IMPURE`] is forbidden too.
    pure: bool,
}

const PURE: bool = true;
const IMPERATIVE: bool = false;

const fn layer(
    module: &'static str,
    uses: &'static [&'static str],
    may: &'static [&'static str],
    pure: bool,
) -> Layer {
    Layer { module, uses, may, pure }
}

/// The rule. `crate` is `src/lib.rs`, `main` is `src/main.rs`.
const LAYERS: &[Layer] = &[
    layer("crate", &[], &[], PURE),
    layer("crate::scenario", &[], &[], PURE),
    layer("crate::plan", &["crate::scenario"], &[], PURE),
    layer("crate::verdict", &["crate::scenario", "crate::plan"], &[], PURE),
    layer("crate::exec::event", &["crate::plan"], &[], IMPERATIVE),
    layer("crate::exec", &["crate::exec::event", "crate::plan", "crate::scenario"], &[], IMPERATIVE),
    layer("crate::report", &["crate::exec::event", "crate::plan", "crate::verdict"], &[], IMPERATIVE),
    layer("crate::sys", &[], IO, IMPERATIVE),
    layer(
        "crate::images",
        &["crate::sys", "crate::exec::event", "crate::plan", "crate::scenario"],
        ENGINE_MODELS,
        IMPERATIVE,
    ),
    layer(
        "crate::steps",
        &[
            "crate::sys",
            "crate::images",
            "crate::exec",
            "crate::exec::event",
            "crate::plan",
            "crate::scenario",
            "crate::verdict",
        ],
        OBJECTS,
        IMPERATIVE,
    ),
    layer(
        "crate::cli",
        &[
            "crate::sys",
            "crate::images",
            "crate::steps",
            "crate::exec",
            "crate::exec::event",
            "crate::plan",
            "crate::report",
            "crate::scenario",
            "crate::verdict",
        ],
        OBJECTS_AND_EXIT,
        IMPERATIVE,
    ),
    layer("main", &["crate::cli"], &["std::process::ExitCode", "std::process::exit"], IMPERATIVE),
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
];

/// What makes a result depend on more than the arguments.
const IMPURE: &[&str] =
    &["std::env", "std::io", "std::thread", "std::time::Instant", "std::time::SystemTime", "tokio"];

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

const OBJECTS_AND_EXIT: &[&str] = &[
    "kube::Resource",
    "kube::ResourceExt",
    "kube::api::ApiResource",
    "kube::api::DynamicObject",
    "kube::api::GroupVersionKind",
    "kube::api::ObjectMeta",
    "kube::api::TypeMeta",
    "kube::core",
    "std::process::ExitCode",
];

const ENGINE_MODELS: &[&str] = &["bollard::models", "bollard::query_parameters"];

/// Methods of paths that look at the file system.
const FILE_METHODS: &[&str] =
    &["canonicalize", "exists", "is_dir", "is_file", "is_symlink", "read_dir", "read_link", "try_exists"];

/// The most lines that a source file has.
const LONGEST: usize = 400;

/// Files that may be longer, with the reason.
const LONGER: &[(&str, &str)] = &[];

/// Whether `path` is `prefix` or lies below it.
fn within(path: &str, prefix: &str) -> bool {
    path.strip_prefix(prefix).is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
}

fn layer_of(path: &str) -> Option<&'static Layer> {
    LAYERS.iter().filter(|layer| within(path, layer.module)).max_by_key(|layer| layer.module.len())
}

/// What is wrong with one file, a line each.
fn violations(source: &Source, reexports: &BTreeMap<String, String>) -> Vec<String> {
    let Some(layer) = layer_of(&source.module).filter(|layer| layer.module != "crate" || source.module == "crate")
    else {
        return vec![format!("{}: tests/layering.rs has no rule for {}", source.file, source.module)];
    };
    let mut found = Vec::new();
    let mut report = |line: usize, what: String| found.push(format!("{}:{line}: {what}", source.file));
    for reference in &source.references {
        if let Some(what) = broken_rule(layer, source, reference, reexports) {
            report(reference.line, what);
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
        while let Some((alias, target)) = reexports.iter().find(|(alias, _)| within(&path, alias)) {
            path = format!("{target}{}", &path[alias.len()..]);
        }
        let target = layer_of(&path)?.module;
        let fine = passed_on || target == layer.module || layer.uses.contains(&target);
        return (!fine).then(|| format!("{} names {path} of {target}", layer.module));
    }
    let forbidden = |list: &[&str]| {
        list.iter().any(|name| within(&path, name) || (reference.import && path != "std" && within(name, &path)))
    };
    let glob = path.strip_suffix("::*").is_some_and(|parent| IO.iter().any(|name| within(name, parent)));
    let allowed = layer.may.iter().any(|name| within(&path, name));
    let io = (forbidden(IO) || glob) && !allowed;
    (io || (layer.pure && forbidden(IMPURE))).then(|| format!("{} names {path}", layer.module))
}

/// Attributes that no file may have.
fn bad_attributes(source: &Source) -> Vec<String> {
    let complaint = |(text, line): &(String, usize)| format!("{}:{line}: {text}", source.file);
    source.bad_attributes.iter().map(complaint).collect()
}

fn reexports(sources: &[Source]) -> BTreeMap<String, String> {
    let mut all = BTreeMap::new();
    for source in sources {
        for reference in source.references.iter().filter(|r| r.exported && r.path.starts_with("crate::")) {
            let alias = format!("{}::{}", source.module, reference.name);
            if alias != reference.path {
                all.insert(alias, reference.path.clone());
            }
        }
    }
    all
}

/// The Rust files under these directories of the repository, without those that Cargo does not build.
fn rust_files(directories: &[&str]) -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut pending: Vec<PathBuf> = directories.iter().map(|directory| root.join(directory)).collect();
    let mut found = Vec::new();
    while let Some(directory) = pending.pop() {
        for entry in fs::read_dir(&directory).unwrap_or_else(|error| panic!("{}: {error}", directory.display())) {
            let path = entry.unwrap().path();
            if path.is_dir() {
                pending.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                found.push(path.strip_prefix(root).unwrap().to_owned());
            }
        }
    }
    found.sort();
    found
}

fn read(path: &Path) -> Source {
    let text = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap();
    Source::read(path.to_str().expect("a UTF-8 path"), &text)
}

fn assert_none(violations: &[String], rule: &str) {
    assert!(violations.is_empty(), "{rule}\n  {}\n", violations.join("\n  "));
}

#[test]
fn imports_go_one_way() {
    let sources: Vec<Source> = rust_files(&["src"]).iter().map(|path| read(path)).collect();
    assert!(sources.len() > 5, "src was not read");
    let reexports = reexports(&sources);
    let found: Vec<String> = sources.iter().flat_map(|source| violations(source, &reexports)).collect();
    assert_none(&found, "scenario <- plan <- {steps, exec} -> sys, and report reads only events: see LAYERS");
}

#[test]
fn lints_are_expected_with_a_reason_and_never_allowed() {
    let found: Vec<String> =
        rust_files(&["src", "tests"]).iter().flat_map(|path| bad_attributes(&read(path))).collect();
    assert_none(&found, "a lint is silenced by #[expect(..., reason = \"...\")] only");
}

#[test]
fn source_files_are_short() {
    let mut found = Vec::new();
    for path in rust_files(&["src", "tests"]) {
        let lines = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(&path)).unwrap().lines().count();
        if lines > LONGEST && !LONGER.iter().any(|(longer, _)| Path::new(longer) == path) {
            found.push(format!("{}: {lines} lines", path.display()));
        }
    }
    assert_none(&found, "a source file has 400 lines at most: split it by subject");
}

/// Violations of a file with this text, `exec` re-exporting its events as it does.
fn check(file: &str, text: &str) -> Vec<String> {
    let exec = Source::read("src/exec/mod.rs", "mod event;\nmod scheduler;\npub use event::{Event, Outcome as End};\n");
    let source = Source::read(file, text);
    violations(&source, &reexports(&[exec]))
}

#[test]
fn the_checker_sees_violations() {
    for (file, text, expected) in [
        ("src/plan/graph.rs", "use crate::sys::docker::Docker;", "crate::plan names crate::sys::docker::Docker of crate::sys"),
        ("src/plan/graph.rs", "use {serde::Serialize, crate::{scenario::App, exec::{self, Event}}};", "names crate::exec of"),
        ("src/plan/graph.rs", "fn f() { super::super::images::prepare() }", "names crate::images::prepare"),
        ("src/scenario/read.rs", "fn f() -> std::io::Result<()> { std::fs::write(\"x\", \"\") }", "crate::scenario names std::fs::write"),
        ("src/scenario/read.rs", "use crate::plan::Lab;", "names crate::plan::Lab of crate::plan"),
        ("src/scenario/read.rs", "fn f(p: &Path) -> bool { p.exists() }", "looks at the file system: .exists()"),
        ("src/report/mod.rs", "use crate::exec::{Event, execute};", "names crate::exec::execute of crate::exec"),
        ("src/report/mod.rs", "use crate::exec;", "names crate::exec of"),
        ("src/report/mod.rs", "mod inner { use super::super::steps::x; }", "names crate::steps::x"),
        ("src/exec/event.rs", "use super::scheduler::execute;", "crate::exec::event names crate::exec::scheduler::execute"),
        ("src/steps/kind.rs", "use kube::{Api, ResourceExt};", "crate::steps names kube::Api"),
        ("src/steps/kind.rs", "use kube::api::*;", "names kube::api::*"),
        ("src/steps/kind.rs", "use bollard as engine;", "names bollard"),
        ("src/steps/kind.rs", "use tokio::*;", "names tokio::*"),
        ("src/images/mod.rs", "fn f() { ::tokio::process::Command::new(\"x\"); }", "names tokio::process::Command::new"),
        ("src/sys/fs.rs", "use crate::plan::Plan;", "crate::sys names crate::plan::Plan"),
        ("src/main.rs", "use lab::steps::x;", "main names crate::steps::x"),
        ("src/other.rs", "", "no rule for crate::other"),
    ] {
        let found = check(file, text);
        assert!(found.len() == 1 || text.contains("std::io") && found.len() == 2, "{text}: {found:?}");
        assert!(found.iter().any(|line| line.contains(expected)), "{text}: {found:?}");
    }
}

#[test]
fn the_checker_passes_what_is_right() {
    for (file, text) in [
        ("src/plan/graph.rs", "use super::{Action, lab::Lab};\nuse crate::scenario::App;\nuse std::net::Ipv4Addr;"),
        ("src/plan/graph.rs", "// crate::sys\n/* std::fs /* nested */ tokio::fs */\nconst A: &str = \"std::fs::read\";"),
        ("src/plan/graph.rs", "const A: &str = r#\"use crate::sys; \"std::fs\" \"#; const B: char = '\"'; use crate::scenario::App;"),
        ("src/report/mod.rs", "use crate::exec::{Event, End};\nfn f<'a>(e: &'a crate::exec::Event) {}"),
        ("src/exec/mod.rs", "mod event;\npub use event::Event;"),
        ("src/steps/kind.rs", "use kube::{ResourceExt, api::{DynamicObject, ObjectMeta}};\nuse crate::sys::kube::Kube;"),
        ("src/images/mod.rs", "use bollard::models::ImageInspect;"),
        ("src/sys/mod.rs", "pub mod kube;\npub mod fs;\nuse tokio::fs::File;"),
        ("src/cli/mod.rs", "use std::process::ExitCode;"),
    ] {
        assert_eq!(check(file, text), Vec::<String>::new(), "{text}");
    }
}

#[test]
fn the_checker_sees_silenced_lints() {
    for text in ["#[allow(dead_code)] fn f() {}", "#![allow(dead_code)]", "#[cfg_attr(unix, allow(dead_code))]", "#[expect(dead_code)]"] {
        assert_eq!(bad_attributes(&Source::read("src/lib.rs", text)).len(), 1, "{text}");
    }
    let fine = "#[expect(dead_code, reason = \"of [this]\")] fn allow() { allow(\"#[allow(x)]\") } // #[allow(x)]";
    assert_eq!(bad_attributes(&Source::read("src/lib.rs", fine)), Vec::<String>::new());
}
