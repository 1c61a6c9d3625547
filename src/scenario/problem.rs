//! Everything that can be wrong with a scenario, each with its remedy.

use std::net::Ipv4Addr;

use ipnet::Ipv4Net;
use miette::Diagnostic;
use thiserror::Error;

use super::AddressRange;

/// One thing that is wrong with a scenario. The text says what, the help says what to write instead.
#[derive(Clone, Debug, PartialEq, Eq, Error, Diagnostic)]
#[non_exhaustive]
pub enum Problem {
    /// Nothing but white space and comments.
    #[error("the scenario is empty")]
    #[diagnostic(help("the smallest scenario is a name and a list of clusters:\n\n    name: demo\n    clusters: [c1, c2]"))]
    Empty,
    /// Not YAML.
    #[error("this is not YAML: {message}")]
    #[diagnostic(help(
        "look at the line above too: a missing colon, quote or bracket there is often noticed only here"
    ))]
    Syntax {
        /// What the parser says.
        message: String,
    },
    /// A tab where YAML wants spaces.
    #[error("a tab indents this line, and YAML is indented with spaces only")]
    #[diagnostic(help("replace the tab by spaces"))]
    Tab,
    /// `---` in the middle.
    #[error("a second document begins here, and a scenario is one document")]
    #[diagnostic(help("put each scenario into a file of its own"))]
    SeveralDocuments,
    /// `!tag`.
    #[error("tags (`!...`) mean nothing in a scenario")]
    #[diagnostic(help("remove the tag; quote the value if it is meant as text"))]
    Tag,
    /// An alias inside of what it stands for.
    #[error("this alias stands for something that contains it")]
    #[diagnostic(help("write the value out"))]
    Alias,
    /// Bounds on size and nesting.
    #[error("the scenario is nested too deeply or too large")]
    #[diagnostic(help("a scenario has at most 64 levels and 20000 values, with aliases counted each time"))]
    TooMuch,
    /// A list or mapping as a key.
    #[error("a field name is text, not {found}")]
    #[diagnostic(help("write `field: value`; quote the name if it has unusual characters"))]
    KeyNotText {
        /// What it is.
        found: &'static str,
    },
    /// The same key twice in one mapping.
    #[error("`{key}` is given twice")]
    #[diagnostic(help("keep one of them"))]
    DuplicateKey {
        /// The key.
        key: String,
    },
    /// A field that nothing reads.
    #[error("{of} has no field `{field}`")]
    UnknownField {
        /// The field as written.
        field: String,
        /// What it is a field of.
        of: &'static str,
        /// The nearest known field, or all of them.
        #[help]
        help: String,
    },
    /// A field that cannot be derived.
    #[error("{of} needs `{field}`")]
    #[diagnostic(help("add `{field}: {example}`"))]
    MissingField {
        /// The field.
        field: &'static str,
        /// What it is a field of.
        of: &'static str,
        /// What it may look like.
        example: &'static str,
    },
    /// A list where text is wanted, and the like.
    #[error("{what} is {expected}, not {found}")]
    #[diagnostic(help("for example: {example}"))]
    WrongType {
        /// What has the wrong type.
        what: String,
        /// The right one.
        expected: &'static str,
        /// The one found.
        found: String,
        /// How it is written.
        example: &'static str,
    },
    /// A word out of a fixed set, misspelt.
    #[error("{what} cannot be `{value}`")]
    UnknownValue {
        /// What has the value.
        what: String,
        /// The value.
        value: String,
        /// The nearest allowed value, or all of them.
        #[help]
        help: String,
    },
    /// Several keys where exactly one says what an entry is.
    #[error("an entry of `{list}` names exactly one {thing}, not {count}")]
    #[diagnostic(help("begin a new entry with `- ` for each"))]
    NotOneKey {
        /// `apps` or `checks`.
        list: &'static str,
        /// `app` or `check`.
        thing: &'static str,
        /// How many there are.
        count: usize,
    },

    /// Upper case, underscores and the like in a name that becomes part of host names.
    #[error("{what} `{name}` is not a DNS label")]
    #[diagnostic(help("use lower-case letters, digits and inner hyphens only{suggestion}"))]
    NotDnsLabel {
        /// What is named.
        what: &'static str,
        /// The name.
        name: String,
        /// `: my-lab`, or nothing.
        suggestion: String,
    },
    /// A name too long for what is made from it.
    #[error("{what} `{name}` has {length} characters, and at most {limit} are allowed")]
    #[diagnostic(help("shorten it: it becomes part of container and certificate names"))]
    NameTooLong {
        /// What is named.
        what: &'static str,
        /// The name.
        name: String,
        /// Its length.
        length: usize,
        /// The greatest length.
        limit: usize,
    },
    /// Host names have at most 63 characters in a label.
    #[error("the control plane's node would be called `{node}`, {length} characters, and a host name has at most 63")]
    #[diagnostic(help("lab name and cluster name may have 48 characters together: shorten either by {excess}"))]
    NodeNameTooLong {
        /// The node's name.
        node: String,
        /// Its length.
        length: usize,
        /// By how much it is too long.
        excess: usize,
    },
    /// Not a Kubernetes label value.
    #[error("{what} `{value}` cannot be a Kubernetes label")]
    #[diagnostic(help(
        "at most 63 letters, digits, hyphens, underscores and dots, with a letter or digit at either end"
    ))]
    NotLabelValue {
        /// What has the value.
        what: String,
        /// The value.
        value: String,
    },
    /// A trust domain that certificates cannot carry.
    #[error("trust domain `{value}` is not a DNS name")]
    #[diagnostic(help("write labels of lower-case letters, digits and hyphens with dots between, such as `cluster.local`"))]
    NotDnsName {
        /// The value.
        value: String,
    },
    /// `images.mirror` is not `HOST:PORT`.
    #[error("image mirror `{value}` is not HOST:PORT")]
    #[diagnostic(help("write the registry's address as the nodes reach it, without a scheme or path, such as `registry.example:5000`"))]
    NotMirror {
        /// The value.
        value: String,
    },
    /// No clusters.
    #[error("a mesh needs at least one cluster")]
    #[diagnostic(help("list their names: `clusters: [c1, c2]`"))]
    NoClusters,
    /// More clusters than a machine or the address plan carries.
    #[error("{count} clusters are too many: a lab has at most {limit}")]
    #[diagnostic(help("split the scenario into several labs"))]
    TooManyClusters {
        /// How many there are.
        count: usize,
        /// How many there may be.
        limit: usize,
    },
    /// Two clusters of one name.
    #[error("there are two clusters `{name}`")]
    #[diagnostic(help("give each cluster a name of its own"))]
    DuplicateCluster {
        /// The name.
        name: String,
    },
    /// A reference to a cluster that does not exist.
    #[error("{what} names cluster `{name}`, which does not exist")]
    UnknownCluster {
        /// What refers to it.
        what: &'static str,
        /// The name.
        name: String,
        /// The nearest cluster, or all of them.
        #[help]
        help: String,
    },
    /// A cluster that is no primary where every cluster is one.
    #[error("cluster `{cluster}` uses the control plane of `{primary}`, but in a multi-primary mesh each has its own")]
    #[diagnostic(help("leave `primary` out, or write `primary: {cluster}`"))]
    RemoteInMultiPrimary {
        /// The cluster.
        cluster: String,
        /// Its primary.
        primary: String,
    },
    /// A primary that is none.
    #[error("cluster `{cluster}` uses the control plane of `{primary}`, which uses that of `{other}` and has none")]
    #[diagnostic(help("name a cluster that is its own primary, such as `{other}`"))]
    PrimaryIsRemote {
        /// The cluster.
        cluster: String,
        /// Its primary.
        primary: String,
        /// Whose control plane that one uses.
        other: String,
    },
    /// Part of the format, not yet of the program.
    #[error("{what} is not built yet")]
    #[diagnostic(help("{remedy}"))]
    NotBuilt {
        /// What is missing.
        what: String,
        /// What works today.
        remedy: &'static str,
    },
    /// More workers than a lab is for.
    #[error("{workers} workers are too many: a cluster has at most {limit} besides its control plane")]
    #[diagnostic(help("write `nodes: {{ workers: {limit} }}` or less"))]
    TooManyWorkers {
        /// How many there are.
        workers: u64,
        /// How many there may be.
        limit: u8,
    },

    /// Not an address or subnet at all.
    #[error("{what} `{value}` is not {expected}")]
    BadAddress {
        /// What has the value.
        what: String,
        /// The value.
        value: String,
        /// What it should be.
        expected: &'static str,
        /// How it is written.
        #[help]
        help: String,
    },
    /// Host bits in a CIDR.
    #[error("{what} `{value}` has host bits set: it names an address inside the subnet, not the subnet")]
    #[diagnostic(help("write {corrected}"))]
    HostBits {
        /// What has the value.
        what: String,
        /// The value.
        value: String,
        /// The subnet that contains it.
        corrected: Ipv4Net,
    },
    /// IPv6.
    #[error("{what} `{value}` is IPv6, which lab does not support")]
    #[diagnostic(help("write an IPv4 {instead}"))]
    Ipv6 {
        /// What has the value.
        what: String,
        /// The value.
        value: String,
        /// An example.
        instead: &'static str,
    },
    /// Loopback, link-local, multicast.
    #[error("{what} {subnet} overlaps {reserved}, which is reserved for {purpose}")]
    #[diagnostic(help("choose a private subnet, out of 10.0.0.0/8 or 172.16.0.0/12"))]
    ReservedSubnet {
        /// What has the value.
        what: String,
        /// The subnet.
        subnet: Ipv4Net,
        /// The reserved one.
        reserved: Ipv4Net,
        /// What for.
        purpose: &'static str,
    },
    /// A prefix length that Kubernetes or the address plan refuses.
    #[error("{what} {subnet} is too {size}: {reason}")]
    #[diagnostic(help("{remedy}"))]
    SubnetSize {
        /// What has the value.
        what: String,
        /// The subnet.
        subnet: Ipv4Net,
        /// `small` or `large`.
        size: &'static str,
        /// Why.
        reason: String,
        /// What to write.
        remedy: String,
    },
    /// Two subnets that must be apart.
    #[error("{one} overlaps {other}")]
    #[diagnostic(help("{remedy}"))]
    Overlap {
        /// The later of both.
        one: String,
        /// The earlier.
        other: String,
        /// Why that cannot be, and what to write.
        remedy: String,
    },
    /// The last address of a range before its first.
    #[error("{what} {last} comes before {first}")]
    #[diagnostic(help("write the lower address first: {last}-{first}"))]
    ReversedRange {
        /// What has the value.
        what: String,
        /// The first address as written.
        first: Ipv4Addr,
        /// The last address as written.
        last: Ipv4Addr,
    },
    /// A pool where the nodes cannot reach it.
    #[error("{what} {pool} is not inside the Docker network {subnet}")]
    #[diagnostic(help("{remedy}"))]
    PoolOutside {
        /// What has the value.
        what: String,
        /// The pool.
        pool: AddressRange,
        /// The network.
        subnet: Ipv4Net,
        /// What to write.
        remedy: String,
    },
    /// A pool on addresses that something else has.
    #[error("{what} {pool} contains {taken}")]
    #[diagnostic(help("addresses for pools in {subnet} are {first} to {last}"))]
    PoolTaken {
        /// What has the value.
        what: String,
        /// The pool.
        pool: AddressRange,
        /// What it contains.
        taken: String,
        /// The network.
        subnet: Ipv4Net,
        /// The first address that may be in a pool.
        first: Ipv4Addr,
        /// The last.
        last: Ipv4Addr,
    },
    /// Pools too far apart to derive one Docker network.
    #[error("{what} {pool} is in another /16 than the first pool, so the Docker network cannot be derived from the pools")]
    #[diagnostic(help("put all pools into {subnet}, or say which network holds them all: `dockerNetwork: {{ subnet: ... }}`"))]
    PoolsApart {
        /// What has the value.
        what: String,
        /// The pool.
        pool: AddressRange,
        /// The /16 of the first.
        subnet: Ipv4Net,
    },
    /// A fixed address that the pool cannot give.
    #[error("{what} {address} is not in the cluster's pool {pool}")]
    #[diagnostic(help("choose an address from {pool}, or leave it out to get {first}", first = pool.first))]
    AddressOutsidePool {
        /// What has the value.
        what: String,
        /// The address.
        address: Ipv4Addr,
        /// The pool.
        pool: AddressRange,
    },
    /// One address given to two gateways.
    #[error("{what} {address} is already that of cluster `{other}`")]
    #[diagnostic(help("give each gateway an address of its own, from its own cluster's pool"))]
    DuplicateAddress {
        /// What has the value.
        what: String,
        /// The address.
        address: Ipv4Addr,
        /// The cluster that has it.
        other: String,
    },

    /// The same app twice.
    #[error("app `{app}` is listed twice")]
    #[diagnostic(help("keep one entry; it covers all clusters"))]
    DuplicateApp {
        /// The app.
        app: &'static str,
    },
    /// A rotation that could not tell two clusters apart.
    #[error("clusters `{first}` and `{second}` both run helloworld {version}, so a rotation cannot tell which one answered")]
    #[diagnostic(help("give each cluster a version of its own, or remove the rotation over helloworld"))]
    SameVersion {
        /// The earlier cluster.
        first: String,
        /// The later one.
        second: String,
        /// The version.
        version: String,
    },
    /// Not `SERVICE.NAMESPACE:PORT/PATH`.
    #[error("`{value}` is not SERVICE.NAMESPACE:PORT/PATH: {reason}")]
    #[diagnostic(help("for example: `helloworld.sample:5000/hello`"))]
    BadService {
        /// The value.
        value: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// A rotation over something that is not there.
    #[error("no app of this scenario serves `{service}`")]
    NoProvider {
        /// The service.
        service: String,
        /// What is served, or how to add it.
        #[help]
        help: String,
    },
    /// A rotation without anything that could call.
    #[error("a rotation calls from the app `sleep`, which this scenario leaves out")]
    #[diagnostic(help("add `- sleep` to `apps`"))]
    NoCaller,
    /// A list that names something twice.
    #[error("`from` names cluster `{name}` twice")]
    #[diagnostic(help("name each cluster once"))]
    DuplicateSource {
        /// The cluster.
        name: String,
    },
    /// A check or app over no cluster at all.
    #[error("{what} names no cluster")]
    #[diagnostic(help("{remedy}"))]
    NamesNothing {
        /// What is empty.
        what: &'static str,
        /// What to write.
        remedy: &'static str,
    },
}
