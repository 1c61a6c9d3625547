//! Progress of long work, on standard error.

use crate::exec::{Event, Events};
use crate::report::{Style, Timeline, follow};

/// Runs work that tells events, and shows them until it has ended; `on_event` sees each of them first. Gives also how long each step took.
pub(super) async fn followed<T>(
    on_event: impl FnMut(&Event) + Send + 'static,
    work: impl AsyncFnOnce(&Events) -> T,
) -> (T, Timeline) {
    let (events, receiver) = Events::channel();
    let follower = tokio::spawn(follow(receiver, Style::detect(), on_event));
    let done = work(&events).await;
    // The follower ends when nobody is left who could tell anything.
    drop(events);
    (done, follower.await.unwrap_or_default())
}

/// The same for work of one step, of which no times are asked.
pub(super) async fn shown<T>(work: impl AsyncFnOnce(&Events) -> T) -> T {
    followed(|_| (), work).await.0
}
