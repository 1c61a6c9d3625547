//! The source `registry`: upstream images pulled by the engine, from their own registries or from a mirror; and pushing to one.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::sys::docker::Error;
use futures::stream::{self, StreamExt, TryStreamExt};

use super::reference::Reference;
use super::stack::NODE;
use super::workshop::{Job, Needs, Workshop};
use super::{ImagesError, Source, image, node, resolve};

/// How often a pull is tried that fails for a reason that may pass.
const TRIES: u32 = 4;

/// The wait before the second try; it doubles with each.
const BACK_OFF: Duration = Duration::from_secs(2);

/// Images pulled side by side.
const PULLS: usize = 3;

/// Why a registry refused, as far as it matters for what to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Refusal {
    NotFound,
    Denied,
    RateLimited,
    /// It may go well the next time.
    Passing,
    Other,
}

/// Pulls all upstream images and derives the node image with all of them in it.
pub(super) async fn everything(shop: &Workshop<'_>) -> Result<(), ImagesError> {
    let digest = &shop.digests.registry;
    if shop.engine.image_config(&node::name(digest)).await?.is_some() {
        return Ok(());
    }
    let upstream = |key: &str| shop.stack.images.get(key).and_then(|i| i.registry.as_deref()).map(Reference::parse);
    let Some(own) = upstream(NODE) else {
        return Err(ImagesError::Stack("the node image has no registry".to_owned()));
    };
    let images: Vec<(Reference, String)> =
        // Nodes name them as upstream does: `lab.internal` names are those of what is built here.
        shop.stack.loaded().filter_map(|(key, _)| upstream(key)).map(|r| (r.clone(), r.tagged())).collect();
    // The node image is by far the largest: first.
    let all: Vec<&Reference> = std::iter::once(&own).chain(images.iter().map(|(r, _)| r)).collect();
    expect(shop, all.iter().copied());
    shop.expect([Job::new(node::filling(images.len()), Needs::Processor)]);
    pull_all(shop, all).await?;
    let names: BTreeMap<String, String> = images.into_iter().map(|(r, name)| (r.tagged(), name)).collect();
    node::derive(shop, Source::Registry, &own.tagged(), names, digest).await
}

/// What the job of pulling an image is called.
fn pulling(reference: &Reference) -> String {
    format!("pulling {}", reference.tagged())
}

/// Tells of images that will be pulled.
pub(super) fn expect<'a>(shop: &Workshop<'_>, references: impl IntoIterator<Item = &'a Reference>) {
    shop.expect(references.into_iter().map(|r| Job::new(pulling(r), Needs::Network)));
}

/// Pulls the images that the engine does not have.
pub(super) async fn pull_all<'a>(
    shop: &Workshop<'_>,
    references: impl IntoIterator<Item = &'a Reference>,
) -> Result<(), ImagesError> {
    let pulls = references.into_iter().map(|r| ensure(shop, r));
    stream::iter(pulls).buffer_unordered(PULLS).try_collect::<Vec<()>>().await.map(|_| ())
}

/// Pulls an image unless the engine has it, and sees that it has its tag.
pub(super) async fn ensure(shop: &Workshop<'_>, reference: &Reference) -> Result<(), ImagesError> {
    let tagged = reference.tagged();
    // Of a pinned image the digest decides, whatever the tag may say.
    let known = if reference.digest.is_some() { by_digest(reference) } else { tagged.clone() };
    if shop.engine.image_config(&known).await?.is_none() {
        shop.job(&pulling(reference), Needs::Network, pull(shop, &known, reference)).await?;
    } else {
        shop.spare(&pulling(reference));
    }
    if reference.digest.is_some() {
        shop.engine.tag_image(&known, &reference.repository(), reference.tag()).await?;
    }
    Ok(())
}

fn by_digest(reference: &Reference) -> String {
    let digest = reference.digest.as_deref().unwrap_or_default();
    format!("{}@{digest}", reference.repository())
}

async fn pull(shop: &Workshop<'_>, what: &str, reference: &Reference) -> Result<(), ImagesError> {
    let shown = reference.tagged();
    let mut wait = BACK_OFF;
    for attempt in 1.. {
        let mut layers = Layers::default();
        let told = |layer: &str, status: &str| {
            if let Some(message) = layers.see(layer, status) {
                shop.progress.say(format!("{shown}: {message}"));
            }
        };
        let Err(error) = shop.engine.pull_image(what, &reference.host, told).await else { break };
        let refusal = classify(&error);
        let passes = match refusal {
            Refusal::Passing => true,
            // The engine does not tell when the registry lets it again. The registry does, and is asked only then, if that is soon.
            Refusal::RateLimited => resolve::is_there(reference, shop.engine).await.is_ok(),
            _ => false,
        };
        if !passes || attempt == TRIES {
            return Err(refused("pull", &reference.to_string(), refusal, &error));
        }
        shop.progress.say(format!("pulling {shown} again in {} s: {error}", wait.as_secs()));
        tokio::time::sleep(wait).await;
        wait *= 2;
    }
    Ok(())
}

/// How far a pull is.
#[derive(Debug, Default)]
struct Layers(BTreeMap<String, bool>);

impl Layers {
    /// Takes what the engine says about a layer; when one more is done, the count for the user.
    fn see(&mut self, layer: &str, status: &str) -> Option<String> {
        let is_done = matches!(status, "Already exists" | "Pull complete");
        // The engine also tells of tags and digests in the same way.
        if !is_done && status != "Pulling fs layer" {
            return None;
        }
        let was_done = self.0.insert(layer.to_owned(), is_done).unwrap_or(false);
        let done = self.0.values().filter(|done| **done).count();
        (is_done && !was_done).then(|| format!("{done} of {} layers", self.0.len()))
    }
}

/// Pushes every package-built image to a registry, which then can be a mirror of nodes: each by its own name without the host. Those that only some
/// labs need, `with_optional`, go by the name that they have in the engine, because it is the engine that pulls them.
pub(super) async fn push(shop: &Workshop<'_>, registry: &str, with_optional: bool) -> Result<Vec<String>, ImagesError> {
    let target = |key: &str, name: &str| {
        if key == NODE { node_in_mirror(shop, registry) } else { Reference::parse(name).in_mirror(registry) }
    };
    let of = |key: &str| shop.digests.images.get(key).map(|digest| image::local_name(key, digest));
    let own = shop.stack.images.iter().filter_map(|(key, i)| Some((of(key)?, target(key, &i.name))));
    let optional = shop.stack.optional.keys().filter(|_| with_optional).filter_map(|key| of(key));
    let optional = optional.map(|local| (local.clone(), Reference::parse(&local).in_mirror(registry)));
    let all: Vec<(String, Reference)> = own.chain(optional).collect();
    let pushing = |to: &Reference| format!("pushing {}", to.tagged());
    shop.expect(all.iter().map(|(_, to)| Job::new(pushing(to), Needs::Network)));
    let mut pushed = Vec::new();
    for (local, to) in all {
        let (repository, tag, shown) = (to.repository(), to.tag().to_owned(), to.tagged());
        let push = async {
            shop.engine.tag_image(&local, &repository, &tag).await?;
            let result = shop.engine.push_image(&repository, &tag, &to.host).await;
            shop.engine.untag_image(&shown).await?;
            result.map_err(|e| refused("push", &shown, classify(&e), &e))
        };
        shop.job(&pushing(&to), Needs::Network, push).await?;
        pushed.push(shown);
    }
    Ok(pushed)
}

/// The name that the package-built node image has in a mirror. Its digest is its tag: a mirror holds the one that fits, or it does not.
pub(super) fn node_in_mirror(shop: &Workshop<'_>, mirror: &str) -> Reference {
    let tag = shop.digests.images.get(NODE).map(|d| d.short().to_owned());
    Reference { host: mirror.to_owned(), path: "node".to_owned(), tag, digest: None }
}

fn classify(error: &Error) -> Refusal {
    let (status, text) = match error {
        Error::DockerResponseServerError { status_code, message } => (*status_code, message.to_lowercase()),
        other => (0, other.to_string().to_lowercase()),
    };
    let says = |words: &[&str]| words.iter().any(|w| text.contains(w));
    if says(&["toomanyrequests", "too many requests", "rate limit"]) || status == 429 {
        Refusal::RateLimited
    } else if says(&["unauthorized", "denied", "no basic auth", "authentication required"])
        || status == 401
        || status == 403
    {
        // Docker Hub denies what it does not have, so as not to tell.
        Refusal::Denied
    } else if says(&["not found", "manifest unknown", "name unknown"]) || status == 404 {
        Refusal::NotFound
    } else if says(&[
        "timeout",
        "timed out",
        "connection reset",
        "connection refused",
        "eof",
        "temporary failure",
        "no such host",
        "network is unreachable",
        "500 internal",
        "502 bad",
        "503 service",
        "504 gateway",
        "tls handshake",
    ]) {
        Refusal::Passing
    } else {
        Refusal::Other
    }
}

fn refused(action: &'static str, reference: &str, refusal: Refusal, error: &Error) -> ImagesError {
    let host = Reference::parse(reference).host;
    let remedy = match refusal {
        Refusal::NotFound => format!(
            "{host} has no such image: if it is a mirror, fill it (`lab images push {host}` for package-built images), else build the images \
             here with `--images packages`"
        ),
        Refusal::Denied => {
            format!(
                "{host} wants a login (`docker login {host}`), or has no such image: build the images here with `--images packages`, or use a mirror (images.mirror)"
            )
        }
        Refusal::RateLimited => {
            format!(
                "{host} lets nobody pull this often: wait, use a mirror (images.mirror), or build the images here with `--images packages`"
            )
        }
        Refusal::Passing | Refusal::Other => format!(
            "see whether the engine reaches {host} (`docker pull {reference}`); a proxy is configured in the engine, not here. \
             Without a registry: `--images packages`"
        ),
    };
    ImagesError::Transfer { action, reference: reference.to_owned(), reason: error.to_string(), remedy }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn server(status_code: u16, message: &str) -> Error {
        Error::DockerResponseServerError { status_code, message: message.to_owned() }
    }

    #[test]
    fn refusals_are_told_apart() {
        let cases = [
            (server(404, "manifest for x:1 not found: manifest unknown"), Refusal::NotFound),
            (server(500, "Get https://x/v2/: dial tcp: lookup x: no such host"), Refusal::Passing),
            (
                server(500, "net/http: request canceled while waiting for connection (Client.Timeout exceeded)"),
                Refusal::Passing,
            ),
            (server(500, "toomanyrequests: You have reached your pull rate limit"), Refusal::RateLimited),
            (server(404, "pull access denied for x, repository does not exist"), Refusal::Denied),
            (server(500, "unauthorized: authentication required"), Refusal::Denied),
            (server(500, "no space left on device"), Refusal::Other),
            (Error::DockerStreamError { error: "unexpected EOF".to_owned() }, Refusal::Passing),
        ];
        for (error, expected) in cases {
            assert_eq!(classify(&error), expected, "{error}");
        }
    }

    #[test]
    fn layers_are_counted() {
        let mut layers = Layers::default();
        assert_eq!(layers.see("v1", "Pulling from kindest/node"), None);
        assert_eq!(layers.see("a", "Pulling fs layer"), None);
        assert_eq!(layers.see("b", "Already exists").as_deref(), Some("1 of 2 layers"));
        assert_eq!(layers.see("a", "Downloading"), None);
        assert_eq!(layers.see("a", "Pull complete").as_deref(), Some("2 of 2 layers"));
        assert_eq!(layers.see("a", "Pull complete"), None);
    }

    #[test]
    fn pinned_images_are_pulled_by_digest() {
        let reference = Reference::parse("kindest/node:v1@sha256:ab");
        assert_eq!(by_digest(&reference), "docker.io/kindest/node@sha256:ab");
    }
}
