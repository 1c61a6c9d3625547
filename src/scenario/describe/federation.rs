//! `federation`.

use super::{ANY_TEXT, Kind, LABEL, Mapping, field};

/// `federation`.
pub(in crate::scenario) const FEDERATION: Mapping = Mapping {
    description: "Karmada on a cluster of its own, which spreads apps over others",
    fields: &[
        field("manager", LABEL, "The cluster that runs Karmada; it is no part of the mesh")
            .required()
            .example("manager"),
        field(
            "members",
            Kind::List(&Kind::Either(&LABEL, &Kind::Mapping(&MEMBER))),
            "The clusters that apps are spread over; by default all others that run apps, by push",
        )
        .example("[\"eu\", {\"cluster\": \"ap\", \"mode\": \"pull\"}]"),
        field("failover", Kind::Mapping(&MEMBER_LOST), MEMBER_LOST.description),
        field(
            "files",
            Kind::List(&ANY_TEXT),
            "YAML files, directories of them, or directories with a kustomization.yaml, for Karmada's own API",
        )
        .example("[\"apps/hello.yaml\"]"),
        field("objects", Kind::List(&Kind::Free), "Objects for Karmada's own API, written here")
            .example("[{\"apiVersion\": \"v1\", \"kind\": \"Namespace\", \"metadata\": {\"name\": \"demo\"}}]"),
    ],
};

/// A member of a federation.
pub(in crate::scenario) const MEMBER: Mapping = Mapping {
    description: "A cluster that apps are spread over",
    fields: &[
        field("cluster", LABEL, "The cluster").required().example("eu"),
        field(
            "mode",
            Kind::One(&["push", "pull"]),
            "push: Karmada calls the cluster's API server; pull: an agent in the cluster fetches its work",
        )
        .default("push"),
    ],
};

/// `failover` of a federation.
pub(in crate::scenario) const MEMBER_LOST: Mapping = Mapping {
    description: "Moves the apps of a member that is lost; without it they stay",
    fields: &[field(
        "tolerationSeconds",
        Kind::Number(0, 3600),
        "Seconds that apps wait for a lost member, unless their policy says otherwise",
    )
    .default("30")],
};
