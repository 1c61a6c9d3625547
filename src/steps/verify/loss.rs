//! Calls from the other members while one of a federation is lost and comes back.

use std::time::{Duration, Instant};

use futures::future::{join_all, try_join_all};
use tokio::sync::mpsc::UnboundedReceiver;

use super::super::{Context, StepError};
use super::traffic::{Call, Caller, collect};
use crate::plan::render::APP_NAMESPACE;
use crate::scenario::ServiceUrl;
use crate::verdict::{Answer, Loss, Moment, WINDOW, is_as_before, is_calm};

/// Requests a second from each caller.
const RATE: &str = "20/s";
/// How long the calls before the loss may take.
const BEFORE: Duration = Duration::from_secs(60);
/// How long calls may fail after the replicas are elsewhere, and how long it may take until everybody answers again.
const CALMING: Duration = Duration::from_secs(60);

/// The callers and what they have seen.
pub(super) struct Calls<'a> {
    streams: Vec<(UnboundedReceiver<(Instant, Answer)>, Loss<'a>)>,
}

impl<'a> Calls<'a> {
    /// Begins to call from sleep of every member but the one that is about to be lost, and sees who answers.
    pub async fn begin(ctx: &'a Context, service: &ServiceUrl, lost: &'a str) -> Result<Self, StepError> {
        let members = ctx.lab.federation.iter().flat_map(|f| &f.members).map(|m| m.cluster.as_str());
        let begin = members.filter(|m| *m != lost).map(|from| async move {
            let caller = Caller::find(ctx, from, APP_NAMESPACE, "sleep").await?;
            let call = Call::get(format!("http://{service}"));
            let start = Instant::now();
            let mut answers = caller.stream(&call, RATE).await?;
            let before = collect(&mut answers, start, BEFORE, |moments| moments.len() >= WINDOW).await;
            Ok::<_, StepError>((answers, Loss { from, lost, before, away: Vec::new(), back: Vec::new() }))
        });
        Ok(Self { streams: try_join_all(begin).await? })
    }

    /// Follows the calls since the member was frozen at `start`, until now and until none fails any more.
    pub async fn while_away(&mut self, start: Instant) {
        self.follow(start, is_settled, |loss| &mut loss.away).await;
    }

    /// Follows the calls since the member went on at `start`, until now and until everybody answers again.
    pub async fn when_back(&mut self, start: Instant) {
        let as_before = |moments: &[Moment], before: &[Moment]| is_as_before(moments, before);
        self.follow(start, as_before, |loss| &mut loss.back).await;
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

fn is_settled(moments: &[Moment], _before: &[Moment]) -> bool {
    is_calm(moments)
}
