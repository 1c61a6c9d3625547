//! The documentation: generated pages are what the code says, links lead somewhere, examples are scenarios that lab takes, and the README is short.

#[path = "docs/examples.rs"]
mod examples;
#[path = "docs/markdown.rs"]
mod markdown;
#[path = "e2e/readme.rs"]
mod readme;

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use clap::CommandFactory as _;
use lab::{graph, plan, reference, scenario};

use markdown::{Page, faults};
use readme::{Shell, follow};

/// What a reader sees of the README before the door.
const README_LINES: usize = 150;

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|e| panic!("{path}: {e}"))
}

/// The Markdown files below a directory, relative to the repository.
fn below(dir: &str) -> Vec<String> {
    let mut found = Vec::new();
    for entry in fs::read_dir(root().join(dir)).expect("a directory") {
        let entry = entry.expect("an entry");
        let path = format!("{dir}/{}", entry.file_name().to_str().expect("UTF-8"));
        if entry.path().is_dir() {
            found.extend(below(&path));
        } else if Path::new(&path).extension().is_some_and(|e| e == "md") {
            found.push(path);
        }
    }
    found.sort();
    found
}

/// Every page that people read.
fn pages() -> Vec<Page> {
    let top = ["README.md", "CONTRIBUTING.md", "ARCHITECTURE.md", "CHANGELOG.md"].map(str::to_owned);
    let all = top.into_iter().chain(below("docs")).chain(below("labs"));
    all.map(|path| Page::new(&path, &read(&path))).collect()
}

#[test]
fn generated_pages_say_what_the_code_says() {
    let topology = {
        let lab = plan::resolve(&scenario::parse(&read("scenarios/three-network.yaml"), "").expect("valid"));
        graph::layout(&graph::topology(&lab.expect("addresses"))).svg()
    };
    for (path, wanted) in [
        ("docs/reference/scenario.md", reference::scenario(&scenario::schema())),
        ("docs/reference/commands.md", reference::commands(lab::cli::Args::command())),
        ("docs/three-network.svg", topology),
    ] {
        assert!(read(path) == wanted, "{path} is not what the code says: `./dev docs` writes it anew");
    }
}

#[test]
fn every_verb_and_every_kind_of_check_has_a_section() {
    let fields = reference::scenario(&scenario::schema());
    let commands = reference::commands(lab::cli::Args::command());
    for title in ["The file", "mesh", "clusters[].loadBalancer.addresses", "checks: request", "checks: reachability"] {
        assert!(fields.contains(&format!("\n## {title}\n")), "{title}");
    }
    for title in ["lab up", "lab images build", "lab man"] {
        assert!(commands.contains(&format!("\n## {title}\n")), "{title}");
    }
    assert!(!commands.contains("## lab docs\n"), "a hidden verb is none for users");
}

#[test]
fn links_lead_somewhere() {
    let faults = faults(&pages(), |path| root().join(path).exists());
    assert!(faults.is_empty(), "\n{}", faults.join("\n"));
}

#[test]
fn a_link_that_leads_nowhere_is_told_with_its_page() {
    let pages = [
        Page::new(
            "a/one.md",
            "# One\n\n[ok](../two.md#some-head-ing) [no](two.md) [no](../two.md#none) [web](https://x)\n",
        ),
        Page::new("two.md", "## Some `head`-ing!\n\n[self](#some-head-ing) [dir](a) [out](../../b) ![](none.svg)\n"),
    ];
    let found = faults(&pages, |path| ["a", "two.md"].contains(&path));
    let wanted = ["a/one.md: two.md", "a/one.md: ../two.md#none", "two.md: ../../b", "two.md: none.svg"];
    assert_eq!(found, wanted.map(|fault| format!("{fault} leads nowhere")));
}

#[test]
fn yaml_examples_are_what_lab_takes() {
    let (mut count, mut faults) = (0, String::new());
    for page in pages() {
        match examples::scenarios(&page) {
            Ok(tried) => count += tried,
            Err(fault) => _ = writeln!(faults, "{}: {fault}", page.path),
        }
    }
    assert!(faults.is_empty(), "{faults}");
    assert!(count > 15, "only {count} examples were tried");
}

#[test]
fn an_example_that_lab_refuses_is_told() {
    for (text, wanted) in [
        ("```yaml\nname: demo\nclusters: [c1]\nchekcs: []\n```\n", "no field `chekcs`"),
        ("```yaml\nchecks: [rotatoin]\n```\n", "rotatoin"),
        ("```yaml\nname: [\n```\n", "error"),
    ] {
        let fault = examples::scenarios(&Page::new("x.md", text)).expect_err("refused");
        assert!(fault.contains(wanted), "{fault}");
    }
}

#[test]
fn quoted_code_is_in_the_file_that_it_is_from() {
    for page in pages() {
        for (path, quote) in examples::quotes(&page) {
            let wrong = examples::misquoted(&quote, &read(path));
            assert_eq!(wrong, None, "{} quotes {path}, which does not say so", page.path);
        }
    }
}

#[test]
fn a_wrong_quote_is_told() {
    let text = "fn a() {\n    one();\n\n    two();\n    three();\n}\n";
    for (quote, wrong) in [
        (&["fn a() {", "one();", "two();"][..], None),
        (&["one();", "…", "three();"], None),
        (&["…", "}"], None),
        (&["one();", "three();"], Some("one();")),
        (&["three();", "…", "two();"], Some("two();")),
        (&["four();"], Some("four();")),
    ] {
        assert_eq!(examples::misquoted(quote, text), wrong, "{quote:?}");
    }
    let page = Page::new("x.md", "```rust\n// src/lib.rs\n  a\n\nb\n```\n```rust\nc\n```\n");
    assert_eq!(examples::quotes(&page), [("src/lib.rs", vec!["a", "b"])]);
}

#[test]
fn the_readme_is_short() {
    let lines = read("README.md").lines().count();
    assert!(lines <= README_LINES, "README.md has {lines} lines; what is for reference belongs into docs/");
}

#[test]
fn the_readme_lists_every_scenario_and_every_guided_lab() {
    let readme = read("README.md");
    for entry in fs::read_dir(root().join("scenarios"))
        .expect("a directory")
        .chain(fs::read_dir(root().join("labs")).expect("a directory"))
    {
        let path = entry.expect("an entry").path();
        let is_data = path.extension().is_some_and(|e| e == "json");
        let name = path.strip_prefix(root()).expect("inside").to_str().expect("UTF-8").to_owned();
        let link = if path.is_dir() { format!("({name}/README.md)") } else { format!("({name})") };
        assert!(is_data || readme.contains(&link), "README.md does not link to {name}");
    }
}

#[test]
fn the_book_has_every_page_once() {
    let summary = Page::new("docs/SUMMARY.md", &read("docs/SUMMARY.md"));
    let listed: Vec<String> = summary.targets();
    let once: BTreeSet<&String> = listed.iter().collect();
    assert_eq!(once.len(), listed.len(), "{listed:?}");
    for page in below("docs").into_iter().chain(below("labs")).filter(|page| page != "docs/SUMMARY.md") {
        assert!(once.contains(&page), "docs/SUMMARY.md does not list {page}");
    }
}

#[test]
fn exit_codes_are_the_same_in_the_help_and_in_the_reference() {
    let help = lab::cli::Args::command().render_help().to_string();
    let codes = help.split("Exit codes:\n").nth(1).expect("exit codes").lines().map_while(|l| l.strip_prefix("  "));
    let said: Vec<&str> = codes.filter_map(|line| line.split_whitespace().next()).collect();
    let page = read("docs/reference/output.md");
    let rows = page.lines().filter_map(|line| line.strip_prefix("| ")?.split(' ').next());
    let listed: Vec<&str> = rows.filter(|code| code.parse::<u8>().is_ok()).collect();
    assert!(!said.is_empty());
    assert_eq!(said, listed);
}

/// Does in an empty directory what CONTRIBUTING.md says of a new scenario, up to what needs a machine for it.
#[test]
fn the_example_of_a_new_scenario_can_be_followed() {
    let dir = tempfile::tempdir().expect("a directory");
    for (name, text) in examples::files(&Page::new("CONTRIBUTING.md", &read("CONTRIBUTING.md"))) {
        let path = dir.path().join(name);
        fs::create_dir_all(path.parent().expect("a directory")).expect("a directory");
        fs::write(path, text).expect("writes");
    }
    let tools = Path::new(env!("CARGO_BIN_EXE_lab")).parent().expect("a directory");
    let mut shell = Shell::start(dir.path(), tools);
    let commands = follow(&root().join("CONTRIBUTING.md"), &mut shell).unwrap_or_else(|e| panic!("{e}"));
    assert!(commands >= 2, "only {commands} commands");
}
