//! The check `rotation`.

use super::super::form::{ANY_TEXT, Fields, Names, OrWord, Record};
use super::service::{self, HELLOWORLD, ServiceUrl};
use super::{Check, CheckProblem, Located, Problems, Scope, Span, Through, from, raw_clusters, through};

/// As the file has it.
#[derive(Default)]
pub(in crate::scenario) struct RawRotation {
    service: Option<Located<String>>,
    from: Option<OrWord<Names>>,
    pub(super) through: Option<Located<Through>>,
}

impl Record for RawRotation {
    const ABOUT: &'static str = "Every version answers every source, and nothing fails";

    fn fields(f: &mut Fields<Self>) {
        f.field("service", ANY_TEXT, |r| &mut r.service, service::ABOUT).default(HELLOWORLD);
        from(f, |r| &mut r.from);
        through(f, |r| &mut r.through);
    }
}

/// The rules.
pub(super) fn check(raw: RawRotation, span: Span, scope: &Scope<'_>, problems: &mut Problems) -> Option<Check> {
    let through = scope.through(raw.through, problems);
    if !scope.sleep && through == Through::Mesh {
        problems.add(span, CheckProblem::NoCaller { check: "rotation" });
    }
    let service = scope.helloworld(raw.service, span, problems);
    let from = scope.sources(raw.from, through, problems);
    scope.somebody_answers(&from, span, problems);
    Some(Check::Rotation { service: service?, from, through })
}

/// The way back.
pub(super) fn raw(service: &ServiceUrl, from: &[String], through: Through, all: &[String]) -> RawRotation {
    RawRotation {
        service: Some(service::raw(service)),
        from: Some(raw_clusters(from, all)),
        through: (through != Through::Mesh).then(|| through.into()),
    }
}
