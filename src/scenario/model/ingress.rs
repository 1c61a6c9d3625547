//! Which clusters have an ingress gateway.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Which clusters of the mesh have an ingress gateway. It is stored as a scenario says it: `true`, `false`, or a list of names.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(into = "Value", try_from = "Value")]
pub enum IngressGateways {
    /// None of them.
    #[default]
    None,
    /// All of them, and those that come later.
    All,
    /// Those of these names.
    Of(Vec<String>),
}

impl IngressGateways {
    /// Whether a cluster of the mesh has one.
    #[must_use]
    pub fn has(&self, cluster: &str) -> bool {
        match self {
            Self::None => false,
            Self::All => true,
            Self::Of(clusters) => clusters.iter().any(|c| c == cluster),
        }
    }
}

impl From<IngressGateways> for Value {
    fn from(gateways: IngressGateways) -> Self {
        match gateways {
            IngressGateways::None => false.into(),
            IngressGateways::All => true.into(),
            IngressGateways::Of(clusters) => clusters.into(),
        }
    }
}

impl TryFrom<Value> for IngressGateways {
    type Error = serde_json::Error;

    fn try_from(value: Value) -> Result<Self, Self::Error> {
        match value {
            Value::Bool(false) => Ok(Self::None),
            Value::Bool(true) => Ok(Self::All),
            value => serde_json::from_value(value).map(Self::Of),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stored_lab_says_it_as_a_scenario_does() {
        let of = IngressGateways::Of(vec!["c2".to_owned()]);
        for (text, gateways, has) in [
            ("false", IngressGateways::None, [false, false]),
            ("true", IngressGateways::All, [true, true]),
            ("[\"c2\"]", of, [false, true]),
        ] {
            assert_eq!(serde_json::to_string(&gateways).expect("JSON"), text);
            assert_eq!(serde_json::from_str::<IngressGateways>(text).expect("gateways"), gateways);
            assert_eq!(["c1", "c2"].map(|cluster| gateways.has(cluster)), has);
        }
        assert!(serde_json::from_str::<IngressGateways>("\"c2\"").is_err());
    }
}
