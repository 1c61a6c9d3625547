//! `lab explain` on a real lab: a sound call is told hop by hop, and each of the usual causes is found where it is.

mod e2e;

use base64::Engine as _;
use e2e::Own;

/// Breaks the mesh one way after the other; after each the explanation ends at what was broken, and `lab up` mends it.
#[test]
fn explains_a_sound_call_and_finds_what_is_broken() {
    let mut own = Own::up_as("two-network", "explain");
    let sound = own.explain("c1", "c2");
    own.broken_at("c1", "c2:5001", "name", "helloworld.sample has no port 5001 in c1");
    let hops: Vec<&str> = sound["hops"].as_array().expect("hops").iter().filter_map(|h| h["name"].as_str()).collect();
    assert_eq!(
        hops,
        [
            "name",
            "caller",
            "control plane",
            "configuration",
            "callee",
            "trust roots",
            "remote secret",
            "way",
            "reachable",
            "endpoint",
            "answer"
        ]
    );
    remote_secrets(&mut own);
    caller(&mut own);
    callee(&own);
    gateway(&mut own);
    preference(&mut own);
}

/// kubectl in Istio's namespace.
fn istio(own: &Own, cluster: &str, args: &[&str]) -> String {
    own.kubectl(cluster, &[&["-n", "istio-system"], args].concat())
}

fn remote_secrets(own: &mut Own) {
    istio(own, "c1", &["delete", "secret", "istio-remote-secret-c2"]);
    own.broken_at("c1", "c2", "remote secret", "istiod of c1 does not watch c2");
    own.mend();

    // The commonest mistake with kind: the address at which the host reaches the API server.
    let secret = istio(own, "c1", &["get", "secret", "istio-remote-secret-c2", "-o", "jsonpath={.data.c2}"]);
    let decoded = own.node("c1", &["sh", "-c", &format!("echo {secret} | base64 -d")]);
    let wrong = e2e::text(&decoded.stdout).replace("https://explain-c2-control-plane:6443", "https://127.0.0.1:6443");
    let patch = serde_json::json!({ "stringData": { "c2": wrong } }).to_string();
    istio(own, "c1", &["patch", "secret", "istio-remote-secret-c2", "-p", &patch]);
    own.broken_at("c1", "c2", "remote secret", "its remote secret is wrong");
    own.mend();

    // Another CA than the one of c2's API server: what istiod says of it is only "certificate signed by unknown authority".
    let own_ca = istio(own, "c1", &["get", "configmap", "kube-root-ca.crt", "-o", "jsonpath={.data.ca\\.crt}"]);
    let mut kubeconfig: serde_json::Value =
        serde_yaml::from_str(&e2e::text(&decoded.stdout)).expect("the kubeconfig of a remote secret");
    kubeconfig["clusters"][0]["cluster"]["certificate-authority-data"] =
        base64::engine::general_purpose::STANDARD.encode(own_ca).into();
    let patch = serde_json::json!({ "stringData": { "c2": kubeconfig.to_string() } }).to_string();
    istio(own, "c1", &["patch", "secret", "istio-remote-secret-c2", "-p", &patch]);
    own.broken_at("c1", "c2", "remote secret", "its remote secret is wrong");
    own.mend();

    // All is there, and the account behind the token may read nothing.
    own.kubectl("c2", &["delete", "clusterrolebinding", "istio-reader-clusterrole-istio-system"]);
    istio(own, "c1", &["rollout", "restart", "deployment/istiod"]);
    istio(own, "c1", &["rollout", "status", "deployment/istiod", "--timeout=180s"]);
    own.settles("c1", "c2", "remote secret");
    own.broken_at("c1", "c2", "remote secret", "istiod of c1 has not synchronised with c2");
    own.mend();
}

fn caller(own: &mut Own) {
    // A filter that no Envoy takes: the proxy keeps what it had, and calls go on as if nothing had been changed.
    let filter = r#"{"apiVersion":"networking.istio.io/v1alpha3","kind":"EnvoyFilter","metadata":{"name":"wrong","namespace":"sample"},
        "spec":{"workloadSelector":{"labels":{"app":"sleep"}},"configPatches":[{"applyTo":"HTTP_FILTER",
        "match":{"context":"SIDECAR_OUTBOUND","listener":{"filterChain":{"filter":{
            "name":"envoy.filters.network.http_connection_manager","subFilter":{"name":"envoy.filters.http.router"}}}}},
        "patch":{"operation":"INSERT_BEFORE","value":{"name":"wrong","typed_config":{
            "@type":"type.googleapis.com/envoy.extensions.filters.http.lua.v3.Lua","inlineCode":"this is no Lua"}}}}]}}"#;
    own.apply("c1", filter);
    own.settles("c1", "c2", "configuration");
    own.broken_at("c1", "c2", "configuration", "the sidecar in c1 rejects what istiod sends");
    own.kubectl("c1", &["-n", "sample", "delete", "envoyfilters.networking.istio.io", "wrong"]);
    own.settles("c1", "c2", "answer");

    own.kubectl("c1", &["-n", "sample", "delete", "service", "helloworld"]);
    own.broken_at("c1", "c2", "name", "helloworld.sample does not resolve in c1");
    own.mend();
}

fn callee(own: &Own) {
    // Without a sidecar the callee is silently left out of every other network's endpoints.
    let inject = r#"{"spec":{"template":{"metadata":{"labels":{"sidecar.istio.io/inject":"false"}}}}}"#;
    own.kubectl("c2", &["-n", "sample", "patch", "deployment", "helloworld-v2", "-p", inject]);
    own.kubectl("c2", &["-n", "sample", "rollout", "status", "deployment/helloworld-v2", "--timeout=120s"]);
    own.broken_at("c1", "c2", "callee", "has no sidecar");
    // The label is not the lab's, so an apply leaves it where it is.
    let inject = r#"{"spec":{"template":{"metadata":{"labels":{"sidecar.istio.io/inject":null}}}}}"#;
    own.kubectl("c2", &["-n", "sample", "patch", "deployment", "helloworld-v2", "-p", inject]);
    own.kubectl("c2", &["-n", "sample", "rollout", "status", "deployment/helloworld-v2", "--timeout=120s"]);
}

fn gateway(own: &mut Own) {
    istio(own, "c2", &["scale", "deployment", "istio-eastwestgateway", "--replicas=0"]);
    own.delete_pods("c2", "istio-system", "istio=eastwestgateway");
    own.broken_at("c1", "c2", "way", "the east-west gateway of c2 does not run");
    own.mend();

    // Without istiod's webhook a gateway's pod keeps the image that stands in its place.
    own.kubectl("c2", &["delete", "mutatingwebhookconfigurations", "--all"]);
    own.delete_pods("c2", "istio-system", "istio=eastwestgateway");
    let placeholder = "--for=jsonpath={.status.containerStatuses[0].image}=auto";
    istio(own, "c2", &["wait", "pod", "-l", "istio=eastwestgateway", placeholder, "--timeout=60s"]);
    own.broken_at("c1", "c2", "way", "istiod's webhook did not fill in its image");
    own.mend();

    istio(own, "c2", &["label", "service", "istio-eastwestgateway", "topology.istio.io/network-"]);
    own.broken_at("c1", "c2", "way", "istiod does not know that c2 is on network network-c2");
    own.mend();

    istio(own, "c2", &["delete", "gateways.networking.istio.io", "cross-network-gateway"]);
    own.broken_at("c1", "c2", "way", "has no listener");
    own.mend();

    // A gateway that is there, at an address that nothing leads to.
    let address = istio(
        own,
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
}

fn preference(own: &mut Own) {
    // Not broken at all, and yet only the local version answers.
    let rule = r#"{"apiVersion":"networking.istio.io/v1","kind":"DestinationRule","metadata":{"name":"near","namespace":"sample"},
        "spec":{"host":"helloworld.sample.svc.cluster.local","trafficPolicy":{
        "loadBalancer":{"localityLbSetting":{"enabled":true,"failoverPriority":["topology.istio.io/network"]}},
        "outlierDetection":{"consecutive5xxErrors":5}}}}"#;
    own.apply("c1", rule);
    own.settles("c1", "c2", "endpoint");
    own.broken_at("c1", "c2", "endpoint", "prefer nearer endpoints");
    own.kubectl("c1", &["-n", "sample", "delete", "destinationrules.networking.istio.io", "near"]);
    own.mend();
}
