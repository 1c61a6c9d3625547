//! Every error of what touches the world says what to do about it.

use std::fs;
use std::path::{Path, PathBuf};

fn rust_files(dir: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(dir).expect("a directory").map(|e| e.expect("an entry").path()) {
        if entry.is_dir() {
            rust_files(&entry, found);
        } else if entry.extension().is_some_and(|e| e == "rs") {
            found.push(entry);
        }
    }
}

/// Messages of the variants of error enums, without a hint. A variant ends where the next one's doc comment begins.
fn without_hint(text: &str) -> Vec<String> {
    let variants = text.split("\n    #[error(").skip(1).filter(|v| !v.starts_with("transparent"));
    let own = variants.map(|v| v.split("\n    /// ").next().unwrap_or(v));
    own.filter(|v| !v.contains("help(")).map(|v| v.lines().next().unwrap_or(v).to_owned()).collect()
}

#[test]
fn every_error_has_a_hint() {
    let mut files = Vec::new();
    for dir in ["sys", "steps", "images", "plan"] {
        rust_files(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src").join(dir), &mut files);
    }
    let mut seen = 0;
    for file in files {
        let text = fs::read_to_string(&file).expect("a source file");
        seen += text.matches("\n    #[error(").count();
        assert_eq!(without_hint(&text), [""; 0], "{}: add #[diagnostic(help(...))]", file.display());
    }
    assert!(seen > 30, "only {seen} errors were found");
}

#[test]
fn an_error_without_a_hint_is_seen() {
    let text = "enum E {\n    /// A.\n    #[error(\"a\")]\n    A,\n    /// B.\n    #[error(\"b\")]\n    #[diagnostic(help(\"do\"))]\n    B,\n    /// C.\n    #[error(transparent)]\n    C(D),\n}\n";
    assert_eq!(without_hint(text), ["\"a\")]"]);
}
