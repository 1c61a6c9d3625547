//! Karmada on real labs: where it runs replicas, what it does when a member is lost and comes back, and what turns the verdict red.

mod e2e;

use std::fs;

use e2e::{Own, lab, lab_ok, run_dir, text, verify_red};
use serde_json::{Value, json};

/// The kubeconfig of Karmada's own API, in the manager's node.
const KARMADA: &str = "/var/lib/lab/karmada/data/karmada-apiserver.config";

/// Runs kubectl against Karmada's API; it must succeed. Gives what it printed.
fn karmada(own: &Own, args: &[&str]) -> String {
    let output = own.node("manager", &[&["kubectl", "--kubeconfig", KARMADA], args].concat());
    assert!(output.status.success(), "kubectl {args:?}: {}", text(&output.stderr));
    text(&output.stdout)
}

/// Found replicas by member.
fn found(verdict: &Value) -> Value {
    let members = verdict["federation"][0]["members"].as_array().expect("members");
    members.iter().map(|m| (m["cluster"].as_str().expect("a name").to_owned(), m["found"].clone())).collect()
}

fn measures(verdict: &Value) -> Vec<(String, f64)> {
    let measures = verdict["federation"][0]["measures"].as_array().expect("measures");
    let one = |m: &Value| (m["what"].as_str().unwrap_or_default().to_owned(), m["value"].as_f64().unwrap_or_default());
    measures.iter().map(one).collect()
}

/// What the first finding rests on.
fn evidence(verdict: &Value) -> String {
    verdict["findings"][0]["evidence"].as_str().unwrap_or_default().to_owned()
}

fn images(own: &Own, cluster: &str) -> Vec<String> {
    let listed = own.node(cluster, &["ctr", "--namespace", "k8s.io", "images", "list", "--quiet"]);
    text(&listed.stdout).lines().filter(|l| l.contains("karmada")).map(str::to_owned).collect()
}

#[test]
fn karmada_alone() {
    let mut own = Own::up("karmada");
    assert_eq!(found(&own.verdict), json!({ "eu": 4, "ap": 2 }));
    let lost = measures(&own.verdict);
    assert_eq!(lost.len(), 3, "{lost:?}");
    assert!(lost[0].1 > 5.0 && lost[0].1 < 90.0, "moved after its toleration: {lost:?}");

    // Only the clusters that need them have Karmada's images, and there is nothing of Istio.
    assert_eq!((images(&own, "manager").len(), images(&own, "eu").len(), images(&own, "ap").len()), (5, 0, 1));
    assert!(!own.kubectl("eu", &["get", "namespaces", "-o", "name"]).contains("istio-system"));
    let modes =
        karmada(&own, &["get", "clusters", "-o", "custom-columns=N:.metadata.name,M:.spec.syncMode", "--no-headers"]);
    let modes: Vec<Vec<&str>> = modes.lines().map(|l| l.split_whitespace().collect()).collect();
    assert_eq!(modes, [["ap", "Pull"], ["eu", "Push"]]);
    let again = lab(&["up", "karmada", "--no-verify"]);
    assert!(text(&again.stderr).contains("nothing changed"), "{}", text(&again.stderr));

    // Another ratio than the scenario's, as somebody might set it by hand.
    let equal = r#"[{"op":"replace","path":"/spec/placement/replicaScheduling/weightPreference/staticWeightList/0/weight","value":1}]"#;
    karmada(&own, &["-n", "demo", "patch", "propagationpolicy", "hello", "--type=json", "-p", equal]);
    own.kubectl(
        "ap",
        &["-n", "demo", "wait", "deployment/hello", "--for=jsonpath={.status.readyReplicas}=3", "--timeout=60s"],
    );
    let verdict = verify_red("karmada");
    assert_eq!(found(&verdict), json!({ "eu": 3, "ap": 3 }));
    assert!(verdict["federation"][0]["problems"].to_string().contains("ap was not lost"), "{verdict:#}");
    assert_eq!(verdict["findings"][0]["cause"], "Karmada does not have what the scenario configures", "{verdict:#}");
    assert!(evidence(&verdict).contains("PropagationPolicy demo/hello"), "{verdict:#}");
    own.mend();

    // Nobody carries work to the pull member, so in time its replicas are moved.
    own.kubectl("ap", &["-n", "karmada-system", "scale", "deployment/karmada-agent", "--replicas=0"]);
    own.kubectl(
        "eu",
        &["-n", "demo", "wait", "deployment/hello", "--for=jsonpath={.status.readyReplicas}=6", "--timeout=180s"],
    );
    let verdict = verify_red("karmada");
    assert_eq!(verdict["findings"][0]["cause"], "Karmada does not find ap ready", "{verdict:#}");
    assert!(evidence(&verdict).contains("karmada-system/karmada-agent in ap has no available replica"), "{verdict:#}");
    lab_ok(&["up", "karmada", "--no-verify"]);
    // Back is the member, not its replicas: that has to be asked for.
    let verdict = verify_red("karmada");
    let cause = "Karmada has not decided for demo/hello what the check expects";
    assert_eq!(verdict["findings"][0]["cause"], cause, "{verdict:#}");

    // A scenario that says so itself.
    let text = fs::read_to_string("scenarios/karmada.yaml").expect("the scenario");
    let text =
        text.replace("weight: 2 }", "weight: 1 }").replace("{ eu: 4, ap: 2 }, exercise: [ap]", "{ eu: 3, ap: 3 }");
    let file = run_dir().join("karmada-equal.yaml");
    fs::write(&file, text).expect("writes");
    let verdict = lab_ok(&["up", &file.to_string_lossy(), "--output", "json"]);
    let verdict: Value = serde_json::from_str(&verdict).expect("a verdict");
    assert_eq!(found(&verdict), json!({ "eu": 3, "ap": 3 }));
}

/// The entries of the verdict whose check has this in its name.
fn of_check<'a>(verdict: &'a Value, words: &str) -> Vec<&'a Value> {
    let sources = verdict["sources"].as_array().expect("sources");
    sources.iter().filter(|s| s["check"].as_str().is_some_and(|c| c.contains(words))).collect()
}

#[test]
fn karmada_over_three_regions() {
    let mut own = Own::up("karmada-three-regions");
    assert_eq!(found(&own.verdict), json!({ "eu": 2, "ap": 1, "us": 2 }));
    // Three of the replicas, and for each of two callers failed calls and their end, there and back.
    let lost = measures(&own.verdict);
    assert_eq!(lost.len(), 3 + 2 * 4, "{lost:?}");
    let shares = of_check(&own.verdict, "in the ratio of the replicas");
    assert_eq!(shares.len(), 3, "from every region");
    for source in shares {
        assert_eq!(source["versions"].as_object().expect("versions").len(), 3, "{source:#}");
    }
    assert_eq!(of_check(&own.verdict, "answers").len(), 3 * 3, "and each region at home, from inside and from outside");
    let namespaces = own.kubectl("manager", &["get", "namespaces", "-o", "name"]);
    assert!(!namespaces.contains("istio-system"), "the manager is no part of the mesh: {namespaces}");

    // Without the overrides nobody knows where it is.
    karmada(&own, &["-n", "demo", "delete", "overridepolicy", "region"]);
    let ready = ["-n", "demo", "rollout", "status", "deployment/hello", "--timeout=120s"];
    let nowhere = "--for=jsonpath={.spec.template.spec.containers[0].env[0].value}=nowhere";
    for region in ["eu", "ap", "us"] {
        own.kubectl(region, &["-n", "demo", "wait", "deployment/hello", nowhere, "--timeout=60s"]);
        own.kubectl(region, &ready);
    }
    let verdict = verify_red("karmada-three-regions");
    assert!(of_check(&verdict, "in the ratio").iter().all(|s| s["passed"] == false), "{verdict:#}");
    assert!(evidence(&verdict).contains("OverridePolicy demo/region"), "{verdict:#}");
    assert!(
        verdict["federation"][0]["members"].as_array().expect("members").iter().all(|m| m["found"] == m["expected"])
    );
    // The overrides come back to the members a moment after `lab up` has put them into Karmada.
    lab_ok(&["up", "karmada-three-regions", "--no-verify"]);
    for region in ["eu", "ap", "us"] {
        let named = format!("--for=jsonpath={{.spec.template.spec.containers[0].env[0].value}}={region}");
        own.kubectl(region, &["-n", "demo", "wait", "deployment/hello", &named, "--timeout=60s"]);
        own.kubectl(region, &ready);
    }
    own.mend();

    // As many in each region as in any other.
    let text = fs::read_to_string("scenarios/karmada-three-regions.yaml").expect("the scenario");
    let text = text
        .replace("weight: 2 }", "weight: 1 }")
        .replace("replicas: 5", "replicas: 3")
        .replace(
            "{ eu: 2, ap: 1, us: 2 }, exercise: [ap], service: \"hello.demo:5000/hello\"",
            "{ eu: 1, ap: 1, us: 1 }",
        )
        .replace("{ eu: 40, ap: 20, us: 40 }", "{ eu: 34, ap: 33, us: 33 }");
    let file = run_dir().join("karmada-three-regions-equal.yaml");
    fs::write(&file, text).expect("writes");
    let verdict = lab_ok(&["up", &file.to_string_lossy(), "--output", "json"]);
    let verdict: Value = serde_json::from_str(&verdict).expect("a verdict");
    assert_eq!(found(&verdict), json!({ "eu": 1, "ap": 1, "us": 1 }));
}

/// `hello` spread over FIRST and SECOND, each of which answers as itself. An agent fetches the work of the second.
const SPREAD: &str = r#"apps: [sleep]
federation:
  manager: manager
  members: [FIRST, { cluster: SECOND, mode: pull }]
  objects:
    - { apiVersion: v1, kind: Namespace, metadata: { name: demo, labels: { istio-injection: enabled } } }
    - apiVersion: apps/v1
      kind: Deployment
      metadata: { name: hello, namespace: demo }
      spec:
        replicas: 2
        selector: { matchLabels: { app: hello } }
        template:
          metadata: { labels: { app: hello } }
          spec:
            containers:
              - name: hello
                image: helloworld
                env: [{ name: SERVICE_VERSION, value: FIRST }]
                ports: [{ containerPort: 5000 }]
    - apiVersion: v1
      kind: Service
      metadata: { name: hello, namespace: demo }
      spec: { selector: { app: hello }, ports: [{ name: http, port: 5000 }] }
    - apiVersion: policy.karmada.io/v1alpha1
      kind: PropagationPolicy
      metadata: { name: hello, namespace: demo }
      spec:
        resourceSelectors: [{ apiVersion: apps/v1, kind: Deployment }]
        placement:
          clusterAffinity: { clusterNames: [FIRST, SECOND] }
          replicaScheduling: { replicaSchedulingType: Divided, replicaDivisionPreference: Weighted }
    - apiVersion: policy.karmada.io/v1alpha1
      kind: PropagationPolicy
      metadata: { name: services, namespace: demo }
      spec:
        resourceSelectors: [{ apiVersion: v1, kind: Service }]
        placement: { clusterAffinity: { clusterNames: [FIRST, SECOND] } }
    - apiVersion: policy.karmada.io/v1alpha1
      kind: OverridePolicy
      metadata: { name: names, namespace: demo }
      spec:
        resourceSelectors: [{ apiVersion: apps/v1, kind: Deployment, name: hello }]
        overrideRules:
          - targetCluster: { clusterNames: [SECOND] }
            overriders:
              plaintext: [{ path: /spec/template/spec/containers/0/env/0/value, operator: replace, value: SECOND }]
checks:
  - federation: { deployment: demo/hello, replicas: { FIRST: 1, SECOND: 1 } }
  - request: { service: "hello.demo:5000/hello", expect: { weights: { FIRST: 50, SECOND: 50 } } }
"#;

fn spread(mesh: &str, clusters: &str, [first, second]: [&str; 2]) -> String {
    let spread = SPREAD.replace("FIRST", first).replace("SECOND", second);
    format!("mesh: {{ topology: {mesh} }}\nclusters: [manager, {clusters}]\n{spread}")
}

/// Karmada over a mesh whose members share a control plane: in one of them, or outside.
#[test]
fn karmada_over_one_control_plane_in_full() {
    for (name, mesh, clusters, members, istiod) in [
        ("e2e-fed-remote", "primary-remote", "c1, { name: c2, primary: c1 }", ["c1", "c2"], "c1"),
        ("e2e-fed-hosted", "external", "host, w1, w2", ["w1", "w2"], "host"),
    ] {
        let mut own = Own::of(name, &spread(mesh, clusters, members));
        assert_eq!(found(&own.verdict), json!({ members[0]: 1, members[1]: 1 }));
        assert_eq!(of_check(&own.verdict, "hello.demo").len(), 2, "calls from each member: {:#}", own.verdict);
        own.kubectl(
            istiod,
            &["-n", "istio-system", "delete", "secret", &format!("istio-remote-secret-{}", members[1])],
        );
        let verdict = own.red(&format!("istiod of {istiod} does not watch {}", members[1]));
        assert_eq!(found(&verdict), json!({ members[0]: 1, members[1]: 1 }), "Karmada does not mind");
        own.mend();
    }
}

/// A member leaves with its cluster, comes back in another mode, and leaves without it.
#[test]
fn a_member_leaves_and_comes_back_in_full() {
    let text = fs::read_to_string("scenarios/karmada.yaml").expect("the scenario");
    let text = text.replace("name: karmada\n", "").replace(", exercise: [ap]", "");
    let alone = text
        .replace(", { cluster: ap, mode: pull }", "")
        .replace("clusterNames: [eu, ap]", "clusterNames: [eu]")
        .replace("                - { targetCluster: { clusterNames: [ap] }, weight: 1 }\n", "")
        .replace("{ eu: 4, ap: 2 }", "{ eu: 6 }");
    let without = alone.replace("clusters: [manager, eu, ap]", "clusters: [manager, eu]");
    let members = ["get", "clusters", "-o", "custom-columns=N:.metadata.name,M:.spec.syncMode", "--no-headers"];
    let members = |own: &Own| karmada(own, &members).split_whitespace().collect::<Vec<_>>().join(" ");

    let mut own = Own::of("e2e-members", &text);
    let pods = ["-n", "demo", "get", "pods", "--sort-by=.metadata.uid", "-o", "jsonpath={.items[*].metadata.uid}"];
    let before = own.kubectl("eu", &pods);
    assert_eq!(members(&own), "ap Pull eu Push");
    fs::write(&own.file, format!("name: e2e-members\n{without}")).expect("a scenario");
    let refused = lab(&["up", &own.file]);
    assert_eq!(refused.status.code(), Some(2));
    assert!(self::text(&refused.stderr).contains("lab up FILE --remove"), "{}", self::text(&refused.stderr));
    let shown = self::text(&lab(&["diff", &own.file, "--remove"]).stdout);
    assert!(shown.contains("delete   karmada/api  Cluster ap") && shown.contains("remove   ap  "), "{shown}");

    own.becomes(&without, &["--remove"]);
    assert_eq!((members(&own).as_str(), found(&own.verdict)), ("eu Push", json!({ "eu": 6 })));
    let after = own.kubectl("eu", &pods);
    assert!(before.split(' ').all(|pod| after.contains(pod)), "what ran there runs on: {before} -> {after}");

    own.becomes(&text.replace("{ cluster: ap, mode: pull }", "ap"), &[]);
    assert_eq!((members(&own).as_str(), found(&own.verdict)), ("ap Push eu Push", json!({ "eu": 4, "ap": 2 })));
    own.becomes(&alone, &["--remove"]);
    assert_eq!((members(&own).as_str(), found(&own.verdict)), ("eu Push", json!({ "eu": 6 })));
    let left = own.kubectl("ap", &["get", "deployments,namespaces", "-A", "-o", "name"]);
    assert!(!left.contains("deployment.apps/hello") && !left.contains("namespace/demo"), "nothing runs on: {left}");
}
