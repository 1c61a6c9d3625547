//! The scripts that make the clusters and remove them.

use std::fmt::Write as _;

use super::manifests::Manifests;
use super::{Material, PROBE, section};
use crate::plan::{Action, Lab, PlannedStep};

/// The oldest kubectl that knows all that the scripts ask for: `kubectl wait --for=create`, and waiting for a field to be there.
pub(super) const KUBECTL_VERSION: &str = "1.31 or later";

/// `up.sh`.
pub(super) fn up(lab: &Lab, phases: &[Vec<&PlannedStep>], material: &Material, manifests: &Manifests) -> String {
    let steps = || phases.iter().flatten();
    let istioctl = steps().any(|s| matches!(s.action, Action::RemoteSecret { .. }));
    let mut text = head(lab, material, if istioctl { " \"$ISTIOCTL\"" } else { "" });
    if lab.has_mesh() {
        text.push_str(&probe_function());
    }
    if steps().any(|s| matches!(s.action, Action::AppImages { .. })) {
        text.push_str(IMAGE_FUNCTION);
    }
    if steps().any(|s| matches!(s.action, Action::NodeNetwork { .. })) {
        text.push_str(&section::node_functions());
    }
    text.push_str("\nmkdir -p -m 700 kubeconfigs\n");
    for phase in phases {
        let Some(first) = phase.first() else { continue };
        text.push('\n');
        for line in section::purpose(&first.action).lines() {
            // Writing to a string cannot fail.
            let _ = writeln!(text, "# {line}");
        }
        for step in phase {
            let _ = writeln!(text, "step {} {}", step.id, super::quoted(&step.action.title()));
            for line in section::commands(lab, step, material, manifests) {
                let _ = writeln!(text, "{line}");
            }
        }
    }
    text
}

/// `istioctl` is the word for it in the list of programs that are looked for, if the script runs it.
fn head(lab: &Lab, material: &Material, istioctl: &str) -> String {
    let version = |program: &str| material.versions.get(program).map_or("", String::as_str).to_owned();
    format!(
        r#"#!/usr/bin/env bash
# Builds the clusters of {name} with docker, kind, kubectl and istioctl alone, one step after the other. Written by `lab eject`.
#
# It stops at the first step that fails; ./down.sh then removes what there is. Programs are looked for on PATH, or set these:
#   KIND       kind {kind}, which fits the node image
#   KUBECTL    kubectl {kubectl}
#   ISTIOCTL   istioctl {istioctl}
# NODE_IMAGE can be set as well, and PATIENCE: how long one wait may take, in seconds, as 300s.
set -euo pipefail
cd "$(dirname "$0")"

KIND=${{KIND:-kind}}
KUBECTL=${{KUBECTL:-kubectl}}
ISTIOCTL=${{ISTIOCTL:-istioctl}}
NODE_IMAGE=${{NODE_IMAGE:-{image}}}
PATIENCE=${{PATIENCE:-300s}}
NETWORK={network}

# step ID TITLE: says what comes.
step() {{ printf '\n== %s (%s)\n' "$2" "$1"; }}

# k CLUSTER ARGUMENTS...: kubectl with the kubeconfig of one cluster.
k() {{ "$KUBECTL" --kubeconfig "kubeconfigs/$1.yaml" "${{@:2}}"; }}

# try COMMAND...: repeats a command until it succeeds, for a minute at most. Nothing announces that kube-proxy has written the rules
# for a new webhook's Service, and until then the API server refuses whatever that webhook has to look at.
try() {{
    local end=$((SECONDS + 60)) said
    until said=$("$@" 2>&1); do
        if ((SECONDS >= end)); then
            printf '%s\nfailed for a minute: %s\n' "$said" "$*" >&2
            return 1
        fi
        sleep 0.5
    done
}}

# apply CLUSTER FILE: creates what the file has. The server does it, because some definitions are larger than the annotation that
# kubectl would keep otherwise.
apply() {{
    echo "applying $2"
    try k "$1" apply --server-side -f "$2"
}}

# need_image: the node image must be on this engine.
need_image() {{
    if ! docker image inspect "$NODE_IMAGE" >/dev/null; then
        echo "There is no image $NODE_IMAGE. \`lab images build --images {source}\` makes it; \`lab images export\` and \`import\` move it." >&2
        return 1
    fi
    for program in docker "$KIND" "$KUBECTL"{needed}; do
        command -v "$program" >/dev/null || {{ echo "There is no program $program." >&2; return 1; }}
    done
}}
"#,
        name = lab.name,
        kind = version("kind"),
        kubectl = KUBECTL_VERSION,
        istioctl = version("istioctl"),
        needed = istioctl,
        image = material.node_image,
        network = lab.docker_network.name,
        source = material.source,
    )
}

const IMAGE_FUNCTION: &str = r#"
# load_image KIND_CLUSTER IMAGE NAME: puts an image of this engine into the nodes of a cluster, under the name that pods give it.
load_image() {
    if ! docker image inspect "$2" >/dev/null; then
        echo "There is no image $2. \`lab up\` of the same scenario makes it." >&2
        return 1
    fi
    docker tag "$2" "$3"
    KIND_EXPERIMENTAL_PROVIDER=docker "$KIND" load docker-image --name "$1" "$3"
}
"#;

fn probe_function() -> String {
    format!(
        r#"
# injects CLUSTER: whether a pod that were created now would get a sidecar. It is asked as a dry run.
injects() {{ [[ $(k "$1" create --dry-run=server -o yaml -f {PROBE}) == *istio-proxy* ]]; }}
"#
    )
}

/// `down.sh`.
pub(super) fn down(lab: &Lab) -> String {
    let mut text = String::from(
        r#"#!/usr/bin/env bash
# Removes the clusters, their network and their kubeconfigs. What is gone already is well.
set -euo pipefail
cd "$(dirname "$0")"

KIND=${KIND:-kind}

"#,
    );
    for cluster in &lab.clusters {
        let _ = writeln!(
            text,
            "KIND_EXPERIMENTAL_PROVIDER=docker \"$KIND\" delete cluster --name {} --kubeconfig kubeconfigs/{}.yaml",
            cluster.kind_name, cluster.name
        );
    }
    let network = &lab.docker_network.name;
    let _ = write!(
        text,
        "if docker network inspect {network} >/dev/null 2>&1; then\n    docker network rm {network}\nfi\nrm -rf kubeconfigs\n"
    );
    text
}
