//! What comes back, and from whom.

use super::{Look, TracedCall};
use crate::context::{LabContext, StepError};
use crate::observe::diagnose;
use crate::observe::traffic::{Call, counted};
use crate::scenario::{CallerPod, Protocol};
use crate::verdict::{Answered, Finding, requests_needed};

/// So many failures decide.
const ENOUGH_FAILURES: usize = 5;

/// What requests of the caller come back with; they are sent once.
pub(super) async fn of<'j>(ctx: &LabContext, call: &'j TracedCall<'_>) -> Result<&'j Answered, StepError> {
    call.answered.get_or_try_init(async || send(ctx, call).await).await
}

/// The same where anything can be sent: a caller that was found in a mesh of somebody else's may have no curl.
pub(super) async fn if_it_can_call<'j>(
    ctx: &LabContext,
    call: &'j TracedCall<'_>,
) -> Result<Option<&'j Answered>, StepError> {
    if ctx.lab.is_existing() && !call.calling(ctx).await?.has_curl().await {
        return Ok(None);
    }
    of(ctx, call).await.map(Some)
}

async fn send(ctx: &LabContext, call: &TracedCall<'_>) -> Result<Answered, StepError> {
    let TracedCall { from, protocol, called, service, .. } = call;
    let caller = call.calling(ctx).await?;
    let places = call.seen.places(ctx, from, service);
    // As many as show everybody who rotates.
    let requests = requests_needed(places.len().max(2), 1);
    let url = format!("{}{called}", if *protocol == Protocol::Http { "http://" } else { protocol.scheme() });
    let get = Call { protocol: *protocol, ..Call::get(url) };
    let calls = caller.send(&get, requests, ENOUGH_FAILURES, |reply| !reply.is_reached());
    let (replies, endpoints) = counted(caller.envoy(), Some(service), calls).await?;
    Ok(Answered::of(&replies, &places, &endpoints))
}

/// Whether every request is answered. Who answers is told, and is the balancer's choice.
pub(super) async fn look(ctx: &LabContext, call: &TracedCall<'_>) -> Look {
    let TracedCall { from, to, service, .. } = call;
    let Some(answered) = if_it_can_call(ctx, call).await? else {
        let CallerPod { namespace, app } = call.caller;
        return Ok(Ok(format!("no call was made: {namespace}/{app} has no curl; `--probes` makes a caller that has")));
    };
    let said = answered.in_words();
    if answered.is_well() {
        return Ok(Ok(said));
    }
    let failed: u32 = answered.failures.values().sum();
    let tls =
        |reason: &String| reason.contains("CERTIFICATE_VERIFY_FAILED") || reason.contains("TLSV1_ALERT_UNKNOWN_CA");
    if answered.failures.keys().any(tls) {
        let cause = format!("{} and {} do not trust each other's certificates", from.name, to.name);
        return Ok(Err(Finding { cause, evidence: said, remedy: governs(ctx, call) }));
    }
    if answered.is_app {
        return Ok(Err(Finding {
            cause: format!(
                "calls from {} reach the app, and it fails {failed} of {} itself",
                from.name, answered.requests
            ),
            evidence: said,
            remedy: format!(
                "check what is called, {}, and see what the app says: kubectl --context {} -n {} logs service/{}",
                call.called,
                ctx.lab.context(to),
                service.namespace,
                service.service
            ),
        }));
    }
    if let Some(finding) = elsewhere(ctx, call, answered, &said) {
        return Ok(Err(finding));
    }
    if let Some(cause) = call.cause(ctx, to) {
        return Ok(Err(Finding { evidence: format!("{}; {said}", cause.evidence), ..cause }));
    }
    let cause = if answered.failures.is_empty() {
        format!("calls from {} are answered, and connections to an endpoint fail", from.name)
    } else if answered.answers.is_empty() {
        format!("everything on the way is there, and {} does not answer {}", to.name, from.name)
    } else {
        format!("everything on the way is there, and {failed} of {} calls from {} fail", answered.requests, from.name)
    };
    let remedy = if answered.unanswered.contains_key(&to.name) {
        format!(
            "see that the app listens on the target port of Service {0}/{1} in {2}, and what it says: kubectl --context {3} -n {0} get service {1} -o yaml; kubectl --context {3} -n {0} logs service/{1}; otherwise {4}",
            service.namespace,
            service.service,
            to.name,
            ctx.lab.context(to),
            governs(ctx, call)
        )
    } else {
        governs(ctx, call)
    };
    Ok(Err(Finding { cause, evidence: said, remedy }))
}

/// What is wrong where the called cluster answers all that comes to it, and another one does not.
fn elsewhere(ctx: &LabContext, call: &TracedCall<'_>, answered: &Answered, said: &str) -> Option<Finding> {
    let TracedCall { from, to, .. } = call;
    if !answered.is_from(&to.name) || answered.unanswered.contains_key(&to.name) {
        return None;
    }
    let other = ctx.lab.cluster(answered.unanswered.keys().next()?)?;
    Some(match call.cause(ctx, other) {
        Some(cause) => Finding { evidence: format!("{}; {said}", cause.evidence), ..cause },
        None => Finding {
            cause: format!("{} answers {}, and {} does not", to.name, from.name, other.name),
            evidence: said.to_owned(),
            remedy: diagnose::explain_command(ctx, (from, other), &call.spoken(), call.caller),
        },
    })
}

fn governs(ctx: &LabContext, call: &TracedCall<'_>) -> String {
    format!(
        "see what governs the call: kubectl --context {} get destinationrules,virtualservices,authorizationpolicies -A",
        ctx.lab.context(ctx.lab.config_cluster(call.from))
    )
}
