//! What lab itself remembers of a lab. Keys are never read into the archive, only to know them.

use super::Found;
use crate::context::{LabContext, StepError};

/// Directory of the certificate authority, and of what else only the lab may know.
const CA: &str = "ca/";
/// All in there that is for everybody to see.
const CERTIFICATE: &str = "-----BEGIN CERTIFICATE-----";

pub(super) fn read(ctx: &LabContext) -> Result<Found, StepError> {
    let mut found = Found::default();
    for name in ctx.state.files()? {
        // A file that is no text, or gone meanwhile, tells nothing.
        let text = match ctx.state.read(&name) {
            Ok(Some(text)) => text,
            Ok(None) => continue,
            Err(error) => {
                found.missing(&name, error);
                continue;
            }
        };
        if name.starts_with(CA) && !text.starts_with(CERTIFICATE) {
            found.secrets.learn(text.as_bytes());
            continue;
        }
        found.secrets.learn_kubeconfig(&text);
        if let Ok(value) = serde_json::from_str(&text) {
            found.secrets.learn_secrets(&value);
        }
        found.json_text(format!("state/{name}"), text);
    }
    Ok(found)
}
