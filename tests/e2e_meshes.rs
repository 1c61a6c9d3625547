//! Several meshes in one lab.

mod e2e;

use base64::Engine as _;
use e2e::{Own, assert_named, assert_red, lab, text, verify_red};

/// What each mesh calls the other's helloworld.
const WEST: &str = "http://helloworld.west.example:5000/hello";
const EAST: &str = "http://helloworld.east.example:5000/hello";

/// Two meshes that trust each other's roots and domains, and know of each other by `ServiceEntry` alone.
#[test]
fn two_meshes_in_full() {
    let base64 = base64::engine::general_purpose::STANDARD;
    let mut own = Own::up("two-meshes");
    for cluster in ["c1", "c2"] {
        let secrets = own.kubectl(cluster, &["-n", "istio-system", "get", "secrets", "-o", "name"]);
        assert!(!secrets.contains("/istio-remote-secret-"), "no control plane knows the other's cluster: {secrets}");
        assert_eq!(own.endpoints(cluster).len(), 1, "a service is that of its own mesh");
    }
    let well = own.explain("c1", WEST);
    let hops: Vec<&str> = well["hops"].as_array().expect("hops").iter().filter_map(|h| h["name"].as_str()).collect();
    assert_eq!(hops, ["caller", "control plane", "configuration", "ServiceEntry", "endpoint", "answer"]);
    assert!(well["hops"][4]["found"].to_string().contains("172.22.143.30:15443 is healthy"), "{well:#}");
    let visitor = lab(&["explain", &own.name, "c1", WEST, "--caller", "sample/visitor"]);
    let said = text(&visitor.stdout);
    assert!(visitor.status.code() == Some(1) && said.contains("does not let the caller in"), "{said}");
    let between = lab(&["explain", &own.name, "c1", "c2"]);
    assert!(between.status.code() == Some(2) && text(&between.stderr).contains("are in different meshes"));

    let entry = ["-n", "sample", "patch", "serviceentry", "helloworld-of-west", "--type=merge", "-p"];
    own.kubectl("c1", &[&entry[..], &[r#"{"spec": {"exportTo": ["istio-system"]}}"#]].concat());
    own.settles("c1", WEST, "ServiceEntry");
    own.broken_at("c1", WEST, "ServiceEntry", "is not for callers in namespace sample");
    // What somebody has added is not lab's to take away.
    let entry = ["-n", "sample", "patch", "serviceentry", "helloworld-of-west", "--type=json", "-p"];
    own.kubectl("c1", &[&entry[..], &[r#"[{"op": "remove", "path": "/spec/exportTo"}]"#]].concat());
    own.settles("c1", WEST, "answer");
    own.kubectl("c1", &["-n", "sample", "delete", "destinationrule", "helloworld-of-west"]);
    own.red("c1 does not have what the scenario configures");
    own.broken_at("c1", WEST, "answer", "gateways of a mesh do so with what comes without TLS");
    own.mend();
    own.kubectl("c1", &["-n", "sample", "delete", "serviceentry", "helloworld-of-west"]);
    let verdict = own.red("c1 does not have what the scenario configures");
    assert_named(&verdict, &["ServiceEntry sample/helloworld-of-west"]);
    own.broken_at("c1", WEST, "ServiceEntry", "does not resolve in c1, and no ServiceEntry has it");
    own.mend();
    // The gateway passes a connection to what it asks for, and to nothing else.
    let elsewhere = "outbound_.5000_._.helloworld.elsewhere.svc.cluster.local";
    let patch = format!(r#"{{"spec": {{"trafficPolicy": {{"tls": {{"sni": "{elsewhere}"}}}}}}}}"#);
    own.kubectl(
        "c2",
        &["-n", "sample", "patch", "destinationrule", "helloworld-of-east", "--type=merge", "-p", &patch],
    );
    let verdict = own.red("c2 does not have what the scenario configures");
    assert_named(&verdict, &["DestinationRule sample/helloworld-of-east"]);
    assert_red(&verdict, "west calls east", &["c2"]);
    own.broken_at("c2", EAST, "answer", "nobody there answers to the name that is asked for");
    own.mend();
    // Without its alias the other domain's certificates are refused, whoever has signed them.
    let mesh = own.kubectl("c2", &["-n", "istio-system", "get", "configmap", "istio", "-o", "jsonpath={.data.mesh}"]);
    assert!(mesh.contains("trustDomainAliases:\n- east.local"), "{mesh}");
    let patch = serde_json::json!({ "data": { "mesh": mesh.replace("trustDomainAliases:\n- east.local", "") } });
    let patch = patch.to_string();
    own.kubectl("c2", &["-n", "istio-system", "patch", "configmap", "istio", "--type=merge", "-p", &patch]);
    own.restart("c2", "sample", "helloworld-v2");
    let verdict = own.red("istiod of c2 does not have the mesh configuration of the scenario");
    assert_named(&verdict, &["trustDomainAliases"]);
    assert_red(&verdict, "east calls west", &["c1"]);
    own.broken_at("c1", WEST, "answer", "one side refuses the other's certificate");
    own.mend();
    // c1 trusts its own root alone.
    let chain = ["-n", "istio-system", "get", "secret", "cacerts", "-o", r"jsonpath={.data.cert-chain\.pem}"];
    let chain = base64.decode(own.kubectl("c1", &chain).trim()).expect("base64");
    let root = text(&chain).split_inclusive("-----END CERTIFICATE-----\n").last().expect("a root").to_owned();
    let patch = serde_json::json!({ "data": { "root-cert.pem": base64.encode(&root) } }).to_string();
    own.kubectl("c1", &["-n", "istio-system", "patch", "secret", "cacerts", "--type=merge", "-p", &patch]);
    let restart = |own: &Own| {
        for (namespace, deployment) in [("istio-system", "istiod"), ("sample", "sleep"), ("sample", "helloworld-v1")] {
            own.restart("c1", namespace, deployment);
        }
    };
    restart(&own);
    // istiod gives out its root as a ConfigMap once it leads, up to half a minute later: until then the calls themselves tell.
    let verdict = verify_red(&own.name);
    let causes: Vec<&str> =
        verdict["findings"].as_array().expect("findings").iter().filter_map(|f| f["cause"].as_str()).collect();
    let tells = |cause: &&str| cause.contains("certificate");
    assert!(causes.iter().any(tells), "no cause speaks of certificates: {causes:?}");
    let given_out =
        ["-n", "sample", "get", "configmap", "istio-ca-root-cert", "-o", r"jsonpath={.data.root-cert\.pem}"];
    for _ in 0..120 {
        if own.kubectl("c1", &given_out).trim() == root.trim() {
            break;
        }
        std::thread::sleep(std::time::Duration::from_millis(500));
    }
    let verdict = own.red("c1 and c2 trust different root certificates");
    assert_red(&verdict, "east calls west", &["c1"]);
    assert_red(&verdict, "west calls east", &["c2"]);
    own.broken_at("c1", WEST, "answer", "certificate");
    // As its remedy says: `lab up` puts the certificates back, and what has read the others must start anew.
    lab(&["up", &own.name, "--no-verify"]);
    restart(&own);
    own.mend();
}
