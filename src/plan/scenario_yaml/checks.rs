//! Checks as entries of `checks`, on one line each.

use std::collections::BTreeMap;
use std::fmt::Display;

use super::super::{Lab, checked_clusters};
use super::{join, text};
use crate::scenario::{Answers, Check, Expect, FailoverCheck, FederationCheck, RequestCheck, Target, Through, Who};

pub(super) fn check(check: &Check, lab: &Lab) -> String {
    match check {
        Check::Rotation { service, from, through } => {
            let through = match through {
                Through::Mesh => "",
                Through::Ingress => ", through: ingress",
            };
            format!("rotation: {{ service: {}, from: {}{through} }}", text(&service.to_string()), sources(from, lab))
        }
        Check::Request(check) => request(check, lab),
        Check::Failover(check) => failover(check),
        Check::Reachability => "reachability: {}".to_owned(),
        Check::Federation(check) => federation(check),
    }
}

fn sources(from: &[String], lab: &Lab) -> String {
    if from.iter().eq(checked_clusters(lab).map(|c| &c.name)) { "all".to_owned() } else { list(from) }
}

fn list(names: &[String]) -> String {
    format!("[{}]", join(names.iter().map(|name| text(name))))
}

fn mapping<T>(entries: &BTreeMap<String, T>, value: impl Fn(&T) -> String) -> String {
    format!("{{ {} }}", join(entries.iter().map(|(key, v)| format!("{}: {}", text(key), value(v)))))
}

/// Fields that are written, of those that may be left out.
#[derive(Default)]
struct Given(Vec<String>);

impl Given {
    fn add(&mut self, field: &str, value: impl Display) {
        self.0.push(format!("{field}: {value}"));
    }

    fn text(&mut self, field: &str, value: Option<&String>) {
        if let Some(value) = value {
            self.add(field, text(value));
        }
    }

    fn texts(&mut self, field: &str, entries: &BTreeMap<String, String>) {
        if !entries.is_empty() {
            self.add(field, mapping(entries, |v| text(v)));
        }
    }

    fn all(self) -> String {
        format!("{{ {} }}", join(self.0.into_iter()))
    }
}

fn request(check: &RequestCheck, lab: &Lab) -> String {
    let mut given = Given::default();
    given.text("name", check.name.as_ref());
    match &check.target {
        Target::Service(service) => given.add("service", text(&service.to_string())),
        Target::Url(url) => given.add("url", text(url)),
    }
    given.add("from", sources(&check.from, lab));
    let (namespace, app) = (text(&check.caller.namespace), text(&check.caller.app));
    given.add("caller", format!("{{ namespace: {namespace}, app: {app} }}"));
    given.text("method", check.method.as_ref());
    given.texts("headers", &check.headers);
    given.add("times", check.times);
    given.add("expect", expect(&check.expect));
    format!("request: {}", given.all())
}

fn expect(expect: &Expect) -> String {
    let mut given = Given::default();
    match expect {
        Expect::Denied { reason } => {
            given.add("denied", true);
            given.text("reason", reason.as_ref());
        }
        Expect::Answers(Answers { status, body, headers, who, within, failures, ejected }) => {
            given.add("status", status);
            given.text("body", body.as_ref());
            given.texts("headers", headers);
            match who {
                Who::Anybody => {}
                Who::Versions(versions) => given.add("versions", list(versions)),
                Who::Weights(weights) => given.add("weights", mapping(weights, ToString::to_string)),
                Who::Clusters(clusters) => given.add("clusters", list(clusters)),
            }
            if let Some(within) = within {
                given.add("within", format_args!("{within}ms"));
            }
            given.add("failures", failures);
            given.add("ejected", ejected);
        }
    }
    given.all()
}

fn federation(check: &FederationCheck) -> String {
    let mut given = Given::default();
    given.add("deployment", text(&format!("{}/{}", check.namespace, check.deployment)));
    given.add("replicas", mapping(&check.replicas, ToString::to_string));
    if !check.exercise.is_empty() {
        given.add("exercise", list(&check.exercise));
    }
    format!("federation: {}", given.all())
}

fn failover(check: &FailoverCheck) -> String {
    let mut given = Given::default();
    given.add("service", text(&check.service.to_string()));
    given.add("order", mapping(&check.order, |clusters| list(clusters)));
    if !check.exercise.is_empty() {
        given.add("exercise", list(&check.exercise));
    }
    format!("failover: {}", given.all())
}
