//! Rules for a certificate authority of the user's own: all that Istio, Envoy or lab would choke on later is refused here.

use std::collections::BTreeMap;

use rcgen::{KeyPair, PKCS_ED25519};
use sha2::{Digest, Sha256};
use time::OffsetDateTime;

use super::{Draft, Located, Problems, Span, known_cluster};
use crate::scenario::certificate::{Certificate as Parsed, common_name};
use crate::scenario::model::{Authority, OwnIntermediate, Pem, PemFile};
use crate::scenario::pem::{self, Block};
use crate::scenario::problem::AuthorityProblem;
use crate::scenario::raw::{RawAuthority, RawIntermediate, RawPem};

/// Label of a certificate in PEM.
const CERTIFICATE: &str = "CERTIFICATE";

/// What is wrong with a file: where in it, what, and what to do.
type Unfit = (Option<usize>, String, String);

/// A certificate of a file.
struct Certificate {
    der: Vec<u8>,
    /// Where it begins in its file.
    line: usize,
    /// Which file that is.
    file: String,
}

impl Certificate {
    fn pem(&self) -> String {
        pem::encode(CERTIFICATE, &self.der)
    }

    fn fingerprint(&self) -> String {
        format!("{:x}", Sha256::digest(&self.der))
    }

    /// Where it is, as `FILE:LINE`.
    fn place(&self) -> String {
        format!("{}:{}", self.file, self.line)
    }
}

/// The authority of a scenario, if nothing is wrong with it. `now` is when certificates must be valid; without it nobody asks.
pub(super) fn read(
    raw: &Located<RawAuthority>,
    drafts: &[Draft],
    now: Option<OffsetDateTime>,
    problems: &mut Problems,
) -> Option<Authority> {
    let before = problems.count();
    needed(&raw.value, raw.span, drafts, problems);
    let raw = &raw.value;
    let root = raw.root_cert().and_then(|file| keep(file, root(file, now), problems));
    let root_key = raw.root_key().and_then(|file| {
        let key = keep(file, private_key(file), problems)?;
        let fits = root.as_ref().is_none_or(|root| belongs(&key, root));
        let told = if fits { Ok(()) } else { Err(mismatch(raw.root_cert())) };
        keep(file, told, problems)?;
        Some(key)
    });
    let is_issuing =
        drafts.iter().any(|d| signs(d) && !raw.intermediates().iter().any(|(c, _)| c.value == d.name.value));
    if let (Some(root), Some(file)) = (&root, raw.root_cert())
        && is_issuing
        && raw.root_key().is_some()
    {
        keep(file, room_below(root, 1), problems);
    }
    let mut intermediates = BTreeMap::new();
    for (cluster, raw) in raw.intermediates() {
        let own = root.as_ref().and_then(|root| intermediate(&raw.value, root, now, problems));
        intermediates.extend(own.map(|own| (cluster.value.clone(), own)));
    }
    if problems.count() > before {
        return None;
    }
    let root = root?;
    Some(Authority {
        root_cert: file_of(raw.root_cert()?, Some(root.fingerprint()), root.pem()),
        root_key: root_key.zip(raw.root_key()).map(|(key, file)| file_of(file, None, key)),
        intermediates,
    })
}

/// Whether a cluster's istiod signs workloads.
fn signs(draft: &Draft) -> bool {
    !draft.manages && draft.uses == draft.name.value
}

/// Whether each cluster that signs can, and no other is to.
fn needed(raw: &RawAuthority, span: Span, drafts: &[Draft], problems: &mut Problems) {
    for (cluster, _) in raw.intermediates() {
        if known_cluster("intermediates", cluster, drafts, problems)
            && let Some(draft) = drafts.iter().find(|d| d.name.value == cluster.value && !signs(d))
        {
            let (cluster_name, primary) = (cluster.value.clone(), draft.uses.clone());
            problems.add(cluster.span, AuthorityProblem::NoControlPlane { cluster: cluster_name, primary });
        }
    }
    let has = |draft: &Draft| raw.intermediates().iter().any(|(c, _)| c.value == draft.name.value);
    if raw.root_key().is_none()
        && let Some(draft) = drafts.iter().find(|d| signs(d) && !has(d))
    {
        problems.add(span, AuthorityProblem::NoKey { cluster: draft.name.value.clone() });
    }
}

fn file_of(file: &RawPem, fingerprint: Option<String>, pem: String) -> PemFile {
    PemFile { path: file.path.value.clone(), fingerprint, pem: Pem(pem) }
}

/// What was made of a file; or nothing, and the problem is recorded at the place that names it.
fn keep<T>(file: &RawPem, made: Result<T, Unfit>, problems: &mut Problems) -> Option<T> {
    let (line, reason, remedy) = match made {
        Ok(made) => return Some(made),
        Err(unfit) => unfit,
    };
    // One that could not be read has been told.
    let (name, _) = file.content.as_ref()?;
    let place = line.map_or_else(|| name.clone(), |line| format!("{name}:{line}"));
    problems.add(file.path.span, AuthorityProblem::Unfit { place, reason, remedy });
    None
}

fn unfit(line: usize, reason: impl Into<String>, remedy: impl Into<String>) -> Unfit {
    (Some(line), reason.into(), remedy.into())
}

fn blocks(file: &RawPem) -> Result<Vec<Block>, Unfit> {
    let text = file.content.as_ref().map_or("", |(_, text)| text.as_str());
    pem::blocks(text).map_err(|(line, what)| unfit(line, format!("this is not PEM: {what}"), "write the file again"))
}

/// The certificates of a file, at least one.
fn certificates(file: &RawPem) -> Result<Vec<Certificate>, Unfit> {
    let name = file.content.as_ref().map_or(String::new(), |(name, _)| name.clone());
    let found: Vec<Certificate> = blocks(file)?
        .into_iter()
        .filter(|b| b.label == CERTIFICATE)
        .map(|b| Certificate { der: b.der, line: b.line, file: name.clone() })
        .collect();
    if found.is_empty() {
        let remedy = "give a PEM file with a block that begins with -----BEGIN CERTIFICATE-----";
        return Err((None, "there is no certificate in it".to_owned(), remedy.to_owned()));
    }
    Ok(found)
}

fn parsed(certificate: &Certificate) -> Result<Parsed<'_>, Unfit> {
    let parsed = Parsed::read(&certificate.der);
    parsed.ok_or_else(|| unfit(certificate.line, "this is no X.509 certificate", "write the file again"))
}

/// The root certificate of a file.
fn root(file: &RawPem, now: Option<OffsetDateTime>) -> Result<Certificate, Unfit> {
    let mut found = certificates(file)?;
    if let Some(second) = found.get(1) {
        let remedy = "keep the one root that signs; intermediates go below `intermediates`";
        return Err(unfit(second.line, "a second certificate begins here, but a mesh has one root", remedy));
    }
    let root = found.remove(0);
    authority(&root, now)?;
    let certificate = parsed(&root)?;
    verifiable(&root, &certificate, &certificate)?;
    if !certificate.is_signed_by(&certificate) {
        let remedy = "give the certificate at the top of the chain, signed by itself with SHA-256 or better, and this one below `intermediates`";
        let reason =
            format!("this is no root: {} has not signed it with its own key", common_name(certificate.subject()));
        return Err(unfit(root.line, reason, remedy));
    }
    Ok(root)
}

/// Whether a certificate may sign others, now.
fn authority(found: &Certificate, now: Option<OffsetDateTime>) -> Result<(), Unfit> {
    let certificate = parsed(found)?;
    if certificate.authority.is_none() || !certificate.signs_certificates {
        let what = match certificate.authority {
            None => "CA:TRUE is not among its constraints",
            Some(_) => "its key usage lacks keyCertSign",
        };
        let remedy = "issue it as a certificate authority: basicConstraints=critical,CA:TRUE and keyUsage=critical,keyCertSign,cRLSign";
        return Err(unfit(found.line, format!("this certificate may not sign others: {what}"), remedy));
    }
    let Some(now) = now else { return Ok(()) };
    let (from, until) = (certificate.not_before, certificate.not_after);
    if now > until {
        return Err(unfit(found.line, format!("this certificate expired on {}", until.date()), "issue it anew"));
    }
    if now < from {
        let remedy = "wait, or look at the clock of this machine";
        return Err(unfit(found.line, format!("this certificate is not valid before {}", from.date()), remedy));
    }
    Ok(())
}

/// Whether a certificate allows so many authorities below it.
fn room_below(certificate: &Certificate, below: u64) -> Result<(), Unfit> {
    match parsed(certificate)?.authority {
        Some(most) if most < below => {
            let reason =
                format!("this certificate allows {most} authorities below it (pathlen), and there would be {below}");
            Err(unfit(certificate.line, reason, "issue it with a larger pathlen, or without one"))
        }
        _ => Ok(()),
    }
}

/// The one private key of a file, as PKCS#8.
fn private_key(file: &RawPem) -> Result<String, Unfit> {
    let blocks = blocks(file)?;
    let Some(block) = blocks.iter().find(|b| b.label.ends_with("PRIVATE KEY")) else {
        let remedy = "give a PEM file with a block that begins with -----BEGIN PRIVATE KEY-----, ... RSA PRIVATE KEY or ... EC PRIVATE KEY";
        return Err((None, "there is no private key in it".to_owned(), remedy.to_owned()));
    };
    let path = &file.path.value;
    if block.encrypted {
        let remedy =
            format!("write it without one: openssl pkey -in {path} -out PLAIN; keep that file to yourself (chmod 600)");
        return Err(unfit(block.line, "this key needs a passphrase, which nobody can give to istiod", remedy));
    }
    let unusable = || {
        let remedy = "use an RSA key of 2048 to 4096 bits, or an EC key on P-256 (prime256v1) or P-384 (secp384r1)";
        unfit(block.line, "this key cannot be used", remedy)
    };
    let key = pem::encode("PRIVATE KEY", &pem::pkcs8(block).ok_or_else(unusable)?);
    match KeyPair::from_pem(&key) {
        Ok(pair) if *pair.algorithm() != PKCS_ED25519 => Ok(key),
        _ => Err(unusable()),
    }
}

/// Whether a private key is that of a certificate.
fn belongs(key: &str, certificate: &Certificate) -> bool {
    let Ok(certificate) = parsed(certificate) else {
        return false;
    };
    KeyPair::from_pem(key).is_ok_and(|key| key.public_key_raw() == certificate.public_key)
}

fn mismatch(certificate: Option<&RawPem>) -> Unfit {
    let path = certificate.map_or("", |file| file.path.value.as_str());
    let remedy = format!(
        "the public key of both must be the same: openssl x509 -in {path} -noout -pubkey, openssl pkey -in KEY -pubout"
    );
    (None, format!("this is not the key of {path}"), remedy)
}

/// An intermediate of the user's own, whose chain must lead to the root.
fn intermediate(
    raw: &RawIntermediate,
    root: &Certificate,
    now: Option<OffsetDateTime>,
    problems: &mut Problems,
) -> Option<OwnIntermediate> {
    let (cert_file, key_file) = (raw.ca_cert.as_ref()?, raw.ca_key.as_ref()?);
    let key = keep(key_file, private_key(key_file), problems);
    let mut chain = keep(cert_file, certificates(cert_file), problems)?;
    if let Some(file) = &raw.cert_chain {
        chain.extend(keep(file, certificates(file), problems)?);
    }
    // Whether a chain begins with the authority itself, and ends with the root, is a matter of taste.
    let own = chain[0].der.clone();
    let mut is_first = true;
    chain.retain(|c| c.der != root.der && (std::mem::take(&mut is_first) || c.der != own));
    if chain.is_empty() {
        let remedy = "give each cluster an intermediate of its own, which the root has signed";
        let told: Result<(), Unfit> = Err((None, "this is the root itself".to_owned(), remedy.to_owned()));
        return keep(cert_file, told, problems).and(None);
    }
    let key = key?;
    let fits = if belongs(&key, &chain[0]) { Ok(()) } else { Err(mismatch(raw.ca_cert.as_ref())) };
    keep(key_file, fits, problems)?;
    let in_file = |certificate: &Certificate| {
        let from_chain =
            raw.cert_chain.as_ref().filter(|f| f.content.as_ref().is_some_and(|(n, _)| *n == certificate.file));
        from_chain.unwrap_or(cert_file)
    };
    for (below, certificate) in (0..).zip(&chain) {
        let file = in_file(certificate);
        keep(file, authority(certificate, now), problems)?;
        keep(file, room_below(certificate, below), problems)?;
    }
    keep(cert_file, room_below(root, chain.len() as u64).map_err(at_root(root)), problems)?;
    for (i, certificate) in chain.iter().enumerate() {
        let above = chain.get(i + 1).unwrap_or(root);
        keep(in_file(certificate), signed_by(certificate, above), problems)?;
    }
    let text = chain.iter().chain([root]).map(Certificate::pem).collect();
    Some(OwnIntermediate {
        ca_cert: file_of(cert_file, Some(chain[0].fingerprint()), chain[0].pem()),
        ca_key: file_of(key_file, None, key),
        cert_chain: raw.cert_chain.as_ref().map(|file| file_of(file, None, String::new())),
        chain: Pem(text),
    })
}

/// Tells of the root where an intermediate is at fault that it cannot sign.
fn at_root(root: &Certificate) -> impl FnOnce(Unfit) -> Unfit {
    let place = root.place();
    move |(_, reason, remedy)| (None, format!("the root at {place} cannot have signed it: {reason}"), remedy)
}

/// Whether the signature of a certificate, if it may be by that signer, is of a kind that can be verified.
fn verifiable(found: &Certificate, below: &Parsed<'_>, signer: &Parsed<'_>) -> Result<(), Unfit> {
    if below.issuer() != signer.subject() || below.is_known(signer) {
        return Ok(());
    }
    let reason = "this certificate is signed in a way that lab does not know: with SHA-1, or by a key on another curve, as P-521";
    let remedy = "issue it by an RSA key of 2048 to 4096 bits, or an EC key on P-256 (prime256v1) or P-384 (secp384r1), with SHA-256 or better";
    Err(unfit(found.line, reason, remedy))
}

/// Whether one certificate has signed another.
fn signed_by(certificate: &Certificate, above: &Certificate) -> Result<(), Unfit> {
    let (below, signer) = (parsed(certificate)?, parsed(above)?);
    if below.is_signed_by(&signer) {
        return Ok(());
    }
    verifiable(certificate, &below, &signer)?;
    let (issuer, subject) = (common_name(below.issuer()), common_name(signer.subject()));
    let reason = format!("{issuer} has signed this certificate, not the key of {subject} ({})", above.place());
    let remedy = "give the certificates between it and the root as `certChain`, each before the one that has signed it";
    Err(unfit(certificate.line, reason, remedy))
}
