//! What keeps a kubeconfig from letting anybody in, told without the credentials.

use std::error::Error;
use std::time::Duration;

use kube::client::AuthError;
use kube::config::{AuthInfo, Kubeconfig, KubeconfigError};

use crate::sys::input::{self, FILE_LIMIT};
use crate::sys::words;

/// How long a command for credentials may take: somebody may have to log in.
pub(super) const LIMIT: Duration = Duration::from_secs(30);
/// Longest line that is told of what a command wrote, in characters.
const LONGEST: usize = 160;

/// What is wrong with the credentials where that is why something failed. What a command for credentials writes on standard output is a token, and the
/// library's own words have it.
pub(super) fn in_words(error: &(dyn Error + 'static)) -> Option<String> {
    let mut next = Some(error);
    while let Some(error) = next {
        let known = error.downcast_ref::<AuthError>();
        let known = known.or_else(|| match error.downcast_ref::<kube::Error>()? {
            kube::Error::Auth(error) => Some(error),
            _ => None,
        });
        if let Some(known) = known {
            return Some(told(known));
        }
        next = error.source();
    }
    None
}

fn told(error: &AuthError) -> String {
    match error {
        AuthError::AuthExecStart(error) => {
            format!("the command that it names for credentials does not start: {}", words::io_error(error))
        }
        AuthError::AuthExecRun { out, .. } => {
            let said = String::from_utf8_lossy(&out.stderr);
            let said = said.lines().map(str::trim).rfind(|line| !line.is_empty()).unwrap_or("it said nothing");
            let said: String = said.chars().filter(|c| !c.is_control()).take(LONGEST).collect();
            format!("the command that it names for credentials failed ({}): {said}", out.status)
        }
        AuthError::AuthExecParse(error) => {
            format!("the command that it names for credentials wrote no YAML of them{}", place(error))
        }
        AuthError::AuthExec(_) => "its auth-provider gave no token".to_owned(),
        AuthError::ReadTokenFile(error, path) => {
            format!("cannot read its tokenFile {}: {}", path.display(), words::io_error(error))
        }
        other => other.to_string(),
    }
}

/// That such a command does not end.
pub(super) fn late() -> String {
    format!("the command that it names for credentials did not end within {} s", LIMIT.as_secs())
}

/// Why a kubeconfig cannot be read. The library's own words have an excerpt, which may be a key.
pub(super) fn unread(error: KubeconfigError) -> String {
    match error {
        KubeconfigError::ReadConfig(error, _) => words::io_error(&error),
        KubeconfigError::Parse(error) => format!("it is no YAML of a kubeconfig{}", place(&error)),
        error => error.to_string(),
    }
}

fn place(error: &serde_yaml::Error) -> String {
    error.location().map_or_else(String::new, |at| format!(": line {}, column {}", at.line(), at.column()))
}

/// That a file which a kubeconfig names for credentials is none that ends. The library reads them whole.
pub(super) fn endless(config: &Kubeconfig) -> Option<String> {
    let users = config.auth_infos.iter().filter_map(|user| user.auth_info.as_ref());
    let of_user = |user: &AuthInfo| {
        [user.token_file.clone(), user.client_certificate.clone(), user.client_key.clone()].into_iter().flatten()
    };
    let authorities = config.clusters.iter().filter_map(|c| c.cluster.as_ref()?.certificate_authority.clone());
    let mut files = users.flat_map(of_user).chain(authorities);
    files.find_map(|file| {
        let why = input::read(file.as_ref(), FILE_LIMIT).err()?;
        Some(format!("it names {file}, which cannot be read: {why}"))
    })
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::ExitStatusExt as _;
    use std::process::{ExitStatus, Output};

    use super::*;

    const HIDDEN: &str = "HIDDEN";

    #[test]
    fn no_credentials_are_told() {
        let out =
            Output { status: ExitStatus::from_raw(768), stdout: HIDDEN.into(), stderr: "log in first\n\n".into() };
        let run = AuthError::AuthExecRun { cmd: format!("sh -c {HIDDEN}"), out: Box::new(out) };
        let parse = serde_yaml::from_str::<serde_json::Value>(&format!("a: \"{HIDDEN}")).expect_err("no YAML");
        for (error, words) in [
            (kube::Error::Auth(run), "log in first"),
            (kube::Error::Auth(AuthError::AuthExecParse(Box::new(parse))), "line 1"),
            (kube::Error::Auth(AuthError::AuthExec(HIDDEN.to_owned())), "no token"),
        ] {
            for told in [in_words(&error), in_words(&std::io::Error::other(error)).or(Some(words.to_owned()))] {
                let told = told.expect("known");
                assert!(told.contains(words) && !told.contains(HIDDEN), "{told}");
            }
        }
        assert_eq!(in_words(&std::io::Error::other("x")), None);
    }

    #[test]
    fn a_kubeconfig_that_is_none_is_told_by_its_place() {
        for text in [&format!("users:\n- user: {{ token: \"{HIDDEN} }}\n"), &format!("clusters: {HIDDEN}\n")] {
            let told = unread(Kubeconfig::from_yaml(text).expect_err("no kubeconfig"));
            assert!(told.contains("line ") && !told.contains(HIDDEN), "{told}");
        }
    }

    #[test]
    fn files_without_an_end_are_not_read() {
        let text = "users: [{ name: a, user: { tokenFile: /dev/zero } }]";
        let told = endless(&Kubeconfig::from_yaml(text).expect("a kubeconfig"));
        assert_eq!(told.as_deref(), Some("it names /dev/zero, which cannot be read: it is a device, not a file"));
    }
}
