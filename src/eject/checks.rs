//! `check.sh`: the calls of the lab's checks, as far as curl and grep can judge them.

use std::fmt::Write as _;

use super::quoted;
use crate::plan::render::{APP_NAMESPACE, INGRESS_PORT};
use crate::plan::{Gateway, Lab, helloworlds};
use crate::scenario::{Check, Expect, FailoverCheck, Protocol, RequestCheck, ServiceUrl, Target, Through, Who};

/// Calls for each version that must answer: of versions that answer in turn, one is missed by chance in a thousand million scripts.
const CALLS: usize = 20;

/// Calls from one place to one service.
struct Calls {
    /// What is run: `from_pod CLUSTER NAMESPACE APP`, or `from_here CLUSTER`.
    caller: String,
    url: String,
    times: usize,
    expected: Vec<String>,
}

/// `check.sh`.
pub(super) fn script(lab: &Lab) -> String {
    let mut calls = Vec::new();
    let mut left_out: Vec<String> = Vec::new();
    for check in &lab.checks {
        match check {
            Check::Rotation { service, from, through } => {
                calls.extend(from.iter().filter_map(|c| rotation(lab, service, c, *through)));
            }
            Check::Failover(check) => {
                calls.extend(failover(lab, check));
                if check.order.keys().any(|from| from.zone.is_some()) {
                    left_out.push("who answers calls from one zone".to_owned());
                }
                if !check.exercise.is_empty() {
                    left_out.push("who answers when the first is gone".to_owned());
                }
            }
            Check::Request(check) => match request(lab, check) {
                Some(more) => {
                    calls.extend(more);
                    if let Expect::Answers(a) = &check.expect
                        && matches!(a.who, Who::Weights(_))
                    {
                        left_out.push(format!("the shares of {}", title(check)));
                    }
                }
                None => left_out.push(title(check)),
            },
            Check::Reachability => left_out.push("the reachability matrix".to_owned()),
            Check::Federation(_) => left_out.push("the federation".to_owned()),
        }
    }
    let mut text = HEAD.to_owned();
    for Calls { caller, url, times, expected } in &calls {
        let expected: Vec<String> = expected.iter().map(|v| quoted(v)).collect();
        // Writing to a string cannot fail.
        let _ = writeln!(text, "answers {} {times} {caller} -- {}", quoted(url), expected.join(" "));
    }
    if calls.is_empty() {
        text.push_str("echo 'no call of this lab can be judged here'\n");
    }
    text.push('\n');
    for what in &left_out {
        let _ = writeln!(text, "echo {}", quoted(&format!("not looked at here, only by lab itself: {what}")));
    }
    text.push_str("exit \"$failed\"\n");
    text
}

fn title(check: &RequestCheck) -> String {
    check.name.clone().unwrap_or_else(|| format!("requests to {}", check.called()))
}

fn from_pod(cluster: &str, namespace: &str, app: &str) -> String {
    format!("from_pod {cluster} {} {}", quoted(namespace), quoted(app))
}

fn rotation(lab: &Lab, service: &ServiceUrl, cluster: &str, through: Through) -> Option<Calls> {
    let expected = lab.versions_meshed_with(lab.cluster(cluster)?);
    let (caller, url) = match through {
        Through::Mesh => (from_pod(cluster, APP_NAMESPACE, "sleep"), format!("http://{service}")),
        Through::Ingress => {
            let address = lab.cluster(cluster)?.addresses.get(&Gateway::IngressGateway)?;
            (format!("from_here {cluster}"), format!("http://{address}:{INGRESS_PORT}{}", service.path))
        }
        // No rotation has that.
        Through::LoadBalancer => return None,
    };
    Some(Calls { caller, url, times: CALLS * expected.len().max(1), expected })
}

/// While all is well, the first of each order answers.
fn failover<'a>(lab: &'a Lab, check: &'a FailoverCheck) -> impl Iterator<Item = Calls> + 'a {
    // Which zone the newest pod is in is not known here.
    let from = check.order.iter().filter(|(from, _)| from.zone.is_none());
    from.filter_map(|(from, order)| {
        let first = order.first()?;
        let answering = helloworlds(lab).filter(|h| first.covers(h.cluster, h.zone));
        let expected: Vec<String> = answering.map(|h| h.version).collect();
        (!expected.is_empty()).then(|| Calls {
            caller: from_pod(&from.cluster, APP_NAMESPACE, "sleep"),
            url: format!("http://{}", check.service),
            times: CALLS * expected.len(),
            expected,
        })
    })
}

/// Plain requests from pods that name the versions which answer; no others can be judged by who answers.
fn request<'a>(lab: &Lab, check: &'a RequestCheck) -> Option<impl Iterator<Item = Calls> + use<'a>> {
    let Expect::Answers(answers) = &check.expect else { return None };
    let (expected, times) = match &answers.who {
        Who::Versions(versions) => (versions.clone(), CALLS * versions.len()),
        Who::Weights(weights) => {
            let weights = weights.iter().filter(|(_, weight)| **weight > 0);
            let least = weights.clone().map(|(_, weight)| usize::from(*weight)).min()?;
            (weights.map(|(version, _)| version.clone()).collect(), CALLS * 100 / least)
        }
        Who::Clusters(clusters) => {
            let of = helloworlds(lab).filter(|h| clusters.iter().any(|wanted| wanted == h.cluster));
            let versions: Vec<String> = of.map(|h| h.version).collect();
            let times = CALLS * versions.len();
            (versions, times)
        }
        Who::Anybody => return None,
    };
    let is_plain = check.protocol == Protocol::Http
        && check.method.is_none()
        && check.headers.is_empty()
        && check.header_bytes.is_none()
        && check.body.is_none()
        && check.through == Through::Mesh;
    let Target::Service(service) = &check.target else { return None };
    let is_simple = answers.status == 200
        && answers.body.is_none()
        && answers.body_bytes.is_none()
        && answers.headers.is_empty()
        && answers.at_least.is_none()
        && answers.mirror.is_none()
        && answers.failures == 0;
    (is_plain && is_simple && !expected.is_empty()).then(|| {
        check.from.iter().map(move |cluster| Calls {
            caller: from_pod(cluster, &check.caller.namespace, &check.caller.app),
            url: format!("http://{service}"),
            times,
            expected: expected.clone(),
        })
    })
}

const HEAD: &str = r#"#!/usr/bin/env bash
# Calls helloworld and prints how often each version answered. Ends with 1 if a version that must answer did not, or if a call failed.
# What is red is tried again for a minute (PATIENCE, in seconds), because a sidecar learns of new endpoints a moment after they are ready.
set -euo pipefail
cd "$(dirname "$0")"

KUBECTL=${KUBECTL:-kubectl}
PATIENCE=${PATIENCE:-60}
# up.sh takes it with a unit.
PATIENCE=${PATIENCE%s}
failed=0

# k CLUSTER ARGUMENTS...: kubectl with the kubeconfig of one cluster.
k() { "$KUBECTL" --kubeconfig "kubeconfigs/$1.yaml" "${@:2}"; }

# from_pod CLUSTER NAMESPACE APP ARGUMENTS...: curl in the newest running pod of an app.
from_pod() {
    local pod
    pod=$(k "$1" -n "$2" get pods -l "app=$3" --field-selector status.phase=Running \
        --sort-by .metadata.creationTimestamp -o name | tail -n 1)
    k "$1" -n "$2" exec "$pod" -c "$3" -- curl "${@:4}"
}

# from_here CLUSTER ARGUMENTS...: curl on this machine, which is outside the mesh.
from_here() { curl "${@:2}"; }

# answers URL CALLS CALLER... -- VERSION...: one curl makes all calls. It numbers them in the fragment of the URL, which is not sent.
answers() {
    local url=$1 calls=$2 caller=() replies counts version missing lost end=$((SECONDS + PATIENCE))
    shift 2
    while [[ $1 != -- ]]; do caller+=("$1") && shift; done
    shift
    while :; do
        replies=$("${caller[@]}" -s -m 3 -w '\nstatus: %{http_code}\n' "$url#[1-$calls]" 2>&1) || true
        counts=$(sed -n 's/^.*version: \([^,]*\).*$/\1/p' <<<"$replies" | sort | uniq -c)
        lost=$((calls - $(grep -c '^status: 200$' <<<"$replies" || true)))
        missing=''
        for version in "$@"; do
            grep -q "^ *[0-9]* $version\$" <<<"$counts" || missing="$missing $version"
        done
        if [[ -z $missing && $lost -eq 0 ]] || ((SECONDS >= end)); then break; fi
    done
    echo "${caller[1]}: $calls calls to $url"
    echo "${counts:-      0 answers}"
    if [[ -n $missing ]]; then echo "  missing:$missing"; fi
    if ((lost > 0)); then echo "  failed: $lost, the last reply was: $(tail -n 3 <<<"$replies" | tr '\n' ' ')"; fi
    if [[ -n $missing ]] || ((lost > 0)); then failed=1; fi
}

"#;
