//! Requests that no answer could ever satisfy, whatever the mesh does.

use super::{CheckProblem, Expect, Problems, RequestCheck, Scope, Span, Target, Through, Who, request};

/// Where a request says what is judged here.
pub(super) struct Places {
    /// What it calls.
    pub target: Span,
    /// Its method, if it says one.
    pub method: Option<Span>,
    /// What it expects, if it says so.
    pub expect: Option<Span>,
}

/// Records what cannot come true of a request that is well otherwise.
pub(super) fn check(request: &RequestCheck, places: &Places, scope: &Scope<'_>, problems: &mut Problems) {
    body_of_head(request, places, problems);
    let Target::Service(service) = &request.target else { return };
    if request.through == Through::LoadBalancer && scope.has_no_load_balancer(service) {
        let service = format!("{}/{}", service.namespace, service.service);
        problems.add(places.target, CheckProblem::NoLoadBalancer { service });
    }
    if request.through == Through::Mesh && request::is_helloworld(service) {
        of_another_mesh(request, places, scope, problems);
    }
}

/// A body that an answer to HEAD would have to have (RFC 9110: it has none).
fn body_of_head(request: &RequestCheck, places: &Places, problems: &mut Problems) {
    let (Some("HEAD"), Expect::Answers(answers)) = (request.method.as_deref(), &request.expect) else { return };
    let second = match (&answers.body, answers.body_bytes) {
        (Some(_), _) => "body",
        (None, Some(_)) => "bodyBytes",
        (None, None) => return,
    };
    let remedy = "an answer to HEAD has no body: expect a `status` or `headers`, or call with another method";
    let problem = CheckProblem::Excluded { first: "method: HEAD", second, remedy };
    let problem = problems.add(places.expect.unwrap_or(places.target), problem);
    if let Some(method) = places.method {
        problem.also(method, "said here");
    }
}

/// Who is to answer, and is in another mesh than who calls.
fn of_another_mesh(request: &RequestCheck, places: &Places, scope: &Scope<'_>, problems: &mut Problems) {
    let Some(all) = &scope.versions else { return };
    let Expect::Answers(answers) = &request.expect else { return };
    for caller in &request.from {
        let here = || all.iter().filter(|(cluster, _)| scope.are_meshed(caller, cluster));
        let runs = |version: &&String| !here().any(|(_, versions)| versions.contains(version));
        // What nobody runs at all has been told, or is an app of the user's own.
        let runs_elsewhere = |version: &&String| all.values().any(|versions| versions.contains(version));
        let stranger = match &answers.who {
            Who::Anybody => None,
            Who::Versions(versions) => versions.iter().filter(runs).find(runs_elsewhere).cloned(),
            Who::Weights(shares) => {
                let asked = shares.iter().filter(|(_, share)| **share > 0).map(|(version, _)| version);
                asked.filter(runs).find(runs_elsewhere).cloned()
            }
            Who::Clusters(clusters) => clusters.iter().find(|cluster| !scope.are_meshed(caller, cluster)).cloned(),
        };
        if let Some(answering) = stranger {
            let problem = CheckProblem::OfAnotherMesh { answering, caller: caller.clone() };
            problems.add(places.expect.unwrap_or(places.target), problem);
            return;
        }
    }
}
