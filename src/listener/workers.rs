//! Threads that serve connections, each with a runtime of its own.
//!
//! A request then stays on one thread from its first byte to its last: nothing wakes another core, steals a task or
//! shares a timer. One acceptor gives each socket to the thread with the fewest connections. (`SO_REUSEPORT`
//! would let the kernel choose by a hash, which doesn't know how many there are: sixteen connections of one
//! balancer may all fall to one core.)

use std::hint::black_box;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::runtime::{Builder, Handle};
use tokio_util::sync::CancellationToken;

/// Where connections are served. The threads end when the last clone is dropped, and what still runs on them.
#[derive(Clone, Debug)]
pub struct Workers {
    workers: Arc<[Worker]>,
}

#[derive(Debug)]
struct Worker {
    runtime: Handle,
    /// Connections on it.
    open: Arc<AtomicUsize>,
    /// Absent where the runtime is the caller's.
    thread: Option<(CancellationToken, JoinHandle<()>)>,
}

impl Workers {
    /// On the caller's own runtime.
    pub fn here() -> Self {
        Self {
            workers: Arc::new([Worker { runtime: Handle::current(), open: Arc::default(), thread: None }]),
        }
    }

    /// On `threads` threads, at least one.
    pub fn start(threads: usize) -> io::Result<Self> {
        let workers = (0..threads.max(1)).map(Worker::start).collect::<io::Result<_>>()?;
        Ok(Self { workers })
    }

    /// The one with the fewest connections.
    pub(super) fn least_busy(&self) -> (&Handle, Seat) {
        // Never empty: both constructors see to that.
        let mut chosen = &self.workers[0];
        for worker in &self.workers[1..] {
            if worker.open.load(Ordering::Relaxed) < chosen.open.load(Ordering::Relaxed) {
                chosen = worker;
            }
        }
        chosen.open.fetch_add(1, Ordering::Relaxed);
        (&chosen.runtime, Seat(Arc::clone(&chosen.open)))
    }
}

impl Worker {
    fn start(number: usize) -> io::Result<Self> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let handle = runtime.handle().clone();
        let stop = CancellationToken::new();
        let stopped = stop.clone();
        let thread = std::thread::Builder::new().name(format!("worker-{number}")).spawn(move || {
            runtime.block_on(async {
                tokio::select! { () = stopped.cancelled() => {}, () = tidy() => {} }
            });
            // Without waiting for a name that is being looked up.
            runtime.shutdown_background();
        })?;
        Ok(Self { runtime: handle, open: Arc::default(), thread: Some((stop, thread)) })
    }
}

/// How often a worker has its allocator look what it could give back.
const TIDY: Duration = Duration::from_secs(10);

/// More than an allocator has ready, so that it has to look.
const LARGE: usize = 8 * 1024 * 1024;

/// mimalloc gives memory back when it is called, by the thread that had it. After a crowd has left nobody calls it, and what the
/// crowd took would stay. A large block, never touched, costs some microseconds.
async fn tidy() {
    loop {
        tokio::time::sleep(TIDY).await;
        drop(black_box(Vec::<u8>::with_capacity(LARGE)));
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        let Some((stop, thread)) = self.thread.take() else { return };
        stop.cancel();
        if thread.join().is_err() {
            tracing::error!("a worker's thread panicked");
        }
    }
}

/// A connection's place on its worker.
#[derive(Debug)]
pub(super) struct Seat(Arc<AtomicUsize>);

impl Drop for Seat {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}
