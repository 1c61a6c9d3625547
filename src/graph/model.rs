//! What a picture shows, before it is laid out: nodes in groups, and edges between them.

/// What a graph is about; decides how it is laid out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Subject {
    /// The mesh of a lab.
    Topology,
    /// The steps that build it.
    Steps,
}

/// A picture's content.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Graph {
    /// What it is about.
    pub subject: Subject,
    /// The headline.
    pub title: String,
    /// What holds for all of it, in one line.
    pub subtitle: String,
    /// The outermost groups.
    pub groups: Vec<Group>,
    /// Edges between nodes or groups, by identifier.
    pub edges: Vec<Edge>,
}

/// A box around nodes and other groups.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    /// Unique in the graph, among nodes too.
    pub id: String,
    /// What it stands for.
    pub kind: GroupKind,
    /// Its name.
    pub title: String,
    /// More about it, a line each.
    pub lines: Vec<String>,
    /// Groups inside.
    pub groups: Vec<Group>,
    /// Nodes inside, those of its groups aside.
    pub nodes: Vec<Node>,
}

/// What a group stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GroupKind {
    /// What is no part of the mesh.
    Outside,
    /// Clusters of a lab without a mesh.
    Unmeshed,
    /// An Istio network.
    Network,
    /// A region of a network.
    Region,
    /// A cluster.
    Cluster,
    /// The steps about one cluster, or about none.
    Lane,
}

/// Something inside a group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node {
    /// Unique in the graph, among groups too.
    pub id: String,
    /// What it stands for.
    pub kind: NodeKind,
    /// Its name.
    pub title: String,
    /// More about it, such as its address.
    pub detail: Option<String>,
}

/// What a node stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NodeKind {
    /// A control plane.
    ControlPlane,
    /// What fetches work from a control plane elsewhere.
    Agent,
    /// A cluster's API server.
    ApiServer,
    /// What is reached from elsewhere at an address.
    Gateway,
    /// An app.
    App,
    /// Objects that run no pod, such as a Service or a route.
    Objects,
    /// Callers outside every cluster.
    Callers,
    /// A step.
    Step,
}

/// A directed edge.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Edge {
    /// A node or a group.
    pub from: String,
    /// A node.
    pub to: String,
    /// What it means.
    pub kind: EdgeKind,
}

/// What an edge means.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum EdgeKind {
    /// A control plane reads another cluster through a remote secret.
    Watches,
    /// A cluster gets its configuration and certificates there.
    Configured,
    /// A federation's control plane brings work to a cluster.
    Pushes,
    /// An agent fetches work from the federation's control plane.
    Pulls,
    /// Calls from another network arrive there.
    Calls,
    /// Calls from outside arrive there.
    Enters,
    /// A step comes before another.
    Before,
}

impl EdgeKind {
    /// What it means, in a word or two.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::Watches => "watches",
            Self::Configured => "istiod is there",
            Self::Pushes => "push",
            Self::Pulls => "pull",
            Self::Calls => "calls",
            Self::Enters => "calls from outside",
            Self::Before => "",
        }
    }
}

impl Graph {
    /// Every group, each before those inside it.
    #[must_use]
    pub fn all_groups(&self) -> Vec<&Group> {
        self.groups.iter().flat_map(Group::with_inner).collect()
    }

    /// Every node.
    pub fn all_nodes(&self) -> impl Iterator<Item = &Node> {
        self.all_groups().into_iter().flat_map(|g| &g.nodes)
    }
}

impl Group {
    /// Itself, then every group inside.
    #[must_use]
    pub fn with_inner(&self) -> Vec<&Self> {
        std::iter::once(self).chain(self.groups.iter().flat_map(Self::with_inner)).collect()
    }

    /// The first node in it or in a group inside.
    #[must_use]
    pub fn first_node(&self) -> Option<&Node> {
        self.with_inner().into_iter().find_map(|g| g.nodes.first())
    }
}
