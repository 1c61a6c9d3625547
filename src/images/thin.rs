//! An image without the layers that a node has already: what `docker save` gives, as an OCI archive, which containerd takes without them.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Read, Write};

use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::archive::append_file;
use super::reference::Reference;

/// A larger layer is not held in memory.
const LARGEST: u64 = 512 << 20;
/// What is smaller may be a document, which is read.
const SMALL: u64 = 1 << 20;
/// Before a digest.
const SHA: &str = "sha256:";

/// What is known of layers by now.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Layers {
    /// Digests of those that need not be sent.
    held: BTreeSet<String>,
    /// Digest and size by the name that an archive has a layer by, which stays the same as long as the layer does.
    named: BTreeMap<String, (String, u64)>,
}

impl Layers {
    /// Of layers, these are held.
    #[must_use]
    pub fn held(held: BTreeSet<String>) -> Self {
        Self { held, named: BTreeMap::new() }
    }

    /// From now on these are held too.
    pub fn hold(&mut self, layers: BTreeSet<String>) {
        self.held.extend(layers);
    }
}

/// A layer or a document of an image.
pub(super) struct Blob {
    /// Its digest.
    pub digest: String,
    size: u64,
    /// None of a layer that need not be sent.
    content: Option<Vec<u8>>,
}

/// Copies the archive of one image, without the layers that are held; gives the digests of all layers.
///
/// # Errors
/// It is no archive of one image, or it breaks off.
pub fn thin(from: impl Read, to: impl Write, layers: &mut Layers) -> io::Result<BTreeSet<String>> {
    let mut files: BTreeMap<String, Blob> = BTreeMap::new();
    let mut links: BTreeMap<String, String> = BTreeMap::new();
    let mut archive = tar::Archive::new(from);
    for entry in archive.entries()? {
        let mut entry = entry?;
        let name = entry.path()?.to_string_lossy().into_owned();
        match entry.header().entry_type() {
            tar::EntryType::Regular => {}
            // Before version 25 layers that are the same are there once.
            tar::EntryType::Symlink | tar::EntryType::Link => {
                let target = entry.link_name()?.map(|t| t.to_string_lossy().into_owned()).unwrap_or_default();
                links.insert(name, target.trim_start_matches("../").to_owned());
                continue;
            }
            _ => continue,
        }
        if let Some((digest, size)) = layers.named.get(&name).filter(|(digest, _)| layers.held.contains(digest)) {
            files.insert(name, Blob { digest: digest.clone(), size: *size, content: None });
            continue;
        }
        if entry.size() > LARGEST {
            return Err(unusable("it has a layer that is too large to be looked at"));
        }
        let mut content = Vec::new();
        entry.read_to_end(&mut content)?;
        let mut blob = Blob::of(content);
        if blob.size > SMALL && layers.held.contains(&blob.digest) {
            blob.content = None;
        }
        files.insert(name, blob);
    }
    let document = |name: &str| {
        let content = files.get(name).and_then(|blob| blob.content.as_deref());
        content.ok_or_else(|| unusable(&format!("it has no {name}")))
    };
    let manifest: Value = serde_json::from_slice(document("manifest.json")?)?;
    let [image] = manifest.as_array().map(Vec::as_slice).unwrap_or_default() else {
        return Err(unusable("it is not of one image"));
    };
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let config = Blob::of(document(&text(&image["Config"]))?.to_vec());
    let reference = Reference::parse(&text(&image["RepoTags"][0])).tagged();
    let names: Vec<String> = image["Layers"].as_array().into_iter().flatten().map(text).collect();
    let mut all = Vec::new();
    for name in &names {
        let at = links.get(name).unwrap_or(name);
        let blob = files.get(at).ok_or_else(|| unusable(&format!("it has no {at}")))?;
        layers.named.insert(at.clone(), (blob.digest.clone(), blob.size));
        all.push(blob);
    }
    // Some engines have layers compressed, and those are of other kinds.
    let unpacked: Value = serde_json::from_slice(config.content.as_deref().unwrap_or_default())?;
    let unpacked = unpacked.pointer("/rootfs/diff_ids").and_then(Value::as_array);
    if !unpacked
        .is_some_and(|ids| ids.iter().map(Value::as_str).eq(all.iter().map(|layer| Some(layer.digest.as_str()))))
    {
        return Err(unusable("its layers are not those that its configuration names"));
    }
    write(to, &reference, &config, &all, &layers.held)?;
    Ok(all.iter().map(|layer| layer.digest.clone()).collect())
}

impl Blob {
    pub(super) fn of(content: Vec<u8>) -> Self {
        let digest = format!("{SHA}{:x}", Sha256::digest(&content));
        Self { digest, size: content.len() as u64, content: Some(content) }
    }

    /// So much of the digest as tells it from others.
    pub(super) fn short(&self) -> &str {
        let digest = self.digest.strip_prefix(SHA).unwrap_or(&self.digest);
        digest.get(..12).unwrap_or(digest)
    }

    fn described(&self, kind: &str) -> Value {
        let media = format!("application/vnd.oci.image.{kind}");
        json!({ "mediaType": media, "digest": self.digest, "size": self.size })
    }
}

/// Writes an image without the layers that are held.
pub(super) fn write(
    to: impl Write,
    reference: &str,
    config: &Blob,
    layers: &[&Blob],
    held: &BTreeSet<String>,
) -> io::Result<()> {
    let described: Vec<Value> = layers.iter().map(|layer| layer.described("layer.v1.tar")).collect();
    let manifest = Blob::of(serde_json::to_vec(&json!({
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": config.described("config.v1+json"),
        "layers": described,
    }))?);
    let mut entry = manifest.described("manifest.v1+json");
    let tag = Reference::parse(reference).tag().to_owned();
    entry["annotations"] = json!({ "io.containerd.image.name": reference, "org.opencontainers.image.ref.name": tag });
    let index = serde_json::to_vec(&json!({ "schemaVersion": 2, "manifests": [entry] }))?;

    let mut out = tar::Builder::new(to);
    let mut add = |name: &str, content: &[u8]| append_file(&mut out, name, 0o644, content.len() as u64, content);
    add("oci-layout", br#"{"imageLayoutVersion":"1.0.0"}"#)?;
    add("index.json", &index)?;
    let mut sent = BTreeSet::new();
    let lacking = layers.iter().copied().filter(|layer| !held.contains(&layer.digest));
    for blob in [&manifest, config].into_iter().chain(lacking) {
        if let Some(content) = &blob.content
            && sent.insert(&blob.digest)
        {
            add(&format!("blobs/{}", blob.digest.replace(':', "/")), content)?;
        }
    }
    out.finish()
}

fn unusable(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("the engine's archive of the image cannot be used: {what}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::images::archive::contents;

    /// As engines before version 25 save an image: layers by names of their own, one twice.
    fn saved(program: &str) -> Vec<u8> {
        let mut out = tar::Builder::new(Vec::new());
        let mut add = |name: &str, text: &str| {
            append_file(&mut out, name, 0o644, text.len() as u64, text.as_bytes()).expect("appends");
        };
        add("a/layer.tar", "base");
        add(&format!("{program}/layer.tar"), program);
        let digest = |text: &str| format!("{SHA}{:x}", Sha256::digest(text));
        let ids = [digest("base"), digest(program), digest("base")];
        add("config.json", &json!({ "rootfs": { "diff_ids": ids } }).to_string());
        let layers = format!(r#"["a/layer.tar","{program}/layer.tar","c/layer.tar"]"#);
        let manifest =
            format!(r#"[{{"Config":"config.json","RepoTags":["lab.internal/l/hello:1"],"Layers":{layers}}}]"#);
        add("manifest.json", &manifest);
        let mut link = tar::Header::new_gnu();
        link.set_entry_type(tar::EntryType::Symlink);
        link.set_size(0);
        out.append_link(&mut link, "c/layer.tar", "../a/layer.tar").expect("links");
        out.into_inner().expect("finishes")
    }

    fn blob(text: &str) -> String {
        format!("blobs/sha256/{:x}", Sha256::digest(text))
    }

    #[test]
    fn a_layer_is_sent_once() {
        let mut layers = Layers::default();
        let mut first = Vec::new();
        layers.held = thin(&saved("one")[..], &mut first, &mut layers.clone()).expect("an archive");
        let sent = contents(&first);
        assert_eq!((sent[&blob("base")].as_str(), sent[&blob("one")].as_str()), ("base", "one"));
        let index: Value = serde_json::from_str(&sent["index.json"]).expect("JSON");
        let annotations = &index["manifests"][0]["annotations"];
        assert_eq!(annotations["io.containerd.image.name"], "lab.internal/l/hello:1");

        // Once by its digest, and once by its name, when it is not even read.
        for _ in 0..2 {
            let mut second = Vec::new();
            let all = thin(&saved("two")[..], &mut second, &mut layers).expect("an archive");
            let sent = contents(&second);
            assert!(sent.contains_key(&blob("two")) && !sent.contains_key(&blob("base")), "{:?}", sent.keys());
            assert!(all.iter().any(|digest| blob("base").ends_with(&digest[SHA.len()..])));
            let index: Value = serde_json::from_str(&sent["index.json"]).expect("JSON");
            let digest = index["manifests"][0]["digest"].as_str().expect("a digest");
            let manifest: Value =
                serde_json::from_str(&sent[&format!("blobs/sha256/{}", &digest[SHA.len()..])]).expect("JSON");
            assert_eq!(manifest["layers"].as_array().expect("layers").len(), 3, "the manifest names all of them");
        }
        assert!(layers.named.contains_key("a/layer.tar"));
        assert!(thin(&b""[..], &mut Vec::new(), &mut layers).is_err());
    }
}
