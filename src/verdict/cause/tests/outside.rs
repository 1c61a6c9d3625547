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
        .is_for("no VirtualService or HTTPRoute leads calls through", "virtualservices");
    // What holds for sidecars only does not hold for a gateway.
    let scope = json!({ "egress": [{ "hosts": ["./*"] }] });
    with(rule("Sidecar", "istio-system", scope)).is_well();
    let fault = json!({ "hosts": [WEB], "http": [{ "fault": { "abort": { "httpStatus": 503 } } }] });
    let mut of_mesh = rule("VirtualService", "shop", fault);
    of_mesh["metadata"]["name"] = json!("mesh");
    with(of_mesh).is_well();
}

/// A Gateway of the Gateway API of this namespace that names the ingress gateway's Service, and its status.
fn entrance(place: &str, status: &str, message: &str) -> Value {
    let host = "istio-ingressgateway.istio-system.svc.cluster.local";
    json!({ "apiVersion": "gateway.networking.k8s.io/v1", "kind": "Gateway",
        "metadata": { "name": "entrance", "namespace": place },
        "spec": { "addresses": [{ "type": "Hostname", "value": host }] },
        "status": { "conditions": [{ "type": "Programmed", "status": status, "reason": "AddressNotAssigned", "message": message }] } })
}

/// A route of that Gateway to a backend, and what its status says of it.
fn http_route(backend: &str, condition: &Value) -> Value {
    let parent = json!({ "name": "entrance", "namespace": "istio-system" });
    json!({ "apiVersion": "gateway.networking.k8s.io/v1", "kind": "HTTPRoute",
        "metadata": { "name": "shop", "namespace": "shop" },
        "spec": { "parentRefs": [parent], "rules": [{ "backendRefs": [{ "name": backend, "port": 80 }] }] },
        "status": { "parents": [{ "parentRef": parent, "conditions": [condition] }] } })
}

#[test]
fn a_route_of_the_gateway_api_that_does_not_hold_is_named_with_what_istiod_says() {
    let well = json!({ "type": "Accepted", "status": "True" });
    let without = || {
        let mut world = World::entering();
        world.c1.all.retain(|o| o["kind"] != "VirtualService");
        world
    };
    let with = |gateway: Value, route: Value| without().c1(gateway).c1(route);
    with(entrance("istio-system", "True", ""), http_route("web", &well)).is_well();
    without()
        .c1(entrance("istio-system", "True", ""))
        .is_for("no VirtualService or HTTPRoute leads calls through", "virtualservices");

    let nowhere = json!({ "type": "ResolvedRefs", "status": "False", "reason": "BackendNotFound", "message": "backend(nowhere.shop.svc.cluster.local) not found" });
    let world = with(entrance("istio-system", "True", ""), http_route("nowhere", &nowhere));
    world.is_for("HTTPRoute shop/shop in c1 does not hold", "get httproute shop -o yaml");
    assert!(world.causes()[0].evidence.contains("BackendNotFound: backend(nowhere.shop"), "{:#?}", world.causes());
    // What else leads to the service does not hide it.
    let both = World::entering().c1(entrance("istio-system", "True", "")).c1(http_route("nowhere", &nowhere));
    both.is_for("HTTPRoute shop/shop in c1 does not hold", "httproute");

    with(entrance("istio-system", "False", "no such service"), http_route("web", &well))
        .is_for("istiod does not serve Gateway istio-system/entrance", "gateway.gateway.networking.k8s.io");
    without().c1(http_route("web", &well)).is_for("a route of a Gateway that c1 does not have", "httproute");
    let mut route = http_route("web", &well);
    route["spec"]["parentRefs"][0]["namespace"] = json!("shop");
    with(entrance("shop", "True", ""), route).is_for("in another namespace than the Service", "gateway");
}
