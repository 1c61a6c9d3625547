//! What of an X.509 certificate matters to a chain of trust, read from its DER.

use rustls::crypto::ring;
use rustls::pki_types::SignatureVerificationAlgorithm;
use time::{Date, Month, OffsetDateTime, Time};

use super::pem::tlv;

/// A certificate, as parts of its DER.
#[derive(Debug)]
pub struct Certificate<'d> {
    /// All that is signed.
    signed: &'d [u8],
    /// The fields of it, in order and whole.
    fields: Vec<&'d [u8]>,
    /// Where the issuer is among the fields: after the version, if there is one.
    issuer: usize,
    algorithm: &'d [u8],
    signature: &'d [u8],
    key_algorithm: &'d [u8],
    /// The public key, as in `subjectPublicKey`.
    pub public_key: &'d [u8],
    /// From when it is valid.
    pub not_before: OffsetDateTime,
    /// Until when it is valid.
    pub not_after: OffsetDateTime,
    /// How many authorities it allows below it, `u64::MAX` where it sets no bound; none if it is no authority.
    pub authority: Option<u64>,
    /// Whether its key may sign certificates.
    pub signs_certificates: bool,
}

const SEQUENCE: u8 = 0x30;
const BOOLEAN: u8 = 1;
const INTEGER: u8 = 2;
const BIT_STRING: u8 = 3;
const OCTET_STRING: u8 = 4;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;
const VERSION: u8 = 0xa0;
const EXTENSIONS: u8 = 0xa3;
/// 2.5.29.19
const BASIC_CONSTRAINTS: &[u8] = &[0x55, 0x1d, 19];
/// 2.5.29.15
const KEY_USAGE: &[u8] = &[0x55, 0x1d, 15];
/// 2.5.4.3
const COMMON_NAME: &[u8] = &[6, 3, 0x55, 4, 3];
/// Of the first byte of a key usage.
const KEY_CERT_SIGN: u8 = 0b100;

/// A value of DER: its tag, what is in it, and all of it.
struct Value<'d> {
    tag: u8,
    content: &'d [u8],
    whole: &'d [u8],
}

/// Takes the first value off.
fn next<'d>(rest: &mut &'d [u8]) -> Option<Value<'d>> {
    let (tag, short) = (*rest.first()?, *rest.get(1)?);
    let (head, length) = if short < 0x80 {
        (2, usize::from(short))
    } else {
        let bytes = rest.get(2..2 + usize::from(short & 0x7f)).filter(|b| (1..=4).contains(&b.len()))?;
        (2 + bytes.len(), bytes.iter().fold(0, |n, b| n << 8 | usize::from(*b)))
    };
    let whole = rest.get(..head.checked_add(length)?)?;
    *rest = &rest[whole.len()..];
    Some(Value { tag, content: &whole[head..], whole })
}

/// Takes the first value off, which must have this tag.
fn take<'d>(rest: &mut &'d [u8], tag: u8) -> Option<Value<'d>> {
    next(rest).filter(|v| v.tag == tag)
}

fn bits(value: &Value<'_>) -> Option<usize> {
    // The first byte counts the bits that are left over, of which whole bytes have none.
    (value.content.first() == Some(&0)).then_some(1)
}

impl<'d> Certificate<'d> {
    /// Reads a certificate; none if it is no certificate of X.509.
    #[must_use]
    pub fn read(mut der: &'d [u8]) -> Option<Self> {
        let mut parts = take(&mut der, SEQUENCE)?.content;
        let signed = take(&mut parts, SEQUENCE)?;
        let algorithm = take(&mut parts, SEQUENCE)?.content;
        let signature = take(&mut parts, BIT_STRING)?;
        let mut rest = signed.content;
        let mut values = Vec::new();
        while !rest.is_empty() {
            values.push(next(&mut rest)?);
        }
        let version = usize::from(values.first()?.tag == VERSION);
        let at = |offset: usize| values.get(version + offset);
        let mut validity = at(3)?.content;
        let (not_before, not_after) = (moment(&next(&mut validity)?)?, moment(&next(&mut validity)?)?);
        let mut key = at(5)?.content;
        let key_algorithm = take(&mut key, SEQUENCE)?.content;
        let public_key = take(&mut key, BIT_STRING)?;
        let extensions = values.iter().find(|v| v.tag == EXTENSIONS).map(|v| v.content);
        let find = |id| extensions.and_then(|all| extension(all, id));
        Some(Self {
            signed: signed.whole,
            issuer: version + 2,
            algorithm,
            signature: &signature.content[bits(&signature)?..],
            key_algorithm,
            public_key: &public_key.content[bits(&public_key)?..],
            not_before,
            not_after,
            authority: find(BASIC_CONSTRAINTS).and_then(authority),
            signs_certificates: find(KEY_USAGE).is_none_or(may_sign),
            fields: values.iter().map(|v| v.whole).collect(),
        })
    }

    /// Who has signed it, as DER.
    #[must_use]
    pub fn issuer(&self) -> &'d [u8] {
        self.fields.get(self.issuer).copied().unwrap_or_default()
    }

    /// Whose it is, as DER.
    #[must_use]
    pub fn subject(&self) -> &'d [u8] {
        self.fields.get(self.issuer + 2).copied().unwrap_or_default()
    }

    /// Whether a signature of this kind, by a key of this kind, can be verified at all: not one by SHA-1, or by a key on P-521.
    #[must_use]
    pub fn is_known(&self, signer: &Certificate<'_>) -> bool {
        self.verifiers(signer).next().is_some()
    }

    fn verifiers(&self, signer: &Certificate<'_>) -> impl Iterator<Item = &'static dyn SignatureVerificationAlgorithm> {
        let known = ring::default_provider().signature_verification_algorithms.all;
        let (key, signature) = (signer.key_algorithm, self.algorithm);
        let fits = move |a: &&dyn SignatureVerificationAlgorithm| {
            a.public_key_alg_id().as_ref() == key && a.signature_alg_id().as_ref() == signature
        };
        known.iter().copied().filter(fits)
    }

    /// Whether the key of another has signed it. A signature by SHA-1 is none.
    #[must_use]
    pub fn is_signed_by(&self, signer: &Certificate<'_>) -> bool {
        let verifies = |a: &dyn SignatureVerificationAlgorithm| {
            a.verify_signature(signer.public_key, self.signed, self.signature).is_ok()
        };
        self.issuer() == signer.subject() && self.verifiers(signer).any(verifies)
    }

    /// The same certificate as if `issuer`, a name as DER, had issued it. `sign` makes the signature, by the key by which this one is signed.
    ///
    /// # Errors
    /// What `sign` says.
    pub fn issued_as<E>(&self, issuer: &[u8], sign: impl FnOnce(&[u8]) -> Result<Vec<u8>, E>) -> Result<Vec<u8>, E> {
        let mut fields = self.fields.clone();
        if let Some(field) = fields.get_mut(self.issuer) {
            *field = issuer;
        }
        let signed = tlv(SEQUENCE, &fields.concat());
        let mut signature = vec![0];
        signature.extend(sign(&signed)?);
        Ok(tlv(SEQUENCE, &[signed, tlv(SEQUENCE, self.algorithm), tlv(BIT_STRING, &signature)].concat()))
    }
}

/// A name's common name, or that it has none.
#[must_use]
pub fn common_name(name: &[u8]) -> String {
    let at = name.windows(COMMON_NAME.len()).rposition(|part| part == COMMON_NAME);
    let value = at.and_then(|at| next(&mut &name[at + COMMON_NAME.len()..]));
    value.map_or_else(|| "a name without CN".to_owned(), |v| format!("`{}`", String::from_utf8_lossy(v.content)))
}

/// What an extension holds.
fn extension<'d>(mut wrapped: &'d [u8], id: &[u8]) -> Option<&'d [u8]> {
    let mut all = take(&mut wrapped, SEQUENCE)?.content;
    while !all.is_empty() {
        let mut one = take(&mut all, SEQUENCE)?.content;
        let is_it = next(&mut one)?.content == id;
        let value = std::iter::from_fn(|| next(&mut one)).find(|v| v.tag == OCTET_STRING)?;
        if is_it {
            return Some(value.content);
        }
    }
    None
}

/// What basic constraints say: none if it is no authority.
fn authority(mut value: &[u8]) -> Option<u64> {
    let mut fields = take(&mut value, SEQUENCE)?.content;
    let is_authority = take(&mut fields, BOOLEAN)?.content != [0];
    let most = take(&mut fields, INTEGER).map(|v| v.content.iter().fold(0, |n: u64, b| n << 8 | u64::from(*b)));
    is_authority.then(|| most.unwrap_or(u64::MAX))
}

fn may_sign(mut value: &[u8]) -> bool {
    take(&mut value, BIT_STRING).is_some_and(|v| v.content.get(1).is_some_and(|bits| bits & KEY_CERT_SIGN != 0))
}

/// A time of DER, which is UTC to the second.
fn moment(value: &Value<'_>) -> Option<OffsetDateTime> {
    let text = std::str::from_utf8(value.content).ok()?.strip_suffix('Z')?;
    let (year, rest) = match value.tag {
        UTC_TIME => {
            let year: i32 = text.get(..2)?.parse().ok()?;
            (if year < 50 { 2000 + year } else { 1900 + year }, text.get(2..)?)
        }
        GENERALIZED_TIME => (text.get(..4)?.parse().ok()?, text.get(4..)?),
        _ => return None,
    };
    let number = |at: usize| rest.get(at..at + 2)?.parse::<u8>().ok();
    let date = Date::from_calendar_date(year, Month::try_from(number(0)?).ok()?, number(2)?).ok()?;
    let time = Time::from_hms(number(4)?, number(6)?, number(8)?).ok()?;
    Some(OffsetDateTime::new_utc(date, time))
}
