//! Where calls come from and are answered: a cluster, or one zone of it.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::super::form::{List, Names, OneOrMore, Text};
use super::super::read::suggestion;
use super::{CheckProblem, Draft, Located, MeshProblem, Problems, Scope, Span, data_cluster};

/// A cluster, or one zone of it, as `c1` and `c1/a`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(from = "String", into = "String")]
pub struct Site {
    /// The cluster.
    pub cluster: String,
    /// The zone; without one all of the cluster is meant.
    pub zone: Option<String>,
}

impl Site {
    /// Whether what is in that zone of that cluster is there.
    #[must_use]
    pub fn covers(&self, cluster: &str, zone: Option<&str>) -> bool {
        self.cluster == cluster && (self.zone.is_none() || self.zone.as_deref() == zone)
    }
}

impl From<String> for Site {
    fn from(text: String) -> Self {
        match text.split_once('/') {
            Some((cluster, zone)) => Self { cluster: cluster.to_owned(), zone: Some(zone.to_owned()) },
            None => Self { cluster: text, zone: None },
        }
    }
}

impl From<Site> for String {
    fn from(site: Site) -> Self {
        site.to_string()
    }
}

impl fmt::Display for Site {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.zone {
            Some(zone) => write!(f, "{}/{zone}", self.cluster),
            None => f.write_str(&self.cluster),
        }
    }
}

/// An entry of an order: those that answer in turn while nobody before them does.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Level {
    /// One.
    One(Site),
    /// Several, each of which must answer.
    Tie(Vec<Site>),
}

impl Level {
    /// Its sites.
    #[must_use]
    pub fn sites(&self) -> &[Site] {
        match self {
            Self::One(site) => std::slice::from_ref(site),
            Self::Tie(sites) => sites,
        }
    }

    /// Whether what is in that zone of that cluster is one of them.
    #[must_use]
    pub fn covers(&self, cluster: &str, zone: Option<&str>) -> bool {
        self.sites().iter().any(|site| site.covers(cluster, zone))
    }
}

/// How a site is written.
pub(super) const SITE: Text = Text("^[a-z0-9]([-a-z0-9]*[a-z0-9])?(/[a-z0-9]([-a-z0-9]*[a-z0-9])?)?$");
/// How an order is written.
pub(super) const ORDER: List<OneOrMore<Text>> = List::whole(OneOrMore(SITE));

impl Scope<'_> {
    /// Reads a site, and records a cluster or a zone that does not exist.
    pub(super) fn site(&self, field: &'static str, text: &Located<String>, problems: &mut Problems) -> Option<Site> {
        let site = Site::from(text.value.clone());
        let cluster = Located { value: site.cluster.clone(), span: text.span };
        if !data_cluster(field, &cluster, self.drafts, problems) {
            return None;
        }
        let zones = self.zones(&site.cluster);
        if let Some(zone) = site.zone.as_deref().filter(|zone| !zones.contains(zone)) {
            let help = match zones[..] {
                [] => format!("its nodes are in no zones of their own: write `{}`", site.cluster),
                _ => suggestion(zone, &zones, "its zones are"),
            };
            let (cluster, zone) = (site.cluster.clone(), zone.to_owned());
            problems.add(text.span, CheckProblem::UnknownZone { field, cluster, zone, help });
            return None;
        }
        Some(site)
    }

    /// Reads where calls come from: in a cluster whose nodes are in several zones, one of these.
    pub(super) fn caller_site(
        &self,
        field: &'static str,
        text: &Located<String>,
        problems: &mut Problems,
    ) -> Option<Site> {
        let site = self.site(field, text, problems)?;
        if let (None, [zone, ..]) = (&site.zone, &self.zones(&site.cluster)[..]) {
            let problem = CheckProblem::NoZone {
                field,
                cluster: site.cluster.clone(),
                example: format!("{}/{zone}", site.cluster),
            };
            problems.add(text.span, problem);
            return None;
        }
        Some(site)
    }

    /// Whether two clusters are in one mesh, so that one may know what the other serves.
    pub(super) fn are_meshed(&self, one: &str, other: &str) -> bool {
        let of = |name: &str| self.drafts.iter().find(|d| d.name.value == name);
        of(one).zip(of(other)).is_none_or(|(one, other)| one.is_meshed_with(other))
    }

    /// Records a cluster that calls helloworld, and in whose mesh nobody runs it.
    pub(super) fn somebody_answers(&self, callers: &[String], span: Span, problems: &mut Problems) {
        let named = self.drafts.iter().any(Draft::names_mesh);
        let Some(versions) = self.versions.as_ref().filter(|_| named) else { return };
        for cluster in callers {
            if !versions.keys().any(|answering| self.are_meshed(cluster, answering)) {
                problems.add(span, MeshProblem::NobodyAnswers { cluster: cluster.clone() });
            }
        }
    }

    fn zones(&self, cluster: &str) -> Vec<&str> {
        let draft = self.drafts.iter().find(|d| d.name.value == cluster);
        draft.map_or_else(Vec::new, |d| d.zones.iter().map(String::as_str).collect())
    }
}

/// A level as the file would say it.
pub(super) fn raw_level(level: &Level) -> Names {
    level.sites().iter().map(|site| site.to_string().into()).collect::<Vec<_>>().into()
}

/// A level of these sites.
pub(super) fn level(mut sites: Vec<Site>) -> Level {
    match sites.len() {
        1 => Level::One(sites.remove(0)),
        _ => Level::Tie(sites),
    }
}
