//! How verbs about one call read what is called and who calls.

use super::CliError;
use crate::scenario::{CallerPod, ServiceUrl, SpokenService};

/// `SERVICE.NAMESPACE:PORT/PATH`; a refusal names it after `flag`.
pub(super) fn service(text: &str, flag: &str) -> Result<ServiceUrl, CliError> {
    text.parse().map_err(|reason| CliError::Usage {
        problem: format!("{flag}{text}: it {reason}"),
        remedy: "write SERVICE.NAMESPACE:PORT/PATH, such as helloworld.sample:5000/hello".to_owned(),
    })
}

/// The same, or with a protocol before it.
pub(super) fn spoken(text: &str, flag: &str) -> Result<SpokenService, CliError> {
    text.parse().map_err(|reason| CliError::Usage {
        problem: format!("{flag}{text}: it {reason}"),
        remedy: "write SERVICE.NAMESPACE:PORT/PATH, such as helloworld.sample:5000/hello, with grpc:// or ws:// before it, or tcp://SERVICE.NAMESPACE:PORT"
            .to_owned(),
    })
}

/// `NAMESPACE/APP`.
pub(super) fn caller(text: &str) -> Result<CallerPod, CliError> {
    text.parse().map_err(|reason| CliError::Usage {
        problem: format!("--caller {text}: it {reason}"),
        remedy: "write NAMESPACE/APP, such as sample/sleep".to_owned(),
    })
}
