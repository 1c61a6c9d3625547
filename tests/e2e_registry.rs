//! Images from a registry: Debian's own registry server on this machine, the package-built images pushed into it, and a lab whose nodes
//! pull everything through containerd's mirror rule.

mod e2e;

use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use e2e::{lab, lab_ok, run_dir, text};
use serde_json::Value;

const NAME: &str = "private-registry";

/// A running registry, and its port.
struct Registry(Child, u16);

impl Drop for Registry {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
        lab(&["down", NAME]);
    }
}

/// The registry server out of Debian's package, unpacked and not installed.
fn server(dir: &Path) -> std::path::PathBuf {
    let binary = dir.join("root/usr/bin/docker-registry");
    if !binary.exists() {
        let run = |command: &str| {
            let output = Command::new("sh").args(["-c", command]).current_dir(dir).output().expect("sh starts");
            assert!(output.status.success(), "{command}: {}", text(&output.stderr));
        };
        run("apt-get download docker-registry || { apt-get update -qq && apt-get download docker-registry; }");
        run("dpkg-deb --extract docker-registry_*.deb root");
    }
    binary
}

fn start(dir: &Path) -> Registry {
    // A port that is free now; on all addresses, because nodes reach the host by the gateway of their network.
    let port = std::net::TcpListener::bind("0.0.0.0:0").and_then(|l| l.local_addr()).expect("a free port").port();
    let config = format!(
        "version: 0.1\nlog: {{accesslog: {{disabled: false}}}}\nstorage: {{filesystem: {{rootdirectory: {}}}}}\nhttp: {{addr: ':{port}'}}\n",
        dir.join("data").display()
    );
    fs::write(dir.join("config.yml"), config).expect("a configuration");
    let log = fs::File::create(dir.join("registry.log")).expect("a log");
    let server = Command::new(server(dir))
        .args(["serve", "config.yml"])
        .current_dir(dir)
        .stdout(log.try_clone().expect("a log"))
        .stderr(log)
        .stdin(Stdio::null())
        .spawn()
        .expect("the registry starts");
    let registry = Registry(server, port);
    for _ in 0..100 {
        if std::net::TcpStream::connect(("127.0.0.1", port)).is_ok() {
            return registry;
        }
        std::thread::sleep(std::time::Duration::from_millis(100));
    }
    panic!("the registry does not answer: {}", fs::read_to_string(dir.join("registry.log")).unwrap_or_default());
}

#[test]
fn a_lab_comes_up_from_a_private_registry() {
    let dir = run_dir().join("registry");
    fs::create_dir_all(&dir).expect("a directory");
    let registry = start(&dir);
    let mirror = format!("127.0.0.1:{}", registry.1);
    lab_ok(&["images", "push", &mirror]);

    let scenario = dir.join("registry.yaml");
    // The shipped scenario, at the port that is free here.
    let text = fs::read_to_string("scenarios/private-registry.yaml").expect("the scenario");
    assert!(text.contains("127.0.0.1:5000"), "{text}");
    fs::write(&scenario, text.replace("127.0.0.1:5000", &mirror)).expect("a scenario");
    let verdict: Value =
        serde_json::from_str(&lab_ok(&["up", &scenario.to_string_lossy(), "--output", "json"])).expect("a verdict");
    assert_eq!(verdict["passed"], true, "{verdict:#}");

    // It was the nodes that pulled: containerd, not Docker, asked for what only pods need.
    let log = fs::read_to_string(dir.join("registry.log")).expect("the log");
    let pulls = |image: &str| {
        log.lines().filter(|l| l.contains("containerd/") && l.contains(&format!("/v2/{image}/manifests/"))).count()
    };
    for image in ["istio/proxyv2", "istio/pilot", "apps/helloworld", "apps/sleep", "metallb/speaker"] {
        assert!(
            pulls(image) > 0,
            "no node pulled {image}; the registry saw:\n{}",
            log.lines().take(40).collect::<Vec<_>>().join("\n")
        );
    }

    // An image that the registry does not have is an image that no node gets, and the verdict says which app is away.
    let node = |args: &[&str]| {
        let command =
            ["exec", "private-registry-c2-control-plane", "kubectl", "--kubeconfig", "/etc/kubernetes/admin.conf"];
        Command::new("docker").args(command).args(args).output().expect("docker starts")
    };
    let gone = "helloworld=127.0.0.1:5000/lab/gone:1";
    assert!(node(&["-n", "sample", "set", "image", "deployment/helloworld-v2", gone]).status.success());
    assert!(node(&["-n", "sample", "scale", "deployment/helloworld-v2", "--replicas=0"]).status.success());
    assert!(
        node(&["-n", "sample", "wait", "--for=delete", "pod", "-l", "app=helloworld", "--timeout=60s"])
            .status
            .success()
    );
    assert!(node(&["-n", "sample", "scale", "deployment/helloworld-v2", "--replicas=1"]).status.success());
    e2e::assert_cause(&e2e::verify_red(NAME), "helloworld v2 is not available in c2");
}
