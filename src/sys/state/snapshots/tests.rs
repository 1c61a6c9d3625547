use std::os::unix::fs::PermissionsExt as _;

use super::*;

fn snapshots() -> (TempDir, State, Snapshots) {
    let dir = tempfile::tempdir().expect("a directory");
    let state = State { root: dir.path().to_owned() };
    let snapshots = state.snapshots().expect("made");
    (dir, state, snapshots)
}

fn take(snapshots: &Snapshots, name: &str) -> Result<(), StateError> {
    let unkept = snapshots.begin()?;
    let mut part = unkept.part("node.gz")?;
    part.write_all(b"a key").expect("writes");
    let parts = vec![part.finish()];
    snapshots.keep(unkept, name, parts, format!("about {name}"))
}

#[test]
fn a_snapshot_is_private_and_no_lab_and_comes_back_whole() {
    let (dir, state, snapshots) = snapshots();
    take(&snapshots, "one").expect("kept");
    assert!(matches!(take(&snapshots, "one"), Err(StateError::SnapshotTaken { .. })));
    assert_eq!((snapshots.names().expect("lists"), state.names().expect("lists")), (vec!["one".to_owned()], vec![]));
    let one = snapshots.get::<String>("one").expect("there");
    one.check().expect("whole");
    assert_eq!((one.about.as_str(), one.bytes()), ("about one", 5));
    let mode = |path: &Path| fs::metadata(path).expect("there").permissions().mode() & 0o777;
    assert_eq!(mode(&one.part("node.gz").expect("there")), 0o600);
    assert_eq!((mode(&one.dir), mode(&dir.path().join(DIRECTORY))), (0o700, 0o700));
    assert!(
        matches!(snapshots.get::<String>("oen"), Err(StateError::NoSnapshot { nearest: Some(n), .. }) if n == "one")
    );
    snapshots.remove("one").expect("removed");
    assert!(snapshots.names().expect("lists").is_empty());
    drop(snapshots.begin().expect("begun"));
    assert_eq!(fs::read_dir(&snapshots.root).expect("lists").count(), 0, "what is not kept is gone");
}

#[test]
fn what_is_spoiled_is_refused_and_named() {
    let (_dir, _, snapshots) = snapshots();
    for file in ["node.gz", INDEX, INDEX_SUM] {
        take(&snapshots, "one").expect("kept");
        let path = snapshots.root.join("one").join(file);
        let mut bytes = fs::read(&path).expect("reads");
        bytes[2] ^= 1;
        fs::write(&path, bytes).expect("writes");
        let checked = snapshots.get::<String>("one").and_then(|one| one.check());
        let told = checked.expect_err("spoiled").to_string();
        assert!(told.starts_with("snapshot one is spoiled: ") && told.contains("another checksum"), "{told}");
        snapshots.remove("one").expect("removed");
    }
    take(&snapshots, "one").expect("kept");
    fs::remove_file(snapshots.root.join("one/node.gz")).expect("removed");
    assert!(matches!(snapshots.get::<String>("one").and_then(|one| one.check()), Err(StateError::Spoiled { .. })));
}

#[test]
fn an_archive_gives_the_same_snapshot_or_none() {
    let (dir, _, snapshots) = snapshots();
    take(&snapshots, "one").expect("kept");
    let archive = dir.path().join("one.tar");
    let sum = snapshots.get::<String>("one").expect("there").pack(&archive).expect("packs");
    assert_eq!(fs::metadata(&archive).expect("there").permissions().mode() & 0o777, 0o600);
    let other = snapshots.unpack::<String>(&archive, Some(&"0".repeat(64)));
    assert!(matches!(other, Err(StateError::OtherArchive { found, .. }) if found == sum));
    let (unkept, read) = snapshots.unpack::<String>(&archive, Some(&sum)).expect("unpacks");
    assert_eq!(read.about, "about one");
    snapshots.adopt(unkept, "two").expect("kept");
    snapshots.get::<String>("two").expect("there").check().expect("whole");
    let mut bytes = fs::read(&archive).expect("reads");
    let at = bytes.windows(5).position(|w| w == b"a key").expect("there");
    bytes[at] = b'A';
    fs::write(&archive, &bytes).expect("writes");
    assert!(matches!(snapshots.unpack::<String>(&archive, Some(&sum)), Err(StateError::OtherArchive { .. })));
    assert!(matches!(snapshots.unpack::<String>(&archive, None), Err(StateError::Spoiled { .. })));
    fs::write(&archive, &bytes[..700]).expect("writes");
    assert!(matches!(snapshots.unpack::<String>(&archive, None), Err(StateError::Spoiled { .. })));
    // Nobody can remove by name what is not kept.
    fs::write(&archive, "no archive at all, but long enough to be looked at".repeat(20)).expect("writes");
    let told = snapshots.unpack::<String>(&archive, None).err().expect("refused");
    assert!(told.to_string().ends_with("it is no tar archive, or ends in the middle"), "{told}");
    let help = miette::Diagnostic::help(&told).map(|h| h.to_string()).unwrap_or_default();
    assert!(help.starts_with("nothing of it was kept"), "{help}");
    // Nor more bytes than it notes.
    snapshots.get::<String>("one").expect("there").pack(&archive).expect("packs");
    let mut more = tar::Builder::new(File::create(dir.path().join("more.tar")).expect("a file"));
    for entry in tar::Archive::new(File::open(&archive).expect("opens")).entries().expect("entries") {
        let mut entry = entry.expect("an entry");
        let path = entry.path().expect("a path").into_owned();
        let mut text = Vec::new();
        entry.read_to_end(&mut text).expect("reads");
        if path == Path::new("node.gz") {
            text.extend([0; 512]);
        }
        let mut header = tar::Header::new_gnu();
        header.set_size(text.len() as u64);
        header.set_mode(0o600);
        more.append_data(&mut header, path, &text[..]).expect("appends");
    }
    more.finish().expect("finishes");
    let told = snapshots.unpack::<String>(&dir.path().join("more.tar"), None).err().expect("refused").to_string();
    assert!(told.contains("node.gz has more than the ") && told.ends_with(" bytes that are noted"), "{told}");
    // Neither more files than it tells of, nor one of them twice.
    for (name, why) in [("more.gz", "it has more.gz, which is no part of it"), ("node.gz", "it has node.gz twice")] {
        snapshots.get::<String>("one").expect("there").pack(&archive).expect("packs");
        let mut more = tar::Builder::new(File::create(dir.path().join("more.tar")).expect("a file"));
        for entry in tar::Archive::new(File::open(&archive).expect("opens")).entries().expect("entries") {
            let entry = entry.expect("an entry");
            more.append(&entry.header().clone(), entry).expect("appends");
        }
        let mut header = tar::Header::new_gnu();
        header.set_size(0);
        header.set_mode(0o600);
        more.append_data(&mut header, name, io::empty()).expect("appends");
        more.finish().expect("finishes");
        let told = snapshots.unpack::<String>(&dir.path().join("more.tar"), None).err().expect("refused").to_string();
        assert!(told.ends_with(why), "{told}");
    }
    let mut evil = tar::Builder::new(File::create(&archive).expect("a file"));
    let mut header = tar::Header::new_gnu();
    header.set_size(0);
    header.as_mut_bytes()[..4].copy_from_slice(b"../x");
    header.set_cksum();
    evil.append(&header, io::empty()).expect("appends");
    evil.finish().expect("finishes");
    assert!(matches!(snapshots.unpack::<String>(&archive, None), Err(StateError::Spoiled { .. })));
    assert_eq!(snapshots.names().expect("lists"), ["one", "two"]);
}

#[test]
fn a_labs_state_comes_back_without_its_kubeconfigs() {
    let (dir, state, _) = snapshots();
    let (lab, other) = (state.lab("x").expect("made"), state.lab("y").expect("made"));
    for (name, text) in [("ca/root.key", "key"), ("made/x-c1", ""), ("kubeconfigs/c1.yaml", "old")] {
        lab.write(name, text).expect("writes");
    }
    other.write("ca/root.key", "of something else, and longer").expect("writes");
    let archive = dir.path().join("state.gz");
    lab.pack(create(&archive).expect("a file")).expect("packs");
    other.unpack(&archive).expect("unpacks");
    assert_eq!(other.files().expect("lists"), ["ca/root.key", "made/x-c1"]);
    let key = fs::metadata(other.path("ca/root.key")).expect("there").permissions().mode() & 0o777;
    assert_eq!((other.read("ca/root.key").expect("reads").as_deref(), key), (Some("key"), 0o600));
}

#[test]
fn what_a_killed_process_was_writing_is_removed_and_what_is_being_written_is_not() {
    let (_dir, state, snapshots) = snapshots();
    let old = |path: &Path| {
        let long_ago = std::time::SystemTime::now() - 2 * YOUNG;
        File::open(path).and_then(|dir| dir.set_modified(long_ago)).expect("made old");
    };
    let writing = snapshots.begin().expect("begins");
    old(writing.dir.path());
    let (killed, young) = (snapshots.root.join(".tmpkilled"), snapshots.root.join(".tmpyoung"));
    for path in [&killed, &young] {
        fs::create_dir(path).expect("a directory");
        fs::write(path.join("key"), "").expect("writes");
    }
    old(&killed);
    state.snapshots().expect("opens");
    assert!(writing.dir.path().exists() && young.exists());
    assert!(!killed.exists());
}
