//! Labs that lose a cluster, get one, or get another control plane, while calls go on.

mod e2e;

use std::fs;
use std::process::{Child, Command, Stdio};

use e2e::{Own, in_short, lab, lab_as_is, lab_ok, run_dir, text};
use serde_json::Value;

const NAME: &str = "e2e-clusters";

/// The scenario with these clusters, each with the version of helloworld of its number.
fn scenario(clusters: &[&str]) -> String {
    let versions: Vec<String> = clusters.iter().map(|c| format!("{c}: {}", c.replace('c', "v"))).collect();
    let text = format!(
        "name: {NAME}\nclusters: [{}]\napps: [{{ helloworld: {{ versions: {{ {} }} }} }}, {{ sleep: {{}} }}]\n",
        clusters.join(", "),
        versions.join(", ")
    );
    let file = run_dir().join(format!("clusters-{}.yaml", clusters.join("-")));
    fs::write(&file, text).expect("a scenario");
    file.display().to_string()
}

fn up(clusters: &[&str], flags: &[&str]) -> String {
    let output = lab_as_is(&[&["up", &scenario(clusters), "--fresh", "--output", "json"], flags].concat());
    let said = text(&output.stderr);
    let verdict: Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|e| panic!("{e}: {said}"));
    assert_eq!(verdict["passed"], true, "{}", in_short(&verdict));
    said
}

/// Calls from a pod of a cluster until they are stopped.
struct Calls {
    docker: Child,
    cluster: &'static str,
    /// The file that ends them.
    enough: String,
}

impl Calls {
    fn begin(own: &Own, cluster: &'static str, name: &str) -> Self {
        let enough = format!("/tmp/enough-{name}");
        let calls = format!(
            "while [ ! -e {enough} ]; do \
             said=$(curl -s -m 5 -w ' %{{http_code}}' helloworld:5000/hello | tr '\\n' ' '); \
             code=${{said##* }}; [ \"$code\" = 200 ] && echo 200 || echo \"$code at $(date -u +%T.%N): $said\"; sleep 0.1; done"
        );
        let mut docker = Command::new("docker");
        docker.args([
            "exec",
            &format!("{}-{cluster}-control-plane", own.name),
            "kubectl",
            "--kubeconfig",
            "/etc/kubernetes/admin.conf",
        ]);
        docker.args(["-n", "sample", "exec", "deploy/sleep", "-c", "sleep", "--", "sh", "-c", &calls]);
        Self { docker: docker.stdout(Stdio::piped()).spawn().expect("docker"), cluster, enough }
    }

    /// None of them may have failed.
    fn end(self, own: &Own) {
        let end = format!(": >{}", self.enough);
        own.kubectl(self.cluster, &["-n", "sample", "exec", "deploy/sleep", "-c", "sleep", "--", "sh", "-c", &end]);
        let said = text(&self.docker.wait_with_output().expect("ended").stdout);
        let failed: Vec<&str> = said.lines().filter(|code| *code != "200").collect();
        eprintln!("{} calls from {}, {} failed", said.lines().count(), self.cluster, failed.len());
        assert!(
            failed.is_empty() && said.lines().count() > 20,
            "{} calls from {}, of which failed {failed:?}",
            said.lines().count(),
            self.cluster
        );
    }
}

/// The pods of a cluster and how often their containers have started: what runs is left alone. Those of finished jobs do not count.
fn pods(own: &Own, cluster: &str) -> String {
    let each = "jsonpath={range .items[*]}{.metadata.uid} {.status.containerStatuses[*].restartCount}{\"\\n\"}{end}";
    own.kubectl(cluster, &["get", "pods", "-A", "--sort-by=.metadata.uid", "-o", each])
}

fn containers() -> String {
    text(&Command::new("docker").args(["ps", "-a", "--format", "{{.Names}}"]).output().expect("docker").stdout)
}

#[test]
fn a_cluster_goes_and_comes_back_while_calls_go_on_in_full() {
    lab(&["down", NAME]);
    let own = Own { name: NAME.to_owned(), verdict: Value::Null, file: scenario(&["c1", "c2", "c3"]) };
    up(&["c1", "c2", "c3"], &[]);
    let before = pods(&own, "c1") + &pods(&own, "c3");

    // What would go is shown first, and stays.
    let shown = lab(&["diff", &scenario(&["c1", "c3"]), "--remove"]);
    let lines = text(&shown.stdout);
    assert!(
        lines.contains(&format!("remove   c2  the cluster, with all that is in it: {NAME}-c2-control-plane")),
        "{lines}"
    );
    assert_eq!(shown.status.code(), Some(5), "{}", text(&shown.stderr));

    // Without being told so, nothing is deleted.
    let refused = lab(&["up", &scenario(&["c1", "c3"])]);
    assert_eq!(refused.status.code(), Some(2));
    assert!(text(&refused.stderr).contains("lab up --remove"), "{}", text(&refused.stderr));

    let calls = Calls::begin(&own, "c1", "goes");
    let said = up(&["c1", "c3"], &["--remove"]);
    assert!(said.contains(&format!("cluster c2 is removed: {NAME}-c2-control-plane")), "{said}");
    calls.end(&own);
    assert!(!containers().contains(&format!("{NAME}-c2")));
    assert_eq!(pods(&own, "c1") + &pods(&own, "c3"), before);
    let listed: Value = serde_json::from_str(&lab_ok(&["status", NAME, "--output", "json"])).expect("a status");
    assert_eq!(listed["clusters"].as_array().map(Vec::len), Some(2), "{listed:#}");

    let calls = Calls::begin(&own, "c1", "comes");
    up(&["c1", "c3", "c2"], &[]);
    calls.end(&own);
    assert_eq!(pods(&own, "c1") + &pods(&own, "c3"), before);
}

/// c1 with its remotes.
fn remotes(clusters: &str) -> String {
    format!("mesh: {{ topology: primary-remote }}\nclusters: [{clusters}]\n")
}

#[test]
fn a_remote_comes_and_goes_and_one_gets_a_control_plane_of_its_own_in_full() {
    let mut own = Own::of("e2e-remotes", &remotes("c1, c2"));
    let before = pods(&own, "c1") + &pods(&own, "c2");
    let calls = ["c1", "c2"].map(|c| Calls::begin(&own, c, "remotes"));
    own.becomes(&remotes("c1, c2, c3"), &[]);
    let said = own.becomes(&remotes("c1, c2"), &["--remove"]);
    for calls in calls {
        calls.end(&own);
    }
    assert!(said.contains("cluster c3 is removed: e2e-remotes-c3-control-plane"), "{said}");
    assert!(!containers().contains("e2e-remotes-c3"));
    assert_eq!(pods(&own, "c1") + &pods(&own, "c2"), before, "nothing of the others starts anew");

    // Hot standby: c2 gets an istiod of its own beside that of c1, and then needs the other no more.
    fs::write(&own.file, "name: e2e-remotes\nclusters: [c1, c2]\n").expect("a scenario");
    let shown = text(&lab(&["diff", &own.file]).stdout);
    assert!(shown.contains("create   c2  Deployment istio-system/istiod"), "{shown}");
    assert!(!shown.contains("delete   c2  MutatingWebhookConfiguration"), "its own istiod takes it over: {shown}");
    let calls = ["c1", "c2"].map(|c| Calls::begin(&own, c, "promoted"));
    own.becomes("clusters: [c1, c2]\n", &[]);
    for calls in calls {
        calls.end(&own);
    }
    let slices = ["-n", "istio-system", "get", "endpointslices", "-l", "kubernetes.io/service-name=istiod", "-o"];
    let addresses = own.kubectl("c2", &[&slices[..], &["jsonpath={.items[*].endpoints[*].addresses[*]}"]].concat());
    assert!(addresses.starts_with("10.102.") && !addresses.contains(' '), "only its own istiod: {addresses}");
    let gateways = own.kubectl("c1", &["-n", "istio-system", "get", "gateways.networking.istio.io", "-o", "name"]);
    assert!(!gateways.contains("expose-istiod"), "{gateways}");
    own.kubectl("c1", &["-n", "istio-system", "scale", "deployment", "istiod", "--replicas=0"]);
    let calls = Calls::begin(&own, "c2", "alone");
    own.restart("c2", "sample", "helloworld-v2");
    calls.end(&own);
    own.mend();
    own.kubectl("c2", &["-n", "istio-system", "delete", "secret", "istio-remote-secret-c1"]);
    own.red("istiod of c2 does not watch c1");
    own.mend();

    // There is no way back to one control plane.
    fs::write(&own.file, format!("name: e2e-remotes\n{}", remotes("c1, c2"))).expect("a scenario");
    let refused = lab(&["up", &own.file]);
    assert_eq!(refused.status.code(), Some(2));
    assert!(text(&refused.stderr).contains("primary of its cluster c2 would change from c2 to c1"));
}

/// A mesh whose control plane is outside, with its networks listed, and the only ingress gateway in its second cluster.
fn hosted(clusters: &str) -> String {
    format!(
        "mesh: {{ topology: external, meshNetworks: true, ingressGateway: [w2] }}\nclusters: [{clusters}]\nchecks: [rotation, rotation: {{ through: ingress }}]\n"
    )
}

#[test]
fn a_cluster_comes_to_a_hosted_mesh_with_listed_networks_and_goes_in_full() {
    let mut own = Own::of("e2e-hosted", &hosted("host, w1, w2"));
    assert!(own.endpoints("w1").iter().any(|e| e.ends_with(":15443")), "{:?}", own.endpoints("w1"));
    // Routes are read from the first cluster, which has no ingress gateway.
    own.kubectl("w1", &["-n", "istio-system", "delete", "virtualservice", "helloworld-ingress"]);
    own.red("the ingress gateway of w2 has no listener for what comes to it");
    own.mend();

    let before = pods(&own, "w1") + &pods(&own, "w2");
    let calls = ["w1", "w2"].map(|c| Calls::begin(&own, c, "hosted"));
    own.becomes(&hosted("host, w1, w2, w3"), &[]);
    own.becomes(&hosted("host, w1, w2"), &["--remove"]);
    for calls in calls {
        calls.end(&own);
    }
    assert!(!containers().contains("e2e-hosted-w3"));
    assert_eq!(pods(&own, "w1") + &pods(&own, "w2"), before, "nothing of the mesh starts anew");

    // Its configuration stays where it is.
    fs::write(&own.file, format!("name: e2e-hosted\n{}", hosted("host, w2, w1"))).expect("a scenario");
    let refused = lab(&["up", &own.file]);
    assert_eq!(refused.status.code(), Some(2));
    assert!(text(&refused.stderr).contains("no longer read its configuration from w1, but from w2"));
}
