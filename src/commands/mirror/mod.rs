//! `mirror`: calls to a Service of a lab reach a process of this machine, and its calls go out through the mesh.
//!
//! In: the pod of a mirror connects to an address of this machine that nodes reach, at which lab listens, and lab hands on to the loopback. Out: lab listens
//! on the loopback, and takes each connection to the proxy in that pod, by way of the API server.

mod event;

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use futures::FutureExt as _;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use crate::context::{LabContext, StepError};
use crate::mirror::Found;
use crate::plan::render::MirrorHost;
use crate::sys::docker::Engine;
use crate::sys::host::is_local;
use crate::sys::kube::Cluster;
use crate::sys::relay::{Open, Relay, Told, to_loopback};
use crate::sys::words;

pub use event::{MirrorEvent, MirrorHappened};

/// How long a node may take to reach this machine.
const REACH: Duration = Duration::from_secs(5);

/// Who is told, and what was counted.
#[derive(Clone, Debug)]
pub struct Tell {
    events: mpsc::UnboundedSender<MirrorEvent>,
    began: Instant,
    counted: Arc<Counted>,
}

#[derive(Debug, Default)]
struct Counted {
    /// Connections to this machine.
    to_here: AtomicU64,
    /// Connections of this machine.
    from_here: AtomicU64,
    /// Those that could not be handed on.
    failed: AtomicU64,
}

impl Tell {
    /// Counts times from `began`.
    #[must_use]
    pub fn new(events: mpsc::UnboundedSender<MirrorEvent>, began: Instant) -> Self {
        Self { events, began, counted: Arc::default() }
    }

    /// Tells an event. That nobody listens any more matters to nobody here.
    pub fn send(&self, event: MirrorEvent) {
        let after = (self.began.elapsed().as_secs_f64() * 1000.0).round() / 1000.0;
        let _ = self.events.send(MirrorEvent { after, ..event });
    }

    /// Tells that all is as before, with what was counted.
    pub fn ended(&self) {
        let count = |of: &AtomicU64| Some(of.load(Ordering::Relaxed));
        self.send(MirrorEvent {
            connections_in: count(&self.counted.to_here),
            connections_out: count(&self.counted.from_here),
            connections_failed: count(&self.counted.failed),
            ..MirrorEvent::of(MirrorHappened::Ended)
        });
    }

    /// What tells of each connection from or to a cluster.
    fn of(&self, cluster: &str, happened: MirrorHappened) -> Told {
        let (tell, cluster) = (self.clone(), cluster.to_owned());
        Arc::new(move |opened| {
            let of = |event| MirrorEvent { cluster: Some(cluster.clone()), ..MirrorEvent::of(event) };
            let counted = match (&opened, happened) {
                (Err(_), _) => &tell.counted.failed,
                (Ok(()), MirrorHappened::Out) => &tell.counted.from_here,
                (Ok(()), _) => &tell.counted.to_here,
            };
            let number = counted.fetch_add(1, Ordering::Relaxed) + 1;
            tell.send(match opened {
                Ok(()) => MirrorEvent { connection: Some(number), ..of(happened) },
                Err(problem) => MirrorEvent { problem: Some(problem), ..of(MirrorHappened::Failed) },
            });
        })
    }
}

/// The ports of this machine that belong to a mirror in one cluster.
pub struct Ends {
    /// The mirror.
    pub found: Found,
    /// This machine, as its pod knows it.
    pub host: MirrorHost,
    inward: Relay,
    outward: Relay,
}

/// Listens for each mirror where the lab's nodes reach this machine, and on its loopback. Each cluster is tried.
///
/// # Errors
/// The lab's nodes do not reach this machine.
pub async fn listen(ctx: &LabContext, found: Vec<Found>) -> Result<Vec<Ends>, StepError> {
    let gateway = ctx.lab.docker_network.gateway;
    if !is_local(gateway.into()) {
        return Err(StepError::Machine {
            problem: format!(
                "pods of lab {} cannot reach this machine: its network has {gateway}, which is no address here, as the engine runs in a virtual machine or elsewhere",
                ctx.lab.name
            ),
            remedy: "run `lab mirror` and your process where the engine runs, in a container with `--network host`; or develop in the lab itself, by `lab dev`".to_owned(),
        });
    }
    let mut ends = Vec::new();
    for found in found {
        let inward = bind(gateway.into()).await?;
        let node = ctx.cluster(&found.place.cluster)?.control_plane_node();
        try_node(&ctx.engine, &node, &inward, &ctx.lab.docker_network.subnet.to_string()).await?;
        let host = MirrorHost { at: inward.at(), password: uuid::Uuid::new_v4().simple().to_string() };
        ends.push(Ends { found, host, inward, outward: bind(Ipv4Addr::LOCALHOST.into()).await? });
    }
    Ok(ends)
}

async fn bind(address: IpAddr) -> Result<Relay, StepError> {
    Relay::bind(address).await.map_err(|e| StepError::Machine {
        problem: format!("cannot listen on {address}: {}", words::io_error(&e)),
        remedy: "end programs that hold very many ports".to_owned(),
    })
}

/// Has a node connect to this machine: a firewall may be in the way, and then no call would ever come.
async fn try_node(engine: &Engine, node: &str, relay: &Relay, subnet: &str) -> Result<(), StepError> {
    let at = relay.at();
    let script = format!("exec 3<>/dev/tcp/{}/{}", at.ip(), at.port());
    let command = ["bash", "-c", script.as_str()];
    let connect = tokio::time::timeout(REACH, engine.exec(node, &command, None));
    let (reached, connected) = tokio::join!(relay.reached(REACH), connect);
    if reached.is_some() {
        return Ok(());
    }
    if let Ok(Err(error)) = connected {
        return Err(error.into());
    }
    Err(StepError::Machine {
        problem: format!("node {node} does not reach this machine at {at}: a firewall is in the way"),
        remedy: format!(
            "let in what comes from {subnet} to {}, as by `iptables -I INPUT -s {subnet} -d {0} -j ACCEPT`",
            at.ip()
        ),
    })
}

/// Hands on connections both ways, as long as it is not dropped. Also what is to be told of each mirror once it stands.
///
/// # Errors
/// A cluster cannot be reached.
pub async fn carry(
    ctx: &LabContext,
    ends: Vec<Ends>,
    to: u16,
    tell: &Tell,
) -> Result<(JoinSet<()>, Vec<MirrorEvent>), StepError> {
    let (mut carried, mut stands) = (JoinSet::new(), Vec::new());
    let subnet = ctx.lab.docker_network.subnet;
    for Ends { found, host, inward, outward } in ends {
        let place = &found.place;
        let client = ctx.client(&place.cluster).await?;
        // The port is open to whoever reaches this machine, and the process behind it only to whom the lab's nodes let through.
        let is_node = move |from: IpAddr| matches!(from, IpAddr::V4(from) if subnet.contains(&from));
        let open = into(client, place.namespace.clone(), place.selector(), place.own_ports().1);
        stands.push(MirrorEvent {
            cluster: Some(place.cluster.clone()),
            service: Some(place.host()),
            to: Some(to),
            at: Some(inward.at().to_string()),
            proxy: Some(format!("http://{}:{}@{}", MirrorHost::USER, host.password, outward.at())),
            stopped: place.stood_in_for.iter().map(|stopped| stopped.deployment.clone()).collect(),
            ..MirrorEvent::of(MirrorHappened::Mirrored)
        });
        carried.spawn(inward.serve(is_node, to_loopback(to), tell.of(&place.cluster, MirrorHappened::In)));
        carried.spawn(outward.serve(|_| true, open, tell.of(&place.cluster, MirrorHappened::Out)));
    }
    Ok((carried, stands))
}

/// Opens the proxy in the pod of a mirror. The pod is looked for each time: another may have taken its place.
fn into(client: Cluster, namespace: String, selector: String, port: u16) -> Open {
    Arc::new(move || {
        let (client, namespace, selector) = (client.clone(), namespace.clone(), selector.clone());
        async move {
            let open = async { client.forward(&namespace, &client.pod(&namespace, &selector).await?, port).await };
            open.await.map_err(|error| error.to_string())
        }
        .boxed()
    })
}
