//! Which source serves: what the user says, else what this machine has, else what it reaches.

use std::collections::{BTreeMap, BTreeSet};

use futures::future::join_all;

use super::reference::Reference;
use super::stack::Stack;
use super::{ImagesError, Source, sources};
use crate::scenario::{Matrix, Minor, Product, Versions};
use crate::sys::docker::{DockerCredentials, Engine, Registries, login};
use crate::sys::http::{Held, Http, Repository, Unreachable};

/// What the user says about the source.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Choice {
    /// The registry source where registries have every image, else the packages source.
    #[default]
    Auto,
    /// Upstream images from their registries.
    Registry,
    /// Images built on this machine.
    Packages,
}

impl Choice {
    /// The sources to look for among what this machine has, the preferred one first.
    pub(super) fn candidates(self) -> &'static [Source] {
        match self {
            Self::Auto => &[Source::Registry, Source::Packages],
            Self::Registry => &[Source::Registry],
            Self::Packages => &[Source::Packages],
        }
    }

    /// The choice for a lab that has its images from `source`, which it keeps for life: its nodes hold them, and Istio's settings go with them. None
    /// if the user says otherwise.
    #[must_use]
    pub fn kept(self, source: Source) -> Option<Self> {
        let kept = match source {
            Source::Registry => Self::Registry,
            Source::Packages => Self::Packages,
        };
        (self == Self::Auto || self == kept).then_some(kept)
    }
}

/// What is left of a choice where clusters run these versions: not every source has every version.
///
/// # Errors
/// The chosen source lacks one.
pub fn having(choice: Choice, versions: impl IntoIterator<Item = Versions>) -> Result<Choice, ImagesError> {
    let versions: BTreeSet<Versions> = versions.into_iter().collect();
    let matrix = Matrix::embedded();
    let lacking = |source: Source| {
        let has = |(product, minor): &(Product, Minor)| {
            let available = matrix.find(*product, *minor);
            let version = available
                .and_then(|a| if source == Source::Packages { a.packages.as_ref() } else { a.registry.as_ref() });
            version.is_some()
        };
        let lacking = versions.iter().flat_map(|v| v.asked()).find(|asked| !has(asked));
        lacking.map(|(product, minor)| ImagesError::NoVersion {
            source_name: source.to_string(),
            version: format!("{product} {minor}"),
            there: matrix.told(product),
        })
    };
    match (choice, lacking(Source::Packages), lacking(Source::Registry)) {
        (Choice::Auto, None, Some(_)) => Ok(Choice::Packages),
        (Choice::Auto, None, None) | (Choice::Packages, None, _) | (Choice::Registry, _, None) => Ok(choice),
        (Choice::Auto, Some(_), None) => Ok(Choice::Registry),
        (Choice::Auto | Choice::Packages, Some(lack), _) | (Choice::Registry, _, Some(lack)) => Err(lack),
    }
}

/// The source that serves, with the reason for the user.
pub(super) async fn resolve(choice: Choice, stack: &Stack, engine: &Engine) -> Result<(Source, String), ImagesError> {
    match choice {
        Choice::Registry => Ok((Source::Registry, "as you chose".to_owned())),
        Choice::Packages => Ok((Source::Packages, "as you chose".to_owned())),
        Choice::Auto => {
            let (answers, builders) = tokio::join!(upstream(stack, Some(engine)), sources::builders(stack));
            choose(&answers, &builders)
        }
    }
}

/// Whether this machine can build images from packages.
pub(super) async fn can_build(stack: &Stack) -> bool {
    sources::builders(stack).await.iter().all(|(_, has)| has.is_ok())
}

/// What a registry said when it was asked for an image.
pub(super) type Answer = Result<bool, String>;

/// Asks upstream's registries for every image of the stack, as the engine would. That a registry answers does not mean that it has one.
pub(super) async fn upstream(stack: &Stack, engine: Option<&Engine>) -> Vec<(Reference, Answer)> {
    let references: Vec<Reference> =
        stack.images.values().filter_map(|i| i.registry.as_deref()).map(Reference::parse).collect();
    let asking = Asking::of(engine, references.iter().map(|r| r.host.as_str())).await;
    let ask = |reference: Reference| {
        let asking = &asking;
        async move {
            let answer = match asking {
                Ok(asking) => asking.has(&reference).await,
                Err(e) => Err(e.to_string()),
            };
            (reference, answer)
        }
    };
    join_all(references.into_iter().map(ask)).await
}

/// Whether there is an image, by what the engine would ask; an error says why not.
pub(super) async fn is_there(image: &Reference, engine: &Engine) -> Result<(), String> {
    let asking = Asking::of(Some(engine), [image.host.as_str()]).await.map_err(|e| e.to_string())?;
    if asking.has(image).await? { Ok(()) } else { Err("there is no such image".to_owned()) }
}

/// How registries are asked.
struct Asking {
    http: Http,
    registries: Registries,
    /// By host; an error says why the one that there is cannot be read.
    logins: BTreeMap<String, Result<Option<DockerCredentials>, String>>,
}

impl Asking {
    /// As the engine asks them; one that does not tell asks the registries themselves.
    async fn of(engine: Option<&Engine>, hosts: impl IntoIterator<Item = &str>) -> Result<Self, Unreachable> {
        let registries = match engine {
            Some(engine) => engine.registries().await.unwrap_or_default(),
            None => Registries::default(),
        };
        let hosts: BTreeSet<&str> = hosts.into_iter().collect();
        let logins = join_all(hosts.into_iter().map(async |host| (host.to_owned(), login(host).await))).await;
        Ok(Self { http: Http::new()?, registries, logins: logins.into_iter().collect() })
    }

    /// Whether the registry of an image, or a mirror of it, has it.
    async fn has(&self, image: &Reference) -> Answer {
        let wanted = image.digest.as_deref().unwrap_or_else(|| image.tag());
        let bases = self.registries.bases(&image.host, image.registry_url());
        let mirrors = bases.len() - 1;
        let mut answer = Ok(Held::Absent);
        let login = self.logins.get(&image.host);
        for (at, base) in bases.iter().enumerate() {
            // The login is for the registry itself, and no mirror's business.
            let login = login.filter(|_| at >= mirrors).and_then(|login| login.as_ref().ok()?.as_ref());
            answer = self.http.holds_manifest(Repository { base, path: &image.path, login }, wanted).await;
            if matches!(answer, Ok(Held::There)) {
                break;
            }
        }
        match answer.map_err(|e| e.to_string())? {
            Held::There => Ok(true),
            Held::Absent => Ok(false),
            Held::Denied(status) => Err(denied(&image.host, status, login)),
        }
    }
}

/// What is told of a registry that denies an image.
fn denied(host: &str, status: u16, login: Option<&Result<Option<DockerCredentials>, String>>) -> String {
    let who = match login {
        Some(Ok(Some(_))) => "the login that Docker has for it is not enough".to_owned(),
        Some(Err(unread)) => format!("the login that Docker has for it cannot be read: {unread}"),
        Some(Ok(None)) | None => format!("it may want a login: `docker login {host}`"),
    };
    format!("it denies what it was asked for ({status}), or does not have it; {who}")
}

/// The digest that an upstream reference's tag has at its registry now; none where the registry does not have it.
///
/// # Errors
/// The registry does not answer.
pub async fn upstream_digest(reference: &str) -> Result<Option<String>, Unreachable> {
    let reference = Reference::parse(reference);
    let login = login(&reference.host).await.unwrap_or_default();
    let of = Repository { base: &reference.registry_url(), path: &reference.path, login: login.as_ref() };
    Http::new()?.manifest_digest(of, reference.tag()).await
}

/// What is wrong with the registries: by host, each image that is missing, and each of which is not known whether it is, with the reason.
pub(super) fn lacking(answers: &[(Reference, Answer)]) -> Vec<(String, Result<(), String>)> {
    let hosts: BTreeSet<&str> = answers.iter().map(|(reference, _)| reference.host.as_str()).collect();
    let of_host = |host: &str| {
        let own: Vec<(String, &Answer)> = answers
            .iter()
            .filter(|(reference, _)| reference.host == host)
            .map(|(r, answer)| (format!("{}:{}", r.path, r.tag()), answer))
            .collect();
        let named = |wanted: &Answer| {
            let names: Vec<&str> = own.iter().filter(|(_, a)| *a == wanted).map(|(name, _)| name.as_str()).collect();
            names.join(", ")
        };
        let reasons: BTreeSet<&String> = own.iter().filter_map(|(_, answer)| answer.as_ref().err()).collect();
        let missing = named(&Ok(false));
        let mut wrong: Vec<String> = Vec::new();
        if !missing.is_empty() {
            wrong.push(format!("it has no {missing}"));
        }
        for reason in reasons {
            let all = own.iter().all(|(_, answer)| answer.as_ref().err() == Some(reason));
            wrong.push(if all { reason.clone() } else { format!("{}: {reason}", named(&Err(reason.clone()))) });
        }
        if wrong.is_empty() { Ok(()) } else { Err(wrong.join("; ")) }
    };
    hosts.into_iter().map(|host| (host.to_owned(), of_host(host))).collect()
}

/// Only when every image is there can the registry source serve; else the packages source does, where this machine can build.
fn choose(answers: &[(Reference, Answer)], builders: &[sources::Asked]) -> Result<(Source, String), ImagesError> {
    let hosts = lacking(answers);
    let failing = |asked: &[sources::Asked]| -> Vec<String> {
        asked.iter().filter_map(|(name, answer)| Some(format!("{name}: {}", answer.as_ref().err()?))).collect()
    };
    let wrong = failing(&hosts);
    let why = match &wrong[..] {
        [] => return Ok((Source::Registry, "the registries have every image".to_owned())),
        [_, ..] if answers.iter().all(|(_, answer)| answer.is_err()) => {
            format!("no registry serves ({})", wrong.join("; "))
        }
        some => some.join("; "),
    };
    let lacks = failing(builders);
    if lacks.is_empty() {
        return Ok((Source::Packages, why));
    }
    Err(ImagesError::NoSource { registries: wrong.join("; "), builders: lacks.join("; ") })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_choice_needs_no_network() {
        let stack = Stack::embedded().expect("stack.yaml is valid");
        let none = Engine::none().expect("no engine");
        let (source, _) = resolve(Choice::Packages, &stack, &none).await.expect("resolves");
        assert_eq!(source, Source::Packages);
        let (source, why) = resolve(Choice::Registry, &stack, &none).await.expect("resolves");
        assert_eq!((source, why.as_str()), (Source::Registry, "as you chose"));
    }

    #[test]
    fn a_version_that_one_source_has_decides_for_it() {
        let of = |istio: &str| Versions { kubernetes: None, istio: istio.parse().ok() };
        assert_eq!(having(Choice::Auto, [of("")]).expect("both"), Choice::Auto);
        assert_eq!(having(Choice::Auto, [of("1.31")]).expect("both"), Choice::Auto);
        assert_eq!(having(Choice::Auto, [of("1.31"), of("1.32")]).expect("packages"), Choice::Packages);
        let error = having(Choice::Registry, [of("1.32")]).expect_err("lacks it").to_string();
        assert!(error.contains("registry") && error.contains("Istio 1.32"), "{error}");
    }

    fn answers(pilot: Result<bool, &str>, controller: Result<bool, &str>) -> Vec<(Reference, Answer)> {
        let answer = |image, answer: Result<bool, &str>| (Reference::parse(image), answer.map_err(str::to_owned));
        vec![answer("docker.io/istio/pilot:1.31.1", pilot), answer("quay.io/metallb/controller:v1", controller)]
    }

    #[test]
    fn a_lab_keeps_its_source() {
        for (choice, source, kept) in [
            (Choice::Auto, Source::Packages, Some(Choice::Packages)),
            (Choice::Auto, Source::Registry, Some(Choice::Registry)),
            (Choice::Registry, Source::Registry, Some(Choice::Registry)),
            (Choice::Registry, Source::Packages, None),
            (Choice::Packages, Source::Registry, None),
        ] {
            assert_eq!(choice.kept(source), kept, "{choice:?} of a lab of {source}");
        }
    }

    #[test]
    fn packages_serve_when_an_image_is_missing() {
        let can = [("Go".to_owned(), Ok(()))];
        let chosen = |answers: &[(Reference, Answer)]| choose(answers, &can).expect("a source");
        assert_eq!(chosen(&answers(Ok(true), Ok(true))).0, Source::Registry);
        let (source, why) = chosen(&answers(Ok(false), Ok(true)));
        assert_eq!((source, why.as_str()), (Source::Packages, "docker.io: it has no istio/pilot:1.31.1"));
        let (source, why) = chosen(&answers(Ok(false), Err("timed out")));
        assert_eq!(source, Source::Packages);
        assert_eq!(why, "docker.io: it has no istio/pilot:1.31.1; quay.io: timed out");
        let (source, why) = chosen(&answers(Err("no route"), Err("timed out")));
        assert_eq!(source, Source::Packages);
        assert_eq!(why, "no registry serves (docker.io: no route; quay.io: timed out)");
    }

    #[test]
    fn each_image_that_is_not_to_be_had_is_named() {
        let answer = |image, answer: Result<bool, &str>| (Reference::parse(image), answer.map_err(str::to_owned));
        let hub = |one, other, third| {
            let all =
                [answer("istio/pilot:1", one), answer("istio/proxyv2:1", other), answer("kindest/node:v1", third)];
            lacking(&all).remove(0).1
        };
        assert_eq!(hub(Ok(true), Ok(true), Ok(true)), Ok(()));
        assert_eq!(hub(Ok(false), Ok(true), Ok(false)), Err("it has no istio/pilot:1, kindest/node:v1".to_owned()));
        let mixed = hub(Ok(false), Err("429"), Ok(true));
        assert_eq!(mixed, Err("it has no istio/pilot:1; istio/proxyv2:1: 429".to_owned()));
        assert_eq!(hub(Err("429"), Err("429"), Err("429")), Err("429".to_owned()));
    }

    #[test]
    fn where_nothing_can_be_built_the_missing_image_is_named() {
        let cannot = [("Go".to_owned(), Err("go is not on PATH".to_owned())), ("architecture".to_owned(), Ok(()))];
        assert_eq!(choose(&answers(Ok(true), Ok(true)), &cannot).expect("a source").0, Source::Registry);
        let error = choose(&answers(Ok(false), Ok(true)), &cannot).expect_err("no source");
        assert!(error.lacks_something());
        let text = error.to_string();
        assert!(text.contains("docker.io: it has no istio/pilot:1.31.1"), "{text}");
        assert!(text.contains("Go: go is not on PATH") && !text.contains("architecture"), "{text}");
    }
}
