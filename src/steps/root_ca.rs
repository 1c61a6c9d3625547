//! `root-ca`: one root certificate for each mesh, and an intermediate for each cluster, kept in the lab's state.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use k8s_openapi::api::core::v1::Secret;
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, KeyUsagePurpose,
    PKCS_ECDSA_P256_SHA256,
};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use time::OffsetDateTime;

use super::step::{Custom, Step, at_once};
use super::{half_made, own_ca};
use crate::context::{RunContext, StepError};
use crate::exec::Progress;
use crate::plan::LabCluster;
use crate::plan::render::{ISTIO_NAMESPACE, Intermediate};

pub(super) const ROOT_CERT: &str = "ca/root-cert.pem";
pub(super) const ROOT_KEY: &str = "ca/root-key.pem";
/// By which a certificate ends.
const END: &str = "-----END CERTIFICATE-----\n";
/// Secret with what a cluster uses.
const CACERTS: &str = "cacerts";

pub(super) fn cert_path(cluster: &str) -> String {
    format!("ca/{cluster}/ca-cert.pem")
}

pub(super) fn key_path(cluster: &str) -> String {
    format!("ca/{cluster}/ca-key.pem")
}

/// From a cluster's intermediate to the root, where the scenario brings both.
pub(super) fn chain_path(cluster: &str) -> String {
    format!("ca/{cluster}/cert-chain.pem")
}

/// Whether a certificate and a private key are whole and belong together: a certificate has the public half of its key in it.
fn is_sound(certificate: Option<&str>, key: Option<&str>) -> bool {
    let certificate = certificate.and_then(|pem| CertificateDer::from_pem_slice(pem.as_bytes()).ok());
    let key = key.and_then(|pem| KeyPair::from_pem(pem).ok());
    let (Some(certificate), Some(key)) = (certificate, key) else { return false };
    let public = key.public_key_raw();
    certificate.windows(public.len()).any(|part| part == public)
}

fn is_whole(ctx: &RunContext, certificate: &str, key: &str) -> Result<bool, StepError> {
    Ok(is_sound(ctx.state.read(certificate)?.as_deref(), ctx.state.read(key)?.as_deref()))
}

/// A root, and whose intermediates it signs.
pub(super) struct Authority<'c> {
    /// The mesh, in a lab that names its meshes.
    mesh: Option<&'c str>,
    /// The clusters of the mesh.
    pub(super) clusters: Vec<&'c LabCluster>,
    /// Where its certificate is. That of the only mesh is what clusters trust; of several, they trust all.
    cert: String,
    /// Where its key is.
    pub(super) key: String,
}

impl<'c> Authority<'c> {
    fn of(ctx: &'c RunContext, mesh: Option<&'c str>) -> Self {
        let clusters = ctx.lab.istio_clusters().filter(|c| c.mesh.as_deref() == mesh).collect();
        let (cert, key) = match mesh {
            None => (ROOT_CERT.to_owned(), ROOT_KEY.to_owned()),
            Some(mesh) => (format!("ca/meshes/{mesh}/root-cert.pem"), format!("ca/meshes/{mesh}/root-key.pem")),
        };
        Self { mesh, clusters, cert, key }
    }

    /// What the root is called. Two of one name would be taken for each other by whoever looks for the one that has signed.
    fn common_name(&self) -> String {
        self.mesh.map_or_else(|| "Root CA".to_owned(), |mesh| format!("Root CA of {mesh}"))
    }

    /// The certificate that a cluster has of it.
    fn of_secret(&self, root: Option<String>, chain: Option<&str>) -> Option<String> {
        match self.mesh {
            None => root,
            Some(_) => chain.and_then(|chain| chain.split_inclusive(END).last()).map(str::to_owned),
        }
    }
}

/// The root of each mesh.
pub(super) fn authorities(ctx: &RunContext) -> Vec<Authority<'_>> {
    match ctx.lab.meshes()[..] {
        [] => vec![Authority::of(ctx, None)],
        ref meshes => meshes.iter().map(|mesh| Authority::of(ctx, Some(*mesh))).collect(),
    }
}

/// Puts together what every cluster trusts, in a lab of several roots. Tells whether that is news.
fn bundle(ctx: &RunContext, authorities: &[Authority<'_>]) -> Result<bool, StepError> {
    if authorities.iter().any(|a| a.mesh.is_none()) {
        return Ok(false);
    }
    let mut all = String::new();
    for authority in authorities {
        all += &ctx.state.read(&authority.cert)?.unwrap_or_default();
    }
    if ctx.state.read(ROOT_CERT)?.as_ref() == Some(&all) {
        return Ok(false);
    }
    ctx.state.write(ROOT_CERT, &all)?;
    Ok(true)
}

fn lack<'c>(ctx: &RunContext, clusters: &[&'c LabCluster]) -> Result<Vec<&'c LabCluster>, StepError> {
    let mut lack = Vec::new();
    for cluster in clusters {
        if !is_whole(ctx, &cert_path(&cluster.name), &key_path(&cluster.name))? {
            lack.push(*cluster);
        }
    }
    Ok(lack)
}

pub(super) const STEP: Step = Step::Custom(Custom {
    is_satisfied: |ctx, _| at_once(is_satisfied(ctx)),
    run: |ctx, _, progress| Box::pin(run(ctx, progress)),
});

fn is_satisfied(ctx: &RunContext) -> Result<bool, StepError> {
    if let Some(own) = &ctx.lab.mesh.ca {
        return own_ca::is_satisfied(ctx, own);
    }
    let authorities = authorities(ctx);
    let mut trusted = String::new();
    for authority in &authorities {
        if !is_made(ctx, authority)? {
            return Ok(false);
        }
        trusted += &ctx.state.read(&authority.cert)?.unwrap_or_default();
    }
    Ok(ctx.state.read(ROOT_CERT)?.is_some_and(|roots| roots == trusted))
}

/// Whether a mesh has its root and all its intermediates.
fn is_made(ctx: &RunContext, authority: &Authority<'_>) -> Result<bool, StepError> {
    Ok(is_whole(ctx, &authority.cert, &authority.key)? && lack(ctx, &authority.clusters)?.is_empty())
}

async fn run(ctx: &RunContext, progress: &Progress) -> Result<bool, StepError> {
    if let Some(own) = &ctx.lab.mesh.ca {
        return own_ca::run(ctx, own);
    }
    let authorities = authorities(ctx);
    let mut changed = false;
    for authority in &authorities {
        changed |= make(ctx, authority, progress).await?;
    }
    Ok(bundle(ctx, &authorities)? || changed)
}

/// Makes what is missing of the root of a mesh and of the intermediates that it signs. Tells whether that is anything.
async fn make(ctx: &RunContext, authority: &Authority<'_>, progress: &Progress) -> Result<bool, StepError> {
    let Authority { clusters, cert, key: key_at, .. } = authority;
    let mut changed = false;
    let mut is_used = false;
    if !is_made(ctx, authority)? {
        // What a cluster has is what its workloads trust, so it comes back from there.
        let of_root = is_whole(ctx, cert, key_at)?;
        for cluster in if of_root { lack(ctx, clusters)? } else { clusters.clone() } {
            if let Some(secret) = used(ctx, cluster, progress).await? {
                is_used = true;
                changed |= restore(ctx, authority, cluster, &secret)?;
            }
        }
    }
    let root_key = if is_whole(ctx, cert, key_at)? {
        ctx.state.read(key_at)?.unwrap_or_default()
    } else if is_used {
        return match lack(ctx, clusters)?.first() {
            // Only a new intermediate would need the root's key.
            None => Ok(changed),
            Some(cluster) => Err(lost(ctx, authority, cluster)),
        };
    } else {
        // The key is written last, so that a root without its key is made anew together with all that it signed.
        let root = CertifiedIssuer::self_signed(root_params(&authority.common_name())?, key()?)?;
        for cluster in clusters {
            ctx.state.write(&key_path(&cluster.name), "")?;
        }
        ctx.state.write(cert, &root.pem())?;
        let pem = root.key().serialize_pem();
        ctx.state.write(key_at, &pem)?;
        pem
    };
    let root_key = KeyPair::from_pem(&root_key)?;
    for cluster in lack(ctx, clusters)? {
        issue(ctx, authority, &cluster.name, &root_key)?;
    }
    Ok(true)
}

/// Issues an intermediate for a cluster, by the root of its mesh in the lab's state.
pub(super) fn issue(
    ctx: &RunContext,
    authority: &Authority<'_>,
    cluster: &str,
    root_key: &KeyPair,
) -> Result<(), StepError> {
    let root = signer(&ctx.state.read(&authority.cert)?.unwrap_or_default()).to_owned();
    let issued = own_ca::issue(cluster, &root, root_key)?;
    let (certificate, key) = issued.ok_or_else(|| StepError::Missing(format!("certificate {}", authority.cert)))?;
    ctx.state.write(&cert_path(cluster), &certificate)?;
    Ok(ctx.state.write(&key_path(cluster), &key)?)
}

/// The root that has signed: the first, of the two that there are while it is changed.
fn signer(roots: &str) -> &str {
    roots.split_inclusive(END).next().unwrap_or(roots)
}

/// The certificates that a cluster of an earlier run uses; none if it has none yet, or this run makes it.
async fn used(ctx: &RunContext, cluster: &LabCluster, progress: &Progress) -> Result<Option<Secret>, StepError> {
    if ctx.is_apart() {
        return Ok(None);
    }
    let is_made = if cluster.is_made() {
        !ctx.nodes_of(&cluster.name).await?.is_empty() && !half_made::is_begun(&ctx.state, cluster)?
    } else {
        // What another mesh uses is not taken for its own.
        !ctx.inventory(&cluster.name)?.entries().is_empty()
    };
    if !is_made || ctx.is_new(&cluster.name) {
        return Ok(None);
    }
    progress.say(format!("the lab's state lacks certificates: looking whether {} has some", cluster.name));
    let start = Instant::now();
    loop {
        // The step of the cluster may be starting it beside this one.
        if let Ok(client) = ctx.client(&cluster.name).await
            && client.is_ready().await
        {
            return Ok(client.get::<Secret>(ISTIO_NAMESPACE, CACERTS).await?);
        }
        if start.elapsed() > ctx.patience {
            return Err(StepError::Machine {
                problem: format!(
                    "certificates in the lab's state are damaged, and {} cannot be asked for those that it uses",
                    cluster.name
                ),
                remedy: format!(
                    "see why it does not answer with `lab status {0}`, or make the lab again: `lab down {0}`",
                    ctx.lab.name
                ),
            });
        }
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
}

/// Puts what a cluster uses where the state has lost it. Tells whether it had.
fn restore(
    ctx: &RunContext,
    authority: &Authority<'_>,
    cluster: &LabCluster,
    secret: &Secret,
) -> Result<bool, StepError> {
    let pem = |name: &str| secret.data.as_ref()?.get(name).and_then(|d| String::from_utf8(d.0.clone()).ok());
    let (certificate, key) = (pem("ca-cert.pem"), pem("ca-key.pem"));
    let root = authority.of_secret(pem("root-cert.pem"), pem("cert-chain.pem").as_deref());
    let mut changed = false;
    let (cert_path, key_path) = (cert_path(&cluster.name), key_path(&cluster.name));
    if !is_whole(ctx, &cert_path, &key_path)?
        && is_sound(certificate.as_deref(), key.as_deref())
        && let (Some(certificate), Some(key)) = (certificate, key)
    {
        ctx.state.write(&cert_path, &certificate)?;
        ctx.state.write(&key_path, &key)?;
        changed = true;
    }
    if let Some(root) = root
        && ctx.state.read(&authority.cert)?.as_ref() != Some(&root)
    {
        ctx.state.write(&authority.cert, &root)?;
        changed = true;
    }
    Ok(changed)
}

fn lost(ctx: &RunContext, authority: &Authority<'_>, cluster: &LabCluster) -> StepError {
    StepError::Machine {
        problem: format!(
            "the key of the lab's root certificate is lost, and {} needs a certificate signed by it: {} is damaged",
            cluster.name,
            ctx.state.path(&authority.key).display()
        ),
        remedy: format!("make the lab again: `lab down {}`, then `lab up`", ctx.lab.name),
    }
}

/// The intermediate of a cluster, as made by [`run`].
pub(super) fn intermediate(ctx: &RunContext, cluster: &str) -> Result<Intermediate, StepError> {
    let read = |path: &str| -> Result<String, StepError> {
        ctx.state.read(path)?.ok_or_else(|| StepError::Missing(format!("certificate {path}")))
    };
    let (certificate, root) = (read(&cert_path(cluster))?, read(ROOT_CERT)?);
    let is_brought = ctx.lab.mesh.ca.as_ref().is_some_and(|ca| ca.intermediates.contains_key(cluster));
    let own = authorities(ctx).into_iter().find(|a| a.clusters.iter().any(|c| c.name == cluster));
    let chain = match own {
        Some(own) if !is_brought => format!("{certificate}{}", signer(&read(&own.cert)?)),
        _ => read(&chain_path(cluster))?,
    };
    Ok(Intermediate { certificate, key: read(&key_path(cluster))?, root, chain })
}

/// Paths of all that [`run`] made, in the lab's state.
pub(crate) fn paths(ctx: &RunContext) -> Vec<String> {
    if let Some(own) = &ctx.lab.mesh.ca {
        return own_ca::paths(ctx, own);
    }
    let own = ctx.lab.istio_clusters().flat_map(|c| [cert_path(&c.name), key_path(&c.name)]);
    let roots = authorities(ctx).into_iter().flat_map(|a| [a.cert, a.key]);
    // The first is that of the only mesh, too.
    let all: BTreeSet<String> = [ROOT_CERT.to_owned()].into_iter().chain(roots).chain(own).collect();
    all.into_iter().collect()
}

pub(super) fn key() -> Result<KeyPair, rcgen::Error> {
    KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)
}

pub(super) fn root_params(common_name: &str) -> Result<CertificateParams, rcgen::Error> {
    params(common_name, None, 3650, BasicConstraints::Unconstrained)
}

/// Path length 0: an intermediate signs workloads and no further authority.
pub(super) fn intermediate_params(cluster: &str) -> Result<CertificateParams, rcgen::Error> {
    params("Intermediate CA", Some(cluster), 730, BasicConstraints::Constrained(0))
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
    params.not_before = OffsetDateTime::now_utc() - time::Duration::hours(1);
    params.not_after = OffsetDateTime::now_utc() + time::Duration::days(days);
    Ok(params)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_that_is_damaged_or_foreign_is_told() {
        let make = || {
            CertifiedIssuer::self_signed(
                params("x", None, 1, BasicConstraints::Unconstrained).expect("valid"),
                key().expect("a key"),
            )
        };
        let (one, other) = (make().expect("signs"), make().expect("signs"));
        let (certificate, key) = (one.pem(), one.key().serialize_pem());
        assert!(is_sound(Some(&certificate), Some(&key)));
        assert!(!is_sound(Some(&certificate), Some(&other.key().serialize_pem())));
        for damaged in [None, Some(""), Some("garbage"), Some(&certificate[..certificate.len() / 2])] {
            assert!(!is_sound(damaged, Some(&key)), "{damaged:?}");
        }
        for damaged in [None, Some(""), Some("garbage"), Some(&key[..key.len() / 2])] {
            assert!(!is_sound(Some(&certificate), damaged), "{damaged:?}");
        }
    }
}
