//! PEM text as blocks that know their lines, and private keys in the one form that everything reads, PKCS#8.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// A block of PEM.
pub(super) struct Block {
    /// What it says that it is, as `CERTIFICATE`.
    pub label: String,
    /// Where it begins, from 1.
    pub line: usize,
    /// What is in it.
    pub der: Vec<u8>,
    /// Whether a passphrase is needed to read it.
    pub encrypted: bool,
}

/// The blocks of a text; anything around them is passed over, as by openssl. Otherwise the line of the mistake, and what is wrong with it.
pub(super) fn blocks(text: &str) -> Result<Vec<Block>, (usize, String)> {
    let mut found = Vec::new();
    let mut open: Option<(Block, String)> = None;
    for (line, content) in (1..).zip(text.lines().map(str::trim)) {
        let marked = |mark: &str| content.strip_prefix(mark)?.strip_suffix("-----").map(str::to_owned);
        match (&mut open, marked("-----BEGIN "), marked("-----END ")) {
            (None, Some(label), _) => {
                let encrypted = label.starts_with("ENCRYPTED");
                open = Some((Block { label, line, der: Vec::new(), encrypted }, String::new()));
            }
            (Some((block, _)), Some(_), _) => {
                return Err((block.line, format!("the block {} does not end", block.label)));
            }
            (Some((block, _)), None, Some(label)) if block.label != label => {
                return Err((line, format!("the block {} ends as {label}", block.label)));
            }
            (Some(_), None, Some(_)) => {
                let Some((mut block, body)) = open.take() else { continue };
                if !block.encrypted {
                    let decoded = STANDARD.decode(body);
                    block.der =
                        decoded.map_err(|e| (block.line, format!("the block {} is not base64: {e}", block.label)))?;
                }
                found.push(block);
            }
            (Some((block, _)), None, None) if content.contains(':') => block.encrypted |= content.contains("ENCRYPTED"),
            (Some((_, body)), None, None) => body.push_str(content),
            (None, None, _) => {}
        }
    }
    match open {
        Some((block, _)) => Err((block.line, format!("the block {} does not end", block.label))),
        None => Ok(found),
    }
}

/// A block as text.
#[must_use]
pub fn encode(label: &str, der: &[u8]) -> String {
    let body = STANDARD.encode(der);
    let mut text = format!("-----BEGIN {label}-----\n");
    for (i, c) in body.chars().enumerate() {
        if i > 0 && i % 64 == 0 {
            text.push('\n');
        }
        text.push(c);
    }
    format!("{text}\n-----END {label}-----\n")
}

/// What is in the first block of a text, if it is PEM.
#[must_use]
pub fn decode(text: &str) -> Option<Vec<u8>> {
    blocks(text).ok()?.into_iter().next().map(|block| block.der)
}

/// Algorithm identifier of RSA.
const RSA: &[u8] = &[0x30, 13, 6, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 1, 5, 0];
/// Algorithm identifier of elliptic curves, without its curve.
const EC: &[u8] = &[6, 7, 0x2a, 0x86, 0x48, 0xce, 0x3d, 2, 1];
/// The curves that lab can sign with.
const CURVES: [&[u8]; 2] = [&[6, 8, 0x2a, 0x86, 0x48, 0xce, 0x3d, 3, 1, 7], &[6, 5, 0x2b, 0x81, 4, 0, 0x22]];

/// A private key of any of the usual forms as PKCS#8; none if the block is none of them.
pub(super) fn pkcs8(block: &Block) -> Option<Vec<u8>> {
    let algorithm = match block.label.as_str() {
        "PRIVATE KEY" => return Some(block.der.clone()),
        "RSA PRIVATE KEY" => RSA.to_vec(),
        "EC PRIVATE KEY" => {
            let curve = CURVES.iter().find(|curve| block.der.windows(curve.len()).any(|part| part == **curve))?;
            tlv(0x30, &[EC, curve].concat())
        }
        _ => return None,
    };
    Some(tlv(0x30, &[&[2, 1, 0], algorithm.as_slice(), &tlv(4, &block.der)].concat()))
}

/// A value of DER with its tag and length.
pub(super) fn tlv(tag: u8, content: &[u8]) -> Vec<u8> {
    let length = content.len().to_be_bytes();
    let length = &length[length.iter().position(|b| *b != 0).unwrap_or(length.len() - 1)..];
    let mut out = vec![tag];
    match length {
        [short] if *short < 0x80 => out.push(*short),
        // A length of usize has eight bytes at most.
        long => {
            out.push(0x80 | u8::try_from(long.len()).unwrap_or_default());
            out.extend(long);
        }
    }
    out.extend(content);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mistakes_are_told_with_their_line() {
        let wrong = |text: &str| blocks(text).err().map(|(line, what)| format!("{line}: {what}"));
        assert_eq!(wrong("x\n-----BEGIN A-----\nAA=="), Some("2: the block A does not end".to_owned()));
        assert_eq!(wrong("-----BEGIN A-----\nAA==\n-----END B-----"), Some("3: the block A ends as B".to_owned()));
        assert!(wrong("-----BEGIN A-----\n!\n-----END A-----").is_some_and(|w| w.starts_with("1: the block A is not")));
    }

    #[test]
    fn what_is_written_is_read_back_and_what_is_around_is_passed_over() {
        let der: Vec<u8> = (0..200).collect();
        let text = format!("subject=CN\n{}\ntail", encode("CERTIFICATE", &der));
        assert!(text.lines().all(|l| l.len() <= 64));
        let found = blocks(&text).expect("blocks");
        assert_eq!((found.len(), found[0].line, &found[0].der), (1, 2, &der));
    }

    #[test]
    fn a_key_that_needs_a_passphrase_is_known() {
        let old = "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-256-CBC,00\n\nAA==\n-----END RSA PRIVATE KEY-----";
        let new = "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAA==\n-----END ENCRYPTED PRIVATE KEY-----";
        assert!([old, new].iter().all(|text| blocks(text).is_ok_and(|b| b[0].encrypted)));
    }
}
