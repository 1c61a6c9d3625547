//! The check `rotation`.

use super::super::form::{Field, Names, OrWord, Record};
use super::service::{self, HELLOWORLD, ServiceUrl};
use super::{Check, CheckProblem, Located, Problems, Scope, Span, Through, from, raw_sources, through};

/// As the file has it.
#[derive(Default)]
pub(in crate::scenario) struct RawRotation {
    service: Option<Located<String>>,
    from: Option<OrWord<Names>>,
    through: Option<Located<Through>>,
}

impl Record for RawRotation {
    const TITLE: &'static str = "`rotation`";
    const ABOUT: &'static str = "Every version answers every source, and nothing fails";
    const EXAMPLE: &'static str = "{ service: helloworld.sample:5000/hello, from: all }";

    fn fields() -> Vec<Field<Self>> {
        vec![
            service::service(|r: &mut Self| &mut r.service).default(HELLOWORLD),
            from(|r: &mut Self| &mut r.from),
            through(|r: &mut Self| &mut r.through),
        ]
    }
}

/// The rules.
pub(super) fn check(raw: RawRotation, span: Span, scope: &Scope<'_>, problems: &mut Problems) -> Option<Check> {
    let through = scope.through(raw.through, problems);
    if !scope.sleep && through == Through::Mesh {
        problems.add(span, CheckProblem::NoCaller { check: "rotation" });
    }
    let service = scope.helloworld(raw.service, span, problems);
    let from = scope.sources(raw.from, problems);
    Some(Check::Rotation { service: service?, from, through })
}

/// The way back.
pub(super) fn raw(service: &ServiceUrl, from: &[String], through: Through, all: &[String]) -> RawRotation {
    RawRotation {
        service: Some(service::raw(service)),
        from: Some(raw_sources(from, all)),
        through: (through != Through::Mesh).then(|| through.into()),
    }
}
