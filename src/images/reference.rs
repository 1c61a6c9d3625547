//! Image references: their parts, how a mirror names them, and the containerd configuration that a mirror needs.

use std::collections::BTreeSet;

/// The registry of references that name none.
const HUB: &str = "docker.io";

/// A reference in its parts, with the defaults that Docker gives to short ones.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reference {
    /// The registry: `registry.k8s.io`.
    pub host: String,
    /// The repository: `coredns/coredns`.
    pub path: String,
    /// The tag, if one is given.
    pub tag: Option<String>,
    /// The digest with its algorithm, if one is given.
    pub digest: Option<String>,
}

impl Reference {
    /// Takes a reference apart.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        let (name, digest) = match text.split_once('@') {
            Some((name, digest)) => (name, Some(digest.to_owned())),
            None => (text, None),
        };
        // A colon before the last slash belongs to the host's port.
        let (name, tag) = match name.rsplit_once(':') {
            Some((name, tag)) if !tag.contains('/') => (name, Some(tag.to_owned())),
            _ => (name, None),
        };
        let (host, path) = match name.split_once('/') {
            Some((first, rest)) if first.contains(['.', ':']) || first == "localhost" => (first, rest.to_owned()),
            Some(_) => (HUB, name.to_owned()),
            None => (HUB, format!("library/{name}")),
        };
        Self { host: host.to_owned(), path, tag, digest }
    }

    /// Host and path, without tag and digest.
    #[must_use]
    pub fn repository(&self) -> String {
        format!("{}/{}", self.host, self.path)
    }

    /// The reference by its tag, which is how nodes name it.
    #[must_use]
    pub fn tagged(&self) -> String {
        format!("{}:{}", self.repository(), self.tag())
    }

    /// The tag; `latest` when none is given.
    #[must_use]
    pub fn tag(&self) -> &str {
        self.tag.as_deref().unwrap_or("latest")
    }

    /// The same image in a mirror: the path stays, the host does not.
    #[must_use]
    pub fn in_mirror(&self, mirror: &str) -> Self {
        Self { host: mirror.to_owned(), ..self.clone() }
    }

    /// Where the registry of this host is asked over HTTPS.
    #[must_use]
    pub fn registry_url(&self) -> String {
        // Docker Hub's registry does not live under the name that its references carry.
        let prefix = if self.host == HUB { "registry-1." } else { "" };
        format!("https://{prefix}{}", self.host)
    }
}

impl std::fmt::Display for Reference {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.repository())?;
        if let Some(tag) = &self.tag {
            write!(f, ":{tag}")?;
        }
        if let Some(digest) = &self.digest {
            write!(f, "@{digest}")?;
        }
        Ok(())
    }
}

/// `hosts.toml` of every registry that the references name: everything comes from `endpoint` (`HOST:PORT`, plain HTTP) and from nowhere else.
#[must_use]
pub fn hosts_toml<'a>(references: impl IntoIterator<Item = &'a str>, endpoint: &str) -> Vec<(String, String)> {
    let hosts: BTreeSet<String> = references.into_iter().map(|r| Reference::parse(r).host).collect();
    // `server` is where containerd goes when no host below has the image. The mirror again: a lab with a mirror must not lean on the internet.
    let content = format!(
        "server = \"http://{endpoint}\"\n\n[host.\"http://{endpoint}\"]\n  capabilities = [\"pull\", \"resolve\"]\n"
    );
    hosts.into_iter().map(|host| (host, content.clone())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts() {
        let r = Reference::parse("registry.k8s.io/coredns/coredns:v1.12.1");
        assert_eq!((r.host.as_str(), r.path.as_str(), r.tag()), ("registry.k8s.io", "coredns/coredns", "v1.12.1"));
        let r = Reference::parse("kindest/node:v1.34.11@sha256:44e2");
        assert_eq!((r.host.as_str(), r.path.as_str()), ("docker.io", "kindest/node"));
        assert_eq!(r.digest.as_deref(), Some("sha256:44e2"));
        assert_eq!(r.to_string(), "docker.io/kindest/node:v1.34.11@sha256:44e2");
        assert_eq!(r.tagged(), "docker.io/kindest/node:v1.34.11");
        assert_eq!(Reference::parse("alpine").to_string(), "docker.io/library/alpine");
        assert_eq!(Reference::parse("alpine").tag(), "latest");
        let r = Reference::parse("127.0.0.1:5000/a/b");
        assert_eq!((r.host.as_str(), r.path.as_str(), r.tag), ("127.0.0.1:5000", "a/b", None));
        assert_eq!(Reference::parse("localhost/x:1").host, "localhost");
    }

    #[test]
    fn mirrored() {
        let r = Reference::parse("registry.k8s.io/kube-apiserver:v1").in_mirror("10.0.0.1:5000");
        assert_eq!(r.to_string(), "10.0.0.1:5000/kube-apiserver:v1");
        let r = Reference::parse("lab.internal/istio/pilot:1.32-dev").in_mirror("m:80");
        assert_eq!(r.to_string(), "m:80/istio/pilot:1.32-dev");
    }

    #[test]
    fn mirror_rules() {
        let rules = hosts_toml(["registry.k8s.io/a:1", "registry.k8s.io/b:1", "quay.io/c:2"], "172.18.0.1:5000");
        assert_eq!(rules.iter().map(|(h, _)| h.as_str()).collect::<Vec<_>>(), ["quay.io", "registry.k8s.io"]);
        insta::assert_snapshot!(rules[0].1, @r#"
        server = "http://172.18.0.1:5000"

        [host."http://172.18.0.1:5000"]
          capabilities = ["pull", "resolve"]
        "#);
    }

    #[test]
    fn docker_hub_is_asked_where_it_lives() {
        assert_eq!(Reference::parse("curlimages/curl:8").registry_url(), "https://registry-1.docker.io");
        assert_eq!(Reference::parse("quay.io/x/y:8").registry_url(), "https://quay.io");
    }
}
