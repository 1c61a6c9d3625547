//! A certificate authority as it is written.

use super::super::describe::{CA, CA_FILES, INTERMEDIATE};
use super::super::error::Problems;
use super::super::read::{Fields, wrong_type};
use super::super::tree::{Located, Node, Span, Value};

#[derive(Debug)]
pub(in crate::scenario) struct RawAuthority {
    pub span: Span,
    pub root_cert: Option<RawPem>,
    pub root_key: Option<RawPem>,
    /// By cluster.
    pub intermediates: Vec<(Located<String>, RawIntermediate)>,
}

#[derive(Debug)]
pub(in crate::scenario) struct RawIntermediate {
    pub ca_cert: Option<RawPem>,
    pub ca_key: Option<RawPem>,
    pub cert_chain: Option<RawPem>,
}

/// A file, and what is in it once that has been read.
#[derive(Debug)]
pub(in crate::scenario) struct RawPem {
    pub path: Located<String>,
    /// Name for messages, and text; none when it cannot be had, which is recorded then.
    pub content: Option<(String, String)>,
}

impl RawAuthority {
    /// All files that it names.
    pub(in crate::scenario) fn files(&mut self) -> impl Iterator<Item = &mut RawPem> {
        let own = self.intermediates.iter_mut().flat_map(|(_, i)| [&mut i.ca_cert, &mut i.ca_key, &mut i.cert_chain]);
        [&mut self.root_cert, &mut self.root_key].into_iter().chain(own).flatten()
    }
}

/// Reads `mesh.ca`.
pub(super) fn authority(node: &Node, problems: &mut Problems) -> Option<RawAuthority> {
    const FILES: &str = "files: { rootCert: ca/root-cert.pem, rootKey: ca/root-key.pem }";
    let fields = Fields::of(node, "`ca`", &CA.names(), FILES, problems)?;
    if fields.get("files").is_none() {
        fields.missing("files", "{ rootCert: ca/root-cert.pem, rootKey: ca/root-key.pem }", problems);
    }
    let files = fields.get("files").and_then(|n| Fields::of(n, "`files`", &CA_FILES.names(), FILES, problems));
    if let Some(files) = files.as_ref().filter(|f| f.get("rootCert").is_none()) {
        files.missing("rootCert", "ca/root-cert.pem", problems);
    }
    let mut file = |field, example| files.as_ref().and_then(|f| pem(f, field, example, problems));
    let root_cert = file("rootCert", "rootCert: ca/root-cert.pem");
    let root_key = file("rootKey", "rootKey: ca/root-key.pem");
    let intermediates = fields.get("intermediates").map(|n| intermediates(n, problems)).unwrap_or_default();
    Some(RawAuthority { span: node.span, root_cert, root_key, intermediates })
}

fn intermediates(node: &Node, problems: &mut Problems) -> Vec<(Located<String>, RawIntermediate)> {
    const EXAMPLE: &str = "intermediates: { c1: { caCert: ca/c1/ca-cert.pem, caKey: ca/c1/ca-key.pem } }";
    let Value::Mapping(entries) = &node.value else {
        let expected = "a mapping from cluster to its intermediate";
        problems.add(node.span, wrong_type("`intermediates`", expected, node.kind(), EXAMPLE));
        return Vec::new();
    };
    let one = |entry: &super::super::tree::Entry, problems: &mut Problems| {
        let fields = Fields::of(&entry.value, "an intermediate", &INTERMEDIATE.names(), EXAMPLE, problems)?;
        for (field, example) in [("caCert", "ca/c1/ca-cert.pem"), ("caKey", "ca/c1/ca-key.pem")] {
            if fields.get(field).is_none() {
                fields.missing(field, example, problems);
            }
        }
        let raw = RawIntermediate {
            ca_cert: pem(&fields, "caCert", "caCert: ca/c1/ca-cert.pem", problems),
            ca_key: pem(&fields, "caKey", "caKey: ca/c1/ca-key.pem", problems),
            cert_chain: pem(&fields, "certChain", "certChain: ca/c1/cert-chain.pem", problems),
        };
        Some((entry.key.clone(), raw))
    };
    entries.iter().filter_map(|entry| one(entry, problems)).collect()
}

fn pem(fields: &Fields<'_>, field: &str, example: &'static str, problems: &mut Problems) -> Option<RawPem> {
    fields.text(field, example, problems).map(|path| RawPem { path, content: None })
}
