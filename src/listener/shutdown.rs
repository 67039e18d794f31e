//! The way out, in stages. Whoever hears the signal moves it on; the accept loop, the connections, the answers and
//! the readiness probe follow.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use tokio_util::sync::CancellationToken;

/// Serving → leaving → draining → closing → forced. Clones share the stage, which never goes back.
///
/// ```text
/// leave()  still accepting; responses say `Connection: close`; the readiness probe fails
/// drain()  nothing is accepted; idle connections close; requests in flight run to their end
/// close()  what is still in flight says its last words: bodies and handlers ask for it when they are polled
/// force()  everything still open is dropped
/// ```
/// Each call implies the ones before it, so a second signal may go straight to `close`.
#[derive(Clone, Debug, Default)]
pub struct Shutdown {
    /// Beside the tokens because every response asks, and a token answers under a lock that all share.
    stage: Arc<AtomicU8>,
    draining: CancellationToken,
    closing: CancellationToken,
    forced: CancellationToken,
}

const LEAVING: u8 = 1;
const DRAINING: u8 = 2;
const CLOSING: u8 = 3;
const FORCED: u8 = 4;

impl Shutdown {
    /// In the serving stage.
    pub fn new() -> Self {
        Self::default()
    }

    fn reach(&self, stage: u8) {
        self.stage.fetch_max(stage, Ordering::AcqRel);
    }

    /// Begins to send clients elsewhere while load balancers take notice.
    pub fn leave(&self) {
        self.reach(LEAVING);
    }

    /// Stops accepting and lets what is in flight end.
    pub fn drain(&self) {
        self.reach(DRAINING);
        self.draining.cancel();
    }

    /// Ends what is in flight in the way of HTTP. Every connection is polled once more, and with it the handler or the body that
    /// it serves: each asks [`Self::is_closing`] then, and ends with an error rather than with a cut.
    pub fn close(&self) {
        self.reach(CLOSING);
        self.draining.cancel();
        self.closing.cancel();
    }

    /// Ends everything now.
    pub fn force(&self) {
        self.reach(FORCED);
        self.draining.cancel();
        self.closing.cancel();
        self.forced.cancel();
    }

    /// Whether the process is on its way out: fail readiness, close after each response.
    pub fn is_leaving(&self) -> bool {
        self.stage.load(Ordering::Acquire) >= LEAVING
    }

    /// Whether what is in flight has to end now, for those who are polled. It wakes nobody: [`Shutdown::close`] has every
    /// connection polled.
    pub fn is_closing(&self) -> bool {
        self.stage.load(Ordering::Acquire) >= CLOSING
    }

    /// Resolves once draining has begun.
    pub async fn draining(&self) {
        self.draining.cancelled().await;
    }

    /// Resolves once what is in flight has to end.
    pub async fn closed(&self) {
        self.closing.cancelled().await;
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

    /// The same for closing.
    pub(super) fn closing_token(&self) -> CancellationToken {
        self.closing.child_token()
    }
}
