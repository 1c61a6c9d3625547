//! What a scenario's manifests may not say, because lab itself sets it: known from the plan alone.

use serde_json::{Value, json};

use super::addresses::ResolveError;
use super::{Gateway, Lab, LabCluster, render};
use crate::scenario::App;

/// Refuses the first object of the scenario that sets a field of an object of lab's own to another value. Other fields are merged.
pub(super) fn refuse(lab: &Lab) -> Result<(), ResolveError> {
    for cluster in &lab.clusters {
        let own = own(lab, cluster);
        let whole = render::legacy(lab, cluster, &render::Images::new());
        for (object, origin) in manifests(lab, cluster) {
            let conflict = |what: String| ResolveError::NotOurs {
                place: origin.place.unwrap_or_default().to_owned(),
                object: describe(object),
                cluster: cluster.name.clone(),
                what,
            };
            if whole.iter().any(|o| is_same(o, object)) {
                return Err(conflict("makes it whole, for its checks".to_owned()));
            }
            let fields = own.iter().filter(|o| is_same(o, object)).find_map(|own| differing(own, object, ""));
            if let Some(field) = fields {
                return Err(conflict(format!("sets {field} to another value")));
            }
        }
    }
    Ok(())
}

/// Who brings an object of a cluster.
pub struct Origin<'a> {
    /// The app of the scenario.
    pub app: &'a str,
    /// Where it says so, as `FILE:LINE`; none in a lab that was read from its state.
    pub place: Option<&'a str>,
}

/// Who brings an object of a cluster; nothing for an object that the scenario does not bring.
#[must_use]
pub fn origin_of<'a>(lab: &'a Lab, cluster: &LabCluster, object: &Value) -> Option<Origin<'a>> {
    let found = manifests(lab, cluster).find(|(own, _)| is_same(own, object))?.1;
    Some(Origin { place: found.place.filter(|place| !place.is_empty()), ..found })
}

/// The scenario's objects of one cluster, each with where it comes from.
fn manifests<'a>(lab: &'a Lab, cluster: &LabCluster) -> impl Iterator<Item = (&'a Value, Origin<'a>)> {
    let entries = lab.apps.iter().filter_map(|app| if let App::Manifests(m) = app { Some(m) } else { None });
    let name = cluster.name.clone();
    entries.filter(move |m| m.is_in(&name)).flat_map(|m| {
        let places = m.places.0.iter().map(|place| Some(place.as_str())).chain(std::iter::repeat(None));
        m.objects.iter().zip(places.map(|place| Origin { app: &m.name, place }))
    })
}

/// The objects that lab applies to a cluster apart from its apps, as far as no program has to render them.
fn own(lab: &Lab, cluster: &LabCluster) -> Vec<Value> {
    let mut own = render::address_pool(lab, cluster);
    if lab.has_istio(cluster) {
        own.push(render::istio_namespace(lab, cluster));
        own.extend(render::lent_account(lab, cluster).map(render::account_token));
        if cluster.has(Gateway::EastWestGateway) {
            own.extend(render::east_west_resources(lab, cluster));
        }
        if lab.is_entered(cluster) {
            own.extend(render::ingress_resources(lab, cluster));
        }
        if cluster.addresses.contains_key(&Gateway::Istiod) {
            own.push(render::istiod_service(lab, cluster));
        }
    }
    if cluster.locality.is_some() {
        own.extend(cluster.nodes().map(|node| {
            let name = cluster.node_name(&node);
            let labels = render::locality_labels(cluster, &name);
            json!({ "apiVersion": "v1", "kind": "Node", "metadata": { "name": name, "labels": labels } })
        }));
    }
    own
}

fn is_same(own: &Value, object: &Value) -> bool {
    let group = |o: &Value| {
        let version = o["apiVersion"].as_str().unwrap_or_default();
        version.rsplit_once('/').map(|(group, _)| group.to_owned())
    };
    let name = |o: &Value| o["metadata"]["name"].as_str().map(str::to_owned);
    let namespace = |o: &Value| o["metadata"]["namespace"].as_str().map(str::to_owned);
    // Whoever names a namespace for a kind without one means the same object.
    let has_none = namespace(own).is_none();
    own["kind"] == object["kind"]
        && group(own) == group(object)
        && name(own) == name(object)
        && (has_none || namespace(own) == namespace(object))
}

/// The first field to which both give a value, and not the same.
fn differing(own: &Value, object: &Value, path: &str) -> Option<String> {
    let (Value::Object(own), Value::Object(object)) = (own, object) else {
        return (own != object).then(|| path.to_owned());
    };
    own.iter().filter(|(key, _)| !path.is_empty() || !matches!(key.as_str(), "apiVersion" | "kind")).find_map(
        |(key, own)| {
            let at = match (path, key.contains(['.', '/'])) {
                (_, true) => format!("{path}[\"{key}\"]"),
                ("", false) => key.clone(),
                (path, false) => format!("{path}.{key}"),
            };
            // A namespace of a kind without one, as above.
            let theirs = object.get(key).filter(|_| at != "metadata.namespace")?;
            differing(own, theirs, &at)
        },
    )
}

fn describe(object: &Value) -> String {
    let text = |value: &Value| value.as_str().unwrap_or("?").to_owned();
    let (kind, name) = (text(&object["kind"]), text(&object["metadata"]["name"]));
    match object["metadata"]["namespace"].as_str() {
        Some(namespace) => format!("{kind} {namespace}/{name}"),
        None => format!("{kind} {name}"),
    }
}

#[cfg(test)]
mod tests {
    use crate::plan::resolve;
    use crate::scenario::parse;

    /// What is refused of a scenario with one more object.
    fn refused(object: &str, more: &str) -> Option<String> {
        let text = format!(
            "name: demo\nclusters: [{{ name: c1{more} }}, c2]\napps:\n  - manifests:\n      objects:\n        - {object}\n"
        );
        resolve(&parse(&text, "lab.yaml").expect("valid")).err().map(|e| e.to_string())
    }

    const NAMESPACE: &str = "apiVersion: v1, kind: Namespace, metadata: { name: istio-system";

    #[test]
    fn another_value_is_refused_with_its_place_and_another_field_is_merged() {
        assert_eq!(refused(&format!("{{ {NAMESPACE}, labels: {{ mesh: member }} }} }}"), ""), None);
        assert_eq!(
            refused(&format!("{{ {NAMESPACE}, labels: {{ topology.istio.io/network: mine }} }} }}"), ""),
            Some(
                "lab.yaml:6: Namespace istio-system is lab's own in cluster `c1`, and lab sets metadata.labels[\"topology.istio.io/network\"] to another value"
                    .to_owned()
            )
        );
    }

    #[test]
    fn an_object_of_the_scenario_has_its_place() {
        let object = "{ apiVersion: v1, kind: ConfigMap, metadata: { name: istio, namespace: istio-system } }";
        let text = format!("name: demo\nclusters: [c1]\napps:\n  - manifests:\n      objects:\n        - {object}\n");
        let lab = resolve(&parse(&text, "lab.yaml").expect("valid")).expect("a lab");
        let place = |name: &str| {
            let object = serde_json::json!({ "apiVersion": "v1", "kind": "ConfigMap",
                "metadata": { "name": name, "namespace": "istio-system", "labels": { "more": "" } } });
            super::origin_of(&lab, &lab.clusters[0], &object).map(|origin| (origin.app, origin.place))
        };
        assert_eq!(place("istio"), Some(("manifests-1", Some("lab.yaml:6"))));
        assert!(place("other").is_none());
    }

    #[test]
    fn the_same_value_is_no_conflict() {
        let same = "{ apiVersion: metallb.io/v1beta1, kind: L2Advertisement, metadata: { name: lab, namespace: metallb-system }, spec: { ipAddressPools: [lab, lab-gateways] } }";
        assert_eq!(refused(same, ""), None);
        assert!(refused(&same.replace("[lab, ", "[mine, "), "").is_some_and(|e| e.contains("spec.ipAddressPools")));
    }

    #[test]
    fn a_node_has_its_locality_from_the_scenario() {
        let node = "{ apiVersion: v1, kind: Node, metadata: { name: demo-c1-control-plane, labels: { topology.kubernetes.io/region: mine } } }";
        assert_eq!(refused(node, ""), None);
        assert!(refused(node, ", locality: { region: r1 }").is_some_and(|e| e.contains("demo-c1-control-plane")));
        let zoned = ", nodes: { zones: [a, b] }, locality: { region: r1 }";
        let worker = "{ apiVersion: v1, kind: Node, metadata: { name: demo-c1-worker, labels: { topology.kubernetes.io/zone: b } } }";
        assert_eq!(refused(worker, zoned), None);
        assert!(refused(&worker.replace("zone: b", "zone: a"), zoned).is_some_and(|e| e.contains("zone")));
    }
}
