//! `dump`: all that somebody needs who looks for a fault elsewhere. First everything is read, then secrets are learnt from all of it, then they are
//! taken out; what could not be read is told.

mod cluster;
mod state;

use std::time::Duration;

use futures::future::join_all;
use serde_json::{Value, json};

use super::status;
use crate::context::{LabContext, StepError, karmada_api};
use crate::images;
use crate::mask::Masker;
use crate::plan::{Plan, scenario_yaml};
use crate::sys::docker::EngineFacts;
use crate::sys::host::Host;

/// How long all of one cluster may take. One that is frozen must not hold up the others.
const PATIENCE: Duration = Duration::from_secs(60);

/// What a file will hold, before secrets are taken out.
enum Content {
    Text(String),
    Json(Value),
}

/// Files by their path, and what is missing among them.
#[derive(Default)]
struct Found {
    files: Vec<(String, Content)>,
    missing: Vec<String>,
    secrets: Masker,
}

impl Found {
    fn text(&mut self, path: impl Into<String>, text: impl Into<String>) {
        self.files.push((path.into(), Content::Text(text.into())));
    }

    /// What cannot be read as JSON is a text.
    fn json_text(&mut self, path: impl Into<String>, text: String) {
        match serde_json::from_str(&text) {
            Ok(value) => self.json(path, value),
            Err(_) => self.text(path, text),
        }
    }

    fn json(&mut self, path: impl Into<String>, value: Value) {
        self.files.push((path.into(), Content::Json(value)));
    }

    fn missing(&mut self, what: &str, why: impl std::fmt::Display) {
        self.missing.push(format!("{what}: {why}"));
    }

    fn merge(&mut self, other: Self) {
        self.files.extend(other.files);
        self.missing.extend(other.missing);
        self.secrets.learn_all(other.secrets);
    }
}

/// The files of an archive below a folder named like the lab, without any secret.
///
/// # Errors
/// The lab's state cannot be read. Whatever else cannot be had is told in the archive itself.
pub async fn files(ctx: &LabContext) -> Result<Vec<(String, String)>, StepError> {
    let lab = &ctx.lab;
    let mut found = state::read(ctx)?;
    let value = serde_json::to_value(lab).unwrap_or_default();
    found.secrets.learn_secrets(&value);
    found.json("plan.json", json!({ "lab": value, "steps": Plan::of(lab).steps }));
    found.json("about.json", about(ctx).await);
    match tokio::time::timeout(PATIENCE, status::look(ctx)).await {
        Ok(Ok(status)) => found.json("status.json", serde_json::to_value(&status).unwrap_or_default()),
        Ok(Err(error)) => found.missing("status", error),
        Err(_) => found.missing("status", "it took too long"),
    }
    let clusters = lab.clusters.iter().map(|c| async {
        let mut found = Found::default();
        // What is there when the time is up is kept.
        if tokio::time::timeout(PATIENCE, cluster::read(ctx, c, &mut found)).await.is_err() {
            found.missing(&format!("the rest of {}", c.name), format!("no answer within {} s", PATIENCE.as_secs()));
        }
        found
    });
    for cluster in join_all(clusters).await {
        found.merge(cluster);
    }
    if lab.federation.is_some() {
        let mut api = Found::default();
        let read = async {
            match karmada_api::client(ctx).await {
                Ok(client) => cluster::objects(&client, "karmada", is_of_karmada, &mut api).await,
                Err(error) => api.missing("Karmada", error),
            }
        };
        if tokio::time::timeout(PATIENCE, read).await.is_err() {
            api.missing("Karmada", "no answer");
        }
        found.merge(api);
    }
    Ok(masked(ctx, found))
}

/// Secrets are among them, because there are tokens in them that others may have told.
fn is_of_karmada(group: &str, plural: &str) -> bool {
    group.ends_with("karmada.io")
        || matches!((group, plural), ("apps", "deployments") | ("", "services" | "secrets" | "events"))
}

/// What everything runs on.
async fn about(ctx: &LabContext) -> Value {
    let host = Host::read();
    let engine =
        if ctx.lab.makes_machines() { ctx.engine.facts().await.unwrap_or_default() } else { EngineFacts::default() };
    json!({
        "lab": env!("CARGO_PKG_VERSION"),
        "kubernetes": images::kubernetes().unwrap_or_default(),
        "engine": { "version": engine.version, "api": engine.api_version, "kernel": engine.kernel,
            "runtime": engine.runtime, "cgroups": engine.cgroup_version },
        "host": { "kernel": host.kernel, "memory": host.memory_total, "memoryAvailable": host.memory_available,
            "inotifyInstances": host.inotify_instances, "inotifyWatches": host.inotify_watches },
    })
}

/// The texts of the files, all secrets taken out.
fn masked(ctx: &LabContext, found: Found) -> Vec<(String, String)> {
    let Found { files, mut missing, secrets } = found;
    let top = &ctx.lab.name;
    let mut all: Vec<(String, String)> = Vec::new();
    // A scenario is written from the lab as it is without secrets.
    let lab = secrets.json(&serde_json::to_value(&ctx.lab).unwrap_or_default());
    match serde_json::from_value(lab) {
        Ok(lab) => all.push((format!("{top}/scenario.yaml"), scenario_yaml(&lab))),
        Err(error) => missing.push(format!("scenario.yaml: {error}")),
    }
    for (path, content) in files {
        let text = match content {
            Content::Text(text) => secrets.text(&text),
            // The form of a text could make a secret of what is none in an object, so it is masked as an object.
            Content::Json(value) => serde_json::to_string_pretty(&secrets.json(&value)).unwrap_or_default() + "\n",
        };
        all.push((format!("{top}/{}", secrets.text(&path)), text));
    }
    if !missing.is_empty() {
        all.push((format!("{top}/missing.txt"), secrets.text(&(missing.join("\n") + "\n"))));
    }
    all.sort();
    all
}
