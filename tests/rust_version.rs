//! The `rust-version` that is stated: no dependency wants a newer one.

use std::process::Command;

use serde_json::Value;

/// A version as numbers that can be compared; `1.89` is `1.89.0`.
fn version(text: &str) -> Vec<u64> {
    let mut parts: Vec<u64> = text.split('.').map(|part| part.parse().expect("a number")).collect();
    parts.resize(3, 0);
    parts
}

/// Packages that want a newer Rust than `stated`.
fn newer<'a>(packages: &'a [Value], stated: &str) -> Vec<(&'a str, &'a str)> {
    let wants = packages.iter().filter_map(|p| Some((p["name"].as_str()?, p["rust_version"].as_str()?)));
    wants.filter(|(_, wanted)| version(wanted) > version(stated)).collect()
}

#[test]
fn no_dependency_wants_a_newer_rust_than_the_stated_one() {
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned());
    let metadata = Command::new(cargo)
        .args(["metadata", "--format-version", "1", "--locked", "--offline"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .expect("cargo runs");
    assert!(metadata.status.success(), "{}", String::from_utf8_lossy(&metadata.stderr));
    let metadata: Value = serde_json::from_slice(&metadata.stdout).expect("JSON");
    let packages = metadata["packages"].as_array().expect("packages");
    let packages: Vec<Value> = packages.iter().filter(|p| p["source"].is_string()).cloned().collect();
    assert!(packages.len() > 100, "{} packages", packages.len());
    let stated = env!("CARGO_PKG_RUST_VERSION");
    assert_eq!(newer(&packages, stated), [], "state a newer rust-version in Cargo.toml, or lock older packages");
    // As low as its dependencies let it be: they are what is tried with the oldest Rust.
    let (major, minor) = stated.split_once('.').expect("a version");
    let older = format!("{major}.{}", minor.split('.').next().unwrap_or(minor).parse::<u64>().expect("a number") - 1);
    assert_ne!(newer(&packages, &older), [], "rust-version may be {older}: see whether lab itself builds with it");
}

#[test]
fn a_newer_one_is_seen() {
    let package = |name: &str, wanted: &str| serde_json::json!({ "name": name, "rust_version": wanted });
    let packages =
        [package("a", "1.88"), package("b", "1.89.1"), package("c", "1.89"), serde_json::json!({ "name": "d" })];
    assert_eq!(newer(&packages, "1.89"), [("b", "1.89.1")]);
    assert_eq!(newer(&packages, "1.90"), []);
}
