//! What the script says and does for each step.

use base64::Engine as _;
use serde_json::{Value, json};

use super::manifests::Manifests;
use super::{EXECUTABLE, File, Material, PLAIN, kind_path, operator_path, quoted, yaml};
use crate::plan::render::{
    self, CONFIG_ACCOUNT, ISTIO_NAMESPACE, NODE_NETWORK_SCRIPT, NODE_NETWORK_UNIT, NodePods, token_name,
};
use crate::plan::{Action, Lab, LabCluster, PlannedStep, Wait};

/// What a group of steps is for, as comment lines without their marks.
pub(super) fn purpose(action: &Action) -> &'static str {
    match action {
        Action::Images => "The node image holds every image of the lab, so that no node pulls anything.",
        Action::DockerNetwork => {
            "One bridge for the nodes of all clusters. Docker gives nodes their addresses from the first part of it alone,\n\
             so that load balancers can have the rest."
        }
        Action::RootCa => {
            "Mutual TLS between clusters needs one root of trust. certs/ has a root, and an intermediate for each cluster that\n\
             the root has signed. Nothing is to be done here: the Secret cacerts below carries them to istiod."
        }
        Action::RenderIstio { .. } => {
            "Istio's manifests were rendered by istioctl, which needs no cluster for it. istio/ has what it was given. Nothing is\n\
             to be done here: what it rendered is in manifests/, in the order in which it is applied below."
        }
        Action::Cluster { .. } => {
            "kind runs each node as a container. Pods and services of every cluster have subnets of their own."
        }
        Action::Locality { .. } => {
            "Region, zone and subzone, before any pod starts: a sidecar reads them once, when it starts."
        }
        Action::Metallb { .. } => {
            "A kind cluster has no load balancer of a cloud. MetalLB answers ARP requests for the addresses that Services get.\n\
             Its controller waits for the certificate of its own webhook to appear in a mount, which the kubelet refreshes once a\n\
             minute, or at once when the pod changes: so the pod gets an annotation."
        }
        Action::AddressPool { .. } => {
            "The addresses that MetalLB may give out, those of gateways apart so that no other Service gets them, and a speaker on\n\
             each node that announces them."
        }
        Action::IstioBase { .. } => {
            "What must be there before istiod starts: namespace istio-system with the label that names its network, the Secret\n\
             cacerts, Istio's own kinds, and an account with a lasting token by which other clusters' istiod may read this one."
        }
        Action::RemoteSecret { .. } => {
            "A remote secret is a kubeconfig in a Secret with a label that istiod watches for. With it istiod finds the services and\n\
             pods of another cluster. The server is the name of a container, which Docker's DNS serves to every node."
        }
        Action::Istiod { .. } => {
            "istiod, until a pod that were created now would get its sidecar. A pod that came before that would have none."
        }
        Action::IstioImages { .. } => "The images of a version of Istio that came after the nodes were made.",
        Action::IstiodRemote { .. } => {
            "A cluster without an istiod of its own gets webhooks that point to another cluster's. Once they inject, that istiod has\n\
             taken this cluster on."
        }
        Action::ExternalIstiod { .. } => {
            "istiod for other clusters, in a cluster that is no part of the mesh. They reach it at its load balancer's address."
        }
        Action::IstiodAddress { .. } => {
            "An address of its own for istiod, at which the clusters that have none reach it, rather than through a gateway."
        }
        Action::EastWestGateway { .. } => {
            "Calls between networks go through the east-west gateway of the callee's network, on port 15443. It passes mutual TLS\n\
             through by the name that the caller asks for; the Gateway beside it opens it for every service."
        }
        Action::IngressGateway { .. } => "Calls from outside the mesh come in through the ingress gateway.",
        Action::NodeNetwork { .. } => {
            "All nodes share one bridge. A service on each node makes networks of it: routes to the pods of clusters on the same\n\
             network, and none to those of other networks."
        }
        Action::AppImages { .. } => {
            "No node image holds what only some scenarios need: it goes into the nodes before a pod names it, since no registry has it."
        }
        Action::Apps { .. } => "helloworld tells its version, sleep calls it, and what else the scenario brings.",
        Action::Sidecars { .. } => {
            "Pods get sidecars when they start and keep them. After a change of the mesh's settings, restart those that have older\n\
             ones: `kubectl rollout restart`. Nothing is to be done here: all pods have just started."
        }
        Action::Jobs { .. } => "Jobs, until they have done what they are for.",
        Action::Verify => "Calls from every cluster: who answers?",
        Action::KarmadaImages
        | Action::Karmada { .. }
        | Action::KarmadaMember { .. }
        | Action::KarmadaLeave { .. }
        | Action::FederatedApps { .. }
        | Action::Unlink { .. }
        | Action::Retire { .. } => "Not in an ejected lab.",
    }
}

/// The commands of one step, a line each.
pub(super) fn commands(lab: &Lab, step: &PlannedStep, material: &Material, manifests: &Manifests) -> Vec<String> {
    let cluster = step.action.cluster().and_then(|c| lab.cluster(c));
    let mut lines = Vec::new();
    if let Some(cluster) = cluster {
        for part in manifests.applied(&step.id) {
            let path = format!("manifests/{}/{}", cluster.name, part.name);
            lines.push(format!("apply {} {path}", cluster.name));
            if part.defines {
                lines.push(format!(
                    "k {} wait --for=condition=Established --timeout=\"$PATIENCE\" crd --all >/dev/null",
                    cluster.name
                ));
            }
        }
    }
    lines.extend(match (&step.action, cluster) {
        (Action::Images, _) => vec!["need_image".to_owned()],
        (Action::DockerNetwork, _) => vec![docker_network(lab)],
        (Action::Cluster { .. }, Some(c)) => vec![format!(
            "KIND_EXPERIMENTAL_PROVIDER=docker KIND_EXPERIMENTAL_DOCKER_NETWORK=$NETWORK \\\n    \
             \"$KIND\" create cluster --config {} --image \"$NODE_IMAGE\" --kubeconfig kubeconfigs/{}.yaml",
            kind_path(&c.name),
            c.name
        )],
        (Action::AppImages { images, .. }, Some(c)) => {
            let known = images.iter().filter_map(|key| material.images.get(key));
            known.map(|(local, name)| format!("load_image {} {local} {name}", c.kind_name)).collect()
        }
        (Action::Locality { .. }, Some(c)) => {
            let label = |which: &str, node: &str| {
                let labels = render::locality_labels(c, node);
                let labels: Vec<String> = labels.iter().map(|(k, v)| quoted(&format!("{k}={v}"))).collect();
                format!("k {} label nodes {which} --overwrite {}", c.name, labels.join(" "))
            };
            match c.zones[..] {
                [] => vec![label("--all", "")],
                _ => c.nodes().map(|node| c.node_name(&node)).map(|node| label(&node, &node)).collect(),
            }
        }
        (Action::RemoteSecret { of, to }, _) => lab.cluster(of).map_or_else(Vec::new, |of| remote_secret(lab, of, to)),
        (Action::NodeNetwork { .. }, Some(c)) => node_network(lab, c),
        (Action::Jobs { .. }, Some(c)) => completions(c, material),
        (Action::RenderIstio { .. }, Some(c)) => {
            vec![format!("# \"$ISTIOCTL\" manifest generate -f {} | less", operator_path(&c.name))]
        }
        (Action::Verify, _) => vec!["./check.sh".to_owned()],
        _ => Vec::new(),
    });
    if let Some(cluster) = cluster {
        let objects = material.objects.get(&step.id).map_or(&[][..], Vec::as_slice);
        lines.extend(material.waits.get(&step.id).into_iter().flatten().flat_map(|w| awaited(cluster, w, objects)));
    }
    lines
}

/// The commands that wait for one thing.
fn awaited(cluster: &LabCluster, awaited: &Wait, objects: &[Value]) -> Vec<String> {
    match awaited {
        Wait::Available { namespace, deployment } => {
            vec![rollout(cluster, namespace, &format!("deployment/{deployment}"))]
        }
        Wait::OnEveryNode { namespace, daemon_set } => {
            vec![rollout(cluster, namespace, &format!("daemonset/{daemon_set}"))]
        }
        Wait::Address { namespace, service, address } => {
            let address = address.map_or_else(String::new, |address| format!("={address}"));
            let path = format!("jsonpath='{{.status.loadBalancer.ingress[0].ip}}'{address}");
            vec![wait(cluster, namespace, &path, &format!("service/{service}"))]
        }
        Wait::Token { namespace, secret } => {
            vec![wait(cluster, namespace, "jsonpath='{.data.token}'", &format!("secret/{secret}"))]
        }
        Wait::Certificate { namespace, secret, pods } => vec![
            wait(cluster, namespace, "create", &format!("secret/{secret}")),
            wait(cluster, namespace, r"jsonpath='{.data.tls\.crt}'", &format!("secret/{secret}")),
            format!("k {} -n {namespace} annotate pods -l {pods} lab/certificate=there", cluster.name),
        ],
        Wait::Injects { .. } => vec![format!("try injects {}", cluster.name)],
        Wait::RolledOut { .. } => rollouts(cluster, objects),
    }
}

fn wait(cluster: &LabCluster, namespace: &str, until: &str, what: &str) -> String {
    format!("k {} -n {namespace} wait --for={until} --timeout=\"$PATIENCE\" {what}", cluster.name)
}

fn rollout(cluster: &LabCluster, namespace: &str, what: &str) -> String {
    format!("k {} -n {} rollout status {} --timeout=\"$PATIENCE\"", cluster.name, quoted(namespace), quoted(what))
}

fn docker_network(lab: &Lab) -> String {
    let network = &lab.docker_network;
    let mtu = network.mtu.map_or_else(String::new, |mtu| format!("--opt com.docker.network.driver.mtu={mtu} "));
    let ipv6 = network.ipv6_subnet.zip(network.ipv6_gateway()).zip(network.ipv6_node_range());
    let ipv6 = ipv6.map_or_else(String::new, |((subnet, gateway), range)| {
        format!("--ipv6 --subnet {subnet} --gateway {gateway} --ip-range {range} \\\n    ")
    });
    format!(
        "docker network create --driver bridge --subnet {} --gateway {} --ip-range {} \\\n    {ipv6}\
         --opt com.docker.network.bridge.enable_ip_masquerade=true {mtu}\"$NETWORK\" || {{\n    \
         echo \"Docker did not make the network $NETWORK, {}: if another network has these addresses, remove that one, or eject the lab again with another dockerNetwork.subnet in its scenario\" >&2\n    \
         docker network ls --quiet | xargs docker network inspect --format '{{{{.Name}}}} {{{{range .IPAM.Config}}}}{{{{.Subnet}}}} {{{{end}}}}' >&2\n    \
         exit 1\n}}",
        network.subnet, network.gateway, network.node_range, network.subnet
    )
}

/// Waits for what runs of the apps.
fn rollouts(cluster: &LabCluster, objects: &[Value]) -> Vec<String> {
    let workload = |object: &Value| {
        let kind = object["kind"].as_str()?;
        let namespace = object["metadata"]["namespace"].as_str().unwrap_or("default");
        let name = object["metadata"]["name"].as_str()?;
        // One that ends is never ready again.
        if kind == "Pod" && object["spec"]["restartPolicy"].as_str().is_none_or(|policy| policy == "Always") {
            return Some(wait(cluster, &quoted(namespace), "condition=ready", &quoted(&format!("pod/{name}"))));
        }
        if !matches!(kind, "Deployment" | "StatefulSet" | "DaemonSet") {
            return None;
        }
        Some(rollout(cluster, namespace, &format!("{}/{name}", kind.to_lowercase())))
    };
    objects.iter().filter_map(workload).collect()
}

/// Waits for the Jobs of a cluster.
fn completions(cluster: &LabCluster, material: &Material) -> Vec<String> {
    let apps = Action::Apps { cluster: cluster.name.clone(), apps: Vec::new() }.id();
    let objects = material.objects.get(&apps).into_iter().flatten();
    let job = |object: &Value| {
        let namespace = object["metadata"]["namespace"].as_str().unwrap_or("default");
        let name = object["metadata"]["name"].as_str().filter(|_| object["kind"] == "Job")?;
        Some(wait(cluster, &quoted(namespace), "condition=complete", &quoted(&format!("job/{name}"))))
    };
    objects.filter_map(job).collect()
}

fn template_path(of: &str, to: &str) -> String {
    format!("manifests/{to}/kubeconfig-of-{of}.yaml.in")
}

/// istioctl makes a remote secret. The kubeconfig that an external istiod reads its configuration by is none: it has no label, or istiod
/// would find one more cluster.
fn remote_secret(lab: &Lab, of: &LabCluster, to: &str) -> Vec<String> {
    let name = &of.name;
    if render::lent_account(lab, of) != Some(CONFIG_ACCOUNT) {
        return vec![format!(
            "\"$ISTIOCTL\" create-remote-secret --kubeconfig kubeconfigs/{name}.yaml --name {name} --server {} \\\n    \
             | k {to} apply --server-side -f -",
            of.api_server()
        )];
    }
    let secret = token_name(CONFIG_ACCOUNT);
    vec![
        format!("ca=$(k {name} -n {ISTIO_NAMESPACE} get secret {secret} -o jsonpath='{{.data.ca\\.crt}}')"),
        format!("token=$(k {name} -n {ISTIO_NAMESPACE} get secret {secret} -o jsonpath='{{.data.token}}' | base64 -d)"),
        format!(
            "sed -e \"s|@CA@|$ca|\" -e \"s|@TOKEN@|$token|\" {} \\\n    | k {to} apply --server-side -f -",
            template_path(name, to)
        ),
    ]
}

/// The kubeconfig of a config cluster with words in the place of what is known only when the cluster runs.
pub(super) fn kubeconfig_template(lab: &Lab, of: &str, to: &str) -> Option<File> {
    let cluster = lab.cluster(of)?;
    if render::lent_account(lab, cluster) != Some(CONFIG_ACCOUNT) {
        return None;
    }
    let mut secret = render::config_kubeconfig(cluster, "@CA@", "@TOKEN@");
    let data = secret.as_object_mut()?.remove("data")?;
    let text = base64::engine::general_purpose::STANDARD.decode(data["config"].as_str()?).ok()?;
    secret["stringData"] = json!({ "config": String::from_utf8(text).ok()? });
    Some(File { path: template_path(of, to), text: yaml(&[secret]), mode: PLAIN })
}

fn pods_of(node: &str) -> String {
    format!("@PODS_OF_{node}@")
}

fn script_path(cluster: &str) -> String {
    format!("nodes/{cluster}.sh")
}

const UNIT_FILE: &str = "nodes/lab-node-network.service";

/// What is installed on the nodes of a cluster. The pods of each node are known only when the node has joined: until then a word stands for them.
pub(super) fn node_files(lab: &Lab, cluster: &str) -> Vec<File> {
    let Some(cluster) = lab.cluster(cluster) else { return Vec::new() };
    let peers = lab.network_peers(cluster).flat_map(LabCluster::nodes);
    let peers: Vec<NodePods<String>> = peers.map(|node| NodePods { pods: pods_of(&node), node }).collect();
    let own: Vec<String> = cluster.nodes().collect();
    let script = render::node_network(lab, cluster, &own, &peers);
    let unit = render::node_network_unit();
    vec![
        File { path: script_path(&cluster.name), text: script, mode: EXECUTABLE },
        File { path: UNIT_FILE.to_owned(), text: unit, mode: PLAIN },
    ]
}

fn node_network(lab: &Lab, cluster: &LabCluster) -> Vec<String> {
    let mut lines = vec![format!("script=$(<{})", script_path(&cluster.name))];
    for peer in lab.network_peers(cluster) {
        for node in peer.nodes() {
            // An assignment of its own, so that a failure ends the script.
            lines.push(format!("pods=$(pods_of {} {node})", peer.name));
            lines.push(format!("script=${{script//{}/$pods}}", pods_of(&node)));
        }
    }
    lines.extend(cluster.nodes().map(|node| format!("install_on {node} \"$script\"")));
    lines
}

/// Functions of the script that only labs with routes need.
pub(super) fn node_functions() -> String {
    let unit = render::node_network_service();
    let directory = NODE_NETWORK_SCRIPT.rsplit_once('/').map_or("/", |(directory, _)| directory);
    format!(
        r#"
# pods_of CLUSTER NODE: the subnet of the pods on a node, which it has a moment after it has joined.
pods_of() {{
    k "$1" wait --for=jsonpath='{{.spec.podCIDR}}' --timeout="$PATIENCE" "node/$2" >/dev/null
    k "$1" get node "$2" -o jsonpath='{{.spec.podCIDRs[*]}}'
}}

# install_on NODE SCRIPT: the script as a service of the node, so that it runs again when the node restarts.
install_on() {{
    docker exec -i "$1" sh -c 'mkdir -p {directory} && cat >{NODE_NETWORK_SCRIPT}' <<<"$2"
    docker exec -i "$1" sh -c 'cat >{NODE_NETWORK_UNIT}' <{UNIT_FILE}
    docker exec "$1" sh -c 'systemctl daemon-reload && systemctl enable --quiet {unit} && sh {NODE_NETWORK_SCRIPT}'
}}
"#
    )
}
