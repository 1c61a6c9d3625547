//! Services of the user's own on a real lab: those that work are called so, and of those that do not the cause is named.

mod e2e;

use e2e::{assert_cause, in_short, lab, lab_ok, text};
use serde_json::Value;

const NAME: &str = "cases";

/// Brings one file after the other up as the same lab; takes it down at the end, also when the test fails.
struct Lab;

impl Drop for Lab {
    fn drop(&mut self) {
        lab(&["down", NAME]);
    }
}

/// Explains a call from c1 to c2. Gives the text and whether it is well.
fn explain(service: &str) -> (String, bool) {
    let output = lab(&["explain", NAME, "c1", "c2", "--service", service]);
    let said = text(&output.stdout);
    eprintln!("{said}");
    (said, output.status.code() == Some(0))
}

#[test]
fn what_answers_is_well_and_what_does_not_has_its_cause() {
    let _lab = Lab;
    let output = lab_ok(&["up", "tests/cases/well.yaml", "--output", "json"]);
    let verdict: Value = serde_json::from_str(&output).expect("a verdict");
    assert_eq!(verdict["passed"], true, "{}", in_short(&verdict));

    // A name that only c2 knows, a version that is none of helloworld's, and a port that is not the pod's.
    let (said, well) = explain("greeter.elsewhere:5000/hello");
    assert!(well && said.contains("x only-in-c2; answered by c2 "), "{said}");
    assert!(said.ends_with("c2 answers c1: nothing on the way is broken\n"), "{said}");
    let (said, well) = explain("web.shop:80/hello");
    assert!(well && said.contains(" x v1, ") && said.contains("answered by c1 "), "{said}");
    // The mesh is well, and the app has no such path.
    let (said, well) = explain("greeter.elsewhere:5000/nothing");
    assert!(!well && said.contains("calls from c1 reach the app, and it fails"), "{said}");

    lab_ok(&["up", "tests/cases/broken.yaml", "--no-verify"]);
    let verdict = e2e::verify_red(NAME);
    for words in [
        "a Sidecar hides hidden.shop from callers in c1",
        "own.shop is not exported to namespace sample",
        "headless.shop is headless in c1",
        "a DestinationRule has callers in c1 send in plain text to plain.shop",
        "the ports of ports.shop differ: c2 has no port 80, which c1 has",
        "no pod behind target.shop in c2 has a port named `http`",
        "a NetworkPolicy in c2 does not let calls from c1 in to shut.elsewhere",
        // Seen from both sides: c1 sends what c2 does not take, and c2 takes c1 for what it is not.
        "PeerAuthentication: c2 takes only plain text on port 5000 of helloworld.sample",
        "PeerAuthentication: the control plane of c2 takes helloworld.sample for plain text",
    ] {
        assert_cause(&verdict, words);
    }
    let web =
        verdict["sources"].as_array().expect("sources").iter().filter(|s| s["check"] == "rotation web.shop:80/hello");
    assert!(web.clone().count() == 2 && web.clone().all(|s| s["passed"] == true), "{}", in_short(&verdict));

    let (said, well) = explain("ports.shop:80/hello");
    assert!(!well && said.contains("cause:    the ports of ports.shop differ"), "{said}");
    let (said, well) = explain("hidden.shop:5000/hello");
    assert!(!well && said.contains("Sidecar sample/scope in c1"), "{said}");
    let (said, well) = explain("faulty.shop:5000/hello");
    assert!(!well && said.contains("status 503: fault filter abort"), "{said}");
    assert!(said.contains("VirtualService shop/faulty in c1"), "{said}");
    // Everything is answered, for Envoy tries again elsewhere; c2 takes none of it.
    let (said, well) = explain("helloworld.sample:5000/hello");
    assert!(!well && said.contains("PeerAuthentication sample/helloworld in c2"), "{said}");
}
