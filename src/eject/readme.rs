//! What a reader of the directory needs to know first.

use std::fmt::Write as _;

use super::{Material, quoted, scripts};
use crate::plan::{Action, Lab, Plan};

/// `README.md`.
pub(super) fn readme(lab: &Lab, plan: &Plan, material: &Material, has_keys: bool) -> String {
    let version = |program: &str| material.versions.get(program).map_or("", String::as_str).to_owned();
    let clusters: Vec<&str> = lab.clusters.iter().map(|c| c.name.as_str()).collect();
    let mut text = format!(
        "# {name}, without lab\n\n\
         {clusters} on kind: {mesh}. Written by `lab eject`; nothing here needs lab, and `lab down` does not touch it.\n\n\
         ```\n./up.sh      # makes everything, then runs check.sh\n./check.sh   # calls from every cluster: who answers?\n\
         ./down.sh    # removes everything\n```\n\n\
         Read `up.sh` from top to bottom: each step says what it is for.\n\n\
         ## What it needs\n\n\
         - Docker, and on it the image `{image}`, which holds every image of the lab: `lab images build --images {source}` makes it.\n\
         - kind {kind}, as `KIND` or on PATH.\n- kubectl {kubectl}, as `KUBECTL` or on PATH.\n\
         - istioctl {istioctl}, as `ISTIOCTL` or on PATH.\n- bash, and the Docker subnet {subnet} for itself. A lab of the same name must be down.\n",
        name = lab.name,
        clusters = clusters.join(", "),
        mesh = lab.mesh_in_words(),
        image = material.node_image,
        source = material.source,
        kind = version("kind"),
        kubectl = scripts::KUBECTL_VERSION,
        istioctl = version("istioctl"),
        subnet = lab.docker_network.subnet,
    );
    if !material.programs.is_empty() {
        let set: Vec<String> =
            material.programs.iter().map(|(name, path)| format!("{}={}", name.to_uppercase(), quoted(path))).collect();
        // Writing to a string cannot fail.
        let _ = write!(text, "\nOn the machine where this was written:\n\n```\n{} ./up.sh\n```\n", set.join(" "));
    }
    text.push_str(
        "\n## What is here\n\n\
         | path | what |\n|---|---|\n\
         | `kind/` | kind's configuration of each cluster |\n\
         | `manifests/CLUSTER/` | what is applied to a cluster, numbered in that order |\n",
    );
    if lab.has_mesh() {
        text.push_str(
            "| `istio/` | what istioctl was given to render Istio's part of `manifests/`. Three things were changed in what it gave: \
             replicas are said, readiness is looked at every second, and what istiod sets by itself is left out |\n",
        );
        let keys = if lab.mesh.ca.is_some() {
            "the key of each intermediate; the key of your root is not here, and nothing here needs it"
        } else {
            "their keys"
        };
        let _ = writeln!(text, "| `certs/` | the root certificate, an intermediate for each cluster, and {keys} |");
    }
    if plan.steps.iter().any(|s| matches!(s.action, Action::NodeNetwork { .. })) {
        text.push_str(
            "| `nodes/` | what makes networks of the one bridge: a script and its service for every node |\n",
        );
    }
    text.push_str("| `kubeconfigs/` | written by `up.sh`; `kubectl --kubeconfig kubeconfigs/CLUSTER.yaml` |\n");
    if has_keys {
        text.push_str(
            "\n`certs/` and every file named `-secrets` hold private keys, which only you can read. Do not commit or share them: \
             whoever has them can pose as any workload of this mesh.\n",
        );
    }
    text
}
