//! What of the GitHub Action can be told without running it.

use std::fs;
use std::path::Path;

use serde_json::Value;

fn yaml(path: &str) -> Value {
    let text = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).expect("a file");
    serde_yaml::from_str(&text).expect("YAML")
}

/// What a workflow's author writes into an input must not become part of a script: it is handed over by the environment.
#[test]
fn no_input_reaches_a_script() {
    let steps = yaml("action/action.yml")["runs"]["steps"].clone();
    let scripts: Vec<Value> =
        steps.as_array().expect("steps").iter().filter(|s| s["run"].is_string()).cloned().collect();
    assert!(scripts.len() > 5);
    for step in scripts {
        let script = step["run"].as_str().expect("a script");
        assert!(!script.contains("${{"), "{script}");
        assert_eq!(step["shell"], "bash");
    }
}

/// An output that nothing sets, or an input that is not declared, is empty without a word.
#[test]
fn what_is_referred_to_is_there() {
    let action = yaml("action/action.yml");
    let text = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("action/action.yml")).expect("a file");
    let ids: Vec<&str> =
        action["runs"]["steps"].as_array().expect("steps").iter().filter_map(|s| s["id"].as_str()).collect();
    let words = text.split(|c: char| !(c.is_alphanumeric() || "._-".contains(c)));
    let mut seen = 0;
    for word in words {
        if let Some(input) = word.strip_prefix("inputs.") {
            assert!(action["inputs"][input].is_object(), "{word}");
            seen += 1;
        } else if let Some(step) = word.strip_prefix("steps.") {
            assert!(ids.contains(&step.split('.').next().unwrap_or_default()), "{word}");
            seen += 1;
        }
    }
    assert!(seen > 10);
}
