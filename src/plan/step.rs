//! The typed steps of a plan.

use serde::{Deserialize, Serialize};

/// Identifier of a step, unique in a plan: the verb, and the clusters that it is about.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct StepId(pub String);

impl StepId {
    /// The verb: steps of one verb form a phase.
    #[must_use]
    pub fn verb(&self) -> &str {
        self.0.split('/').next().unwrap_or_default()
    }
}

impl std::fmt::Display for StepId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(&self.0)
    }
}

/// What a step does. Clusters are named as in the scenario.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
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
    /// The east-west gateway, until it has its address and is ready.
    EastWestGateway {
        /// Which cluster.
        cluster: String,
    },
    /// The ingress gateway, until it has its address and is ready.
    IngressGateway {
        /// Which cluster.
        cluster: String,
    },
    /// On every node: routes to the pods of other clusters on the same network, and none to those of other networks.
    NodeNetwork {
        /// Which cluster.
        cluster: String,
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

impl Action {
    /// The step's identifier: the verb, then the clusters that it is about.
    #[must_use]
    pub fn id(&self) -> StepId {
        let verb = self.verb();
        StepId(match self {
            Self::Images | Self::DockerNetwork | Self::RootCa | Self::KarmadaImages | Self::Verify => verb.to_owned(),
            Self::RemoteSecret { of, to } => format!("{verb}/{of}/{to}"),
            _ => format!("{verb}/{}", self.cluster().unwrap_or_default()),
        })
    }

    /// The verb alone: steps of one verb form a phase.
    #[must_use]
    pub fn verb(&self) -> &'static str {
        match self {
            Self::Images => "images",
            Self::DockerNetwork => "docker-network",
            Self::RootCa => "root-ca",
            Self::RenderIstio { .. } => "render-istio",
            Self::Cluster { .. } => "cluster",
            Self::Locality { .. } => "locality",
            Self::Metallb { .. } => "metallb",
            Self::AddressPool { .. } => "address-pool",
            Self::IstioBase { .. } => "istio-base",
            Self::RemoteSecret { .. } => "remote-secret",
            Self::Istiod { .. } => "istiod",
            Self::IstiodRemote { .. } => "istiod-remote",
            Self::ExternalIstiod { .. } => "external-istiod",
            Self::EastWestGateway { .. } => "east-west-gateway",
            Self::IngressGateway { .. } => "ingress-gateway",
            Self::NodeNetwork { .. } => "node-network",
            Self::Apps { .. } => "apps",
            Self::Sidecars { .. } => "sidecars",
            Self::Jobs { .. } => "jobs",
            Self::Retire { .. } => "retire",
            Self::KarmadaImages => "karmada-images",
            Self::Karmada { .. } => "karmada",
            Self::KarmadaMember { .. } => "karmada-member",
            Self::FederatedApps { .. } => "federated-apps",
            Self::Verify => "verify",
        }
    }

    /// Whether the step builds something, rather than judging what is there.
    #[must_use]
    pub fn is_construction(&self) -> bool {
        !matches!(self, Self::Verify)
    }

    /// Whether the step changes what control planes read, and by that what new pods get.
    #[must_use]
    pub fn is_of_mesh(&self) -> bool {
        matches!(
            self,
            Self::IstioBase { .. } | Self::Istiod { .. } | Self::IstiodRemote { .. } | Self::ExternalIstiod { .. }
        )
    }

    /// The cluster that the step changes, if it is about one.
    #[must_use]
    pub fn cluster(&self) -> Option<&str> {
        match self {
            Self::Images | Self::DockerNetwork | Self::RootCa | Self::KarmadaImages | Self::Verify => None,
            Self::RemoteSecret { to, .. } => Some(to),
            Self::RenderIstio { cluster }
            | Self::Cluster { cluster }
            | Self::Locality { cluster }
            | Self::Metallb { cluster }
            | Self::AddressPool { cluster }
            | Self::IstioBase { cluster }
            | Self::Istiod { cluster }
            | Self::IstiodRemote { cluster }
            | Self::ExternalIstiod { cluster }
            | Self::EastWestGateway { cluster }
            | Self::IngressGateway { cluster }
            | Self::NodeNetwork { cluster }
            | Self::Retire { cluster }
            | Self::Karmada { cluster }
            | Self::KarmadaMember { cluster }
            | Self::FederatedApps { cluster }
            | Self::Sidecars { cluster }
            | Self::Jobs { cluster, .. }
            | Self::Apps { cluster, .. } => Some(cluster),
        }
    }

    /// What the step does, in a few words for a person.
    #[must_use]
    pub fn title(&self) -> String {
        match self {
            Self::Images => "images and tools".to_owned(),
            Self::DockerNetwork => "Docker network".to_owned(),
            Self::RootCa => "root CA and intermediates".to_owned(),
            Self::RenderIstio { cluster } => format!("{cluster}: render Istio's charts"),
            Self::Cluster { cluster } => format!("{cluster}: kind cluster"),
            Self::Locality { cluster } => format!("{cluster}: node locality labels"),
            Self::Metallb { cluster } => format!("{cluster}: MetalLB"),
            Self::AddressPool { cluster } => format!("{cluster}: load-balancer pool"),
            Self::IstioBase { cluster } => format!("{cluster}: Istio base and cacerts"),
            Self::RemoteSecret { of, to } => format!("{to}: remote secret of {of}"),
            Self::Istiod { cluster } => format!("{cluster}: istiod"),
            Self::IstiodRemote { cluster } => format!("{cluster}: join the control plane"),
            Self::ExternalIstiod { cluster } => format!("{cluster}: external istiod"),
            Self::EastWestGateway { cluster } => format!("{cluster}: east-west gateway"),
            Self::IngressGateway { cluster } => format!("{cluster}: ingress gateway"),
            Self::NodeNetwork { cluster } => format!("{cluster}: routes of its nodes"),
            Self::Apps { cluster, apps } if apps.is_empty() => format!("{cluster}: namespace of the apps"),
            Self::Apps { cluster, apps } => format!("{cluster}: {}", listed(apps)),
            Self::Sidecars { cluster } => format!("{cluster}: sidecars of what runs"),
            Self::Jobs { cluster, jobs } => format!("{cluster}: Jobs {}", listed(jobs)),
            Self::Retire { cluster } => format!("{cluster}: what is no longer planned"),
            Self::KarmadaImages => "Karmada's images and tool".to_owned(),
            Self::Karmada { cluster } => format!("{cluster}: Karmada"),
            Self::KarmadaMember { cluster } => format!("{cluster}: join the federation"),
            Self::FederatedApps { cluster } => format!("{cluster}: apps of the federation"),
            Self::Verify => "run the checks".to_owned(),
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
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
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
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Plan {
    /// The steps.
    pub steps: Vec<PlannedStep>,
}
