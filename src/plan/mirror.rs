//! What stands in for the pods of a Service, so that calls to it reach a process elsewhere: found from the Service and what is behind it. Pure.

use std::collections::BTreeMap;

use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{Container, Pod, Service, ServicePort};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use miette::Diagnostic;
use serde::{Deserialize, Serialize};
use thiserror::Error;

/// Label of everything that mirrors a Service; its value is the Service's name.
pub const MIRROR_LABEL: &str = "dev.lab.mirror";
/// Annotations of the pods that concern their sidecars begin so.
const OF_SIDECARS: [&str; 3] = ["sidecar.istio.io/", "traffic.sidecar.istio.io/", "proxy.istio.io/"];
/// What istiod itself writes, and reads again as if the user had.
const WRITTEN: [&str; 2] = ["sidecar.istio.io/status", "proxy.istio.io/overrides"];
/// Where a mirror listens besides, unless the Service's pods do.
const OWN_PORTS: [u16; 4] = [14998, 14999, 14996, 14997];

/// A mirror that cannot be.
#[derive(Clone, Debug, PartialEq, Eq, Error, Diagnostic)]
#[error("{problem}")]
#[diagnostic(help("{remedy}"))]
pub struct MirrorRefusal {
    /// Why.
    pub problem: String,
    /// What to do.
    pub remedy: String,
}

impl MirrorRefusal {
    /// One of this problem and remedy.
    #[must_use]
    pub fn new(problem: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { problem: problem.into(), remedy: remedy.into() }
    }
}

/// A Deployment that has no pods while a mirror stands in for it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StoodInFor {
    /// Its name.
    pub deployment: String,
    /// How many pods it had.
    pub replicas: i32,
}

/// What a mirror of a Service is like in one cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MirrorPlace {
    /// The cluster.
    pub cluster: String,
    /// Namespace of the Service.
    pub namespace: String,
    /// Its name.
    pub service: String,
    /// The port by which it is called.
    pub port: u16,
    /// The port of its pods.
    pub target: u16,
    /// What pods call that port, where the Service knows it by a name.
    pub target_name: Option<String>,
    /// Labels of the pods that it stands in for.
    pub labels: BTreeMap<String, String>,
    /// What their annotations say of sidecars.
    pub annotations: BTreeMap<String, String>,
    /// Their service account, which is who they are in the mesh.
    pub account: Option<String>,
    /// The Deployments that have no pods meanwhile.
    pub stood_in_for: Vec<StoodInFor>,
}

/// What there is of a Service in a cluster.
#[derive(Clone, Copy, Debug)]
pub struct Behind<'a> {
    /// The Service.
    pub service: &'a Service,
    /// All Deployments of its namespace.
    pub deployments: &'a [Deployment],
    /// The running pods that it selects.
    pub pods: &'a [Pod],
}

impl Behind<'_> {
    /// Whether anything is there that answers for the Service, or would if it ran.
    #[must_use]
    pub fn answers(&self) -> bool {
        let selector = self.service.spec.as_ref().and_then(|s| s.selector.clone()).unwrap_or_default();
        let runs = |d: &Deployment| !is_mirror(d) && is_within(&selector, labels_of(d)) && replicas(d) > 0;
        !selector.is_empty() && (!self.pods.is_empty() || self.deployments.iter().any(runs))
    }
}

impl MirrorPlace {
    /// A mirror of one port of a Service: of its only one, if none is named. With `beside`, its pods stay.
    ///
    /// # Errors
    /// Nothing can stand in for what is behind it.
    pub fn of(cluster: &str, behind: Behind<'_>, port: Option<u16>, beside: bool) -> Result<Self, MirrorRefusal> {
        let service = behind.service;
        let name = service.metadata.name.clone().unwrap_or_default();
        let namespace = service.metadata.namespace.clone().unwrap_or_default();
        let shown = format!("Service {namespace}/{name} of {cluster}");
        let spec = service.spec.clone().unwrap_or_default();
        let Some(selector) = spec.selector.filter(|selector| !selector.is_empty()) else {
            return Err(MirrorRefusal::new(
                format!("{shown} selects no pods, so none can stand in for them"),
                "mirror a Service with a selector",
            ));
        };
        let port = chosen(&shown, &spec.ports.unwrap_or_default(), port)?;
        let own_name = Self::deployment_of(&name);
        let has_its_name = |d: &&Deployment| d.metadata.name.as_deref() == Some(&own_name);
        if behind.deployments.iter().any(|d| has_its_name(&d) && !is_mirror(d)) {
            return Err(MirrorRefusal::new(
                format!("there is a Deployment {namespace}/{own_name} in {cluster}, and it is no mirror of lab's"),
                "give that one another name",
            ));
        }
        let mut all: Vec<&Deployment> =
            behind.deployments.iter().filter(|d| !is_mirror(d) && is_within(&selector, labels_of(d))).collect();
        // The first that has pods is what the mirror looks like.
        all.sort_by_key(|d| (replicas(d) == 0, d.metadata.name.clone()));
        let is_of_them = |pod: &Pod| {
            let labels = pod.metadata.labels.clone().unwrap_or_default();
            let is_of = |d: &Deployment| {
                let wanted = d.spec.selector.match_labels.clone().unwrap_or_default();
                !wanted.is_empty() && is_within(&wanted, Some(&labels))
            };
            labels.contains_key(MIRROR_LABEL) || all.iter().any(|d| is_of(d))
        };
        if let Some(pod) = behind.pods.iter().find(|pod| !beside && !is_of_them(pod)) {
            let pod = pod.metadata.name.as_deref().unwrap_or_default();
            return Err(MirrorRefusal::new(
                format!(
                    "pod {namespace}/{pod} of {cluster} answers for {name} too, and is of no Deployment that could be stopped"
                ),
                "with --beside what is there goes on to answer, beside this machine",
            ));
        }
        let (target, target_name) = target(&shown, &port, &all)?;
        let template = all.first().map(|d| &d.spec.template);
        let given = template.and_then(|t| t.metadata.as_ref());
        let is_of_sidecar =
            |key: &String| OF_SIDECARS.iter().any(|prefix| key.starts_with(prefix)) && !WRITTEN.contains(&key.as_str());
        let annotations = given.and_then(|m| m.annotations.clone()).unwrap_or_default();
        Ok(Self {
            cluster: cluster.to_owned(),
            namespace,
            service: name,
            port: number(port.port).unwrap_or_default(),
            target,
            target_name,
            labels: given.and_then(|m| m.labels.clone()).unwrap_or(selector),
            annotations: annotations.into_iter().filter(|(key, _)| is_of_sidecar(key)).collect(),
            account: template.and_then(|t| t.spec.as_ref()?.service_account_name.clone()),
            stood_in_for: all.iter().filter(|d| !beside && replicas(d) > 0).map(|d| stood_in_for(d)).collect(),
        })
    }

    /// `helloworld.sample:5000`.
    #[must_use]
    pub fn host(&self) -> String {
        format!("{}.{}:{}", self.service, self.namespace, self.port)
    }

    /// The Deployment that mirrors a Service.
    #[must_use]
    pub fn deployment_of(service: &str) -> String {
        format!("{service}-mirror")
    }

    /// What selects its pods.
    #[must_use]
    pub fn selector(&self) -> String {
        format!("{MIRROR_LABEL}={}", self.service)
    }

    /// The ports at which its pod tells that it is ready, and takes the calls of this machine.
    #[must_use]
    pub fn own_ports(&self) -> (u16, u16) {
        let [ready, out, other_ready, other_out] = OWN_PORTS;
        if [ready, out].contains(&self.target) { (other_ready, other_out) } else { (ready, out) }
    }
}

fn is_mirror(deployment: &Deployment) -> bool {
    deployment.metadata.labels.as_ref().is_some_and(|labels| labels.contains_key(MIRROR_LABEL))
}

fn labels_of(deployment: &Deployment) -> Option<&BTreeMap<String, String>> {
    deployment.spec.template.metadata.as_ref()?.labels.as_ref()
}

fn is_within(wanted: &BTreeMap<String, String>, labels: Option<&BTreeMap<String, String>>) -> bool {
    labels.is_some_and(|labels| wanted.iter().all(|(key, value)| labels.get(key) == Some(value)))
}

fn replicas(deployment: &Deployment) -> i32 {
    deployment.spec.replicas.unwrap_or(1)
}

fn stood_in_for(deployment: &Deployment) -> StoodInFor {
    StoodInFor { deployment: deployment.metadata.name.clone().unwrap_or_default(), replicas: replicas(deployment) }
}

fn number(port: i32) -> Option<u16> {
    u16::try_from(port).ok()
}

/// The port that is named, or the only one.
fn chosen(shown: &str, ports: &[ServicePort], wanted: Option<u16>) -> Result<ServicePort, MirrorRefusal> {
    let all = || ports.iter().map(|p| p.port.to_string()).collect::<Vec<_>>().join(", ");
    let port = match (wanted, ports) {
        (None, [port]) => port,
        (None, []) => return Err(MirrorRefusal::new(format!("{shown} has no port"), "mirror a Service with one")),
        (None, _) => {
            let problem = format!("{shown} has the ports {}", all());
            return Err(MirrorRefusal::new(problem, "name the one to mirror by --port"));
        }
        (Some(wanted), _) => ports
            .iter()
            .find(|p| p.port == i32::from(wanted))
            .ok_or_else(|| MirrorRefusal::new(format!("{shown} has no port {wanted}"), format!("it has {}", all())))?,
    };
    if port.protocol.as_deref().is_some_and(|protocol| protocol != "TCP") {
        let protocol = port.protocol.as_deref().unwrap_or_default();
        let problem = format!("port {} of {shown} is one of {protocol}", port.port);
        return Err(MirrorRefusal::new(problem, "only TCP, and what is spoken over it, can be mirrored"));
    }
    Ok(port.clone())
}

/// The port of the pods, and what they call it where the Service knows it by that.
fn target(shown: &str, port: &ServicePort, all: &[&Deployment]) -> Result<(u16, Option<String>), MirrorRefusal> {
    let named = match &port.target_port {
        None => return Ok((number(port.port).unwrap_or_default(), None)),
        Some(IntOrString::Int(target)) => return Ok((number(*target).unwrap_or_default(), None)),
        Some(IntOrString::String(name)) => name,
    };
    let of = |container: &Container| {
        let ports = container.ports.iter().flatten();
        ports.filter(|p| p.name.as_ref() == Some(named)).find_map(|p| number(p.container_port))
    };
    let pods = all.iter().filter_map(|d| d.spec.template.spec.as_ref());
    let mut found = pods.flat_map(|p| p.containers.iter().chain(p.init_containers.iter().flatten())).filter_map(of);
    found.next().map(|target| (target, Some(named.clone()))).ok_or_else(|| {
        MirrorRefusal::new(
            format!(
                "port {} of {shown} leads to port `{named}` of its pods, and no Deployment says which number that is",
                port.port
            ),
            format!("give the Service's `targetPort` as a number, or a Deployment a container port called `{named}`"),
        )
    })
}

#[cfg(test)]
mod tests;
