//! The kinds of Kubernetes itself, and of the Gateway API, whose definitions lab applies.

use k8s_openapi::Resource;
use k8s_openapi::api::{
    admissionregistration, apps, autoscaling, batch, coordination, core, discovery, networking, policy, rbac,
    scheduling, storage,
};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions;
use serde::de::DeserializeOwned;
use serde_json::Value as Json;

use super::group;
use super::typed::{self, Looker};
use crate::scenario::model::GATEWAY_API;
use crate::scenario::read::nearest;

/// Looks at an object of a kind.
type Look = fn(&Json, &Looker);

/// What is known of a kind.
pub(super) enum Known {
    As(Look),
    /// It is one of Kubernetes' own, but this field of it must be something else.
    Otherwise {
        key: &'static str,
        instead: &'static str,
    },
    /// It may be anybody's.
    Not,
}

const fn kind<T: Resource + DeserializeOwned>() -> (&'static str, &'static str, Look) {
    (T::API_VERSION, T::KIND, typed::whole::<T>)
}

/// API version and kind of each, with who looks at it.
const KINDS: &[(&str, &str, Look)] = &[
    kind::<core::v1::ConfigMap>(),
    kind::<core::v1::Endpoints>(),
    kind::<core::v1::LimitRange>(),
    kind::<core::v1::Namespace>(),
    kind::<core::v1::Node>(),
    kind::<core::v1::PersistentVolume>(),
    kind::<core::v1::PersistentVolumeClaim>(),
    kind::<core::v1::Pod>(),
    kind::<core::v1::PodTemplate>(),
    kind::<core::v1::ReplicationController>(),
    kind::<core::v1::ResourceQuota>(),
    kind::<core::v1::Secret>(),
    kind::<core::v1::Service>(),
    kind::<core::v1::ServiceAccount>(),
    kind::<apps::v1::DaemonSet>(),
    kind::<apps::v1::Deployment>(),
    kind::<apps::v1::ReplicaSet>(),
    kind::<apps::v1::StatefulSet>(),
    kind::<autoscaling::v1::HorizontalPodAutoscaler>(),
    kind::<autoscaling::v2::HorizontalPodAutoscaler>(),
    kind::<batch::v1::CronJob>(),
    kind::<batch::v1::Job>(),
    kind::<coordination::v1::Lease>(),
    kind::<discovery::v1::EndpointSlice>(),
    kind::<networking::v1::Ingress>(),
    kind::<networking::v1::IngressClass>(),
    kind::<networking::v1::NetworkPolicy>(),
    kind::<policy::v1::PodDisruptionBudget>(),
    kind::<rbac::v1::ClusterRole>(),
    kind::<rbac::v1::ClusterRoleBinding>(),
    kind::<rbac::v1::Role>(),
    kind::<rbac::v1::RoleBinding>(),
    kind::<scheduling::v1::PriorityClass>(),
    kind::<storage::v1::StorageClass>(),
    kind::<admissionregistration::v1::MutatingWebhookConfiguration>(),
    kind::<admissionregistration::v1::ValidatingAdmissionPolicy>(),
    kind::<admissionregistration::v1::ValidatingAdmissionPolicyBinding>(),
    kind::<admissionregistration::v1::ValidatingWebhookConfiguration>(),
    kind::<apiextensions::v1::CustomResourceDefinition>(),
];

/// Those of the Gateway API that Istio reads. Their fields the API server alone knows.
const GATEWAY_API_KINDS: [&str; 9] = [
    "BackendTLSPolicy",
    "GRPCRoute",
    "Gateway",
    "GatewayClass",
    "HTTPRoute",
    "ListenerSet",
    "ReferenceGrant",
    "TCPRoute",
    "TLSRoute",
];

/// What is known of a kind of an API version.
pub(super) fn of(version: &str, kind: &str) -> Known {
    if group(version) == GATEWAY_API {
        let other = nearest(kind, GATEWAY_API_KINDS).filter(|_| !GATEWAY_API_KINDS.contains(&kind));
        return other.map_or(Known::Not, |instead| Known::Otherwise { key: "kind", instead });
    }
    if let Some((.., look)) = KINDS.iter().find(|(v, k, _)| (*v, *k) == (version, kind)) {
        return Known::As(*look);
    }
    let is_own = group(version) == "extensions" || KINDS.iter().any(|(v, ..)| group(v) == group(version));
    if !is_own {
        return Known::Not;
    }
    // The last is the newest.
    if let Some((instead, ..)) = KINDS.iter().rev().find(|(_, k, _)| *k == kind) {
        return Known::Otherwise { key: "apiVersion", instead };
    }
    let own = KINDS.iter().filter(|(v, ..)| *v == version).map(|(_, k, _)| *k);
    nearest(kind, own).map_or(Known::Not, |instead| Known::Otherwise { key: "kind", instead })
}
