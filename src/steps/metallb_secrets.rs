//! Secrets that MetalLB otherwise makes for itself after it has started.
//!
//! Left alone, its controller writes its webhook's certificate into a Secret that is mounted already, and then waits until the kubelet
//! refreshes the mount: up to a minute and more. With a valid certificate there from the start it is ready at once.

use base64::Engine as _;
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair, KeyUsagePurpose,
    PKCS_ECDSA_P256_SHA256,
};
use serde_json::{Value, json};
use time::{Duration, OffsetDateTime};

use super::metallb::NAMESPACE;
use super::{Context, StepError};

/// Both Secrets as they are applied, kept in the lab's state so that a second `up` applies the same.
const FILE: &str = "ca/metallb.json";

/// The webhook's certificate, and the key with which speakers know each other.
pub(super) fn secrets(ctx: &Context) -> Result<Vec<Value>, StepError> {
    if let Some(secrets) = ctx.state.read_json(FILE)? {
        return Ok(secrets);
    }
    let secrets = vec![webhook_certificate()?, memberlist()?];
    ctx.state.write_json(FILE, &secrets)?;
    Ok(secrets)
}

fn webhook_certificate() -> Result<Value, StepError> {
    // MetalLB verifies the authority by the name "cert", and renews what ends within 90 days.
    let mut params = params("cert")?;
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::DigitalSignature];
    let ca = CertifiedIssuer::self_signed(params, KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?)?;
    let mut params = self::params(&format!("metallb-webhook-service.{NAMESPACE}.svc"))?;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?;
    let certificate = params.signed_by(&key, &ca)?;
    Ok(secret(
        "metallb-webhook-cert",
        &[
            ("ca.crt", ca.pem()),
            ("ca.key", ca.key().serialize_pem()),
            ("tls.crt", certificate.pem()),
            ("tls.key", key.serialize_pem()),
        ],
    ))
}

fn memberlist() -> Result<Value, StepError> {
    // Any secret text will do; a fresh private key is one.
    let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?.serialize_der();
    Ok(secret("memberlist", &[("secretkey", base64::engine::general_purpose::STANDARD.encode(key))]))
}

fn params(name: &str) -> Result<CertificateParams, rcgen::Error> {
    let mut params = CertificateParams::new(vec![name.to_owned()])?;
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.distinguished_name.push(DnType::OrganizationName, "lab");
    params.distinguished_name.push(DnType::CommonName, name);
    params.not_before = OffsetDateTime::now_utc() - Duration::hours(1);
    params.not_after = OffsetDateTime::now_utc() + Duration::days(3650);
    Ok(params)
}

fn secret(name: &str, data: &[(&str, String)]) -> Value {
    let encode = |text: &String| json!(base64::engine::general_purpose::STANDARD.encode(text));
    let data: serde_json::Map<String, Value> = data.iter().map(|(k, v)| ((*k).to_owned(), encode(v))).collect();
    json!({
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": { "name": name, "namespace": NAMESPACE },
        "type": "Opaque",
        "data": data,
    })
}
