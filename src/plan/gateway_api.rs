//! Which clusters need the definitions of the Gateway API's kinds.

use serde_json::Value;

use super::{Lab, LabCluster};
use crate::scenario::{App, GATEWAY_API};

impl Lab {
    /// Whether lab defines the kinds of the Gateway API in a cluster of the mesh: the scenario has objects of them there, and does not define them itself.
    #[must_use]
    pub fn wants_gateway_api(&self, cluster: &LabCluster) -> bool {
        let manifests = self.apps.iter().filter_map(|app| if let App::Manifests(m) = app { Some(m) } else { None });
        let mut is_used = false;
        for object in manifests.filter(|m| m.is_in(&cluster.name)).flat_map(|m| &m.objects) {
            if object["kind"] == "CustomResourceDefinition" && object["spec"]["group"] == GATEWAY_API {
                return false;
            }
            is_used |= is_of_gateway_api(object);
        }
        is_used
    }
}

fn is_of_gateway_api(object: &Value) -> bool {
    object["apiVersion"].as_str().and_then(|v| v.split_once('/')).is_some_and(|(group, _)| group == GATEWAY_API)
}

#[cfg(test)]
mod tests {
    /// Whether each cluster of a lab with these objects in c1 gets the definitions.
    fn wants(objects: &str) -> Vec<bool> {
        let text = format!(
            "name: x\nclusters: [c1, c2]\napps: [{{ manifests: {{ name: m, clusters: [c1], objects: [{objects}] }} }}]\n"
        );
        let scenario = crate::scenario::parse(&text, "x").expect("a scenario");
        let lab = super::super::resolve(&scenario).expect("a lab");
        lab.clusters.iter().map(|cluster| lab.wants_gateway_api(cluster)).collect()
    }

    #[test]
    fn who_has_such_objects_gets_their_kinds_unless_the_scenario_brings_them() {
        let of =
            |version: &str, kind: &str| format!("{{ apiVersion: {version}, kind: {kind}, metadata: {{ name: n }} }}");
        let route = of("gateway.networking.k8s.io/v1", "HTTPRoute");
        assert_eq!(wants(&route), [true, false]);
        assert_eq!(wants(&of("networking.istio.io/v1", "Gateway")), [false, false]);
        let own = "{ apiVersion: apiextensions.k8s.io/v1, kind: CustomResourceDefinition, metadata: { name: httproutes.gateway.networking.k8s.io }, \
                   spec: { group: gateway.networking.k8s.io, names: { kind: HTTPRoute, plural: httproutes }, scope: Namespaced, versions: [] } }";
        assert_eq!(wants(&format!("{own}, {route}")), [false, false]);
    }
}
