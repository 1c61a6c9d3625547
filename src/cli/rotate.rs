//! `lab rotate`.

use tokio_util::sync::CancellationToken;

use super::{CliError, args, change};
use crate::commands::rotate::{self, Subject};
use crate::exec::Events;
use crate::plan::{Action, Lab};
use crate::report::passage_text;

pub(super) async fn run(args: args::Rotate, interrupt: &CancellationToken) -> Result<(), CliError> {
    let locked = change::locked(&args.name).await?;
    let (up, _) = &locked;
    refuse(&up.ctx.lab, args.what)?;
    let again = format!("`lab rotate {} {}` goes on", args.name, value(args.what));
    let service = change::service()?;
    let rotate = async |events: &Events| {
        rotate::run(up, args.what, &service, &events.progress(&Action::Verify.id()), interrupt).await
    };
    let passage = change::run(&locked, "rotate", &again, rotate).await?;
    change::tell(args.output, &passage, passage_text, passage.passed)
}

/// As the command line has it.
fn value(what: Subject) -> &'static str {
    match what {
        Subject::RemoteSecret => "remote-secret",
        Subject::Intermediate => "intermediate",
        Subject::Root => "root",
    }
}

/// Refuses what cannot be replaced, before anything is asked.
fn refuse(lab: &Lab, what: Subject) -> Result<(), CliError> {
    let refused = |problem: String, remedy: String| Err(CliError::Usage { problem, remedy });
    if !lab.has_mesh() {
        return refused(
            format!("lab {} has no mesh, so nothing in it trusts anything", lab.name),
            "name a lab with a mesh".to_owned(),
        );
    }
    change::refuse_without_callers(lab, &format!("{what} are replaced"))?;
    if what == Subject::RemoteSecret && !lab.data_clusters().any(|c| lab.meshed_with(c).count() > 1) {
        return refused(
            format!("no mesh of lab {} has more than one cluster, so it has no remote secrets", lab.name),
            "name a lab with a mesh of several".to_owned(),
        );
    }
    if what == Subject::Root && lab.meshes().len() > 1 {
        return refused(
            format!("lab {} has several meshes with a root each, and lab replaces that of an only mesh", lab.name),
            format!("`lab rotate {} intermediate` works here too; or name a lab of one mesh", lab.name),
        );
    }
    if what != Subject::RemoteSecret && lab.mesh.ca.is_some() {
        return refused(
            format!(
                "the certificates of lab {} are those that its scenario brings, and lab cannot issue others",
                lab.name
            ),
            format!(
                "leave `mesh.ca` out of a scenario of its own to try this; `lab rotate {} remote-secret` works here too",
                lab.name
            ),
        );
    }
    Ok(())
}
