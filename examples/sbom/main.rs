//! Reads what `cargo metadata` prints and writes what a release is built of as a `CycloneDX` 1.5 document: `./dev release` puts it beside the binary.

use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::process::ExitCode;

use serde_json::{Value, json};

fn main() -> ExitCode {
    let (mut text, lock) = (String::new(), std::env::args().nth(1).map(std::fs::read_to_string));
    let Some(Ok(lock)) = lock else {
        eprintln!("usage: cargo metadata --format-version 1 | sbom Cargo.lock");
        return ExitCode::from(2);
    };
    let read = std::io::stdin().read_to_string(&mut text).map_err(|error| error.to_string());
    let document = read.and_then(|_| serde_json::from_str::<Value>(&text).map_err(|error| error.to_string())).and_then(
        |metadata| document(&metadata, &lock).ok_or_else(|| "it is not what cargo metadata prints".to_owned()),
    );
    match document {
        Ok(document) => match writeln!(std::io::stdout(), "{document:#}") {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => failed(&error.to_string()),
        },
        Err(error) => failed(&error),
    }
}

fn failed(problem: &str) -> ExitCode {
    eprintln!("sbom: {problem}");
    ExitCode::FAILURE
}

/// The document; nothing where the metadata lacks what it must have.
fn document(metadata: &Value, lock: &str) -> Option<Value> {
    let packages = metadata["packages"].as_array()?;
    let root = metadata["resolve"]["root"].as_str()?;
    let nodes = metadata["resolve"]["nodes"].as_array()?;
    let built = built(nodes, root);
    let lab = packages.iter().find(|p| p["id"] == root)?;
    let parts = packages.iter().filter(|p| p["id"] != root && p["id"].as_str().is_some_and(|id| built.contains(id)));
    let components: Vec<Value> = parts.filter_map(|package| component(package, "library", lock)).collect();
    Some(json!({
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "version": 1,
        "metadata": { "component": component(lab, "application", lock)? },
        "components": components,
    }))
}

/// What ends up in the binary or builds it: all but what only tests need.
fn built<'a>(nodes: &'a [Value], root: &'a str) -> BTreeSet<&'a str> {
    let (mut found, mut left) = (BTreeSet::new(), vec![root]);
    while let Some(id) = left.pop() {
        if !found.insert(id) {
            continue;
        }
        let deps =
            nodes.iter().filter(|node| node["id"] == id).flat_map(|node| node["deps"].as_array().into_iter().flatten());
        let is_built = |dep: &&Value| {
            dep["dep_kinds"].as_array().is_some_and(|kinds| kinds.iter().any(|kind| kind["kind"] != "dev"))
        };
        left.extend(deps.filter(is_built).filter_map(|dep| dep["pkg"].as_str()));
    }
    found
}

fn component(package: &Value, kind: &str, lock: &str) -> Option<Value> {
    let (name, version) = (package["name"].as_str()?, package["version"].as_str()?);
    let purl = format!("pkg:cargo/{name}@{version}");
    let mut component = json!({ "type": kind, "name": name, "version": version, "bom-ref": purl, "purl": purl });
    if let Some(licence) = package["license"].as_str() {
        component["licenses"] = json!([{ "expression": licence.replace('/', " OR ") }]);
    }
    if let Some(checksum) = checksum(lock, name, version) {
        component["hashes"] = json!([{ "alg": "SHA-256", "content": checksum }]);
    }
    Some(component)
}

/// What `Cargo.lock` says of a package: an entry is a few lines, name and version first.
fn checksum<'a>(lock: &'a str, name: &str, version: &str) -> Option<&'a str> {
    let begin = format!("name = \"{name}\"\nversion = \"{version}\"\n");
    let entry = lock.split("[[package]]\n").find(|entry| entry.starts_with(&begin))?;
    entry.lines().find_map(|line| line.strip_prefix("checksum = \"")?.strip_suffix('"'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_built_is_listed_once_and_what_only_tests_need_is_not() {
        let package = |name: &str| json!({ "id": name, "name": name, "version": "1.0.0", "license": "MIT/Apache-2.0" });
        let dep = |name: &str, kind: Value| json!({ "pkg": name, "dep_kinds": [{ "kind": kind }] });
        let metadata = json!({
            "packages": [package("lab"), package("a"), package("b"), package("c"), package("t")],
            "resolve": { "root": "lab", "nodes": [
                { "id": "lab", "deps": [dep("a", Value::Null), dep("t", json!("dev")), dep("c", json!("build"))] },
                { "id": "a", "deps": [dep("b", Value::Null)] },
                { "id": "b", "deps": [dep("a", Value::Null)] },
            ] },
        });
        let lock = "[[package]]\nname = \"a\"\nversion = \"1.0.0\"\nchecksum = \"0123\"\n\n[[package]]\nname = \"b\"\nversion = \"1.0.0\"\n";
        let document = document(&metadata, lock).expect("a document");
        let names: Vec<&str> =
            document["components"].as_array().expect("a list").iter().filter_map(|c| c["name"].as_str()).collect();
        assert_eq!(names, ["a", "b", "c"]);
        assert_eq!(document["components"][0]["hashes"][0]["content"], "0123");
        assert_eq!(document["components"][0]["licenses"][0]["expression"], "MIT OR Apache-2.0");
        assert!(document["components"][1]["hashes"].is_null());
        assert_eq!(document["metadata"]["component"]["name"], "lab");
    }
}
