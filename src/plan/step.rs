//! The typed steps of a plan.

use std::borrow::Cow;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Identifier of a step, unique in a plan: the verb, and the clusters that it is about.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct StepId(pub String);

impl StepId {
    /// The verb: steps of one verb form a phase.
    #[must_use]
    pub fn verb(&self) -> &str {
        self.0.split('/').next().unwrap_or_default()
    }

    /// Whether the step lets one cluster's control plane read another.
    #[must_use]
    pub fn is_remote_secret(&self) -> bool {
        self.verb() == "remote-secret"
    }

    /// Whether the step deploys apps.
    #[must_use]
    pub fn is_apps(&self) -> bool {
        self.verb() == "apps"
    }
}

impl std::fmt::Display for StepId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(&self.0)
    }
}

/// What a step does. Clusters are named as in the scenario.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(tag = "verb", rename_all = "kebab-case", rename_all_fields = "camelCase")]
pub enum Action {
    /// Tools and the node image with every image in it are on this machine.
    Images,
    /// The lab's own Docker network.
    DockerNetwork,
    /// The root certificate and an intermediate for each cluster.
    RootCa,
    /// Istio's manifests, rendered by istioctl.
    RenderIstio {
        /// For which cluster.
        cluster: String,
        /// For which of its control planes.
        #[serde(skip_serializing_if = "Option::is_none")]
        revision: Option<String>,
    },
    /// A kind cluster with its own kubeconfig.
    Cluster {
        /// Which cluster.
        cluster: String,
    },
    /// Region, zone and subzone labels on the nodes.
    Locality {
        /// Which cluster.
        cluster: String,
    },
    /// MetalLB's manifests.
    Metallb {
        /// Which cluster.
        cluster: String,
    },
    /// MetalLB's address pool and its L2 advertisement.
    AddressPool {
        /// Which cluster.
        cluster: String,
    },
    /// Namespace `istio-system` with its network label, `cacerts`, custom resource definitions, roles and the reader's token.
    IstioBase {
        /// Which cluster.
        cluster: String,
    },
    /// Lets one cluster's control plane read another cluster.
    RemoteSecret {
        /// The cluster that is read.
        of: String,
        /// The cluster whose control plane reads.
        to: String,
    },
    /// The control plane, until it injects sidecars.
    Istiod {
        /// Which cluster.
        cluster: String,
        /// Which of its control planes.
        #[serde(skip_serializing_if = "Option::is_none")]
        revision: Option<String>,
    },
    /// What a cluster without a control plane of its own needs of Istio, until the other cluster's istiod injects sidecars here.
    IstiodRemote {
        /// Which cluster.
        cluster: String,
    },
    /// The control plane of other clusters, until it is ready at its address.
    ExternalIstiod {
        /// The cluster that hosts it.
        cluster: String,
    },
    /// An address of its own for a control plane that other clusters use, until it is ready there.
    IstiodAddress {
        /// The cluster that it is in.
        cluster: String,
    },
    /// The east-west gateway, until it has its address and is ready.
    EastWestGateway {
        /// Which cluster.
        cluster: String,
    },
    /// The ingress gateway, until it has its address and is ready; in a cluster that has none, the routes of those that read them there.
    IngressGateway {
        /// Which cluster.
        cluster: String,
    },
    /// On every node: routes to the pods of other clusters on the same network, and none to those of other networks.
    NodeNetwork {
        /// Which cluster.
        cluster: String,
    },
    /// The images of Istio that a cluster was upgraded to are in its nodes.
    IstioImages {
        /// Which cluster.
        cluster: String,
    },
    /// Images of lab's own that only some scenarios name are in the nodes of a cluster.
    AppImages {
        /// Which cluster.
        cluster: String,
        /// Keys of the images.
        images: Vec<String>,
    },
    /// The apps of a cluster, until they are ready.
    Apps {
        /// Which cluster.
        cluster: String,
        /// Names of the apps, as the scenario has them.
        apps: Vec<String>,
    },
    /// Pods whose sidecars are not what they would get now are restarted.
    Sidecars {
        /// Which cluster.
        cluster: String,
    },
    /// The Jobs of a cluster's apps, until they are done.
    Jobs {
        /// Which cluster.
        cluster: String,
        /// Their names.
        jobs: Vec<String>,
    },
    /// Karmada's tool and images are on this machine.
    KarmadaImages,
    /// Karmada's control plane, until its API answers.
    Karmada {
        /// The cluster that runs it.
        cluster: String,
    },
    /// A cluster as a member of the federation, until Karmada finds it ready.
    KarmadaMember {
        /// Which cluster.
        cluster: String,
    },
    /// A control plane forgets clusters that it is to read no longer. It is planned only where there are such.
    Unlink {
        /// The cluster with the control plane.
        cluster: String,
    },
    /// Members that the scenario no longer has leave the federation. It is planned only where members may leave.
    KarmadaLeave {
        /// The cluster that runs Karmada.
        cluster: String,
    },
    /// What steps applied to a cluster that are no longer planned is taken away. It is planned only where there is something of that kind.
    Retire {
        /// Which cluster.
        cluster: String,
    },
    /// What the scenario gives to Karmada, until it runs in the members.
    FederatedApps {
        /// The cluster that runs Karmada.
        cluster: String,
    },
    /// The verdict over all checks.
    Verify,
}

/// What a step is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum On<'a> {
    /// The whole lab.
    Lab,
    /// One cluster.
    Cluster(&'a str),
    /// One of the control planes of a cluster.
    Revision(&'a str, &'a str),
    /// What one cluster gets of another.
    Pair { of: &'a str, to: &'a str },
}

/// The control plane of that revision; without one the only one of its cluster, or that with which it came.
fn plane<'a>(cluster: &'a str, revision: Option<&'a String>) -> On<'a> {
    revision.map_or(On::Cluster(cluster), |revision| On::Revision(cluster, revision))
}

/// All that is said of a step in general.
struct Facts<'a> {
    verb: &'static str,
    on: On<'a>,
    /// What it does there, in a few words for a person.
    does: Cow<'static, str>,
    /// See [`Action::is_of_mesh`].
    is_of_mesh: bool,
}

impl Facts<'_> {
    fn of_mesh(self) -> Self {
        Self { is_of_mesh: true, ..self }
    }
}

fn facts<'a>(verb: &'static str, on: On<'a>, does: impl Into<Cow<'static, str>>) -> Facts<'a> {
    Facts { verb, on, does: does.into(), is_of_mesh: false }
}

impl Action {
    /// One row a step. Everything else that is said of an action follows from it.
    fn facts(&self) -> Facts<'_> {
        use On::{Cluster, Lab, Pair};
        match self {
            Self::Images => facts("images", Lab, "images and tools"),
            Self::DockerNetwork => facts("docker-network", Lab, "Docker network"),
            Self::RootCa => facts("root-ca", Lab, "root CA and intermediates"),
            Self::RenderIstio { cluster: c, revision: r } => {
                facts("render-istio", plane(c, r.as_ref()), "render Istio's charts")
            }
            Self::Cluster { cluster: c } => facts("cluster", Cluster(c), "kind cluster"),
            Self::Locality { cluster: c } => facts("locality", Cluster(c), "node locality labels"),
            Self::Metallb { cluster: c } => facts("metallb", Cluster(c), "MetalLB"),
            Self::AddressPool { cluster: c } => facts("address-pool", Cluster(c), "load-balancer pool"),
            Self::IstioBase { cluster: c } => facts("istio-base", Cluster(c), "Istio base and cacerts").of_mesh(),
            Self::RemoteSecret { of, to } => facts("remote-secret", Pair { of, to }, format!("remote secret of {of}")),
            Self::Istiod { cluster: c, revision: r } => facts("istiod", plane(c, r.as_ref()), "istiod").of_mesh(),
            Self::IstioImages { cluster: c } => facts("istio-images", Cluster(c), "Istio's images in its nodes"),
            Self::IstiodRemote { cluster: c } => facts("istiod-remote", Cluster(c), "join the control plane").of_mesh(),
            Self::ExternalIstiod { cluster: c } => facts("external-istiod", Cluster(c), "external istiod").of_mesh(),
            Self::IstiodAddress { cluster: c } => facts("istiod-address", Cluster(c), "istiod's own address"),
            Self::EastWestGateway { cluster: c } => facts("east-west-gateway", Cluster(c), "east-west gateway"),
            Self::IngressGateway { cluster: c } => facts("ingress-gateway", Cluster(c), "ingress gateway"),
            Self::NodeNetwork { cluster: c } => facts("node-network", Cluster(c), "routes of its nodes"),
            Self::AppImages { cluster: c, images } => {
                facts("app-images", Cluster(c), format!("image {} in its nodes", listed(images)))
            }
            Self::Apps { cluster: c, apps } if apps.is_empty() => facts("apps", Cluster(c), "namespace of the apps"),
            Self::Apps { cluster: c, apps } => facts("apps", Cluster(c), listed(apps)),
            Self::Sidecars { cluster: c } => facts("sidecars", Cluster(c), "sidecars of what runs"),
            Self::Jobs { cluster: c, jobs } => facts("jobs", Cluster(c), format!("Jobs {}", listed(jobs))),
            Self::Retire { cluster: c } => facts("retire", Cluster(c), "what is no longer planned"),
            Self::KarmadaImages => facts("karmada-images", Lab, "Karmada's images and tool"),
            Self::Karmada { cluster: c } => facts("karmada", Cluster(c), "Karmada"),
            Self::KarmadaMember { cluster: c } => facts("karmada-member", Cluster(c), "join the federation"),
            Self::Unlink { cluster: c } => facts("unlink", Cluster(c), "forget clusters that go").of_mesh(),
            Self::KarmadaLeave { cluster: c } => {
                facts("karmada-leave", Cluster(c), "members that leave the federation")
            }
            Self::FederatedApps { cluster: c } => facts("federated-apps", Cluster(c), "apps of the federation"),
            Self::Verify => facts("verify", Lab, "run the checks"),
        }
    }

    /// The step's identifier: the verb, then the clusters that it is about.
    #[must_use]
    pub fn id(&self) -> StepId {
        let Facts { verb, on, .. } = self.facts();
        StepId(match on {
            On::Lab => verb.to_owned(),
            On::Cluster(cluster) => format!("{verb}/{cluster}"),
            On::Revision(cluster, revision) => format!("{verb}/{cluster}/{revision}"),
            On::Pair { of, to } => format!("{verb}/{of}/{to}"),
        })
    }

    /// The verb alone: steps of one verb form a phase.
    #[must_use]
    pub fn verb(&self) -> &'static str {
        self.facts().verb
    }

    /// Whether the step builds something, rather than judging what is there.
    #[must_use]
    pub fn is_construction(&self) -> bool {
        !matches!(self, Self::Verify)
    }

    /// Whether the step changes what control planes read, and by that what new pods get.
    #[must_use]
    pub fn is_of_mesh(&self) -> bool {
        self.facts().is_of_mesh
    }

    /// Whether the step works on machines, which clusters that lab did not make have already.
    #[must_use]
    pub fn is_of_machines(&self) -> bool {
        matches!(self, Self::DockerNetwork | Self::Cluster { .. } | Self::NodeNetwork { .. } | Self::AppImages { .. })
    }

    /// The cluster that the step changes, if it is about one.
    #[must_use]
    pub fn cluster(&self) -> Option<&str> {
        match self.facts().on {
            On::Lab => None,
            On::Cluster(cluster) | On::Revision(cluster, _) | On::Pair { to: cluster, .. } => Some(cluster),
        }
    }

    /// The other cluster, of which something is read.
    #[must_use]
    pub fn reads(&self) -> Option<&str> {
        match self.facts().on {
            On::Pair { of, .. } => Some(of),
            On::Lab | On::Cluster(_) | On::Revision(..) => None,
        }
    }

    /// What the step does, in a few words for a person.
    #[must_use]
    pub fn title(&self) -> String {
        let Facts { on, does, .. } = self.facts();
        match on {
            On::Lab => does.into_owned(),
            On::Cluster(cluster) | On::Pair { to: cluster, .. } => format!("{cluster}: {does}"),
            On::Revision(cluster, revision) => format!("{cluster}: {does} of revision {revision}"),
        }
    }
}

/// Names in a sentence.
fn listed(names: &[String]) -> String {
    match names.split_last() {
        None => String::new(),
        Some((one, [])) => one.clone(),
        Some((last, others)) => format!("{} and {last}", others.join(", ")),
    }
}

/// A step of a plan.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PlannedStep {
    /// Unique identifier.
    pub id: StepId,
    /// What it does.
    pub action: Action,
    /// Steps that must have ended before it starts.
    pub needs: Vec<StepId>,
}

/// An acyclic graph of steps, in an order in which each step comes after those that it needs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Plan {
    /// The steps.
    pub steps: Vec<PlannedStep>,
}
