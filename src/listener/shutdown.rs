//! The way out, in stages. Whoever hears the signal moves it on; the accept loop, the connections and the
//! readiness probe follow.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio_util::sync::CancellationToken;

/// Serving → leaving → draining → forced. Clones share the stage, which never goes back.
///
/// ```text
/// leave()  still accepting; responses say `Connection: close`; the readiness probe fails
/// drain()  nothing is accepted; idle connections close; requests in flight run to their end
/// force()  everything still open is dropped
/// ```
/// Each call implies the ones before it, so a second signal may go straight to `force`.
#[derive(Clone, Debug, Default)]
pub struct Shutdown {
    /// Beside the tokens because every response asks, and a token answers under a lock that all share.
    leaving: Arc<AtomicBool>,
    draining: CancellationToken,
    forced: CancellationToken,
}

impl Shutdown {
    /// In the serving stage.
    pub fn new() -> Self {
        Self::default()
    }

    /// Begins to send clients elsewhere while load balancers take notice.
    pub fn leave(&self) {
        self.leaving.store(true, Ordering::Release);
    }

    /// Stops accepting and lets what is in flight end.
    pub fn drain(&self) {
        self.leave();
        self.draining.cancel();
    }

    /// Ends everything now.
    pub fn force(&self) {
        self.drain();
        self.forced.cancel();
    }

    /// Whether the process is on its way out: fail readiness, close after each response.
    pub fn is_leaving(&self) -> bool {
        self.leaving.load(Ordering::Acquire)
    }

    /// Resolves once draining has begun.
    pub async fn draining(&self) {
        self.draining.cancelled().await;
    }

    /// Resolves once the rest is being forced to end.
    pub async fn forced(&self) {
        self.forced.cancelled().await;
    }

    /// A token of the caller's own that is cancelled when draining begins. Polling a shared one takes a lock
    /// that all connections would fight over.
    pub(super) fn draining_token(&self) -> CancellationToken {
        self.draining.child_token()
    }
}
