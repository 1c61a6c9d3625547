//! `checks`.

use super::{ALL_OR_CLUSTERS, ANY_TEXT, Field, Kind, LABEL, Mapping, field};

/// Every kind of check.
pub(in crate::scenario) const CHECKS: &[(&str, &Mapping)] = &[
    ("rotation", &ROTATION),
    ("request", &REQUEST),
    ("failover", &FAILOVER),
    ("reachability", &REACHABILITY),
    ("federation", &FEDERATION_CHECK),
];

const SERVICE: Field = field("service", ANY_TEXT, "What is called: SERVICE.NAMESPACE:PORT/PATH");
const FROM: Field = field("from", ALL_OR_CLUSTERS, "The clusters that call").default("all").example("[\"c1\", \"c2\"]");
const THROUGH: Field =
    field("through", Kind::One(&["mesh", "ingress"]), "ingress: from outside, through each cluster's ingress gateway")
        .default("mesh")
        .example("ingress");
const HELLO: &str = "helloworld.sample:5000/hello";

/// `rotation`.
pub(in crate::scenario) const ROTATION: Mapping = Mapping {
    description: "Every version answers every source, and nothing fails",
    fields: &[SERVICE.default(HELLO), FROM, THROUGH],
};

/// `request`.
pub(in crate::scenario) const REQUEST: Mapping = Mapping {
    description: "What you say of one kind of request; one of service and url is needed",
    fields: &[
        field("name", ANY_TEXT, "What reports call it; by default the target").example("only v1 answers"),
        SERVICE.example(HELLO),
        field("url", ANY_TEXT, "Any URL, instead of a service").example("http://10.0.0.1:80/hello"),
        FROM,
        THROUGH,
        field("caller", Kind::Mapping(&CALLER), CALLER.description),
        field("method", Kind::Text("^[A-Z]+$"), "HTTP method").default("GET"),
        field("headers", Kind::Names(&ANY_TEXT), "Headers that are sent").example("{\"x-user\": \"a\"}"),
        field("times", Kind::Number(1, 10_000), "How often it is sent at least").default("1").example("10"),
        field("expect", Kind::Mapping(&EXPECT), EXPECT.description),
    ],
};

/// `caller` of a request.
pub(in crate::scenario) const CALLER: Mapping = Mapping {
    description: "The pod that calls: one with this label app, and with a container of that name that has curl",
    fields: &[
        field("namespace", ANY_TEXT, "Its namespace; the apps of legacy have no sidecar").default("sample"),
        field("app", ANY_TEXT, "Its label app").default("sleep"),
    ],
};

/// `expect` of a request.
pub(in crate::scenario) const EXPECT: Mapping = Mapping {
    description: "What must come back",
    fields: &[
        field("status", Kind::Number(100, 599), "HTTP status").default("200"),
        field("body", ANY_TEXT, "Text that the body contains").example("Hello"),
        field("headers", Kind::Names(&ANY_TEXT), "Text that each of these headers contains")
            .example("{\"server\": \"envoy\"}"),
        field("versions", Kind::List(&ANY_TEXT), "Exactly these versions of helloworld answer").example("[\"v1\"]"),
        field("weights", Kind::Names(&Kind::Number(0, 100)), "Shares of versions in percent")
            .example("{\"v1\": 80, \"v2\": 20}"),
        field("clusters", Kind::List(&LABEL), "helloworld of exactly these clusters answers").example("[\"c1\"]"),
        field("within", ANY_TEXT, "95 of 100 answers take at most this").example("500ms"),
        field("failures", Kind::Number(0, 10_000), "So many requests may fail").default("0").example("3"),
        field("ejected", Kind::Truth, "Whether outlier detection has taken an endpoint out afterwards").example("true"),
        field("denied", Kind::Truth, "Whether nothing is answered with 2xx or 3xx").default("false").example("true"),
        field("reason", ANY_TEXT, "What the failure of a denied request says").example("Connection refused"),
    ],
};

/// `failover`.
pub(in crate::scenario) const FAILOVER: Mapping = Mapping {
    description: "Envoy's priorities, and that the first of the order gives all answers",
    fields: &[
        SERVICE.default(HELLO),
        field("order", Kind::Names(&Kind::List(&LABEL)), "For each cluster, who answers it, the preferred one first")
            .required()
            .example("{\"c1\": [\"c1\", \"c2\"], \"c2\": [\"c2\", \"c1\"]}"),
        field(
            "exercise",
            Kind::List(&LABEL),
            "Clusters whose helloworld is taken away for a while, and put back: how long calls take to move is measured",
        )
        .example("[\"c1\"]"),
    ],
};

/// `reachability`.
pub(in crate::scenario) const REACHABILITY: Mapping = Mapping {
    description: "A matrix of who reaches whom, and who must not, through the mesh and beside it",
    fields: &[],
};

/// `federation`, the check.
pub(in crate::scenario) const FEDERATION_CHECK: Mapping = Mapping {
    description: "Where the federation has put the replicas of a Deployment",
    fields: &[
        field("deployment", Kind::Text("^[^/]+/[^/]+$"), "The Deployment, as NAMESPACE/NAME").required().example("demo/hello"),
        field("replicas", Kind::Names(&Kind::Number(0, 100)), "The number of ready replicas of each member that has any")
            .required()
            .example("{\"eu\": 4, \"ap\": 2}"),
        field(
            "exercise",
            Kind::List(&LABEL),
            "Members whose nodes are frozen until their replicas run elsewhere, then go on: how long each takes is measured",
        )
        .example("[\"ap\"]"),
        field("service", ANY_TEXT, "What the other members call while one is lost: SERVICE.NAMESPACE:PORT/PATH")
            .example("hello.demo:5000/hello"),
    ],
};
