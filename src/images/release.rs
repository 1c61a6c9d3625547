//! Files that upstream publishes, and programs out of upstream's images. Nothing is used that is not what its checksum says.

use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use super::check;
use super::digest::{Digest, Inputs};
use super::reference::Reference;
use super::ways::{Download, IN_IMAGE, Sum, Wanted, host};
use super::workshop::{Needs, Workshop};
use super::{ImagesError, registry};
use crate::sys::http::{Http, Unreachable};
use crate::sys::sum::Summing;
use crate::sys::{cache, fs, words};

/// Most bytes of a file to download.
const LIMIT: u64 = 512 << 20;

/// A file that was downloaded before, or is downloaded now.
pub(super) async fn get(shop: &Workshop<'_>, wanted: &Wanted, from: &Download) -> Result<PathBuf, ImagesError> {
    let (name, digest) = place(wanted, from);
    let what = format!("downloading {} {} from {}", wanted.name, wanted.version, host(&from.url));
    shop.artifact(&name, &digest, &what, Needs::Network, |scratch| async move {
        let absent = |e: Unreachable| ImagesError::NoFile { url: from.url.clone(), reason: e.to_string() };
        let http = Http::new().map_err(absent)?;
        let sum = match &from.sum {
            Sum::Pinned(sum) => sum.clone(),
            Sum::Published(url) => {
                let sum = http.published_sum(url).await;
                sum.map_err(|e| ImagesError::NoFile { url: url.clone(), reason: e.to_string() })?
            }
        };
        let file = scratch.join("downloaded");
        let mut out = Summing::new(fs::create(&file).map_err(cache::io("write", &file))?);
        http.download(&from.url, &mut out, LIMIT).await.map_err(absent)?;
        let (mut out, found) = out.finish();
        out.flush().map_err(cache::io("write", &file))?;
        if !check::is_sum(&sum) || found != sum {
            return Err(ImagesError::NotVerified { url: from.url.clone(), wanted: sum, found });
        }
        let made = match &from.member {
            Some(member) => unpacked(from, file, member.clone(), scratch.join("member")).await?,
            None => file,
        };
        executable(wanted, &made)?;
        Ok(made)
    })
    .await
}

/// A program out of upstream's image, which the engine pulls.
pub(super) async fn out_of_image(
    shop: &Workshop<'_>,
    wanted: &Wanted,
    image: &Reference,
) -> Result<PathBuf, ImagesError> {
    let (name, digest) = place_of_image(wanted, image);
    registry::ensure(shop, image).await?;
    let what = format!("taking {} out of {image}", wanted.name);
    let container = format!("{name}-{}", digest.short());
    shop.artifact(&name, &digest, &what, Needs::Processor, |scratch| async move {
        let made = scratch.join(wanted.name);
        // A name of the engine has no slash.
        let container = container.replace('/', "-");
        shop.engine.copy_out_of_image(&image.tagged(), IN_IMAGE, &made, &container).await?;
        executable(wanted, &made)?;
        Ok(made)
    })
    .await
}

/// Where a download is in the cache: a file is another one when any of this is.
pub(super) fn place(wanted: &Wanted, from: &Download) -> (String, Digest) {
    let sum = match &from.sum {
        Sum::Pinned(sum) | Sum::Published(sum) => sum,
    };
    let member = from.member.as_deref().unwrap_or_default();
    let digest = Inputs::of("release 1").and(wanted.name).and(&from.url).and(sum).and(member).digest();
    (format!("release/{}", wanted.name), digest)
}

/// Where a program out of an image is in the cache.
pub(super) fn place_of_image(wanted: &Wanted, image: &Reference) -> (String, Digest) {
    let digest = Inputs::of("out of image 1").and(std::env::consts::ARCH).and(image.to_string()).digest();
    (format!("image/{}", wanted.name), digest)
}

fn executable(wanted: &Wanted, file: &Path) -> Result<(), ImagesError> {
    if !wanted.version_args.is_empty() {
        cache::make_executable(file)?;
    }
    Ok(())
}

async fn unpacked(from: &Download, file: PathBuf, member: String, to: PathBuf) -> Result<PathBuf, ImagesError> {
    let unpack = move || -> io::Result<PathBuf> {
        for entry in tar::Archive::new(flate2::read::GzDecoder::new(fs::open(&file)?)).entries()? {
            let mut entry = entry?;
            let path = entry.path()?.into_owned();
            if path.strip_prefix(".").unwrap_or(&path) == Path::new(&member) {
                io::copy(&mut entry, &mut fs::create(&to)?)?;
                return Ok(to);
            }
        }
        Err(io::Error::other(format!("there is no {member} in it")))
    };
    let done = tokio::task::spawn_blocking(unpack).await.map_err(io::Error::other).and_then(|result| result);
    done.map_err(|e| ImagesError::NoFile { url: from.url.clone(), reason: words::io_error(&e) })
}
