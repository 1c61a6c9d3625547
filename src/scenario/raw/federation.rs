//! The federation as it is written.

use super::super::describe::{FEDERATION, MEMBER, MEMBER_LOST};
use super::super::error::Problems;
use super::super::read::{Fields, list, number, text};
use super::super::tree::{Located, Node, Span, Value};
use super::apps::{RawManifests, contents};

#[derive(Debug)]
pub(in crate::scenario) struct RawFederation {
    pub span: Span,
    pub manager: Option<Located<String>>,
    /// `None` for all other clusters.
    pub members: Option<Located<Vec<RawMember>>>,
    pub failover: Option<RawFederationFailover>,
    /// Files and objects only.
    pub manifests: RawManifests,
}

#[derive(Debug)]
pub(in crate::scenario) struct RawMember {
    pub cluster: Located<String>,
    pub mode: Option<Located<String>>,
}

#[derive(Debug)]
pub(in crate::scenario) struct RawFederationFailover {
    pub toleration_seconds: Option<Located<u64>>,
}

/// Reads the field `federation`.
pub(super) fn federation(node: &Node, problems: &mut Problems) -> Option<RawFederation> {
    let fields = Fields::of(node, "`federation`", &FEDERATION.names(), "federation: { manager: c1 }", problems)?;
    if fields.get("manager").is_none() {
        fields.missing("manager", "c1", problems);
    }
    let members = fields.get("members").and_then(|node| {
        let items = list(node, "`members`", "members: [c2, { cluster: c3, mode: pull }]", problems)?;
        let members: Vec<Option<RawMember>> = items.iter().map(|n| member(n, problems)).collect();
        // If one cannot be read, none can be said to be missing.
        Some(Located { value: members.into_iter().collect::<Option<_>>()?, span: node.span })
    });
    let failover = fields.get("failover").and_then(|node| {
        let example = "failover: { tolerationSeconds: 30 }";
        let fields = Fields::of(node, "`failover`", &MEMBER_LOST.names(), example, problems)?;
        let toleration = fields.get("tolerationSeconds");
        let toleration_seconds = toleration.and_then(|n| number(n, "`tolerationSeconds`", example, problems));
        Some(RawFederationFailover { toleration_seconds })
    });
    Some(RawFederation {
        span: node.span,
        manager: fields.text("manager", "manager: c1", problems),
        members,
        failover,
        manifests: contents(&fields, problems),
    })
}

/// A name, or a mapping with the mode.
fn member(node: &Node, problems: &mut Problems) -> Option<RawMember> {
    if let Value::Scalar { .. } = node.value {
        let cluster = text(node, "a member", "c2", problems)?;
        return Some(RawMember { cluster, mode: None });
    }
    let fields = Fields::of(node, "a member", &MEMBER.names(), "{ cluster: c2, mode: pull }", problems)?;
    if fields.get("cluster").is_none() {
        fields.missing("cluster", "c2", problems);
    }
    let mode = fields.text("mode", "mode: pull", problems);
    Some(RawMember { cluster: fields.text("cluster", "cluster: c2", problems)?, mode })
}
