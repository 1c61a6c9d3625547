//! Guided labs: what their READMEs tell a person to type is typed, and what they say is seen.
//!
//! Each lab of `labs/` has a test of its own here, which calls `guided` with its name; `tests/readme.rs` sees that none is forgotten.

mod e2e;
#[path = "e2e/readme.rs"]
mod readme;

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use readme::{Shell, follow};

/// Follows the README from nothing, whatever an earlier run has kept.
const LAB: &str = r#"#!/bin/bash
case $* in up*--dry-run*) ;; up*) set -- "$@" --fresh ;; esac
exec BINARY "$@"
"#;

/// Copies kubectl out of a node when it is first called: the lab is up by then.
const KUBECTL: &str = r#"#!/bin/bash
set -u
real=DIR/kubectl.of-a-node
if [ ! -x "$real" ]; then
  node=$(docker ps --quiet --filter label=dev.lab.lab=NAME | head -n 1)
  [ -n "$node" ] || { echo "kubectl: lab NAME has no running node to take it from" >&2; exit 127; }
  docker cp "$node:/usr/bin/kubectl" "$real.new" >/dev/null 2>&1 && mv "$real.new" "$real" || exit 127
fi
exec "$real" "$@"
"#;

/// Asks lab where its own istioctl is.
const ISTIOCTL: &str = r#"#!/bin/bash
real=$(lab images list --output json | sed -n '/"name": "istioctl"/,/}/s/.*"local": "\(.*\)".*/\1/p')
[ -n "$real" ] || { echo "istioctl: lab has prepared none yet" >&2; exit 127; }
exec "$real" "$@"
"#;

/// A directory for PATH with the tested lab, and with the tools of the lab `name`.
fn tools(name: &str) -> tempfile::TempDir {
    let dir = tempfile::tempdir().expect("a directory");
    let place = dir.path().display().to_string();
    for (tool, script) in [("lab", LAB), ("kubectl", KUBECTL), ("istioctl", ISTIOCTL)] {
        let file = dir.path().join(tool);
        fs::write(&file, script.replace("DIR", &place).replace("NAME", name).replace("BINARY", e2e::LAB))
            .expect("writes");
        fs::set_permissions(&file, fs::Permissions::from_mode(0o755)).expect("executable");
    }
    dir
}

/// Follows the README of a lab from nothing, and removes the lab.
fn run(lab: &Path, name: &str) -> Result<usize, String> {
    let tools = tools(name);
    e2e::lab(&["down", name]);
    let mut shell = Shell::start(Path::new(env!("CARGO_MANIFEST_DIR")), tools.path());
    let result = follow(&lab.join("README.md"), &mut shell);
    e2e::lab(&["down", name]);
    result
}

/// The guided lab of that name.
fn guided(name: &str) {
    let lab = Path::new(env!("CARGO_MANIFEST_DIR")).join("labs").join(name);
    let commands = run(&lab, name).unwrap_or_else(|e| panic!("{e}"));
    assert!(commands > 0, "{name}: no command in the README");
}

#[test]
fn hosted_mesh() {
    guided("hosted-mesh");
}

#[test]
fn two_clusters() {
    guided("two-clusters");
}

#[test]
fn three_regions() {
    guided("three-regions");
}

#[test]
fn karmada_three_regions() {
    guided("karmada-three-regions");
}

#[test]
fn sandbox_in_full() {
    guided("sandbox");
}

/// The runner itself, on a lab of one cluster with objects of every kind of source.
#[test]
fn a_lab_of_ones_own_with_files_and_a_kustomization() {
    const NAME: &str = "guided-own";
    let dir = tempfile::tempdir().expect("a directory");
    let file = |name: &str, text: &str| {
        let path: PathBuf = dir.path().join(name);
        fs::create_dir_all(path.parent().expect("a directory")).expect("a directory");
        fs::write(path, text.replace("DIR", &dir.path().display().to_string())).expect("writes");
    };
    let (scenario, fewer) = SCENARIO.split_once("=====\n").expect("two scenarios");
    file("scenario.yaml", scenario);
    file("fewer.yaml", fewer);
    file("apps/web.yaml", WEB);
    file("apps/idle/kustomization.yaml", "namePrefix: k-\nresources: [idle.yaml]\n");
    file("apps/idle/idle.yaml", IDLE);
    file("README.md", README);
    let commands = run(dir.path(), NAME).unwrap_or_else(|e| panic!("{e}"));
    assert_eq!(commands, 12);
}

const SCENARIO: &str = "name: guided-own
clusters: [c1]
apps:
  - sleep
  - manifests:
      name: web
      namespace: demo
      files: [apps/web.yaml, apps/idle]
      objects:
        - apiVersion: networking.istio.io/v1
          kind: VirtualService
          metadata: { name: web }
          spec: { hosts: [web], http: [{ headers: { response: { set: { x-from: mesh } } }, route: [{ destination: { host: web } }] }] }
=====
name: guided-own
clusters: [c1]
apps:
  - sleep
  - manifests: { name: web, namespace: demo, files: [apps/web.yaml] }
";

const WEB: &str = "apiVersion: v1
kind: Service
metadata: { name: web }
spec: { selector: { app: web }, ports: [{ name: http, port: 80, targetPort: 5000 }] }
---
apiVersion: apps/v1
kind: Deployment
metadata: { name: web }
spec:
  selector: { matchLabels: { app: web } }
  template:
    metadata: { labels: { app: web } }
    spec: { containers: [{ name: web, image: helloworld, env: [{ name: SERVICE_VERSION, value: mine }] }] }
---
apiVersion: apps/v1
kind: StatefulSet
metadata: { name: db }
spec:
  serviceName: web
  selector: { matchLabels: { app: db } }
  template:
    metadata: { labels: { app: db } }
    spec:
      terminationGracePeriodSeconds: 0
      containers: [{ name: db, image: sleep, command: [sleep, infinity] }]
";

const IDLE: &str = "apiVersion: apps/v1
kind: DaemonSet
metadata: { name: idle }
spec:
  selector: { matchLabels: { app: idle } }
  template:
    metadata: { labels: { app: idle } }
    spec:
      terminationGracePeriodSeconds: 0
      containers: [{ name: idle, image: sleep, command: [sleep, infinity] }]
";

const README: &str = "# Objects of one's own

```console
$ lab up DIR
…
…ok  c1: sleep and web (…
…
lab guided-own is up after … s
…
$ lab kubeconfig guided-own >DIR/kubeconfig; export KUBECONFIG=DIR/kubeconfig
$ kubectl config use-context lab-guided-own-c1
Switched to context \"lab-guided-own-c1\".
$ kubectl -n demo get deployments,statefulsets,daemonsets,virtualservices -o name
deployment.apps/web
statefulset.apps/db
daemonset.apps/k-idle
virtualservice.networking.istio.io/web
$ kubectl -n sample exec deploy/sleep -c sleep -- \\
    curl -si web.demo/hello
HTTP/1.1 200 OK
…
x-from: mesh
…
Hello version: mine, instance: web-…
$ istioctl version --remote=false --short
client version: 1.32-dev
$ kubectl -n demo scale deployment web --replicas=0
deployment.apps/web scaled
$ lab up DIR/fewer.yaml
…
…
lab guided-own is up after … s
…
$ kubectl -n demo get deployments,statefulsets,daemonsets,virtualservices -o name
deployment.apps/web
statefulset.apps/db
$ kubectl -n demo get deployment web -o jsonpath={.status.readyReplicas}
1
$ lab up guided-own
…
lab guided-own is already up, nothing changed after … s
…
```

```console exit=1
$ kubectl -n demo get configmap nosuch
Error from server (NotFound): configmaps \"nosuch\" not found
```
";
