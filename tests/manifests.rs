//! The user's own objects in a scenario: what is accepted, what a cluster gets, and how each mistake is shown.

use std::fmt::Write as _;

use lab::plan::render::{Images, apps};
use lab::plan::{Lab, Plan, resolve, scenario_yaml};
use lab::scenario::{App, Files, ManifestFile, Manifests, Unusable, named, parse, parse_with, render};

const WEB: &str = "apiVersion: apps/v1\nkind: Deployment\nmetadata: { name: web }\nspec:\n  template:\n    spec:\n      containers: [{ name: web, image: sleep }]\n---\napiVersion: v1\nkind: Service\nmetadata:\n  name: web\nspec: { selector: { app: web } }\n";

fn files(found: &[(&str, &str)]) -> Files {
    let file = |name: &str, text: &str| vec![ManifestFile { name: format!("labs/demo/{name}"), text: text.to_owned() }];
    found.iter().map(|(name, text)| ((*name).to_owned(), Ok(file(name, text)))).collect()
}

fn scenario(apps: &str) -> String {
    format!("name: demo\nclusters: [c1, c2]\napps:\n{apps}")
}

fn lab(text: &str, files: &Files) -> Lab {
    let scenario = parse_with(text, "lab.yaml", files).unwrap_or_else(|e| panic!("{}", render(&e)));
    resolve(&scenario).expect("room for every address")
}

fn manifests(lab: &Lab) -> Vec<&Manifests> {
    lab.apps.iter().filter_map(|a| if let App::Manifests(m) = a { Some(m) } else { None }).collect()
}

/// Kind and name, after the namespace where there is one, of all that a cluster gets.
fn deployed(lab: &Lab, cluster: &str) -> Vec<String> {
    let images = Images::from([("sleep".to_owned(), "example/sleep:1".to_owned())]);
    let objects = apps(lab, lab.cluster(cluster).expect("a cluster"), &images);
    let text = |o: &serde_json::Value, path: &str| o.pointer(path).and_then(|v| v.as_str()).unwrap_or("-").to_owned();
    let of = |o| format!("{} {}/{}", text(o, "/kind"), text(o, "/metadata/namespace"), text(o, "/metadata/name"));
    objects.iter().map(of).collect()
}

#[test]
fn files_come_before_objects_and_all_have_their_namespace() {
    let text = scenario(
        "  - manifests:\n      name: web\n      clusters: [c2]\n      namespace: demo\n      files: [web.yaml]\n      objects:\n        - { apiVersion: v1, kind: ConfigMap, metadata: { name: c, namespace: other } }\n        - { apiVersion: rbac.authorization.k8s.io/v1, kind: ClusterRole, metadata: { name: r } }\n",
    );
    assert_eq!(named(&text).paths, ["web.yaml"]);
    let lab = lab(&text, &files(&[("web.yaml", WEB)]));
    assert_eq!(deployed(&lab, "c1"), ["Namespace -/sample"]);
    let wanted = [
        "Namespace -/sample",
        "Namespace -/demo",
        "Deployment demo/web",
        "Service demo/web",
        "ConfigMap other/c",
        "ClusterRole -/r",
    ];
    assert_eq!(deployed(&lab, "c2"), wanted);
    let titles: Vec<String> = Plan::of(&lab).steps.iter().map(|s| s.action.title()).collect();
    assert!(
        titles.contains(&"c2: web".to_owned()) && titles.contains(&"c1: namespace of the apps".to_owned()),
        "{titles:?}"
    );
}

#[test]
fn a_namespace_that_the_objects_bring_is_theirs() {
    let text = scenario(
        "  - manifests:\n      namespace: demo\n      objects: [{ apiVersion: v1, kind: Namespace, metadata: { name: demo } }]\n  - manifests:\n      namespace: demo\n      objects: [{ apiVersion: v1, kind: Namespace, metadata: { name: sample } }]\n",
    );
    let lab = lab(&text, &Files::new());
    assert_eq!(deployed(&lab, "c1"), ["Namespace -/demo", "Namespace -/sample"]);
    assert_eq!(manifests(&lab).iter().map(|m| m.name.as_str()).collect::<Vec<_>>(), ["manifests-1", "manifests-2"]);
}

#[test]
fn a_lab_with_manifests_is_written_without_its_files_and_read_back() {
    let text = scenario(
        "  - sleep\n  - manifests: { files: [web.yaml], namespace: demo }\n  - manifests:\n      name: manifests-1\n      clusters: [c1]\n      objects: [{ apiVersion: v1, kind: ConfigMap, metadata: { name: c }, data: { a: \"1\", \"true\": \"yes\\n\" } }]\n",
    );
    let lab = lab(&text, &files(&[("web.yaml", WEB)]));
    let written = scenario_yaml(&lab);
    assert!(named(&written).paths.is_empty());
    let again = parse(&written, "written.yaml").unwrap_or_else(|e| panic!("{}\n{written}", render(&e)));
    assert_eq!(resolve(&again).expect("addresses"), lab);
    insta::assert_snapshot!(written.split_once("apps:").expect("apps").1);
}

#[test]
fn namespaces_that_are_there_anyway_are_not_made() {
    let entry = |namespace: &str| {
        format!(
            "  - manifests: {{ namespace: {namespace}, objects: [{{ apiVersion: v1, kind: ConfigMap, metadata: {{ name: c }} }}] }}\n"
        )
    };
    let lab = lab(&scenario(&(entry("default") + &entry("istio-system"))), &Files::new());
    assert_eq!(deployed(&lab, "c1"), ["Namespace -/sample", "ConfigMap default/c", "ConfigMap istio-system/c"]);
}

#[test]
fn two_clusters_may_have_the_same_object() {
    let entry = |cluster: &str| {
        format!(
            "  - manifests: {{ clusters: [{cluster}], objects: [{{ apiVersion: v1, kind: ConfigMap, metadata: {{ name: c }} }}] }}\n"
        )
    };
    let lab = lab(&scenario(&(entry("c1") + &entry("c2"))), &Files::new());
    assert_eq!(deployed(&lab, "c2"), ["Namespace -/sample", "ConfigMap -/c"]);
}

/// Everything that is shown of scenarios that are refused.
fn refusals(cases: &[String], found: &Files) -> String {
    let mut text = String::new();
    for case in cases {
        match parse_with(&scenario(case), "lab.yaml", found) {
            Ok(_) => panic!("accepted:\n{case}"),
            Err(errors) => _ = writeln!(text, "{case}\n{}========", render(&errors)),
        }
    }
    text
}

/// An entry with one object.
fn object(fields: &str) -> String {
    format!("  - manifests:\n      objects:\n        - {{ {fields} }}\n")
}

#[test]
fn refuses_names_and_labels_that_kubernetes_does_not_take() {
    let config = |metadata: &str| object(&format!("apiVersion: v1, kind: ConfigMap, metadata: {{ {metadata} }}"));
    let cases = [
        config("name: c, labels: { a: 7 }"),
        config("name: c, labels: [1]"),
        config("name: c, labels: { a b: c, ok: -x, a/b/c: d, ok2: \"\" }"),
        config("name: c, annotations: { a: true, b: [], \"x y\": z, A.B/C: ok }"),
        config("name: two words"),
        config("name: \"a\\nb\", namespace: n.n"),
        config(&format!("name: {}", "x".repeat(5000))),
        config("name: c, lables: { a: b }"),
        object("apiVersion: v1, kind: Service, metadata: { name: a.b }"),
        object("apiVersion: v1, kind: Con fig, metadata: { name: a }"),
        object("apiVersion: a/b/c, kind: Any, metadata: { name: a }"),
        object("apiVersion: example.com/v1, kind: Any, metadata: { name: A_b, labels: { x: 1 } }, spec: { labels: 7 }"),
    ];
    insta::assert_snapshot!(refusals(&cases, &Files::new()));
}

#[test]
fn refuses_fields_that_kubernetes_does_not_know_or_takes_otherwise() {
    let text = "# Two documents.\n---\napiVersion: apps/v1\nkind: Deployment\nmetadata:\n  name: web\nspec:\n  replicas: \"two\"\n  selector: { matchLabels: { app: web, tier: 1 } }\n  template:\n    metadata:\n      labels: { app: -web }\n    spec:\n      container: []\n      containers:\n        - name: web\n          image: sleep\n          env: [{ name: A, value: 7 }, { name: B, value: true }]\n          ports: [{ containerPort: 99999999999, protocl: TCP }]\n          resources: { requests: { cpu: [1] } }\n        -\n---\nkind: List\nitems:\n  - { apiVersion: v1, kind: Secret, metadata: { name: s }, data: { a: \"not base64!\", b: 7 } }\n";
    let found = files(&[("web.yaml", text)]);
    let cases = [
        "  - manifests: { files: [web.yaml] }\n".to_owned(),
        object("apiVersion: v1, kind: Pod, metadata: { name: p }, spec: { containers: 7, hostNetwork: \"yes\" }"),
        object("apiVersion: v1, kind: Deployment, metadata: { name: d }"),
        object("apiVersion: apps/v1, kind: Deploymnt, metadata: { name: d }"),
        object("apiVersion: networking.k8s.io/v1beta1, kind: Ingress, metadata: { name: i }"),
        object(
            "apiVersion: v1, kind: Service, metadata: { name: s }, spec: { ports: [{ port: 80, targetPort: true }], selectors: {} }",
        ),
    ];
    insta::assert_snapshot!(refusals(&cases, &found));
}

#[test]
fn what_an_api_server_takes_is_accepted() {
    let text = "apiVersion: v1\nkind: Secret\nmetadata: { name: s, creationTimestamp: null, labels: ~, annotations: { a: ~ } }\ndata:\n  a: |\n    YWFh\n    YmJi\nstringData: { b: c }\n---\napiVersion: rbac.authorization.k8s.io/v1\nkind: Role\nmetadata: { name: \"system:a:B\" }\nrules: [{ apiGroups: [\"\"], resources: [pods], verbs: [get] }]\n---\napiVersion: v1\nkind: Service\nmetadata: { name: web }\nspec: { ports: [{ port: 80, targetPort: http }, { name: x, port: 81, targetPort: 82 }], sessionAffinity: None }\nstatus: { loadBalancer: {} }\n---\napiVersion: apps/v1\nkind: Deployment\nmetadata: { name: web }\nspec:\n  selector: { matchLabels: { a: b } }\n  strategy: { rollingUpdate: { maxSurge: 25%, maxUnavailable: 1 } }\n  template:\n    metadata: { labels: { a: b } }\n    spec:\n      containers: [{ name: c, image: i, resources: { limits: { cpu: 0.5, memory: 64Mi } }, livenessProbe: { httpGet: { port: http } } }]\n      volumes: [{ name: v, emptyDir: {} }]\n---\napiVersion: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition\nmetadata: { name: as.example.com }\nspec:\n  group: example.com\n  scope: Namespaced\n  names: { kind: A, plural: as }\n  versions: [{ name: v1, served: true, storage: true, schema: { openAPIV3Schema: { type: object, properties: { a: { x-kubernetes-preserve-unknown-fields: true, default: [1], additionalProperties: { type: string } } } } } }]\n---\napiVersion: serving.knative.dev/v1\nkind: Service\nmetadata: { name: k }\nspec: { anything: [goes] }\n---\napiVersion: v1\nkind: Event\nmetadata: { name: e }\n---\napiVersion: coordination.k8s.io/v1\nkind: Lease\nmetadata: { name: l }\nspec: { renewTime: \"2026-01-31T12:00:00.000000Z\" }\n";
    lab(&scenario("  - manifests: { files: [all.yaml] }\n"), &files(&[("all.yaml", text)]));
}

#[test]
fn refuses_manifests_that_cannot_be_deployed() {
    let mut found = files(&[
        ("web.yaml", WEB),
        ("torn.yaml", "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: c\n data: {}\n---\nkind: [\n"),
        (
            "nameless.yaml",
            "# a comment\n\nkind: Service\n---\napiVersion: v1\nkind: Service\nmetadata: { name: 8080 }\n",
        ),
        ("empty.yaml", "# nothing\n---\n"),
        ("words.yaml", "just words\n"),
    ]);
    let unusable = Unusable { reason: "there is no labs/demo/nosuch.yaml".to_owned(), remedy: "give one".to_owned() };
    found.insert("nosuch.yaml".to_owned(), Err(unusable));
    let cases = [
        "  - manifests\n  - manifests: { files: [] }\n  - manifests: { name: Web, objects: x, clusters: c1 }\n".to_owned(),
        "  - manifests: { files: [torn.yaml, nameless.yaml] }\n".to_owned(),
        "  - manifests: { files: [nosuch.yaml, empty.yaml, words.yaml, unread.yaml] }\n".to_owned(),
        "  - manifests: { name: web, clusters: [c1], files: [web.yaml] }\n  - manifests: { name: web, files: [web.yaml] }\n"
            .to_owned(),
        object("kind: ConfigMap, metadata: { name: c }")
            + &object("apiVersion: v1, metadata: { name: c }")
            + &object("apiVersion: v1, kind: ConfigMap")
            + &object("apiVersion: v1, kind: ConfigMap, metadata: { name: 1 }"),
        "  - manifests:\n      clusters: [c1, c3, c1]\n      namespace: De_mo\n      objects:\n        - { apiVersion: v1, kind: Pod, metadata: { name: p } }\n        - { apiVersion: v1, kind: Pod, metadata: { name: p, namespace: default } }\n".to_owned(),
        "  - manifests: { clusters: [], files: [web.yaml] }\n".to_owned(),
        "  - sleep\n".to_owned() + "  - manifests: { namespace: sample, objects: [{ apiVersion: apps/v1, kind: Deployment, metadata: { name: sleep } }] }\n",
        "  - manifest: {}\n".to_owned(),
    ];
    insta::with_settings!({ omit_expression => true }, { insta::assert_snapshot!("refused", refusals(&cases, &found)) });
}

/// Clusters that get lab's own rule for the connections of helloworld's callers.
fn ruled(text: &str) -> Vec<String> {
    let lab = lab(text, &Files::new());
    let is_ruled = |c: &&String| deployed(&lab, c).contains(&"DestinationRule sample/helloworld-requests".to_owned());
    let names: Vec<String> = lab.clusters.iter().map(|c| c.name.clone()).collect();
    names.iter().filter(is_ruled).cloned().collect()
}

#[test]
fn only_where_versions_share_gateways_each_request_has_its_connection() {
    let on = |networks: &[&str]| {
        let clusters = networks.iter().enumerate().fold(String::new(), |mut text, (i, network)| {
            let _ = writeln!(text, "  - {{ name: c{i}, network: {network} }}");
            text
        });
        format!("name: demo\nclusters:\n{clusters}")
    };
    assert_eq!(ruled(&on(&["a", "a", "b", "b"])), ["c0", "c1", "c2", "c3"]);
    assert_eq!(ruled(&on(&["a", "b", "b"])), ["c0", "c1", "c2"]);
    assert!(ruled(&on(&["a", "b", "c"])).is_empty(), "a gateway has one version behind it");
    assert!(ruled(&on(&["a", "a", "a"])).is_empty(), "pods are called directly");
}

#[test]
fn a_rule_of_the_users_own_for_helloworld_stands() {
    let with = |host: &str| {
        format!(
            "name: demo\nclusters:\n  - {{ name: a, network: n }}\n  - {{ name: b, network: n }}\n  - {{ name: c, network: m }}\n\
             apps:\n  - helloworld\n  - sleep\n  - manifests:\n      name: rule\n      objects:\n        \
             - {{ apiVersion: networking.istio.io/v1, kind: DestinationRule, metadata: {{ name: r, namespace: sample }}, spec: {{ host: {host} }} }}\n"
        )
    };
    for own in ["helloworld", "helloworld.sample", "helloworld.sample.svc", "helloworld.sample.svc.cluster.local"] {
        assert!(ruled(&with(own)).is_empty(), "{own}");
    }
    assert_eq!(ruled(&with("echo")), ["a", "b", "c"]);
}

fn refusal(text: &str) -> String {
    render(&parse(text, "lab.yaml").expect_err("refused"))
}

#[test]
fn the_secret_of_the_mesh_is_refused_and_its_field_named() {
    let object = "{ apiVersion: v1, kind: Secret, metadata: { name: cacerts, namespace: istio-system } }";
    let text = scenario(&format!("  - manifests: {{ objects: [{object}] }}\n"));
    let told = refusal(&text);
    assert!(told.contains("Secret istio-system/cacerts") && told.contains("mesh: { ca:"), "{told}");
    // Somebody who installs Istio by hand needs it.
    let bare = format!("name: demo\nmesh: none\nclusters: [c1, c2]\napps:\n  - manifests: {{ objects: [{object}] }}\n");
    parse(&bare, "lab.yaml").unwrap_or_else(|e| panic!("{}", render(&e)));
}

#[test]
fn a_service_for_which_no_address_is_left_is_refused() {
    let services = |count: usize, more: &str| -> String {
        let one = |n: usize| {
            format!(
                "{{ apiVersion: v1, kind: Service, metadata: {{ name: s{n}{more} }}, spec: {{ type: LoadBalancer }} }}"
            )
        };
        (0..count).map(one).collect::<Vec<_>>().join(", ")
    };
    let text = |pool: &str, objects: &str| {
        format!(
            "name: demo\nclusters:\n  - {{ name: c1, loadBalancer: {{ pool: {pool} }} }}\n  - c2\napps:\n  - manifests: {{ clusters: [c1], objects: [{objects}] }}\n"
        )
    };
    let taken = |text: &str| parse(text, "lab.yaml").map_or_else(|e| panic!("{}", render(&e)), drop);
    taken(&text("auto", &services(8, "")));
    taken(&text("172.30.9.1-172.30.9.2", &services(1, "")));
    // A pool for the gateway alone is well.
    taken(&text("172.30.9.1/32", "{ apiVersion: v1, kind: ConfigMap, metadata: { name: c } }"));
    taken(&text("172.30.9.1-172.30.9.2", &services(3, ", annotations: { metallb.io/allow-shared-ip: a }")));
    let told = refusal(&text("auto", &services(9, "")));
    assert!(told.contains("Service default/s8 finds no address in cluster `c1`"), "{told}");
    let told = refusal(&text("172.30.9.1/32", &services(1, "")));
    assert!(told.contains("its pool has 1, of which 1 are for gateways"), "{told}");
}
