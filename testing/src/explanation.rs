//! One call, hop by hop.

use std::fmt;

use serde::Deserialize;

use crate::{Error, Finding};

/// What a call goes through, and where it ends.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[non_exhaustive]
pub struct Explanation {
    /// The calling cluster.
    pub from: String,
    /// The cluster that must answer.
    pub to: String,
    /// What is called.
    pub service: String,
    hops: Vec<Hop>,
}

#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
struct Hop {
    name: String,
    found: String,
    finding: Option<Finding>,
}

impl Explanation {
    /// What is broken, if anything is.
    #[must_use]
    pub fn finding(&self) -> Option<&Finding> {
        self.hops.iter().find_map(|hop| hop.finding.as_ref())
    }

    /// Nothing where the call reaches its cluster; otherwise an error with the whole way.
    ///
    /// # Errors
    /// Something on the way is broken.
    pub fn well(&self) -> Result<(), Error> {
        if self.finding().is_none() { Ok(()) } else { Err(Error::Red(self.to_string())) }
    }
}

impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} from {} to {}", self.service, self.from, self.to)?;
        for Hop { name, found, finding } in &self.hops {
            match finding {
                None => write!(f, "\n  ok      {name}: {found}")?,
                Some(Finding { cause, evidence, remedy }) => {
                    write!(f, "\n  BROKEN  {name}: {cause}\n    evidence: {evidence}\n    remedy: {remedy}")?;
                }
            }
        }
        Ok(())
    }
}
