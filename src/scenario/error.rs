//! Problems with their place in the file.

use std::fmt;
use std::sync::Arc;

use miette::{Diagnostic, LabeledSpan, NamedSource, SourceCode};
use thiserror::Error;

use super::Scenario;
use super::problem::Problem;
use super::tree::Span;

/// Everything that is wrong with a scenario file, in the order of the file.
#[derive(Debug)]
pub struct ScenarioErrors {
    file: String,
    errors: Vec<ScenarioError>,
}

/// One problem and where it is.
#[derive(Clone, Debug, Error)]
#[error("{problem}")]
pub struct ScenarioError {
    problem: Problem,
    source_code: NamedSource<Arc<str>>,
    span: Span,
    others: Vec<(Span, &'static str)>,
}

impl ScenarioErrors {
    /// The errors, in the order of the file; at least one.
    #[must_use]
    pub fn errors(&self) -> &[ScenarioError] {
        &self.errors
    }
}

impl ScenarioError {
    /// What is wrong.
    #[must_use]
    pub fn problem(&self) -> &Problem {
        &self.problem
    }

    /// Line and column where it is wrong, both from 1; columns count characters.
    #[must_use]
    pub fn position(&self) -> (usize, usize) {
        let before = self.text().get(..self.span.start).unwrap_or_default();
        let line = before.matches('\n').count() + 1;
        let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
        (line, column)
    }

    /// Name of the file.
    pub(super) fn file(&self) -> &str {
        self.source_code.name()
    }

    /// The whole file.
    pub(super) fn text(&self) -> &str {
        self.source_code.inner()
    }

    /// Where it is wrong.
    pub(super) fn span(&self) -> Span {
        self.span
    }

    /// Other places that have to do with it, each with what it has to do with it.
    pub(super) fn others(&self) -> &[(Span, &'static str)] {
        &self.others
    }
}

impl fmt::Display for ScenarioErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.errors.len() {
            1 => write!(f, "{} has an error", self.file),
            n => write!(f, "{} has {n} errors", self.file),
        }
    }
}

impl std::error::Error for ScenarioErrors {}

impl Diagnostic for ScenarioErrors {
    fn related<'a>(&'a self) -> Option<Box<dyn Iterator<Item = &'a dyn Diagnostic> + 'a>> {
        Some(Box::new(self.errors.iter().map(|e| e as &dyn Diagnostic)))
    }
}

impl Diagnostic for ScenarioError {
    fn help<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        self.problem.help()
    }

    fn source_code(&self) -> Option<&dyn SourceCode> {
        Some(&self.source_code)
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        let primary = LabeledSpan::new_primary_with_span(None, self.span.start..self.span.end);
        let others =
            self.others.iter().map(|(s, label)| LabeledSpan::new_with_span(Some((*label).to_owned()), s.start..s.end));
        Some(Box::new(std::iter::once(primary).chain(others)))
    }
}

/// The problems found so far.
#[derive(Debug, Default)]
pub(super) struct Problems {
    found: Vec<Found>,
}

/// A problem and its places.
#[derive(Debug)]
pub(super) struct Found {
    problem: Problem,
    span: Span,
    others: Vec<(Span, &'static str)>,
}

impl Found {
    /// Marks another place that has to do with the problem.
    pub(super) fn also(&mut self, span: Span, label: &'static str) {
        if span != self.span {
            self.others.push((span, label));
        }
    }
}

impl Problems {
    /// Records a problem at a place.
    pub(super) fn add(&mut self, span: Span, problem: impl Into<Problem>) -> &mut Found {
        let at = self.found.len();
        self.found.push(Found { problem: problem.into(), span, others: Vec::new() });
        &mut self.found[at]
    }

    /// How many there are so far.
    pub(super) fn count(&self) -> usize {
        self.found.len()
    }

    /// The scenario if nothing is wrong with it, else the errors of the file in its order.
    pub(super) fn into_result(
        mut self,
        scenario: Option<Scenario>,
        text: &str,
        file: &str,
    ) -> Result<Scenario, ScenarioErrors> {
        if self.found.is_empty() {
            match scenario {
                Some(scenario) => return Ok(scenario),
                // No rule refuses silently; should one ever, an error without a reason is better than none.
                None => _ = self.add(Span::default(), Problem::Empty),
            }
        }
        self.found.sort_by_key(|f| f.span);
        let source_code = NamedSource::new(file, Arc::from(text));
        let errors = self
            .found
            .into_iter()
            .map(|f| ScenarioError {
                problem: f.problem,
                source_code: source_code.clone(),
                span: f.span,
                others: f.others,
            })
            .collect();
        Err(ScenarioErrors { file: file.to_owned(), errors })
    }
}
