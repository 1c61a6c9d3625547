//! The logins that `docker login` has stored. The engine pulls with them only when it is told them with the request.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use base64::Engine as _;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use bollard::auth::DockerCredentials;
use serde::Deserialize;

use crate::sys::process::{Process, ProcessError};
use crate::sys::words;

/// As `docker login` writes it; other programs that write the file leave the padding out.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// How long a credential helper may take; it may have to ask its user.
const ANSWERED: Duration = Duration::from_secs(60);

/// The part of Docker's configuration file that is about logins.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Config {
    auths: BTreeMap<String, Auth>,
    cred_helpers: BTreeMap<String, String>,
    creds_store: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Auth {
    auth: String,
    identitytoken: Option<String>,
}

/// What a credential helper answers.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Secret {
    username: String,
    secret: String,
}

/// The login for a registry, if there is one.
///
/// # Errors
/// There may be one that cannot be read. Who asks without it is told by the registry whether it wants one.
pub async fn login(host: &str) -> Result<Option<DockerCredentials>, String> {
    let Some(file) = config_file() else { return Ok(None) };
    let config = match std::fs::read(&file) {
        Ok(text) => serde_json::from_slice(&text)
            .map_err(|e| format!("{} is not what `docker login` writes (line {})", file.display(), e.line()))?,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(e) => return Err(format!("{}: {}", file.display(), words::io_error(&e))),
    };
    of_config(&config, host).await
}

async fn of_config(config: &Config, host: &str) -> Result<Option<DockerCredentials>, String> {
    let key = config.auths.keys().find(|key| is_about(key, host));
    if let Some(helper) = helper(config, host) {
        let asked = key.map_or(host, String::as_str);
        let program = format!("docker-credential-{helper}");
        let answer = Process::new(&program).limit(ANSWERED).args(["get"]).input(asked).output().await;
        let answer = match answer {
            Ok(answer) => answer,
            // What it prints may be a secret; but that it has none it says in these words, which every helper has from the same library.
            Err(e) if e.to_string().contains("credentials not found") => return Ok(None),
            Err(ProcessError::Failed { status, .. }) => return Err(format!("`{program} get` failed ({status})")),
            Err(ProcessError::Late { .. }) => {
                return Err(format!("`{program} get` did not answer within {} s", ANSWERED.as_secs()));
            }
            Err(e) => return Err(e.to_string()),
        };
        let Secret { username, secret } =
            serde_json::from_str(&answer).map_err(|_| format!("`{program} get` did not answer with a login"))?;
        return Ok(Some(credentials(host, username, secret)));
    }
    let Some(auth) = key.and_then(|key| config.auths.get(key)) else { return Ok(None) };
    // An entry without anything in it is how `docker` remembers a login that a helper keeps.
    if auth.auth.is_empty() && auth.identitytoken.is_none() {
        return Ok(None);
    }
    let found = stored(host, auth).ok_or("its entry in Docker's config.json is not a user and a password")?;
    Ok(Some(DockerCredentials { identitytoken: auth.identitytoken.clone(), ..found }))
}

pub(super) fn config_file() -> Option<PathBuf> {
    let dir = std::env::var_os("DOCKER_CONFIG").map(PathBuf::from);
    let dir = dir.or_else(|| Some(etcetera::home_dir().ok()?.join(".docker")))?;
    Some(dir.join("config.json"))
}

fn helper<'a>(config: &'a Config, host: &str) -> Option<&'a str> {
    let own = config.cred_helpers.iter().find(|(key, _)| is_about(key, host)).map(|(_, helper)| helper.as_str());
    own.or(Some(config.creds_store.as_str())).filter(|helper| !helper.is_empty())
}

/// Whether a key of the file, which may be a URL, is about a registry. Docker Hub's is under a name of its own below the one in references.
fn is_about(key: &str, host: &str) -> bool {
    let bare = key.split_once("://").map_or(key, |(_, rest)| rest);
    let bare = bare.split('/').next().unwrap_or(bare);
    bare == host || (host == "docker.io" && bare.ends_with(".docker.io"))
}

fn stored(host: &str, auth: &Auth) -> Option<DockerCredentials> {
    let text = String::from_utf8(BASE64.decode(&auth.auth).ok()?).ok()?;
    let (user, password) = text.split_once(':')?;
    Some(credentials(host, user.to_owned(), password.to_owned()))
}

fn credentials(host: &str, username: String, secret: String) -> DockerCredentials {
    let mut credentials = DockerCredentials { serveraddress: Some(host.to_owned()), ..DockerCredentials::default() };
    // Helpers give a token in place of a password under this name.
    if username == "<token>" {
        credentials.identitytoken = Some(secret);
    } else {
        credentials.username = Some(username);
        credentials.password = Some(secret);
    }
    credentials
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stored_logins() {
        let auth = Auth { auth: "dXNlcjpwYTpzcw==".into(), identitytoken: None };
        let found = stored("quay.io", &auth).expect("a login");
        assert_eq!((found.username.as_deref(), found.password.as_deref()), (Some("user"), Some("pa:ss")));
        let unpadded = Auth { auth: "dXNlcjpwYTpzcw".into(), identitytoken: None };
        assert_eq!(stored("quay.io", &unpadded).and_then(|found| found.password).as_deref(), Some("pa:ss"));
        // The last one ends in bits that no byte has: it was cut.
        for torn in ["???", "dXNlcjpwYTpzc", "dXNlcjpwYTpzc3"] {
            assert!(stored("quay.io", &Auth { auth: torn.into(), identitytoken: None }).is_none(), "{torn}");
        }
    }

    #[test]
    fn keys_may_be_urls() {
        assert!(is_about("https://quay.io/v2/", "quay.io"));
        assert!(is_about("127.0.0.1:5000", "127.0.0.1:5000"));
        assert!(is_about("https://index.docker.io/v1/", "docker.io"));
        assert!(!is_about("https://evil-quay.io", "quay.io"));
        assert!(!is_about("docker.io.example", "docker.io"));
    }

    #[tokio::test]
    async fn a_login_that_cannot_be_read_is_not_the_same_as_none() {
        let of = async |text: &str| of_config(&serde_json::from_str(text).expect("a configuration"), "quay.io").await;
        assert!(of("{}").await.expect("nothing to read").is_none());
        assert!(of(r#"{"auths": {"quay.io": {}}}"#).await.expect("kept elsewhere").is_none());
        assert!(of(r#"{"auths": {"quay.io": {"auth": "bWU6c2VjcmV0"}}}"#).await.expect("a login").is_some());
        let torn = of(r#"{"auths": {"quay.io": {"auth": "???"}}}"#).await.expect_err("torn");
        assert!(torn.contains("not a user and a password"), "{torn}");
        let missing = of(r#"{"credHelpers": {"quay.io": "of-lab-is-nowhere"}}"#).await.expect_err("no helper");
        assert!(missing.contains("docker-credential-of-lab-is-nowhere"), "{missing}");
    }

    #[test]
    fn helpers() {
        let text = r#"{"credsStore": "secretservice", "credHelpers": {"quay.io": "gcloud"}, "proxies": {}}"#;
        let config: Config = serde_json::from_str(text).expect("a configuration");
        assert_eq!(helper(&config, "quay.io"), Some("gcloud"));
        assert_eq!(helper(&config, "docker.io"), Some("secretservice"));
        assert_eq!(helper(&Config::default(), "docker.io"), None);
    }
}
