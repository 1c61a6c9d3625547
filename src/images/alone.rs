//! An image of one program and nothing else, made without an engine: one layer with one file.

use std::collections::BTreeSet;
use std::io;

use serde_json::json;

use super::archive::append_file;
use super::thin::{Blob, write};

/// Where the program lies.
const PROGRAM: &str = "app";

/// An image that nobody has yet.
#[derive(Clone, Debug)]
pub struct Alone {
    /// Its name for nodes: the tag is made of the digest of what it is.
    pub reference: String,
    /// The archive, as containerd takes it.
    pub archive: bytes::Bytes,
}

/// Makes the image of a program, if it is one that Linux starts by itself on a processor that is known here.
///
/// # Errors
/// The archive cannot be written: it is too large for the memory.
pub fn alone(program: &[u8], repository: &str) -> io::Result<Option<Alone>> {
    let Some(architecture) = architecture(program) else { return Ok(None) };
    let mut layer = tar::Builder::new(Vec::new());
    append_file(&mut layer, PROGRAM, 0o755, program.len() as u64, program)?;
    let layer = Blob::of(layer.into_inner()?);
    let config = Blob::of(serde_json::to_vec(&json!({
        "architecture": architecture,
        "os": "linux",
        "config": { "Entrypoint": [format!("/{PROGRAM}")] },
        "rootfs": { "type": "layers", "diff_ids": [layer.digest] },
        "history": [{ "created_by": "lab dev" }],
    }))?);
    let reference = format!("{repository}:{}", config.short());
    let mut archive = Vec::new();
    write(&mut archive, &reference, &config, &[&layer], &BTreeSet::new())?;
    Ok(Some(Alone { reference, archive: archive.into() }))
}

/// The processor of an ELF file, as images name it.
fn architecture(program: &[u8]) -> Option<&'static str> {
    if !program.starts_with(b"\x7fELF") {
        return None;
    }
    // Both are little-endian.
    match program.get(18..20)? {
        [0x3e, 0] => Some("amd64"),
        [0xb7, 0] => Some("arm64"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_is_an_image_of_its_own() {
        let program = |end: &[u8]| [b"\x7fELF".as_slice(), &[0; 14], &[0x3e, 0], end].concat();
        let image = |end: &[u8]| alone(&program(end), "lab.internal/l/hello").expect("an archive").expect("an image");
        assert!(image(b"1").reference.starts_with("lab.internal/l/hello:"));
        assert_eq!(image(b"1").reference, image(b"1").reference, "the same program is the same image");
        assert_ne!(image(b"1").reference, image(b"2").reference);
        let made = image(b"1");
        let mut archive = tar::Archive::new(&made.archive[..]);
        let entries =
            archive.entries().expect("entries").map(|e| e.expect("an entry").path().expect("a path").into_owned());
        assert_eq!(entries.count(), 5, "layout, index, manifest, configuration, layer");
        assert!(alone(b"#!/bin/sh\n", "x").expect("no error").is_none());
    }
}
