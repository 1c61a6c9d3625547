//! What becomes of a lab whose machines were meddled with: `lab status` tells what is so, and `lab up` repairs it.

mod e2e;

use std::process::Command;
use std::time::{Duration, Instant};

use e2e::{Own, lab, text};

const NAME: &str = "repairs";
/// How long a mesh whose nodes have started again may take until it is well, of its own accord.
const BY_ITSELF: Duration = Duration::from_secs(240);

fn docker(args: &[&str]) -> String {
    let output = Command::new("docker").args(args).output().expect("docker starts");
    assert!(output.status.success(), "docker {args:?}: {}", text(&output.stderr));
    text(&output.stdout)
}

fn address(node: &str) -> String {
    docker(&["inspect", node, "--format", "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}"]).trim().to_owned()
}

/// What `lab status` prints.
fn status() -> String {
    let output = lab(&["status", NAME]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    text(&output.stdout)
}

/// The lab is red for the node's sake, `lab status` tells, and `lab up` repairs it.
fn repaired(own: &mut Own, told: &str, cause: &str) {
    let said = status();
    assert!(said.contains(told), "{told} is not in {said}");
    own.red(cause);
    own.mend();
    assert!(!status().contains(told), "{told} is still in {}", status());
}

#[test]
fn what_was_done_to_nodes_is_repaired_in_full() {
    let mut own = Own::of(NAME, "clusters: [c1, c2]\napps: [helloworld, sleep]\n");
    let [one, two] = ["c1", "c2"].map(|cluster| format!("{NAME}-{cluster}-control-plane"));
    let network = format!("lab-{NAME}");

    // Both are stopped, and come back in the other order, so that each has the other's address.
    let before = [address(&one), address(&two)];
    docker(&["stop", &one, &two]);
    let first = if before[0] < before[1] { [&two, &one] } else { [&one, &two] };
    let said = status();
    assert_eq!(said.matches("Exited").count(), 2, "{said}");
    docker(&["start", first[0]]);
    docker(&["start", first[1]]);
    assert_eq!([address(&two), address(&one)], before, "the addresses should be swapped");
    // Nobody helps: the mesh finds itself again.
    let start = Instant::now();
    loop {
        let verdict = lab(&["verify", NAME]);
        if verdict.status.success() {
            break;
        }
        assert!(start.elapsed() < BY_ITSELF, "{}{}", text(&verdict.stdout), text(&verdict.stderr));
    }
    eprintln!("well by itself after {:.0} s", start.elapsed().as_secs_f64());
    own.mend();

    docker(&["stop", &one]);
    repaired(&mut own, "Exited", &format!("the node {one} of c1 is stopped"));

    docker(&["rm", "--force", "--volumes", &two]);
    repaired(&mut own, "is not there", &format!("the node {two} of c2 is not there"));

    docker(&["network", "disconnect", &network, &two]);
    repaired(&mut own, "is detached from", &format!("the node {two} of c2 is detached"));

    // Its API server and what runs on it go on, and nothing can be asked in its pods.
    docker(&["exec", &two, "systemctl", "stop", "kubelet"]);
    own.red(&format!("the kubelet of {two} of c2 does not answer"));
    own.mend();

    // Attached again by hand, with another address.
    docker(&["network", "disconnect", &network, &one]);
    docker(&["network", "connect", "--ip", &free(&network), &network, &one]);
    own.mend();
}

/// An address of the network that no node has.
fn free(network: &str) -> String {
    let format = "{{range .Containers}}{{.IPv4Address}} {{end}}";
    let used = docker(&["network", "inspect", network, "--format", format]);
    let one = used.split_whitespace().next().and_then(|a| a.split('/').next()).expect("an address").to_owned();
    let (start, _) = one.rsplit_once('.').expect("four parts");
    format!("{start}.77")
}
