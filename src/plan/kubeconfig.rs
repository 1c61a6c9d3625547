//! Merging kubeconfigs.

use serde_json::{Value, json};

/// Merges single-cluster kubeconfigs, each with the name that its context, cluster and user get. The first one is current.
///
/// # Errors
/// The reason, when a text is not a kubeconfig with one cluster and one user.
pub fn merge_kubeconfigs(parts: &[(String, String)]) -> Result<String, String> {
    let (mut clusters, mut users, mut contexts) = (Vec::new(), Vec::new(), Vec::new());
    for (name, text) in parts {
        let config = read(text).map_err(|why| format!("that of {name}: {why}"))?;
        let part = |list: &str, key: &str| {
            config.pointer(&format!("/{list}/0/{key}")).cloned().ok_or_else(|| format!("{name} has no {key}"))
        };
        clusters.push(json!({ "name": name, "cluster": part("clusters", "cluster")? }));
        let user = part("users", "user")?;
        if user.get("client-certificate-data").is_some() && user.get("client-key-data").is_none() {
            return Err(format!("{name} has a certificate without its key"));
        }
        users.push(json!({ "name": name, "user": user }));
        contexts.push(json!({ "name": name, "context": { "cluster": name, "user": name } }));
    }
    let merged = json!({
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": clusters,
        "users": users,
        "contexts": contexts,
        "current-context": parts.first().map_or("", |(name, _)| name),
    });
    serde_yaml::to_string(&merged).map_err(|e| e.to_string())
}

/// A node's own kubeconfig with another address of its API server, for who reaches it from outside.
pub fn reached_at(text: &str, server: &str) -> Result<String, String> {
    let mut config = read(text)?;
    let cluster =
        config.pointer_mut("/clusters/0/cluster").and_then(Value::as_object_mut).ok_or("it has no cluster")?;
    cluster.insert("server".to_owned(), server.into());
    serde_yaml::to_string(&config).map_err(|e| e.to_string())
}

/// Reads one. The library's own words have an excerpt, which may be a key.
pub(super) fn read(text: &str) -> Result<Value, String> {
    serde_yaml::from_str(text).map_err(|error: serde_yaml::Error| {
        let place = error.location().map(|at| format!(": line {}, column {}", at.line(), at.column()));
        format!("it is no YAML of a kubeconfig{}", place.unwrap_or_default())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_is_reached_from_outside() {
        let own = "clusters: [{name: x, cluster: {server: 'https://x-control-plane:6443', certificate-authority-data: Y2E=}}]\n";
        let value: Value = serde_yaml::from_str(&reached_at(own, "https://127.0.0.1:7").expect("valid")).expect("YAML");
        let cluster = &value["clusters"][0]["cluster"];
        assert_eq!(
            (&cluster["server"], &cluster["certificate-authority-data"]),
            (&json!("https://127.0.0.1:7"), &json!("Y2E="))
        );
        assert!(reached_at("", "https://127.0.0.1:7").is_err());
    }

    #[test]
    fn contexts_are_named_as_asked() {
        let one = |server: &str| {
            format!(
                "clusters: [{{name: kind-x, cluster: {{server: '{server}'}}}}]\nusers: [{{name: kind-x, user: {{token: t}}}}]\n"
            )
        };
        let merged = merge_kubeconfigs(&[("lab-a-c1".into(), one("https://a")), ("lab-a-c2".into(), one("https://b"))]);
        let value: Value = serde_yaml::from_str(&merged.expect("valid")).expect("YAML");
        assert_eq!(value["contexts"][1]["name"], "lab-a-c2");
        assert_eq!(value["clusters"][1]["cluster"]["server"], "https://b");
        assert_eq!(value["current-context"], "lab-a-c1");
        assert!(merge_kubeconfigs(&[("x".into(), "a: 1".into())]).is_err());
    }
}
