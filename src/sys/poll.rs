//! Waits for what cannot be watched: it is asked for again and again, and never longer than it was said.

use std::time::Duration;

use tokio::time::{Instant, sleep, timeout_at};

/// Asks until `probe` gives something, with a pause between two answers; `None` when the time is up, also while a question is under way.
///
/// # Errors
/// Those of `probe`, which end the wait.
pub async fn poll_until<T, E>(
    limit: Duration,
    pause: Duration,
    mut probe: impl AsyncFnMut() -> Result<Option<T>, E>,
) -> Result<Option<T>, E> {
    let end = Instant::now() + limit;
    loop {
        match timeout_at(end, probe()).await {
            Ok(Ok(None)) => {}
            Ok(ended) => return ended,
            Err(_) => return Ok(None),
        }
        if Instant::now() + pause > end {
            return Ok(None);
        }
        sleep(pause).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STEP: Duration = Duration::from_millis(10);

    #[tokio::test]
    async fn a_wait_ends_with_what_it_waits_for_or_in_time() {
        let mut asked = 0;
        let third = poll_until(1000 * STEP, STEP, async || {
            asked += 1;
            Ok::<_, ()>((asked == 3).then_some("there"))
        });
        assert_eq!(third.await, Ok(Some("there")));
        assert_eq!(poll_until(3 * STEP, STEP, async || Ok::<Option<()>, ()>(None)).await, Ok(None));
    }

    #[tokio::test]
    async fn a_question_without_an_answer_does_not_outlive_the_wait() {
        let never = poll_until(3 * STEP, STEP, async || std::future::pending::<Result<Option<()>, ()>>().await);
        assert_eq!(tokio::time::timeout(1000 * STEP, never).await, Ok(Ok(None)));
    }

    #[tokio::test]
    async fn an_error_ends_it() {
        assert_eq!(poll_until(STEP, STEP, async || Err::<Option<()>, _>("broken")).await, Err("broken"));
    }
}
