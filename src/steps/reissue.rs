//! New certificates in place of those that `root-ca` has made, in the lab's state. The steps after it bring them to the clusters.

use rcgen::{CertifiedIssuer, KeyPair};

use super::root_ca::{ROOT_CERT, ROOT_KEY, authorities, issue, key, root_params};
use crate::context::{RunContext, StepError};

/// The root that follows, from when it is made until the old one is forgotten.
const NEXT_CERT: &str = "ca/next-root-cert.pem";
const NEXT_KEY: &str = "ca/next-root-key.pem";

/// How far a change of the root has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RootStage {
    /// Only the old one is trusted.
    Old,
    /// Both are trusted, and the old one signs.
    Both,
    /// Both are trusted, and the new one signs.
    Signing,
}

/// Where the lab stands, so that a change that was interrupted goes on from there.
pub(crate) fn stage(ctx: &RunContext) -> Result<RootStage, StepError> {
    let (trusted, next) = (read(ctx, ROOT_CERT)?, ctx.state.read(NEXT_CERT)?.unwrap_or_default());
    Ok(match (next.is_empty(), trusted.starts_with(&next), trusted.contains(&next)) {
        (true, ..) | (_, _, false) => RootStage::Old,
        (_, true, _) => RootStage::Signing,
        (_, false, true) => RootStage::Both,
    })
}

/// Makes the next root, and has both trusted.
pub(crate) fn trust_both(ctx: &RunContext) -> Result<(), StepError> {
    // Two roots of one name would be taken for each other by whoever looks for the one that has signed.
    let made = time::OffsetDateTime::now_utc().unix_timestamp();
    let root = CertifiedIssuer::self_signed(root_params(&format!("Root CA {made}"))?, key()?)?;
    ctx.state.write(NEXT_KEY, &root.key().serialize_pem())?;
    ctx.state.write(NEXT_CERT, &root.pem())?;
    let old = read(ctx, ROOT_CERT)?;
    Ok(ctx.state.write(ROOT_CERT, &format!("{old}{}", root.pem()))?)
}

/// Has the next root sign all intermediates, while both are trusted.
pub(crate) fn sign_by_next(ctx: &RunContext) -> Result<(), StepError> {
    let (old, next) = (read(ctx, ROOT_CERT)?, read(ctx, NEXT_CERT)?);
    let old = old.replace(&next, "");
    ctx.state.write(ROOT_KEY, &read(ctx, NEXT_KEY)?)?;
    ctx.state.write(ROOT_CERT, &format!("{next}{old}"))?;
    intermediates(ctx)
}

/// Has only the next root trusted, which then is the root.
pub(crate) fn forget_old(ctx: &RunContext) -> Result<(), StepError> {
    ctx.state.write(ROOT_CERT, &read(ctx, NEXT_CERT)?)?;
    ctx.state.delete(NEXT_CERT)?;
    Ok(ctx.state.delete(NEXT_KEY)?)
}

/// Issues a new intermediate for each cluster, by the root that signs.
pub(crate) fn intermediates(ctx: &RunContext) -> Result<(), StepError> {
    for authority in authorities(ctx) {
        let root_key = KeyPair::from_pem(&read(ctx, &authority.key)?)?;
        authority.clusters.iter().try_for_each(|cluster| issue(ctx, &authority, &cluster.name, &root_key))?;
    }
    Ok(())
}

fn read(ctx: &RunContext, path: &str) -> Result<String, StepError> {
    let text = ctx.state.read(path)?.filter(|text| !text.is_empty());
    text.ok_or_else(|| StepError::Missing(format!("certificate {path}")))
}
