//! What a lab is like, for a person; and what has changed between two looks.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::{table, table_text};
use crate::verdict::{ClusterStatus, FOREIGN_NODE, FaultStatus, LabStatus, LastVerdict};

/// The status as tables, legible without colour. Tables that would be empty are left out.
#[must_use]
pub fn status_text(status: &LabStatus) -> String {
    let mut text = format!("lab {}: {}\nDocker network {}\n\n", status.lab, status.mesh, status.docker_network);
    // Writing to a string cannot fail.
    let _ = writeln!(text, "{}{}", clusters(status), nodes(status));
    for table in [gateways(status), remotes(status), apps(status), federation(status)] {
        if !table.is_empty() {
            let _ = writeln!(text, "{table}");
        }
    }
    let mut notes = false;
    for cluster in &status.clusters {
        for proxy in &cluster.proxies {
            for (kind, error) in &proxy.rejected {
                let _ = writeln!(text, "REJECTED  {}: {} rejects its {kind}: {error}", cluster.name, proxy.name);
                notes = true;
            }
        }
        for what in &cluster.unanswered {
            let _ = writeln!(text, "unknown   {}: {what}", cluster.name);
            notes = true;
        }
    }
    for fault in &status.faults {
        let _ = writeln!(text, "FAULT     {}: {}", fault.fault, ends(fault, &status.lab));
        notes = true;
    }
    for mirror in &status.mirrors {
        let _ = writeln!(text, "MIRROR    {mirror}; `lab heal {}` ends it", status.lab);
        notes = true;
    }
    for note in amiss(status) {
        let _ = writeln!(text, "{note}");
        notes = true;
    }
    let _ = writeln!(text, "{}last verdict: {}", if notes { "\n" } else { "" }, verdict(status.last_verdict.as_ref()));
    for cause in status.last_verdict.iter().flat_map(|v| &v.causes) {
        let _ = writeln!(text, "  {cause}");
    }
    text
}

/// What to do about nodes that do not run, unless it is a fault that keeps them from it.
fn amiss(status: &LabStatus) -> Vec<String> {
    let nodes = || status.clusters.iter().flat_map(|c| &c.nodes).filter(|n| !n.running && n.status != FOREIGN_NODE);
    let names = |is_paused: bool| -> Vec<&str> {
        nodes().filter(|n| n.status.contains("Paused") == is_paused).map(|n| n.name.as_str()).collect()
    };
    let (paused, down) = (names(true), names(false));
    let mut notes = Vec::new();
    if !status.faults.is_empty() {
        return notes;
    }
    if !paused.is_empty() {
        notes.push(format!("PAUSED    {}: `lab resume {}` has them go on", paused.join(", "), status.lab));
    }
    if !down.is_empty() {
        notes.push(format!("DOWN      {}: `lab up {}` brings them back", down.join(", "), status.lab));
    }
    notes
}

/// When a fault ends.
fn ends(fault: &FaultStatus, lab: &str) -> String {
    match fault.left {
        0 => format!("its time is over, and it is still there; `lab heal {lab}` ends it"),
        left => format!("it ends by itself in {left} s, or by `lab heal {lab}`"),
    }
}

fn verdict(last: Option<&LastVerdict>) -> String {
    last.map_or_else(|| "none".to_owned(), |v| format!("{} at {}", if v.passed { "passed" } else { "failed" }, v.at))
}

/// `3 of 3`, and how many of the Envoys were sent what they have not taken.
fn in_sync(cluster: &ClusterStatus) -> String {
    let synced = cluster.proxies.iter().filter(|p| p.synced).count();
    if cluster.proxies.is_empty() { String::new() } else { format!("{synced} of {}", cluster.proxies.len()) }
}

fn rejected(cluster: &ClusterStatus) -> usize {
    cluster.proxies.iter().map(|p| p.rejected.len()).sum()
}

fn clusters(status: &LabStatus) -> String {
    let headers =
        ["CLUSTER", "NETWORK", "CONTROL PLANE", "API SERVER", "ISTIOD READY", "PROXIES IN SYNC", "REJECTED UPDATES"];
    let mut table = table(headers);
    for cluster in &status.clusters {
        let rejected = rejected(cluster);
        table.add_row([
            cluster.name.clone(),
            cluster.network.clone(),
            cluster.controlled_by.clone(),
            cluster.api_server.to_owned(),
            cluster.istiod.map(|r| r.to_string()).unwrap_or_default(),
            in_sync(cluster),
            if cluster.proxies.is_empty() { String::new() } else { rejected.to_string() },
        ]);
    }
    table_text(&table) + "\n"
}

fn nodes(status: &LabStatus) -> String {
    let mut table = table(["CLUSTER", "NODE", "ADDRESS", "CONTAINER", "READY"]);
    for cluster in &status.clusters {
        if cluster.nodes.is_empty() {
            table.add_row([cluster.name.as_str(), "none", "", "", ""]);
        }
        for node in &cluster.nodes {
            let ready = yes_or_no(node.ready);
            let address = node.address.as_deref().unwrap_or_default();
            table.add_row([cluster.name.as_str(), node.name.as_str(), address, node.status.as_str(), ready]);
        }
    }
    table_text(&table)
}

fn gateways(status: &LabStatus) -> String {
    let mut table = table(["CLUSTER", "GATEWAY", "ADDRESS", "READY"]);
    let mut any = false;
    for cluster in &status.clusters {
        for gateway in &cluster.gateways {
            let planned = &gateway.planned;
            let address = match gateway.addresses.as_deref() {
                None => format!("{planned} is planned"),
                Some([]) => format!("none yet, {planned} is planned"),
                Some(all) if all.contains(planned) => planned.clone(),
                Some(all) => format!("{}, but {planned} is planned", all.join(", ")),
            };
            let ready = gateway.replicas.map(|r| r.to_string()).unwrap_or_default();
            table.add_row([cluster.name.clone(), gateway.name.to_owned(), address, ready]);
            any = true;
        }
    }
    if any { table_text(&table) } else { String::new() }
}

fn remotes(status: &LabStatus) -> String {
    let mut table = table(["ISTIOD OF", "WATCHES", "STATE"]);
    let mut any = false;
    for cluster in &status.clusters {
        for remote in &cluster.remote_clusters {
            table.add_row([cluster.name.as_str(), remote.name.as_str(), remote.sync.as_str()]);
            any = true;
        }
    }
    if any { table_text(&table) } else { String::new() }
}

fn apps(status: &LabStatus) -> String {
    let mut table = table(["CLUSTER", "APP", "KIND", "READY"]);
    let mut any = false;
    for cluster in &status.clusters {
        for app in &cluster.apps {
            let name = format!("{}/{}", app.namespace, app.name);
            table.add_row([cluster.name.clone(), name, app.kind.to_owned(), app.replicas.to_string()]);
            any = true;
        }
    }
    if any { table_text(&table) } else { String::new() }
}

fn federation(status: &LabStatus) -> String {
    let Some(federation) = &status.federation else { return String::new() };
    let mut table = table(["FEDERATION", "CLUSTER", "MODE", "READY"]);
    table.add_row(["manager", federation.manager.as_str(), "", federation.api]);
    for member in &federation.members {
        table.add_row(["member", member.cluster.as_str(), member.mode, yes_or_no(member.ready)]);
    }
    table_text(&table)
}

fn yes_or_no(ready: Option<bool>) -> &'static str {
    match ready {
        Some(true) => "yes",
        Some(false) => "no",
        None => "",
    }
}

/// What is known of a lab that is looked at again and again.
#[derive(Debug, Default)]
pub struct Watched {
    facts: BTreeMap<String, String>,
}

impl Watched {
    /// Takes a look, and tells what has changed since the one before, a line each. What a cluster that does not answer had before is neither gone nor
    /// new when it answers again.
    pub fn look(&mut self, status: &LabStatus) -> Vec<String> {
        let after = facts(status);
        let silent = |c: &&ClusterStatus| c.api_server != "ready" || !c.unanswered.is_empty();
        let silent: Vec<String> = status.clusters.iter().filter(silent).map(|c| format!("{}: ", c.name)).collect();
        let is_gone = |what: &String| !after.contains_key(what) && !silent.iter().any(|s| what.starts_with(s));
        let gone: Vec<String> = self.facts.keys().filter(|what| is_gone(what)).cloned().collect();
        let mut lines = Vec::new();
        for what in gone {
            let was = self.facts.remove(&what).unwrap_or_default();
            lines.push(format!("{what}: gone (was {was})"));
        }
        for (what, is) in after {
            match self.facts.insert(what.clone(), is.clone()) {
                None => lines.push(format!("{what}: {is}")),
                Some(was) if was != is => lines.push(format!("{what}: {is} (was {was})")),
                Some(_) => {}
            }
        }
        lines
    }
}

/// Everything that may change, each by what it is about. What only tells the time, as how long a node has run, is left out.
fn facts(status: &LabStatus) -> BTreeMap<String, String> {
    let mut facts = BTreeMap::new();
    for cluster in &status.clusters {
        let mut tell = |what: String, is: String| {
            facts.insert(format!("{}: {what}", cluster.name), is);
        };
        tell("API server".to_owned(), cluster.api_server.to_owned());
        if let Some(istiod) = cluster.istiod {
            tell("istiod".to_owned(), format!("{istiod} ready"));
        }
        for node in &cluster.nodes {
            let container = match node.running {
                true => "runs",
                false if node.status.contains("Paused") => "is paused",
                false => "does not run",
            };
            let address = node.address.as_deref().map(|a| format!(", {a}")).unwrap_or_default();
            tell(format!("container {}", node.name), format!("{container}{address}"));
            if let Some(ready) = node.ready {
                tell(format!("node {}", node.name), if ready { "ready" } else { "not ready" }.to_owned());
            }
        }
        for gateway in &cluster.gateways {
            let replicas = gateway.replicas.map(|r| format!("{r} ready, ")).unwrap_or_default();
            let Some(addresses) = &gateway.addresses else { continue };
            let address = if addresses.is_empty() { "no address".to_owned() } else { addresses.join(", ") };
            tell(gateway.name.to_owned(), format!("{replicas}{address}"));
        }
        for remote in &cluster.remote_clusters {
            tell(format!("its istiod on {}", remote.name), remote.sync.clone());
        }
        for app in &cluster.apps {
            tell(format!("{} {}/{}", app.kind, app.namespace, app.name), format!("{} ready", app.replicas));
        }
        for proxy in &cluster.proxies {
            let state = if let Some((kind, error)) = proxy.rejected.first_key_value() {
                format!("rejected its {kind}: {error}")
            } else if proxy.synced {
                "in sync".to_owned()
            } else {
                format!("has not answered yet: {}", proxy.pending.join(", "))
            };
            tell(format!("proxy {}", proxy.name), state);
        }
        if !cluster.unanswered.is_empty() {
            tell("unknown".to_owned(), cluster.unanswered.join("; "));
        }
    }
    if let Some(federation) = &status.federation {
        facts.insert("federation: API".to_owned(), federation.api.to_owned());
        for member in &federation.members {
            let ready = member.ready.map_or("unknown", |ready| if ready { "ready" } else { "not ready" });
            facts.insert(format!("federation: member {}", member.cluster), ready.to_owned());
        }
    }
    for fault in &status.faults {
        let is = if fault.left == 0 { "there, though its time is over" } else { "there" };
        facts.insert(format!("fault: {}", fault.fault), is.to_owned());
    }
    facts.extend(status.mirrors.iter().map(|mirror| (format!("mirror: {mirror}"), "there".to_owned())));
    facts.insert("last verdict".to_owned(), verdict(status.last_verdict.as_ref()));
    facts
}

#[cfg(test)]
mod tests;
