//! `federation`.

use super::super::form::{ANY_TEXT, Fields, LABEL, List, NameOr, Number, OneOf, Record};
use super::super::model::{Federation, FederationFailover, MemberMode};
use super::super::problem::FederationProblem;
use super::super::tree::Located;
use super::apps::{OBJECTS, Object, RawManifests, raw_objects};
use super::located;

/// Longest that apps may wait for a lost member, in seconds: as long as a person waits for a lab.
const MAX_TOLERATION: u32 = 3600;
/// What they wait when nothing is said. Less would move them also when it is the manager that was away for a moment.
pub(in crate::scenario) const TOLERATION: u32 = 30;

/// As the file has it.
#[derive(Default)]
pub(in crate::scenario) struct RawFederation {
    pub manager: Option<Located<String>>,
    /// `None` for all other clusters.
    pub members: Option<Located<Vec<Located<RawMember>>>>,
    pub failover: Option<Located<RawMemberLost>>,
    /// Files and objects only.
    pub manifests: RawManifests,
}

impl Record for RawFederation {
    const ABOUT: &'static str = "Karmada on a cluster of its own, which spreads apps over others";
    const INLINE: bool = false;

    fn fields(f: &mut Fields<Self>) {
        let manager = "The cluster that runs Karmada; it is no part of the mesh";
        let members = "The clusters that apps are spread over; by default all others that run apps, by push";
        let example = "{ cluster: c2, mode: pull }";
        let form =
            List::whole(NameOr { what: "a member", place: |member: &mut RawMember| &mut member.cluster, example });
        f.field("manager", LABEL, |r| &mut r.manager, manager).required().example("c1");
        f.field("members", form, |r| &mut r.members, members).example("[c2, { cluster: c3, mode: pull }]");
        f.part("failover", |r| &mut r.failover, "{ tolerationSeconds: 30 }");
        let files = "YAML files, directories of them, or directories with a kustomization.yaml, for Karmada's own API";
        f.field("files", List::whole(ANY_TEXT), |r| &mut r.manifests.files, files).example("[apps/web.yaml]");
        let objects = "Objects for Karmada's own API, written here";
        f.field("objects", List::whole(Object), |r| &mut r.manifests.objects, objects).example(OBJECTS);
    }
}

/// An entry of `members`.
#[derive(Default)]
pub(in crate::scenario) struct RawMember {
    pub cluster: Option<Located<String>>,
    pub mode: Option<Located<MemberMode>>,
}

impl Record for RawMember {
    const ABOUT: &'static str = "A cluster that apps are spread over";

    fn fields(f: &mut Fields<Self>) {
        let about = "push: Karmada calls the cluster's API server; pull: an agent in the cluster fetches its work";
        let mode = OneOf { what: "mode of a member", words: &[("push", MemberMode::Push), ("pull", MemberMode::Pull)] };
        f.field("cluster", LABEL, |r| &mut r.cluster, "The cluster").required().example("c2");
        f.field("mode", mode, |r| &mut r.mode, about).default("push").example("pull");
    }
}

/// `failover` of a federation.
#[derive(Default)]
pub(in crate::scenario) struct RawMemberLost {
    pub toleration_seconds: Option<Located<u32>>,
}

impl Record for RawMemberLost {
    const ABOUT: &'static str = "Moves the apps of a member that is lost; without it they stay";

    fn fields(f: &mut Fields<Self>) {
        let refusal = |_, value, _, limit| FederationProblem::Toleration { value, limit }.into();
        let seconds = Number { least: 0, most: MAX_TOLERATION, refusal };
        let about = "Seconds that apps wait for a lost member, unless their policy says otherwise";
        f.field("tolerationSeconds", seconds, |r| &mut r.toleration_seconds, about).default("30");
    }
}

/// The way back.
pub(super) fn of(federation: &Federation) -> RawFederation {
    let Federation { manager, members, failover, objects } = federation;
    let member = |m: &super::super::model::Member| RawMember {
        cluster: Some(m.cluster.clone().into()),
        mode: Some(m.mode.into()),
    };
    RawFederation {
        manager: Some(manager.clone().into()),
        members: Some(located(members.iter().map(member))),
        failover: failover.map(|FederationFailover { toleration_seconds }| {
            RawMemberLost { toleration_seconds: Some(toleration_seconds.into()) }.into()
        }),
        manifests: RawManifests { objects: Some(raw_objects(objects)), ..RawManifests::default() },
    }
}
