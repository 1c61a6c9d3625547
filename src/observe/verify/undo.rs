//! What a check takes away for a while, and gives back however the check ends.

use std::time::Duration;

use futures::future::BoxFuture;
use tokio::runtime::{Handle, RuntimeFlavor};

use crate::context::StepError;

/// How long the end of an interrupted check waits until all is given back.
const LAST_WORDS: Duration = Duration::from_secs(10);

/// Gives back what a check took away when it is dropped: when the check ends by an error, or an interrupt drops it half-way. If even that is
/// prevented, as by a kill, `lab up` does it.
pub(super) struct Undo<F>
where
    F: Fn() -> BoxFuture<'static, Result<(), StepError>>,
{
    undo: F,
    is_done: bool,
}

impl<F> Undo<F>
where
    F: Fn() -> BoxFuture<'static, Result<(), StepError>>,
{
    /// To be made before anything is taken away; `undo` must bear being repeated.
    pub fn by(undo: F) -> Self {
        Self { undo, is_done: false }
    }

    /// Gives it back now.
    ///
    /// # Errors
    /// Those of `undo`, which is then tried once more.
    pub async fn now(mut self) -> Result<(), StepError> {
        (self.undo)().await?;
        self.is_done = true;
        Ok(())
    }
}

impl<F> Drop for Undo<F>
where
    F: Fn() -> BoxFuture<'static, Result<(), StepError>>,
{
    fn drop(&mut self) {
        if self.is_done {
            return;
        }
        let Ok(runtime) = Handle::try_current() else { return };
        if runtime.runtime_flavor() != RuntimeFlavor::MultiThread {
            return;
        }
        // Nobody polls a future that is dropped, so the last requests are made here, on this thread.
        tokio::task::block_in_place(|| {
            let _ = runtime.block_on(async { tokio::time::timeout(LAST_WORDS, (self.undo)()).await });
        });
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    type Tried = BoxFuture<'static, Result<(), StepError>>;

    /// A guard that counts how often it gives back, which fails the first `failures` times.
    fn counted(failures: usize) -> (Arc<AtomicUsize>, Undo<impl Fn() -> Tried>) {
        let count = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&count);
        let undo = Undo::by(move || {
            let counter = Arc::clone(&counter);
            Box::pin(async move {
                tokio::task::yield_now().await;
                let before = counter.fetch_add(1, Ordering::SeqCst);
                if before < failures { Err(StepError::Missing("it".to_owned())) } else { Ok(()) }
            })
        });
        (count, undo)
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn what_was_taken_away_is_given_back_once_however_the_check_ends() {
        let (count, undo) = counted(0);
        undo.now().await.expect("gives back");
        assert_eq!(count.load(Ordering::SeqCst), 1, "a check that ends");

        let (count, undo) = counted(0);
        drop(undo);
        assert_eq!(count.load(Ordering::SeqCst), 1, "a check that is dropped");

        let (count, undo) = counted(1);
        undo.now().await.expect_err("fails");
        assert_eq!(count.load(Ordering::SeqCst), 2, "a failure is tried once more");
    }
}
