//! Problems with checks.

use miette::Diagnostic;
use thiserror::Error;

/// A check that cannot work.
#[derive(Clone, Debug, PartialEq, Eq, Error, Diagnostic)]
#[non_exhaustive]
pub enum CheckProblem {
    /// Two clusters that a check could not tell apart.
    #[error(
        "clusters `{first}` and `{second}` both run helloworld {version}, so a check cannot tell which one answers"
    )]
    #[diagnostic(help("give each cluster a version of its own, or write `checks: []` to do without a rotation"))]
    SameVersion {
        /// The earlier cluster.
        first: String,
        /// The later one.
        second: String,
        /// The version.
        version: String,
    },
    /// Not `SERVICE.NAMESPACE:PORT/PATH`.
    #[error("`{value}` {reason}")]
    #[diagnostic(help("write SERVICE.NAMESPACE:PORT/PATH, such as `helloworld.sample:5000/hello`"))]
    BadService {
        /// The value.
        value: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// Not a URL that curl can be given.
    #[error("`{value}` {reason}")]
    #[diagnostic(help(
        "write http://HOST:PORT/PATH, such as `http://10.0.0.1:80/hello` or `grpc://10.0.0.1:80/shop.Orders/List`"
    ))]
    BadUrl {
        /// The value.
        value: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// A request to nothing, or to two things.
    #[error("a request has either a `service` or a `url`, and this one has {found}")]
    #[diagnostic(help(
        "write `service: helloworld.sample:5000/hello` for a service of the mesh, `url: http://10.0.0.1:80/` for anything else"
    ))]
    NotOneTarget {
        /// `both` or `neither`.
        found: &'static str,
    },
    /// A check of something that is not there.
    #[error("no app of this scenario serves `{service}`")]
    NoProvider {
        /// The service.
        service: String,
        /// What is served, or how to add it.
        #[help]
        help: String,
    },
    /// A check without anything that could call.
    #[error("a {check} calls from the app `sleep`, which this scenario leaves out")]
    #[diagnostic(help("add `sleep` to `apps`"))]
    NoCaller {
        /// Its kind.
        check: &'static str,
    },
    /// A way in that is not there.
    #[error("`through: ingress` calls ingress gateways, and this mesh has none")]
    #[diagnostic(help("write `mesh: {{ ingressGateway: true }}`, or leave `through` out"))]
    NoIngressGateway,
    /// A way in to a cluster that has none.
    #[error("`through: ingress` calls the ingress gateway of cluster `{cluster}`, which has none")]
    #[diagnostic(help("name the cluster in `ingressGateway` of the mesh as well, or only those that are there"))]
    NotEntered {
        /// The cluster.
        cluster: String,
    },
    /// A caller that nothing deploys.
    #[error("no app of this scenario is `{app}` in namespace `{namespace}`")]
    #[diagnostic(help(
        "`sleep` is in the namespaces `sample` and, without a sidecar, `legacy`; a pod of your own has the label `app: {app}` and a container of that name"
    ))]
    UnknownCaller {
        /// Its namespace.
        namespace: String,
        /// The app.
        app: String,
    },
    /// A list that names something twice.
    #[error("`{field}` names {what} `{name}` twice")]
    #[diagnostic(help("name each {what} once"))]
    Duplicate {
        /// The list.
        field: &'static str,
        /// `cluster` or `version`.
        what: &'static str,
        /// What it names.
        name: String,
    },
    /// A list of nothing.
    #[error("`{field}` names no {what}")]
    #[diagnostic(help("{remedy}"))]
    NamesNothing {
        /// The list.
        field: &'static str,
        /// `cluster` or `version`.
        what: &'static str,
        /// What to write.
        remedy: &'static str,
    },
    /// A version that no cluster runs.
    #[error("`{field}` names version `{version}`, which no cluster runs")]
    UnknownVersion {
        /// The field.
        field: &'static str,
        /// The version.
        version: String,
        /// The nearest one, or all of them.
        #[help]
        help: String,
    },
    /// A number outside of what it can be.
    #[error("`{field}` cannot be {value}")]
    #[diagnostic(help("it is a number from {least} to {most}"))]
    OutOfRange {
        /// The field.
        field: &'static str,
        /// Its value.
        value: u64,
        /// The least it can be.
        least: u64,
        /// The most it can be.
        most: u64,
    },
    /// Not a duration.
    #[error("`{value}` is no duration")]
    #[diagnostic(help("write milliseconds or seconds, such as `500ms` or `2s`, one minute at most"))]
    BadDuration {
        /// The value.
        value: String,
    },
    /// Answers that would have to be slower and quicker at once.
    #[error("`atLeast` is longer than `within`, so no answer is in time")]
    #[diagnostic(help(
        "`atLeast` is what every answer takes, `within` what they may take: make `within` the longer one"
    ))]
    NeverInTime,
    /// Not `SERVICE.NAMESPACE:PORT`.
    #[error("`{value}` {reason}")]
    #[diagnostic(help(
        "write SERVICE.NAMESPACE:PORT, such as `audit.shop:80`: a copy goes to the path of its request"
    ))]
    BadMirror {
        /// The value.
        value: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// Not an HTTP method.
    #[error("`{value}` is no HTTP method")]
    #[diagnostic(help("it is in capital letters, such as `GET` or `POST`"))]
    BadMethod {
        /// The value.
        value: String,
    },
    /// Not an HTTP header.
    #[error("`{name}` with the value `{value}` is no HTTP header")]
    #[diagnostic(help("a name has letters, digits and hyphens; a value is one line of text"))]
    BadHeader {
        /// Its name.
        name: String,
        /// Its value.
        value: String,
    },
    /// Shares that are no shares.
    #[error("the weights add up to {sum}, not to 100")]
    #[diagnostic(help("they are shares in percent, such as `weights: {{ v1: 80, v2: 20 }}`"))]
    BadWeights {
        /// Their sum.
        sum: u64,
    },
    /// Two fields that exclude each other.
    #[error("`{second}` cannot stand beside `{first}`")]
    #[diagnostic(help("{remedy}"))]
    Excluded {
        /// One.
        first: &'static str,
        /// The other.
        second: &'static str,
        /// Why, and what to do.
        remedy: &'static str,
    },
    /// `reason` for an answer, or `denied: false`.
    #[error("`reason` says why a request is denied, and nothing is denied here")]
    #[diagnostic(help("add `denied: true`, or expect a `status` or a `body`"))]
    ReasonForNothing,
    /// Two checks that reports could not tell apart.
    #[error("there are two checks called `{name}`")]
    #[diagnostic(help("give each a name of its own, or leave the names out"))]
    SameName {
        /// The name.
        name: String,
    },
    /// A name that nobody could read, or that a terminal would obey.
    #[error("this name {reason}")]
    #[diagnostic(help("write in one line of text what reports call the check, or leave `name` out"))]
    BadName {
        /// What is wrong with it.
        reason: &'static str,
    },
    /// A way in to a Service that has no address of its own.
    #[error("`through: loadBalancer` calls the address of Service {service}, which is of another type")]
    #[diagnostic(help("give it `type: LoadBalancer`, or leave `through` out to call it in the mesh"))]
    NoLoadBalancer {
        /// Its namespace and name.
        service: String,
    },
    /// Somebody who is to answer calls that do not know him.
    #[error(
        "`{answering}` is to answer calls from cluster `{caller}`, which is in another mesh and does not know its services"
    )]
    #[diagnostic(help(
        "expect who is in the caller's mesh, or name other clusters by `from`; a `url` can call the other mesh by a ServiceEntry"
    ))]
    OfAnotherMesh {
        /// A cluster or a version.
        answering: String,
        /// The cluster that calls.
        caller: String,
    },
    /// A check that passes whatever comes back.
    #[error("this cannot fail: {why}")]
    #[diagnostic(help("{remedy}"))]
    CannotFail {
        /// Why.
        why: String,
        /// What to write.
        remedy: String,
    },
    /// A cluster that cannot answer.
    #[error("`{field}` names cluster `{cluster}`, which runs no helloworld")]
    #[diagnostic(help("name clusters that `versions` of helloworld has"))]
    RunsNothing {
        /// The field.
        field: &'static str,
        /// The cluster.
        cluster: String,
    },
    /// A zone that a cluster does not have.
    #[error("`{field}` names zone `{zone}`, which cluster `{cluster}` does not have")]
    UnknownZone {
        /// The field.
        field: &'static str,
        /// The cluster.
        cluster: String,
        /// The zone.
        zone: String,
        /// The nearest one, or all of them.
        #[help]
        help: String,
    },
    /// A caller that may be in any zone.
    #[error("`{field}` names cluster `{cluster}`, and who answers depends on the zone that calls")]
    #[diagnostic(help("name the zone too, such as `{example}`"))]
    NoZone {
        /// The field.
        field: &'static str,
        /// The cluster.
        cluster: String,
        /// One with a zone.
        example: String,
    },
    /// A cluster in an order beside one of its zones.
    #[error("`order` names `{part}` beside `{whole}`, which has it too")]
    #[diagnostic(help("name the cluster, or its zones"))]
    NamedTwice {
        /// The cluster.
        whole: String,
        /// One of its zones.
        part: String,
    },
    /// Stopping helloworld for the sake of another service.
    #[error("`exercise` stops helloworld, and `{service}` is another service")]
    #[diagnostic(help("leave `exercise` out, or let the check call `helloworld.sample:5000/hello`"))]
    ExerciseOfAnother {
        /// The service that is called.
        service: String,
    },
    /// Stopping something that the check would not notice.
    #[error("`exercise` stops helloworld in `{cluster}`, and {why}")]
    #[diagnostic(help("give `{cluster}` an order that begins with itself and has a second cluster"))]
    CannotExercise {
        /// The cluster.
        cluster: String,
        /// What its order lacks.
        why: &'static str,
    },
}
