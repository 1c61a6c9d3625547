//! API servers of a real lab that answer late, refuse, stall, and break watches: `lab up` does its work all the same, or says what it cannot.

#[path = "api_server/proxy.rs"]
mod proxy;

mod e2e;

use std::net::{IpAddr, SocketAddr};
use std::process::Command;
use std::time::{Duration, Instant};

use e2e::{Own, lab, text};
use proxy::{Proxy, Trouble};
use serde_json::Value;

const NAME: &str = "api-server";
/// How long `up` may take on a way that is not well.
const LIMIT: Duration = Duration::from_secs(240);

/// A way to the API server of a cluster, and that `lab` takes it.
fn way(own: &Own, cluster: &str) -> Proxy {
    let node = format!("{NAME}-{cluster}-control-plane");
    let serve = "kubectl --kubeconfig /etc/kubernetes/admin.conf proxy --address=0.0.0.0 --port=8001 --accept-hosts=.* --reject-paths=^/none";
    let started = Command::new("docker").args(["exec", "--detach", &node, "sh", "-c", serve]).status();
    assert!(started.expect("docker starts").success());
    let format = "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}";
    let inspect = Command::new("docker").args(["inspect", "--format", format, &node]).output().expect("docker starts");
    let address: IpAddr = text(&inspect.stdout).trim().parse().expect("an address");
    let proxy = Proxy::to(SocketAddr::new(address, 8001));
    let file = kubeconfig(own, cluster);
    let kubeconfig = std::fs::read_to_string(&file).expect("a kubeconfig");
    let mut kubeconfig: Value = serde_yaml::from_str(&kubeconfig).expect("a kubeconfig");
    kubeconfig["clusters"][0]["cluster"] = serde_json::json!({ "server": format!("http://{}", proxy.address) });
    kubeconfig["users"][0]["user"] = serde_json::json!({});
    std::fs::write(&file, kubeconfig.to_string()).expect("writes");
    proxy
}

fn kubeconfig(own: &Own, cluster: &str) -> std::path::PathBuf {
    let state = lab::sys::state::State::open().expect("state").existing(&own.name).expect("the lab");
    state.path(&format!("kubeconfigs/{cluster}.yaml"))
}

/// Takes away what `up` must apply and wait for.
fn break_it(own: &Own) {
    own.kubectl("c1", &["-n", "sample", "delete", "deployment", "helloworld-v1", "--wait=false"]);
    own.kubectl("c1", &["-n", "istio-system", "delete", "secret", "istio-remote-secret-c2"]);
    own.kubectl("c1", &["-n", "istio-system", "delete", "deployment", "istio-eastwestgateway", "--wait=false"]);
}

#[test]
fn an_api_server_in_trouble_in_full() {
    let own = Own::of(NAME, "clusters: [c1, c2]\napps: [helloworld, sleep]\n");
    let proxy = way(&own, "c1");
    let taken = std::fs::read_to_string(kubeconfig(&own, "c1")).expect("a kubeconfig");
    let second = Duration::from_secs(1);
    for trouble in [
        Trouble::Late(second / 5),
        Trouble::Refused(429, 3),
        Trouble::Refused(500, 5),
        Trouble::Refused(503, 5),
        Trouble::Contended(409, 3),
        Trouble::Cut(9),
        Trouble::ShortWatches(second),
    ] {
        break_it(&own);
        proxy.becomes(trouble);
        let start = Instant::now();
        let output = lab(&["up", &own.name]);
        let (took, said) = (start.elapsed(), text(&output.stderr));
        let spoiled = proxy.becomes(Trouble::Nothing);
        eprintln!("{trouble:?}: {} after {:.1} s, {spoiled} requests spoiled", output.status, took.as_secs_f64());
        assert!(output.status.success(), "{trouble:?}: {said}{}", text(&output.stdout));
        assert!(spoiled > 3, "{trouble:?} met {spoiled} requests");
        assert!(took < LIMIT, "{trouble:?}: {took:?}");
        assert_eq!(
            std::fs::read_to_string(kubeconfig(&own, "c1")).expect("a kubeconfig"),
            taken,
            "lab has left the way"
        );
    }
    // What does not end is named, in time.
    let troubles = [
        (Trouble::Refused(500, 1), "c1 cannot be asked"),
        (Trouble::Stalled(1), "the API server of c1 does not answer"),
    ];
    for (trouble, words) in troubles {
        proxy.becomes(trouble);
        let start = Instant::now();
        let output = lab(&["verify", &own.name]);
        let (took, said) = (start.elapsed(), text(&output.stdout));
        proxy.becomes(Trouble::Nothing);
        eprintln!("{trouble:?}: {} after {:.1} s", output.status, took.as_secs_f64());
        assert_eq!(output.status.code(), Some(1), "{trouble:?}: {said}{}", text(&output.stderr));
        assert!(said.contains(words), "{trouble:?}: {said}");
        assert!(took < LIMIT, "{trouble:?}: {took:?}");
    }
    // And `lab up` asks the node for another way.
    proxy.becomes(Trouble::Refused(500, 1));
    let output = lab(&["up", &own.name]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert_ne!(std::fs::read_to_string(kubeconfig(&own, "c1")).expect("a kubeconfig"), taken);
}
