//! Problems with clusters in meshes of their own.

use miette::Diagnostic;
use thiserror::Error;

/// Meshes that cannot be side by side.
#[derive(Clone, Debug, PartialEq, Eq, Error, Diagnostic)]
#[non_exhaustive]
pub enum MeshProblem {
    /// Something that there is of one mesh only.
    #[error("{what} cannot stand beside clusters in meshes of their own: {reason}")]
    #[diagnostic(help("{remedy}"))]
    Beside {
        /// What it is.
        what: &'static str,
        /// Why not.
        reason: &'static str,
        /// What to do.
        remedy: &'static str,
    },
    /// A cluster that names no mesh where others do.
    #[error("cluster `{cluster}` is in no mesh, and others are put into meshes of their own")]
    #[diagnostic(help(
        "name its mesh too, such as `{{ name: {cluster}, mesh: east }}`, or leave `mesh` out everywhere"
    ))]
    InNone {
        /// The cluster.
        cluster: String,
    },
    /// Two meshes on one network.
    #[error("clusters `{cluster}` and `{other}` are in different meshes, and both on network `{network}`")]
    #[diagnostic(help("give each mesh networks of its own, or leave `network` out"))]
    SharedNetwork {
        /// The later one.
        cluster: String,
        /// The earlier one.
        other: String,
        /// The network.
        network: String,
    },
    /// A name that would give a mesh the trust domain which stands for everyone's.
    #[error(
        "a mesh cannot be called `cluster`: by the trust domain cluster.local Istio's policies mean each mesh's own"
    )]
    #[diagnostic(help("give it another name"))]
    Reserved,
    /// Somebody who is to answer calls that do not know him.
    #[error("`order` has `{answering}` answer `{calling}`, which is in another mesh and does not know its services")]
    #[diagnostic(help("name clusters of one mesh; a `request` can call the other one by a ServiceEntry"))]
    OtherMesh {
        /// Who is to answer.
        answering: String,
        /// Who calls.
        calling: String,
    },
    /// A rotation over nobody.
    #[error("a rotation calls from cluster `{cluster}`, in whose mesh nothing runs helloworld")]
    #[diagnostic(help("name other clusters by `from`, or give `{cluster}` or another cluster of its mesh a version"))]
    NobodyAnswers {
        /// The cluster.
        cluster: String,
    },
}
