//! Where tools and images would come from on this machine. Nothing is built, pulled or started for it but programs that tell their version.

use std::path::PathBuf;

use futures::future::join_all;

use super::digests::Digests;
use super::prepare::is_prepared;
use super::stack::Stack;
use super::ways::{Wanted, Way, host};
use super::workshop::Workshop;
use super::{Choice, ImagesError, Source, debian, resolve, tools};
use crate::exec::Events;
use crate::plan::StepId;
use crate::scenario::{ImageSettings, Versions};
use crate::sys::cache::{Cache, on_path};
use crate::sys::docker::Engine;
use crate::sys::http::Http;
use crate::sys::process::Process;

/// Where a tool comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ToolPlace {
    /// It is here: on PATH, or downloaded or built before.
    Here(PathBuf),
    /// It will be, when it is first needed: how it comes.
    ToCome(String),
    /// No way leads to it: what each said.
    Nowhere(String),
}

/// One program that lab runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ToolFacts {
    /// Its name.
    pub name: &'static str,
    /// Its version, if it is here, or the one that it will get.
    pub version: String,
    /// Which versions will do.
    pub accepted: String,
    /// Where it comes from.
    pub place: ToolPlace,
    /// The first of its name on PATH, if that is a version that will not do.
    pub passed_over: Option<PathBuf>,
}

/// Something that was asked whether it answers: its name, and why it does not.
pub type Asked = (String, Result<(), String>);

/// Where images come from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SourceFacts {
    /// The node image that is prepared already, with its source.
    pub prepared: Option<String>,
    /// Registries of the upstream images, or the mirror that the scenario names.
    pub registries: Vec<Asked>,
    /// Whether those are a mirror, which alone counts then.
    pub mirrored: bool,
    /// Programs that build images from packages, and lacks of this machine that forbid it.
    pub builders: Vec<Asked>,
    /// Where packages are downloaded from.
    pub packages: Vec<Asked>,
}

impl SourceFacts {
    /// The source that would serve a lab that says nothing of it.
    #[must_use]
    pub fn serving(&self) -> Source {
        let all = !self.registries.is_empty() && self.registries.iter().all(|(_, answer)| answer.is_ok());
        if all { Source::Registry } else { Source::Packages }
    }
}

/// The tools for a source of images, kubectl last: it is for kustomizations only.
///
/// # Errors
/// The cache cannot be used.
pub async fn tool_facts(
    settings: &ImageSettings,
    engine: Option<&Engine>,
    source: Source,
) -> Result<Vec<ToolFacts>, ImagesError> {
    let none = Engine::none()?;
    let prepared = match engine {
        Some(engine) => is_prepared(Choice::Auto, settings, Versions::default(), engine).await,
        None => None,
    };
    let source = prepared.as_ref().map_or(source, |p| p.source);
    let stack = Stack::serving(source, Versions::default())?;
    let (digests, cache) = (Digests::of(&stack), Cache::open()?);
    let (events, _) = Events::channel();
    let progress = events.progress(&StepId("tools".to_owned()));
    let shop = Workshop::new(&stack, &digests, &cache, engine.unwrap_or(&none), &progress);
    let all = [
        (Wanted::kind(&stack), prepared.as_ref().map(|p| p.kind.clone())),
        (Wanted::istioctl(&stack, source, settings.mirror.as_deref()), prepared.as_ref().map(|p| p.istioctl.clone())),
        (Wanted::kubectl(&stack), None),
    ];
    Ok(join_all(all.into_iter().map(|(wanted, known)| facts(&shop, wanted, known))).await)
}

async fn facts(shop: &Workshop<'_>, wanted: Wanted, known: Option<PathBuf>) -> ToolFacts {
    let here = match known {
        Some(path) => Some(path),
        None => tools::here(shop, &wanted).await,
    };
    let said = match &here {
        Some(path) => tools::version(shop, path, &wanted).await,
        None => None,
    };
    let first = on_path(wanted.name).into_iter().next().filter(|first| here.as_ref() != Some(first));
    ToolFacts {
        name: wanted.name,
        version: said.map_or_else(|| wanted.version.clone(), |said| wanted.version_in(&said)),
        accepted: wanted.accepted(),
        place: match here {
            Some(path) => ToolPlace::Here(path),
            None => to_come(shop, &wanted).await,
        },
        passed_over: first,
    }
}

/// By which way a tool would come that is not here.
async fn to_come(shop: &Workshop<'_>, wanted: &Wanted) -> ToolPlace {
    let mut tried = Vec::new();
    for way in &wanted.ways {
        let (how, answer) = match way {
            Way::Path(_) => continue,
            Way::Release(download) => {
                let answer = match Http::new() {
                    Ok(http) => http.has_file(&download.url).await.map_err(|e| e.to_string()),
                    Err(e) => Err(e.to_string()),
                };
                let host = host(&download.url);
                (format!("downloaded from {host}"), answer.map_err(|why| format!("{host}: {why}")))
            }
            Way::Image(image) => {
                let answer = resolve::is_there(image, shop.engine).await;
                (format!("taken out of {image}"), answer.map_err(|why| format!("{image}: {why}")))
            }
            Way::Modules => {
                let go = if on_path("go").is_empty() { Err("go is not on PATH".to_owned()) } else { Ok(()) };
                let version = wanted.built.as_ref().map_or_else(String::new, |version| format!(", as {version}"));
                (format!("built{version}"), go)
            }
        };
        match answer {
            Ok(()) => return ToolPlace::ToCome(how),
            Err(why) => tried.push(why),
        }
    }
    ToolPlace::Nowhere(tried.join("; "))
}

/// The sources of images, all asked side by side.
///
/// # Errors
/// The stack is not valid: a mistake in lab.
pub async fn sources(settings: &ImageSettings, engine: Option<&Engine>) -> Result<SourceFacts, ImagesError> {
    let stack = Stack::embedded()?;
    let prepared = async {
        let prepared = is_prepared(Choice::Auto, settings, Versions::default(), engine?).await?;
        Some(format!("{} ({})", prepared.node_image, prepared.describe()))
    };
    let (prepared, registries, (builders, packages)) =
        tokio::join!(prepared, registries(&stack, settings, engine), packages(&stack));
    Ok(SourceFacts { prepared, registries, mirrored: settings.mirror.is_some(), builders, packages })
}

async fn registries(stack: &Stack, settings: &ImageSettings, engine: Option<&Engine>) -> Vec<Asked> {
    let Some(mirror) = &settings.mirror else { return resolve::lacking(&resolve::upstream(stack, engine).await) };
    let answer = match Http::new() {
        Ok(http) => http.registry_answers(&format!("http://{mirror}")).await.map_err(|e| e.to_string()),
        Err(e) => Err(e.to_string()),
    };
    vec![(mirror.clone(), answer)]
}

/// The programs that build images from packages, and what of this machine forbids it. Nothing is asked of the network.
pub(super) async fn builders(stack: &Stack) -> Vec<Asked> {
    let pip = Process::new("python3").args(["-m", "pip", "--version"]).output().await;
    let has = |program: &str| {
        if on_path(program).is_empty() { Err(format!("{program} is not on PATH")) } else { Ok(()) }
    };
    let without = stack.wheels.values().find(|wheel| wheel.sum().is_none());
    let architecture =
        without.map_or(Ok(()), |wheel| Err(format!("there is no {} for {}", wheel.package, std::env::consts::ARCH)));
    vec![
        ("Go".to_owned(), has("go")),
        ("Python with pip".to_owned(), pip.map(|_| ()).map_err(|_| "python3 -m pip does not run".to_owned())),
        ("mmdebstrap".to_owned(), has("mmdebstrap")),
        ("architecture".to_owned(), architecture),
    ]
}

/// The programs that build, and where they download from.
async fn packages(stack: &Stack) -> (Vec<Asked>, Vec<Asked>) {
    let go = Process::new("go").args(["env", "GOPROXY"]).output().await;
    let builders = builders(stack).await;
    let index = async {
        if let Ok(url) = std::env::var("PIP_INDEX_URL") {
            url
        } else {
            let config = Process::new("python3").args(["-m", "pip", "config", "get", "global.index-url"]);
            config.output().await.map_or_else(|_| PYPI.to_owned(), |url| url.trim().to_owned())
        }
    };
    let index = index.await;
    let proxy = go.ok().and_then(|list| first_proxy(&list));
    let wheel = stack.wheels.values().next().map(|w| w.package.as_str()).unwrap_or_default();
    let suite = stack.debian.values().next().map(|d| d.suite.as_str()).unwrap_or_default();
    let mirror = debian::mirror(suite);
    let asked = [
        proxy.map(|proxy| ("Go modules", format!("{proxy}/{PROBED_MODULE}/@v/list"))),
        Some(("Python packages", format!("{}/{wheel}/", index.trim_end_matches('/')))),
        Some(("Debian packages", format!("{}/dists/{suite}/Release", mirror.trim_end_matches('/')))),
    ];
    let http = Http::new();
    let ask = |(what, url): (&str, String)| {
        let (what, http) = (what.to_owned(), &http);
        async move {
            let answer = match http {
                Ok(http) => http.serves(&url).await.map_err(|e| format!("{}: {e}", host(&url))),
                Err(e) => Err(e.to_string()),
            };
            (what, answer)
        }
    };
    (builders, join_all(asked.into_iter().flatten().map(ask)).await)
}

/// The index that pip asks when nothing else is configured.
const PYPI: &str = "https://pypi.org/simple";

/// A small module that every proxy which serves the stack has.
const PROBED_MODULE: &str = "sigs.k8s.io/kind";

/// The first proxy of Go's list; none where modules come straight from their repositories, or not at all.
fn first_proxy(list: &str) -> Option<String> {
    let first = list.trim().split([',', '|']).next()?;
    first.starts_with("http").then(|| first.trim_end_matches('/').to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_proxy_is_asked() {
        assert_eq!(first_proxy("https://proxy.example/,direct\n").as_deref(), Some("https://proxy.example"));
        assert_eq!(first_proxy("https://a|https://b").as_deref(), Some("https://a"));
        assert_eq!(first_proxy("direct"), None);
        assert_eq!(first_proxy("off"), None);
    }
}
