//! What happens in a verb that goes on and on, for people or programs.

use serde::Serialize;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::{CliError, Output, output};

/// Prints events until there are no more: as `text` has them, or as lines of JSON. Cancels `unread` when nobody reads them any more.
pub(super) async fn print<E: Serialize>(
    mut events: mpsc::UnboundedReceiver<E>,
    form: Output,
    text: fn(&E) -> String,
    unread: CancellationToken,
) -> Result<(), CliError> {
    let _ends = unread.drop_guard();
    while let Some(event) = events.recv().await {
        let text = match form {
            Output::Text => text(&event),
            Output::Json => output::json_line(&event)?,
        };
        if !output::print_while_read(&text)? {
            return Ok(());
        }
    }
    Ok(())
}
