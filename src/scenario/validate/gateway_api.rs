//! Rules for objects of the Gateway API, where lab defines its kinds: their versions, and the classes of Gateways.

use serde_json::Value as Json;

use super::Problems;
use crate::scenario::model::GATEWAY_API;
use crate::scenario::object::{describe, identity};
use crate::scenario::problem::ManifestProblem;
use crate::scenario::read::suggested;
use crate::scenario::tree::Span;

/// The kinds that lab defines, each with its versions (`served` in the definitions of the Gateway API's standard channel that `stack.yaml` names).
const SERVED: [(&str, &[&str]); 9] = [
    ("BackendTLSPolicy", &["v1"]),
    ("GRPCRoute", &["v1"]),
    ("Gateway", &["v1", "v1beta1"]),
    ("GatewayClass", &["v1", "v1beta1"]),
    ("HTTPRoute", &["v1", "v1beta1"]),
    ("ListenerSet", &["v1"]),
    ("ReferenceGrant", &["v1", "v1beta1"]),
    ("TCPRoute", &["v1"]),
    ("TLSRoute", &["v1"]),
];

/// The classes that istiod itself makes.
const CLASSES: [&str; 4] = ["istio", "istio-east-west", "istio-remote", "istio-waypoint"];

/// An object of a scenario, as far as these rules are about it.
struct Seen {
    object: Json,
    clusters: Vec<String>,
    span: Span,
    place: Option<String>,
}

/// The objects read so far.
#[derive(Default)]
pub(super) struct GatewayApi {
    objects: Vec<Seen>,
    /// Clusters whose definitions are the scenario's own.
    defined: Vec<String>,
    classes: Vec<String>,
}

impl GatewayApi {
    /// Takes in an object.
    pub(super) fn see(&mut self, object: &Json, clusters: &[String], span: Span, place: Option<&String>) {
        if object["kind"] == "CustomResourceDefinition" && object["spec"]["group"] == GATEWAY_API {
            self.defined.extend_from_slice(clusters);
        }
        let group = object["apiVersion"].as_str().and_then(|version| Some(version.split_once('/')?.0));
        if group != Some(GATEWAY_API) {
            return;
        }
        if object["kind"] == "GatewayClass" {
            self.classes.extend(object["metadata"]["name"].as_str().map(str::to_owned));
        }
        self.objects.push(Seen { object: object.clone(), clusters: clusters.to_vec(), span, place: place.cloned() });
    }

    /// Records what no cluster of the scenario takes, or nobody serves.
    pub(super) fn check(&self, has_mesh: bool, problems: &mut Problems) {
        for seen in &self.objects {
            // A scenario that brings definitions knows what it has.
            if seen.clusters.iter().all(|cluster| self.defined.contains(cluster)) {
                continue;
            }
            let place = seen.place.clone();
            if let Some((what, help)) = unserved(&seen.object) {
                problems.add(seen.span, ManifestProblem::Fault { place, object: named(&seen.object), what, help });
            } else if let Some(class) = self.unknown_class(&seen.object).filter(|_| has_mesh) {
                let mut known: Vec<&str> = CLASSES.to_vec();
                known.extend(self.classes.iter().map(String::as_str));
                let what = format!("no GatewayClass of the scenario is `{class}`, and Istio makes none of that name");
                let near = crate::scenario::read::nearest(&class, known.iter().copied());
                let help = suggested(near, &known, "the classes are");
                problems.add(seen.span, ManifestProblem::Fault { place, object: named(&seen.object), what, help });
            }
        }
    }

    fn unknown_class(&self, object: &Json) -> Option<String> {
        let class = object["spec"]["gatewayClassName"].as_str().filter(|_| object["kind"] == "Gateway")?;
        let is_known = CLASSES.contains(&class) || self.classes.iter().any(|own| own == class);
        (!is_known).then(|| class.to_owned())
    }
}

fn named(object: &Json) -> String {
    identity(object).map_or_else(|_| "this object".to_owned(), |identity| describe(&identity))
}

/// What is wrong with a kind or version that lab does not define, and what to do.
fn unserved(object: &Json) -> Option<(String, String)> {
    let (kind, version) = (object["kind"].as_str()?, object["apiVersion"].as_str()?.split_once('/')?.1);
    let Some((_, versions)) = SERVED.iter().find(|(served, _)| *served == kind) else {
        let kinds: Vec<&str> = SERVED.iter().map(|(kind, _)| *kind).collect();
        let what = format!("lab defines no kind {kind} of {GATEWAY_API}");
        return Some((
            what,
            format!("the kinds are {}; manifests may bring definitions of their own", kinds.join(", ")),
        ));
    };
    (!versions.contains(&version)).then(|| {
        let what = format!("lab defines {kind} of {GATEWAY_API} as {}, not as {version}", versions.join(" and "));
        (
            what,
            format!("write `apiVersion: {GATEWAY_API}/{}`; manifests may bring definitions of their own", versions[0]),
        )
    })
}

#[cfg(test)]
mod tests {
    use super::SERVED;
    use crate::scenario::{parse, render};

    fn told(objects: &str) -> String {
        let text = format!("name: x\nclusters: [c1]\napps: [{{ manifests: {{ name: m, objects: [{objects}] }} }}]\n");
        parse(&text, "lab.yaml").map_or_else(|errors| render(&errors), |_| "nothing".to_owned())
    }

    fn object(version: &str, kind: &str, more: &str) -> String {
        format!("{{ apiVersion: gateway.networking.k8s.io/{version}, kind: {kind}, metadata: {{ name: n }}{more} }}")
    }

    #[test]
    fn the_kinds_are_those_of_the_stack() {
        let stack = include_str!("../../../stack/stack.yaml");
        let files = stack.lines().filter_map(|line| Some(line.trim().split_once(": ")?.0));
        let of_stack: Vec<&str> = files.filter(|name| name.starts_with("gateway.networking.k8s.io_")).collect();
        let of_table = SERVED.iter().map(|(kind, _)| {
            let kind = kind.to_lowercase();
            let plural = if let Some(stem) = kind.strip_suffix('y').filter(|_| !kind.ends_with("ay")) {
                format!("{stem}ies")
            } else if kind.ends_with('s') {
                format!("{kind}es")
            } else {
                format!("{kind}s")
            };
            format!("gateway.networking.k8s.io_{plural}.yaml")
        });
        let mut of_table: Vec<String> = of_table.collect();
        of_table.sort();
        assert_eq!(of_table, of_stack);
    }

    #[test]
    fn what_no_cluster_takes_is_refused() {
        assert_eq!(told(&object("v1", "HTTPRoute", "")), "nothing");
        assert!(
            told(&object("v1alpha2", "TCPRoute", ""))
                .contains("TCPRoute of gateway.networking.k8s.io as v1, not as v1alpha2")
        );
        assert!(told(&object("v1", "MeshRoute", "")).contains("no kind MeshRoute"));
        let own = "{ apiVersion: apiextensions.k8s.io/v1, kind: CustomResourceDefinition, metadata: { name: tcproutes.gateway.networking.k8s.io }, \
                   spec: { group: gateway.networking.k8s.io, names: { kind: TCPRoute, plural: tcproutes }, scope: Namespaced, versions: [] } }";
        assert_eq!(told(&format!("{own}, {}", object("v1alpha2", "TCPRoute", ""))), "nothing");
    }

    #[test]
    fn a_gateway_has_a_class_that_is_there() {
        let gateway =
            |class: &str| object("v1", "Gateway", &format!(", spec: {{ gatewayClassName: {class}, listeners: [] }}"));
        assert_eq!(told(&gateway("istio")), "nothing");
        assert!(told(&gateway("istoi")).contains("no GatewayClass of the scenario is `istoi`"));
        let class = "{ apiVersion: gateway.networking.k8s.io/v1, kind: GatewayClass, metadata: { name: own }, spec: { controllerName: a.b/c } }";
        assert_eq!(told(&format!("{class}, {}", gateway("own"))), "nothing");
    }
}
