//! Calls from outside, through an ingress gateway.

use super::*;

const WEB: &str = "web.shop.svc.cluster.local";

impl World {
    /// Calls come from outside, through a gateway whose routes lead to the service.
    fn entering() -> Self {
        let mut gateway = pod("istio-system", "istio-ingressgateway", "10.101.0.9");
        gateway["spec"] = json!({ "containers": [{ "name": "istio-proxy" }] });
        let world = Self { enters: true, ..Self::new() }.c1(gateway);
        world.c1(rule("Gateway", "istio-system", json!({ "selector": { "app": "istio-ingressgateway" } }))).c1(rule(
            "VirtualService",
            "istio-system",
            json!({ "hosts": ["*"], "gateways": ["it"], "http": [{ "route": [{ "destination": { "host": WEB } }] }] }),
        ))
    }
}

#[test]
fn a_call_from_outside_has_the_causes_of_its_gateway() {
    World::entering().is_well();
    let route = |host: &str, more: Value| {
        let mut http = json!({ "route": [{ "destination": { "host": host } }] });
        http.as_object_mut().expect("a mapping").extend(more.as_object().expect("a mapping").clone());
        rule("VirtualService", "istio-system", json!({ "hosts": ["*"], "gateways": ["it"], "http": [http] }))
    };
    let with = |object: Value| World::entering().c1(object);
    with(route(WEB, json!({ "fault": { "abort": { "httpStatus": 503 } } })))
        .is_for("fail on purpose", "VirtualService");
    with(route("other.shop.svc.cluster.local", json!({}))).is_for("leads calls from c1 elsewhere", "VirtualService");
    let closed = json!({ "podSelector": {}, "policyTypes": ["Egress"] });
    with(rule("NetworkPolicy", "istio-system", closed))
        .is_for("does not let callers of web.shop reach", "NetworkPolicy");
    let plain = json!({ "host": WEB, "trafficPolicy": { "tls": { "mode": "DISABLE" } } });
    with(rule("DestinationRule", "shop", plain)).is_for("send in plain text", "DestinationRule");
    let own = json!({ "hosts": [WEB], "http": [{ "route": [{ "destination": { "host": WEB } }] }] });
    with(rule("VirtualService", "istio-system", own))
        .is_for("no VirtualService leads calls through", "virtualservices");
    // What holds for sidecars only does not hold for a gateway.
    let scope = json!({ "egress": [{ "hosts": ["./*"] }] });
    with(rule("Sidecar", "istio-system", scope)).is_well();
    let fault = json!({ "hosts": [WEB], "http": [{ "fault": { "abort": { "httpStatus": 503 } } }] });
    let mut of_mesh = rule("VirtualService", "shop", fault);
    of_mesh["metadata"]["name"] = json!("mesh");
    with(of_mesh).is_well();
}
