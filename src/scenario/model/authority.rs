//! A certificate authority of the user's own.

use std::collections::BTreeMap;
use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use time::{Duration, OffsetDateTime};

use crate::scenario::certificate::Certificate;
use crate::scenario::pem;

/// The certificate authority of a mesh, where the scenario brings one. What is stored of it are names of files and fingerprints: never a key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Authority {
    /// The root certificate, which all clusters trust.
    pub root_cert: PemFile,
    /// Its private key, by which lab issues the intermediates that the scenario does not bring.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub root_key: Option<PemFile>,
    /// Intermediates of the user's own, by cluster.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub intermediates: BTreeMap<String, OwnIntermediate>,
}

/// The authority by which one cluster's istiod signs its workloads.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct OwnIntermediate {
    /// Its certificate.
    pub ca_cert: PemFile,
    /// Its private key.
    pub ca_key: PemFile,
    /// The certificates between it and the root, if the scenario names any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cert_chain: Option<PemFile>,
    /// From its own certificate to the root, as istiod reads it.
    #[serde(skip)]
    pub chain: Pem,
}

/// A file with a certificate or a key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PemFile {
    /// As the scenario names it.
    pub path: String,
    /// SHA-256 of a certificate, in hexadecimal digits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fingerprint: Option<String>,
    /// What is in it; nothing in a lab that was read from its state.
    #[serde(skip)]
    pub pem: Pem,
}

/// PEM text, which may be a private key: it is not shown.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Pem(pub String);

impl fmt::Debug for Pem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_empty() { "Pem(none)" } else { "Pem(...)" })
    }
}

impl Authority {
    /// Whether the files have been read: a lab that comes from its state only knows their names.
    #[must_use]
    pub fn is_read(&self) -> bool {
        !self.root_cert.pem.0.is_empty()
    }

    /// The certificates of files that expire within a day, each with the time.
    #[must_use]
    pub fn expiring(&self, now: OffsetDateTime) -> Vec<(&str, OffsetDateTime)> {
        let own = self.intermediates.values().map(|own| &own.ca_cert);
        let ends =
            |file: &PemFile| Certificate::read(&pem::decode(&file.pem.0)?).map(|certificate| certificate.not_after);
        std::iter::once(&self.root_cert)
            .chain(own)
            .filter_map(|file| Some((file.path.as_str(), ends(file)?)))
            .filter(|(_, end)| *end < now + Duration::DAY)
            .collect()
    }

    /// What of an authority another would change for `clusters`; nothing if the certificates are the same, wherever they are.
    #[must_use]
    pub fn change<'c>(
        before: Option<&Self>,
        after: Option<&Self>,
        mut clusters: impl Iterator<Item = &'c str>,
    ) -> Option<String> {
        let root = |authority: Option<&Self>| authority.map(|a| a.root_cert.fingerprint.clone());
        if root(before) != root(after) {
            return Some("the root certificate of its mesh would change".to_owned());
        }
        let own = |authority: Option<&Self>, cluster: &str| {
            authority.and_then(|a| a.intermediates.get(cluster)).map(|i| i.ca_cert.fingerprint.clone())
        };
        let changed = clusters.find(|cluster| own(before, cluster) != own(after, cluster))?;
        Some(format!("the intermediate certificate of its cluster {changed} would change"))
    }
}
