//! What lab is built of keeps to `deny.toml`, also where `cargo deny` is not installed and nothing can be downloaded: licences, sources, and crates that
//! may not be there. `cargo deny` looks at advisories as well, which needs their database.

use std::process::Command;

use serde_json::Value;
use spdx::{Expression, Licensee};
use toml_edit::DocumentMut;

fn policy() -> DocumentMut {
    include_str!("../deny.toml").parse().expect("TOML")
}

/// A list of texts in the policy, or of one field of its tables.
fn listed(policy: &DocumentMut, table: &str, key: &str, field: Option<&str>) -> Vec<String> {
    let list = policy[table][key].as_array().unwrap_or_else(|| panic!("{table}.{key}"));
    let text = |value: &toml_edit::Value| match field {
        None => value.as_str().map(str::to_owned),
        Some(field) => value.as_inline_table()?.get(field)?.as_str().map(str::to_owned),
    };
    list.iter().map(|value| text(value).expect("a text")).collect()
}

/// All packages of the tree but lab itself.
fn packages() -> Vec<Value> {
    let output = Command::new(env!("CARGO"))
        .args([
            "metadata",
            "--offline",
            "--locked",
            "--format-version",
            "1",
            "--filter-platform",
            "x86_64-unknown-linux-gnu",
        ])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .expect("cargo starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let packages = metadata["packages"].as_array().expect("packages");
    packages.iter().filter(|p| p["name"] != "lab").cloned().collect()
}

/// Why a package may not be there.
fn refused(policy: &DocumentMut, package: &Value) -> Option<String> {
    let (name, version) = (package["name"].as_str()?, package["version"].as_str()?);
    let allowed: Vec<Licensee> = listed(policy, "licenses", "allow", None)
        .iter()
        .map(|text| Licensee::parse(text).expect("a licence"))
        .collect();
    // Before SPDX, crates wrote a slash for "or".
    let licence = package["license"].as_str().unwrap_or_default().replace('/', " OR ");
    let is_allowed = Expression::parse(&licence)
        .is_ok_and(|expression| expression.evaluate(|need| allowed.iter().any(|licensee| licensee.satisfies(need))));
    if !is_allowed {
        return Some(format!("{name} {version} has licence `{licence}`"));
    }
    let source = package["source"].as_str().unwrap_or("a path");
    let registries = listed(policy, "sources", "allow-registry", None);
    if !registries.iter().any(|registry| source.strip_prefix("registry+") == Some(registry)) {
        return Some(format!("{name} {version} comes from {source}"));
    }
    let denied = listed(policy, "bans", "deny", Some("crate"));
    denied.iter().any(|denied| denied == name).then(|| format!("{name} {version} is denied"))
}

#[test]
fn everything_keeps_to_the_policy() {
    let (policy, packages) = (policy(), packages());
    assert!(packages.len() > 200, "{} packages", packages.len());
    let wrong: Vec<String> = packages.iter().filter_map(|package| refused(&policy, package)).collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn what_does_not_keep_to_it_is_found() {
    let registry = "registry+https://github.com/rust-lang/crates.io-index";
    let package = |name: &str, license: &str, source: &str| serde_json::json!({ "name": name, "version": "1.0.0", "license": license, "source": source });
    let refused = |package: Value| refused(&policy(), &package);
    assert_eq!(refused(package("a", "MIT/Apache-2.0", registry)), None);
    assert_eq!(refused(package("a", "GPL-3.0-only OR MIT", registry)), None);
    assert!(refused(package("a", "GPL-3.0-only", registry)).is_some_and(|why| why.contains("licence")));
    assert!(refused(package("a", "MIT AND GPL-3.0-only", registry)).is_some());
    assert!(refused(package("a", "", registry)).is_some());
    assert!(refused(package("a", "MIT", "git+https://example.com/a")).is_some_and(|why| why.contains("comes from")));
    assert!(refused(package("openssl-sys", "MIT", registry)).is_some_and(|why| why.contains("denied")));
}
