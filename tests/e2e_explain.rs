//! `lab explain` on a real lab: a sound call is told hop by hop, and each of the usual causes is found where it is.

mod e2e;

use e2e::Own;

/// Breaks the mesh one way after the other; after each the explanation ends at what was broken, and `lab up` mends it.
#[test]
fn explains_a_sound_call_and_finds_what_is_broken() {
    let mut own = Own::up_as("two-network", "explain");
    let sound = own.explain("c1", "c2");
    let hops: Vec<&str> = sound["hops"].as_array().expect("hops").iter().filter_map(|h| h["name"].as_str()).collect();
    assert_eq!(
        hops,
        [
            "name",
            "caller",
            "control plane",
            "callee",
            "trust roots",
            "remote secret",
            "way",
            "reachable",
            "endpoint",
            "answer"
        ]
    );
    let istio =
        |own: &Own, cluster: &str, args: &[&str]| own.kubectl(cluster, &[&["-n", "istio-system"], args].concat());

    istio(&own, "c1", &["delete", "secret", "istio-remote-secret-c2"]);
    own.broken_at("c1", "c2", "remote secret", "istiod of c1 does not watch c2");
    own.mend();

    // The commonest mistake with kind: the address at which the host reaches the API server.
    let secret = istio(&own, "c1", &["get", "secret", "istio-remote-secret-c2", "-o", "jsonpath={.data.c2}"]);
    let decoded = own.node("c1", &["sh", "-c", &format!("echo {secret} | base64 -d")]);
    let wrong = e2e::text(&decoded.stdout).replace("https://explain-c2-control-plane:6443", "https://127.0.0.1:6443");
    let patch = serde_json::json!({ "stringData": { "c2": wrong } }).to_string();
    istio(&own, "c1", &["patch", "secret", "istio-remote-secret-c2", "-p", &patch]);
    own.broken_at("c1", "c2", "remote secret", "its remote secret is wrong");
    own.mend();

    own.kubectl("c1", &["-n", "sample", "delete", "service", "helloworld"]);
    own.broken_at("c1", "c2", "name", "helloworld.sample does not resolve in c1");
    own.mend();

    // Without a sidecar the callee is silently left out of every other network's endpoints.
    let inject = r#"{"spec":{"template":{"metadata":{"labels":{"sidecar.istio.io/inject":"false"}}}}}"#;
    own.kubectl("c2", &["-n", "sample", "patch", "deployment", "helloworld-v2", "-p", inject]);
    own.kubectl("c2", &["-n", "sample", "rollout", "status", "deployment/helloworld-v2", "--timeout=120s"]);
    own.broken_at("c1", "c2", "callee", "has no sidecar");
    // The label is not the lab's, so an apply leaves it where it is.
    let inject = r#"{"spec":{"template":{"metadata":{"labels":{"sidecar.istio.io/inject":null}}}}}"#;
    own.kubectl("c2", &["-n", "sample", "patch", "deployment", "helloworld-v2", "-p", inject]);
    own.kubectl("c2", &["-n", "sample", "rollout", "status", "deployment/helloworld-v2", "--timeout=120s"]);

    istio(&own, "c2", &["scale", "deployment", "istio-eastwestgateway", "--replicas=0"]);
    own.delete_pods("c2", "istio-system", "istio=eastwestgateway");
    own.broken_at("c1", "c2", "way", "the east-west gateway of c2 does not run");
    own.mend();

    istio(&own, "c2", &["label", "service", "istio-eastwestgateway", "topology.istio.io/network-"]);
    own.broken_at("c1", "c2", "way", "istiod does not know that c2 is on network network-c2");
    own.mend();

    istio(&own, "c2", &["delete", "gateways.networking.istio.io", "cross-network-gateway"]);
    own.broken_at("c1", "c2", "way", "has no listener");
    own.mend();

    // A gateway that is there, at an address that nothing leads to.
    let address = istio(
        &own,
        "c2",
        &[
            "get",
            "service",
            "istio-eastwestgateway",
            "-o",
            "jsonpath={.spec.clusterIP} {.status.loadBalancer.ingress[0].ip}",
        ],
    );
    let address = address.split_whitespace().last().expect("an address").to_owned();
    own.node("c2", &["iptables", "-w", "-t", "raw", "-I", "PREROUTING", "1", "-d", &address, "-j", "DROP"]);
    own.broken_at("c1", "c2", "reachable", "c1 cannot reach the east-west gateway of c2");
    own.node("c2", &["iptables", "-w", "-t", "raw", "-D", "PREROUTING", "-d", &address, "-j", "DROP"]);

    // Not broken at all, and yet only the local version answers.
    let rule = r#"{"apiVersion":"networking.istio.io/v1","kind":"DestinationRule","metadata":{"name":"near","namespace":"sample"},
        "spec":{"host":"helloworld.sample.svc.cluster.local","trafficPolicy":{
        "loadBalancer":{"localityLbSetting":{"enabled":true,"failoverPriority":["topology.istio.io/network"]}},
        "outlierDetection":{"consecutive5xxErrors":5}}}}"#;
    own.node(
        "c1",
        &["sh", "-c", &format!("echo '{rule}' | kubectl --kubeconfig /etc/kubernetes/admin.conf apply -f -")],
    );
    own.settles("c1", "c2", "endpoint");
    own.broken_at("c1", "c2", "endpoint", "prefer nearer endpoints");
    own.kubectl("c1", &["-n", "sample", "delete", "destinationrules.networking.istio.io", "near"]);
    own.mend();
}
