use serde_json::{Value, json};

use super::*;

fn service(spec: Value) -> Service {
    serde_json::from_value(json!({ "metadata": { "name": "web", "namespace": "shop" }, "spec": spec })).expect("valid")
}

fn deployment(name: &str, replicas: i32, template: Value) -> Deployment {
    let labels = template["metadata"]["labels"].clone();
    serde_json::from_value(json!({
        "metadata": { "name": name, "namespace": "shop", "labels": labels },
        "spec": { "replicas": replicas, "selector": { "matchLabels": labels }, "template": template },
    }))
    .expect("valid")
}

fn pod(name: &str, labels: Value) -> Pod {
    serde_json::from_value(json!({ "metadata": { "name": name, "namespace": "shop", "labels": labels } }))
        .expect("valid")
}

fn of(service: &Service, deployments: &[Deployment], pods: &[Pod], port: Option<u16>) -> Result<MirrorPlace, String> {
    let place = MirrorPlace::of("c1", Behind { service, deployments, pods }, port, false);
    place.map_err(|refusal| format!("{}; {}", refusal.problem, refusal.remedy))
}

fn web(port: Value) -> Service {
    service(json!({ "selector": { "app": "web" }, "ports": [port] }))
}

#[test]
fn it_stands_in_for_the_deployments_that_the_service_selects() {
    let version = |v: &str| {
        json!({
            "metadata": {
                "labels": { "app": "web", "version": v },
                "annotations": { "sidecar.istio.io/proxyCPU": "10m", "sidecar.istio.io/status": "{}", "shop/note": "x" },
            },
            "spec": { "serviceAccountName": "seller", "containers": [{ "name": "web", "ports": [{ "name": "main", "containerPort": 8000 }] }] },
        })
    };
    let deployments = [
        deployment("web-a", 0, version("a")),
        deployment("web-b", 3, version("b")),
        deployment("web-c", 1, version("c")),
        deployment("other", 1, json!({ "metadata": { "labels": { "app": "other" } } })),
    ];
    let pods = [pod("web-b-1", json!({ "app": "web", "version": "b", "pod-template-hash": "1" }))];
    let place = of(&web(json!({ "port": 80, "targetPort": "main" })), &deployments, &pods, None).expect("a place");
    assert_eq!(
        (place.host().as_str(), place.target, place.target_name.as_deref()),
        ("web.shop:80", 8000, Some("main"))
    );
    assert_eq!((place.labels["version"].as_str(), place.account.as_deref()), ("b", Some("seller")));
    assert_eq!(place.annotations.keys().collect::<Vec<_>>(), ["sidecar.istio.io/proxyCPU"]);
    let stopped: Vec<_> = place.stood_in_for.iter().map(|d| (d.deployment.as_str(), d.replicas)).collect();
    assert_eq!(stopped, [("web-b", 3), ("web-c", 1)]);
}

#[test]
fn a_service_without_pods_can_be_mirrored_too() {
    let place = of(&web(json!({ "port": 14999 })), &[], &[], Some(14999)).expect("a place");
    assert_eq!((place.target, place.labels["app"].as_str(), place.stood_in_for.len()), (14999, "web", 0));
    let service = web(json!({ "port": 80 }));
    let answers = |deployments: &[Deployment]| Behind { service: &service, deployments, pods: &[] }.answers();
    let of = |labels: Value| deployment("web", 1, json!({ "metadata": { "labels": labels } }));
    assert!(answers(&[of(json!({ "app": "web" }))]));
    assert!(!answers(&[]) && !answers(&[of(json!({ "app": "x" })), of(json!({ "app": "web", MIRROR_LABEL: "web" }))]));
    let (ready, out) = place.own_ports();
    assert!(ready != 14999 && out != 14999);
}

#[test]
fn what_cannot_be_mirrored_is_refused_with_a_remedy() {
    let refused = |service: &Service, port, words: &str| {
        let told = of(service, &[], &[], port).expect_err("refused");
        assert!(told.contains(words), "{told}");
    };
    refused(&service(json!({ "type": "ExternalName", "externalName": "x" })), None, "selects no pods");
    refused(&web(json!({ "port": 53, "protocol": "UDP" })), None, "is one of UDP");
    refused(&web(json!({ "port": 80, "targetPort": "main" })), None, "no Deployment says which number");
    refused(&web(json!({ "port": 80 })), Some(81), "has no port 81; it has 80");
    let two = service(
        json!({ "selector": { "app": "web" }, "ports": [{ "name": "a", "port": 1 }, { "name": "b", "port": 2 }] }),
    );
    refused(&two, None, "has the ports 1, 2; name the one");
    assert_eq!(of(&two, &[], &[], Some(2)).map(|p| p.port), Ok(2));

    let own = |labels: Value| deployment("web-mirror", 1, json!({ "metadata": { "labels": labels } }));
    let web = web(json!({ "port": 80 }));
    let theirs = of(&web, &[own(json!({ "app": "x" }))], &[], None).expect_err("refused");
    assert!(theirs.contains("is no mirror of lab's"), "{theirs}");
    // One that nobody has ended is taken over.
    assert_eq!(
        of(&web, &[own(json!({ "app": "web", MIRROR_LABEL: "web" }))], &[], None).map(|p| p.stood_in_for),
        Ok(vec![])
    );
}

#[test]
fn pods_that_nobody_can_stop_are_told_or_stay_beside() {
    let web = web(json!({ "port": 80 }));
    let pods = [pod("web-0", json!({ "app": "web" }))];
    let told = of(&web, &[], &pods, None).expect_err("refused");
    assert!(told.contains("pod shop/web-0 of c1 answers for web too") && told.contains("--beside"), "{told}");
    let behind = Behind { service: &web, deployments: &[], pods: &pods };
    assert!(MirrorPlace::of("c1", behind, None, true).is_ok());
}
