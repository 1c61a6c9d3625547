//! What is asked of any check.

use super::{Check, Through};

impl Check {
    /// Whether it calls from outside through ingress gateways.
    #[must_use]
    pub fn is_through_ingress(&self) -> bool {
        match self {
            Self::Rotation { through, .. } => *through == Through::Ingress,
            Self::Request(request) => request.through == Through::Ingress,
            Self::Failover(_) | Self::Reachability | Self::Federation(_) => false,
        }
    }

    /// The same check without taking anything away.
    pub fn stop_exercising(&mut self) {
        match self {
            Self::Failover(check) => check.exercise.clear(),
            Self::Federation(check) => check.exercise.clear(),
            Self::Rotation { .. } | Self::Request(_) | Self::Reachability => {}
        }
    }
}
