//! One archive with everything that `lab up` needs, for a machine that reaches neither a registry nor a package index.

mod look;

use std::io::{self, Read, Seek, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::archive::append_file;
use super::digests::Digests;
use super::gateway_api::{gateway_api, imported};
use super::karmada::{self, Karmada};
use super::prepare::{Record, USE_LOCK};
use super::resolve::Choice;
use super::stack::Stack;
use super::{ImagesError, Prepared, Source, check, node, prepare};
use look::{copy_member, images, verify};

use crate::exec::Progress;
use crate::scenario::{ImageSettings, Versions};
use crate::sys::cache::{Cache, Fingerprint};
use crate::sys::docker::Engine;
use crate::sys::sum::{Hashing, Summing};
use crate::sys::{fs, input, pipe, unfinished, words};

/// Names of the archive's members. The first tells whether the others fit, before a gigabyte is read.
const CONTENTS: &str = "contents.json";
const KIND: &str = "kind";
const ISTIOCTL: &str = "istioctl";
const MANIFEST: &str = "metallb.yaml";
/// The definitions of the Gateway API, if whoever exported could have them.
const GATEWAY_API: &str = "gateway-api.yaml";
const NODE: &str = "node.tar";
/// What only federations need, if the archive was made for them: the command-line tool and the definitions of Karmada's kinds. Each of its images is
/// `KEY.tar` beside them.
const KARMADACTL: &str = "karmadactl";
const KARMADA_CRDS: &str = "karmada-crds.tar.gz";
/// SHA-256 of each other member, as `sha256sum` writes them.
const SUMS: &str = "SHA256SUMS";

/// Most bytes of a member that is read as text.
const TEXT: u64 = 16 << 20;
/// Most bytes of a program.
const PROGRAM: u64 = 1 << 30;

/// What an archive says of itself.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Contents {
    /// Version of this format.
    format: u32,
    architecture: String,
    source: Source,
    /// Digest of all that is in the node image.
    digest: String,
    node_image: String,
}

const FORMAT: u32 = 4;

impl Contents {
    fn of(source: Source, digests: &Digests) -> Self {
        let digest = if source == Source::Packages { &digests.packages } else { &digests.registry };
        Self {
            format: FORMAT,
            architecture: std::env::consts::ARCH.to_owned(),
            source,
            digest: digest.to_string(),
            node_image: node::name(digest),
        }
    }
}

/// Why an archive is taken for the one that was exported.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trust {
    /// Its SHA-256 must be this.
    Sum(String),
    /// The user says so.
    Given,
}

/// Writes an archive, preparing first what is missing; with what federations need, if `for_federations`. The file appears when it is whole. Gives its
/// SHA-256 in hexadecimal.
pub async fn export(
    choice: Choice,
    for_federations: bool,
    file: &Path,
    engine: &Engine,
    progress: &Progress,
) -> Result<String, ImagesError> {
    let prepared = prepare(choice, &ImageSettings::default(), Versions::default(), engine, progress).await?;
    let karmada =
        if for_federations { Some(Box::pin(karmada::prepare(&prepared, engine, progress)).await?) } else { None };
    let stack = Stack::embedded()?;
    let digests = Digests::of(&stack);
    let contents = Contents::of(prepared.source, &digests);
    let definitions = gateway_api(progress).await;
    if let Err(error) = &definitions {
        progress.note(format!("{} is without the definitions of the Gateway API: {error}", file.display()));
    }
    let definitions = definitions.ok();
    progress.say(format!("writing {}", file.display()));
    let mut saved = Vec::new();
    for (member, image) in images(&stack, &digests, &contents) {
        if member == NODE || karmada.is_some() {
            let (reader, task) = pipe::reading(engine.save_images(&[&image.name]));
            saved.push((member, reader, task));
        }
    }
    let to = file.to_owned();
    blocking(file, move || {
        let saved = saved.iter_mut().map(|(member, reader, _)| (member.as_str(), reader as &mut dyn Read));
        write(&to, &contents, (&prepared, definitions.as_deref(), karmada.as_ref()), saved)
    })
    .await
}

fn write<'a>(
    file: &Path,
    contents: &Contents,
    (prepared, definitions, karmada): (&Prepared, Option<&str>, Option<&Karmada>),
    images: impl Iterator<Item = (&'a str, &'a mut dyn Read)>,
) -> io::Result<String> {
    let file = fs::target(file)?;
    let mut out = unfinished::file_in(fs::folder(&file))?;
    let mut archive = tar::Builder::new(out.as_file_mut());
    let mut sums = String::new();
    let mut add = |name: &str, sum: String| sums.extend([&sum, "  ", name, "\n"]);
    let text = serde_json::to_vec_pretty(contents)?;
    let definitions = definitions.map(|text| (GATEWAY_API, text.as_bytes()));
    let texts = [(CONTENTS, &text[..]), (MANIFEST, prepared.metallb_manifest.as_bytes())];
    for (name, text) in texts.into_iter().chain(definitions) {
        append_file(&mut archive, name, 0o644, text.len() as u64, text)?;
        add(name, Hashing::new(text).finish()?);
    }
    let tools = [(KIND, &prepared.kind, 0o755), (ISTIOCTL, &prepared.istioctl, 0o755)];
    let more = karmada.map(|k| [(KARMADACTL, &k.karmadactl, 0o755), (KARMADA_CRDS, &k.crds, 0o644)]);
    for (name, path, mode) in tools.into_iter().chain(more.into_iter().flatten()) {
        let tool = fs::open(path)?;
        let size = tool.metadata()?.len();
        let mut tool = Hashing::new(tool);
        append_file(&mut archive, name, mode, size, &mut tool)?;
        add(name, tool.finish()?);
    }
    // The engine does not tell the size beforehand; the header is completed once it is known.
    for (name, image) in images {
        let mut header = tar::Header::new_gnu();
        header.set_mode(0o644);
        let mut entry = Summing::new(archive.append_writer(&mut header, name)?);
        io::copy(image, &mut entry)?;
        let (entry, sum) = entry.finish();
        entry.finish()?;
        add(name, sum);
    }
    append_file(&mut archive, SUMS, 0o644, sums.len() as u64, sums.as_bytes())?;
    archive.into_inner()?.flush()?;
    out.as_file_mut().rewind()?;
    let sum = Hashing::new(io::BufReader::new(out.as_file())).finish()?;
    // It is made for somebody else's machine: the private mode of temporary files does not suit it.
    out.as_file().set_permissions(fs::Permissions::from_mode(0o644))?;
    out.persist(&file)?;
    Ok(sum)
}

/// Loads an archive: afterwards this machine has everything that `lab up` needs. Nothing of it is loaded or installed before all of it has been
/// looked through.
pub async fn import(file: &Path, trust: &Trust, engine: &Engine, progress: &Progress) -> Result<Prepared, ImagesError> {
    let stack = Stack::embedded()?;
    let digests = Digests::of(&stack);
    let cache = Cache::open()?;
    let misfit = |reason: String| ImagesError::Archive { file: file.display().to_string(), reason };

    let from = file.to_owned();
    // The file stays open until all is loaded, so that what was looked at is what is loaded, whatever takes its name meanwhile.
    let (archive, contents) = blocking(file, move || Ok(opened(&from))).await??;
    let expected = Contents::of(contents.source, &digests);
    if contents != expected {
        let reason = if contents.architecture == expected.architecture {
            "another version of lab made it, with another stack"
        } else {
            "it is for another architecture"
        };
        return Err(misfit(reason.to_owned()));
    }
    let _use = cache.lock_shared(USE_LOCK, || progress.say("waiting for another lab: removing old images")).await?;
    let id = format!("import-{}", contents.source);
    let _lock = cache.lock(&id, || progress.say("waiting for another lab: importing")).await?;
    let scratch = cache.scratch(&id)?;

    progress.say(format!("looking through {}", file.display()));
    let (tools, again) = (scratch.clone(), archive.try_clone());
    let held = images(&stack, &digests, &contents);
    let (held, (sum, looked)) = blocking(file, move || {
        let looked = verify(&again?, &tools, &expected, &held)?;
        Ok((held, looked))
    })
    .await?;
    if let Trust::Sum(wanted) = trust
        && !wanted.eq_ignore_ascii_case(&sum)
    {
        let (file, wanted) = (file.display().to_string(), wanted.clone());
        return Err(ImagesError::Checksum { file, wanted, found: sum });
    }
    let there = looked.map_err(misfit)?;

    for (member, image) in held.into_iter().filter(|(member, _)| there.contains(member)) {
        progress.say(format!("loading {}", image.name));
        let again = archive.try_clone().map_err(|e| misfit(words::io_error(&e)))?;
        engine.load_images(pipe::writing(move |writer| copy_member(&again, &member, writer))).await?;
        if engine.image_config(&image.name).await?.is_none() {
            return Err(misfit(format!("the engine does not find {} in it", image.name)));
        }
    }
    let place = |name: &str| cache.artifact(&format!("imported/{name}"), &contents.digest);
    for name in [KIND, ISTIOCTL, MANIFEST] {
        cache.publish(&scratch.join(name), &place(name))?;
    }
    if fs::is_file(&scratch.join(GATEWAY_API)) {
        cache.publish(&scratch.join(GATEWAY_API), &imported(&stack, &cache))?;
    }
    if there.contains(KARMADACTL) {
        for name in [KARMADACTL, KARMADA_CRDS] {
            cache.publish(&scratch.join(name), &place(name))?;
        }
        karmada::remember(&stack, &cache, &place(KARMADACTL), place(KARMADA_CRDS))?;
    }
    cache.clear(&scratch)?;
    let executable = |name: &str| {
        Fingerprint::of_executable(&place(name)).ok_or_else(|| misfit(format!("{name} cannot be executed")))
    };
    let record = Record {
        source: contents.source,
        mirror: None,
        node_image: contents.node_image.clone(),
        kind: executable(KIND)?,
        istioctl: executable(ISTIOCTL)?,
        metallb_manifest: place(MANIFEST),
    };
    let digest = if contents.source == Source::Packages { &digests.packages } else { &digests.registry };
    cache.write_json(&Record::name(digest), &record)?;
    record.prepared(&stack).ok_or_else(|| misfit("what it holds cannot be used".to_owned()))
}

/// Refuses a file that is no archive of `lab images export`, by its first bytes.
pub fn check_archive(file: &Path) -> Result<(), ImagesError> {
    opened(file).map(|_| ())
}

/// An archive, and what it says of itself.
fn opened(file: &Path) -> Result<(fs::File, Contents), ImagesError> {
    let failed = |reason: String| ImagesError::NoArchive { file: file.display().to_string(), reason };
    let archive = input::open(file).map_err(|e| failed(e.to_string()))?;
    let contents = head(&archive).ok_or_else(|| failed("it is no archive of `lab images export`".to_owned()))?;
    Ok((archive, contents))
}

fn head(file: &fs::File) -> Option<Contents> {
    let mut archive = tar::Archive::new(file);
    let first = archive.entries().and_then(|mut entries| entries.next().transpose());
    let contents = first.ok().flatten().filter(|e| e.path().is_ok_and(|path| path == Path::new(CONTENTS)));
    contents.and_then(|entry| serde_json::from_reader(entry.take(TEXT)).ok())
}

/// The checksum that lies beside an archive, as `sha256sum` writes it; none if there is none.
///
/// # Errors
/// The file is there and holds none.
pub fn checksum_beside(file: &Path) -> Result<Option<String>, ImagesError> {
    let mut beside = file.as_os_str().to_owned();
    beside.push(".sha256");
    let beside = Path::new(&beside);
    if !fs::exists(beside) {
        return Ok(None);
    }
    let failed = |reason: String| ImagesError::NoChecksum { file: beside.display().to_string(), reason };
    let text = input::read(beside, TEXT).map_err(|e| failed(e.to_string()))?;
    let text = String::from_utf8_lossy(&text);
    let sum = text.split_whitespace().next().filter(|word| check::is_sum(word)).map(str::to_owned);
    sum.map(Some).ok_or_else(|| failed("it holds no SHA-256".to_owned()))
}

async fn blocking<T: Send + 'static>(
    file: &Path,
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> Result<T, ImagesError> {
    let done = tokio::task::spawn_blocking(work).await.map_err(io::Error::other).and_then(|r| r);
    done.map_err(|e| ImagesError::Copy { what: file.display().to_string(), source: e.into() })
}

#[cfg(test)]
mod tests;
