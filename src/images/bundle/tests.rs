//! Archives that were tampered with.

use std::collections::BTreeMap;

use super::look::{self, Held};
use super::*;
use crate::images::{NODE_LABEL, SOURCE_LABEL};
use crate::sys::unfinished;

/// The files of a node image's archive, as engines before 25 save it.
fn node(contents: &Contents) -> Vec<u8> {
    let sum = |bytes: &[u8]| Hashing::new(bytes).finish().expect("reads");
    let (digest, name) = (&contents.digest, &contents.node_image);
    let config = format!(
        r#"{{"config":{{"Labels":{{"{NODE_LABEL}":"{digest}","{SOURCE_LABEL}":"packages"}}}},"rootfs":{{"diff_ids":["sha256:{}"]}}}}"#,
        sum(b"layer")
    );
    let path = format!("{}.json", sum(config.as_bytes()));
    let manifest = format!(r#"[{{"Config":"{path}","RepoTags":["{name}"],"Layers":["a/layer.tar"]}}]"#);
    tar_of(&[("a/layer.tar", b"layer"), (&path, config.as_bytes()), ("manifest.json", manifest.as_bytes())])
}

fn tar_of(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut out = tar::Builder::new(Vec::new());
    for (name, content) in files {
        append_file(&mut out, name, 0o644, content.len() as u64, *content).expect("appends");
    }
    out.into_inner().expect("finishes")
}

fn packages() -> Contents {
    Contents::of(Source::Packages, &Digests::of(&Stack::embedded().expect("stack.yaml is valid")))
}

/// The images that an archive of packages may hold.
fn held() -> BTreeMap<String, Held> {
    let stack = Stack::embedded().expect("stack.yaml is valid");
    images(&stack, &Digests::of(&stack), &packages())
}

/// An archive that `write` makes in `dir`, and its checksum.
fn written(dir: &Path, node: &[u8]) -> (fs::File, String) {
    let tool = dir.join("tool");
    fs::write(&tool, "#!/bin/sh\n").expect("writes");
    let prepared = Prepared {
        source: Source::Packages,
        mirror: None,
        node_image: "lab/node:x".into(),
        images: BTreeMap::new(),
        kind: tool.clone(),
        istioctl: tool,
        metallb_manifest: "kind: List\n".into(),
        istio_values: serde_json::Value::Null,
    };
    let file = dir.join("lab.tar");
    let mut node = node;
    let images = std::iter::once((NODE, &mut node as &mut dyn Read));
    let sum = write(&file, &packages(), (&prepared, Some("kind: Definitions\n"), None), images).expect("writes");
    (fs::open(&file).expect("opens"), sum)
}

#[test]
fn an_archive_comes_back_as_it_was() {
    let dir = unfinished::dir().expect("a directory");
    let node = node(&packages());
    let (file, sum) = written(dir.path(), &node);
    assert_eq!(head(&file).expect("reads"), packages());
    let out = dir.path().join("out");
    let (found, looked) = verify(&file, &out, &packages(), &held()).expect("reads");
    assert_eq!(found, sum);
    let all = [CONTENTS, GATEWAY_API, ISTIOCTL, KIND, MANIFEST, NODE].map(str::to_owned);
    assert_eq!(looked, Ok(all.into_iter().collect()));
    assert_eq!(fs::read(&out.join(MANIFEST)).expect("reads"), "kind: List\n");
    assert_eq!(fs::read(&out.join(GATEWAY_API)).expect("reads"), "kind: Definitions\n");
    assert!(Fingerprint::of_executable(&out.join(KIND)).is_some());
    let mut loaded = Vec::new();
    copy_member(&file, NODE, &mut loaded).expect("reads");
    assert_eq!(loaded, node);
}

/// What is wrong with an archive after a change of its members.
fn refusal(change: impl Fn(&mut Vec<(String, Vec<u8>)>)) -> String {
    let dir = unfinished::dir().expect("a directory");
    let (mut file, _) = written(dir.path(), &node(&packages()));
    file.rewind().expect("rewinds");
    let mut members: Vec<(String, Vec<u8>)> = Vec::new();
    for entry in tar::Archive::new(file).entries().expect("entries") {
        let mut entry = entry.expect("entry");
        let mut content = Vec::new();
        entry.read_to_end(&mut content).expect("reads");
        members.push((entry.path().expect("path").to_string_lossy().into_owned(), content));
    }
    change(&mut members);
    let changed: Vec<(&str, &[u8])> = members.iter().map(|(name, content)| (name.as_str(), &content[..])).collect();
    look::members(&tar_of(&changed)[..], &dir.path().join("out"), &packages(), &held()).expect_err("refused")
}

#[test]
fn a_crafted_archive_is_refused_before_anything_is_loaded() {
    let at = |members: &[(String, Vec<u8>)], name: &str| members.iter().position(|(n, _)| n == name).expect("there");
    let swapped = refusal(|members| {
        let i = at(members, ISTIOCTL);
        members[i].1 = b"#!/bin/sh\nrm -rf /\n".to_vec();
    });
    assert_eq!(swapped, "istioctl in it has another digest than SHA256SUMS says");
    // Digests that fit do not help where another image comes along.
    let tagged = refusal(|members| {
        let i = at(members, NODE);
        let text =
            String::from_utf8_lossy(&members[i].1).replace("\"RepoTags\":[\"lab/node:", "\"RepoTags\":[\"bad/node:");
        members[i].1 = text.into_bytes();
    });
    assert!(tagged.starts_with("node.tar: it names its image [\"bad/node:"), "{tagged}");
    assert!(refusal(|members| members.push(("x".to_owned(), Vec::new()))).contains("no part of it"));
    assert!(refusal(|members| members.push(members[0].clone())).contains("contents.json is in it twice"));
    assert!(refusal(|members| _ = members.remove(at(members, KIND))).contains("does not hold kind"));
    assert!(refusal(|members| _ = members.pop()).contains("does not hold SHA256SUMS"));
    let part = refusal(|members| members.insert(1, (KARMADACTL.to_owned(), b"#!/bin/sh\n".to_vec())));
    assert!(part.contains("does not hold karmada-agent.tar"), "{part}");
}

/// One change somewhere in an archive.
fn spoil(draw: &mut fastrand::Rng, bytes: &mut Vec<u8>) {
    let at = draw.usize(..bytes.len());
    let end = (at + draw.usize(1..600)).min(bytes.len());
    match draw.u8(..6) {
        0 => bytes[at] ^= 1 << draw.u8(..8),
        1 => bytes.truncate(at),
        2 => bytes[at..end].fill(draw.u8(..)),
        3 => drop(bytes.drain(at..end)),
        // Whole blocks, so that members are left out, come twice, or get the heads of others.
        4 => {
            let (from, to) = (at / 512 * 512, draw.usize(..bytes.len()) / 512 * 512);
            let block: Vec<u8> = bytes[from..(from + 512).min(bytes.len())].to_vec();
            bytes.splice(to..to, block);
        }
        // What tar says in numbers and names is text.
        _ => {
            let text: &[u8] =
                [&b"../../../x"[..], b"/etc/x", b"77777777777", b"99999999999", b"\xff\xff", b"5"][draw.usize(..6)];
            let end = (at + text.len()).min(bytes.len());
            bytes[at..end].copy_from_slice(&text[..end - at]);
        }
    }
}

/// Looks through spoiled archives until it is enough: each is refused in words, or holds what the sound one holds, and nothing is written anywhere else.
fn fuzz(seed: u64, enough: impl Fn(usize) -> bool) {
    let dir = unfinished::dir().expect("a directory");
    let (mut file, _) = written(dir.path(), &node(&packages()));
    let mut sound = Vec::new();
    file.rewind().expect("rewinds");
    file.read_to_end(&mut sound).expect("reads");
    let out = dir.path().join("a/b/out");
    let (contents, held, mut draw) = (packages(), held(), fastrand::Rng::with_seed(seed));
    let whole = look::members(&sound[..], &out, &contents, &held).expect("sound");
    let mut tried = 0;
    while !enough(tried) {
        let mut spoiled = sound.clone();
        for _ in 0..draw.usize(1..4) {
            if !spoiled.is_empty() {
                spoil(&mut draw, &mut spoiled);
            }
        }
        match look::members(&spoiled[..], &out, &contents, &held) {
            Ok(found) => assert_eq!(found, whole, "number {tried} of seed {seed}"),
            Err(reason) => {
                assert!(!reason.is_empty() && !reason.contains('\n'), "number {tried} of seed {seed}: {reason}");
            }
        }
        tried += 1;
    }
    let beside = fs::entries(dir.path()).expect("a directory");
    assert_eq!(beside.len(), 3, "only `a`, the archive and a tool: {beside:?}");
}

#[test]
fn a_spoiled_archive_is_refused() {
    fuzz(1, |tried| tried == 300);
}

/// A minute of it, by a seed that is told.
#[test]
fn spoiled_archives_are_refused_in_full() {
    let seed = fastrand::u64(..);
    eprintln!("seed {seed}");
    let start = std::time::Instant::now();
    fuzz(seed, |_| start.elapsed() > std::time::Duration::from_secs(55));
}

#[test]
fn a_checksum_lies_beside_its_archive() {
    let dir = unfinished::dir().expect("a directory");
    let file = dir.path().join("lab.tar");
    assert_eq!(checksum_beside(&file).expect("none"), None);
    let sum = "0".repeat(64);
    fs::write(&dir.path().join("lab.tar.sha256"), &format!("{sum}  lab.tar\n")).expect("writes");
    assert_eq!(checksum_beside(&file).expect("one"), Some(sum));
    fs::write(&dir.path().join("lab.tar.sha256"), "lab.tar\n").expect("writes");
    assert!(checksum_beside(&file).is_err());
}

#[test]
fn something_else_is_refused() {
    let dir = unfinished::dir().expect("a directory");
    let file = dir.path().join("zeros");
    fs::write(&file, &"\0".repeat(2048)).expect("writes");
    for (file, told) in [
        (file.as_path(), "it is no archive of `lab images export`"),
        (Path::new("/dev/zero"), "it is a device, not a file"),
        (dir.path(), "it is a directory, not a file"),
        (&dir.path().join("none"), "it is not there"),
    ] {
        let error = opened(file).expect_err("refused");
        assert!(error.is_wrong_file() && error.to_string().ends_with(told), "{error}");
    }
}
