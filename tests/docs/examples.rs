//! Tries the `yaml` blocks of a page.
//!
//! A block whose first line is `# PATH.yaml` is that file, for the scenarios of the same page; a file that is not shown stands for any object. A scenario
//! need not be whole: without a name or clusters it has some.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use lab::plan::{Plan, resolve};
use lab::scenario::{Files, ManifestFile, named, parse_at, render};
use serde_json::Value;
use time::macros::datetime;

use super::markdown::Page;

/// A file that nobody shows.
const ANY_OBJECT: &str = "{ apiVersion: v1, kind: ConfigMap, metadata: { name: any, namespace: default } }";

/// Plans every scenario of a page, and gives their number.
pub fn scenarios(page: &Page) -> Result<usize, String> {
    let blocks: Vec<&str> =
        page.blocks.iter().filter(|(info, _)| info == "yaml").map(|(_, text)| text.as_str()).collect();
    let shown = files(page);
    let scenarios = blocks.iter().filter(|text| !is_object(text));
    scenarios.map(|text| plan(text, &shown)).collect::<Result<Vec<()>, String>>().map(|all| all.len())
}

/// The YAML files that a page shows whole, by name.
pub fn files(page: &Page) -> BTreeMap<&str, &str> {
    let blocks = page.blocks.iter().filter(|(info, _)| info == "yaml");
    blocks.filter_map(|(_, text)| Some((name(text)?, text.as_str()))).collect()
}

/// The `rust` blocks of a page that say by their first line, `// PATH.rs`, which file they quote: the path and the lines, without indentation. `…` is any
/// lines.
pub fn quotes(page: &Page) -> Vec<(&str, Vec<&str>)> {
    let blocks = page.blocks.iter().filter(|(info, _)| info == "rust");
    blocks.filter_map(|(_, text)| quote(text)).collect()
}

/// The path and the lines of a block.
fn quote(text: &str) -> Option<(&str, Vec<&str>)> {
    let (path, lines) = text.strip_prefix("// ")?.split_once('\n')?;
    Path::new(path)
        .extension()
        .is_some_and(|e| e == "rs")
        .then(|| (path, lines.lines().map(str::trim).filter(|l| !l.is_empty()).collect()))
}

/// The first line of a quote that the text does not have after those before it.
pub fn misquoted<'a>(quote: &[&'a str], text: &str) -> Option<&'a str> {
    let lines: Vec<&str> = text.lines().map(str::trim).filter(|l| !l.is_empty()).collect();
    let mut from = 0;
    for part in quote.split(|line| *line == "…").filter(|part| !part.is_empty()) {
        let Some(at) = lines[from..].windows(part.len()).position(|window| window == part) else {
            return part.iter().find(|line| !lines[from..].contains(line)).or(part.first()).copied();
        };
        from += at + part.len();
    }
    None
}

/// The file that a block is.
fn name(text: &str) -> Option<&str> {
    let name = text.lines().next()?.strip_prefix("# ")?;
    (Path::new(name).extension().is_some_and(|e| e == "yaml") && !name.contains(' ')).then_some(name)
}

/// Whether it is for Kubernetes.
fn is_object(text: &str) -> bool {
    text.lines().any(|line| line.strip_prefix("kind: ").is_some_and(|kind| kind != "Scenario"))
}

fn plan(text: &str, shown: &BTreeMap<&str, &str>) -> Result<(), String> {
    let fields: Option<Value> = serde_yaml::from_str(text).ok();
    let without = |field: &str| fields.as_ref().is_some_and(|fields| fields.get(field).is_none());
    let mut whole = text.to_owned();
    for (field, line) in [("name", "name: example\n"), ("clusters", "clusters: [c1, c2, c3]\n")] {
        if without(field) {
            whole.push_str(line);
        }
    }
    let file = |path: String| {
        let text = shown.get(path.as_str()).map_or_else(|| certificate(&path), |text| (*text).to_owned());
        (path.clone(), Ok(vec![ManifestFile { name: path, text }]))
    };
    let files: Files = named(&whole).paths.into_iter().map(file).collect();
    let now = datetime!(2030-01-01 00:00 UTC);
    let scenario = parse_at(&whole, "example.yaml", &files, Some(now))
        .map_err(|errors| format!("{}\n{whole}", render(&errors)))?;
    let lab = resolve(&scenario).map_err(|e| format!("{e}\n{whole}"))?;
    assert!(!Plan::of(&lab).steps.is_empty());
    Ok(())
}

/// The certificate or the key that a page means; of anything else, any object.
fn certificate(path: &str) -> String {
    let fixture = match path {
        "ca/root-cert.pem" => "rsa-root.pem",
        "ca/root-key.pem" => "rsa-root-key.pem",
        "ca/c1/ca-cert.pem" => "c1.pem",
        "ca/c1/ca-key.pem" => "c1-key.pem",
        "ca/c2/ca-cert.pem" => "c2.pem",
        "ca/c2/ca-key.pem" => "c2-key.pem",
        "ca/c2/cert-chain.pem" => "c2-chain.pem",
        _ => return ANY_OBJECT.to_owned(),
    };
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/authority").join(fixture);
    fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}
