//! Takes secrets out of what is shown to others. Pure.
//!
//! Two ways, one for what the other misses: secrets that are known are taken out wherever they stand, as they are or in base64; and what looks like
//! a secret is taken out although nobody knows it.

mod text;

use std::collections::BTreeSet;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use serde_json::Value;

/// What stands where a secret stood.
pub const MASKED: &str = "[masked]";

/// Shorter values are no secrets worth the name, and would be found where they are none.
const SHORTEST: usize = 8;

/// The shortest part of a key, as a line of it, that is looked for by itself.
const SHORTEST_LINE: usize = 32;

/// Names under which secrets are kept, in small letters, without what separates words.
const NAMES: [&str; 19] = [
    "token",
    "idtoken",
    "accesstoken",
    "refreshtoken",
    "bearertoken",
    "authtoken",
    "password",
    "passwd",
    "passphrase",
    "privatekey",
    "secretkey",
    "apikey",
    "accesskey",
    "clientsecret",
    "clientkeydata",
    "clientcertificatedata",
    "authorization",
    "dockerconfigjson",
    "sessionticketkeys",
];

/// Ends of names that say the same.
const NAME_ENDS: [&str; 6] = ["password", "privatekey", "secretkey", "apikey", "clientsecret", "authtoken"];

/// Knows secrets, and takes them out.
#[derive(Clone, Debug, Default)]
pub struct Masker {
    /// Longest first, so that a part does not spoil the whole.
    needles: Vec<String>,
}

impl Masker {
    /// Knows one more secret.
    pub fn learn(&mut self, secret: &[u8]) {
        let secret = secret.trim_ascii();
        let text = std::str::from_utf8(secret).ok();
        if secret.len() < SHORTEST || text.is_some_and(is_public) {
            return;
        }
        let mut needles: BTreeSet<String> = BTreeSet::from([STANDARD_NO_PAD.encode(secret)]);
        needles.extend(inside_base64(secret));
        if let Some(text) = text {
            needles.insert(text.to_owned());
            // As one string with escapes, as JSON has it, no line of a key is whole otherwise.
            let lines = text.lines().map(str::trim).filter(|l| l.len() >= SHORTEST_LINE && !l.starts_with("-----"));
            needles.extend(lines.map(str::to_owned));
            if let Ok(inner) = STANDARD.decode(text)
                && inner.len() >= SHORTEST
                && let Ok(inner) = std::str::from_utf8(&inner)
                && !is_public(inner)
            {
                needles.insert(inner.trim().to_owned());
                let lines =
                    inner.lines().map(str::trim).filter(|l| l.len() >= SHORTEST_LINE && !l.starts_with("-----"));
                needles.extend(lines.map(str::to_owned));
            }
        }
        self.needles.extend(needles);
        self.sort();
    }

    /// Knows what another knows.
    pub fn learn_all(&mut self, other: Self) {
        self.needles.extend(other.needles);
        self.sort();
    }

    fn sort(&mut self) {
        self.needles.sort_by(|a, b| b.len().cmp(&a.len()).then_with(|| a.cmp(b)));
        self.needles.dedup();
    }

    /// Knows what a Secret holds, and that of every Secret in an object. The name of a namespace and certificates are no secrets.
    pub fn learn_secrets(&mut self, value: &Value) {
        if value["kind"] == "Secret" {
            for (key, data) in value["data"].as_object().into_iter().flatten() {
                let Some(data) = data.as_str().filter(|_| key != "namespace") else { continue };
                if let Ok(bytes) = STANDARD.decode(data) {
                    self.learn(&bytes);
                    self.learn_kubeconfig(&String::from_utf8_lossy(&bytes));
                }
            }
            for data in value["stringData"].as_object().into_iter().flatten().filter_map(|(_, data)| data.as_str()) {
                self.learn(data.as_bytes());
                self.learn_kubeconfig(data);
            }
        }
        match value {
            Value::Array(items) => items.iter().for_each(|item| self.learn_secrets(item)),
            Value::Object(fields) => fields.values().for_each(|field| self.learn_secrets(field)),
            _ => {}
        }
    }

    /// Knows the credentials of a kubeconfig; of anything else nothing.
    pub fn learn_kubeconfig(&mut self, text: &str) {
        if !text.contains("users") {
            return;
        }
        let Ok(config) = serde_yaml::from_str::<Value>(text) else { return };
        for user in config["users"].as_array().into_iter().flatten() {
            for field in user["user"].as_object().into_iter().flatten().filter_map(|(_, field)| field.as_str()) {
                self.learn(field.as_bytes());
            }
        }
    }

    /// A text without secrets.
    #[must_use]
    pub fn text(&self, text: &str) -> String {
        let mut out = text.to_owned();
        for needle in &self.needles {
            if out.contains(needle.as_str()) {
                out = out.replace(needle.as_str(), MASKED);
            }
        }
        text::mask(&out)
    }

    /// A value without secrets. Of Secrets only the keys stay.
    #[must_use]
    pub fn json(&self, value: &Value) -> Value {
        match value {
            Value::String(text) => Value::String(self.text(text)),
            Value::Array(items) => Value::Array(items.iter().map(|item| self.json(item)).collect()),
            Value::Object(fields) => {
                let is_secret = fields.get("kind").is_some_and(|kind| kind == "Secret");
                // As a container's environment has it: the name beside the value.
                let named = fields.get("name").and_then(Value::as_str).is_some_and(is_secret_name);
                let field = |(name, field): (&String, &Value)| {
                    let hidden = is_secret_name(name)
                        || (is_secret && matches!(name.as_str(), "data" | "stringData"))
                        || (named && name == "value")
                        // What was applied is told again there, Secrets included.
                        || name.ends_with("last-applied-configuration");
                    (self.text(name), if hidden { hide(field) } else { self.json(field) })
                };
                Value::Object(fields.iter().map(field).collect())
            }
            other => other.clone(),
        }
    }
}

/// The same value with every text in it masked.
fn hide(value: &Value) -> Value {
    match value {
        Value::String(_) => Value::String(MASKED.to_owned()),
        Value::Array(items) => Value::Array(items.iter().map(hide).collect()),
        Value::Object(fields) => {
            Value::Object(fields.iter().map(|(name, field)| (name.clone(), hide(field))).collect())
        }
        other => other.clone(),
    }
}

/// Whether a value under this name is a secret.
fn is_secret_name(name: &str) -> bool {
    let bare: String = name.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_lowercase()).collect();
    // The environment's names say whose they are first: GITHUB_TOKEN.
    let of_the_environment = name.contains('_') && name.to_ascii_uppercase() == name && bare.ends_with("token");
    of_the_environment || NAMES.contains(&bare.as_str()) || NAME_ENDS.iter().any(|end| bare.ends_with(end))
}

/// Certificates are for everybody to see.
fn is_public(text: &str) -> bool {
    let text = text.trim();
    text.starts_with("-----BEGIN CERTIFICATE-----") && !text.contains("PRIVATE KEY")
}

/// How a secret looks in the middle of a longer text that is in base64 as a whole: three ways, by where it begins.
fn inside_base64(secret: &[u8]) -> Vec<String> {
    let shifted = |shift: usize| {
        let text = STANDARD_NO_PAD.encode([&[0_u8; 2][..shift], secret].concat());
        // The first and the last character hold bits of what is beside.
        let first = (shift * 8).div_ceil(6);
        let whole = (shift + secret.len()) * 8 / 6;
        text.get(first..whole).map(str::to_owned)
    };
    (0..3).filter_map(shifted).filter(|text| text.len() >= SHORTEST).collect()
}

#[cfg(test)]
mod tests;
