//! What checks call.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::super::validate::names::is_dns_label;
use super::{CheckProblem, Located, Problems, Scope, Span};

/// What helloworld serves, as Istio's sample has it.
pub(in crate::scenario) const HELLOWORLD: &str = "helloworld.sample:5000/hello";

/// `SERVICE.NAMESPACE:PORT/PATH`, as a check names what it calls.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ServiceUrl {
    /// Kubernetes Service.
    pub service: String,
    /// Its namespace.
    pub namespace: String,
    /// Service port.
    pub port: u16,
    /// Path with its leading slash.
    pub path: String,
}

impl std::fmt::Display for ServiceUrl {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}{}", self.place(), self.path)
    }
}

impl ServiceUrl {
    /// `SERVICE.NAMESPACE:PORT`.
    #[must_use]
    pub fn place(&self) -> String {
        format!("{}.{}:{}", self.service, self.namespace, self.port)
    }
}

impl std::str::FromStr for ServiceUrl {
    type Err = &'static str;

    /// Reads `SERVICE.NAMESPACE:PORT/PATH`; the error is what is wrong with it.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.contains("://") {
            return Err("has a scheme, and a service is named without one");
        }
        let (authority, path) = text.split_once('/').ok_or("has no path, not even `/`")?;
        let (host, port) = authority.split_once(':').ok_or("has no port")?;
        let (service, namespace) = host.split_once('.').ok_or("has no namespace")?;
        if !is_dns_label(service) || !is_dns_label(namespace) {
            return Err("does not begin with a service and a namespace that are DNS labels");
        }
        let port = self::port(port).ok_or(NO_PORT)?;
        if !is_url_text(path) {
            return Err("has characters in its path that a URL must escape");
        }
        Ok(Self { service: service.to_owned(), namespace: namespace.to_owned(), port, path: format!("/{path}") })
    }
}

/// What is wrong with the port of a URL that has one.
pub(super) const NO_PORT: &str = "has a port that is no number from 1 to 65535";

/// The port that text is.
pub(super) fn port(text: &str) -> Option<u16> {
    text.parse().ok().filter(|port| *port > 0)
}

/// Whether text can be part of a URL as it is (RFC 3986, without a fragment, which is not sent). What curl takes for a pattern is none of it.
pub(super) fn is_url_text(text: &str) -> bool {
    text.bytes().all(|b| b.is_ascii_graphic() && !b"\"<>\\^`{|}[]#".contains(&b))
}

/// What is said of the field `service` of a check.
pub(super) const ABOUT: &str = "What is called: SERVICE.NAMESPACE:PORT/PATH";

/// The service as the file would say it.
pub(in crate::scenario) fn raw(service: &ServiceUrl) -> Located<String> {
    service.to_string().into()
}

impl Scope<'_> {
    /// A service that is what helloworld serves, which it is when nothing is said.
    pub(in crate::scenario) fn helloworld(
        &self,
        service: Option<Located<String>>,
        span: Span,
        problems: &mut Problems,
    ) -> Option<ServiceUrl> {
        let service = service.unwrap_or(Located { value: HELLOWORLD.to_owned(), span });
        let url = Self::service(&service, problems)?;
        let served = self.own_apps || (self.versions.is_some() && service.value == HELLOWORLD);
        if !served {
            self.not_served(service, problems);
        }
        Some(url)
    }

    /// Whether anything of the scenario may be a service of that name.
    pub(super) fn may_serve(&self, service: &ServiceUrl) -> bool {
        let own = match (service.namespace.as_str(), service.service.as_str()) {
            ("sample", "helloworld") => self.versions.is_some(),
            ("sample", "sleep") => self.sleep,
            ("legacy", "helloworld") => self.reachability,
            // What the mesh and the cluster themselves have.
            ("istio-system" | "kube-system" | "default" | "metallb-system", _) => true,
            _ => false,
        };
        own || self.brought.has("Service", &service.namespace, &service.service)
    }

    /// Whether a Service of the scenario is of another type than `LoadBalancer`.
    pub(super) fn has_no_load_balancer(&self, service: &ServiceUrl) -> bool {
        let own = match (service.namespace.as_str(), service.service.as_str()) {
            ("sample", "helloworld") => self.versions.is_some(),
            ("legacy", "helloworld") => self.reachability,
            _ => false,
        };
        own || self.brought.is_inside_only(&service.namespace, &service.service)
    }

    pub(super) fn service(service: &Located<String>, problems: &mut Problems) -> Option<ServiceUrl> {
        let parsed = service.value.parse();
        if let Err(reason) = parsed {
            problems.add(service.span, CheckProblem::BadService { value: service.value.clone(), reason });
        }
        parsed.ok()
    }

    pub(super) fn not_served(&self, service: Located<String>, problems: &mut Problems) {
        let help = if self.versions.is_some() {
            format!("`helloworld` serves `{HELLOWORLD}`")
        } else {
            format!("add `- helloworld` to `apps`, which serves `{HELLOWORLD}`")
        };
        problems.add(service.span, CheckProblem::NoProvider { service: service.value, help });
    }
}
