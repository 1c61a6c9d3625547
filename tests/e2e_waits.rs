//! What cannot get better is given up early, and named; what a node's container lacks is named before anything waits for it. One small lab for all of it.

mod e2e;

use std::process::Command;
use std::time::{Duration, Instant};

use e2e::{lab, lab_ok, text};

const NAME: &str = "e2e-waits";

/// Removes it at the end, also when an assertion failed.
struct CleanUp;

impl Drop for CleanUp {
    fn drop(&mut self) {
        lab(&["down", NAME]);
    }
}

fn docker(args: &[&str]) {
    assert!(Command::new("docker").args(args).status().expect("docker starts").success(), "docker {args:?}");
}

/// Brings the lab up with one more app: a Deployment whose pod has this specification.
fn up_with(app: Option<&str>) -> (Option<i32>, String, Duration) {
    let app = app.map_or_else(String::new, |pod| {
        format!(
            "apps:\n- manifests:\n    name: shop\n    namespace: shop\n    objects:\n    - apiVersion: apps/v1\n      kind: Deployment\n      metadata: {{ name: web }}\n      spec:\n        selector: {{ matchLabels: {{ app: web }} }}\n        template:\n          metadata: {{ labels: {{ app: web }} }}\n          spec: {pod}\n"
        )
    });
    let file = e2e::run_dir().join("waits.yaml");
    std::fs::write(&file, format!("name: {NAME}\nmesh: none\nclusters: [c1]\n{app}")).expect("a scenario");
    let start = Instant::now();
    let output = lab(&["up", &file.to_string_lossy()]);
    (output.status.code(), text(&output.stderr), start.elapsed())
}

#[test]
fn what_cannot_get_better_is_given_up_early_and_named() {
    let _clean_up = CleanUp;
    assert_eq!(up_with(None).0, Some(0));
    let given_up = |pod: &str, words: &[&str]| {
        let (code, said, took) = up_with(Some(pod));
        assert_eq!(code, Some(4), "{said}");
        assert!(took < Duration::from_secs(120), "{took:?}");
        for word in words.iter().chain(&["Deployment shop/web", "waiting does not help"]) {
            assert!(said.contains(word), "{word} is not in {said}");
        }
    };
    given_up(
        "{ containers: [{ name: web, image: \"127.0.0.1:9/no-such-image:1\" }] }",
        &["image 127.0.0.1:9/no-such-image:1 cannot be pulled"],
    );
    given_up("{ containers: [{ name: web, image: \"Not/An:Image:Name\" }] }", &["InvalidImageName"]);
    given_up(
        "{ containers: [{ name: web, image: sleep, command: [sh, -c, \"sleep 1; exit 7\"] }] }",
        &["keeps crashing", "exit code 7"],
    );
    given_up("{ nodeSelector: { disk: golden }, containers: [{ name: web, image: sleep }] }", &["fits on no node"]);
    assert_eq!(up_with(None).0, Some(0));

    // A node's container: stopped, detached from its network. Both are named at once, and `lab up` mends them.
    let node = format!("{NAME}-c1-control-plane");
    let named = |condition: &str| {
        let start = Instant::now();
        let verdict = lab(&["verify", NAME]);
        assert!(start.elapsed() < Duration::from_secs(60), "{:?}", start.elapsed());
        assert_eq!(verdict.status.code(), Some(1));
        assert!(text(&verdict.stdout).contains(condition), "{condition} is not in {}", text(&verdict.stdout));
        assert_eq!(up_with(None).0, Some(0));
        lab_ok(&["status", NAME]);
    };
    docker(&["stop", &node]);
    named(&format!("the node {node} of c1 is stopped"));
    docker(&["network", "disconnect", &format!("lab-{NAME}"), &node]);
    named(&format!("the node {node} of c1 is detached"));
}
