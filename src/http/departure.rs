//! What becomes of a call whose client has left.
//!
//! By default it ends with its client: dropping it closes the connection to Bedrock. But what a model has begun may be
//! billed to its end all the same, and then nobody has counted it. With `stream.on_disconnect: drain` the rest is read on,
//! within bounds and with nobody listening, so that usage is recorded. The request's outcome stays that its client left.

use std::future::pending;
use std::panic::resume_unwind;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::stream::select_all;
use tokio::runtime::Handle;
use tokio::sync::oneshot;

use super::Edge;
use super::record::{Ledger, Lingering};
use crate::chat::Usage;
use crate::gateway::EventStream;
use crate::openai;

/// How far a call is read on.
#[derive(Debug, Clone, Copy)]
pub struct Drain {
    /// From the client's departure.
    pub timeout: Duration,
    /// Events of all its replies together.
    pub events: u32,
}

/// Does the work of a handler. Dropped, it leaves the work to go on for a while.
pub(super) async fn outliving<T: Send + 'static>(
    edge: &Arc<Edge>,
    drain: Drain,
    ledger: &Ledger,
    work: Pin<Box<impl Future<Output = T> + Send + 'static>>,
) -> T {
    let lingering = ledger.linger();
    let (mut tell, told) = oneshot::channel();
    let of_edge = Arc::clone(edge);
    let task = edge.departed.spawn(async move {
        let mut draining = None;
        let leaving = async {
            tell.closed().await;
            draining = Some(of_edge.metrics.drain_begun());
            bound(&of_edge, drain.timeout).await;
        };
        let done = tokio::select! { done = work => Some(done), () = leaving => None };
        if let Some(done) = done {
            // With nobody there, an answer that is a stream sees to its own rest as it is dropped here.
            drop(tell.send(done));
        }
        drop(lingering);
    });
    match told.await {
        Ok(done) => done,
        Err(_) => match task.await {
            // As if it had happened here: a layer further out makes an answer of it.
            Err(error) if error.is_panic() => resume_unwind(error.into_panic()),
            // The runtime is on its way out, and the process with it.
            Ok(()) | Err(_) => pending().await,
        },
    }
}

/// Reads what is left of a stream's replies, which have cost `known` so far. For those who are being dropped, so it returns at
/// once.
pub(super) fn read_on(
    edge: &Arc<Edge>,
    drain: Drain,
    ledger: Ledger,
    replies: Vec<EventStream>,
    known: Option<Usage>,
) {
    // Where the replies' connections are driven. There is none on a thread that is about to end.
    let Ok(here) = Handle::try_current() else { return };
    let lingering: Lingering = ledger.linger();
    let draining = edge.metrics.drain_begun();
    let of_edge = Arc::clone(edge);
    let reading = async move {
        let mut replies = replies;
        let read = async {
            let mut events = select_all(replies.iter_mut()).take(drain.events as usize);
            while events.next().await.is_some() {}
        };
        tokio::select! { () = read => {}, () = bound(&of_edge, drain.timeout) => {} }
        if replies.iter().all(EventStream::is_counted) {
            ledger.uncounted(0);
        }
        let usage = replies.iter().filter_map(EventStream::usage).reduce(openai::sum);
        ledger.replied(None, usage.or(known));
        drop((replies, draining, lingering));
    };
    edge.departed.spawn_on(reading, &here);
}

/// Until nobody can wait any longer.
async fn bound(edge: &Edge, timeout: Duration) {
    tokio::select! { () = tokio::time::sleep(timeout) => {}, () = edge.shutdown.closed() => {} }
}
