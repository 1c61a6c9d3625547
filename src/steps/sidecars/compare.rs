//! What injection put into a pod, and how it differs from what it would put into the same pod now. Nothing is asked of a cluster here.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::api::core::v1::{Pod, PodTemplateSpec};
use kube::api::{DynamicObject, ObjectMeta};
use serde_json::{Map, Value};

use crate::sys::kube::Manifest;

/// Annotation in which istiod's webhook writes what it has put into a pod.
const STATUS: &str = "sidecar.istio.io/status";

/// Annotation in which istiod's webhook keeps what a pod's own template says of the sidecar, names that the API server made up included.
const OVERRIDES: &str = "proxy.istio.io/overrides";

/// Volumes of an account's token: the API server makes a name up for each pod.
const TOKEN_VOLUME: &str = "kube-api-access-";

/// So many differences are told of one pod.
const TOLD: usize = 4;

/// The pod that the owner of `pod` would make now of its template, for the API server to try. It has no name of its own: the pod's is taken.
pub(super) fn trial(pod: &Pod, template: &PodTemplateSpec) -> Pod {
    let given = template.metadata.clone().unwrap_or_default();
    let metadata = &pod.metadata;
    let name = metadata.name.as_deref().unwrap_or_default();
    Pod {
        metadata: ObjectMeta {
            // The owner's name is part of what a sidecar gets, and it is found by these.
            generate_name: Some(metadata.generate_name.clone().unwrap_or_else(|| format!("{name}-"))),
            owner_references: metadata.owner_references.clone(),
            namespace: metadata.namespace.clone(),
            labels: given.labels,
            annotations: given.annotations,
            ..ObjectMeta::default()
        },
        spec: template.spec.clone(),
        status: None,
    }
}

/// Variables of a sidecar that say what its pod was called, or what the template said before injection. Of a pod without an owner nothing else
/// tells them, and a trial has another name.
const OF_BARE: [&str; 4] =
    ["ISTIO_META_WORKLOAD_NAME", "ISTIO_META_OWNER", "ISTIO_KUBE_APP_PROBERS", "ISTIO_PROMETHEUS_ANNOTATIONS"];

/// The same of a pod that has no owner: as the `own` objects of the scenario have it, or else without what injection put into it.
pub(super) fn trial_of_bare(pod: &Pod, own: &Manifest) -> Pod {
    let metadata = &pod.metadata;
    let is_it = |object: &&DynamicObject| {
        object.types.as_ref().is_some_and(|t| t.kind == "Pod")
            && object.metadata.name == metadata.name
            && object.metadata.namespace.as_deref().unwrap_or("default")
                == metadata.namespace.as_deref().unwrap_or_default()
    };
    let brought = own.objects.iter().find(is_it).and_then(|object| serde_json::to_value(object).ok());
    let stripped = brought.or_else(|| serde_json::to_value(pod).ok().map(without_injection));
    let mut trial: Pod = stripped.and_then(|value| serde_json::from_value(value).ok()).unwrap_or_default();
    trial.metadata = ObjectMeta {
        generate_name: Some(format!("{}-", metadata.name.as_deref().unwrap_or_default())),
        namespace: metadata.namespace.clone(),
        labels: trial.metadata.labels,
        annotations: trial.metadata.annotations,
        ..ObjectMeta::default()
    };
    trial.status = None;
    trial
}

/// A pod as it was before injection and the API server added to it, as far as that can be told.
fn without_injection(mut pod: Value) -> Value {
    let status = pod["metadata"]["annotations"][STATUS].as_str().and_then(|s| serde_json::from_str::<Value>(s).ok());
    let injected = |list: &str, name: &Value| {
        let names = status.as_ref().and_then(|s| s[list].as_array());
        names.is_some_and(|names| names.contains(name))
    };
    let is_token = |name: &Value| name.as_str().is_some_and(|name| name.starts_with(TOKEN_VOLUME));
    for list in ["initContainers", "containers", "volumes"] {
        if let Some(items) = pod["spec"][list].as_array_mut() {
            // A container that injection changed is one of the template as well: it is not taken out, and its differences are not told.
            items.retain(|item| !injected(list, &item["name"]) && !is_token(&item["name"]));
            for item in items {
                if let Some(item) = item.as_object_mut() {
                    // These lead to the sidecar since injection.
                    for probe in ["livenessProbe", "readinessProbe", "startupProbe"] {
                        item.remove(probe);
                    }
                }
                if let Some(mounts) = item["volumeMounts"].as_array_mut() {
                    mounts.retain(|mount| !is_token(&mount["name"]));
                }
            }
        }
    }
    if let Some(spec) = pod["spec"].as_object_mut() {
        spec.remove("nodeName");
    }
    for list in ["labels", "annotations"] {
        if let Some(map) = pod["metadata"][list].as_object_mut() {
            let added = |key: &str| {
                key == STATUS
                    || key == OVERRIDES
                    || key == "istio.io/rev"
                    || key == "security.istio.io/tlsMode"
                    || key.starts_with("prometheus.io/")
            };
            map.retain(|key, _| !added(key));
        }
    }
    pod
}

/// How what injection put into the `live` pod differs from what the `new` one would get, in words; nothing when it does not.
pub(super) fn difference(live: &Pod, new: &Pod) -> Option<String> {
    match (injected(live), injected(new)) {
        (None, None) => None,
        (None, Some(_)) => Some("it has no sidecar, and would get one now".to_owned()),
        (Some(_), None) => Some("it has a sidecar, and would get none now".to_owned()),
        (Some(live), Some(new)) => {
            let mut differences: Vec<String> = keys(&live, &new)
                .into_iter()
                .filter(|part| live.get(*part) != new.get(*part))
                .flat_map(|part| fields(part, live.get(part), new.get(part)))
                .collect();
            // The container that runs first has the same environment.
            let mut seen = BTreeSet::new();
            differences.retain(|difference| seen.insert(difference.clone()));
            let more = differences.len().saturating_sub(TOLD);
            let more = if more > 0 { format!(" and {more} more") } else { String::new() };
            let told = &differences[..differences.len().min(TOLD)];
            (!differences.is_empty()).then(|| format!("its sidecar has another {}{more}", told.join(", ")))
        }
    }
}

/// Whether injection put anything into a pod.
pub(super) fn has_sidecar(pod: &Pod) -> bool {
    pod.metadata.annotations.as_ref().is_some_and(|a| a.contains_key(STATUS))
}

/// All that injection put into a pod: containers and volumes by name, and what else is Istio's. Two pods of the same template that differ in
/// nothing here have got the same.
fn injected(pod: &Pod) -> Option<BTreeMap<String, Value>> {
    let status = pod.metadata.annotations.as_ref()?.get(STATUS)?;
    let status: Value = serde_json::from_str(status).unwrap_or_default();
    let names = |lists: &[&str]| -> BTreeSet<String> {
        let all = lists.iter().flat_map(|list| status[*list].as_array().into_iter().flatten());
        all.filter_map(|name| name.as_str().map(str::to_owned)).collect()
    };
    let is_bare = pod.metadata.owner_references.as_ref().is_none_or(Vec::is_empty);
    let pod = serde_json::to_value(pod).ok()?;
    let mut parts = BTreeMap::new();
    let containers = names(&["initContainers", "containers"]);
    for list in ["initContainers", "containers"] {
        for container in pod["spec"][list].as_array().into_iter().flatten() {
            if let Some(name) = container["name"].as_str().filter(|name| containers.contains(*name)) {
                let mut container = without_token(container);
                if is_bare && let Some(env) = container["env"].as_array_mut() {
                    env.retain(|v| !v["name"].as_str().is_some_and(|name| OF_BARE.contains(&name)));
                }
                parts.insert(name.to_owned(), container);
            }
        }
    }
    let volumes = names(&["volumes"]);
    for volume in pod["spec"]["volumes"].as_array().into_iter().flatten() {
        if let Some(name) = volume["name"].as_str().filter(|name| volumes.contains(*name)) {
            parts.insert(format!("volume {name}"), volume.clone());
        }
    }
    for list in ["labels", "annotations"] {
        let all = pod["metadata"][list].as_object().into_iter().flatten();
        let istio = all.filter(|(key, _)| key.contains("istio.io/") && *key != OVERRIDES);
        let istio = istio.map(|(key, value)| (key.clone(), value.clone()));
        parts.insert(list.to_owned(), Value::Object(istio.collect()));
    }
    parts.insert("dnsConfig".to_owned(), pod["spec"]["dnsConfig"].clone());
    Some(parts)
}

/// A container without the mount of its account's token.
fn without_token(container: &Value) -> Value {
    let mut container = container.clone();
    if let Some(mounts) = container["volumeMounts"].as_array_mut() {
        mounts.retain(|mount| !mount["name"].as_str().is_some_and(|name| name.starts_with(TOKEN_VOLUME)));
    }
    container
}

fn keys<'a>(live: &'a BTreeMap<String, Value>, new: &'a BTreeMap<String, Value>) -> BTreeSet<&'a str> {
    live.keys().chain(new.keys()).map(String::as_str).collect()
}

/// The fields by which two values of one part differ; variables of the environment by their names.
fn fields(part: &str, live: Option<&Value>, new: Option<&Value>) -> Vec<String> {
    let (Some(Value::Object(live)), Some(Value::Object(new))) = (live, new) else { return vec![part.to_owned()] };
    let names: BTreeSet<&String> = live.keys().chain(new.keys()).collect();
    let differing = names.into_iter().filter(|field| live.get(*field) != new.get(*field));
    let mut all = Vec::new();
    for field in differing {
        if field == "env" {
            all.extend(environment(live, new));
        } else {
            all.push(format!("{field} of {part}"));
        }
    }
    all
}

/// The variables of the environment that differ.
fn environment(live: &Map<String, Value>, new: &Map<String, Value>) -> Vec<String> {
    let by_name = |container: &Map<String, Value>| -> BTreeMap<String, Value> {
        let all = container.get("env").and_then(Value::as_array).into_iter().flatten();
        all.map(|v| (v["name"].as_str().unwrap_or_default().to_owned(), v.clone())).collect()
    };
    let (live, new) = (by_name(live), by_name(new));
    let differing: Vec<String> =
        keys(&live, &new).into_iter().filter(|name| live.get(*name) != new.get(*name)).map(str::to_owned).collect();
    // The same variables in another order.
    if differing.is_empty() { vec!["env".to_owned()] } else { differing }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn pod(capture: &str, change: impl FnOnce(&mut Value)) -> Pod {
        let status = r#"{"initContainers":["istio-init","istio-proxy"],"containers":null,"volumes":["istio-envoy"],"revision":"default"}"#;
        let mut pod = json!({
            "metadata": { "name": "web-1", "annotations": { STATUS: status }, "labels": { "app": "web" } },
            "spec": {
                "initContainers": [
                    { "name": "istio-proxy", "image": "proxy:1",
                      "env": [{ "name": "CAPTURE", "value": capture }, { "name": "SAME", "value": "1" }],
                      "volumeMounts": [{ "name": "istio-envoy", "mountPath": "/a" }, { "name": "kube-api-access-abcde", "mountPath": "/b" }] },
                ],
                "containers": [{ "name": "web", "image": "web:1" }],
                "volumes": [{ "name": "istio-envoy", "emptyDir": {} }, { "name": "kube-api-access-abcde" }],
            },
        });
        change(&mut pod);
        serde_json::from_value(pod).expect("a pod")
    }

    fn bare() -> Pod {
        pod("", |pod| pod["metadata"]["annotations"] = json!({}))
    }

    #[test]
    fn what_the_api_server_names_anew_is_no_difference() {
        let other = pod("", |pod| {
            pod["metadata"]["name"] = json!("web-2");
            pod["spec"]["initContainers"][0]["volumeMounts"][1]["name"] = json!("kube-api-access-fghij");
            pod["spec"]["volumes"][1]["name"] = json!("kube-api-access-fghij");
            pod["metadata"]["annotations"][OVERRIDES] = json!("kube-api-access-fghij");
        });
        assert_eq!(difference(&pod("", |_| ()), &other), None);
        assert_eq!(difference(&bare(), &bare()), None);
    }

    #[test]
    fn what_a_sidecar_gets_when_it_starts_is_a_difference() {
        let live = pod("", |_| ());
        let why = |new: &Pod| difference(&live, new).unwrap_or_default();
        assert_eq!(why(&pod("true", |_| ())), "its sidecar has another CAPTURE");
        let image = pod("", |pod| pod["spec"]["initContainers"][0]["image"] = json!("proxy:2"));
        assert_eq!(why(&image), "its sidecar has another image of istio-proxy");
        let revision = pod("", |pod| pod["metadata"]["annotations"]["istio.io/rev"] = json!("canary"));
        assert_eq!(why(&revision), "its sidecar has another istio.io/rev of annotations");
        let volume = pod("", |pod| pod["spec"]["volumes"][0]["emptyDir"] = json!({ "medium": "Memory" }));
        assert_eq!(why(&volume), "its sidecar has another emptyDir of volume istio-envoy");
        let more = pod("", |pod| {
            for variable in ["A", "B", "C", "D", "E"] {
                pod["spec"]["initContainers"][0]["env"]
                    .as_array_mut()
                    .expect("a list")
                    .push(json!({ "name": variable }));
            }
        });
        assert_eq!(why(&more), "its sidecar has another A, B, C, D and 1 more");
    }

    #[test]
    fn a_pod_without_an_owner_is_tried_as_it_was_before_injection() {
        let live = pod("", |pod| {
            pod["spec"]["nodeName"] = json!("n1");
            pod["spec"]["containers"][0]["volumeMounts"] =
                json!([{ "name": "kube-api-access-abcde", "mountPath": "/b" }]);
            pod["metadata"]["labels"]["security.istio.io/tlsMode"] = json!("istio");
            pod["metadata"]["annotations"]["note"] = json!("mine");
        });
        let trial = trial_of_bare(&live, &Manifest::default());
        let told = serde_json::to_value(&trial).expect("JSON");
        assert_eq!(told["metadata"]["generateName"], "web-1-");
        assert_eq!(told["metadata"]["annotations"], json!({ "note": "mine" }));
        assert_eq!(told["metadata"]["labels"], json!({ "app": "web" }));
        assert_eq!(told["spec"]["containers"], json!([{ "name": "web", "image": "web:1", "volumeMounts": [] }]));
        assert!(told["spec"]["initContainers"].as_array().is_none_or(Vec::is_empty));
        assert!(told["spec"]["volumes"].as_array().is_none_or(Vec::is_empty) && told["spec"]["nodeName"].is_null());
        // One of the scenario's is tried as the scenario has it.
        let own = json!({ "apiVersion": "v1", "kind": "Pod", "metadata": { "name": "web-1", "namespace": "default" },
            "spec": { "containers": [{ "name": "web", "image": "web:2" }] } });
        let mut named = live.clone();
        named.metadata.namespace = Some("default".to_owned());
        let trial = trial_of_bare(&named, &Manifest::from_values([own]).expect("a manifest"));
        assert_eq!(trial.spec.and_then(|s| s.containers[0].image.clone()).as_deref(), Some("web:2"));
    }

    #[test]
    fn what_only_the_name_of_a_bare_pod_makes_is_no_difference() {
        let of = |name: &str| {
            pod("", |pod| {
                let owner = json!({ "name": "ISTIO_META_OWNER", "value": name });
                pod["spec"]["initContainers"][0]["env"].as_array_mut().expect("a list").push(owner);
            })
        };
        assert_eq!(difference(&of("web-1"), &of("")), None);
    }

    #[test]
    fn having_a_sidecar_or_none_is_a_difference() {
        let with = pod("", |_| ());
        assert_eq!(difference(&bare(), &with).as_deref(), Some("it has no sidecar, and would get one now"));
        assert_eq!(difference(&with, &bare()).as_deref(), Some("it has a sidecar, and would get none now"));
        assert!(has_sidecar(&with) && !has_sidecar(&bare()));
    }

    #[test]
    fn what_the_owner_of_a_pod_changed_is_none_of_injection() {
        let other = pod("", |pod| {
            pod["spec"]["containers"][0]["image"] = json!("web:2");
            pod["metadata"]["labels"]["pod-template-hash"] = json!("1");
        });
        assert_eq!(difference(&pod("", |_| ()), &other), None);
    }

    #[test]
    fn a_trial_is_of_the_template_with_the_owner_of_the_pod() {
        let live = pod("", |pod| {
            pod["metadata"]["generateName"] = json!("web-7d9-");
            pod["metadata"]["ownerReferences"] = json!([{ "apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "web-7d9", "uid": "1", "controller": true }]);
        });
        let template = json!({ "metadata": { "labels": { "app": "web" } }, "spec": { "containers": [{ "name": "web", "image": "web:1" }] } });
        let trial = trial(&live, &serde_json::from_value(template).expect("a template"));
        assert_eq!(trial.metadata.name, None);
        assert_eq!(trial.metadata.generate_name.as_deref(), Some("web-7d9-"));
        assert_eq!(trial.metadata.owner_references, live.metadata.owner_references);
        assert!(!has_sidecar(&trial));
        assert_eq!(trial.spec.map(|s| s.init_containers), Some(None));
    }
}
