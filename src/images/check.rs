//! Whether an archive is what it says, before anything of it is loaded or run.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Read};
use std::path::{Component, Path, PathBuf};

use serde_json::Value;

use super::reference::Reference;
use crate::sys::sum::Hashing;
use crate::sys::words;

/// Most bytes of a file of an image archive that is read as JSON.
const DOCUMENT: u64 = 1 << 20;

/// Whether a word is a SHA-256 in hexadecimal.
#[must_use]
pub fn is_sum(word: &str) -> bool {
    word.len() == 64 && word.bytes().all(|b| b.is_ascii_hexdigit())
}

/// Looks through an archive of `docker save`: it must hold one image, under this name only, with these labels, whose parts have the digests that
/// they are named by. Reads to the end.
///
/// # Errors
/// What is wrong with it.
pub(super) fn image(from: impl Read, name: &str, labels: &[(&str, &str)]) -> Result<(), String> {
    let files = Files::read(from)?;
    let manifest =
        files.document("manifest.json")?.ok_or("it is no archive of `docker save`: it has no manifest.json")?;
    let Some([image]) = manifest.as_array().map(Vec::as_slice) else {
        return Err("it holds not exactly one image".to_owned());
    };
    if image["RepoTags"] != serde_json::json!([name]) {
        return Err(format!("it names its image {}, and only {name} is expected", image["RepoTags"]));
    }
    files.no_other_name(name)?;

    let config_path = image["Config"].as_str().unwrap_or_default();
    let sum = files.sum(config_path).ok_or("the configuration of its image is missing")?;
    if Path::new(config_path).file_stem().is_none_or(|stem| stem != sum) {
        return Err(format!("{config_path} has another digest"));
    }
    let config = files.document(config_path)?.ok_or("the configuration of its image is missing")?;
    for (label, value) in labels {
        if config["config"]["Labels"][label] != *value {
            return Err(format!(
                "the label {label} of its image is {}, not {value}",
                config["config"]["Labels"][label]
            ));
        }
    }
    let layers = image["Layers"].as_array().map_or(&[][..], Vec::as_slice);
    let wanted = config["rootfs"]["diff_ids"].as_array().map_or(&[][..], Vec::as_slice);
    if layers.is_empty() || layers.len() != wanted.len() {
        return Err(format!("it lists {} layers, and its image has {}", layers.len(), wanted.len()));
    }
    for (layer, wanted) in layers.iter().zip(wanted) {
        let path = layer.as_str().unwrap_or_default();
        let sum = files.sum(path).ok_or_else(|| format!("layer {path} is missing"))?;
        // A layer that lies under its digest is compared with that already; it may be compressed, and the configuration tells the digest unpacked.
        if !path.starts_with("blobs/sha256/") && wanted.as_str().and_then(|w| w.strip_prefix("sha256:")) != Some(sum) {
            return Err(format!("layer {path} has another digest"));
        }
    }
    Ok(())
}

/// What an archive holds.
#[derive(Default)]
struct Files {
    sums: BTreeMap<PathBuf, String>,
    small: BTreeMap<PathBuf, Vec<u8>>,
    links: BTreeMap<PathBuf, PathBuf>,
}

impl Files {
    fn read(from: impl Read) -> Result<Self, String> {
        let broken = |e: io::Error| format!("it is broken: {}", words::io_error(&e));
        let mut files = Self::default();
        let mut seen = BTreeSet::new();
        let mut archive = tar::Archive::new(from);
        for entry in archive.entries().map_err(broken)? {
            let mut entry = entry.map_err(broken)?;
            let written = entry.path().map_err(broken)?.into_owned();
            let path = inside(Path::new(""), &written)?;
            if entry.header().entry_type() == tar::EntryType::Directory {
                continue;
            }
            // Of two files of one name, one reader takes the first and another the second.
            if !seen.insert(path.clone()) {
                return Err(format!("{} is in it twice", path.display()));
            }
            match entry.header().entry_type() {
                tar::EntryType::Regular | tar::EntryType::Continuous => {
                    let small = (entry.size() <= DOCUMENT).then(Vec::new);
                    let mut hashing = Hashing::new(&mut entry);
                    if let Some(mut content) = small {
                        hashing.read_to_end(&mut content).map_err(broken)?;
                        files.small.insert(path.clone(), content);
                    }
                    let sum = hashing.finish().map_err(broken)?;
                    if path.starts_with("blobs/sha256") && path.file_name().is_none_or(|name| name != sum.as_str()) {
                        return Err(format!("{} has another digest", path.display()));
                    }
                    files.sums.insert(path, sum);
                }
                // Docker saves a layer that another image has too as a link to it.
                tar::EntryType::Symlink => {
                    let target = entry.link_name().map_err(broken)?.unwrap_or_default().into_owned();
                    let target = inside(path.parent().unwrap_or(Path::new("")), &target)?;
                    files.links.insert(path, target);
                }
                _ => return Err(format!("{} is neither a file nor a directory", path.display())),
            }
        }
        Ok(files)
    }

    /// Where a file lies, links followed once.
    fn place<'a>(&'a self, path: &'a Path) -> &'a Path {
        self.links.get(path).map_or(path, PathBuf::as_path)
    }

    fn sum(&self, path: &str) -> Option<&str> {
        self.sums.get(self.place(Path::new(path))).map(String::as_str)
    }

    fn document(&self, path: &str) -> Result<Option<Value>, String> {
        let Some(content) = self.small.get(self.place(Path::new(path))) else { return Ok(None) };
        serde_json::from_slice(content).map(Some).map_err(|e| format!("{path} in it is no JSON: {e}"))
    }

    /// The other places in which engines look for names.
    fn no_other_name(&self, name: &str) -> Result<(), String> {
        let own = Reference::parse(name);
        let other = |found: &str| Err(format!("it names an image {found}, and only {name} is expected"));
        for (repository, tags) in
            self.document("repositories")?.as_ref().and_then(Value::as_object).into_iter().flatten()
        {
            for tag in tags.as_object().into_iter().flatten().map(|(tag, _)| tag) {
                if Reference::parse(&format!("{repository}:{tag}")) != own {
                    return other(&format!("{repository}:{tag}"));
                }
            }
        }
        let index = self.document("index.json")?.unwrap_or_default();
        for image in index["manifests"].as_array().into_iter().flatten() {
            if let Some(found) = image["annotations"]["io.containerd.image.name"].as_str()
                && Reference::parse(found) != own
            {
                return other(found);
            }
            // A tag alone, or a whole name.
            if let Some(found) = image["annotations"]["org.opencontainers.image.ref.name"].as_str()
                && found != own.tag()
                && Reference::parse(found) != own
            {
                return other(found);
            }
        }
        Ok(())
    }
}

/// A path in an archive, seen from `dir` in it, which must not lead out of it.
fn inside(dir: &Path, path: &Path) -> Result<PathBuf, String> {
    let mut whole = dir.to_owned();
    for component in path.components() {
        let stays = match component {
            Component::Normal(name) => {
                whole.push(name);
                true
            }
            Component::CurDir => true,
            Component::ParentDir => whole.pop(),
            Component::RootDir | Component::Prefix(_) => false,
        };
        if !stays {
            return Err(format!("{} leads out of it", path.display()));
        }
    }
    Ok(whole)
}

#[cfg(test)]
mod tests {
    use super::super::archive::append_file;
    use super::*;

    const NAME: &str = "lab/node:0123";

    fn sum(bytes: &[u8]) -> String {
        Hashing::new(bytes).finish().expect("reads")
    }

    /// An archive as Docker 20.10 saves it, and one as later engines do, after a change of its files.
    fn saved(oci: bool, change: impl Fn(&mut Vec<(String, String)>)) -> Vec<u8> {
        let layer = "layer".to_owned();
        let config = format!(
            r#"{{"config":{{"Labels":{{"a":"b"}}}},"rootfs":{{"diff_ids":["sha256:{}"]}}}}"#,
            sum(layer.as_bytes())
        );
        let blob = |content: &str| format!("blobs/sha256/{}", sum(content.as_bytes()));
        let (config_path, layer_path) = if oci {
            (blob(&config), blob(&layer))
        } else {
            (format!("{}.json", sum(config.as_bytes())), "abc/layer.tar".to_owned())
        };
        let manifest = format!(r#"[{{"Config":"{config_path}","RepoTags":["{NAME}"],"Layers":["{layer_path}"]}}]"#);
        let mut files = vec![
            (layer_path, layer),
            (config_path, config),
            ("manifest.json".to_owned(), manifest),
            ("repositories".to_owned(), r#"{"lab/node":{"0123":"abc"}}"#.to_owned()),
        ];
        if oci {
            let index = format!(
                r#"{{"manifests":[{{"annotations":{{"io.containerd.image.name":"docker.io/{NAME}","org.opencontainers.image.ref.name":"0123"}}}}]}}"#
            );
            files.push(("index.json".to_owned(), index));
        }
        change(&mut files);
        let mut out = tar::Builder::new(Vec::new());
        for (path, text) in &files {
            append_file(&mut out, path, 0o644, text.len() as u64, text.as_bytes()).expect("appends");
        }
        out.into_inner().expect("finishes")
    }

    fn refusal(oci: bool, change: impl Fn(&mut Vec<(String, String)>)) -> String {
        image(&saved(oci, change)[..], NAME, &[("a", "b")]).expect_err("refused")
    }

    fn replace(path: &'static str, from: &'static str, to: &'static str) -> impl Fn(&mut Vec<(String, String)>) {
        move |files| {
            let file = files.iter_mut().find(|(p, _)| p.ends_with(path)).expect("the file");
            file.1 = file.1.replace(from, to);
        }
    }

    #[test]
    fn an_image_that_is_what_it_says_is_taken() {
        for oci in [false, true] {
            assert_eq!(image(&saved(oci, |_| ())[..], NAME, &[("a", "b")]), Ok(()));
            assert!(image(&saved(oci, |_| ())[..], NAME, &[("a", "c")]).expect_err("label").contains("the label a"));
        }
    }

    #[test]
    fn no_other_name_gets_into_the_engine() {
        for oci in [false, true] {
            let extra = replace("manifest.json", "\"lab/node:0123\"]", "\"lab/node:0123\",\"debian:12\"]");
            assert!(refusal(oci, extra).contains("debian:12"));
            let second =
                replace("manifest.json", "}]", "},{\"Config\":\"x\",\"RepoTags\":[\"debian:12\"],\"Layers\":[]}]");
            assert_eq!(refusal(oci, second), "it holds not exactly one image");
            assert!(refusal(oci, replace("repositories", "lab/node", "debian")).contains("debian:0123"));
        }
        let other = replace("index.json", "docker.io/lab/node:0123", "docker.io/library/debian:12");
        assert!(refusal(true, other).contains("debian:12"));
        let tag = replace("index.json", "ref.name\":\"0123", "ref.name\":\"debian:12");
        assert!(refusal(true, tag).contains("debian:12"));
    }

    #[test]
    fn what_was_changed_has_another_digest() {
        assert_eq!(refusal(false, replace("layer.tar", "layer", "other")), "layer abc/layer.tar has another digest");
        assert!(refusal(false, |files| files[1].1.push(' ')).ends_with(".json has another digest"));
        for changed in [0, 1] {
            let refused = refusal(true, move |files| files[changed].1.push(' '));
            assert!(refused.starts_with("blobs/sha256/") && refused.ends_with("has another digest"), "{refused}");
        }
        assert_eq!(refusal(false, |files| _ = files.remove(0)), "layer abc/layer.tar is missing");
        assert!(refusal(false, |files| files.push(files[2].clone())).contains("manifest.json is in it twice"));
        assert!(refusal(false, |files| _ = files.remove(2)).contains("it has no manifest.json"));
    }

    #[test]
    fn nothing_leads_out_of_an_archive() {
        assert_eq!(inside(Path::new("a"), Path::new("../b/c")), Ok(PathBuf::from("b/c")));
        assert!(inside(Path::new("a"), Path::new("../../b")).is_err());
        assert!(inside(Path::new(""), Path::new("/etc/passwd")).is_err());
        let mut out = tar::Builder::new(Vec::new());
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(tar::EntryType::Symlink);
        header.set_size(0);
        out.append_link(&mut header, "a/layer.tar", "../../../etc/passwd").expect("appends");
        let refused = image(&out.into_inner().expect("finishes")[..], NAME, &[]).expect_err("refused");
        assert_eq!(refused, "../../../etc/passwd leads out of it");
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(tar::EntryType::Link);
        header.set_size(0);
        let mut out = tar::Builder::new(Vec::new());
        out.append_link(&mut header, "a", "b").expect("appends");
        assert!(image(&out.into_inner().expect("finishes")[..], NAME, &[]).is_err());
    }
}
