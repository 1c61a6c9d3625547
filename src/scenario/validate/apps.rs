//! Rules for apps, and what they are when the scenario says nothing.

use std::collections::{BTreeMap, HashSet};

use super::{Draft, Located, Mesh, Problems, data_cluster, manifests, names, room};
use crate::scenario::form::Pairwise;
use crate::scenario::model::{App, Topology};
use crate::scenario::problem::AppProblem;
use crate::scenario::raw::{RawApp, RawHelloworld, RawSleep};

/// The apps of the file, or those of one that names none. Without a mesh there are none then.
pub(super) fn or_default(apps: Option<Vec<Located<RawApp>>>, topology: Topology) -> Vec<Located<RawApp>> {
    apps.unwrap_or_else(|| {
        if topology == Topology::None {
            return Vec::new();
        }
        vec![RawApp::Helloworld(RawHelloworld::default()).into(), RawApp::Sleep(RawSleep).into()]
    })
}

/// The apps of a scenario, in their order; lab's own are read first, because others must not make the same objects.
pub(super) fn read(apps: Vec<Located<RawApp>>, mesh: &Mesh, drafts: &[Draft], problems: &mut Problems) -> Vec<App> {
    duplicates(&apps, problems);
    let given = apps.iter().filter_map(|a| if let RawApp::Manifests(m) = &a.value { m.name.as_ref() } else { None });
    let taken: HashSet<String> = given.map(|n| n.value.clone()).collect();
    let mut own = Vec::new();
    let mut others = Vec::new();
    for (i, Located { span, value }) in apps.into_iter().enumerate() {
        match value {
            RawApp::Sleep(_) => own.push((i, App::Sleep)),
            RawApp::Helloworld(raw) => own.push((i, helloworld(raw.versions, drafts, problems))),
            RawApp::Manifests(manifests) => others.push((i, span, manifests)),
        }
    }
    let own_apps: Vec<App> = own.iter().map(|(_, app)| app.clone()).collect();
    let mut reader = manifests::Reader::of(mesh);
    let others: Vec<(usize, App)> = others
        .into_iter()
        .map(|(i, span, raw)| (i, App::Manifests(reader.read(raw, span, &taken, &own_apps, drafts, problems))))
        .collect();
    reader.together(problems);
    room::check(reader.balanced(), mesh, drafts, problems);
    let mut apps: Vec<(usize, App)> = own.into_iter().chain(others).collect();
    apps.sort_by_key(|(i, _)| *i);
    apps.into_iter().map(|(_, app)| app).collect()
}

fn duplicates(apps: &[Located<RawApp>], problems: &mut Problems) {
    for (i, app) in apps.iter().enumerate() {
        let name = match app.value {
            RawApp::Helloworld(_) => "helloworld",
            RawApp::Sleep(_) => "sleep",
            RawApp::Manifests(_) => continue,
        };
        let same = |a: &&Located<RawApp>| std::mem::discriminant(&a.value) == std::mem::discriminant(&app.value);
        if let Some(first) = apps[..i].iter().find(same) {
            problems.add(app.span, AppProblem::Duplicate { app: name }).also(first.span, "first listed here");
        }
    }
}

fn helloworld(versions: Option<Pairwise<Located<String>>>, drafts: &[Draft], problems: &mut Problems) -> App {
    let Some(versions) = versions else {
        let numbered = drafts
            .iter()
            .filter(|d| !d.is_outside())
            .zip(1..)
            .map(|(d, n): (_, u32)| (d.name.value.clone(), format!("v{n}")));
        return App::Helloworld { versions: numbered.collect() };
    };
    if versions.value.is_empty() {
        let remedy = "leave `versions` out to run v1, v2 and so on in all clusters, or remove the app";
        problems.add(versions.span, AppProblem::NamesNothing { field: "versions", remedy });
    }
    let mut valid = BTreeMap::new();
    for (cluster, version) in versions.value {
        let known = data_cluster("versions", &cluster, drafts, problems);
        if names::version(&version, problems) && known {
            valid.insert(cluster.value, version.value);
        }
    }
    App::Helloworld { versions: valid }
}
