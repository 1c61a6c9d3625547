//! Problems with apps and checks.

use miette::Diagnostic;
use thiserror::Error;

/// An app or a check that cannot work.
#[derive(Clone, Debug, PartialEq, Eq, Error, Diagnostic)]
#[non_exhaustive]
pub enum AppProblem {
    /// The same app twice.
    #[error("app `{app}` is listed twice")]
    #[diagnostic(help("keep one entry; it covers all clusters"))]
    Duplicate {
        /// The app.
        app: &'static str,
    },
    /// A rotation that could not tell two clusters apart.
    #[error(
        "clusters `{first}` and `{second}` both run helloworld {version}, so a rotation cannot tell which one answers"
    )]
    #[diagnostic(help("give each cluster a version of its own, or write `checks: []` to do without a rotation"))]
    SameVersion {
        /// The earlier cluster.
        first: String,
        /// The later one.
        second: String,
        /// The version.
        version: String,
    },
    /// Not `SERVICE.NAMESPACE:PORT/PATH`.
    #[error("`{value}` {reason}")]
    #[diagnostic(help("write SERVICE.NAMESPACE:PORT/PATH, such as `helloworld.sample:5000/hello`"))]
    BadService {
        /// The value.
        value: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// A rotation over something that is not there.
    #[error("no app of this scenario serves `{service}`")]
    NoProvider {
        /// The service.
        service: String,
        /// What is served, or how to add it.
        #[help]
        help: String,
    },
    /// A rotation without anything that could call.
    #[error("a rotation calls from the app `sleep`, which this scenario leaves out")]
    #[diagnostic(help("add `sleep` to `apps`"))]
    NoCaller,
    /// A list that names something twice.
    #[error("`from` names cluster `{name}` twice")]
    #[diagnostic(help("name each cluster once"))]
    DuplicateSource {
        /// The cluster.
        name: String,
    },
    /// Manifests that name a cluster twice.
    #[error("`clusters` names cluster `{name}` twice")]
    #[diagnostic(help("name each cluster once"))]
    DuplicateCluster {
        /// The cluster.
        name: String,
    },
    /// A check or app over no cluster at all.
    #[error("`{field}` names no cluster")]
    #[diagnostic(help("{remedy}"))]
    NamesNothing {
        /// The field.
        field: &'static str,
        /// What to write.
        remedy: &'static str,
    },
}
