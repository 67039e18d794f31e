//! Work in the background.

use std::time::Duration;

use tokio_util::task::AbortOnDropHandle;

/// Before work in the background that has panicked begins anew.
const AFTER_PANIC: Duration = Duration::from_secs(5);

/// Work in the background that nobody waits for, so nobody would notice its end: after a panic it begins anew.
pub(super) async fn unfailing<W: Future<Output = ()> + Send + 'static>(name: &str, work: impl Fn() -> W) {
    while let Err(error) = AbortOnDropHandle::new(tokio::spawn(work())).await {
        if !error.is_panic() {
            return;
        }
        tracing::error!(target: "outcrop::panic", work = name, "work in the background panicked; beginning anew");
        tokio::time::sleep(AFTER_PANIC).await;
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn work_in_the_background_begins_anew_after_a_panic_and_ends_with_its_own_end() {
        let begun = Arc::new(AtomicUsize::new(0));
        let work = {
            let begun = Arc::clone(&begun);
            move || {
                let times = begun.fetch_add(1, Ordering::SeqCst);
                async move { assert!(times == 2, "not yet") }
            }
        };
        unfailing("test", work).await;
        assert_eq!(begun.load(Ordering::SeqCst), 3);
    }
}
