//! Flags of `lab mirror`.

use clap::Args as ClapArgs;
use clap_complete::engine::ArgValueCandidates;

use super::super::candidates::{clusters, labs};
use super::Output;
use super::number;

/// What `lab mirror --help` says at its end.
pub const MIRROR_HELP: &str = "\
In each cluster a pod stands in for those of the service, with their labels, service account and sidecar, and hands on what it gets to 127.0.0.1:PORT of
this machine. Calls of this machine go out from that pod by an HTTP proxy, whose address is printed: set http_proxy to it. Ctrl-C ends it and puts
everything back, and so does whatever else ends it: `lab heal`, `lab up`, a crash.";

/// `lab mirror`.
#[derive(Debug, ClapArgs)]
pub struct Mirror {
    /// Name of the lab
    #[arg(add = ArgValueCandidates::new(labs))]
    pub name: String,
    /// The service, as NAME or NAME.NAMESPACE
    #[arg(value_name = "SERVICE", value_parser = service)]
    pub service: Service,
    /// The port of this machine that calls are to reach
    #[arg(long, value_name = "PORT", value_parser = port)]
    pub to: u16,
    /// A cluster in which it is mirrored, instead of all in which the service has pods; may be given several times
    #[arg(long = "cluster", value_name = "CLUSTER", add = ArgValueCandidates::new(clusters))]
    pub clusters: Vec<String>,
    /// The port of the service, if it has several
    #[arg(long, value_name = "SERVICE-PORT", value_parser = port)]
    pub port: Option<u16>,
    /// Leave the pods of the service as they are: they answer too
    #[arg(long)]
    pub beside: bool,
    /// End by itself after that time, as 90s, 10m or 2h
    #[arg(long = "for", value_name = "TIME", value_parser = number::time)]
    pub lasts: Option<std::time::Duration>,
    /// Form of what is told on standard output: for programs, each event as a line
    #[arg(long, short, value_enum, default_value = "text")]
    pub output: Output,
}

/// A service by its name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Service {
    /// Its name.
    pub name: String,
    /// Its namespace.
    pub namespace: String,
}

fn service(word: &str) -> Result<Service, String> {
    let short = word.strip_suffix(".cluster.local").unwrap_or(word);
    let short = short.strip_suffix(".svc").unwrap_or(short);
    let (name, namespace) = short.split_once('.').unwrap_or((short, crate::plan::render::APP_NAMESPACE));
    let is_label = |label: &str| {
        !label.is_empty() && label.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-')
    };
    if is_label(name) && is_label(namespace) {
        return Ok(Service { name: name.to_owned(), namespace: namespace.to_owned() });
    }
    Err("give NAME or NAME.NAMESPACE, such as helloworld.sample; its port goes to --port".to_owned())
}

fn port(word: &str) -> Result<u16, String> {
    word.parse().ok().filter(|port| *port > 0).ok_or_else(|| "give a port from 1 to 65535, such as 8080".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_service_is_named_as_it_is_called() {
        let of = |word: &str| service(word).ok().map(|s| format!("{}/{}", s.namespace, s.name));
        assert_eq!(of("web").as_deref(), Some("sample/web"));
        for word in ["web.shop", "web.shop.svc", "web.shop.svc.cluster.local"] {
            assert_eq!(of(word).as_deref(), Some("shop/web"), "{word}");
        }
        for word in ["", "web.", "web:80", "web.shop.example.org", "web/shop"] {
            assert_eq!(of(word), None, "{word}");
        }
    }
}
