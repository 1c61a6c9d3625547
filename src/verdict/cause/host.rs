//! Why a call of a host fails that no Service has: what a `ServiceEntry` says of it, and what there is at its endpoints.

use serde_json::Value;

use super::object::{host_matches, is_exported, kubectl, list, named, namespace, text, texts};
use super::{Finding, Objects};
use crate::verdict::{Answered, CalledHost, Endpoint, Reply, Speaks};

/// One call of a host, with all that is configured about it.
#[derive(Clone, Debug)]
pub struct HostFacts<'a> {
    /// The lab, for the commands of remedies.
    pub lab: &'a str,
    /// The calling cluster.
    pub cluster: &'a str,
    /// The namespace of the caller.
    pub namespace: &'a str,
    /// The cluster whose objects of Istio configure the caller's Envoy.
    pub config: &'a str,
    /// What that cluster has.
    pub rules: &'a Objects,
    /// The other clusters that have a `ServiceEntry` of the host.
    pub elsewhere: Vec<&'a str>,
    /// What is called.
    pub called: &'a CalledHost,
    /// Whether sidecars answer DNS queries.
    pub captures_dns: bool,
}

/// Whether a `ServiceEntry` has a host.
#[must_use]
pub fn has_host(entry: &Value, host: &str) -> bool {
    texts(entry, "/spec/hosts")
        .iter()
        .any(|pattern| pattern.contains('.') && host_matches(pattern, "", host) || *pattern == "*")
}

impl<'a> HostFacts<'a> {
    /// The entries of the host, one that names it whole before one with a wildcard.
    fn entries(&self) -> Vec<&'a Value> {
        let host = self.called.host.as_str();
        let mut all: Vec<&Value> = self.rules.of("ServiceEntry").filter(|e| has_host(e, host)).collect();
        all.sort_by_key(|e| !texts(e, "/spec/hosts").contains(&host));
        all
    }

    fn is_seen(&self, object: &Value) -> bool {
        let (own, of_mesh) = (texts(object, "/spec/exportTo"), texts(&self.rules.mesh, "/defaultServiceExportTo"));
        let to = [own, of_mesh, vec!["*"]].into_iter().find(|to| !to.is_empty()).unwrap_or_default();
        is_exported(to, namespace(object), self.namespace)
    }

    /// The entry that holds for the caller, with the name by which Envoy knows the host.
    #[must_use]
    pub fn entry(&self) -> Option<(&'a Value, &'a str)> {
        let entry = self.entries().into_iter().find(|e| self.is_seen(e))?;
        let hosts = texts(entry, "/spec/hosts");
        let host = self.called.host.as_str();
        let whole = hosts.iter().find(|h| **h == host).copied();
        Some((entry, whole.or_else(|| hosts.into_iter().find(|h| host_matches(h, "", host)))?))
    }

    /// Whether calls go to addresses that the entry names or that are found by its hosts, rather than to whatever the name resolves to.
    #[must_use]
    pub fn has_endpoints(entry: &Value) -> bool {
        !matches!(text(entry, "/spec/resolution"), "" | "NONE")
    }

    /// The `DestinationRule` that holds for calls of the host.
    fn rule(&self) -> Option<&'a Value> {
        let of_host = |r: &&Value| host_matches(text(r, "/spec/host"), namespace(r), &self.called.host);
        self.rules.of("DestinationRule").filter(of_host).find(|r| self.is_seen(r))
    }

    /// The name by which connections ask for the host, where a rule gives another than its own.
    fn server_name(&self) -> Option<&'a str> {
        let name = text(self.rule()?, "/spec/trafficPolicy/tls/sni");
        (!name.is_empty()).then_some(name)
    }

    /// The Service of that name, if it is one, and how a call of it is followed.
    fn service(&self) -> Option<String> {
        let host = self.called.host.trim_end_matches(".svc.cluster.local").trim_end_matches(".svc");
        let (name, namespace) = host.split_once('.').filter(|(_, rest)| !rest.contains('.'))?;
        let service = self.rules.get("Service", namespace, name);
        (!service.is_null()).then(|| {
            format!(
                "{} has this name: `lab explain {} {} CLUSTER --service {name}.{namespace}:{}{}` follows calls of it",
                named(service, self.config),
                self.lab,
                self.cluster,
                self.called.port,
                self.called.path
            )
        })
    }

    fn is_closed(&self) -> bool {
        text(&self.rules.mesh, "/outboundTrafficPolicy/mode") == "REGISTRY_ONLY"
    }

    fn shows(&self, object: &Value) -> String {
        kubectl(self.lab, self.config, object)
    }

    /// What the caller's cluster knows of the host; a finding if calls fail for it.
    ///
    /// # Errors
    /// The finding.
    pub fn known(&self, answered: &Answered, replies: &[Reply]) -> Result<String, Finding> {
        let (host, cluster) = (&self.called.host, self.cluster);
        let ports =
            |entry: &Value| -> Vec<String> { list(entry, "/spec/ports").map(|p| p["number"].to_string()).collect() };
        if let Some((entry, _)) = self.entry() {
            let port = self.called.port.to_string();
            let said = format!(
                "{} has it, with resolution {}",
                named(entry, self.config),
                or_none(text(entry, "/spec/resolution"))
            );
            if answered.is_well() {
                return Ok(said);
            }
            if !ports(entry).contains(&port) {
                return Err(Finding {
                    cause: format!("the ServiceEntry of {host} has no port {port}"),
                    evidence: format!("{} has {}", named(entry, self.config), ports(entry).join(", ")),
                    remedy: format!(
                        "call a port that it has, or add {port} to spec.ports; see it: {}",
                        self.shows(entry)
                    ),
                });
            }
            if unresolved(replies) {
                let why = if self.captures_dns && !texts(entry, "/spec/hosts").contains(&host.as_str()) {
                    "istiod gives no address to a host with a wildcard: name the host whole in spec.hosts"
                } else if self.captures_dns {
                    "sidecars answer DNS queries here, and istiod gives an address to such a host by itself: see that nothing in the caller goes past its name server, and restart it"
                } else {
                    "let sidecars answer for it: `mesh: { dnsCapture: true }`, or give it to a DNS server that the cluster asks"
                };
                return Err(Finding {
                    cause: format!("{host} does not resolve in {cluster}, although it has a ServiceEntry"),
                    evidence: format!("{}; {}", named(entry, self.config), answered.in_words()),
                    remedy: why.to_owned(),
                });
            }
            return Ok(said);
        }
        if let Some(service) = self.service() {
            return Ok(service);
        }
        let hidden = self.entries().first().copied();
        let nothing = match hidden {
            Some(entry) => format!("{} is not exported to namespace {}", named(entry, self.config), self.namespace),
            None => format!("no ServiceEntry of {} has {host}", self.config),
        };
        if answered.is_well() {
            return Ok(format!("{nothing}, and calls leave the mesh as they are"));
        }
        if let Some(entry) = hidden {
            return Err(Finding {
                cause: format!("the ServiceEntry of {host} is not for callers in namespace {}", self.namespace),
                evidence: format!("{nothing}; {}", answered.in_words()),
                remedy: format!(
                    "add \"{}\" to its spec.exportTo, or call from namespace {}; see it: {}",
                    self.namespace,
                    namespace(entry),
                    self.shows(entry)
                ),
            });
        }
        if !self.elsewhere.is_empty() {
            return Err(Finding {
                cause: format!("{cluster} has no ServiceEntry of {host}, and {} has", self.elsewhere.join(" and ")),
                evidence: format!("{nothing}; {}", answered.in_words()),
                remedy: format!(
                    "a ServiceEntry is read in its own cluster alone: add {} to the `clusters` of the manifests that have it",
                    self.config
                ),
            });
        }
        if self.is_closed() {
            return Err(Finding {
                cause: format!("sidecars of {cluster} let out nothing that the mesh does not know, as {host}"),
                evidence: format!(
                    "{nothing}, and meshConfig.outboundTrafficPolicy.mode is REGISTRY_ONLY; {}",
                    answered.in_words()
                ),
                remedy: format!(
                    "add a ServiceEntry of {host} with port {} to the scenario's manifests",
                    self.called.port
                ),
            });
        }
        if unresolved(replies) {
            return Err(Finding {
                cause: format!("{host} does not resolve in {cluster}, and no ServiceEntry has it"),
                evidence: format!("{nothing}; {}", answered.in_words()),
                remedy: "correct the name, or add a ServiceEntry of it to the scenario's manifests".to_owned(),
            });
        }
        Ok(format!("{nothing}, and calls leave the mesh as they are"))
    }

    /// What the caller's Envoy has of the host, which it knows or not. `speaks` tells of each endpoint what it speaks.
    ///
    /// # Errors
    /// A finding, if calls fail for it.
    pub fn reached(
        &self,
        entry: &Value,
        is_known: bool,
        endpoints: &[Endpoint],
        speaks: &[(String, Speaks)],
        answered: &Answered,
    ) -> Result<String, Finding> {
        let (host, cluster) = (&self.called.host, self.cluster);
        let told = |e: &Endpoint| {
            let health = if e.healthy { "healthy" } else { "not healthy" };
            format!("{} is {health}", e.address)
        };
        let all = endpoints.iter().map(told).collect::<Vec<_>>().join(", ");
        if answered.is_well() {
            return Ok(if all.is_empty() { "its Envoy names no endpoints".to_owned() } else { all });
        }
        if !is_known {
            return Err(Finding {
                cause: format!("the sidecar in {cluster} does not know {host}, although it has a ServiceEntry"),
                evidence: format!("its Envoy has no cluster of {host}, port {}", self.called.port),
                remedy: format!(
                    "see what hides it: kubectl --context lab-{}-{} get sidecars.networking.istio.io -A",
                    self.lab, self.config
                ),
            });
        }
        if endpoints.is_empty() && Self::has_endpoints(entry) {
            let by = if entry["spec"]["workloadSelector"].is_object() {
                "spec.workloadSelector selects no pod or WorkloadEntry there"
            } else if text(entry, "/spec/resolution") == "STATIC" {
                "spec.endpoints has no address"
            } else {
                "no DNS server that the cluster asks knows the names in spec.endpoints or spec.hosts"
            };
            return Err(Finding {
                cause: format!("the ServiceEntry of {host} has no endpoint"),
                evidence: format!("the Envoy in {cluster} has none of {host}: {by}"),
                remedy: format!("give it endpoints that are there; see it: {}", self.shows(entry)),
            });
        }
        if let Some((address, _)) = speaks.iter().find(|(_, s)| *s == Speaks::Nothing)
            && speaks.iter().all(|(_, s)| *s == Speaks::Nothing)
        {
            return Err(Finding {
                cause: format!("the endpoint {address} of {host} takes no connection from {cluster}"),
                evidence: format!("{all}; a connection from a node of {cluster} failed; {}", answered.in_words()),
                remedy: format!(
                    "correct its address or port, or see why nobody listens there; see the entry: {}",
                    self.shows(entry)
                ),
            });
        }
        Ok(all)
    }

    /// What the calls came back with, where all before is well.
    ///
    /// # Errors
    /// A finding, if they fail.
    pub fn answer(
        &self,
        replies: &[Reply],
        speaks: &[(String, Speaks)],
        answered: &Answered,
    ) -> Result<String, Finding> {
        let said = answered.in_words();
        if answered.is_well() {
            return Ok(said);
        }
        let (host, cluster) = (&self.called.host, self.cluster);
        let rule = self.rule();
        let mode = rule.map_or("", |r| text(r, "/spec/trafficPolicy/tls/mode"));
        let is_tls = matches!(mode, "SIMPLE" | "MUTUAL" | "ISTIO_MUTUAL");
        let governs = format!(
            "see what governs the call: kubectl --context lab-{}-{} get serviceentries,destinationrules,virtualservices -A",
            self.lab, self.config
        );
        let shows = rule.map_or_else(|| governs.clone(), |rule| format!("see it: {}", self.shows(rule)));
        let of_rule = rule.map_or_else(
            || format!("no DestinationRule of {} is for {host}", self.config),
            |rule| format!("{} says tls.mode {}", named(rule, self.config), or_none(mode)),
        );
        let evidence = format!("{of_rule}; {said}");
        let says =
            |words: &[&str]| replies.iter().any(|r| words.iter().any(|w| r.body.contains(w) || r.error.contains(w)));
        let first = |what: Speaks| speaks.iter().find(|(_, s)| *s == what).map(|(address, _)| address.as_str());
        if replies.iter().any(|r| r.status == 403 && r.body.contains("RBAC")) {
            return Err(Finding {
                cause: format!("who answers for {host} does not let the caller in"),
                evidence: said,
                remedy: "let the caller's service account in by an AuthorizationPolicy where the endpoint is, or call as another".to_owned(),
            });
        }
        if is_tls && let Some(address) = first(Speaks::Plain) {
            return Err(Finding {
                cause: format!("calls of {host} go out with TLS, and {address} speaks none"),
                evidence,
                remedy: format!("leave `tls` out of the DestinationRule, or set its mode to DISABLE; {shows}"),
            });
        }
        if !is_tls
            && self.called.scheme == "http"
            && let Some(address) = first(Speaks::Tls)
        {
            return Err(Finding {
                cause: format!("calls of {host} go out in plain, and {address} speaks TLS"),
                evidence,
                remedy: format!(
                    "add a DestinationRule of {host} with `tls: {{ mode: SIMPLE }}`, or ISTIO_MUTUAL for a gateway of a mesh; {shows}"
                ),
            });
        }
        if says(&["CERTIFICATE_VERIFY_FAILED", "TLSV1_ALERT_UNKNOWN_CA", "SSLV3_ALERT_CERTIFICATE_UNKNOWN"]) {
            return Err(Finding {
                cause: format!("{cluster} and who answers for {host} do not accept each other's certificates"),
                evidence,
                remedy: format!(
                    "both must trust the other's root, and `subjectAltNames` must name who answers; {shows}"
                ),
            });
        }
        if let Some(address) =
            first(Speaks::Closes).or_else(|| first(Speaks::Tls)).filter(|_| is_tls && !answered.is_app)
        {
            let asked = self.server_name().map_or_else(String::new, |name| format!("; it is asked for {name}"));
            return Err(Finding {
                cause: format!(
                    "{address} closes connections for {host}: nobody there answers to the name that is asked for, or one side refuses the other's certificate"
                ),
                evidence: format!("{evidence}{asked}"),
                remedy: format!(
                    "an east-west gateway wants `sni: outbound_.PORT_._.SERVICE.NAMESPACE.svc.cluster.local`; both sides must trust the other's root, the callee the caller's trust domain (`trustDomainAliases`), and `subjectAltNames` must name who answers; {shows}"
                ),
            });
        }
        if let Some(address) = first(Speaks::Closes).filter(|_| !answered.is_app) {
            return Err(Finding {
                cause: format!(
                    "{address} closes connections for {host}: gateways of a mesh do so with what comes without TLS"
                ),
                evidence,
                remedy: format!(
                    "add a DestinationRule of {host} with `tls: {{ mode: ISTIO_MUTUAL, sni: ... }}`; {governs}"
                ),
            });
        }
        if answered.is_app {
            return Err(Finding {
                cause: format!("calls from {cluster} reach {host}, and it answers so itself"),
                evidence: said,
                remedy: format!("check the path {}, and what the server says", self.called.path),
            });
        }
        Err(Finding {
            cause: format!("everything on the way is there, and {host} does not answer {cluster}"),
            evidence,
            remedy: governs,
        })
    }
}

/// Whether no call found an address.
fn unresolved(replies: &[Reply]) -> bool {
    !replies.is_empty() && replies.iter().all(|r| r.error.contains("Could not resolve"))
}

fn or_none(text: &str) -> &str {
    if text.is_empty() { "none" } else { text }
}
