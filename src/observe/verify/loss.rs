//! Calls from the other members while one of a federation is lost and comes back.

use std::time::{Duration, Instant};

use futures::future::{join_all, try_join_all};
use tokio::sync::mpsc::UnboundedReceiver;

use super::super::traffic::{Call, Caller, collect};
use crate::context::{LabContext, StepError};
use crate::plan::render::APP_NAMESPACE;
use crate::scenario::ServiceUrl;
use crate::verdict::{Answer, Loss, Moment, WINDOW, is_as_before, is_calm, is_settled};

/// Requests a second from each caller.
const RATE: &str = "20/s";
/// How long it may take until it is clear who answers before the loss.
pub(super) const BEFORE: Duration = Duration::from_secs(60);
/// How long calls may fail after the replicas are elsewhere, and how long it may take until everybody answers again.
const CALMING: Duration = Duration::from_secs(60);

/// The callers and what they have seen.
pub(super) struct Calls<'a> {
    streams: Vec<(UnboundedReceiver<(Instant, Answer)>, Loss<'a>)>,
}

impl<'a> Calls<'a> {
    /// Begins to call from sleep of every member but the one that is about to be lost.
    pub async fn begin(ctx: &'a LabContext, service: &ServiceUrl, lost: &'a str) -> Result<Self, StepError> {
        let members = ctx.lab.federation.iter().flat_map(|f| &f.members).map(|m| m.cluster.as_str());
        let begin = members.filter(|m| *m != lost).map(|from| async move {
            let caller = Caller::find(ctx, from, APP_NAMESPACE, "sleep").await?;
            let call = Call::get(format!("http://{service}"));
            let answers = caller.stream(&call, RATE).await?;
            let seen = Loss { from, lost, before: Vec::new(), away: Vec::new(), back: Vec::new() };
            Ok::<_, StepError>((answers, seen))
        });
        Ok(Self { streams: try_join_all(begin).await? })
    }

    /// Follows the calls from now on until it is clear who answers, or has been for too long.
    pub async fn settle(&mut self) {
        let start = Instant::now();
        join_all(self.streams.iter_mut().map(|(answers, loss)| async move {
            loss.before = collect(answers, start, BEFORE, is_settled).await;
            loss.before.drain(..loss.before.len().saturating_sub(WINDOW));
        }))
        .await;
    }

    /// Follows the calls since the member was frozen at `start`, until now and until none fails any more.
    pub async fn while_away(&mut self, start: Instant) {
        self.follow(start, |moments, _| is_calm(moments), |loss| &mut loss.away).await;
    }

    /// Follows the calls since the member went on at `start`, until now and until everybody answers again.
    pub async fn when_back(&mut self, start: Instant) {
        self.follow(start, is_as_before, |loss| &mut loss.back).await;
    }

    async fn follow(
        &mut self,
        start: Instant,
        enough: impl Fn(&[Moment], &[Moment]) -> bool,
        phase: impl for<'b> Fn(&'b mut Loss<'a>) -> &'b mut Vec<Moment>,
    ) {
        let now = start.elapsed();
        let until_now = u64::try_from(now.as_millis()).unwrap_or(u64::MAX);
        let (enough, phase) = (&enough, &phase);
        join_all(self.streams.iter_mut().map(|(answers, loss)| async move {
            let is_enough = |moments: &[Moment]| {
                moments.last().is_some_and(|m| m.millis >= until_now) && enough(moments, &loss.before)
            };
            let moments = collect(answers, start, now + CALMING, is_enough).await;
            *phase(loss) = moments;
        }))
        .await;
    }

    /// What each caller saw.
    pub fn losses(self) -> impl Iterator<Item = Loss<'a>> {
        self.streams.into_iter().map(|(_, loss)| loss)
    }
}
