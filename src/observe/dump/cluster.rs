//! What is in one cluster: objects, logs, and what istiod and the Envoys say.

use futures::stream::{self, StreamExt};
use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt;
use serde_json::json;

use super::super::traffic::{ENVOY_ADMIN, has_sidecar};
use super::Found;
use crate::context::LabContext;
use crate::plan::LabCluster;
use crate::plan::render::{APP_NAMESPACE, ISTIO_NAMESPACE, KARMADA_NAMESPACE};
use crate::sys::kube::Cluster;

/// Most bytes of one log.
const LOG: usize = 512 * 1024;
/// Logs and questions under way at once.
const CONCURRENCY: usize = 6;

/// Namespaces of which every container's log counts; of all others only that of sidecars.
const OURS: [&str; 4] = [ISTIO_NAMESPACE, "metallb-system", KARMADA_NAMESPACE, "karmada-cluster"];

/// Kinds beside those of Istio, MetalLB and the gateway API. Of Secrets only names and keys are written.
const KINDS: [(&str, &str); 17] = [
    ("", "namespaces"),
    ("", "nodes"),
    ("", "pods"),
    ("", "services"),
    ("", "endpoints"),
    ("", "events"),
    ("", "secrets"),
    ("", "serviceaccounts"),
    ("", "configmaps"),
    ("apps", "deployments"),
    ("apps", "daemonsets"),
    ("apps", "statefulsets"),
    ("apps", "replicasets"),
    ("discovery.k8s.io", "endpointslices"),
    ("admissionregistration.k8s.io", "mutatingwebhookconfigurations"),
    ("admissionregistration.k8s.io", "validatingwebhookconfigurations"),
    ("networking.k8s.io", "networkpolicies"),
];

pub(super) async fn read(ctx: &LabContext, cluster: &LabCluster, found: &mut Found) {
    let name = &cluster.name;
    let client = match ctx.client(name).await {
        Ok(client) => client,
        Err(error) => return found.missing(name, error),
    };
    let top = format!("clusters/{name}");
    objects(&client, &top, is_wanted, found).await;
    let pods: Vec<Pod> = match client.everywhere().await {
        Ok(pods) => pods,
        Err(error) => return found.missing(&format!("logs of {name}"), error),
    };
    let questions = pods.iter().flat_map(questions);
    let answers: Vec<(Question, Result<String, String>)> = stream::iter(questions)
        .map(|question| async {
            let answer = ask(&client, &question).await;
            (question, answer)
        })
        .buffer_unordered(CONCURRENCY)
        .collect()
        .await;
    for (question, answer) in answers {
        let path = format!("{top}/{}", question.path());
        match answer {
            Ok(text) if matches!(question.what, What::Http(..)) => found.json_text(path, text),
            Ok(text) => found.text(path, text),
            Err(why) => found.missing(&path, why),
        }
    }
}

fn is_wanted(group: &str, plural: &str) -> bool {
    group.ends_with("istio.io")
        || matches!(group, "metallb.io" | "gateway.networking.k8s.io")
        || KINDS.contains(&(group, plural))
}

/// The objects of all kinds that are wanted, a file a kind.
pub(super) async fn objects(client: &Cluster, top: &str, wanted: fn(&str, &str) -> bool, found: &mut Found) {
    let collected = match client.collect(wanted).await {
        Ok(collected) => collected,
        Err(error) => return found.missing(&format!("objects of {top}"), error),
    };
    for kind in collected {
        let path = format!("{top}/objects/{}.json", kind.resource);
        match kind.objects {
            Err(error) => found.missing(&path, error),
            Ok(objects) => {
                let mut list = json!({ "apiVersion": "v1", "kind": "List", "items": objects });
                found.secrets.learn_secrets(&list);
                if kind.resource == "configmaps"
                    && let Some(items) = list["items"].as_array_mut()
                {
                    // Those of the apps are the user's, and nothing of the mesh is in them.
                    items.retain(|map| map["metadata"]["namespace"] == ISTIO_NAMESPACE);
                }
                found.json(path, list);
            }
        }
    }
}

/// Something to ask about a pod.
struct Question {
    namespace: String,
    pod: String,
    what: What,
}

enum What {
    /// The log of a container; of its run before this one if so.
    Log(String, bool),
    /// A path at a port of the pod's loopback interface, and the name that it gets.
    Http(u16, &'static str, &'static str),
}

impl Question {
    fn path(&self) -> String {
        let Self { namespace, pod, what } = self;
        match what {
            What::Log(container, false) => format!("logs/{namespace}/{pod}/{container}.log"),
            What::Log(container, true) => format!("logs/{namespace}/{pod}/{container}.previous.log"),
            What::Http(_, _, name) => format!("debug/{namespace}/{pod}/{name}.json"),
        }
    }
}

async fn ask(client: &Cluster, question: &Question) -> Result<String, String> {
    let Question { namespace, pod, what } = question;
    match what {
        What::Log(container, previous) => {
            client.logs(namespace, pod, container, LOG, *previous).await.map_err(|e| e.to_string())
        }
        What::Http(port, path, _) => {
            let answer = client.http_get(namespace, pod, *port, path).await.map_err(|e| e.to_string())?;
            if answer.status == 200 { Ok(answer.body) } else { Err(format!("it answered {}", answer.status)) }
        }
    }
}

/// All that is asked about a pod.
fn questions(pod: &Pod) -> Vec<Question> {
    let (namespace, name) = (pod.namespace().unwrap_or_default(), pod.name_any());
    let app = pod.labels().get("app").map(String::as_str);
    let runs = pod.status.as_ref().and_then(|s| s.phase.as_deref()) == Some("Running");
    let spec = pod.spec.as_ref();
    let first = spec.and_then(|s| s.init_containers.as_ref()).into_iter().flatten();
    let containers = first.chain(spec.into_iter().flat_map(|s| &s.containers)).map(|c| c.name.as_str());
    let logged = containers.filter(|c| OURS.contains(&namespace.as_str()) || c.starts_with("istio-"));
    let restarted = |container: &str| {
        let status = pod.status.as_ref();
        let first = status.and_then(|s| s.init_container_statuses.as_ref()).into_iter().flatten();
        let mut all = first.chain(status.and_then(|s| s.container_statuses.as_ref()).into_iter().flatten());
        all.any(|s| s.name == container && s.restart_count > 0)
    };
    let mut all = Vec::new();
    for container in logged {
        all.push(What::Log(container.to_owned(), false));
        if restarted(container) {
            all.push(What::Log(container.to_owned(), true));
        }
    }
    if runs && namespace == ISTIO_NAMESPACE && app == Some("istiod") {
        all.push(What::Http(15014, "/debug/syncz", "syncz"));
        all.push(What::Http(15014, "/debug/clusterz", "clusterz"));
    }
    let is_shown =
        namespace == ISTIO_NAMESPACE || (namespace == APP_NAMESPACE && matches!(app, Some("sleep" | "helloworld")));
    if runs && is_shown && has_sidecar(pod) {
        all.push(What::Http(ENVOY_ADMIN, "/config_dump?include_eds", "config_dump"));
        all.push(What::Http(ENVOY_ADMIN, "/clusters?format=json", "clusters"));
    }
    all.into_iter().map(|what| Question { namespace: namespace.clone(), pod: name.clone(), what }).collect()
}
