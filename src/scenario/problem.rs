//! Everything that can be wrong with a scenario, each with its remedy.
//!
//! The text of a problem says what is wrong, in words of the file; its help says what to write instead. Where it is wrong is not
//! part of it: that is shown beside it.

mod addresses;
mod apps;
mod authority;
mod checks;
mod existing;
mod faults;
mod federation;
mod manifests;
mod meshes;
mod names;
mod topology;
mod versions;

use miette::Diagnostic;
use thiserror::Error;

pub use addresses::AddressProblem;
pub use apps::AppProblem;
pub use authority::AuthorityProblem;
pub use checks::CheckProblem;
pub use existing::ExistingProblem;
pub use faults::FaultProblem;
pub use federation::FederationProblem;
pub use manifests::ManifestProblem;
pub use meshes::MeshProblem;
pub use names::NameProblem;
pub use topology::TopologyProblem;
pub use versions::VersionProblem;

/// One thing that is wrong with a scenario.
#[derive(Clone, Debug, PartialEq, Eq, Error, Diagnostic)]
#[non_exhaustive]
pub enum Problem {
    /// Nothing but white space and comments.
    #[error("the scenario is empty")]
    #[diagnostic(help("the smallest scenario is a name and a list of clusters:\n  name: demo\n  clusters: [c1, c2]"))]
    Empty,
    /// Not YAML.
    #[error("this is not YAML: {message}")]
    #[diagnostic(help("look at the lines above too: a missing colon, quote or bracket is often noticed only later"))]
    Syntax {
        /// What the parser says.
        message: String,
    },
    /// A tab where YAML wants spaces.
    #[error("a tab indents this line, but YAML is indented with spaces only")]
    #[diagnostic(help("replace the tab by spaces"))]
    Tab,
    /// `---` in the middle.
    #[error("a second document begins here, but a scenario is one document")]
    #[diagnostic(help("put each scenario into a file of its own"))]
    SeveralDocuments,
    /// `!tag`.
    #[error("a scenario has no tags (`!...`)")]
    #[diagnostic(help("remove the tag; quote a value that is to begin with an exclamation mark"))]
    Tag,
    /// An alias inside of what it stands for.
    #[error("this alias stands for something that contains it")]
    #[diagnostic(help("write the value out"))]
    Alias,
    /// Bounds on size and nesting.
    #[error("the scenario is too large or nested too deeply")]
    #[diagnostic(help(
        "it may have 64 levels, 200000 values and 16 MiB of text; what an alias stands for counts each time"
    ))]
    TooMuch,
    /// A list or mapping as a key.
    #[error("the name of a field must be text, not {found}")]
    #[diagnostic(help("write `field: value`; quote the name if it has unusual characters"))]
    KeyNotText {
        /// What it is.
        found: &'static str,
    },
    /// The same key twice in one mapping.
    #[error("`{key}` is given twice")]
    #[diagnostic(help("keep one of them"))]
    DuplicateKey {
        /// The key.
        key: String,
    },
    /// A field that nothing reads.
    #[error("{of} has no field `{field}`")]
    UnknownField {
        /// The field as written.
        field: String,
        /// What it is a field of.
        of: String,
        /// The nearest known field, or all of them.
        #[help]
        help: String,
    },
    /// A field that cannot be derived.
    #[error("{of} needs a `{field}`")]
    #[diagnostic(help("add `{field}: {example}`"))]
    MissingField {
        /// The field.
        field: &'static str,
        /// What it is a field of.
        of: String,
        /// What it may look like.
        example: &'static str,
    },
    /// A list where text is wanted, and the like.
    #[error("{what} must be {expected}, not {found}")]
    #[diagnostic(help("for example `{example}`"))]
    WrongType {
        /// What has the wrong type.
        what: String,
        /// The right one.
        expected: &'static str,
        /// The one found.
        found: String,
        /// How it is written.
        example: String,
    },
    /// A word out of a fixed set, misspelt.
    #[error("lab knows no {what} `{value}`")]
    UnknownValue {
        /// What the value stands for.
        what: &'static str,
        /// The value.
        value: String,
        /// The nearest allowed value, or all of them.
        #[help]
        help: String,
    },
    /// Several keys where exactly one says what an entry is.
    #[error("an entry of `{list}` must name exactly one {thing}; this one names {}", if *.count == 0 { "none".to_owned() } else { .count.to_string() })]
    #[diagnostic(help("write each as an entry of its own, such as `- {example}`"))]
    NotOneKey {
        /// `apps`, `checks` or `faults`.
        list: &'static str,
        /// `app`, `check` or `fault`.
        thing: &'static str,
        /// How many there are.
        count: usize,
        /// An entry.
        example: &'static str,
    },
    /// A name that cannot be used.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Name(#[from] NameProblem),
    /// Clusters that do not make a mesh.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Topology(#[from] TopologyProblem),
    /// Meshes that cannot be side by side.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Mesh(#[from] MeshProblem),
    /// What cannot be said of clusters that lab did not make.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Existing(#[from] ExistingProblem),
    /// Versions that there are not, or that do not fit each other.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Version(#[from] VersionProblem),
    /// Addresses that cannot be used.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Address(#[from] AddressProblem),
    /// A certificate authority of the user's own that no mesh could trust.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Authority(#[from] AuthorityProblem),
    /// An app that cannot work.
    #[error(transparent)]
    #[diagnostic(transparent)]
    App(#[from] AppProblem),
    /// Objects of the user's own that cannot be deployed.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Manifest(#[from] ManifestProblem),
    /// A federation that cannot work.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Federation(#[from] FederationProblem),
    /// A check that cannot work.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Check(#[from] CheckProblem),
    /// A fault that there cannot be.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Fault(#[from] FaultProblem),
}
