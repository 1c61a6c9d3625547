//! The pod that calls.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::super::form::{ANY_TEXT, Fields, Record};
use super::{CheckProblem, Located, Problems, Scope, Span};

/// The namespace whose apps have no sidecar.
pub(super) const LEGACY: &str = "legacy";

/// The pod that calls: the newest with the label `app=APP`, in its container of that name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct CallerPod {
    /// Its namespace.
    pub namespace: String,
    /// Its label `app`.
    pub app: String,
}

impl CallerPod {
    /// The app that calls where nothing else is said.
    #[must_use]
    pub fn sleep() -> Self {
        Self { namespace: "sample".to_owned(), app: "sleep".to_owned() }
    }
}

impl std::fmt::Display for CallerPod {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.namespace, self.app)
    }
}

impl std::str::FromStr for CallerPod {
    type Err = &'static str;

    /// Reads `NAMESPACE/APP`; the error is what is wrong with it.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.split_once('/') {
            Some((namespace, app)) if !namespace.is_empty() && !app.is_empty() && !app.contains('/') => {
                Ok(Self { namespace: namespace.to_owned(), app: app.to_owned() })
            }
            _ => Err("is not a namespace and an app"),
        }
    }
}

/// The field `caller`.
#[derive(Default)]
pub(super) struct RawCaller {
    pub namespace: Option<Located<String>>,
    pub app: Option<Located<String>>,
}

impl Record for RawCaller {
    const ABOUT: &'static str =
        "The pod that calls: one with this label app, and with a container of that name that has curl";

    fn fields(f: &mut Fields<Self>) {
        let namespace = "Its namespace; the apps of legacy have no sidecar";
        f.field("namespace", ANY_TEXT, |r| &mut r.namespace, namespace).default("sample");
        f.field("app", ANY_TEXT, |r| &mut r.app, "Its label app").default("sleep");
    }
}

/// The rules.
pub(super) fn caller(
    raw: Option<Located<RawCaller>>,
    span: Span,
    scope: &Scope<'_>,
    problems: &mut Problems,
) -> CallerPod {
    let given = raw.as_ref().map(|c| c.span);
    let RawCaller { namespace, app } = raw.map(|c| c.value).unwrap_or_default();
    let or = |name: Option<Located<String>>, default: &str| name.map_or_else(|| default.to_owned(), |n| n.value);
    let caller = CallerPod { namespace: or(namespace, "sample"), app: or(app, "sleep") };
    let known = match (caller.namespace.as_str(), caller.app.as_str()) {
        ("sample", "sleep") if scope.sleep => true,
        (LEGACY, "sleep") => true,
        (namespace, app) => (scope.mesh.existing && given.is_some()) || scope.brought.can_call(namespace, app),
    };
    match given {
        _ if known => {}
        None => {
            problems.add(span, CheckProblem::NoCaller { check: "request" });
        }
        Some(place) => {
            let CallerPod { namespace, app } = caller.clone();
            problems.add(place, CheckProblem::UnknownCaller { namespace, app });
        }
    }
    caller
}
