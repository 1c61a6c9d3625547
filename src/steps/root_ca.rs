//! `root-ca`: one root certificate for the mesh, and an intermediate for each cluster, kept in the lab's state.

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, Issuer, KeyPair, KeyUsagePurpose,
    PKCS_ECDSA_P256_SHA256,
};
use time::{Duration, OffsetDateTime};

use super::{Context, StepError};
use crate::plan::render::Intermediate;

const ROOT_CERT: &str = "ca/root-cert.pem";
const ROOT_KEY: &str = "ca/root-key.pem";

fn cert_path(cluster: &str) -> String {
    format!("ca/{cluster}/ca-cert.pem")
}

fn key_path(cluster: &str) -> String {
    format!("ca/{cluster}/ca-key.pem")
}

pub(super) fn is_satisfied(ctx: &Context) -> Result<bool, StepError> {
    for path in paths(ctx) {
        // An empty key is what an interrupted run leaves.
        if ctx.state.read(&path)?.is_none_or(|pem| pem.is_empty()) {
            return Ok(false);
        }
    }
    Ok(true)
}

pub(super) fn run(ctx: &Context) -> Result<bool, StepError> {
    let root_params = params("Root CA", None, 3650, BasicConstraints::Unconstrained)?;
    // The key is written last, so that a root without its key is made anew together with all that it signed.
    let stored = (ctx.state.read(ROOT_CERT)?, ctx.state.read(ROOT_KEY)?);
    let root_key = if let (Some(_), Some(pem)) = stored {
        KeyPair::from_pem(&pem)?
    } else {
        let root = CertifiedIssuer::self_signed(root_params.clone(), key()?)?;
        for cluster in ctx.lab.istio_clusters() {
            ctx.state.write(&key_path(&cluster.name), "")?;
        }
        ctx.state.write(ROOT_CERT, &root.pem())?;
        let pem = root.key().serialize_pem();
        ctx.state.write(ROOT_KEY, &pem)?;
        KeyPair::from_pem(&pem)?
    };
    let root = Issuer::new(root_params, root_key);
    for cluster in ctx.lab.istio_clusters() {
        let name = &cluster.name;
        if ctx.state.read(&key_path(name))?.is_some_and(|pem| !pem.is_empty()) {
            continue;
        }
        // Path length 0: an intermediate signs workloads and no further authority.
        let params = params("Intermediate CA", Some(name), 730, BasicConstraints::Constrained(0))?;
        let intermediate = CertifiedIssuer::signed_by(params, key()?, &root)?;
        ctx.state.write(&cert_path(name), &intermediate.pem())?;
        ctx.state.write(&key_path(name), &intermediate.key().serialize_pem())?;
    }
    Ok(true)
}

/// The intermediate of a cluster, as made by [`run`].
pub(super) fn intermediate(ctx: &Context, cluster: &str) -> Result<Intermediate, StepError> {
    let read = |path: &str| -> Result<String, StepError> {
        ctx.state.read(path)?.ok_or_else(|| StepError::Missing(format!("certificate {path}")))
    };
    Ok(Intermediate { certificate: read(&cert_path(cluster))?, key: read(&key_path(cluster))?, root: read(ROOT_CERT)? })
}

/// Paths of all that [`run`] made, in the lab's state.
pub(super) fn paths(ctx: &Context) -> Vec<String> {
    let own = ctx.lab.istio_clusters().flat_map(|c| [cert_path(&c.name), key_path(&c.name)]);
    [ROOT_CERT.to_owned(), ROOT_KEY.to_owned()].into_iter().chain(own).collect()
}

fn key() -> Result<KeyPair, rcgen::Error> {
    KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)
}

fn params(
    common_name: &str,
    cluster: Option<&str>,
    days: i64,
    constraints: BasicConstraints,
) -> Result<CertificateParams, rcgen::Error> {
    let mut params = CertificateParams::new(Vec::<String>::new())?;
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.distinguished_name.push(DnType::OrganizationName, "lab");
    params.distinguished_name.push(DnType::CommonName, common_name);
    if let Some(cluster) = cluster {
        params.distinguished_name.push(DnType::LocalityName, cluster);
    }
    params.is_ca = IsCa::Ca(constraints);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign, KeyUsagePurpose::DigitalSignature];
    // An hour back, for nodes whose clock is behind.
    params.not_before = OffsetDateTime::now_utc() - Duration::hours(1);
    params.not_after = OffsetDateTime::now_utc() + Duration::days(days);
    Ok(params)
}
