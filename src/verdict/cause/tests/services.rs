//! Services that lead nowhere, and how objects are named.

use serde_json::json;

use super::*;

#[test]
fn a_service_that_selects_no_pod_is_named_with_what_pods_there_are() {
    let world = World::new();
    let mut service = web(&json!({ "name": "http", "port": 80 }));
    let found = |service: &Value| selects_nothing("demo", "c1", &world.c1, service);
    assert_eq!(found(&service), None);
    service["spec"]["selector"] = json!({ "app": "wbe" });
    let finding = found(&service).expect("a finding");
    assert_eq!(finding.cause, "Service shop/web in c1 selects no pod");
    assert_eq!(finding.evidence, "its selector is app=wbe; of these keys the pods of namespace shop have app=web");
    assert!(finding.remedy.contains("kubectl --context lab-demo-c1 -n shop get pods --show-labels"), "{finding:#?}");
    service["spec"]["selector"] = json!({});
    assert_eq!(found(&service), None);
}

#[test]
fn a_command_that_shows_an_object_can_be_typed() {
    let object = json!({ "kind": "Namespace", "metadata": { "name": "shop" } });
    assert_eq!(kubectl("demo", "c1", &object), "kubectl --context lab-demo-c1 get namespace shop -o yaml");
    assert_eq!(named(&object, "c1"), "Namespace shop in c1");
    let gateway = json!({ "apiVersion": "networking.istio.io/v1", "kind": "Gateway", "metadata": { "name": "in", "namespace": "a" } });
    assert_eq!(
        kubectl("demo", "c1", &gateway),
        "kubectl --context lab-demo-c1 -n a get gateway.networking.istio.io in -o yaml"
    );
}

#[test]
fn an_alias_has_no_ports_and_leads_to_a_service_of_its_cluster() {
    let alias = |target: &str| {
        json!({ "kind": "Service", "metadata": { "name": "web", "namespace": "shop" },
            "spec": { "type": "ExternalName", "externalName": target } })
    };
    let there = json!({ "kind": "Service", "metadata": { "name": "hello", "namespace": "sample" }, "spec": {} });
    let target = "hello.sample.svc.cluster.local";
    World::new().both(&alias(target)).both(&there).is_well();
    World::new()
        .both(&alias(target))
        .c2(there)
        .is_for("web.shop is an alias of hello.sample in c1, which has no such Service", "Service shop/web in c1");
    // What a host outside is, is not known.
    World::new().both(&alias("example.org")).is_well();
    assert_eq!(alias_of(&alias("hello.sample.svc.")), Some(("sample", "hello")));
    assert_eq!(alias_of(&alias("example.org")), None);
    assert_eq!(alias_of(&web(&json!({ "name": "http", "port": 80 }))), None);
}

#[test]
fn a_port_that_is_declared_as_something_else_is_named() {
    let port = |more: Value| {
        let mut port = json!({ "name": "http", "port": 80, "targetPort": 5000 });
        port.as_object_mut().expect("a map").extend(more.as_object().expect("a map").clone());
        World::new().both(&web(&port))
    };
    port(json!({ "name": "grpc-web" })).is_for("port 80 of web.shop is declared as grpc", "spec.ports[].name");
    port(json!({ "name": "https" })).is_for("is declared as https", "Service shop/web in c1");
    port(json!({ "appProtocol": "tcp" })).is_for("is declared as tcp", "spec.ports[].appProtocol");
    for well in [json!({ "name": "http-web" }), json!({ "name": "web" }), json!({ "name": "x", "appProtocol": "http" })]
    {
        port(well).is_well();
    }
    let spoken = |protocol: Protocol, name: &str| port(json!({ "name": name })).speaking(protocol);
    spoken(Protocol::Tcp, "http")
        .is_for("declared as http, and is called over plain TCP", "spec.ports[].name to `tcp`");
    spoken(Protocol::Tcp, "web").is_for("declares no protocol by `web`", "spec.ports[].name to `tcp`");
    spoken(Protocol::Grpc, "http-api").is_for("declared as http, and is called over gRPC", "to `grpc`");
    spoken(Protocol::WebSocket, "grpc").is_for("declared as grpc, and is called over a WebSocket", "to `http`");
    for (protocol, name) in [(Protocol::Tcp, "mysql"), (Protocol::Grpc, "grpc"), (Protocol::WebSocket, "http")] {
        spoken(protocol, name).is_well();
    }
}
