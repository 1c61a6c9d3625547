//! A resolved lab as a scenario file with every field written out.

use std::fmt::Write;

use serde_json::Value;

use super::{Lab, LabCluster};
use crate::scenario::{App, Authority, Federation, Manifests, PemFile, Topology, written_check};

/// The scenario file that says everything the lab does: it parses and resolves to the same lab again.
#[must_use]
pub fn scenario_yaml(lab: &Lab) -> String {
    let mut out = String::new();
    // Writing to a string cannot fail.
    _ = write_lab(&mut out, lab);
    out
}

fn write_lab(out: &mut String, lab: &Lab) -> std::fmt::Result {
    writeln!(out, "apiVersion: lab/v1\nkind: Scenario\nname: {}", text(&lab.name))?;
    write_mesh(out, lab)?;
    let address =
        lab.docker_network.api_server_address.map_or_else(String::new, |a| format!(", apiServerAddress: {a}"));
    writeln!(out, "dockerNetwork: {{ subnet: {}{address} }}", lab.docker_network.subnet)?;
    if let Some(mirror) = &lab.images.mirror {
        writeln!(out, "images: {{ mirror: {} }}", text(mirror))?;
    }
    writeln!(out, "clusters:")?;
    for cluster in &lab.clusters {
        write_cluster(out, cluster)?;
    }
    write_list(out, "apps", lab.apps.iter().map(|a| app(a, lab)))?;
    if let Some(federation) = &lab.federation {
        write_federation(out, federation)?;
    }
    let all: Vec<String> = super::checked_clusters(lab).map(|c| c.name.clone()).collect();
    write_list(out, "checks", lab.checks.iter().map(|c| written_check(c, &all)))
}

fn write_mesh(out: &mut String, lab: &Lab) -> std::fmt::Result {
    let topology = match lab.mesh.topology {
        Topology::MultiPrimary => "multi-primary",
        Topology::PrimaryRemote => "primary-remote",
        Topology::External => "external",
        Topology::None => return writeln!(out, "mesh: none"),
    };
    let (id, domain) = (text(&lab.mesh.id), text(&lab.mesh.trust_domain));
    writeln!(out, "mesh:\n  id: {id}\n  trustDomain: {domain}\n  topology: {topology}")?;
    writeln!(out, "  meshNetworks: {}\n  dnsCapture: {}", lab.mesh.mesh_networks, lab.mesh.dns_capture)?;
    writeln!(out, "  ingressGateway: {}", lab.mesh.ingress_gateway)?;
    if let Some(ca) = &lab.mesh.ca {
        write_authority(out, ca)?;
    }
    write!(out, "  values:")?;
    write_value(out, &lab.mesh.values, 4)?;
    writeln!(out)
}

/// Names of files alone: keys are written nowhere.
fn write_authority(out: &mut String, ca: &Authority) -> std::fmt::Result {
    let files = |files: &[(&str, Option<&PemFile>)]| {
        let named = files.iter().filter_map(|(field, file)| Some(format!("{field}: {}", text(&(*file)?.path))));
        join(named)
    };
    let root = files(&[("rootCert", Some(&ca.root_cert)), ("rootKey", ca.root_key.as_ref())]);
    writeln!(out, "  ca:\n    files: {{ {root} }}")?;
    if !ca.intermediates.is_empty() {
        writeln!(out, "    intermediates:")?;
    }
    ca.intermediates.iter().try_for_each(|(cluster, own)| {
        let chain = ("certChain", own.cert_chain.as_ref());
        let own = files(&[("caCert", Some(&own.ca_cert)), ("caKey", Some(&own.ca_key)), chain]);
        writeln!(out, "      {}: {{ {own} }}", text(cluster))
    })
}

fn write_federation(out: &mut String, federation: &Federation) -> std::fmt::Result {
    let members =
        federation.members.iter().map(|m| format!("{{ cluster: {}, mode: {} }}", text(&m.cluster), m.mode.as_str()));
    writeln!(out, "federation:\n  manager: {}\n  members: [{}]", text(&federation.manager), join(members))?;
    if let Some(failover) = federation.failover {
        writeln!(out, "  failover: {{ tolerationSeconds: {} }}", failover.toleration_seconds)?;
    }
    write!(out, "  objects:")?;
    if federation.objects.is_empty() {
        return writeln!(out, " []");
    }
    for object in &federation.objects {
        write!(out, "\n    -")?;
        write_value(out, object, 6)?;
    }
    writeln!(out)
}

fn write_cluster(out: &mut String, cluster: &LabCluster) -> std::fmt::Result {
    let (name, network, primary) = (text(&cluster.name), text(&cluster.network), text(&cluster.primary));
    writeln!(out, "  - name: {name}\n    network: {network}\n    primary: {primary}")?;
    writeln!(out, "    podSubnet: {}\n    serviceSubnet: {}", cluster.pod_subnet, cluster.service_subnet)?;
    writeln!(out, "    nodes: {{ workers: {} }}", cluster.workers)?;
    if let Some(locality) = &cluster.locality {
        let fields = [
            ("region", Some(&locality.region)),
            ("zone", locality.zone.as_ref()),
            ("subzone", locality.subzone.as_ref()),
        ];
        let given = fields.into_iter().filter_map(|(field, value)| Some(format!("{field}: {}", text(value?))));
        writeln!(out, "    locality: {{ {} }}", join(given))?;
    }
    let Some(pool) = cluster.pool else {
        return writeln!(out, "    loadBalancer: none");
    };
    writeln!(out, "    loadBalancer:\n      pool: {pool}")?;
    let addresses = cluster.addresses.iter().map(|(gateway, address)| format!("{}: {address}", gateway.field()));
    writeln!(out, "      addresses: {{ {} }}", join(addresses))
}

fn app(app: &App, lab: &Lab) -> String {
    match app {
        App::Sleep => "sleep: {}".to_owned(),
        App::Helloworld { versions } => {
            let versions = versions.iter().map(|(cluster, version)| format!("{}: {}", text(cluster), text(version)));
            format!("helloworld: {{ versions: {{ {} }} }}", join(versions))
        }
        App::Manifests(manifests) => {
            let mut out = String::new();
            // Writing to a string cannot fail.
            _ = write_manifests(&mut out, manifests, lab);
            out
        }
    }
}

/// Every object, as it is in the lab: the files that they may be from are not needed any more.
fn write_manifests(out: &mut String, manifests: &Manifests, lab: &Lab) -> std::fmt::Result {
    write!(out, "manifests:\n      name: {}\n      clusters: ", text(&manifests.name))?;
    write!(out, "{}", clusters(&manifests.clusters, lab))?;
    if let Some(namespace) = &manifests.namespace {
        write!(out, "\n      namespace: {}", text(namespace))?;
    }
    write!(out, "\n      objects:")?;
    manifests.objects.iter().try_for_each(|object| {
        write!(out, "\n        -")?;
        write_value(out, object, 10)
    })
}

/// `all`, or the names.
fn clusters(names: &[String], lab: &Lab) -> String {
    if names.iter().eq(lab.data_clusters().map(|c| &c.name)) {
        "all".to_owned()
    } else {
        format!("[{}]", join(names.iter().map(|name| text(name))))
    }
}

fn write_list(out: &mut String, field: &str, items: impl Iterator<Item = String>) -> std::fmt::Result {
    let items: Vec<String> = items.collect();
    if items.is_empty() {
        return writeln!(out, "{field}: []");
    }
    writeln!(out, "{field}:")?;
    items.iter().try_for_each(|item| writeln!(out, "  - {item}"))
}

fn join(items: impl Iterator<Item = String>) -> String {
    items.collect::<Vec<_>>().join(", ")
}

/// Writes a free-form value after its key or hyphen: on the same line, or below and indented if it has parts.
fn write_value(out: &mut String, value: &Value, indent: usize) -> std::fmt::Result {
    match value {
        Value::Object(fields) if !fields.is_empty() => fields.iter().try_for_each(|(key, value)| {
            write!(out, "\n{:indent$}{}:", "", text(key))?;
            write_value(out, value, indent + 2)
        }),
        Value::Array(items) if !items.is_empty() => items.iter().try_for_each(|item| {
            write!(out, "\n{:indent$}-", "")?;
            write_value(out, item, indent + 2)
        }),
        Value::Object(_) => write!(out, " {{}}"),
        Value::Array(_) => write!(out, " []"),
        Value::String(string) => write!(out, " {}", text(string)),
        Value::Null | Value::Bool(_) | Value::Number(_) => write!(out, " {value}"),
    }
}

/// Text as a scalar, quoted wherever any YAML reader might take it for something else.
fn text(text: &str) -> String {
    const WORDS: [&str; 9] = ["null", "true", "false", "yes", "no", "on", "off", "y", "n"];
    let plain = text.starts_with(|c: char| c.is_ascii_alphabetic())
        && !text.ends_with(':')
        && text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '/' | ':'))
        && !WORDS.contains(&text.to_ascii_lowercase().as_str());
    if plain { text.to_owned() } else { quoted(text) }
}

fn quoted(text: &str) -> String {
    let escaped: String = text
        .chars()
        .map(|c| match c {
            '"' => "\\\"".to_owned(),
            '\\' => "\\\\".to_owned(),
            '\n' => "\\n".to_owned(),
            // Printable in every YAML version; anything else has an escape, so that it survives editors too.
            ' '..='~' | '\u{a1}'..='\u{2027}' | '\u{2030}'..='\u{d7ff}' => c.to_string(),
            _ => format!("\\U{:08X}", u32::from(c)),
        })
        .collect();
    format!("\"{escaped}\"")
}
