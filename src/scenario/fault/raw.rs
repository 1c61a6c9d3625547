//! The fields of faults, kind by kind.

use std::marker::PhantomData;

use super::super::check::HELLOWORLD;
use super::super::form::{ANY_TEXT, Fields, LABEL, List, Names, Number, OneOf, Record, Truth};
use super::super::model::Gateway;
use super::super::tree::Located;
use super::expect::{Amount, RawFaultExpect, Seconds};
use super::{Away, LONGEST, SHORTEST};

/// What every fault has.
#[derive(Default)]
pub(in crate::scenario) struct RawCommon {
    pub seconds: Option<Located<u32>>,
    pub service: Option<Located<String>>,
    pub expect: Option<Located<RawFaultExpect>>,
}

/// A record with what every fault has.
trait Lasting: Record {
    fn common(&mut self) -> &mut RawCommon;
}

fn common<R: Lasting>(f: &mut Fields<R>) {
    let seconds = "How long it lasts, in seconds from 5s to 600s";
    let service = "What every cluster calls meanwhile: SERVICE.NAMESPACE:PORT/PATH";
    f.field("for", Seconds { least: SHORTEST, most: LONGEST }, |r: &mut R| &mut r.common().seconds, seconds)
        .default("20s");
    f.field("service", ANY_TEXT, |r: &mut R| &mut r.common().service, service).default(HELLOWORLD);
    f.part("expect", |r: &mut R| &mut r.common().expect, "{ lost: 5%, backWithin: 30s }");
}

/// A partition.
#[derive(Default)]
pub(in crate::scenario) struct RawPartition {
    pub between: Option<Names>,
    pub one_way: Option<Located<bool>>,
    pub how: Option<Located<bool>>,
    pub common: RawCommon,
}

impl Lasting for RawPartition {
    fn common(&mut self) -> &mut RawCommon {
        &mut self.common
    }
}

/// Whether connections are refused.
const HOW: OneOf<bool> = OneOf { what: "way to cut a network", words: &[("drop", false), ("refuse", true)] };

impl Record for RawPartition {
    const ABOUT: &'static str = "No packets pass between clusters or networks";

    fn fields(f: &mut Fields<Self>) {
        let between = "Its two sides, each a cluster or a network; with one, it and all other clusters";
        let one_way = "Only calls from the first side to the second are cut";
        let how = "drop: packets are lost; refuse: connections are refused at once";
        f.field("between", List::whole(LABEL), |r| &mut r.between, between).required().example("[c1, c2]");
        f.field("oneWay", Truth, |r| &mut r.one_way, one_way).default("false");
        f.field("how", HOW, |r| &mut r.how, how).default("drop").example("refuse");
        common(f);
    }
}

/// A bad network.
#[derive(Default)]
pub(in crate::scenario) struct RawNetwork {
    pub between: Option<Names>,
    pub one_way: Option<Located<bool>>,
    pub latency: Option<Located<u32>>,
    pub jitter: Option<Located<u32>>,
    pub loss: Option<Located<u32>>,
    pub bandwidth: Option<Located<u32>>,
    pub common: RawCommon,
}

impl Lasting for RawNetwork {
    fn common(&mut self) -> &mut RawCommon {
        &mut self.common
    }
}

impl Record for RawNetwork {
    const ABOUT: &'static str = "Packets between clusters or networks come late, are lost, or are few";

    fn fields(f: &mut Fields<Self>) {
        let between = "Its two sides, each a cluster or a network; with one, it and all other clusters";
        let one_way = "Only what the first side sends to the second is hit";
        let latency = "How much later packets come, which needs netem in the kernel; all that leaves the nodes of both sides does";
        let loss = "How many packets of a hundred are lost";
        let bandwidth = "How many bits a second pass to each node; what is more is lost";
        f.field("between", List::whole(LABEL), |r| &mut r.between, between).required().example("[c1, c2]");
        f.field("oneWay", Truth, |r| &mut r.one_way, one_way).default("false");
        f.field("latency", MILLIS, |r| &mut r.latency, latency).example("100ms");
        f.field("jitter", MILLIS, |r| &mut r.jitter, "By how much that varies").example("20ms");
        f.field("loss", PERCENT, |r| &mut r.loss, loss).example("5%");
        f.field("bandwidth", KILOBITS, |r| &mut r.bandwidth, bandwidth).example("512kbit");
        common(f);
    }
}

/// How late packets may be.
const MILLIS: Amount =
    Amount { unit: "ms", least: 1, most: 5000, what: "time that packets can be late by", example: "1ms to 5000ms" };
/// How many packets may be lost.
const PERCENT: Amount =
    Amount { unit: "%", least: 1, most: 99, what: "share of packets that can be lost", example: "1% to 99%" };
/// How few bits may pass.
const KILOBITS: Amount = Amount {
    unit: "kbit",
    least: 8,
    most: 1_000_000,
    what: "bandwidth that a network can have",
    example: "8kbit to 1000000kbit",
};

/// What a kind of fault of one cluster is.
pub(in crate::scenario) trait OfCluster: Default + 'static {
    /// What it is.
    const ABOUT: &'static str;
    /// What is said of its cluster.
    const WHERE: &'static str;

    /// Further fields.
    fn more(_: &mut Fields<RawAt<Self>>) {}
}

/// A fault of one cluster.
#[derive(Default)]
pub(in crate::scenario) struct RawAt<K: OfCluster> {
    pub cluster: Option<Located<String>>,
    pub gateway: Option<Located<Gateway>>,
    pub away: Option<Located<Away>>,
    pub of: Option<Located<String>>,
    pub common: RawCommon,
    pub is: PhantomData<K>,
}

impl<K: OfCluster> Lasting for RawAt<K> {
    fn common(&mut self) -> &mut RawCommon {
        &mut self.common
    }
}

impl<K: OfCluster> Record for RawAt<K> {
    const ABOUT: &'static str = K::ABOUT;

    fn fields(f: &mut Fields<Self>) {
        f.field("cluster", LABEL, |r| &mut r.cluster, K::WHERE).required().example("c1");
        K::more(f);
        common(f);
    }
}

macro_rules! of_cluster {
    ($name:ident, $about:literal, $place:literal) => {
        of_cluster!($name, $about, $place, |_| {});
    };
    ($name:ident, $about:literal, $place:literal, $more:expr) => {
        #[derive(Default)]
        pub(in crate::scenario) struct $name;

        impl OfCluster for $name {
            const ABOUT: &'static str = $about;
            const WHERE: &'static str = $place;

            fn more(f: &mut Fields<RawAt<Self>>) {
                let more: fn(&mut Fields<RawAt<Self>>) = $more;
                more(f);
            }
        }
    };
}

/// The gateways that may be lost.
const GATEWAYS: OneOf<Gateway> =
    OneOf { what: "gateway", words: &[("east-west", Gateway::EastWestGateway), ("ingress", Gateway::IngressGateway)] };
/// How nodes may be away.
const AWAY: OneOf<Away> =
    OneOf { what: "way to be away", words: &[("stopped", Away::Stopped), ("paused", Away::Paused)] };
const AWAY_ABOUT: &str = "stopped: killed, as when the power goes; paused: frozen, connections stay open";

of_cluster!(OfGateway, "A gateway's pods are killed and kept away", "The cluster of the gateway", |f| {
    let gateway = "Which of its gateways";
    f.field("gateway", GATEWAYS, |r| &mut r.gateway, gateway).default("east-west").example("ingress");
});
of_cluster!(OfIstiod, "The pods of an istiod are killed and kept away", "The cluster of the istiod");
of_cluster!(
    OfDiscovery,
    "Nothing in a cluster reaches an istiod: neither proxies nor the API server",
    "The cluster that is cut off from its istiod"
);
of_cluster!(OfApiServer, "An API server is frozen, for at most 90s", "The cluster of the API server");
of_cluster!(OfAll, "All nodes of a cluster are away", "The cluster", |f| {
    f.field("away", AWAY, |r| &mut r.away, AWAY_ABOUT).default("stopped").example("paused");
});
of_cluster!(OfDns, "The pods of a cluster's DNS server are killed and kept away", "The cluster");
of_cluster!(
    OfSecret,
    "An istiod loses the remote secret by which it reads another cluster",
    "The cluster of the istiod",
    |f| {
        f.field("of", LABEL, |r| &mut r.of, "The cluster that it reads").required().example("c2");
    }
);

/// A node that is away.
#[derive(Default)]
pub(in crate::scenario) struct RawNode {
    pub node: Option<Located<String>>,
    pub away: Option<Located<Away>>,
    pub common: RawCommon,
}

impl Lasting for RawNode {
    fn common(&mut self) -> &mut RawCommon {
        &mut self.common
    }
}

impl Record for RawNode {
    const ABOUT: &'static str = "A node is away";

    fn fields(f: &mut Fields<Self>) {
        let node = "The node: CLUSTER-control-plane, CLUSTER-worker, CLUSTER-worker2 and so on";
        f.field("node", LABEL, |r| &mut r.node, node).required().example("c1-worker");
        f.field("away", AWAY, |r| &mut r.away, AWAY_ABOUT).default("stopped").example("paused");
        common(f);
    }
}

/// A load of a node.
#[derive(Default)]
pub(in crate::scenario) struct RawPressure {
    pub node: Option<Located<String>>,
    pub cpu: Option<Located<u32>>,
    pub memory: Option<Located<u32>>,
    pub common: RawCommon,
}

impl Lasting for RawPressure {
    fn common(&mut self) -> &mut RawCommon {
        &mut self.common
    }
}

impl Record for RawPressure {
    const ABOUT: &'static str = "Programs take the processors and the memory of a node, which are those of the machine";

    fn fields(f: &mut Fields<Self>) {
        let node = "The node: CLUSTER-control-plane, CLUSTER-worker, CLUSTER-worker2 and so on";
        let cpu = "How many programs do nothing as fast as they can";
        let memory = "How much memory is taken; it is refused where the machine would have less than 1Gi left";
        f.field("node", LABEL, |r| &mut r.node, node).required().example("c1-worker");
        f.field("cpu", Number::new(1, 64), |r| &mut r.cpu, cpu).example("2");
        f.field("memory", MEBIBYTES, |r| &mut r.memory, memory).example("512Mi");
        common(f);
    }
}

/// How much memory may be taken.
const MEBIBYTES: Amount = Amount {
    unit: "Mi",
    least: 1,
    most: 1_000_000,
    what: "amount of memory that can be taken",
    example: "1Mi to 1000000Mi",
};

/// What cannot be had, whatever is said of it.
#[derive(Default)]
pub(in crate::scenario) struct RawClock;

impl Record for RawClock {
    const ABOUT: &'static str = "Refused: nodes are containers, and all of them have the one clock of the kernel";

    fn fields(_: &mut Fields<Self>) {}
}
