//! `lab scenario`: a scenario out of what another program reads.

use super::{CliError, args, output};
use crate::sys::input::{self, Refused};
use crate::{plan, scenario};

pub(super) fn run(args: &args::Scenario) -> Result<(), CliError> {
    let file = &args.from_istio_topology;
    let shown = file.display().to_string();
    let name = args.name.clone().unwrap_or_else(|| {
        let stem = file.file_stem().unwrap_or_default().to_string_lossy();
        if scenario::is_lab_name(&stem) { stem.into_owned() } else { "istio".to_owned() }
    });
    output::refuse_no_name("lab", &name)?;
    let refused = |e: Refused| CliError::Usage {
        problem: match e {
            Refused::Missing => format!("there is no file {shown}"),
            e => format!("cannot read {shown}: {e}"),
        },
        remedy: "give a topology of Istio's tests, such as prow/config/topology/multicluster.json of its repository"
            .to_owned(),
    };
    let bytes = input::read_or_pipe(file, input::FILE_LIMIT).map_err(refused)?;
    let text = scenario::decode(bytes).map_err(|e| CliError::Usage {
        problem: format!("{shown}:{}:{}: {e}", e.line, e.column),
        remedy: e.remedy().to_owned(),
    })?;
    let scenario = scenario::from_istio_topology(&text, &shown, &name).map_err(|e| CliError::Scenario(Box::new(e)))?;
    // What leaves no room for addresses is told here, and not only once it is built.
    plan::resolve(&scenario)?;
    output::print(&scenario::to_yaml(&scenario))
}
