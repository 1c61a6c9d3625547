//! What all clusters of the mesh have that bears on a call, looked at once for all causes that are sought.

use std::collections::BTreeMap;
use std::time::Duration;

use futures::future::join_all;
use k8s_openapi::api::core::v1::ConfigMap;
use serde_json::Value;

use crate::context::{LabContext, StepError};
use crate::plan::LabCluster;
use crate::plan::render::{INGRESS_GATEWAY, ISTIO_NAMESPACE};
use crate::scenario::{CallerPod, Protocol, ServiceUrl};
use crate::verdict::{
    CallFacts, CalledHost, Finding, HostFacts, Objects, Place, Side, alias_of, behind, causes, endpoint_port, has_host,
    is_meant, selects_nothing,
};

/// Group and plural name of what is looked at.
const KINDS: [(&str, &str); 17] = [
    ("", "namespaces"),
    ("", "pods"),
    ("", "services"),
    ("apps", "daemonsets"),
    ("apps", "deployments"),
    ("apps", "statefulsets"),
    ("networking.k8s.io", "networkpolicies"),
    ("gateway.networking.k8s.io", "gateways"),
    ("gateway.networking.k8s.io", "grpcroutes"),
    ("gateway.networking.k8s.io", "httproutes"),
    ("networking.istio.io", "gateways"),
    ("networking.istio.io", "sidecars"),
    ("networking.istio.io", "destinationrules"),
    ("networking.istio.io", "serviceentries"),
    ("networking.istio.io", "virtualservices"),
    ("security.istio.io", "authorizationpolicies"),
    ("security.istio.io", "peerauthentications"),
];

/// Namespace and app of the ingress gateway, which calls for those outside.
pub(super) const ENTRANCE: (&str, &str) = (ISTIO_NAMESPACE, INGRESS_GATEWAY);

/// How long one cluster may take to list them.
const LIMIT: Duration = Duration::from_secs(10);

/// Objects by cluster. One that cannot be asked has none: that is told where it is asked for itself.
#[derive(Debug, Default)]
pub(super) struct Observed(BTreeMap<String, Objects>);

impl Observed {
    /// Asks all clusters of the mesh at once.
    pub async fn look(ctx: &LabContext) -> Self {
        let looks = ctx.lab.data_clusters().map(async |cluster| {
            let objects = tokio::time::timeout(LIMIT, objects(ctx, &cluster.name)).await;
            Some((cluster.name.clone(), objects.ok()?.ok()?))
        });
        Self(join_all(looks).await.into_iter().flatten().collect())
    }

    /// What explains that a call fails, the likeliest first. The caller is a pod with the label `app`.
    pub fn causes(
        &self,
        ctx: &LabContext,
        (from, to): (&LabCluster, &LabCluster),
        (service, protocol): (&ServiceUrl, Protocol),
        (namespace, app): (&str, &str),
    ) -> Vec<Finding> {
        let pods = self.0.get(&from.name).into_iter().flat_map(|o| o.of("Pod"));
        let is_caller = |p: &&Value| {
            let metadata = &p["metadata"];
            metadata["namespace"] == namespace && (metadata["labels"]["app"] == app || metadata["name"] == app)
        };
        let Some(caller) = pods.filter(is_caller).last() else { return Vec::new() };
        let answering = self.behind(&to.name, service).first().copied().unwrap_or(&Value::Null);
        let side = |cluster: &'_ LabCluster| {
            let config = ctx.lab.config_cluster(cluster);
            Some((self.0.get(&cluster.name)?, self.0.get(&config.name)?, config.name.clone()))
        };
        let (Some((here, rules, config)), Some((there, their_rules, their_config))) = (side(from), side(to)) else {
            return Vec::new();
        };
        causes(&CallFacts {
            lab: &ctx.lab.name,
            service: &service.service,
            namespace: &service.namespace,
            port: service.port,
            path: &service.path,
            protocol,
            caller: Side {
                cluster: &from.name,
                config: &config,
                pod: caller,
                service: here.get("Service", &service.namespace, &service.service),
                here,
                rules,
            },
            callee: Side {
                cluster: &to.name,
                config: &their_config,
                pod: answering,
                service: there.get("Service", &service.namespace, &service.service),
                here: there,
                rules: their_rules,
            },
            gateway: to.east_west_endpoint().filter(|_| from.network != to.network),
            enters: (namespace, app) == ENTRANCE,
        })
    }

    /// What is configured about calls of a host; none where the cluster that configures the caller could not be asked.
    pub fn host_facts<'s>(
        &'s self,
        ctx: &'s LabContext,
        from: &'s LabCluster,
        caller: &'s CallerPod,
        called: &'s CalledHost,
    ) -> Option<HostFacts<'s>> {
        let config = ctx.lab.config_cluster(from);
        let has = |objects: &Objects| objects.of("ServiceEntry").any(|entry| has_host(entry, &called.host));
        let others = self.0.iter().filter(|(name, objects)| **name != config.name && has(objects));
        Some(HostFacts {
            lab: &ctx.lab.name,
            cluster: &from.name,
            namespace: &caller.namespace,
            config: &config.name,
            rules: self.0.get(&config.name)?,
            elsewhere: others.map(|(name, _)| name.as_str()).collect(),
            called,
            captures_dns: ctx.lab.mesh.dns_capture,
        })
    }

    /// The ready pods behind a service in a cluster.
    pub fn behind(&self, cluster: &str, service: &ServiceUrl) -> Vec<&Value> {
        self.0.get(cluster).map_or_else(Vec::new, |o| behind(o, o.get("Service", &service.namespace, &service.service)))
    }

    /// Whether a cluster has something that is meant to answer for a service, ready or not.
    pub fn is_meant(&self, cluster: &str, service: &ServiceUrl) -> bool {
        self.0.get(cluster).is_some_and(|o| is_meant(o, o.get("Service", &service.namespace, &service.service)))
    }

    /// That the Service of a cluster selects no pod at all.
    pub fn selects_nothing(&self, ctx: &LabContext, cluster: &str, service: &ServiceUrl) -> Option<Finding> {
        let here = self.0.get(cluster)?;
        selects_nothing(&ctx.lab.name, cluster, here, here.get("Service", &service.namespace, &service.service))
    }

    /// What a service is an alias of (`ExternalName`) in a cluster, if it is one of a Service.
    pub fn alias(&self, cluster: &str, service: &ServiceUrl) -> Option<ServiceUrl> {
        let known = self.0.get(cluster)?.get("Service", &service.namespace, &service.service);
        let (namespace, name) = alias_of(known)?;
        Some(ServiceUrl { service: name.to_owned(), namespace: namespace.to_owned(), ..service.clone() })
    }

    /// Whether a cluster could be asked.
    pub fn knows(&self, cluster: &str) -> bool {
        self.0.contains_key(cluster)
    }

    /// Whether a cluster has a service of that name.
    pub fn has(&self, cluster: &str, service: &ServiceUrl) -> bool {
        self.0.get(cluster).is_some_and(|o| !o.get("Service", &service.namespace, &service.service).is_null())
    }

    /// Where calls from a cluster may be answered: every ready pod behind the service, with the address by which the caller's Envoy knows it.
    pub fn places(&self, ctx: &LabContext, from: &LabCluster, service: &ServiceUrl) -> Vec<Place> {
        let of = |cluster: &LabCluster| {
            self.0.get(&cluster.name).map(|o| o.get("Service", &service.namespace, &service.service))
        };
        let known = of(from).filter(|s| !s.is_null());
        let mut places = Vec::new();
        for to in ctx.lab.meshed_with(from) {
            for pod in self.behind(&to.name, service) {
                let theirs = of(to).unwrap_or(&Value::Null);
                let address = if from.network == to.network {
                    let port = endpoint_port(known.unwrap_or(theirs), theirs, pod, service.port);
                    let ip = pod["status"]["podIP"].as_str().unwrap_or_default();
                    port.map(|port| format!("{ip}:{port}"))
                } else {
                    to.east_west_endpoint().map(|e| e.to_string())
                };
                let text = |value: &Value| value.as_str().map(str::to_owned);
                places.push(Place {
                    cluster: to.name.clone(),
                    pod: text(&pod["metadata"]["name"]).unwrap_or_default(),
                    version: text(&pod["metadata"]["labels"]["version"]),
                    address: address.unwrap_or_default(),
                });
            }
        }
        places
    }
}

async fn objects(ctx: &LabContext, cluster: &str) -> Result<Objects, StepError> {
    let client = ctx.client(cluster).await?;
    let wanted = |group: &str, plural: &str| KINDS.contains(&(group, plural));
    let (collected, mesh) = tokio::join!(client.collect(wanted), client.get::<ConfigMap>(ISTIO_NAMESPACE, "istio"));
    let all = collected?.into_iter().filter_map(|kind| kind.objects.ok()).flatten().collect();
    let mesh = mesh?.and_then(|map| map.data).and_then(|mut data| data.remove("mesh"));
    let mesh = mesh.and_then(|text| serde_yaml::from_str(&text).ok()).unwrap_or_default();
    Ok(Objects { all, mesh })
}
