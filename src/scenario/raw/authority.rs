//! `mesh.ca`.

use serde_json::Value as Json;

use super::super::error::Problems;
use super::super::form::{ANY_TEXT, Fields, Form, Pairs, Pairwise, Part, Place, Record, Written};
use super::super::model::{Authority, OwnIntermediate, PemFile};
use super::super::tree::{Located, Node};

/// As the file has it.
#[derive(Default)]
pub(in crate::scenario) struct RawAuthority {
    files: Option<Located<RawCaFiles>>,
    intermediates: Option<Pairwise<Located<RawIntermediate>>>,
}

/// `mesh.ca.files`.
#[derive(Default)]
struct RawCaFiles {
    root_cert: Option<RawPem>,
    root_key: Option<RawPem>,
}

/// An entry of `mesh.ca.intermediates`.
#[derive(Default)]
pub(in crate::scenario) struct RawIntermediate {
    pub ca_cert: Option<RawPem>,
    pub ca_key: Option<RawPem>,
    pub cert_chain: Option<RawPem>,
}

/// A file, and what is in it once that has been read.
pub(in crate::scenario) struct RawPem {
    pub path: Located<String>,
    /// Name for messages, and text; none when it cannot be had, which is recorded then.
    pub content: Option<(String, String)>,
}

impl Record for RawAuthority {
    const ABOUT: &'static str = "A certificate authority of your own; by default lab makes one for the lab";
    const INLINE: bool = false;

    fn fields(f: &mut Fields<Self>) {
        let intermediates =
            "Intermediates that you have issued, by cluster; lab issues those of other clusters with rootKey";
        f.part("files", |r| &mut r.files, "{ rootCert: ca/root-cert.pem, rootKey: ca/root-key.pem }").required();
        f.field("intermediates", Pairs(Part::FORM), |r| &mut r.intermediates, intermediates)
            .default("{}")
            .example("{ c1: { caCert: ca/c1/ca-cert.pem, caKey: ca/c1/ca-key.pem } }");
    }
}

impl Record for RawCaFiles {
    const ABOUT: &'static str = "PEM files of the root, relative to the scenario's file";

    fn fields(f: &mut Fields<Self>) {
        let key = "Its private key; not needed if every cluster with a control plane has an intermediate";
        f.field("rootCert", File, |r| &mut r.root_cert, "The root certificate, signed by itself")
            .required()
            .example("ca/root-cert.pem");
        f.field("rootKey", File, |r| &mut r.root_key, key).example("ca/root-key.pem");
    }
}

impl Record for RawIntermediate {
    const ABOUT: &'static str = "An intermediate authority that the root has signed, as PEM files";

    fn fields(f: &mut Fields<Self>) {
        let chain = "The certificates from it up to the root; needed only if others are between them";
        f.field("caCert", File, |r| &mut r.ca_cert, "Its certificate").required().example("ca/c1/ca-cert.pem");
        f.field("caKey", File, |r| &mut r.ca_key, "Its private key").required().example("ca/c1/ca-key.pem");
        f.field("certChain", File, |r| &mut r.cert_chain, chain).example("ca/c1/cert-chain.pem");
    }
}

/// The path of a PEM file.
struct File;

impl Form for File {
    type Value = RawPem;

    fn read(&self, node: &Node, place: &Place, problems: &mut Problems) -> Option<RawPem> {
        ANY_TEXT.read(node, place, problems).map(|path| RawPem { path, content: None })
    }

    fn write(&self, file: RawPem) -> Written {
        ANY_TEXT.write(file.path)
    }

    fn schema(&self) -> Json {
        ANY_TEXT.schema()
    }
}

impl RawAuthority {
    /// All files that it names.
    pub(in crate::scenario) fn files(&mut self) -> impl Iterator<Item = &mut RawPem> {
        let root = self.files.iter_mut().flat_map(|f| [&mut f.value.root_cert, &mut f.value.root_key]);
        let own = self.intermediates.iter_mut().flat_map(|all| &mut all.value);
        let own = own.flat_map(|(_, i)| [&mut i.value.ca_cert, &mut i.value.ca_key, &mut i.value.cert_chain]);
        root.chain(own).flatten()
    }

    pub(in crate::scenario) fn root_cert(&self) -> Option<&RawPem> {
        self.files.as_ref().and_then(|f| f.value.root_cert.as_ref())
    }

    pub(in crate::scenario) fn root_key(&self) -> Option<&RawPem> {
        self.files.as_ref().and_then(|f| f.value.root_key.as_ref())
    }

    /// By cluster.
    pub(in crate::scenario) fn intermediates(&self) -> &[(Located<String>, Located<RawIntermediate>)] {
        self.intermediates.as_ref().map_or(&[], |all| &all.value)
    }
}

/// The way back. Names of files alone: keys are written nowhere.
pub(super) fn of(authority: &Authority) -> RawAuthority {
    let Authority { root_cert, root_key, intermediates } = authority;
    let file = |file: &PemFile| RawPem { path: file.path.clone().into(), content: None };
    let own = |OwnIntermediate { ca_cert, ca_key, cert_chain, chain: _ }: &OwnIntermediate| RawIntermediate {
        ca_cert: Some(file(ca_cert)),
        ca_key: Some(file(ca_key)),
        cert_chain: cert_chain.as_ref().map(file),
    };
    let all: Vec<_> = intermediates.iter().map(|(cluster, i)| (cluster.clone().into(), own(i).into())).collect();
    RawAuthority {
        files: Some(RawCaFiles { root_cert: Some(file(root_cert)), root_key: root_key.as_ref().map(file) }.into()),
        intermediates: (!all.is_empty()).then(|| all.into()),
    }
}
