//! Whether an archive holds what it must, and nothing else.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Read, Seek, Write};
use std::path::Path;

use super::{
    CONTENTS, Contents, GATEWAY_API, ISTIOCTL, KARMADA_CRDS, KARMADACTL, KIND, MANIFEST, NODE, PROGRAM, SUMS, TEXT,
};
use crate::images::digests::Digests;
use crate::images::stack::Stack;
use crate::images::{IMAGE_LABEL, NODE_LABEL, SOURCE_LABEL, Source, check, karmada};
use crate::sys::sum::Hashing;
use crate::sys::{cache, fs, words};

/// An image that an archive may hold.
pub(super) struct Held {
    /// Its name in the engine.
    pub name: String,
    /// Labels that it must have.
    pub labels: Vec<(&'static str, String)>,
}

/// The images that an archive may hold, by the name of their member.
pub(super) fn images(stack: &Stack, digests: &Digests, contents: &Contents) -> BTreeMap<String, Held> {
    let labels = vec![(NODE_LABEL, contents.digest.clone()), (SOURCE_LABEL, contents.source.to_string())];
    let node = (NODE.to_owned(), Held { name: contents.node_image.clone(), labels });
    let karmada = karmada::images(stack, digests, contents.source, None).into_iter().map(|(key, (name, _))| {
        let built = digests.images.get(&key).filter(|_| contents.source == Source::Packages);
        let labels = built.map(|digest| (IMAGE_LABEL, digest.to_string())).into_iter().collect();
        (format!("{key}.tar"), Held { name, labels })
    });
    std::iter::once(node).chain(karmada).collect()
}

/// The names of an archive's members, or what is wrong with it.
pub(super) type Looked = Result<BTreeSet<String>, String>;

/// Reads the whole archive, and writes its small members to `dir`. Gives its SHA-256, and what it holds.
pub(super) fn verify(
    mut file: &fs::File,
    dir: &Path,
    expected: &Contents,
    images: &BTreeMap<String, Held>,
) -> io::Result<(String, Looked)> {
    file.rewind()?;
    let mut whole = Hashing::new(io::BufReader::new(file));
    let looked = members(&mut whole, dir, expected, images);
    Ok((whole.finish()?, looked))
}

/// Looks at each member. What is said of one is fit for a terminal, whatever its name is.
pub(super) fn members(from: impl Read, dir: &Path, expected: &Contents, images: &BTreeMap<String, Held>) -> Looked {
    each(from, dir, expected, images).map_err(|reason| reason.replace(char::is_control, " "))
}

fn each(from: impl Read, dir: &Path, expected: &Contents, images: &BTreeMap<String, Held>) -> Looked {
    let broken = |e: io::Error| format!("it is broken: {}", words::io_error(&e));
    let mut sums: BTreeMap<String, String> = BTreeMap::new();
    let mut listed = None;
    for entry in tar::Archive::new(from).entries().map_err(broken)? {
        let mut entry = entry.map_err(broken)?;
        let name = entry.path().map_err(broken)?.to_string_lossy().into_owned();
        if entry.header().entry_type() != tar::EntryType::Regular {
            return Err(format!("{name} in it is no file"));
        }
        let image = images.get(&name);
        let limit = match name.as_str() {
            _ if image.is_some() => u64::MAX,
            KIND | ISTIOCTL | KARMADACTL => PROGRAM,
            CONTENTS | MANIFEST | GATEWAY_API | KARMADA_CRDS | SUMS => TEXT,
            _ => return Err(format!("it holds {name}, which is no part of it")),
        };
        if entry.size() > limit {
            return Err(format!("{name} in it is larger than {} MiB", limit >> 20));
        }
        let mut content = Vec::new();
        let mut hashing = Hashing::new(&mut entry);
        if let Some(Held { name: reference, labels }) = image {
            let labels: Vec<(&str, &str)> = labels.iter().map(|(label, value)| (*label, value.as_str())).collect();
            check::image(&mut hashing, reference, &labels).map_err(|e| format!("{name}: {e}"))?;
        } else {
            hashing.read_to_end(&mut content).map_err(broken)?;
        }
        let sum = hashing.finish().map_err(broken)?;
        if name == SUMS && listed.is_some() || sums.insert(name.clone(), sum).is_some() {
            return Err(format!("{name} is in it twice"));
        }
        match name.as_str() {
            CONTENTS if serde_json::from_slice::<Contents>(&content).ok().as_ref() != Some(expected) => {
                return Err(format!("{CONTENTS} in it is not what it was"));
            }
            KIND | ISTIOCTL | KARMADACTL | MANIFEST | GATEWAY_API | KARMADA_CRDS => {
                let mode = if matches!(name.as_str(), KIND | ISTIOCTL | KARMADACTL) { 0o755 } else { 0o644 };
                cache::write_file(&dir.join(&name), &content, mode).map_err(|e| e.to_string())?;
            }
            SUMS => listed = Some(content),
            _ => {}
        }
    }
    sums.remove(SUMS);
    let needed = [CONTENTS, MANIFEST, KIND, ISTIOCTL, NODE];
    // Of what a federation needs there is all or nothing.
    let mut federation: Vec<&str> = images.keys().map(String::as_str).filter(|name| *name != NODE).collect();
    federation.extend([KARMADACTL, KARMADA_CRDS]);
    if !federation.iter().any(|name| sums.contains_key(*name)) {
        federation.clear();
    }
    for name in needed.into_iter().chain(federation) {
        if !sums.contains_key(name) {
            return Err(format!("it does not hold {name}"));
        }
    }
    let listed = String::from_utf8(listed.ok_or(format!("it does not hold {SUMS}"))?).unwrap_or_default();
    let listed: BTreeMap<String, String> = listed
        .lines()
        .filter_map(|l| l.split_once("  "))
        .map(|(sum, name)| (name.to_owned(), sum.to_owned()))
        .collect();
    if let Some(name) = listed.keys().find(|name| !sums.contains_key(*name)) {
        return Err(format!("it does not hold {name}, which {SUMS} lists"));
    }
    match sums.iter().find(|(name, sum)| listed.get(*name) != Some(*sum)) {
        Some((name, _)) => Err(format!("{name} in it has another digest than {SUMS} says")),
        None => Ok(sums.into_keys().collect()),
    }
}

/// Writes a member to `to`.
pub(super) fn copy_member(mut file: &fs::File, name: &str, to: &mut impl Write) -> io::Result<()> {
    file.rewind()?;
    let mut archive = tar::Archive::new(io::BufReader::new(file));
    for entry in archive.entries()? {
        let mut entry = entry?;
        if entry.path()? == Path::new(name) {
            return io::copy(&mut entry, to).map(|_| ());
        }
    }
    Err(io::ErrorKind::NotFound.into())
}
