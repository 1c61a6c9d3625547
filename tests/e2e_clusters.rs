//! A lab that loses a cluster and gets one, while calls go on.

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

/// Calls from a pod of c1 until they are stopped.
struct Calls {
    docker: Child,
    /// The file that ends them.
    enough: String,
}

impl Calls {
    fn begin(name: &str) -> Self {
        let enough = format!("/tmp/enough-{name}");
        let calls = format!(
            "while [ ! -e {enough} ]; do curl -s -o /dev/null -m 5 -w '%{{http_code}}\\n' helloworld:5000/hello; sleep 0.1; done"
        );
        let mut docker = Command::new("docker");
        docker.args([
            "exec",
            &format!("{NAME}-c1-control-plane"),
            "kubectl",
            "--kubeconfig",
            "/etc/kubernetes/admin.conf",
        ]);
        docker.args(["-n", "sample", "exec", "deploy/sleep", "-c", "sleep", "--", "sh", "-c", &calls]);
        Self { docker: docker.stdout(Stdio::piped()).spawn().expect("docker"), enough }
    }

    /// None of them may have failed.
    fn end(self, own: &Own) {
        let end = format!(": >{}", self.enough);
        own.kubectl("c1", &["-n", "sample", "exec", "deploy/sleep", "-c", "sleep", "--", "sh", "-c", &end]);
        let said = text(&self.docker.wait_with_output().expect("ended").stdout);
        let failed: Vec<&str> = said.lines().filter(|code| *code != "200").collect();
        assert!(
            failed.is_empty() && said.lines().count() > 20,
            "{} calls, of which failed {failed:?}",
            said.lines().count()
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

    let calls = Calls::begin("goes");
    let said = up(&["c1", "c3"], &["--remove"]);
    assert!(said.contains(&format!("cluster c2 is removed: {NAME}-c2-control-plane")), "{said}");
    calls.end(&own);
    assert!(!containers().contains(&format!("{NAME}-c2")));
    assert_eq!(pods(&own, "c1") + &pods(&own, "c3"), before);
    let listed: Value = serde_json::from_str(&lab_ok(&["status", NAME, "--output", "json"])).expect("a status");
    assert_eq!(listed["clusters"].as_array().map(Vec::len), Some(2), "{listed:#}");

    let calls = Calls::begin("comes");
    up(&["c1", "c3", "c2"], &[]);
    calls.end(&own);
    assert_eq!(pods(&own, "c1") + &pods(&own, "c3"), before);
}
