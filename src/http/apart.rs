//! Long requests, worked on apart.
//!
//! A connection's thread serves many others. What a long body costs before its call goes out (reading the JSON,
//! writing the model's, hashing it for the signature: about a millisecond for each megabyte and a half) would hold
//! up all of them, so it is done on the runtime that has no connections, whose threads take work off each other.

use std::future::pending;
use std::panic::resume_unwind;

use tokio::runtime::Handle;
use tokio_util::task::AbortOnDropHandle;

/// From here on a body is long, in bytes. Below, a task's way to another thread and back is a cost that counts.
const LONG: usize = 256 * 1024;

/// Does the work for a body of this length, here or apart. Dropped, it ends there too.
pub(super) async fn run<T: Send + 'static>(
    apart: Handle,
    body: usize,
    work: impl Future<Output = T> + Send + 'static,
) -> T {
    if body < LONG {
        return work.await;
    }
    match AbortOnDropHandle::new(apart.spawn(work)).await {
        Ok(done) => done,
        // As if it had happened here: a layer further out makes an answer of it.
        Err(error) if error.is_panic() => resume_unwind(error.into_panic()),
        // That runtime is on its way out, and the process with it.
        Err(_cancelled) => pending().await,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn apart() -> tokio::runtime::Runtime {
        tokio::runtime::Builder::new_multi_thread().worker_threads(1).build().unwrap()
    }

    fn thread() -> std::thread::ThreadId {
        std::thread::current().id()
    }

    #[test]
    fn only_a_long_body_is_worked_on_elsewhere() {
        let here = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let apart = apart();
        let at = |length| here.block_on(run(apart.handle().clone(), length, async { thread() }));
        assert_eq!(at(LONG - 1), thread());
        assert_ne!(at(LONG), thread());
    }

    #[test]
    fn work_apart_ends_with_whoever_waits_for_it() {
        let here = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let apart = apart();
        let (held, dropped) = tokio::sync::oneshot::channel::<()>();
        here.block_on(async {
            let work = async move {
                let _held = held;
                pending::<()>().await;
            };
            let mut waiting = Box::pin(run(apart.handle().clone(), LONG, work));
            assert!(futures_util::poll!(&mut waiting).is_pending());
            drop(waiting);
            assert!(dropped.await.is_err());
        });
    }

    #[test]
    #[should_panic(expected = "as if here")]
    fn a_panic_apart_is_a_panic_here() {
        let here = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let apart = apart();
        here.block_on(run(apart.handle().clone(), LONG, async { panic!("as if here") }));
    }
}
