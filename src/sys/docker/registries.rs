//! Where the engine pulls from: its mirrors of Docker Hub, and the registries that it asks over plain HTTP.

use std::collections::BTreeSet;
use std::net::IpAddr;

use bollard::models::RegistryServiceConfig;

use super::{DockerError, Engine, ask};

/// How the engine asks registries.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Registries {
    /// Mirrors of Docker Hub, each a URL, which it asks first.
    mirrors: Vec<String>,
    /// Registries that it asks over plain HTTP.
    plain: BTreeSet<String>,
}

impl Engine {
    /// Asks the engine how it asks registries.
    pub async fn registries(&self) -> Result<Registries, DockerError> {
        let info = ask("tell about itself", self.docker.info()).await?;
        Ok(info.registry_config.map(Registries::of).unwrap_or_default())
    }
}

impl Registries {
    fn of(config: RegistryServiceConfig) -> Self {
        let mirrors = config.mirrors.unwrap_or_default();
        let indexes = config.index_configs.unwrap_or_default();
        let plain = indexes.into_iter().filter(|(_, index)| index.secure == Some(false)).map(|(host, _)| host);
        Self {
            mirrors: mirrors.into_iter().map(|url| url.trim_end_matches('/').to_owned()).collect(),
            plain: plain.collect(),
        }
    }

    /// Where the images of a registry are asked for, in the engine's order; `own` is the registry's own URL.
    #[must_use]
    pub fn bases(&self, host: &str, own: String) -> Vec<String> {
        let address = host.rsplit_once(':').map_or(host, |(address, _)| address);
        // The engine takes every registry on its own loopback for one that has no certificate.
        let loopback = address == "localhost" || address.parse::<IpAddr>().is_ok_and(|a| a.is_loopback());
        let own = if loopback || self.plain.contains(host) { format!("http://{host}") } else { own };
        let mirrors: &[String] = if host == "docker.io" { &self.mirrors } else { &[] };
        mirrors.iter().cloned().chain([own]).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn registries_are_asked_where_the_engine_asks_them() {
        let config = r#"{
            "IndexConfigs": {
                "docker.io": { "Name": "docker.io", "Mirrors": ["https://mirror.example/"], "Secure": true, "Official": true },
                "old.example:5000": { "Name": "old.example:5000", "Mirrors": [], "Secure": false, "Official": false }
            },
            "Mirrors": ["https://mirror.example/"]
        }"#;
        let registries = Registries::of(serde_json::from_str(config).expect("a configuration"));
        let bases = |host: &str| registries.bases(host, format!("https://{host}"));
        assert_eq!(bases("docker.io"), ["https://mirror.example", "https://docker.io"]);
        assert_eq!(bases("quay.io"), ["https://quay.io"]);
        assert_eq!(bases("old.example:5000"), ["http://old.example:5000"]);
        assert_eq!(bases("127.0.0.1:5000"), ["http://127.0.0.1:5000"]);
    }
}
