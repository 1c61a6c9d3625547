//! What the mesh does with traffic, on the real stack: failover between regions, names of other clusters, calls from outside, and policies.
//! Each test brings a scenario up, breaks one thing, and sees the verdict turn red with the cause named.

mod e2e;

use e2e::{Own, assert_named, assert_red, of_check, source};
use serde_json::Value;

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
    assert!(measure(c1, "until c3 answers instead of c2") < 10.0);
    assert!(measure(c1, "until c1 answers again") < 60.0);

    own.kubectl("c2", &["-n", "sample", "delete", "destinationrules.networking.istio.io", "helloworld"]);
    let verdict = own.red("c2 does not have what the scenario configures");
    assert!(verdict["findings"].to_string().contains("DestinationRule sample/helloworld"), "{verdict:#}");
    assert_eq!(source(&verdict, "c2")["passed"], false);
    assert_eq!(source(&verdict, "c3")["passed"], true, "each istiod reads its own cluster's rules");
    own.mend();
}

#[test]
fn zones_in_full() {
    let mut own = Own::up("zones");
    let labels = ["get", "nodes", "--no-headers", "-L", "topology.kubernetes.io/zone"];
    let nodes = own.kubectl("c1", &labels);
    let mut zones: Vec<&str> = nodes.lines().filter_map(|line| line.split_whitespace().last()).collect();
    zones.sort_unstable();
    assert_eq!(zones, ["a", "b", "c"], "{nodes}");
    // Whether the source that called from a place, by the check with these words in its name, is as expected.
    let from = |verdict: &Value, words: &str, cluster: &str, zone: Option<&str>| -> Value {
        let found =
            of_check(verdict, words).into_iter().find(|s| s["cluster"] == cluster && s["zone"].as_str() == zone);
        found.cloned().unwrap_or_else(|| panic!("nothing from {cluster} {zone:?}: {}", e2e::in_short(verdict)))
    };
    let failover = "failover helloworld";
    for (cluster, zone, version) in [("c1", Some("a"), "v1-a"), ("c1", Some("b"), "v1-b"), ("c2", None, "v2")] {
        let source = from(&own.verdict, failover, cluster, zone);
        assert_eq!(source["versions"][version], source["requests"], "all answers are of the caller's zone: {source:#}");
    }
    let a = from(&own.verdict, failover, "c1", Some("a"));
    let mut priorities: Vec<u64> =
        a["endpoints"].as_array().expect("endpoints").iter().filter_map(|e| e["priority"].as_u64()).collect();
    priorities.sort_unstable();
    assert_eq!(priorities, [0, 1, 1, 2], "two zones are a tie: {a:#}");
    assert!(measure(&a, "until c1/b, c1/c answers instead of c1/a") < 10.0);
    assert!(measure(&a, "until c2 answers instead of c1/b, c1/c") < 10.0);
    assert!(measure(&a, "until c1/a answers again") < 60.0);
    let shares = from(&own.verdict, "half of the calls", "c1", None);
    let counts = ["v1-a", "v1-b", "v2"].map(|v| shares["versions"][v].as_u64().expect("a count"));
    assert!(counts[0] > counts[1] && counts[1] > counts[2], "{counts:?}");

    // c1 knows no order any more, and calls from zone a have other shares.
    let rules = "destinationrules.networking.istio.io";
    own.kubectl("c1", &["-n", "sample", "delete", rules, "helloworld", "shares"]);
    let verdict = own.red("c1 does not have what the scenario configures");
    assert_named(&verdict, &["DestinationRule sample/helloworld", "DestinationRule sample/shares"]);
    for zone in ["a", "b"] {
        let source = from(&verdict, failover, "c1", Some(zone));
        assert_eq!(source["passed"], false, "{source:#}");
        assert!(source["unexpected"].to_string().contains("v1-c"), "{source:#}");
    }
    assert_eq!(from(&verdict, failover, "c2", None)["passed"], true, "each istiod reads its own cluster's rules");
    assert_red(&verdict, "half of the calls", &["c1"]);
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

/// Two routes are broken, each in another way, and each verdict names what istiod says of the route.
#[test]
fn gateway_api_in_full() {
    let mut own = Own::up("gateway-api");
    let routed = of_check(&own.verdict, "an HTTPRoute leads to both");
    assert!(["v1", "v2"].iter().all(|v| routed[0]["versions"][v].as_u64() > Some(0)), "{routed:#?}");
    for words in ["a header leads to a service of c2", "a ReferenceGrant lets"] {
        let source = of_check(&own.verdict, words)[0];
        assert_eq!(source["versions"]["v2"], source["requests"], "{source:#}");
    }

    let nowhere = r#"[{"op": "replace", "path": "/spec/rules/1/backendRefs/0/name", "value": "nowhere"}]"#;
    let route = "httproutes.gateway.networking.k8s.io";
    own.kubectl("c1", &["-n", "sample", "patch", route, "hello", "--type=json", "-p", nowhere]);
    own.kubectl("c1", &["-n", "sample", "delete", "referencegrants.gateway.networking.k8s.io", "from-entrance"]);
    let verdict = own.red("c1 does not have what the scenario configures");
    assert_named(
        &verdict,
        &["HTTPRoute sample/hello", "ReferenceGrant sample/from-entrance", "BackendNotFound", "RefNotPermitted"],
    );
    assert_red(&verdict, "an HTTPRoute leads to both", &["c1"]);
    assert_red(&verdict, "a ReferenceGrant lets", &["c1"]);
    assert_red(&verdict, "through ingress", &[]);
    assert_red(&verdict, "a header leads to a service of c2", &[]);
    own.mend();
}

/// The address that the load balancer has given to a Service of namespace `shop` in c1.
fn address(own: &Own, service: &str) -> String {
    let path = "jsonpath={.status.loadBalancer.ingress[0].ip}";
    own.kubectl("c1", &["-n", "shop", "get", "service", service, "-o", path]).trim().to_owned()
}

/// Another Service takes the only address that is left, and the one that is called has none.
#[test]
fn load_balancers_in_full() {
    let mut own = Own::up("load-balancers");
    assert_eq!(address(&own, "web"), "172.23.207.11", "the one that no gateway has");
    assert!(["172.23.207.40", "172.23.207.41"].contains(&address(&own, "staff").as_str()), "of the other pool");
    assert_eq!(of_check(&own.verdict, "load balancer").len(), 2, "{:#}", own.verdict);

    own.kubectl("c1", &["-n", "shop", "delete", "service", "web"]);
    own.kubectl("c1", &["-n", "shop", "create", "service", "loadbalancer", "thief", "--tcp=80:5000"]);
    let taken = "--for=jsonpath={.status.loadBalancer.ingress[0].ip}=172.23.207.11";
    own.kubectl("c1", &["-n", "shop", "wait", taken, "service/thief"]);
    own.kubectl("c1", &["-n", "shop", "create", "service", "loadbalancer", "web", "--tcp=80:5000"]);
    let verdict = own.red("no address is free for Service shop/web of c1");
    assert_named(&verdict, &["AllocationFailed", "no available IPs"]);
    assert_red(&verdict, "a load balancer leads to web", &["c1"]);
    assert_red(&verdict, "of another pool", &[]);
    // No Service gets an address that is kept for a gateway.
    assert_red(&verdict, "through ingress", &[]);
    own.kubectl("c1", &["-n", "shop", "delete", "service", "thief"]);
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

/// Everything is broken at once, each check by something else or in another cluster, so that one verdict shows all of it.
#[test]
fn access_rules_in_full() {
    let mut own = Own::up("access-rules");
    for words in ["another service account", "without a certificate", "another value of the header"] {
        let sources = of_check(&own.verdict, words);
        assert_eq!(sources.len(), 2, "from both clusters");
        for source in sources {
            assert_eq!(source["denials"]["status 403: RBAC: access denied"], source["requests"], "{source:#}");
        }
    }

    // Whoever calls meets the rules as it does.
    let explained = |caller: &str| e2e::lab(&["explain", "access-rules", "c1", "c2", "--caller", caller]);
    let (clerk, sleep) = (explained("sample/clerk"), explained("sample/sleep"));
    assert!(clerk.status.success() && e2e::text(&clerk.stdout).contains("pod sample/clerk-"), "{clerk:?}");
    let said = e2e::text(&sleep.stdout);
    assert!(!sleep.status.success() && said.contains("does not let service account sample/default of c1 in"), "{said}");

    // c1 lets nobody in, and c2 everybody.
    let policies = "authorizationpolicies.security.istio.io";
    let no_rules = r#"[{"op": "remove", "path": "/spec/rules"}]"#;
    own.kubectl("c1", &["-n", "sample", "patch", policies, "helloworld", "--type=json", "-p", no_rules]);
    own.kubectl("c2", &["-n", "sample", "delete", policies, "helloworld"]);
    let verdict = own.red("c1 does not have what the scenario configures");
    e2e::assert_cause(&verdict, "c2 does not have what the scenario configures");
    assert_named(&verdict, &["AuthorizationPolicy sample/helloworld"]);
    // It is found in the clusters as well, where the scenario itself were to blame.
    let clerk = "an AuthorizationPolicy in c1 does not let service account sample/clerk of c1 in to helloworld.sample";
    e2e::assert_cause(&verdict, clerk);
    assert_red(&verdict, "a service account of c1 may call", &["c1"]);
    assert_red(&verdict, "a namespace of c2 may call", &["c2"]);
    assert_red(&verdict, "another service account may not", &["c1", "c2"]);
    // It calls past the mesh, and so the pod of its own cluster alone.
    assert_red(&verdict, "a caller without a certificate may not", &["c2"]);
    assert_red(&verdict, "who may call one path", &["c1"]);
    assert_red(&verdict, "who may read", &["c1"]);
    assert_red(&verdict, "a header opens a path", &["c1", "c2"]);
    assert_red(&verdict, "another value of the header", &["c1", "c2"]);
    own.mend();
}

/// The door is gone, and the sidecar of c2 lets out what it does not know.
#[test]
fn egress_in_full() {
    let mut own = Own::up("egress");
    own.kubectl("c1", &["-n", "egress", "delete", "deployment", "egress"]);
    let mesh = own.kubectl("c2", &["-n", "istio-system", "get", "configmap", "istio", "-o", "jsonpath={.data.mesh}"]);
    let open = serde_json::json!({ "data": { "mesh": mesh.replace("REGISTRY_ONLY", "ALLOW_ANY") } });
    let patch = ["-n", "istio-system", "patch", "configmap", "istio", "--type=merge", "-p", &open.to_string()];
    own.kubectl("c2", &patch);
    let verdict = own.red("c1 does not have what the scenario configures");
    assert_named(&verdict, &["Deployment egress/egress", "outboundTrafficPolicy"]);
    e2e::assert_cause(&verdict, "istiod of c2 does not have the mesh configuration of the scenario");
    assert_red(&verdict, "pass the gateway of c1", &["c1", "c2"]);
    assert_red(&verdict, "no sidecar lets a call out", &["c2"]);
    own.mend();
}

#[test]
fn routes_in_full() {
    let mut own = Own::up("routes");
    for source in of_check(&own.verdict, "a copy of every call") {
        assert!(measure(source, "copies that audit.sample:5000 answered") >= 20.0, "{source:#}");
    }
    for source in of_check(&own.verdict, "is given up in time") {
        assert!(measure(source, "95th percentile") >= 500.0, "{source:#}");
    }

    requests_are_followed(&own);

    let virtual_service = "virtualservices.networking.istio.io";
    own.kubectl("c1", &["-n", "sample", "delete", virtual_service, "helloworld", "slow"]);
    let once = r#"[{"op": "replace", "path": "/spec/http/0/retries/attempts", "value": 0}]"#;
    own.kubectl("c2", &["-n", "sample", "patch", virtual_service, "unsteady", "--type=json", "-p", once]);
    let mesh = own.kubectl("c2", &["-n", "istio-system", "get", "configmap", "istio", "-o", "jsonpath={.data.mesh}"]);
    let shared = serde_json::json!({ "data": { "mesh": mesh.replace("clusterLocal: true", "clusterLocal: false") } });
    let patch = ["-n", "istio-system", "patch", "configmap", "istio", "--type=merge", "-p", &shared.to_string()];
    own.kubectl("c2", &patch);
    let verdict = own.red("istiod of c2 does not have the mesh configuration of the scenario");
    assert_named(&verdict, &["serviceSettings", "VirtualService sample/helloworld", "VirtualService sample/slow"]);
    e2e::assert_cause(&verdict, "c2 does not have what the scenario configures");
    assert_named(&verdict, &["VirtualService sample/unsteady"]);
    for words in ["a header leads to c1", "a header leads to c2", "a copy of every call", "is failed", "is delayed"] {
        assert_red(&verdict, words, &["c1"]);
    }
    assert_red(&verdict, "is given up in time", &["c1"]);
    assert_red(&verdict, "is tried again", &["c2"]);
    assert_red(&verdict, "a service stays in c1", &[]);
    assert_red(&verdict, "a service stays in c2", &["c2"]);
    own.mend();

    // That c2 does not answer is no riddle.
    let said = e2e::text(&e2e::lab(&["explain", &own.name, "c1", "c2", "--service", "own.sample:5000/hello"]).stdout);
    assert!(said.contains("own.sample is kept to its own cluster"), "{said}");
}

/// One request each, through every proxy that wrote of it.
fn requests_are_followed(own: &Own) {
    let follow = |service: &str, header: &str, code: i32| -> Value {
        let output = e2e::lab(&["trace", &own.name, "c1", service, "--header", header, "--output", "json"]);
        assert_eq!(output.status.code(), Some(code), "{}", e2e::text(&output.stderr));
        serde_json::from_slice(&output.stdout).expect("JSON")
    };
    let way = |trace: &Value| -> Vec<String> {
        let spans = trace["spans"].as_array().expect("spans").iter();
        spans.map(|s| format!("{} {}", s["role"].as_str().unwrap(), s["cluster"].as_str().unwrap())).collect()
    };
    let helloworld = "helloworld.sample:5000/hello";
    let far = follow(helloworld, "x-cluster:c2", 0);
    assert_eq!(way(&far), ["caller c1", "gateway c2", "callee c2"], "{far:#}");
    assert_eq!(far["spans"][0]["toWhom"], "the east-west gateway of c2", "{far:#}");
    assert_eq!(far["spans"][2]["identity"], "spiffe://cluster.local/ns/sample/sa/default", "{far:#}");
    assert_eq!(way(&follow(helloworld, "x-cluster:c1", 0)), ["caller c1", "callee c1"]);
    let copied = follow(helloworld, "x-copy:audit", 0);
    assert!(way(&copied).contains(&"callee c2".to_owned()), "the copy is seen too: {copied:#}");
    let failed = follow(helloworld, "x-fault:abort", 1);
    assert_eq!((way(&failed), &failed["status"]), (vec!["caller c1".to_owned()], &Value::from(418)), "{failed:#}");
    assert!(failed["spans"][0]["said"].to_string().contains("failed on purpose (FI)"), "{failed:#}");
    let late = follow("slow.sample:5000/hello", "x-a:b", 1);
    assert!(late["spans"][0]["said"].to_string().contains("did not answer in time (UT)"), "{late:#}");
}

#[test]
fn names_in_full() {
    let mut own = Own::up("names");
    for cluster in ["c1", "c2"] {
        let addresses = "jsonpath={.items[*].status.addresses[0].value}";
        let addresses = own.kubectl(cluster, &["-n", "sample", "get", "serviceentries", "-o", addresses]);
        let mut addresses: Vec<&str> = addresses.split(' ').filter(|a| a.starts_with("240.240.")).collect();
        addresses.sort_unstable();
        addresses.dedup();
        assert_eq!(addresses.len(), 3, "istiod of {cluster} gives each host an address of its own: {addresses:?}");
    }
    let plain = of_check(&own.verdict, "without DNS capture");
    assert!(plain[0]["denials"].to_string().contains("Could not resolve host"), "{plain:?}");
    let said = e2e::lab_ok(&["explain", &own.name, "c1", "c2", "--service", "alias.sample:5000/hello"]);
    assert!(said.contains("alias.sample is an alias; Service sample/helloworld of c1"), "{said}");

    let sample = |cluster: &str, arguments: &[&str]| own.kubectl(cluster, &[&["-n", "sample"], arguments].concat());
    sample("c1", &["delete", "serviceentry", "ledger"]);
    let another = r#"{"spec": {"workloadSelector": {"labels": {"app": "ledger"}}}}"#;
    sample("c1", &["patch", "serviceentry", "orders", "--type=merge", "-p", another]);
    sample("c2", &["patch", "serviceentry", "stock", "--type=merge", "-p", another]);
    let nobody = r#"{"spec": {"externalName": "nobody.sample.svc.cluster.local"}}"#;
    sample("c2", &["patch", "service", "alias", "--type=merge", "-p", nobody]);
    let port = r#"[{"op": "replace", "path": "/spec/ports/0/targetPort", "value": 5001}]"#;
    sample("c1", &["patch", "service", "web", "--type=json", "-p", port]);
    sample("c2", &["delete", "service", "shard"]);
    let captured = r#"{"spec": {"template": {"metadata": {"annotations": {"proxy.istio.io/config": "proxyMetadata: { ISTIO_META_DNS_CAPTURE: \"true\" }"}}}}}"#;
    sample("c1", &["patch", "deployment", "plain-dns", "--type=merge", "-p", captured]);
    sample("c1", &["rollout", "status", "deployment/plain-dns", "--timeout=120s"]);
    let verdict = own.red("c1 does not have what the scenario configures");
    assert_named(&verdict, &["ServiceEntry sample/orders", "ServiceEntry sample/ledger", "Service sample/web"]);
    e2e::assert_cause(&verdict, "c2 does not have what the scenario configures");
    assert_named(&verdict, &["ServiceEntry sample/stock", "Service sample/alias", "Service sample/shard"]);
    e2e::assert_cause(&verdict, "alias.sample is an alias of nobody.sample in c2, which has no such Service");
    assert_red(&verdict, "a host of HTTP", &["c1"]);
    assert_red(&verdict, "a host of TCP", &["c1"]);
    assert_red(&verdict, "another host of TCP", &["c2"]);
    assert_red(&verdict, "without DNS capture", &["c1"]);
    assert_red(&verdict, "an alias", &["c2"]);
    assert_red(&verdict, "a port that is not the pods'", &["c1", "c2"]);
    assert_red(&verdict, "a pod of a StatefulSet of c1", &[]);
    assert_red(&verdict, "a pod of a StatefulSet of c2", &["c1", "c2"]);
    own.mend();
}
