//! What names the stack of this binary.

use super::ImagesError;
use super::digest::Inputs;
use super::stack::Stack;
use super::tree::EMBEDDED;

/// The stack that this binary carries, by what a cache of images or a bug report needs to know.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, schemars::JsonSchema)]
pub struct Identity {
    /// Digest of all that is under `stack/`: an archive of images made by a lab with another one is of no use.
    pub digest: String,
    /// The version of Kubernetes in the package source, as `v1.36.3`.
    pub kubernetes: String,
    /// The version of Istio in the package source.
    pub istio: String,
    /// The version of kind.
    pub kind: String,
}

/// Names the stack.
///
/// # Errors
/// The stack is not valid: a mistake in lab, or a binary that is damaged.
pub fn identity() -> Result<Identity, ImagesError> {
    let stack = Stack::embedded()?;
    Ok(Identity {
        digest: Inputs::of("stack").and(EMBEDDED).digest().as_str().to_owned(),
        kubernetes: stack.kubernetes,
        istio: stack.tools.istioctl.version,
        kind: stack.tools.kind.version,
    })
}
