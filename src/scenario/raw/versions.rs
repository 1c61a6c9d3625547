//! `versions`, of the lab and of a cluster.

use super::super::form::{Fields, Record, Text};
use super::super::tree::Located;
use super::super::versions::{Minor, Versions};

/// A minor version, quoted or not.
const MINOR: Text = Text("^[0-9]+\\.[0-9]+$");

/// As the file has it.
#[derive(Default)]
pub(in crate::scenario) struct RawVersions {
    pub kubernetes: Option<Located<String>>,
    pub istio: Option<Located<String>>,
}

impl Record for RawVersions {
    const ABOUT: &'static str = "Minor versions of Kubernetes and Istio, as `lab images list` shows them";

    fn fields(f: &mut Fields<Self>) {
        let of_kubernetes = "Kubernetes; by default the newest that there is";
        let of_istio =
            "Istio; by default the newest that the source of images has. A mesh may hold two that follow each other";
        f.field("kubernetes", MINOR, |r| &mut r.kubernetes, of_kubernetes).example("\"1.35\"");
        f.field("istio", MINOR, |r| &mut r.istio, of_istio).example("\"1.31\"");
    }
}

/// The way back; nothing where nothing is asked for.
pub(super) fn of(versions: Versions) -> Option<Located<RawVersions>> {
    let written = |minor: Option<Minor>| minor.map(|minor| minor.to_string().into());
    let is_said = !versions.is_default();
    is_said.then(|| RawVersions { kubernetes: written(versions.kubernetes), istio: written(versions.istio) }.into())
}
