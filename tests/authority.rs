//! `mesh.ca`: a certificate authority of the user's own. What Istio could not use is refused before anything is made.

use std::fs;
use std::path::Path;

use lab::plan::{Lab, resolve, scenario_yaml};
use lab::scenario::{Authority, Files, ManifestFile, Unusable, named, parse_at, render};
use time::OffsetDateTime;
use time::macros::datetime;

/// When the certificates of these tests are valid.
const NOW: OffsetDateTime = datetime!(2030-01-01 00:00 UTC);

fn fixture(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/authority").join(name);
    fs::read_to_string(path).unwrap_or_else(|e| panic!("{name}: {e}"))
}

/// A scenario of two clusters with this below `mesh.ca`.
fn scenario(ca: &str) -> String {
    format!("name: demo\nmesh:\n  ca: {ca}\nclusters: [c1, c2]\n")
}

/// The files that a scenario names: those of the tests, and made-up ones.
fn files(text: &str) -> Files {
    let made_up = |path: &str| match path {
        "cut.pem" => Some("-----BEGIN CERTIFICATE-----\nMIIB\n".to_owned()),
        "garbage.pem" => Some("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n".to_owned()),
        "empty.pem" => Some(String::new()),
        "two.pem" => Some(fixture("rsa-root.pem") + &fixture("ec-root.pem")),
        _ => None,
    };
    let found = |path: &str| {
        if path == "missing.pem" {
            return Err(Unusable { reason: "there is no missing.pem".to_owned(), remedy: String::new() });
        }
        let text = made_up(path).unwrap_or_else(|| fixture(path));
        Ok(vec![ManifestFile { name: format!("ca/{path}"), text }])
    };
    named(text).paths.into_iter().map(|path| (path.clone(), found(&path))).collect()
}

fn lab(ca: &str) -> Lab {
    let text = scenario(ca);
    let scenario = parse_at(&text, "lab.yaml", &files(&text), Some(NOW));
    resolve(&scenario.unwrap_or_else(|e| panic!("{}", render(&e)))).expect("room")
}

fn authority(ca: &str) -> Authority {
    lab(ca).mesh.ca.expect("an authority")
}

/// Why `mesh.ca` is refused, as a user sees it.
fn refusal(ca: &str, now: OffsetDateTime) -> String {
    let text = scenario(ca);
    match parse_at(&text, "lab.yaml", &files(&text), Some(now)) {
        Ok(_) => panic!("{ca} is taken"),
        Err(errors) => format!("{ca}\n{}", render(&errors)),
    }
}

#[test]
fn keys_of_every_usual_form_are_taken_and_are_one_form_afterwards() {
    for (cert, key) in [
        ("rsa-root.pem", "rsa-root-key.pem"),
        ("rsa-root.pem", "rsa-root-key-pkcs8.pem"),
        ("ec-root.pem", "ec-root-key.pem"),
        ("p384-root.pem", "p384-root-key.pem"),
    ] {
        let own = authority(&format!("{{ files: {{ rootCert: {cert}, rootKey: {key} }} }}"));
        let pem = own.root_key.expect("a key").pem.0;
        assert!(pem.starts_with("-----BEGIN PRIVATE KEY-----\n"), "{key}");
        rcgen::KeyPair::from_pem(&pem).unwrap_or_else(|e| panic!("{key}: {e}"));
    }
}

#[test]
fn intermediates_are_taken_with_their_chain_up_to_the_root() {
    let own = authority(
        "{ files: { rootCert: rsa-root.pem }, intermediates: { c1: { caCert: c1.pem, caKey: c1-key.pem }, \
         c2: { caCert: c2.pem, caKey: c2-key.pem, certChain: c2-chain.pem } } }",
    );
    let certificates = |pem: &str| pem.matches("BEGIN CERTIFICATE").count();
    let c1 = &own.intermediates["c1"];
    assert_eq!(c1.chain.0, format!("{}{}", c1.ca_cert.pem.0, own.root_cert.pem.0));
    let c2 = &own.intermediates["c2"];
    assert_eq!(certificates(&c2.chain.0), 3);
    assert!(c2.chain.0.starts_with(&c2.ca_cert.pem.0) && c2.chain.0.ends_with(&own.root_cert.pem.0));
    // A chain without the ends is the same.
    let middle = authority(
        "{ files: { rootCert: rsa-root.pem, rootKey: rsa-root-key.pem }, \
         intermediates: { c2: { caCert: c2.pem, caKey: c2-key.pem, certChain: middle.pem } } }",
    );
    assert_eq!(middle.intermediates["c2"].chain, c2.chain);
}

#[test]
fn the_stored_lab_has_fingerprints_and_no_key() {
    let lab = lab("{ files: { rootCert: ec-root.pem, rootKey: ec-root-key.pem } }");
    let stored = serde_json::to_string(&lab).expect("JSON");
    assert!(!stored.contains("BEGIN"), "{stored}");
    assert!(!format!("{lab:?}").contains("BEGIN"));
    let ca = lab.mesh.ca.as_ref().expect("an authority");
    assert_eq!(ca.root_cert.fingerprint.as_deref().map(str::len), Some(64));
    let read: Lab = serde_json::from_str(&stored).expect("a lab");
    let again = read.mesh.ca.expect("an authority");
    assert!(!again.is_read() && ca.is_read());
    assert_eq!(Authority::change(Some(&again), Some(ca), ["c1", "c2"].into_iter()), None);
}

#[test]
fn a_lab_with_an_authority_is_written_and_read_back() {
    let first = lab("{ files: { rootCert: rsa-root.pem, rootKey: rsa-root-key.pem }, \
                     intermediates: { c2: { caCert: c2.pem, caKey: c2-key.pem, certChain: c2-chain.pem } } }");
    let written = scenario_yaml(&first);
    let second = parse_at(&written, "lab.yaml", &files(&written), None).unwrap_or_else(|e| panic!("{}", render(&e)));
    assert_eq!(resolve(&second).expect("room"), first);
    assert!(!written.contains("BEGIN"));
}

#[test]
fn another_root_or_intermediate_is_a_change_and_another_path_is_none() {
    let rsa = authority("{ files: { rootCert: rsa-root.pem, rootKey: rsa-root-key.pem } }");
    let same = authority("{ files: { rootCert: rsa-root.pem, rootKey: rsa-root-key-pkcs8.pem } }");
    let ec = authority("{ files: { rootCert: ec-root.pem, rootKey: ec-root-key.pem } }");
    let own = authority(
        "{ files: { rootCert: rsa-root.pem, rootKey: rsa-root-key.pem }, intermediates: { c1: { caCert: c1.pem, caKey: c1-key.pem } } }",
    );
    let change = |before: Option<&Authority>, after: Option<&Authority>| {
        Authority::change(before, after, ["c1", "c2"].into_iter()).unwrap_or_default()
    };
    assert_eq!(change(Some(&rsa), Some(&same)), "");
    assert_eq!(change(None, None), "");
    for (before, after) in [(Some(&rsa), Some(&ec)), (None, Some(&rsa)), (Some(&rsa), None)] {
        assert_eq!(change(before, after), "the root certificate of its mesh would change");
    }
    assert_eq!(change(Some(&rsa), Some(&own)), "the intermediate certificate of its cluster c1 would change");
}

#[test]
fn refuses_an_authority_that_no_mesh_could_trust() {
    let root = |cert: &str, key: &str| format!("{{ files: {{ rootCert: {cert}, rootKey: {key} }} }}");
    let own = |more: &str| {
        format!("{{ files: {{ rootCert: rsa-root.pem, rootKey: rsa-root-key.pem }}, intermediates: {{ {more} }} }}")
    };
    let ends = datetime!(2200-01-01 00:00 UTC);
    let cases = [
        ("[root.pem]".to_owned(), NOW),
        ("{ files: { rootKey: rsa-root-key.pem } }".to_owned(), NOW),
        ("{ files: { rootCert: rsa-root.pem } }".to_owned(), NOW),
        (root("missing.pem", "rsa-root-key.pem"), NOW),
        (root("cut.pem", "rsa-root-key.pem"), NOW),
        (root("garbage.pem", "rsa-root-key.pem"), NOW),
        (root("empty.pem", "empty.pem"), NOW),
        (root("two.pem", "rsa-root-key.pem"), NOW),
        (root("rsa-root.pem", "rsa-root-key.pem"), ends),
        (root("rsa-root.pem", "rsa-root-key.pem"), datetime!(2020-01-01 00:00 UTC)),
        (root("not-ca.pem", "ec-root-key.pem"), NOW),
        (root("no-sign.pem", "ec-root-key.pem"), NOW),
        (root("middle.pem", "rsa-root-key.pem"), NOW),
        (root("pathlen0-root.pem", "ec-root-key.pem"), NOW),
        (root("ec-root.pem", "rsa-root-key.pem"), NOW),
        (root("rsa-root.pem", "rsa-root-key-encrypted.pem"), NOW),
        (root("ec-root.pem", "p521-key.pem"), NOW),
        (root("p521-root.pem", "p521-key.pem"), NOW),
        (own("c1: { caCert: c1.pem }"), NOW),
        (own("c3: { caCert: c1.pem, caKey: c1-key.pem }"), NOW),
        (own("c1: { caCert: c1.pem, caKey: c2-key.pem }"), NOW),
        (own("c2: { caCert: c2.pem, caKey: c2-key.pem }"), NOW),
        (own("c1: { caCert: rsa-root.pem, caKey: rsa-root-key.pem }"), NOW),
        (own("c1: { caCert: not-ca.pem, caKey: ec-root-key.pem }"), NOW),
    ];
    let all: Vec<String> = cases.iter().map(|(ca, now)| refusal(ca, *now)).collect();
    insta::assert_snapshot!(all.join("\n"));
}

#[test]
fn what_expires_within_a_day_is_known() {
    let authority = authority(
        "{ files: { rootCert: rsa-root.pem, rootKey: rsa-root-key.pem }, intermediates: { c1: { caCert: c1.pem, caKey: c1-key.pem } } }",
    );
    assert!(authority.expiring(NOW).is_empty());
    let (_, end) = authority.expiring(datetime!(2190-01-01 00:00 UTC))[0];
    let soon = |before| authority.expiring(end - before).iter().filter(|(path, _)| *path == "rsa-root.pem").count();
    assert_eq!((soon(time::Duration::hours(25)), soon(time::Duration::minutes(30))), (0, 1));
}

#[test]
fn a_cluster_without_a_control_plane_signs_nothing() {
    let text = "name: demo\nmesh:\n  topology: primary-remote\n  ca:\n    files: { rootCert: rsa-root.pem }\n    intermediates:\n      \
                c1: { caCert: c1.pem, caKey: c1-key.pem }\nclusters: [c1, c2]\n";
    parse_at(text, "lab.yaml", &files(text), Some(NOW)).unwrap_or_else(|e| panic!("{}", render(&e)));
    let more =
        text.replace("clusters:", "      c2: { caCert: c2.pem, caKey: c2-key.pem, certChain: middle.pem }\nclusters:");
    let errors = parse_at(&more, "lab.yaml", &files(&more), Some(NOW)).expect_err("refused");
    assert!(render(&errors).contains("cluster `c2` signs nothing"), "{}", render(&errors));
}
