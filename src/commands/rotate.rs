//! `rotate`: what clusters trust each other by is replaced while every cluster calls every other.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use tokio_util::sync::CancellationToken;

use super::up::Up;
use crate::context::StepError;
use crate::exec::Progress;
use crate::observe::steady::Steady;
use crate::observe::verify::{self, Waits};
use crate::plan::render::{self, APP_NAMESPACE, EAST_WEST_GATEWAY, INGRESS_GATEWAY, ISTIO_NAMESPACE};
use crate::plan::{Gateway, LabCluster};
use crate::scenario::{Check, ServiceUrl};
use crate::steps::reissue::{self, RootStage};
use crate::steps::sidecars;
use crate::sys::kube::Manifest;
use crate::verdict::{Answer, Calls, Passage, Phase, Verdict};

/// How long a lab may take to be well after a phase.
const SETTLE: Duration = Duration::from_secs(60);
/// So long calls go on after the last change of a stretch, so that what it breaks late is seen.
const AFTERWARDS: Duration = Duration::from_secs(3);

/// What is replaced.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Subject {
    /// The tokens by which control planes read other clusters, and the remote secrets with them
    RemoteSecret,
    /// The intermediate certificate of each cluster, by which its istiod signs
    Intermediate,
    /// The root certificate: first both are trusted, then the new one signs, then the old one is forgotten
    Root,
}

impl std::fmt::Display for Subject {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(match self {
            Self::RemoteSecret => "remote secrets",
            Self::Intermediate => "intermediate certificates",
            Self::Root => "root certificate",
        })
    }
}

/// What stopped a rotation.
#[derive(Debug)]
pub enum Stopped {
    /// An interrupt.
    Interrupted,
    /// The lab was not well before, or after a phase.
    Red(Box<Verdict>),
    /// Something could not be done.
    Failed(StepError),
}

impl<E: Into<StepError>> From<E> for Stopped {
    fn from(error: E) -> Self {
        Self::Failed(error.into())
    }
}

/// Replaces it. One that was interrupted goes on from where it was.
///
/// # Errors
/// See [`Stopped`].
pub async fn run(
    up: &Up,
    subject: Subject,
    progress: &Progress,
    interrupt: &CancellationToken,
) -> Result<Passage, Stopped> {
    let work = async {
        let mut rotation = Rotation::begin(up, progress, interrupt).await?;
        match subject {
            Subject::RemoteSecret => rotation.remote_secrets().await?,
            Subject::Intermediate => {
                rotation.issue("new intermediates", || reissue::intermediates(&up.ctx)).await?;
            }
            Subject::Root => rotation.root().await?,
        }
        rotation.end().await?;
        Ok(Passage::of(&up.ctx.lab.name, &subject.to_string(), rotation.phases()))
    };
    tokio::select! {
        passage = Box::pin(work) => passage,
        () = interrupt.cancelled() => Err(Stopped::Interrupted),
    }
}

/// When a phase was.
struct Stretch {
    name: String,
    start: Instant,
    end: Instant,
    /// Whether callers called.
    called: bool,
    /// Whether gateways and apps were restarted.
    restarts: bool,
}

/// A rotation under way, with what callers see of it.
struct Rotation<'a> {
    up: &'a Up,
    progress: &'a Progress,
    interrupt: &'a CancellationToken,
    service: ServiceUrl,
    steady: Option<Steady>,
    times: Vec<Stretch>,
    seen: BTreeMap<String, Vec<(Instant, Answer)>>,
}

impl<'a> Rotation<'a> {
    async fn begin(up: &'a Up, progress: &'a Progress, interrupt: &'a CancellationToken) -> Result<Self, Stopped> {
        let service = "helloworld.sample:5000/hello".parse::<ServiceUrl>();
        let service = service.map_err(|reason| StepError::Missing(format!("a service: it {reason}")))?;
        let (times, seen) = (Vec::new(), BTreeMap::new());
        let mut begun = Self { up, progress, interrupt, service, steady: None, times, seen };
        progress.say("looking whether all is well before anything is replaced");
        begun.judged(Waits { retry: Duration::ZERO, settle: SETTLE }).await?;
        begun.call().await?;
        Ok(begun)
    }

    /// Begins to call, unless that goes on already.
    async fn call(&mut self) -> Result<(), Stopped> {
        if self.steady.is_none() {
            self.steady = Some(Steady::begin(&self.up.ctx, &self.service).await?);
        }
        Ok(())
    }

    /// Ends the calls, and keeps what they saw.
    async fn hang_up(&mut self) {
        let Some(steady) = self.steady.take() else { return };
        // A call that is under way is answered within this time, or lost.
        tokio::time::sleep(AFTERWARDS).await;
        for (cluster, answers) in steady.end() {
            self.seen.entry(cluster).or_default().extend(answers);
        }
        if let Some(last) = self.times.last_mut() {
            last.end = Instant::now();
        }
    }

    /// Does one phase, and notes when it was.
    async fn phase(
        &mut self,
        name: impl Into<String>,
        restarts: bool,
        work: impl Future<Output = Result<(), Stopped>>,
    ) -> Result<(), Stopped> {
        let (name, start, called) = (name.into(), Instant::now(), self.steady.is_some());
        self.progress.say(&name);
        work.await?;
        self.times.push(Stretch { name, start, end: Instant::now(), called, restarts });
        Ok(())
    }

    /// The tokens first, which are gone at once; then what holds them.
    async fn remote_secrets(&mut self) -> Result<(), Stopped> {
        let (up, interrupt) = (self.up, self.interrupt);
        for cluster in up.ctx.lab.istio_clusters() {
            let Some(account) = render::lent_account(&up.ctx.lab, cluster) else { continue };
            self.phase(format!("new token of {}", cluster.name), false, async {
                let client = up.ctx.client(&cluster.name).await?;
                for object in Manifest::from_values([render::account_token(account)])?.objects {
                    client.delete_until_gone(&object, up.ctx.patience).await?;
                }
                built(up, interrupt).await
            })
            .await?;
        }
        self.hang_up().await;
        self.judged(Waits { retry: SETTLE, settle: SETTLE }).await
    }

    async fn root(&mut self) -> Result<(), Stopped> {
        let ctx = &self.up.ctx;
        if reissue::stage(ctx)? == RootStage::Old {
            self.issue("both roots trusted", || reissue::trust_both(ctx)).await?;
        }
        if reissue::stage(ctx)? == RootStage::Both {
            self.issue("the new root signs", || reissue::sign_by_next(ctx)).await?;
        }
        self.issue("the old root forgotten", || reissue::forget_old(ctx)).await
    }

    /// Changes certificates in the lab's state, and brings them to everything that has one: control planes, gateways, apps, and the callers last, who call no
    /// more by then.
    async fn issue(&mut self, what: &str, change: impl FnOnce() -> Result<(), StepError>) -> Result<(), Stopped> {
        let (up, interrupt) = (self.up, self.interrupt);
        self.call().await?;
        self.phase(format!("{what}: control planes"), false, async {
            change()?;
            built(up, interrupt).await?;
            let hosts: Vec<&LabCluster> = up.ctx.lab.istio_clusters().filter(|c| c.runs_istiod()).collect();
            let restarts = hosts.into_iter().map(|c| restarted(up, c, [(ISTIO_NAMESPACE, "istiod")], self.progress));
            futures::future::try_join_all(restarts).await.map(|_| ())
        })
        .await?;
        let clusters: Vec<&LabCluster> = up.ctx.lab.data_clusters().collect();
        for cluster in &clusters {
            let progress = self.progress;
            self.phase(format!("{what}: gateways and apps of {}", cluster.name), true, async {
                for gateway in gateways(cluster) {
                    restarted(up, cluster, [(ISTIO_NAMESPACE, gateway)], progress).await?;
                }
                apps(up, cluster, false, progress).await
            })
            .await?;
        }
        self.hang_up().await;
        let progress = self.progress;
        self.phase(format!("{what}: callers"), true, async {
            let all = clusters.iter().map(|cluster| apps(up, cluster, true, progress));
            futures::future::try_join_all(all).await.map(|_| ())
        })
        .await?;
        self.judged(Waits { retry: SETTLE, settle: SETTLE }).await
    }

    /// Goes on only if all is well.
    async fn judged(&self, waits: Waits) -> Result<(), Stopped> {
        let mut lab = self.up.ctx.lab.clone();
        lab.faults.clear();
        lab.checks.iter_mut().for_each(Check::stop_exercising);
        let ctx = crate::context::LabContext::new(lab, self.up.ctx.engine.clone(), self.up.ctx.state.clone());
        let verdict = Box::pin(verify::judge(&ctx, waits, self.progress)).await?;
        if verdict.passed { Ok(()) } else { Err(Stopped::Red(Box::new(verdict))) }
    }

    async fn end(&mut self) -> Result<(), Stopped> {
        self.hang_up().await;
        Ok(())
    }

    /// The phases with what callers saw in each.
    fn phases(self) -> Vec<Phase> {
        let calls = |start: Instant, end: Instant| {
            self.seen.iter().map(move |(cluster, answers)| {
                let mut calls = Calls::default();
                for (_, answer) in answers.iter().filter(|(at, _)| start <= *at && *at < end) {
                    calls.sent += 1;
                    if let Answer::Failure(reason) = answer {
                        *calls.lost.entry(reason.clone()).or_default() += 1;
                    }
                }
                (cluster.clone(), calls)
            })
        };
        let phase = |stretch: &Stretch| Phase {
            name: stretch.name.clone(),
            restarts: stretch.restarts,
            took: (stretch.end - stretch.start).as_secs_f64(),
            calls: if stretch.called { calls(stretch.start, stretch.end).collect() } else { BTreeMap::new() },
        };
        self.times.iter().map(phase).collect()
    }
}

/// What `lab up` does but the verdict.
async fn built(up: &Up, interrupt: &CancellationToken) -> Result<(), Stopped> {
    if up.build(interrupt).await? { Ok(()) } else { Err(Stopped::Interrupted) }
}

/// The gateways of a cluster by their Deployments.
fn gateways(cluster: &LabCluster) -> impl Iterator<Item = &'static str> {
    let east_west = cluster.east_west_endpoint().map(|_| EAST_WEST_GATEWAY);
    let ingress = cluster.addresses.get(&Gateway::IngressGateway).map(|_| INGRESS_GATEWAY);
    east_west.into_iter().chain(ingress)
}

/// Restarts what runs apps with sidecars: the callers, or all others.
async fn apps(up: &Up, cluster: &LabCluster, callers: bool, progress: &Progress) -> Result<(), Stopped> {
    let client = up.ctx.client(&cluster.name).await?;
    for owner in sidecars::carriers(&up.ctx, cluster).await? {
        let is_caller = owner.is(APP_NAMESPACE, "sleep");
        if owner.is_in(ISTIO_NAMESPACE) || is_caller != callers {
            continue;
        }
        for object in Manifest::from_values([owner.identity()])?.objects {
            progress.say(format!("{}: restarting {owner}", cluster.name));
            client.restart(&object).await?;
            client.until_rolled_out(&object, up.ctx.patience, progress).await?;
        }
    }
    Ok(())
}

/// Restarts Deployments of a cluster, those that it has.
async fn restarted<const N: usize>(
    up: &Up,
    cluster: &LabCluster,
    deployments: [(&str, &str); N],
    progress: &Progress,
) -> Result<(), Stopped> {
    let client = up.ctx.client(&cluster.name).await?;
    for (namespace, name) in deployments {
        let identity = serde_json::json!({ "apiVersion": "apps/v1", "kind": "Deployment",
            "metadata": { "namespace": namespace, "name": name } });
        let Some(live) = client.read(&identity).await? else { continue };
        progress.say(format!("{}: restarting {name}", cluster.name));
        client.restart(&live).await?;
        for object in Manifest::from_values([identity])?.objects {
            client.until_rolled_out(&object, up.ctx.patience, progress).await?;
        }
    }
    Ok(())
}
