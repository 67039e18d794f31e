//! Long requests, worked on apart.
//!
//! A connection's thread serves many others. What a long body costs before its call goes out (reading the JSON,
//! writing the model's, hashing it for the signature: about a millisecond for each megabyte and a half) would hold
//! up all of them, so it is done on the runtime that has no connections, whose threads take work off each other.
//!
//! These threads are shared by key, in turns (`limits/line.rs`): each poll of the work is one, so what waits for Bedrock
//! takes none. While a key's work takes its turns there is always one left for another's. Work whose client has left ends at its
//! next pause, and what waits for its first turn is never begun.

use std::future::pending;
use std::panic::resume_unwind;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::runtime::Handle;
use tokio_util::task::AbortOnDropHandle;

use crate::limits::{Entry, Key, Limits, Permit, Refusal, Waiting};

/// From here on a body is long, in bytes. Below, a task's way to another thread and back is a cost that counts.
const LONG: usize = 256 * 1024;

/// Does the work for a body of this length, here or apart and in `key`'s turns. Dropped, it ends there too.
pub(super) async fn run<T: Send + 'static>(
    apart: Handle,
    (limits, key): (Limits, Key),
    body: usize,
    work: impl Future<Output = T> + Send + 'static,
) -> T {
    if body < LONG {
        return work.await;
    }
    let work = InTurns { limits, key, waiting: None, work: Box::pin(work) };
    match AbortOnDropHandle::new(apart.spawn(work)).await {
        Ok(done) => done,
        // As if it had happened here: a layer further out makes an answer of it.
        Err(error) if error.is_panic() => resume_unwind(error.into_panic()),
        // That runtime is on its way out, and the process with it.
        Err(_cancelled) => pending().await,
    }
}

/// Between two steps of the work for a body of this length: its turn is over, and so is the work, if nobody waits for
/// it any more.
pub(super) async fn pause(body: usize) {
    if body >= LONG {
        tokio::task::yield_now().await;
    }
}

/// Work that goes on only in its key's turns.
struct InTurns<F> {
    limits: Limits,
    key: Key,
    /// Its place in the line, while it has something to do.
    waiting: Option<Waiting>,
    work: Pin<Box<F>>,
}

impl<F: Future> Future for InTurns<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        // Held while the work is polled. The line has no end, so that nobody is refused.
        let _turn: Result<Permit, Refusal> = loop {
            if let Some(waiting) = &mut self.waiting {
                let told = ready!(Pin::new(waiting).poll(cx));
                self.waiting = None;
                break told;
            }
            match self.limits.turn(&self.key) {
                Ok(Entry::Permit(turn)) => break Ok(turn),
                Ok(Entry::Waiting(waiting)) => self.waiting = Some(waiting),
                Err(refusal) => break Err(refusal),
            }
        };
        self.work.as_mut().poll(cx)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;
    use std::time::{Duration, Instant};

    use tokio::sync::oneshot;

    use super::*;
    use crate::limits::{KeyLimits, Settings};

    fn apart(threads: usize) -> tokio::runtime::Runtime {
        tokio::runtime::Builder::new_multi_thread().worker_threads(threads).build().unwrap()
    }

    fn limits(turns: usize) -> Limits {
        let settings = Settings {
            concurrency: None,
            queue_length: 0,
            queue_wait: Duration::ZERO,
            body_bytes: None,
            turns,
        };
        let keys = ["alice", "bob"].map(|name| (name.to_owned(), KeyLimits::default()));
        Limits::new(&settings, KeyLimits::default(), keys.into(), Instant::now())
    }

    fn of(limits: &Limits, name: &str) -> (Limits, Key) {
        (limits.clone(), limits.key(Some(name)).clone())
    }

    fn thread() -> std::thread::ThreadId {
        std::thread::current().id()
    }

    #[test]
    fn only_a_long_body_is_worked_on_elsewhere() {
        let here = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let (apart, limits) = (apart(1), limits(1));
        let at = |length| {
            here.block_on(run(apart.handle().clone(), of(&limits, "bob"), length, async { thread() }))
        };
        assert_eq!(at(LONG - 1), thread());
        assert_ne!(at(LONG), thread());
    }

    #[test]
    fn work_apart_ends_with_whoever_waits_for_it() {
        let here = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let (apart, limits) = (apart(1), limits(1));
        let (held, dropped) = oneshot::channel::<()>();
        here.block_on(async {
            let work = async move {
                let _held = held;
                pending::<()>().await;
            };
            let mut waiting = Box::pin(run(apart.handle().clone(), of(&limits, "bob"), LONG, work));
            assert!(futures_util::poll!(&mut waiting).is_pending());
            drop(waiting);
            assert!(dropped.await.is_err());
        });
    }

    #[test]
    #[should_panic(expected = "as if here")]
    fn a_panic_apart_is_a_panic_here() {
        let here = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let apart = apart(1);
        let key = of(&limits(1), "bob");
        here.block_on(run(apart.handle().clone(), key, LONG, async { panic!("as if here") }));
    }

    /// A key's work takes threads for as long as it likes, and another's is done meanwhile. What nobody waits for any more when its
    /// turn comes is never begun.
    #[test]
    fn long_work_of_one_key_holds_up_no_other_and_is_not_begun_for_nobody() {
        let here = tokio::runtime::Builder::new_multi_thread().worker_threads(1).build().unwrap();
        let (apart, limits) = (apart(3), limits(2));
        let (begun, begins) = mpsc::channel();
        let (release, released) = mpsc::channel::<()>();
        let spawn = |who: &'static str, work: Box<dyn FnOnce() + Send>| {
            let begun = begun.clone();
            here.spawn(run(apart.handle().clone(), of(&limits, who), LONG, async move {
                begun.send(who).unwrap();
                work();
            }))
        };
        let first = spawn("alice", Box::new(move || released.recv().unwrap()));
        assert_eq!(begins.recv(), Ok("alice"));
        let queued: Vec<_> = (0..8).map(|_| spawn("alice", Box::new(|| {}))).collect();
        here.block_on(spawn("bob", Box::new(|| {}))).unwrap();
        assert_eq!(begins.recv(), Ok("bob"));
        // Their clients leave.
        here.block_on(async {
            for waiting in queued {
                waiting.abort();
                assert!(waiting.await.unwrap_err().is_cancelled());
            }
        });
        here.block_on(spawn("bob", Box::new(|| {}))).unwrap();
        assert_eq!(begins.recv(), Ok("bob"));
        release.send(()).unwrap();
        here.block_on(first).unwrap();
        here.block_on(spawn("alice", Box::new(|| {}))).unwrap();
        assert_eq!(begins.recv(), Ok("alice"), "the one that waited for its answer");
        drop(begun);
        assert!(begins.try_recv().is_err());
    }
}
