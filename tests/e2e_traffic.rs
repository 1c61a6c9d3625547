//! What the mesh does with traffic, on the real stack: failover between regions, names of other clusters, calls from outside, and policies.
//! Each test brings a scenario up, breaks one thing, and sees the verdict turn red with the cause named.

mod e2e;

use e2e::{Own, source};
use serde_json::Value;

/// The entries of the verdict whose check has this in its name.
fn of_check<'a>(verdict: &'a Value, words: &str) -> Vec<&'a Value> {
    let sources = verdict["sources"].as_array().expect("sources");
    sources.iter().filter(|s| s["check"].as_str().is_some_and(|c| c.contains(words))).collect()
}

/// What was measured under this name.
fn measure(source: &Value, words: &str) -> f64 {
    let measures = source["measures"].as_array().expect("measures");
    let found = measures.iter().find(|m| m["what"].as_str().is_some_and(|w| w.contains(words)));
    found.and_then(|m| m["value"].as_f64()).unwrap_or_else(|| panic!("nothing measured as {words}: {source:#}"))
}

#[test]
fn locality_failover() {
    let mut own = Own::up("locality-failover");
    for (cluster, version) in [("c1", "v1"), ("c2", "v2"), ("c3", "v3")] {
        let source = source(&own.verdict, cluster);
        assert_eq!(source["versions"].as_object().expect("versions").len(), 1, "{source:#}");
        assert_eq!(source["versions"][version], source["requests"], "all answers are local");
        let mut priorities: Vec<u64> =
            source["endpoints"].as_array().expect("endpoints").iter().filter_map(|e| e["priority"].as_u64()).collect();
        priorities.sort_unstable();
        assert_eq!(priorities, [0, 1, 2], "{source:#}");
    }
    let c1 = source(&own.verdict, "c1");
    assert!(measure(c1, "until c2 answers") < 10.0);
    assert!(measure(c1, "until c1 answers again") < 60.0);

    own.kubectl("c2", &["-n", "sample", "delete", "destinationrules.networking.istio.io", "helloworld"]);
    let verdict = own.red("c2 does not have what the scenario configures");
    assert!(verdict["findings"].to_string().contains("DestinationRule sample/helloworld"), "{verdict:#}");
    assert_eq!(source(&verdict, "c2")["passed"], false);
    assert_eq!(source(&verdict, "c3")["passed"], true, "each istiod reads its own cluster's rules");
    own.mend();
}

#[test]
fn dns_capture() {
    let mut own = Own::up("dns-capture");
    let captured = of_check(&own.verdict, "a name of another cluster");
    assert_eq!(captured.len(), 2, "from both clusters");
    let plain = of_check(&own.verdict, "without DNS capture");
    assert!(plain[0]["denials"].to_string().contains("Could not resolve host"), "{plain:?}");
    let namespaces = own.kubectl("c1", &["get", "namespaces", "-o", "name"]);
    assert!(!namespaces.contains("namespace/elsewhere"), "c1 must not know the service: {namespaces}");

    own.kubectl("c2", &["-n", "elsewhere", "delete", "service", "greeter"]);
    own.red("c2 does not have what the scenario configures");
    own.mend();
}

#[test]
fn ingress() {
    let mut own = Own::up("ingress");
    let outside = of_check(&own.verdict, "through ingress");
    assert_eq!(outside.len(), 2);
    for source in outside {
        assert_eq!(source["caller"], "outside");
        assert!(["v1", "v2"].iter().all(|v| source["versions"][v].as_u64() > Some(0)), "{source:#}");
    }
    let service = own.kubectl("c2", &["-n", "istio-system", "get", "service", "istio-ingressgateway", "--no-headers"]);
    assert!(service.contains("172.23.239.25"), "the address that the scenario fixes: {service}");

    own.kubectl("c1", &["-n", "istio-system", "delete", "virtualservices.networking.istio.io", "helloworld-ingress"]);
    let verdict = own.red("the ingress gateway of c1 has no listener for what comes to it");
    assert!(of_check(&verdict, "through ingress").iter().any(|s| s["cluster"] == "c2" && s["passed"] == true));
    own.mend();
}

#[test]
fn traffic_policy() {
    let mut own = Own::up("traffic-policy");
    for source in of_check(&own.verdict, "four of five") {
        let counts = ["v1", "v2"].map(|v| source["versions"][v].as_u64().expect("a count"));
        assert!(counts[0] > 2 * counts[1], "{counts:?}");
    }
    let flaky = of_check(&own.verdict, "outlier detection")[0];
    assert!(flaky["endpoints"].as_array().expect("endpoints").iter().any(|e| e["ejected"] == true), "{flaky:#}");
    for source in of_check(&own.verdict, "plaintext") {
        assert_eq!(source["passed"], true);
        assert!(source["denials"].as_object().is_some_and(|d| !d.is_empty()), "{source:#}");
    }

    // Without the policy a caller without a sidecar gets its answer, and that is red.
    own.kubectl("c1", &["-n", "istio-system", "delete", "peerauthentications.security.istio.io", "default"]);
    let verdict = own.red("c1 does not have what the scenario configures");
    assert!(of_check(&verdict, "plaintext").iter().any(|s| s["cluster"] == "c1" && s["passed"] == false));
    own.mend();
}
