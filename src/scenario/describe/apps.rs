//! `apps`.

use super::{ALL_OR_CLUSTERS, ANY_TEXT, Kind, Mapping, field};

/// Every kind of app.
pub(in crate::scenario) const APPS: &[(&str, &Mapping)] =
    &[("helloworld", &HELLOWORLD), ("sleep", &SLEEP), ("manifests", &MANIFESTS)];

/// `helloworld`.
pub(in crate::scenario) const HELLOWORLD: Mapping = Mapping {
    description: "Istio's helloworld in namespace sample",
    fields: &[field(
        "versions",
        Kind::Names(&ANY_TEXT),
        "Version by cluster; clusters that are not named run none. By default v1, v2 and so on in the order of the clusters",
    )
    .example("{\"c1\": \"v1\", \"c2\": \"v2\"}")],
};

/// `sleep`.
pub(in crate::scenario) const SLEEP: Mapping =
    Mapping { description: "A client with curl in namespace sample, in every cluster", fields: &[] };

/// `manifests`.
pub(in crate::scenario) const MANIFESTS: Mapping = Mapping {
    description: "Kubernetes objects of your own; one of files and objects is needed",
    fields: &[
        field("name", ANY_TEXT, "What progress calls it; by default manifests-1 and so on").example("shop"),
        field("clusters", ALL_OR_CLUSTERS, "Where they are applied").default("all").example("[\"c1\"]"),
        field(
            "namespace",
            ANY_TEXT,
            "For objects without one; created with sidecar injection unless the objects bring it",
        )
        .example("shop"),
        field(
            "files",
            Kind::List(&ANY_TEXT),
            "YAML files, directories of them, or directories with a kustomization.yaml, relative to the scenario",
        )
        .example("[\"shop/web.yaml\"]"),
        field("objects", Kind::List(&Kind::Free), "Objects written here")
            .example("[{\"apiVersion\": \"v1\", \"kind\": \"ConfigMap\", \"metadata\": {\"name\": \"c\"}}]"),
    ],
};
