//! The verdict about a lab.

use std::fmt;

use serde::Deserialize;
use serde_json::Value;

use crate::Error;

/// What all checks of a lab came to.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(from = "Value")]
pub struct Verdict {
    value: Value,
    findings: Vec<Finding>,
}

/// A cause that was found.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[non_exhaustive]
pub struct Finding {
    /// What is wrong, in one sentence.
    pub cause: String,
    /// What was asked, and what was found.
    pub evidence: String,
    /// What mends it.
    pub remedy: String,
}

impl From<Value> for Verdict {
    fn from(value: Value) -> Self {
        let findings = value.get("findings").cloned().and_then(|all| serde_json::from_value(all).ok());
        Self { findings: findings.unwrap_or_default(), value }
    }
}

impl Verdict {
    /// Nothing where every check passed; otherwise an error with what is red, and with the causes.
    ///
    /// # Errors
    /// A check is red.
    pub fn passed(&self) -> Result<(), Error> {
        if self.value["passed"] == true { Ok(()) } else { Err(Error::Red(self.to_string())) }
    }

    /// The causes that were found.
    #[must_use]
    pub fn findings(&self) -> &[Finding] {
        &self.findings
    }

    /// All of it, as `lab schema --output verify` has it.
    #[must_use]
    pub fn value(&self) -> &Value {
        &self.value
    }

    pub(crate) fn lab(&self) -> &str {
        self.value["lab"].as_str().unwrap_or_default()
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = if self.value["passed"] == true { "passed" } else { "FAILED" };
        write!(f, "lab {}: {word}", self.lab())?;
        let sources = self.value["sources"].as_array().into_iter().flatten();
        for source in sources.filter(|source| source["passed"] != true) {
            let text = |field: &str| source[field].as_str().unwrap_or_default();
            write!(f, "\n  {} from {}: {} of ", text("check"), text("cluster"), source["failures"])?;
            write!(f, "{} requests failed; missing {}", source["requests"], source["missing"])?;
        }
        for Finding { cause, evidence, remedy } in &self.findings {
            write!(f, "\n  cause: {cause}\n    evidence: {evidence}\n    remedy: {remedy}")?;
        }
        Ok(())
    }
}
