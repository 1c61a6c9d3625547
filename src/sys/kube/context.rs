//! Clusters that lab did not make: a context of somebody's kubeconfig.

use std::path::Path;

use kube::config::{Kubeconfig, NamedAuthInfo, NamedCluster, NamedContext};

use super::{KubeError, credentials};
use crate::sys::input;

/// Names of the contexts of a kubeconfig.
///
/// # Errors
/// The file cannot be read, or is no kubeconfig.
pub fn contexts(file: &Path) -> Result<Vec<String>, KubeError> {
    Ok(read(file)?.contexts.into_iter().map(|c| c.name).collect())
}

/// A kubeconfig of one context alone, in which the cluster is called `name`; paths in it are absolute.
///
/// # Errors
/// The file cannot be read, or has no such context, or that names a cluster or a user that the file does not have.
pub fn one_context(file: &Path, context: &str, name: &str) -> Result<String, KubeError> {
    let config = read(file)?;
    let shown = file.display();
    let Some(NamedContext { context: Some(found), .. }) = config.contexts.iter().find(|c| c.name == context) else {
        let known: Vec<&str> = config.contexts.iter().map(|c| c.name.as_str()).collect();
        let known = if known.is_empty() { "it has none".to_owned() } else { format!("it has {}", known.join(", ")) };
        return Err(KubeError::Context {
            problem: format!("{shown} has no context {context}"),
            remedy: format!("{known}; `kubectl config get-contexts --kubeconfig {shown}` shows them"),
        });
    };
    let lacks = |what: &str, name: &str| KubeError::Context {
        problem: format!("context {context} of {shown} names the {what} {name}, which the file does not have"),
        remedy: "correct the kubeconfig, or name another context".to_owned(),
    };
    let cluster = config.clusters.iter().find(|c| c.name == found.cluster).and_then(|c| c.cluster.clone());
    let cluster = cluster.ok_or_else(|| lacks("cluster", &found.cluster))?;
    let named = found.user.as_deref().unwrap_or_default();
    let user = config.auth_infos.iter().find(|u| u.name == named).and_then(|u| u.auth_info.clone());
    if user.is_none() && !named.is_empty() {
        return Err(lacks("user", named));
    }
    let one = Kubeconfig {
        kind: Some("Config".to_owned()),
        api_version: Some("v1".to_owned()),
        clusters: vec![NamedCluster { name: name.to_owned(), cluster: Some(cluster), ..NamedCluster::default() }],
        auth_infos: vec![NamedAuthInfo {
            name: name.to_owned(),
            auth_info: Some(user.unwrap_or_default()),
            ..NamedAuthInfo::default()
        }],
        contexts: vec![NamedContext {
            name: name.to_owned(),
            context: Some(kube::config::Context {
                cluster: name.to_owned(),
                user: Some(name.to_owned()),
                ..kube::config::Context::default()
            }),
            ..NamedContext::default()
        }],
        current_context: Some(name.to_owned()),
        ..Kubeconfig::default()
    };
    if let Some(problem) = credentials::endless(&one) {
        return Err(KubeError::Context {
            problem: format!("context {context} of {shown} cannot be used: {problem}"),
            remedy: "correct the kubeconfig, or name another context".to_owned(),
        });
    }
    serde_yaml::to_string(&one).map_err(|e| KubeError::Kubeconfig(e.to_string()))
}

/// Where the API server is that a kubeconfig of one cluster leads to.
#[must_use]
pub fn server_of(kubeconfig: &str) -> Option<String> {
    let config = Kubeconfig::from_yaml(kubeconfig).ok()?;
    config.clusters.into_iter().next()?.cluster?.server
}

fn read(file: &Path) -> Result<Kubeconfig, KubeError> {
    let unreadable = |why: String| {
        KubeError::Context {
        problem: format!("cannot read the kubeconfig {}: {why}", file.display()),
        remedy: "name the file that leads to the clusters: `--kubeconfig FILE`, `kubeconfig: FILE` in a scenario, or the variable KUBECONFIG"
            .to_owned(),
    }
    };
    // It must be a file that does not keep lab waiting.
    drop(input::open(file).map_err(|e| unreadable(e.to_string()))?);
    Kubeconfig::read_from(file).map_err(|e| unreadable(credentials::unread(e)))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TWO: &str = "apiVersion: v1
kind: Config
clusters: [{ name: a, cluster: { server: 'https://a:1', certificate-authority: ca.crt } }, { name: b, cluster: { server: 'https://b:1' } }]
users: [{ name: u, user: { token: secret } }]
contexts: [{ name: one, context: { cluster: a, user: u } }, { name: two, context: { cluster: c, user: u } }]
";

    #[test]
    fn one_context_has_its_cluster_and_its_user_alone() {
        let dir = crate::sys::unfinished::dir().expect("a directory");
        let file = dir.path().join("config");
        std::fs::write(&file, TWO).expect("writes");
        std::fs::write(dir.path().join("ca.crt"), "a certificate").expect("writes");
        let text = one_context(&file, "one", "c1").expect("a kubeconfig");
        assert!(text.contains("https://a:1") && !text.contains("https://b:1") && text.contains("secret"), "{text}");
        assert!(text.contains(&format!("{}/ca.crt", dir.path().display())), "{text}");
        assert!(text.contains("current-context: c1"), "{text}");
        assert_eq!(contexts(&file).expect("contexts"), ["one", "two"]);
    }

    #[test]
    fn what_is_wrong_with_a_kubeconfig_is_named() {
        let dir = crate::sys::unfinished::dir().expect("a directory");
        let told = |name: &str, text: Option<&str>, context: &str| {
            let file = dir.path().join(name);
            if let Some(text) = text {
                std::fs::write(&file, text).expect("writes");
            }
            one_context(&file, context, "c1").expect_err("an error").to_string()
        };
        assert!(told("config", Some(TWO), "three").ends_with("config has no context three"));
        assert!(told("config", Some(TWO), "two").contains("names the cluster c, which the file does not have"));
        assert!(told("nosuch", None, "one").ends_with("it is not there"));
        assert!(told("bad", Some("a: ["), "one").contains("it is no YAML of a kubeconfig"));
    }
}
