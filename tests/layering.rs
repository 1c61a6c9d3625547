//! Keeps imports one-way, input and output in `sys`, source files short, and errors helpful.
//!
//! It reads source text rather than compiled code, so it sees every path that is written out, in `use` groups too, but not what a macro of
//! another crate expands to. Code under `#[cfg(test)]` keeps the same rules.

#[path = "layering/rules.rs"]
mod rules;
#[path = "layering/source.rs"]
mod source;

use std::fs;
use std::path::{Path, PathBuf};

use rules::{bad_attributes, reexports, violations};
use source::Source;

/// The most lines that a source file has.
const LONGEST: usize = 400;

/// Files that may be longer, with the reason.
const LONGER: &[(&str, &str)] = &[];

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
    assert_none(
        &found,
        "scenario <- plan <- context <- steps <- observe <- commands, all over sys, and report reads only events: see tests/layering/rules.rs",
    );
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

/// Messages of the variants of error enums, without a hint. A variant ends where the next one's doc comment begins.
fn without_hint(text: &str) -> Vec<String> {
    let variants = text.split("\n    #[error(").skip(1).filter(|v| !v.starts_with("transparent"));
    let own = variants.map(|v| v.split("\n    /// ").next().unwrap_or(v));
    own.filter(|v| !v.contains("help(")).map(|v| v.lines().next().unwrap_or(v).to_owned()).collect()
}

#[test]
fn every_error_of_what_touches_the_world_has_a_hint() {
    let sources = rust_files(&[
        "src/sys",
        "src/context",
        "src/machine",
        "src/steps",
        "src/observe",
        "src/commands",
        "src/images",
        "src/plan",
    ]);
    let texts = sources
        .iter()
        .map(|path| (path, fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap()));
    let texts: Vec<(&PathBuf, String)> = texts.collect();
    let seen: usize = texts.iter().map(|(_, text)| text.matches("\n    #[error(").count()).sum();
    assert!(seen > 30, "only {seen} errors were found");
    let found = texts.iter().flat_map(|(path, text)| {
        without_hint(text).into_iter().map(move |message| format!("{}: {message}", path.display()))
    });
    assert_none(&found.collect::<Vec<_>>(), "an error says what to do: #[diagnostic(help(...))]");
}

#[test]
fn an_error_without_a_hint_is_seen() {
    let text = "enum E {\n    /// A.\n    #[error(\"a\")]\n    A,\n    /// B.\n    #[error(\"b\")]\n    #[diagnostic(help(\"do\"))]\n    B,\n    /// C.\n    #[error(transparent)]\n    C(D),\n}\n";
    assert_eq!(without_hint(text), ["\"a\")]"]);
}

/// Lines before the tests of a file that print a value as a programmer reads it, except in what only a programmer reads.
fn debug_output(text: &str) -> Vec<String> {
    let code = text.split("#[cfg(test)]").next().unwrap_or(text);
    let lines = code.lines().filter(|l| l.contains(":?}") || l.contains(":#?}"));
    lines.filter(|l| !l.contains("panic!") && !l.contains("assert")).map(|l| l.trim().to_owned()).collect()
}

#[test]
fn nobody_is_shown_the_debug_output_of_a_value() {
    let is_test = |path: &Path| path.components().any(|c| c.as_os_str() == "tests") || path.ends_with("tests.rs");
    let sources = rust_files(&["src"]).into_iter().filter(|path| !is_test(path));
    let found = sources.flat_map(|path| {
        let text = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(&path)).unwrap();
        debug_output(&text).into_iter().map(move |line| format!("{}: {line}", path.display()))
    });
    assert_none(&found.collect::<Vec<_>>(), "what people read has no {:?}: a list is verdict::words::names");
    assert_eq!(
        debug_output("format!(\"{a:?}\")\npanic!(\"{a:?}\")\n#[cfg(test)]\nformat!(\"{:?}\", b)"),
        ["format!(\"{a:?}\")"]
    );
}

/// Violations of a file with this text, `exec` and `context` re-exporting as they do.
fn check(file: &str, text: &str) -> Vec<String> {
    let exec = Source::read("src/exec/mod.rs", "mod event;\nmod scheduler;\npub use event::{Event, Outcome as End};\n");
    let context = Source::read("src/context/mod.rs", "pub mod run;\npub use run::RunContext;\n");
    let source = Source::read(file, text);
    violations(&source, &reexports(&[exec, context]))
}

#[test]
fn the_checker_sees_violations() {
    for (file, text, expected) in [
        (
            "src/plan/graph.rs",
            "use crate::sys::docker::Docker;",
            "crate::plan names crate::sys::docker::Docker of crate::sys",
        ),
        (
            "src/plan/graph.rs",
            "use {serde::Serialize, crate::{scenario::App, exec::{self, Event}}};",
            "names crate::exec of",
        ),
        ("src/plan/graph.rs", "fn f() { super::super::images::prepare() }", "names crate::images::prepare"),
        (
            "src/scenario/read.rs",
            "fn f() -> std::io::Result<()> { std::fs::write(\"x\", \"\") }",
            "crate::scenario names std::fs::write",
        ),
        ("src/scenario/read.rs", "use crate::plan::Lab;", "names crate::plan::Lab of crate::plan"),
        ("src/scenario/read.rs", "fn f(p: &Path) -> bool { p.exists() }", "looks at the file system: .exists()"),
        ("src/report/mod.rs", "use crate::exec::{Event, execute};", "names crate::exec::execute of crate::exec"),
        ("src/report/mod.rs", "use crate::exec;", "names crate::exec of"),
        ("src/report/mod.rs", "mod inner { use super::super::steps::x; }", "names crate::steps::x"),
        (
            "src/exec/event.rs",
            "use super::scheduler::execute;",
            "crate::exec::event names crate::exec::scheduler::execute",
        ),
        ("src/steps/kind.rs", "use crate::observe::verify;", "crate::steps names crate::observe::verify"),
        ("src/observe/status.rs", "use crate::context::RunContext;", "crate::observe names crate::context::run"),
        ("src/observe/diagnose/call.rs", "use super::super::explain;", "names crate::observe::explain"),
        ("src/steps/kind.rs", "use kube::{Api, ResourceExt};", "crate::steps names kube::Api"),
        ("src/steps/kind.rs", "use tokio as t; fn f() { t::fs::read() }", "names tokio"),
        ("src/plan/graph.rs", "use std::net; fn f() { net::TcpStream::connect() }", "names std::net"),
        ("src/steps/kind.rs", "use kube::api::*;", "names kube::api::*"),
        ("src/steps/kind.rs", "use bollard as engine;", "names bollard"),
        ("src/steps/kind.rs", "use tokio::*;", "names tokio::*"),
        (
            "src/images/mod.rs",
            "fn f() { ::tokio::process::Command::new(\"x\"); }",
            "names tokio::process::Command::new",
        ),
        ("src/sys/fs.rs", "use crate::plan::Plan;", "crate::sys names crate::plan::Plan"),
        ("src/main.rs", "use lab::steps::x;", "main names crate::steps::x"),
        ("src/other.rs", "", "no rule for crate::other"),
    ] {
        let found = check(file, text);
        assert!(found.iter().any(|line| line.contains(expected)), "{text}: {found:?}");
    }
}

#[test]
fn the_checker_passes_what_is_right() {
    for (file, text) in [
        ("src/plan/graph.rs", "use super::{Action, lab::Lab};\nuse crate::scenario::App;\nuse std::net::Ipv4Addr;"),
        (
            "src/plan/graph.rs",
            "// crate::sys\n/* std::fs /* nested */ tokio::fs */\nconst A: &str = \"std::fs::read\";",
        ),
        (
            "src/plan/graph.rs",
            "const A: &str = r#\"use crate::sys; \"std::fs\" \"#; const B: char = '\"'; use crate::scenario::App;",
        ),
        ("src/report/mod.rs", "use crate::exec::{Event, End};\nfn f<'a>(e: &'a crate::exec::Event) {}"),
        ("src/exec/mod.rs", "mod event;\npub use event::Event;"),
        (
            "src/steps/kind.rs",
            "use kube::{ResourceExt, api::{DynamicObject, ObjectMeta}};\nuse crate::sys::kube::Kube;",
        ),
        ("src/steps/kind.rs", "use crate::sys::kube;\nfn f() { kube::apply() }"),
        ("src/images/mod.rs", "use bollard::models::ImageInspect;"),
        ("src/sys/mod.rs", "pub mod kube;\npub mod fs;\nuse tokio::fs::File;"),
        ("src/cli/mod.rs", "use std::process::ExitCode;"),
    ] {
        assert_eq!(check(file, text), Vec::<String>::new(), "{text}");
    }
}

#[test]
fn the_checker_sees_silenced_lints() {
    for text in [
        "#[allow(dead_code)] fn f() {}",
        "#![allow(dead_code)]",
        "#[cfg_attr(unix, allow(dead_code))]",
        "#[expect(dead_code)]",
    ] {
        assert_eq!(bad_attributes(&Source::read("src/lib.rs", text)).len(), 1, "{text}");
    }
    let fine = "#[expect(dead_code, reason = \"of [this]\")] fn allow() { allow(\"#[allow(x)]\") } // #[allow(x)]";
    assert_eq!(bad_attributes(&Source::read("src/lib.rs", fine)), Vec::<String>::new());
}
