//! `root-ca` where the scenario brings the certificate authority: its files go into the lab's state, and lab issues what it does not bring.

use rcgen::{Issuer, KeyPair, SigningKey as _};

use super::root_ca;
use crate::context::{RunContext, StepError};
use crate::scenario::{Authority, Certificate, decode_pem, encode_pem};

/// Paths in the lab's state of what the scenario brings, each with what must be there. The key of an intermediate is last.
fn brought(authority: &Authority) -> Vec<(String, &str)> {
    let root_key = authority.root_key.as_ref().map(|key| (root_ca::ROOT_KEY.to_owned(), key.pem.0.as_str()));
    let root = (root_ca::ROOT_CERT.to_owned(), authority.root_cert.pem.0.as_str());
    let own = authority.intermediates.iter().flat_map(|(cluster, own)| {
        [
            (root_ca::cert_path(cluster), own.ca_cert.pem.0.as_str()),
            (root_ca::chain_path(cluster), own.chain.0.as_str()),
            (root_ca::key_path(cluster), own.ca_key.pem.0.as_str()),
        ]
    });
    [root].into_iter().chain(root_key).chain(own).collect()
}

/// The clusters whose intermediates lab issues.
fn issued<'c>(ctx: &'c RunContext, authority: &Authority) -> Vec<&'c str> {
    let signing = ctx.lab.istio_clusters().filter(|c| c.runs_istiod()).map(|c| c.name.as_str());
    signing.filter(|cluster| !authority.intermediates.contains_key(*cluster)).collect()
}

/// Paths of all that must be in the lab's state.
pub(super) fn paths(ctx: &RunContext, authority: &Authority) -> Vec<String> {
    let issued = issued(ctx, authority).into_iter().flat_map(|c| [root_ca::cert_path(c), root_ca::key_path(c)]);
    brought(authority).into_iter().map(|(path, _)| path).chain(issued).collect()
}

pub(super) fn is_satisfied(ctx: &RunContext, authority: &Authority) -> Result<bool, StepError> {
    for (path, pem) in brought(authority) {
        let stored = ctx.state.read(&path)?.unwrap_or_default();
        // A lab that was read from its state does not know what the files hold.
        if stored.is_empty() || authority.is_read() && stored != pem {
            return Ok(false);
        }
    }
    for cluster in issued(ctx, authority) {
        if !is_issued(ctx, cluster)? {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Whether a cluster's intermediate has been issued. The key is written last, and in one piece.
fn is_issued(ctx: &RunContext, cluster: &str) -> Result<bool, StepError> {
    let certificate = ctx.state.read(&root_ca::cert_path(cluster))?.unwrap_or_default();
    let key = ctx.state.read(&root_ca::key_path(cluster))?.unwrap_or_default();
    Ok(!certificate.is_empty() && KeyPair::from_pem(&key).is_ok())
}

pub(super) fn run(ctx: &RunContext, authority: &Authority) -> Result<bool, StepError> {
    if authority.is_read() {
        for (path, pem) in brought(authority) {
            ctx.state.write(&path, pem)?;
        }
    }
    let unread = |path: &str| StepError::OwnAuthority { lab: ctx.lab.name.clone(), path: path.to_owned() };
    for (path, _) in brought(authority) {
        if ctx.state.read(&path)?.is_none_or(|pem| pem.is_empty()) {
            return Err(unread(&path));
        }
    }
    for cluster in issued(ctx, authority) {
        if is_issued(ctx, cluster)? {
            continue;
        }
        let (cert_path, key_path) = (root_ca::cert_path(cluster), root_ca::key_path(cluster));
        let read = |path: &str| ctx.state.read(path)?.ok_or_else(|| unread(path));
        let (root, key) = (read(root_ca::ROOT_CERT)?, read(root_ca::ROOT_KEY)?);
        let issued = issue(cluster, &root, &KeyPair::from_pem(&key)?)?;
        let (certificate, own_key) = issued.ok_or_else(|| unread(root_ca::ROOT_CERT))?;
        ctx.state.write(&cert_path, &certificate)?;
        ctx.state.write(&key_path, &own_key)?;
    }
    Ok(true)
}

/// An intermediate and its key; none if the root is damaged. The name of the root goes into it as it is: rcgen has no word for every name.
pub(super) fn issue(cluster: &str, root: &str, key: &KeyPair) -> Result<Option<(String, String)>, rcgen::Error> {
    let Some(root) = decode_pem(root) else { return Ok(None) };
    let Some(root) = Certificate::read(&root) else { return Ok(None) };
    let mut params = root_ca::intermediate_params(cluster)?;
    params.not_after = params.not_after.min(root.not_after);
    let own_key = root_ca::key()?;
    let signed = params.clone().signed_by(&own_key, &Issuer::new(params, key))?;
    let Some(issued) = Certificate::read(signed.der()) else { return Ok(None) };
    let issued = issued.issued_as(root.subject(), |signed| key.sign(signed))?;
    Ok(Some((encode_pem("CERTIFICATE", &issued), own_key.serialize_pem())))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One of the roots has a name that rcgen could not write: with several parts of one kind.
    #[test]
    fn an_intermediate_that_lab_issues_is_signed_by_the_root_under_its_own_name() {
        for (root, key) in [
            (
                include_str!("../../tests/authority/ec-root.pem"),
                include_str!("../../tests/authority/ec-root-key-pkcs8.pem"),
            ),
            (
                include_str!("../../tests/authority/rsa-root.pem"),
                include_str!("../../tests/authority/rsa-root-key-pkcs8.pem"),
            ),
        ] {
            let key = KeyPair::from_pem(key).expect("a key");
            let (issued, own_key) = issue("c1", root, &key).expect("signs").expect("a root");
            let (root, issued) = (decode_pem(root).expect("PEM"), decode_pem(&issued).expect("PEM"));
            let (root, issued) =
                (Certificate::read(&root).expect("a root"), Certificate::read(&issued).expect("issued"));
            assert!(issued.is_signed_by(&root) && !root.is_signed_by(&issued));
            assert_eq!(issued.authority, Some(0));
            assert!(issued.not_after <= root.not_after);
            assert_eq!(KeyPair::from_pem(&own_key).expect("a key").public_key_raw(), issued.public_key);
        }
    }
}
