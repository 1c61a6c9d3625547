//! Where this user's files are, by the XDG base directory specification (<https://specifications.freedesktop.org/basedir-spec/latest/>).

use std::path::PathBuf;

use etcetera::BaseStrategy as _;
use etcetera::base_strategy::Xdg;

/// Where kubectl looks for clusters when nothing else is said.
#[must_use]
pub fn kubeconfig() -> Option<PathBuf> {
    dir(|base| base.home_dir().join(".kube/config")).ok()
}

/// A directory of this user's. Variables `XDG_*` with a relative path are ignored, as the specification has it; of a relative `HOME` it says nothing, and what
/// is kept there would be lost with the next working directory.
pub(super) fn dir(of: impl FnOnce(&Xdg) -> PathBuf) -> Result<PathBuf, &'static str> {
    let base = Xdg::new().map_err(|_| "there is no home directory")?;
    Some(of(&base)).filter(|dir| dir.is_absolute()).ok_or("HOME is not an absolute path")
}
