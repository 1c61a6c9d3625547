//! `lab status` on a real lab: it tells what is so, and what is not as expected.

mod e2e;

use std::time::Duration;

use e2e::{block_on, client, lab_ok, mend, shared};
use lab::sys::kube::Manifest;
use serde_json::{Value, json};

const NAME: &str = "two-network";

fn status() -> Value {
    serde_json::from_str(&lab_ok(&["status", NAME, "--output", "json"])).expect("JSON")
}

/// Looks until it is so, for half a minute.
fn until(what: &str, is_so: impl Fn(&Value) -> bool) -> Value {
    let mut last = Value::Null;
    for _ in 0..60 {
        last = status();
        if is_so(&last) {
            return last;
        }
        std::thread::sleep(Duration::from_millis(500));
    }
    panic!("not so: {what}\n{last:#}");
}

#[test]
fn a_sound_lab_is_told_in_full() {
    shared(NAME);
    let status = until("all proxies are in sync", |status| {
        let clusters = status["clusters"].as_array().expect("clusters");
        let proxies =
            |c: &Value| c["proxies"].as_array().is_some_and(|p| p.len() == 3 && p.iter().all(|p| p["synced"] == true));
        clusters.iter().all(proxies)
    });
    for (cluster, other) in [(0, "c2"), (1, "c1")] {
        let cluster = &status["clusters"][cluster];
        assert_eq!(cluster["apiServer"], "ready", "{cluster:#}");
        assert_eq!(cluster["nodes"][0]["ready"], true, "{cluster:#}");
        assert_eq!(cluster["istiod"], json!({ "ready": 1, "wanted": 1 }), "{cluster:#}");
        assert_eq!(cluster["remoteClusters"], json!([{ "name": other, "sync": "synced" }]), "{cluster:#}");
        let gateway = &cluster["gateways"][0];
        assert_eq!(gateway["addresses"], json!([gateway["planned"]]), "{cluster:#}");
        // Other tests may have apps of their own there.
        let apps = cluster["apps"].as_array().expect("apps").iter().filter(|a| a["namespace"] == "sample");
        assert_eq!(apps.count(), 2, "{cluster:#}");
        assert_eq!(cluster["unanswered"], json!([]), "{cluster:#}");
    }
    assert_eq!(status["lastVerdict"]["passed"], true);
}

/// An Envoy that refuses its configuration keeps the one before and goes on serving, so nothing else tells.
#[test]
fn mutate_a_refused_update_and_a_missing_remote_secret_are_told() {
    shared(NAME);
    let filter = json!({ "apiVersion": "networking.istio.io/v1alpha3", "kind": "EnvoyFilter",
        "metadata": { "name": "refused", "namespace": "sample" },
        "spec": { "workloadSelector": { "labels": { "app": "sleep" } }, "configPatches": [{ "applyTo": "HTTP_FILTER",
            "match": { "context": "SIDECAR_OUTBOUND", "listener": { "filterChain": { "filter": {
                "name": "envoy.filters.network.http_connection_manager" } } } },
            "patch": { "operation": "INSERT_BEFORE", "value": { "name": "envoy.filters.http.lua", "typed_config": {
                "@type": "type.googleapis.com/envoy.extensions.filters.http.lua.v3.Lua", "inlineCode": "no lua (" } } } }] } });
    let secret = json!({ "apiVersion": "v1", "kind": "Secret",
        "metadata": { "name": "istio-remote-secret-c2", "namespace": "istio-system" } });
    let broken = Manifest::from_values([filter, secret]).expect("a manifest");
    let object =
        |kind: &str| broken.objects.iter().find(|o| o.types.as_ref().is_some_and(|t| t.kind == kind)).expect("it");
    let (filter, secret) = (object("EnvoyFilter"), object("Secret"));

    let only = Manifest { objects: vec![filter.clone()] };
    block_on(async { assert!(client(NAME, "c1").await.apply(&only).await.expect("applied")) });
    let refused = until("an update is refused", |s| {
        let proxies = s["clusters"][0]["proxies"].as_array().expect("proxies");
        proxies.iter().any(|p| p["rejected"]["Listener"].as_str().is_some_and(|e| e.contains("script load error")))
    });
    assert!(lab_ok(&["status", NAME]).contains("REJECTED  c1: sleep-"), "{refused:#}");
    block_on(async { client(NAME, "c1").await.delete(filter).await.expect("deleted") });
    until("nothing is refused", |s| {
        s["clusters"][0]["proxies"].as_array().is_some_and(|p| p.iter().all(|p| p["rejected"] == json!({})))
    });

    block_on(async { client(NAME, "c1").await.delete(secret).await.expect("deleted") });
    until("c2 is not watched", |s| {
        s["clusters"][0]["remoteClusters"] == json!([{ "name": "c2", "sync": "not watched" }])
    });
    mend(NAME);
    until("c2 is watched again", |s| s["clusters"][0]["remoteClusters"] == json!([{ "name": "c2", "sync": "synced" }]));
}
