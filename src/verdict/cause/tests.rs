mod access;
mod host;
mod outside;
mod services;

use serde_json::{Value, json};

use super::*;

/// Two clusters with a caller in `sample` and a service `web.shop` in both, which tests change.
struct World {
    c1: Objects,
    c2: Objects,
    same_network: bool,
    enters: bool,
    protocol: Protocol,
}

fn pod(namespace: &str, app: &str, address: &str) -> Value {
    json!({ "kind": "Pod",
        "metadata": { "name": format!("{app}-1"), "namespace": namespace, "labels": { "app": app, "version": "v2" } },
        "spec": { "containers": [{ "name": app, "ports": [{ "name": "web", "containerPort": 5000 }] }],
                  "initContainers": [{ "name": "istio-proxy", "ports": [{ "name": "metrics", "containerPort": 15090 }] }] },
        "status": { "podIP": address, "conditions": [{ "type": "Ready", "status": "True" }] } })
}

fn web(port: &Value) -> Value {
    json!({ "kind": "Service", "metadata": { "name": "web", "namespace": "shop" },
        "spec": { "clusterIP": "10.1.1.1", "selector": { "app": "web" }, "ports": [port] } })
}

fn rule(kind: &str, namespace: &str, spec: impl Into<Value>) -> Value {
    let spec = spec.into();
    json!({ "kind": kind, "metadata": { "name": "it", "namespace": namespace }, "spec": spec })
}

impl World {
    fn new() -> Self {
        let objects = |subnet: u8| Objects {
            all: vec![
                pod("sample", "sleep", &format!("10.{subnet}.0.4")),
                pod("shop", "web", &format!("10.{subnet}.0.5")),
                web(&json!({ "name": "http", "port": 80, "targetPort": 5000 })),
            ],
            mesh: Value::Null,
        };
        Self { c1: objects(101), c2: objects(102), same_network: false, enters: false, protocol: Protocol::Http }
    }

    fn flat() -> Self {
        Self { same_network: true, ..Self::new() }
    }

    fn speaking(self, protocol: Protocol) -> Self {
        Self { protocol, ..self }
    }

    /// Puts an object into c1, in place of one of its kind and name.
    fn c1(mut self, object: Value) -> Self {
        put(&mut self.c1, object);
        self
    }

    fn c2(mut self, object: Value) -> Self {
        put(&mut self.c2, object);
        self
    }

    fn both(self, object: &Value) -> Self {
        self.c1(object.clone()).c2(object.clone())
    }

    /// Causes of a call from c1 to port 80 of the service in c2.
    fn causes(&self) -> Vec<Finding> {
        self.of_call("c2", 80)
    }

    fn of_call(&self, to: &str, port: u16) -> Vec<Finding> {
        let side = |cluster: &'static str, namespace: &str, app: &str| {
            let here = if cluster == "c1" { &self.c1 } else { &self.c2 };
            let (pod, service) = (here.get("Pod", namespace, &format!("{app}-1")), here.get("Service", "shop", "web"));
            Side { cluster, config: cluster, pod, service, here, rules: here }
        };
        let gateway = (to == "c2" && !self.same_network).then(|| "172.30.255.20:15443".parse().expect("an address"));
        let target = side(if to == "c2" { "c2" } else { "c1" }, "shop", "web");
        let (namespace, app) = if self.enters { ("istio-system", "istio-ingressgateway") } else { ("sample", "sleep") };
        let (caller, enters) = (side("c1", namespace, app), self.enters);
        causes(&CallFacts {
            lab: "demo",
            service: "web",
            namespace: "shop",
            port,
            path: "/hello",
            protocol: self.protocol,
            caller,
            callee: target,
            gateway,
            enters,
        })
    }

    /// The first cause must say this of this object.
    fn is_for(&self, cause: &str, object: &str) {
        let causes = self.causes();
        let Some(first) = causes.first() else { panic!("no cause, and not {cause:?}") };
        assert!(first.cause.contains(cause), "{first:#?}");
        assert!(first.remedy.contains(object), "{first:#?}");
        assert!(first.remedy.contains("kubectl --context lab-demo-c"), "{first:#?}");
        assert!(!first.evidence.is_empty());
    }

    fn is_well(&self) {
        assert_eq!(self.causes(), [], "nothing explains it");
    }
}

fn put(objects: &mut Objects, object: Value) {
    objects.all.retain(|o| o["kind"] != object["kind"] || o["metadata"]["name"] != object["metadata"]["name"]);
    objects.all.push(object);
}

#[test]
fn a_plain_call_has_no_cause() {
    World::new().is_well();
    World::flat().is_well();
    assert_eq!(World::new().of_call("c1", 80), []);
}

#[test]
fn a_sidecar_that_hides_the_service_is_named() {
    let scope = |hosts: Value| rule("Sidecar", "sample", json!({ "egress": [{ "hosts": hosts }] }));
    let hidden = World::new().c1(scope(json!(["./*", "istio-system/*"])));
    hidden.is_for("a Sidecar hides web.shop from callers in c1, namespace sample", "Sidecar sample/it in c1");
    insta::assert_debug_snapshot!(hidden.causes()[0]);
    World::new().c1(scope(json!(["./*", "shop/other.shop.svc.cluster.local"]))).is_for("hides", "spec.egress[].hosts");
    for open in ["shop/*", "*/*", "shop/web.shop.svc.cluster.local", "*/*.svc.cluster.local"] {
        World::new().c1(scope(json!(["./*", open]))).is_well();
    }
    // That of the other cluster's control plane says nothing here, nor does one for other pods, nor one without egress.
    World::new().c2(scope(json!(["./*"]))).is_well();
    let other = json!({ "workloadSelector": { "labels": { "app": "other" } }, "egress": [{ "hosts": ["./*"] }] });
    World::new().c1(rule("Sidecar", "sample", other)).is_well();
    World::new().c1(rule("Sidecar", "sample", json!({ "ingress": [] }))).is_well();
    World::new()
        .c1(rule("Sidecar", "istio-system", json!({ "egress": [{ "hosts": ["./*"] }] })))
        .is_for("hides", "Sidecar istio-system/it");
}

#[test]
fn what_is_not_exported_is_named_with_who_says_so() {
    let mut service = web(&json!({ "name": "http", "port": 80, "targetPort": 5000 }));
    service["metadata"]["annotations"]["networking.istio.io/exportTo"] = json!(".");
    let own = World::new().both(&service);
    own.is_for("web.shop is not exported to namespace sample", "Service shop/web in c1");
    service["metadata"]["annotations"]["networking.istio.io/exportTo"] = json!("other, sample");
    World::new().both(&service).is_well();

    let mut mesh = World::new();
    mesh.c1.mesh = json!({ "defaultServiceExportTo": ["."] });
    mesh.is_for("web.shop is not exported to namespace sample", "defaultServiceExportTo");
    assert!(mesh.causes()[0].evidence.contains("by meshConfig.defaultServiceExportTo"), "{:#?}", mesh.causes());
}

#[test]
fn ports_that_differ_between_clusters_are_the_cause() {
    let world = World::new().c2(web(&json!({ "name": "http", "port": 8080, "targetPort": 5000 })));
    world.is_for("the ports of web.shop differ: c2 has no port 80, which c1 has", "Service shop/web in c2");
    insta::assert_debug_snapshot!(world.causes()[0]);
    // On one network endpoints are found by the name of the port, so that works.
    World::flat().c2(web(&json!({ "name": "http", "port": 8080, "targetPort": 5000 }))).is_well();
    World::flat()
        .c2(web(&json!({ "name": "other", "port": 8080, "targetPort": 5000 })))
        .is_for("ports of web.shop differ", "in c2");
    let renamed = web(&json!({ "name": "web", "port": 80, "targetPort": 5000 }));
    World::new().c2(renamed.clone()).is_for("port 80 of web.shop has other names in c1 and c2", "`http`");
    World::flat().c2(renamed).is_for("port 80 of web.shop has other names in c1 and c2", "`http`");
    let absent = World::new().of_call("c2", 81);
    assert!(absent[0].cause.contains("web.shop has no port 81 in c1"), "{absent:#?}");
}

#[test]
fn a_port_before_another_target_port_is_well_and_one_that_leads_nowhere_is_not() {
    World::new().both(&web(&json!({ "name": "http", "port": 80, "targetPort": "web" }))).is_well();
    let named = World::new().c2(web(&json!({ "name": "http", "port": 80, "targetPort": "http" })));
    named.is_for("no pod behind web.shop in c2 has a port named `http`", "spec.ports[].targetPort");
    assert!(named.causes()[0].evidence.contains("in c1 it is 5000"), "{:#?}", named.causes());
    let wrong = World::new().c2(web(&json!({ "name": "http", "port": 80, "targetPort": 5001 })));
    wrong.is_for("web.shop sends to port 5001 of its pods in c2, which they do not have", "Service shop/web in c2");
    // Left out, it is the port.
    let same = World::new().c2(web(&json!({ "name": "http", "port": 80 })));
    same.is_for("web.shop sends to port 80 of its pods", "Service shop/web in c2");
}

#[test]
fn a_target_port_is_that_of_the_pod() {
    let (pod, port) = (pod("shop", "web", "10.0.0.1"), |target: Value| json!({ "port": 80, "targetPort": target }));
    let target = |target: Value| target_port(&web(&port(target)), &pod, 80);
    assert_eq!(
        (target(json!(5000)), target(json!("web")), target(json!("metrics"))),
        (Some(5000), Some(5000), Some(15090))
    );
    assert_eq!((target(Value::Null), target(json!("none"))), (Some(80), None));
    assert_eq!(target_port(&web(&port(json!(1))), &pod, 81), None);
}

#[test]
fn a_headless_service_ends_at_its_own_cluster() {
    let mut headless = web(&json!({ "name": "http", "port": 80, "targetPort": 5000 }));
    headless["spec"]["clusterIP"] = json!("None");
    World::new().both(&headless).is_for("web.shop is headless in c1", "spec.clusterIP");
    World::new().c2(headless.clone()).is_for("web.shop is headless in c2", "Service shop/web in c2");
    World::flat().c2(headless.clone()).is_well();
    assert_eq!(World::new().both(&headless).of_call("c1", 80), []);
}

fn mtls(mode: &str) -> Value {
    rule("PeerAuthentication", "shop", json!({ "mtls": { "mode": mode } }))
}

#[test]
fn peer_authentication_is_seen_from_both_sides() {
    let port = rule(
        "PeerAuthentication",
        "shop",
        json!({ "selector": { "matchLabels": { "app": "web" } }, "mtls": { "mode": "STRICT" },
                "portLevelMtls": { "5000": { "mode": "DISABLE" } } }),
    );
    // The callee takes plain text only, and the caller's control plane knows nothing of it.
    let takes_plain = World::new().c2(port.clone());
    takes_plain.is_for(
        "c2 takes only plain text on port 5000 of web.shop, and callers in c1 send mutual TLS",
        "PeerAuthentication shop/it in c2",
    );
    insta::assert_debug_snapshot!(takes_plain.causes()[0]);
    // The reverse: the caller's control plane takes it for plain text.
    let sends_plain = World::new().c1(port.clone());
    sends_plain.is_for(
        "the control plane of c1 takes web.shop for plain text, which does not reach c2",
        "PeerAuthentication shop/it in c1",
    );
    insta::assert_debug_snapshot!(sends_plain.causes()[0]);
    // Both agree: well on one network, and no way through a gateway.
    World::flat().both(&port).is_well();
    World::new().both(&port).is_for("takes web.shop for plain text", "in c1");
    World::flat().c1(port.clone()).is_well();
    World::flat().c1(port).c2(mtls("STRICT")).is_for("takes web.shop for plain text", "in c1");
    // A namespace, the whole mesh, and what is nearer to the pod.
    World::new().c2(mtls("DISABLE")).is_for("c2 takes only plain text", "spec.mtls.mode");
    let mesh = rule("PeerAuthentication", "istio-system", json!({ "mtls": { "mode": "DISABLE" } }));
    World::new().c2(mesh.clone()).is_for("c2 takes only plain text", "PeerAuthentication istio-system/it in c2");
    let mut nearer = mtls("STRICT");
    nearer["metadata"]["name"] = json!("nearer");
    World::new().c2(mesh).c2(nearer).is_well();
    World::new().both(&mtls("STRICT")).is_well();
    World::new().both(&mtls("PERMISSIVE")).is_well();
    let other = rule(
        "PeerAuthentication",
        "shop",
        json!({ "selector": { "matchLabels": { "app": "x" } }, "mtls": { "mode": "DISABLE" } }),
    );
    World::new().both(&other).is_well();
}

#[test]
fn tls_of_a_destination_rule_is_named() {
    let tls = |mode: &str| {
        rule("DestinationRule", "shop", json!({ "host": "web", "trafficPolicy": { "tls": { "mode": mode } } }))
    };
    for mode in ["DISABLE", "SIMPLE", "MUTUAL"] {
        World::new().c1(tls(mode)).is_for("a DestinationRule has callers in c1 send", "DestinationRule shop/it in c1");
    }
    World::new().c1(tls("ISTIO_MUTUAL")).is_well();
    World::new().c2(tls("DISABLE")).is_well();
    World::flat().c1(tls("DISABLE")).is_well();
    World::flat().c1(tls("DISABLE")).c2(mtls("STRICT")).is_for("in plain text", "spec.trafficPolicy.tls.mode");
    World::flat().c1(tls("SIMPLE")).is_for("as TLS of another kind", "spec.trafficPolicy.tls.mode");
    World::flat().c1(tls("ISTIO_MUTUAL")).c2(mtls("DISABLE")).is_for("c2 takes only plain text", "in c2");
    let mut elsewhere = tls("DISABLE");
    elsewhere["spec"]["host"] = json!("other");
    World::new().c1(elsewhere).is_well();
    let port = json!({ "host": "*.shop.svc.cluster.local", "trafficPolicy": { "tls": { "mode": "ISTIO_MUTUAL" },
        "portLevelSettings": [{ "port": { "number": 80 }, "tls": { "mode": "DISABLE" } }] } });
    World::new()
        .c1(rule("DestinationRule", "istio-system", port))
        .is_for("in plain text", "portLevelSettings[port 80].tls.mode");
}

#[test]
fn a_caller_without_a_sidecar_reaches_its_own_cluster_only() {
    let mut bare = pod("sample", "sleep", "10.101.0.4");
    bare["spec"]["initContainers"] = json!([]);
    World::new()
        .c1(bare.clone())
        .is_for("has no sidecar, so it reaches only what its own cluster runs", "istio-injection");
    let world = World::new().c1(bare).c1(mtls("STRICT"));
    let own = world.of_call("c1", 80);
    assert!(own[0].cause.contains("has no sidecar, and web.shop takes only mutual TLS"), "{own:#?}");
}

fn policy(namespace: &str, spec: Value) -> Value {
    rule("NetworkPolicy", namespace, spec)
}

#[test]
fn a_network_policy_before_the_callee_is_named() {
    let deny =
        policy("shop", json!({ "podSelector": { "matchLabels": { "app": "web" } }, "policyTypes": ["Ingress"] }));
    let world = World::new().c2(deny.clone());
    world.is_for("a NetworkPolicy in c2 does not let calls from c1 in to web.shop", "NetworkPolicy shop/it in c2");
    insta::assert_debug_snapshot!(world.causes()[0]);
    World::new().c1(deny).is_well();
    let from = |from: Value, ports: Value| {
        policy("shop", json!({ "podSelector": {}, "ingress": [{ "from": [from], "ports": [ports] }] }))
    };
    let gateway = json!({ "namespaceSelector": { "matchLabels": { "kubernetes.io/metadata.name": "istio-system" } } });
    World::new().c2(from(gateway.clone(), json!({ "port": 5000 }))).is_well();
    World::new().c2(from(gateway.clone(), json!({ "port": "web" }))).is_well();
    // The Service's port is not the pod's.
    World::new().c2(from(gateway, json!({ "port": 80 }))).is_for("does not let calls from c1 in", "to port 5000");
    // A selector of pods without a namespace means those of the policy's own, and never those of another cluster.
    let own = json!({ "podSelector": { "matchLabels": { "app": "sleep" } } });
    World::new().c2(from(own.clone(), json!({ "port": 5000 }))).is_for("does not let calls from c1 in", "in c2");
    let block = |cidr: &str| json!({ "ipBlock": { "cidr": cidr, "except": ["10.101.9.0/24"] } });
    World::flat().c2(from(block("10.101.0.0/16"), json!({ "port": 5000 }))).is_well();
    World::flat()
        .c2(from(block("10.103.0.0/16"), json!({ "port": 5000 })))
        .is_for("does not let calls from c1 in", "in c2");
    // Several add up.
    let mut second = from(block("10.101.0.0/16"), json!({ "port": 4990, "endPort": 5010 }));
    second["metadata"]["name"] = json!("second");
    World::flat().c2(from(own, json!({ "port": 5000 }))).c2(second).is_well();
}

#[test]
fn a_network_policy_before_the_caller_is_named() {
    let deny = policy("sample", json!({ "podSelector": {}, "policyTypes": ["Egress"] }));
    World::new()
        .c1(deny)
        .is_for("does not let callers of web.shop reach the cluster's DNS", "NetworkPolicy sample/it in c1");
    let dns = json!({ "ports": [{ "port": 53, "protocol": "UDP" }] });
    let open =
        |more: Value| policy("sample", json!({ "podSelector": {}, "policyTypes": ["Egress"], "egress": [dns, more] }));
    let inside = open(json!({ "to": [{ "namespaceSelector": {} }] }));
    World::new()
        .c1(inside.clone())
        .is_for("reach the east-west gateway of c2, 172.30.255.20:15443", "spec.egress[].to");
    let gateway = open(json!({ "to": [{ "ipBlock": { "cidr": "172.30.0.0/16" } }], "ports": [{ "port": 15443 }] }));
    World::new().c1(gateway).is_well();
    assert_eq!(World::new().c1(inside).of_call("c1", 80), []);
}

#[test]
fn routes_to_subsets_that_nobody_sees_are_named() {
    let route = |subset: &str| {
        let route = json!([{ "destination": { "host": "web", "subset": subset } }]);
        rule("VirtualService", "shop", json!({ "hosts": ["web"], "http": [{ "route": route }] }))
    };
    let mut rules = rule(
        "DestinationRule",
        "shop",
        json!({ "host": "web", "subsets": [{ "name": "v2", "labels": { "version": "v2" } },
        { "name": "v1", "labels": { "version": "v1" } }] }),
    );
    World::new()
        .c1(route("v2"))
        .is_for("routed to a subset `v2` that callers there do not know", "VirtualService shop/it in c1");
    World::new().c1(route("v2")).c1(rules.clone()).is_well();
    World::new()
        .c1(route("v1"))
        .c1(rules.clone())
        .is_for("a VirtualService leads calls from c1 elsewhere", "spec.http[].route");
    rules["spec"]["exportTo"] = json!(["."]);
    World::new().c1(route("v2")).c1(rules).is_for("that callers there do not know", "DestinationRule shop/it in c1");
    let mut faulty = rule(
        "VirtualService",
        "shop",
        json!({ "hosts": ["web.shop.svc.cluster.local"], "http": [
        { "fault": { "abort": { "httpStatus": 503 } }, "route": [{ "destination": { "host": "web" } }] }] }),
    );
    World::new()
        .c1(faulty.clone())
        .is_for("has calls from c1 to web.shop fail on purpose", "VirtualService shop/it in c1");
    faulty["spec"]["http"][0]["fault"] = Value::Null;
    World::new().c1(faulty).is_well();
    let mut hidden = route("v2");
    hidden["spec"]["exportTo"] = json!(["."]);
    World::new().c1(hidden).is_for("does not hold for callers in namespace sample", "spec.exportTo");
}
