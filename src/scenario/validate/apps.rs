//! Rules for apps, and what they are when the scenario says nothing.

use std::collections::BTreeMap;

use super::{Draft, Problems, known_cluster, names};
use crate::scenario::model::App;
use crate::scenario::problem::AppProblem;
use crate::scenario::raw::{RawApp, RawAppKind};
use crate::scenario::tree::Span;

/// The apps of the file, or those of one that names none.
pub(super) fn or_default(apps: Option<Vec<RawApp>>) -> Vec<RawApp> {
    apps.unwrap_or_else(|| {
        let span = Span::default();
        let helloworld = RawAppKind::Helloworld { versions: None };
        vec![RawApp { span, kind: helloworld }, RawApp { span, kind: RawAppKind::Sleep }]
    })
}

/// The apps of a scenario.
pub(super) fn read(apps: Vec<RawApp>, drafts: &[Draft], problems: &mut Problems) -> Vec<App> {
    duplicates(&apps, problems);
    apps.into_iter().map(|a| app(a, drafts, problems)).collect()
}

fn duplicates(apps: &[RawApp], problems: &mut Problems) {
    for (i, app) in apps.iter().enumerate() {
        let same = |a: &&RawApp| std::mem::discriminant(&a.kind) == std::mem::discriminant(&app.kind);
        if let Some(first) = apps[..i].iter().find(same) {
            let name = match app.kind {
                RawAppKind::Helloworld { .. } => "helloworld",
                RawAppKind::Sleep => "sleep",
            };
            problems.add(app.span, AppProblem::Duplicate { app: name }).also(first.span, "first listed here");
        }
    }
}

fn app(raw: RawApp, drafts: &[Draft], problems: &mut Problems) -> App {
    let RawAppKind::Helloworld { versions } = raw.kind else {
        return App::Sleep;
    };
    let Some(versions) = versions else {
        let numbered = drafts.iter().zip(1..).map(|(d, n): (_, u32)| (d.name.value.clone(), format!("v{n}")));
        return App::Helloworld { versions: numbered.collect() };
    };
    if versions.value.is_empty() {
        let remedy = "leave `versions` out to run v1, v2 and so on in all clusters, or remove the app";
        problems.add(versions.span, AppProblem::NamesNothing { field: "versions", remedy });
    }
    let mut valid = BTreeMap::new();
    for (cluster, version) in versions.value {
        let known = known_cluster("versions", &cluster, drafts, problems);
        if names::version(&version, problems) && known {
            valid.insert(cluster.value, version.value);
        }
    }
    App::Helloworld { versions: valid }
}
