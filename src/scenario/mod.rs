//! Scenario files: parsing with line and column, validation, and the model. No I/O.
//!
//! `tree` reads YAML with the place of every node, `raw` and `check` say what fields there are, each in a form of `form`, by which it is read, described
//! and written; `validate` applies the rules. None of them stops at a mistake: [`parse`] returns all of them.

mod certificate;
mod check;
mod encoding;
mod error;
mod fault;
mod form;
mod guard;
mod istio;
pub mod kustomization;
pub mod layout;
mod manifests;
mod model;
mod object;
mod pem;
mod problem;
mod raw;
mod read;
mod render;
mod server;
mod tree;
mod validate;
mod versions;

pub use certificate::Certificate;
pub use check::{
    Answers, Body, CallerPod, Check, Expect, FailoverCheck, FederationCheck, Level, Protocol, RequestCheck, ServiceUrl,
    Site, SpokenService, Target, Through, Who,
};
pub use encoding::{NotText, decode};
pub use error::{ScenarioError, ScenarioErrors};
pub use fault::{
    Away, BACK as FAULT_BACK, DEFAULT as FAULT_SECONDS, Fault, FaultExpect, FaultKind, Ground, GroundCluster,
    LONGEST as FAULT_LONGEST, Limit, Link, PATIENCE as FAULT_PATIENCE, Path, RATE as FAULT_RATE,
    SHORTEST as FAULT_SHORTEST,
};
pub use istio::from_istio_topology;
pub use manifests::{Files, ManifestFile, Unusable};
pub use model::{
    AddressRange, App, Cluster, Existing, FoundGateway, GATEWAY_API, Gateway, ImageSettings, IngressGateways, IpFamily,
    Locality, Manifests, Mesh, Places, Scenario, Topology, version_in,
};
pub use model::{Authority, OwnIntermediate, Pem, PemFile};
pub use model::{Federation, FederationFailover, Member, MemberMode};
pub use pem::{decode as decode_pem, encode as encode_pem};
pub use problem::{
    AddressProblem, AppProblem, AuthorityProblem, CheckProblem, ExistingProblem, FaultProblem, FederationProblem,
    ManifestProblem, MeshProblem, NameProblem,
};
pub use problem::{Problem, TopologyProblem, VersionProblem};
pub use render::render;
pub use server::is_loopback;
pub use versions::{Available, Matrix, Minor, Product, Versions};

use form::Form as _;
use time::OffsetDateTime;

/// Reads a scenario file that names no other files. `file` is its name for messages only; nothing is read from disk.
///
/// # Errors
///
/// Everything that is wrong with it, in the order of the file.
pub fn parse(text: &str, file: &str) -> Result<Scenario, ScenarioErrors> {
    parse_with(text, file, &Files::new())
}

/// Reads a scenario file, `files` being what the caller found at the paths that it names ([`named`]).
///
/// # Errors
///
/// Everything that is wrong with it and with those files, in the order of the scenario.
pub fn parse_with(text: &str, file: &str, files: &Files) -> Result<Scenario, ScenarioErrors> {
    parse_at(text, file, files, None)
}

/// The same, certificates that it names being valid at a time.
///
/// # Errors
///
/// As [`parse_with`], and certificates that have expired or are not valid yet.
pub fn parse_at(
    text: &str,
    file: &str,
    files: &Files,
    now: Option<OffsetDateTime>,
) -> Result<Scenario, ScenarioErrors> {
    begin(text).finish(text, file, files, now)
}

/// A scenario file that has been read, without the files that it names.
pub struct Begun {
    raw: Option<raw::RawScenario>,
    problems: error::Problems,
}

/// Begins to read a scenario file. What is wrong with it is told at the end.
#[must_use]
pub fn begin(text: &str) -> Begun {
    let mut problems = error::Problems::default();
    let raw = tree::parse(text, &mut problems).map(|root| raw::scenario(&root, &mut problems));
    Begun { raw, problems }
}

/// The other files that a scenario names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Named {
    /// All of them, as the scenario writes them, each once.
    pub paths: Vec<String>,
    /// Those that are one file each, where others may be directories.
    pub pem: Vec<String>,
}

impl Begun {
    /// The other files that it names.
    pub fn named(&mut self) -> Named {
        let named = |raw: &mut raw::RawScenario| Named { paths: manifests::paths(raw), pem: manifests::pem_paths(raw) };
        self.raw.as_mut().map(named).unwrap_or_default()
    }

    /// Reads the rest, as [`parse_at`]; `text` is what it was begun with.
    ///
    /// # Errors
    ///
    /// As [`parse_at`].
    pub fn finish(
        self,
        text: &str,
        file: &str,
        files: &Files,
        now: Option<OffsetDateTime>,
    ) -> Result<Scenario, ScenarioErrors> {
        let Self { raw, mut problems } = self;
        let scenario = raw.and_then(|mut raw| {
            manifests::load(&mut raw, files, text, file, &mut problems);
            manifests::load_authority(&mut raw, files, &mut problems);
            validate::scenario(raw, now, &mut problems)
        });
        problems.into_result(scenario, text, file)
    }
}

/// The other files that a scenario names. What is wrong with the scenario is for [`parse_with`] to tell.
#[must_use]
pub fn named(text: &str) -> Named {
    begin(text).named()
}

/// The lab's name in a scenario file, whatever else may be wrong with the file.
#[must_use]
pub fn lab_name(text: &str) -> Option<String> {
    let mut problems = error::Problems::default();
    let root = tree::parse(text, &mut problems)?;
    raw::scenario(&root, &mut problems).name.map(|name| name.value).filter(|name| is_lab_name(name))
}

/// Whether a lab can have this name.
#[must_use]
pub fn is_lab_name(name: &str) -> bool {
    validate::is_lab_name(name)
}

/// The scenario as a file with every field written out that it decides. Read again it says the same, except where files of manifests are: their objects
/// are in it.
#[must_use]
pub fn to_yaml(scenario: &Scenario) -> String {
    form::Part::written(raw::of(scenario)).document()
}

/// The format as a JSON schema (<https://json-schema.org/draft-07/schema>; the YAML language server knows this draft), for editors. It accepts what lab
/// accepts, except names that look like numbers and are not quoted, and refuses most of what lab refuses.
#[must_use]
pub fn schema() -> serde_json::Value {
    let mut schema = serde_json::json!({
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "A scenario of lab",
    });
    let fields = form::Part::<raw::RawScenario>::FORM.schema();
    if let (Some(schema), serde_json::Value::Object(fields)) = (schema.as_object_mut(), fields) {
        schema.extend(fields);
    }
    schema
}
