//! Why a step failed.

use miette::Diagnostic;
use thiserror::Error;

use crate::images::ImagesError;
use crate::plan::Gateway;
use crate::sys::docker::DockerError;
use crate::sys::kube::KubeError;
use crate::sys::process::ProcessError;
use crate::sys::state::StateError;

/// A step failed.
#[derive(Debug, Error, Diagnostic)]
pub enum StepError {
    /// The stack is not to be had.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Images(#[from] ImagesError),
    /// The engine refused.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Docker(#[from] DockerError),
    /// A cluster refused.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Kube(#[from] KubeError),
    /// A program failed.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Process(#[from] ProcessError),
    /// The state cannot be used.
    #[error(transparent)]
    #[diagnostic(transparent)]
    State(#[from] StateError),
    /// A certificate cannot be made.
    #[error("cannot make a certificate")]
    #[diagnostic(help("this is a mistake in lab: please report it with the plan (`lab plan FILE`)"))]
    Certificate(#[from] rcgen::Error),
    /// The machine lacks something, or has something that stands in the way.
    #[error("{problem}")]
    #[diagnostic(help("{remedy}"))]
    Machine {
        /// What is wrong.
        problem: String,
        /// What to do.
        remedy: String,
    },
    /// Istio's charts refuse the scenario's Helm values.
    #[error("{place}Istio refuses `mesh.values`: {message}")]
    #[diagnostic(help("write the values as the charts of this Istio want them, or leave them out"))]
    Values {
        /// Where they are, as `FILE:LINE:COLUMN: `; nothing for a lab that was read from its state.
        place: String,
        /// What istioctl says.
        message: String,
    },
    /// The state has lost what the scenario brought.
    #[error("{path} in the state of lab {lab} is lost, and comes from the scenario's own certificate authority")]
    #[diagnostic(help(
        "bring the lab up with its scenario file again, which names the files (`mesh.ca`): `lab up FILE`"
    ))]
    OwnAuthority {
        /// The lab.
        lab: String,
        /// The file.
        path: String,
    },
    /// Something else has the address of a gateway.
    #[error("Service {namespace}/{name} in {cluster} has the address {address}, which is planned for the {}", gateway.title())]
    #[diagnostic(help(
        "`kubectl --context {context} -n {namespace} delete service {name}`, then `lab up` again: a Service of the scenario is created again and gets \
         another address. Or give the gateway another one: `loadBalancer: {{ addresses: {{ {}: ... }} }}`", gateway.field()
    ))]
    AddressTaken {
        /// The address.
        address: std::net::Ipv4Addr,
        /// What it is planned for.
        gateway: Gateway,
        /// The cluster.
        cluster: String,
        /// The kubeconfig context of the cluster.
        context: String,
        /// Namespace of the Service that has it.
        namespace: String,
        /// Its name.
        name: String,
    },
    /// What is built does not come out as it must, though the machine has all that it takes.
    #[error("{problem}")]
    #[diagnostic(help("{remedy}"))]
    Failed {
        /// What is wrong.
        problem: String,
        /// What to do.
        remedy: String,
    },
    /// A step relies on one that did not run: a mistake in the plan.
    #[error("{0} is not there yet")]
    #[diagnostic(help("this is a mistake in lab: please report it with the plan (`lab plan FILE`)"))]
    Missing(String),
}

impl StepError {
    /// Whether the scenario is at fault.
    #[must_use]
    pub fn is_scenario(&self) -> bool {
        matches!(self, Self::Values { .. })
    }

    /// Whether an API server did not answer, so that what was asked of it may go well the next time.
    #[must_use]
    pub fn is_no_answer(&self) -> bool {
        matches!(self, Self::Kube(error) if error.is_no_answer())
    }

    /// Whether the machine, rather than the lab, is at fault.
    #[must_use]
    pub fn is_machine(&self) -> bool {
        match self {
            Self::Machine { .. } | Self::State(StateError::Io { .. } | StateError::NoHome(_)) => true,
            Self::Docker(e) => e.is_no_answer(),
            Self::Images(e) => e.lacks_something(),
            _ => false,
        }
    }
}
