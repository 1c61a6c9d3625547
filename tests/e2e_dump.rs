//! `lab dump` on a real lab: all that a bug report needs is in the archive, and nothing in it opens a door.

mod e2e;

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::Command;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use e2e::{LAB, block_on, client, lab, lab_ok, mend, shared, text};
use k8s_openapi::api::core::v1::Secret;
use lab::sys::kube::Manifest;
use serde_json::{Value, json};

const NAME: &str = "two-network";

/// Secrets of the lab as they stand in its state and its clusters, each in pieces that no line break can hide. It shares no code with what masks.
fn secrets() -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let state = state_dir();
    let mut directories = vec![state.clone()];
    while let Some(directory) = directories.pop() {
        for entry in std::fs::read_dir(directory).expect("the state").map(|e| e.expect("an entry").path()) {
            if entry.is_dir() {
                directories.push(entry);
            } else if let Ok(text) = std::fs::read_to_string(&entry) {
                pieces(&text, &mut found);
            }
        }
    }
    let of_state = found.len();
    assert!(of_state >= 2 * 4, "too few in {}: {of_state}", state.display());
    for cluster in ["c1", "c2"] {
        let all: Vec<Secret> = block_on(async { client(NAME, cluster).await.everywhere().await.expect("Secrets") });
        for (key, value) in all.into_iter().filter_map(|s| s.data).flatten() {
            let text = String::from_utf8_lossy(&value.0).into_owned();
            pieces(&text, &mut found);
            if ["secretkey", "token-secret"].contains(&key.as_str()) {
                found.insert(text);
            }
        }
    }
    assert!(found.len() > of_state + 4, "too few in the clusters: {}", found.len() - of_state);
    found
}

fn state_dir() -> PathBuf {
    let base = std::env::var_os("XDG_STATE_HOME").map(PathBuf::from);
    let home = std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".local/state"));
    base.or(home).expect("a home").join("lab").join(NAME)
}

/// Lines of private keys, and tokens; of kubeconfigs too.
fn pieces(text: &str, found: &mut BTreeSet<String>) {
    let mut key = false;
    for line in text.lines().map(str::trim) {
        if line.starts_with("-----") {
            key = line.contains("BEGIN") && line.contains("PRIVATE KEY");
        } else if key && line.len() >= 30 {
            found.insert(line.to_owned());
        }
    }
    let words = text.split(|c: char| c.is_whitespace() || matches!(c, '"' | '\'' | ','));
    for word in words {
        if word.starts_with("eyJ") && word.matches('.').count() == 2 {
            found.insert(word.to_owned());
        }
        // A key in a kubeconfig.
        if let Ok(inner) = STANDARD_NO_PAD.decode(word.trim_end_matches('='))
            && let Ok(inner) = String::from_utf8(inner)
            && inner.contains("PRIVATE KEY")
        {
            found.insert(word.trim_end_matches('=').to_owned());
            pieces(&inner, found);
        }
    }
}

/// Where one of the secrets stands: in a text itself, or in what a part of it is in base64.
fn leaks(files: &BTreeMap<String, String>, secrets: &BTreeSet<String>) -> Vec<String> {
    let is_base64 = |c: char| c.is_ascii_alphanumeric() || matches!(c, '+' | '/');
    let mut leaks = Vec::new();
    for (path, content) in files {
        let encoded = content.split(|c| !is_base64(c)).filter(|word| word.len() >= 32);
        let decoded = encoded.filter_map(|word| {
            let whole = &word[..word.len() - usize::from(word.len() % 4 == 1)];
            Some(String::from_utf8_lossy(&STANDARD_NO_PAD.decode(whole).ok()?).into_owned())
        });
        let decoded: String = decoded.collect::<Vec<_>>().join("\n");
        for secret in secrets {
            if content.contains(secret.as_str()) || decoded.contains(secret.as_str()) {
                leaks.push(format!("{path}: {}…", &secret[..12]));
            }
        }
    }
    leaks
}

/// The files of an archive.
fn unpacked(archive: &Path) -> BTreeMap<String, String> {
    let file = std::fs::File::open(archive).expect("the archive");
    let mut archive = tar::Archive::new(flate2::read::GzDecoder::new(file));
    let mut files = BTreeMap::new();
    for entry in archive.entries().expect("entries") {
        let mut entry = entry.expect("an entry");
        let path = entry.path().expect("a path").display().to_string();
        let mut content = String::new();
        entry.read_to_string(&mut content).expect("UTF-8");
        files.insert(path, content);
    }
    files
}

/// Tokens and keys are put where a user's app might have them, and must not come out; then one is put into the archive, and must be found.
#[test]
fn mutate_nothing_in_an_archive_opens_a_door() {
    shared(NAME);
    let secrets = secrets();
    let (token, key) = (
        secrets.iter().find(|s| s.starts_with("eyJ")).expect("a token"),
        std::fs::read_to_string(state_dir().join("ca/c1/ca-key.pem")).expect("a key"),
    );
    let config = json!({ "apiVersion": "v1", "kind": "ConfigMap",
        "metadata": { "name": "careless", "namespace": "istio-system", "annotations": { "note": format!("use {token}") } },
        "data": { "key": key, "deep": STANDARD_NO_PAD.encode(format!("my {token}")), "harmless": "seen by all" } });
    let careless = Manifest::from_values([config]).expect("a manifest");
    block_on(async { assert!(client(NAME, "c1").await.apply(&careless).await.expect("applied")) });

    let dir = tempfile::tempdir().expect("a directory");
    let archive = dir.path().join("dump.tar.gz");
    let path = archive.display().to_string();
    let started = std::time::Instant::now();
    assert_eq!(lab_ok(&["dump", NAME, "-o", &path]).trim(), path);
    eprintln!("lab dump took {:.1} s", started.elapsed().as_secs_f64());
    block_on(async { client(NAME, "c1").await.delete(&careless.objects[0]).await.expect("deleted") });

    let mut files = unpacked(&archive);
    let bytes: usize = files.values().map(String::len).sum();
    eprintln!("{} files, {bytes} bytes, {} secrets looked for", files.len(), secrets.len());
    assert_eq!(leaks(&files, &secrets), Vec::<String>::new());
    let maps = &files[&format!("{NAME}/clusters/c1/objects/configmaps.json")];
    let maps: Value = serde_json::from_str(maps).expect("JSON");
    let items = maps["items"].as_array().expect("items");
    let careless = items.iter().find(|m| m["metadata"]["name"] == "careless").expect("the ConfigMap");
    assert_eq!(careless["metadata"]["annotations"]["note"], "use [masked]");
    assert_eq!(careless["data"]["harmless"], "seen by all");

    // The search itself can fail.
    files.insert("planted".to_owned(), format!("x{token}y"));
    assert_eq!(leaks(&files, &secrets).len(), 1);
    let line = key.lines().nth(1).expect("a line of the key");
    files.insert("planted".to_owned(), STANDARD_NO_PAD.encode(format!("ab {line} c")));
    assert_eq!(leaks(&files, &secrets).len(), 1);
}

#[test]
fn an_archive_has_all_that_a_bug_report_needs() {
    shared(NAME);
    let dir = tempfile::tempdir().expect("a directory");
    let archive = dir.path().join("dump.tar.gz");
    lab_ok(&["dump", NAME, "-o", &archive.display().to_string()]);
    let files = unpacked(&archive);
    let has = |wanted: &str| {
        let parts: Vec<&str> = wanted.split('*').collect();
        let found = files.iter().find(|(path, _)| {
            let path = path.strip_prefix(&format!("{NAME}/")).unwrap_or(path);
            path.starts_with(parts[0])
                && parts.last().is_some_and(|last| path.ends_with(last))
                && path.len() >= wanted.len() - 1
        });
        assert!(found.is_some_and(|(_, text)| text.len() > 2), "no {wanted} in {:#?}", files.keys());
        found.expect("just seen").1.clone()
    };
    for wanted in
        ["scenario.yaml", "plan.json", "about.json", "status.json", "state/verdict.json", "state/events.jsonl"]
    {
        has(wanted);
    }
    for cluster in ["c1", "c2"] {
        for kind in [
            "nodes",
            "pods",
            "services",
            "endpoints",
            "endpointslices.discovery.k8s.io",
            "deployments.apps",
            "events",
            "gateways.networking.istio.io",
            "ipaddresspools.metallb.io",
        ] {
            let list: Value =
                serde_json::from_str(&has(&format!("clusters/{cluster}/objects/{kind}.json"))).expect("JSON");
            assert!(list["items"].as_array().is_some_and(|items| !items.is_empty()), "no {kind} in {cluster}");
        }
        has(&format!("clusters/{cluster}/objects/envoyfilters.networking.istio.io.json"));
        for log in [
            "istio-system/istiod-*/discovery.log",
            "istio-system/istio-eastwestgateway-*/istio-proxy.log",
            "sample/sleep-*/istio-proxy.log",
            "sample/helloworld-*/istio-proxy.log",
            "metallb-system/speaker-*/speaker.log",
        ] {
            has(&format!("clusters/{cluster}/logs/{log}"));
        }
        for pod in ["istio-system/istio-eastwestgateway-", "sample/sleep-", "sample/helloworld-"] {
            assert!(has(&format!("clusters/{cluster}/debug/{pod}*/config_dump.json")).contains("ClustersConfigDump"));
        }
        has(&format!("clusters/{cluster}/debug/istio-system/istiod-*/syncz.json"));
    }
    assert_eq!(files.get(&format!("{NAME}/missing.txt")), None);
}

/// Where nobody can look afterwards, a red verdict leaves an archive.
#[test]
fn mutate_a_red_verdict_in_ci_leaves_an_archive() {
    shared(NAME);
    let dir = tempfile::tempdir().expect("a directory");
    let verify = |ci: &str| {
        let mut command = Command::new(LAB);
        let output = command.args(["verify", NAME, "--settle", "1"]).env("CI", ci).current_dir(dir.path()).output();
        let output = output.expect("lab starts");
        (output.status.code(), text(&output.stderr))
    };
    let archives = || std::fs::read_dir(dir.path()).expect("the directory").count();
    assert_eq!(verify("true").0, Some(0));
    assert_eq!(archives(), 0, "a green verdict leaves nothing");

    block_on(async { client(NAME, "c2").await.scale("sample", "helloworld-v2", 0).await.expect("scaled") });
    assert_eq!(verify("").0, Some(1));
    assert_eq!(archives(), 0, "only in CI");
    let (code, told) = verify("true");
    assert_eq!((code, archives()), (Some(1), 1), "{told}");
    let file =
        std::fs::read_dir(dir.path()).expect("the directory").next().expect("a file").expect("a file").file_name();
    let file = file.into_string().expect("UTF-8");
    assert!(told.contains(&format!("wrote {file}")), "{told}");
    assert!(
        unpacked(&dir.path().join(file))[&format!("{NAME}/state/verdict.json")]
            .contains("helloworld v2 is not available")
    );
    mend(NAME);
    lab(&["status", NAME]);
}
