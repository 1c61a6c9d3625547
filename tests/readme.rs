//! The runner of guided labs, on READMEs that need no lab; and that every guided lab is whole.

#[path = "e2e/readme.rs"]
mod readme;

use std::path::{Path, PathBuf};
use std::process::Command;

use readme::{Shell, Step, difference, follow, steps};

fn lines(text: &str) -> Vec<String> {
    text.lines().map(str::to_owned).collect()
}

fn parse(text: &str) -> Vec<Step> {
    steps(text).unwrap_or_else(|e| panic!("{e}"))
}

/// Follows a README with this text.
fn follows(text: &str) -> Result<usize, String> {
    let dir = tempfile::tempdir().expect("a directory");
    let file = dir.path().join("README.md");
    std::fs::write(&file, text).expect("writes");
    let mut shell = Shell::start(dir.path(), dir.path());
    follow(&file, &mut shell).map_err(|e| e.replace(&dir.path().display().to_string(), ""))
}

#[test]
fn the_readme_begins_with_what_it_is_about() {
    let readme = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/README.md")).expect("the README");
    assert!(readme.starts_with("# lab\n\n    ./dev up scenarios/three-network.yaml"), "{}", &readme[..200]);
    // A row of a table that stands alone is one that slipped out of it.
    for (before, row) in readme.lines().zip(readme.lines().skip(1)) {
        assert!(!row.starts_with("| ") || before.starts_with('|') || before.is_empty(), "out of its table: {row}");
    }
}

#[test]
fn commands_and_what_they_print() {
    let text = "# A lab\n\n    $ not this\n\n```yaml\n$ nor this\n```\n\n```console\n$ one\na\n\nb\n$ two \\\n    more\n```\ntext\n```console exit=3\n$ three\n$ four\n```\n";
    let found = parse(text);
    let shown: Vec<_> = found.iter().map(|s| (s.line, s.command.as_str(), s.expected.join("|"), s.exit)).collect();
    let wanted = [(10, "one", "a||b", 0), (14, "two \\\n    more", "", 0), (19, "three", "", 0), (20, "four", "", 3)];
    assert_eq!(shown, wanted.map(|(l, c, e, x)| (l, c, e.to_owned(), x)));
}

#[test]
fn a_readme_that_makes_no_sense_is_refused_with_its_line() {
    for (text, wanted) in [
        ("a\n```console\noutput\n```\n", "line 3: output comes before any command"),
        ("```console exit=no\n$ a\n```\n", "line 1: a console block says `exit=no`"),
        ("\n```console\n$ a\n", "line 2: this block does not end"),
    ] {
        let error = steps(text).expect_err("refused");
        assert!(error.contains(wanted), "{error}");
    }
}

#[test]
fn what_is_the_same_has_no_difference() {
    for (expected, output) in [
        ("", ""),
        ("", "\n\n"),
        ("a\nb", "a \nb\n\n"),
        ("…", ""),
        ("…", "a\nb\n"),
        ("…\nb\n…", "a\nb\nc\n"),
        ("a\n…\nc", "a\nc\n"),
        ("a\n…\nc\nd", "a\nc\nx\nc\nd\n"),
        ("took … s,…", "took 1.5 s, \n"),
        ("… and …", "this and that and more"),
        ("x…y…z", "xyyz"),
    ] {
        assert_eq!(difference(&lines(expected), output), None, "{expected:?} {output:?}");
    }
}

#[test]
fn what_differs_is_shown() {
    for (expected, output, wanted) in [
        ("a", "", "  - a\n"),
        ("", "a\n", "  + a\n"),
        ("a\nb\nc", "a\nx\nc\n", "    a\n  - b\n  + x\n    c\n"),
        ("17 requests", "18 requests", "  - 17 requests\n  + 18 requests\n"),
        ("…\nend", "a\nb\n", "    a\n    b\n  - end\n"),
        ("a\n…", "b\n", "  - a\n    b\n"),
        ("x…y", "xy!", "  - x…y\n  + xy!\n"),
        ("ab…ba", "aba", "  - ab…ba\n  + aba\n"),
    ] {
        assert_eq!(difference(&lines(expected), output).as_deref(), Some(wanted), "{expected:?} {output:?}");
    }
}

#[test]
fn a_readme_is_followed_in_one_shell() {
    let text = "```console\n$ export A=one; cd /\n$ echo $A; pwd; printf end\none\n/\nend\n$ cat\n$ echo a \\\n    b >&2\na b\n$ sleep 60 & echo on\non\n```\n```console exit=7\n$ (exit 7)\n```\n";
    assert_eq!(follows(text), Ok(6));
}

#[test]
fn what_is_not_as_the_readme_says_ends_it() {
    for (text, wanted) in [
        (
            "\n```console\n$ echo a\nb\n```\n",
            "/README.md:3: $ echo a\nit printed something else (- the README, + found):\n  - b\n  + a\n",
        ),
        ("```console\n$ echo a\n```\n", "  + a\n"),
        ("```console\n$ echo a; false\na\n```\n", "it ended with 1, not 0\nit printed:\na\n"),
        ("```console exit=1\n$ true\n```\n", "it ended with 0, not 1"),
        ("```console exit=1\n$ false\n$ false\n```\n", "/README.md:2: $ false\nit ended with 1, not 0"),
        ("```console\n$ echo bye; exit 0\n```\n", "the shell ended after:\nbye"),
        ("```console\n$ nosuchprogram\n…\n```\n", "it ended with 127"),
    ] {
        let error = follows(text).expect_err("not as it says");
        assert!(error.contains(wanted), "{error}\n\n{wanted}");
    }
}

/// The directories in `labs`.
fn labs() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("labs");
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    let mut labs: Vec<PathBuf> = entries.map(|e| e.expect("an entry").path()).filter(|p| p.is_dir()).collect();
    labs.sort();
    labs
}

#[test]
fn every_guided_lab_has_scenarios_of_its_name_that_resolve() {
    for lab in labs() {
        let name = lab.file_name().expect("a name").to_str().expect("UTF-8");
        let files = std::fs::read_dir(&lab).expect("a directory").map(|e| e.expect("an entry").path());
        let variants = files.filter(|f| f.extension().is_some_and(|e| e == "yaml"));
        for scenario in variants.chain([lab.clone()]) {
            let output = Command::new(env!("CARGO_BIN_EXE_lab"))
                .arg("plan")
                .arg(&scenario)
                .args(["--output", "json"])
                .current_dir(env!("CARGO_MANIFEST_DIR"))
                .output()
                .expect("lab starts");
            let said = String::from_utf8_lossy(&output.stderr);
            assert!(output.status.success(), "{}: {said}", scenario.display());
            let plan: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
            assert_eq!(plan["lab"]["name"], name, "{}: a guided lab is named after its directory", scenario.display());
        }
    }
}

/// What lab prints of the plan of a guided lab whose README says that it shows the same.
#[test]
fn the_tables_of_a_plan_are_those_that_lab_prints() {
    let mut count = 0;
    for lab in labs() {
        let readme = std::fs::read_to_string(lab.join("README.md")).expect("a README");
        let name = format!("labs/{}", lab.file_name().expect("a name").to_str().expect("UTF-8"));
        if !readme.contains(&format!("`lab plan {name} --output markdown` prints these tables")) {
            continue;
        }
        let mut plan = Command::new(env!("CARGO_BIN_EXE_lab"));
        let printed =
            plan.current_dir(env!("CARGO_MANIFEST_DIR")).args(["plan", &name, "--output", "markdown"]).output();
        let printed = String::from_utf8(printed.expect("lab starts").stdout).expect("UTF-8");
        for row in printed.lines().filter(|line| line.starts_with('|')) {
            assert!(readme.lines().any(|line| line == row), "{name}/README.md has no such row:\n{row}");
            count += 1;
        }
    }
    assert!(count > 15, "only {count} rows were looked for");
}

#[test]
fn every_guided_lab_has_a_readme_that_shows_what_to_see() {
    for lab in labs() {
        let file = lab.join("README.md");
        let text = std::fs::read_to_string(&file).unwrap_or_else(|e| panic!("{}: {e}", file.display()));
        let steps = steps(&text).unwrap_or_else(|e| panic!("{}: {e}", file.display()));
        let shows = |s: &Step| s.expected.iter().any(|line| !line.trim().is_empty() && line.trim() != "…");
        assert!(steps.iter().any(shows), "{}: no console block shows what a command prints", file.display());
    }
}

#[test]
fn every_guided_lab_has_a_test() {
    let tests = include_str!("e2e_guided_labs.rs");
    for lab in labs() {
        let name = lab.file_name().expect("a name").to_str().expect("UTF-8");
        assert!(tests.contains(&format!("guided(\"{name}\")")), "tests/e2e_guided_labs.rs does not run labs/{name}");
    }
}
