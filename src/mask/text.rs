//! What looks like a secret in a text.

use super::{MASKED, is_secret_name};

/// Longer than any word that only happens to have this form.
const SHORTEST_JWT: usize = 40;

/// Masks private keys, tokens that tell themselves, and what follows a name of a secret.
pub(super) fn mask(text: &str) -> String {
    after_names(&words(&private_keys(text)))
}

/// PEM from its first line to its last, also where a string has its lines behind each other. One without an end is masked as far as it goes.
fn private_keys(text: &str) -> String {
    const BEGIN: &str = "-----BEGIN ";
    const KEY: &str = "PRIVATE KEY-----";
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(BEGIN) {
        let (before, pem) = rest.split_at(at);
        out.push_str(before);
        let head = pem.find(KEY).filter(|head| !pem[BEGIN.len()..*head].contains("-----"));
        let Some(head) = head else {
            out.push_str(BEGIN);
            rest = &pem[BEGIN.len()..];
            continue;
        };
        out.push_str(MASKED);
        let body = &pem[head + KEY.len()..];
        rest = match body.find(KEY) {
            Some(end) => &body[end + KEY.len()..],
            None => "",
        };
    }
    out.push_str(rest);
    out
}

/// JSON Web Tokens, and tokens by which a node joins.
fn words(text: &str) -> String {
    let part_of_word = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find(part_of_word) {
        out.push_str(&rest[..start]);
        let word = &rest[start..];
        let end = word.find(|c| !part_of_word(c)).unwrap_or(word.len());
        let (word, after) = word.split_at(end);
        // A sentence may end behind it.
        let bare = word.trim_end_matches('.');
        if is_jwt(bare) || is_bootstrap_token(bare) {
            out.push_str(MASKED);
            out.push_str(&word[bare.len()..]);
        } else {
            out.push_str(word);
        }
        rest = after;
    }
    out.push_str(rest);
    out
}

/// Three parts in base64, of which the first is JSON.
fn is_jwt(word: &str) -> bool {
    word.len() >= SHORTEST_JWT && word.starts_with("eyJ") && word.split('.').count() == 3
}

/// `abcdef.0123456789uvwxyz`, by which kubeadm and Karmada let others in. Events are named so as well, as `istiod.18b9f3a2c4d5e6f7`, but with
/// digits of hexadecimal numbers only, which one token in half a million has by chance.
fn is_bootstrap_token(word: &str) -> bool {
    let small = |part: &str| part.bytes().all(|b| b.is_ascii_digit() || b.is_ascii_lowercase());
    let mixed = |part: &str| part.bytes().any(|b| b.is_ascii_digit()) && part.bytes().any(|b| b > b'f');
    word.len() == 23
        && word.split_once('.').is_some_and(|(id, secret)| id.len() == 6 && small(id) && small(secret) && mixed(secret))
}

/// Values behind a name and a colon or an equals sign, as `token: abc`, `--token=abc`, `"password":"abc"`, `Authorization: Bearer abc`.
fn after_names(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for line in text.split_inclusive('\n') {
        let mut rest = line;
        while let Some(at) = rest.find([':', '=']) {
            let (before, after) = rest.split_at(at + 1);
            out.push_str(before);
            rest = after;
            let name = before[..at].trim_end_matches(['"', '\\', '\'', ' ']);
            let start = name.rfind(|c: char| !(c.is_ascii_alphanumeric() || c == '_' || c == '-')).map_or(0, |i| i + 1);
            if !is_secret_name(&name[start..]) {
                continue;
            }
            let quotes = rest.find(|c: char| !matches!(c, ' ' | '"' | '\\' | '\'')).unwrap_or(rest.len());
            let value = &rest[quotes..];
            let scheme = ["Bearer ", "Basic "].into_iter().find(|s| value.starts_with(s)).map_or(0, str::len);
            let end = value[scheme..]
                .find(|c: char| c.is_whitespace() || matches!(c, '"' | '\\' | '\'' | ',' | '}' | '{' | '['));
            let end = scheme + end.unwrap_or(value.len() - scheme);
            out.push_str(&rest[..quotes]);
            if end > scheme {
                out.push_str(MASKED);
            }
            rest = &value[end..];
        }
        out.push_str(rest);
    }
    out
}
