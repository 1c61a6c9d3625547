//! What is broken for a while.

use crate::Error;
use crate::program::{at_end, run};

/// Something that is broken. It is mended when the value is dropped, with whatever else is broken in the lab.
#[derive(Debug)]
#[must_use = "what is broken is mended as soon as this is dropped"]
pub struct Fault {
    lab: Option<String>,
}

impl Fault {
    pub(crate) fn new(lab: &str) -> Self {
        Self { lab: Some(lab.to_owned()) }
    }

    /// Mends it now, and waits until it is.
    ///
    /// # Errors
    /// It could not be mended.
    pub async fn heal(mut self) -> Result<(), Error> {
        match self.lab.take() {
            Some(lab) => run(&["heal".as_ref(), lab.as_ref()]).await,
            None => Ok(()),
        }
    }
}

impl Drop for Fault {
    fn drop(&mut self) {
        if let Some(lab) = self.lab.take() {
            at_end(&["heal", &lab]);
        }
    }
}
