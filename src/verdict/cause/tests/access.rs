use super::*;

fn policy(namespace: &str, spec: &Value) -> Value {
    rule("AuthorizationPolicy", namespace, spec.clone())
}

fn from(source: &Value) -> Value {
    json!({ "rules": [{ "from": [{ "source": source }], "to": [{ "operation": { "paths": ["/hello"] } }] }] })
}

#[test]
fn a_policy_that_does_not_let_the_caller_in_is_named() {
    let clerk = from(&json!({ "principals": ["cluster.local/ns/sample/sa/clerk"] }));
    let denied = World::new().c2(policy("shop", &clerk));
    denied.is_for(
        "an AuthorizationPolicy in c2 does not let service account sample/default of c1 in to web.shop",
        "AuthorizationPolicy shop/it in c2, add a rule with `from: [{ source: { principals: [cluster.local/ns/sample/sa/default] } }]`",
    );
    let evidence = &denied.causes()[0].evidence;
    assert_eq!(
        evidence,
        "AuthorizationPolicy shop/it in c2 allows only principals cluster.local/ns/sample/sa/clerk to /hello"
    );
    World::new().c2(policy("istio-system", &json!({}))).is_for("does not let", "AuthorizationPolicy istio-system/it");
    let nobody = World::new().c2(policy("shop", &json!({ "action": "ALLOW" })));
    assert!(nobody.causes()[0].evidence.ends_with("has no rule, so it allows nobody"), "{:?}", nobody.causes());
}

#[test]
fn a_policy_that_lets_the_caller_in_or_is_about_others_explains_nothing() {
    for source in [
        json!({ "principals": ["cluster.local/ns/sample/sa/default"] }),
        json!({ "principals": ["*"] }),
        json!({ "principals": ["*/sa/default"] }),
        json!({ "namespaces": ["sam*"], "notPrincipals": ["cluster.local/ns/sample/sa/clerk"] }),
        // Whether these take it is not known here.
        json!({ "ipBlocks": ["10.0.0.0/8"] }),
        json!({ "serviceAccounts": ["sample/clerk"] }),
    ] {
        World::new().c2(policy("shop", &from(&source))).is_well();
    }
    World::new().c2(policy("shop", &json!({ "rules": [{}] }))).is_well();
    // The rules of the callee's cluster hold, in its namespace, for the pods that they select.
    World::new().c1(policy("shop", &json!({}))).is_well();
    World::new().c2(policy("sample", &json!({}))).is_well();
    World::new().c2(policy("shop", &json!({ "selector": { "matchLabels": { "app": "other" } } }))).is_well();
    World::new().c2(policy("shop", &json!({ "targetRefs": [{ "kind": "Gateway", "name": "waypoint" }] }))).is_well();
    let mut renamed = World::new().c2(policy("shop", &from(&json!({ "principals": ["cluster.local/ns/sample/*"] }))));
    renamed.c1.mesh = json!({ "trustDomain": "demo.example" });
    renamed.is_well();
}

#[test]
fn a_rule_for_another_path_lets_nobody_in_to_this_one() {
    let to = |operation: Value| json!({ "rules": [{ "from": [{ "source": { "principals": ["*"] } }], "to": [{ "operation": operation }] }] });
    for other in [json!({ "paths": ["/health", "/admin/*"] }), json!({ "notPaths": ["/hel*"] })] {
        World::new().c2(policy("shop", &to(other))).is_for("does not let service account sample/default", "shop/it");
    }
    for own in [
        json!({ "paths": ["/health", "/hel*"] }),
        json!({ "paths": ["/{*}"] }),
        json!({ "methods": ["GET"] }),
        json!({ "notPaths": ["/health"] }),
    ] {
        World::new().c2(policy("shop", &to(own))).is_well();
    }
    // Which path arrives is not known where a route changes it.
    let route = json!({ "hosts": ["web.shop"], "http": [{ "rewrite": { "uri": "/health" }, "route": [{ "destination": { "host": "web.shop" } }] }] });
    let health = policy("shop", &to(json!({ "paths": ["/health"] })));
    World::new().c1(rule("VirtualService", "sample", route)).c2(health).is_well();
}

#[test]
fn a_policy_that_denies_the_caller_whatever_it_asks_for_is_named() {
    let deny = |rule: Value| World::new().c2(policy("shop", &json!({ "action": "DENY", "rules": [rule] })));
    let sample = json!([{ "source": { "namespaces": ["sample"] } }]);
    deny(json!({ "from": sample })).is_for("does not let", "take the caller out of spec.rules[].from");
    deny(json!({ "from": sample, "to": [{ "operation": { "paths": ["/admin"] } }] })).is_well();
    deny(json!({ "from": [{ "source": { "notNamespaces": ["sample"] } }] })).is_well();
    World::new().c2(policy("shop", &json!({ "action": "DENY" }))).is_well();
}

#[test]
fn a_caller_without_a_certificate_is_in_no_namespace() {
    let mut plain = pod("sample", "sleep", "10.101.0.4");
    plain["spec"]["initContainers"] = json!([]);
    let causes = |source: Value| World::new().c1(plain.clone()).c1(policy("shop", &from(&source))).of_call("c1", 80);
    let denied = causes(json!({ "namespaces": ["sample"] }));
    assert!(denied[0].cause.contains("does not let a caller without a certificate of c1 in"), "{denied:#?}");
    assert_eq!(causes(json!({ "notNamespaces": ["other"] })), []);
}

#[test]
fn a_service_that_is_kept_to_its_cluster_is_no_riddle() {
    let kept = |settings: Value| {
        let mut world = World::new();
        world.c1.mesh = json!({ "serviceSettings": settings });
        world
    };
    let local = |host: &str| json!([{ "settings": { "clusterLocal": true }, "hosts": [host] }]);
    for host in ["web.shop.svc.cluster.local", "*.shop.svc.cluster.local", "*"] {
        kept(local(host)).is_for("web.shop is kept to its own cluster", "serviceSettings");
    }
    assert_eq!(kept(local("*")).of_call("c1", 80), [], "there it is");
    kept(local("other.shop.svc.cluster.local")).is_well();
    kept(json!([{ "settings": { "clusterLocal": false }, "hosts": ["web.shop.svc.cluster.local"] }])).is_well();
    // What names it most exactly holds.
    let both = json!([
        { "settings": { "clusterLocal": false }, "hosts": ["web.shop.svc.cluster.local"] },
        { "settings": { "clusterLocal": true }, "hosts": ["*.shop.svc.cluster.local"] },
    ]);
    kept(both).is_well();
}
