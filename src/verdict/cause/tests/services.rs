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
