use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::*;
use crate::exec::Events;
use crate::images::digests::Digests;
use crate::images::stack::Stack;
use crate::images::ways::{Download, Sum};
use crate::plan::StepId;
use crate::scenario::Versions;
use crate::sys::cache::Cache;
use crate::sys::docker::Engine;
use crate::sys::http::fixture::answering;

/// What is published: a program that tells its version.
const PROGRAM: &str = "#!/bin/sh\necho tool v1.2.3\n";
/// Its SHA-256.
const SUM: &str = "376d61129f6ab72495b5251f097b7cd3bf34a7cb180808a6ba42310867bf743c";

/// A publisher on loopback: `/tool`, `/tool.sha256`, and `/torn`, whose connection is dropped in the middle. It counts what it is asked.
async fn publisher() -> (String, Arc<AtomicUsize>) {
    let asked = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&asked);
    let base = answering(move |request, _| {
        counted.fetch_add(1, Ordering::SeqCst);
        let (status, length, body) = match request.split(' ').nth(1).unwrap_or_default() {
            "/tool" => (200, PROGRAM.len(), PROGRAM.to_owned()),
            "/torn" => (200, 1000, PROGRAM.to_owned()),
            "/tool.sha256" => (200, SUM.len() + 6, format!("{SUM}  tool")),
            _ => (404, 0, String::new()),
        };
        format!("HTTP/1.1 {status} x\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n{body}")
    });
    (base.await, asked)
}

fn release(url: String, sum: Sum) -> Way {
    Way::Release(Download { url, sum, member: None })
}

fn pinned() -> Sum {
    Sum::Pinned(SUM.to_owned())
}

/// Where the ways lead, and what they said.
async fn sought(cache: &Cache, ways: Vec<Way>) -> (Option<PathBuf>, Vec<String>) {
    let stack = Stack::serving(Source::Registry, Versions::default()).expect("stack.yaml is valid");
    let (digests, none) = (Digests::of(&stack), Engine::none().expect("no engine"));
    let (events, _) = Events::channel();
    let progress = events.progress(&StepId("tools".to_owned()));
    let shop = Workshop::new(&stack, &digests, cache, &none, &progress);
    let wanted = Wanted {
        name: "lab-no-such-tool",
        version: "v1.2.3".to_owned(),
        built: Some("v1.2-dev".to_owned()),
        ways,
        ..Wanted::kind(&stack)
    };
    let sought = Sought::look(&shop, wanted).await;
    (sought.path, sought.tried)
}

fn cache() -> (impl Sized, Cache) {
    let dir = crate::sys::unfinished::dir().expect("a directory");
    let cache = Cache::at(dir.path().join("cache")).expect("a cache");
    (dir, cache)
}

#[tokio::test]
async fn a_release_is_downloaded_once_and_checked() {
    let ((base, asked), (_dir, cache)) = (publisher().await, cache());
    let published = Sum::Published(format!("{base}/tool.sha256"));
    for (sum, times) in [(pinned(), 1), (published, 2)] {
        let before = asked.load(Ordering::SeqCst);
        let ways = || vec![release(format!("{base}/tool"), sum.clone())];
        let (path, tried) = sought(&cache, ways()).await;
        assert!(path.is_some_and(|path| Fingerprint::of_executable(&path).is_some()), "{tried:?}");
        assert_eq!(asked.load(Ordering::SeqCst) - before, times);
        assert!(sought(&cache, ways()).await.0.is_some());
        assert_eq!(asked.load(Ordering::SeqCst) - before, times, "it is kept");
    }
}

#[tokio::test]
async fn what_is_not_what_it_should_be_is_not_used_and_the_next_way_is_gone() {
    let ((base, _), (_dir, cache)) = (publisher().await, cache());
    let tool = format!("{base}/tool");
    let wrong = "0".repeat(64);
    let ways = vec![
        Way::Path(Fits::Only("v1.2.3".to_owned())),
        release(tool.clone(), Sum::Pinned(wrong.clone())),
        release(tool.clone(), Sum::Published(format!("{base}/no-sum"))),
        release(format!("{base}/torn"), pinned()),
        release(format!("{base}/gone"), pinned()),
        release(tool.clone(), pinned()),
    ];
    let (path, tried) = sought(&cache, ways).await;
    assert!(path.is_some(), "{tried:?}");
    assert_eq!(tried[0], "PATH has no lab-no-such-tool v1.2.3");
    assert_eq!(tried[1], format!("{tool} is not used: its SHA-256 is {SUM}, not {wrong}"));
    assert_eq!(tried[2], format!("{base}/no-sum: it answered 404"));
    assert!(tried[3].starts_with(&format!("{base}/torn: ")), "{tried:?}");
    assert_eq!(tried[4..], [format!("{base}/gone: it answered 404")]);
}

#[tokio::test]
async fn a_program_that_is_another_version_is_not_used() {
    let ((base, _), (_dir, cache)) = (publisher().await, cache());
    let stack = Stack::embedded().expect("stack.yaml is valid");
    let (digests, none) = (Digests::of(&stack), Engine::none().expect("no engine"));
    let (events, _) = Events::channel();
    let progress = events.progress(&StepId("tools".to_owned()));
    let shop = Workshop::new(&stack, &digests, &cache, &none, &progress);
    let ways = vec![release(format!("{base}/tool"), pinned())];
    let wanted = Wanted { name: "lab-no-such-tool", ways, ..Wanted::kind(&stack) };
    let sought = Sought::look(&shop, wanted).await;
    assert!(sought.path.is_none());
    assert!(sought.tried[0].ends_with("says that it is `tool v1.2.3`, not v0.33.0"), "{:?}", sought.tried);
}

#[tokio::test]
async fn a_host_that_is_not_reached_costs_seconds_and_is_named() {
    let (_dir, cache) = cache();
    let start = std::time::Instant::now();
    let (path, tried) = sought(&cache, vec![release("https://upstream.invalid/tool".to_owned(), pinned())]).await;
    assert!(path.is_none() && tried[0].starts_with("https://upstream.invalid/tool: "), "{tried:?}");
    assert!(start.elapsed() < Duration::from_secs(8), "{:?}", start.elapsed());
}
