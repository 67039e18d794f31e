//! What a connection is waiting for, since when, and how long it may. Pure: the time is passed in.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Waker;
use std::time::Duration;

use tokio::time::Instant;

use super::Settings;

/// A wait that lasted too long and ends the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Expired {
    Idle,
    Head,
    Write,
    /// Without a request when another connection needed its place.
    Evicted,
    /// A write that was blocked when somebody needed its memory.
    Cut,
}

/// Why a body has not come in time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Late {
    /// Nothing came for too long.
    Idle,
    /// Something came, and too little.
    Slow,
}

/// Bytes of a body that count as a second more to wait for the rest.
const SLOWEST: u64 = 1024;

/// One connection's clock, shared by its socket, its bodies and the future that drives it. These run in one
/// task but for a body that was moved elsewhere, so the lock is all but never contended.
#[derive(Clone, Debug)]
pub(super) struct SharedClock(Arc<Mutex<Clock>>);

impl SharedClock {
    pub(super) fn new(settings: Settings, now: Instant) -> Self {
        Self(Arc::new(Mutex::new(Clock::new(settings, now))))
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, Clock> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What tells it from all others that there are.
    pub(super) fn address(&self) -> usize {
        Arc::as_ptr(&self.0).addr()
    }
}

/// Times are noted when a wait begins and looked at when the alarm fires; nothing is reset on each read or write.
#[derive(Debug)]
pub(super) struct Clock {
    settings: Settings,
    turn: Turn,
    body: BodyWait,
    /// When the request's body was first waited for, and what has come of it.
    body_since: Option<Instant>,
    body_bytes: u64,
    write: Option<BlockedWrite>,
    body_left_unread: bool,
    /// A request has come by now.
    has_asked: bool,
    /// Its place is wanted.
    given_up: bool,
    /// The task that looks at the clock.
    task: Option<Waker>,
}

/// Whose turn it is. `Silent → Head → Serving → Silent …`
#[derive(Debug)]
enum Turn {
    /// The client's, and it has said nothing yet.
    Silent { since: Instant },
    /// The client's, and it has begun a head.
    Head { since: Instant },
    /// Ours.
    Serving,
}

/// Bytes that the socket doesn't take.
#[derive(Debug)]
struct BlockedWrite {
    since: Instant,
    /// The connection's own.
    task: Waker,
    /// A body has more to say, and waits.
    held_back: bool,
    cut: bool,
}

#[derive(Debug)]
enum BodyWait {
    NotWaiting,
    Waiting { since: Instant, reader: Waker },
    Expired(Late),
}

impl Clock {
    fn new(settings: Settings, now: Instant) -> Self {
        Self {
            settings,
            turn: Turn::Silent { since: now },
            body: BodyWait::NotWaiting,
            body_since: None,
            body_bytes: 0,
            write: None,
            body_left_unread: false,
            has_asked: false,
            given_up: false,
            task: None,
        }
    }

    /// `task` looks at the clock, and wants to be woken when it has to look earlier than it thought.
    pub(super) fn watched_by(&mut self, task: &Waker) {
        match &mut self.task {
            Some(known) => known.clone_from(task),
            None => self.task = Some(task.clone()),
        }
    }

    /// Since when no request is under way, and whether there has ever been one. Absent where there is one, or where the
    /// connection is about to end.
    pub(super) fn idle_since(&self) -> Option<(Instant, bool)> {
        match self.turn {
            Turn::Silent { since } | Turn::Head { since } if !self.given_up => Some((since, self.has_asked)),
            Turn::Silent { .. } | Turn::Head { .. } | Turn::Serving => None,
        }
    }

    /// Ends the connection, if no request has begun by the time that it looks, which is at once.
    pub(super) fn give_up(&mut self) {
        self.given_up = true;
        if let Some(task) = &self.task {
            task.wake_by_ref();
        }
    }

    #[cfg(test)]
    pub(super) fn is_given_up(&self) -> bool {
        self.given_up
    }

    /// Bytes came in. Those which come early, while we serve, count from the end of that turn.
    pub(super) fn received(&mut self) {
        match self.turn {
            Turn::Silent { .. } => self.turn = Turn::Head { since: Instant::now() },
            Turn::Head { .. } | Turn::Serving => {}
        }
    }

    /// What came so far was no part of a request: a request may begin now.
    pub(super) fn begun_anew(&mut self) {
        self.turn = Turn::Silent { since: Instant::now() };
    }

    /// A head is complete.
    pub(super) fn request_begun(&mut self) {
        self.turn = Turn::Serving;
        self.has_asked = true;
        self.given_up = false;
        self.body = BodyWait::NotWaiting;
        self.body_since = None;
        self.body_bytes = 0;
        self.body_left_unread = false;
    }

    /// The last of the response has been handed over, or given up.
    pub(super) fn response_ended(&mut self) {
        self.turn = Turn::Silent { since: Instant::now() };
    }

    /// The socket takes no more bytes; `task` writes to it.
    pub(super) fn write_blocked(&mut self, task: &Waker) {
        if let Some(BlockedWrite { task: known, .. }) = &mut self.write {
            known.clone_from(task);
        } else {
            let (since, task) = (Instant::now(), task.clone());
            self.write = Some(BlockedWrite { since, task, held_back: false, cut: false });
        }
    }

    /// It took some again. Whoever was to be cut, and reads after all, is spared.
    pub(super) fn write_progressed(&mut self) {
        if let Some(BlockedWrite { task, held_back: true, .. }) = self.write.take() {
            task.wake();
        }
    }

    /// Whether the socket takes no more bytes.
    pub(super) fn write_is_blocked(&self) -> bool {
        self.write.is_some()
    }

    /// Whether a response's body has to wait until the socket takes what it was given. The connection's task is then
    /// woken when it does.
    pub(super) fn hold_back(&mut self) -> bool {
        self.write.as_mut().map(|write| write.held_back = true).is_some()
    }

    /// Since when the client has taken nothing, if it is to be cut for that and hasn't been yet.
    pub(super) fn stalled_since(&self) -> Option<Instant> {
        self.write.as_ref().filter(|write| !write.cut).map(|write| write.since)
    }

    /// Ends the connection if its write is still blocked when it looks, which is at once.
    pub(super) fn cut(&mut self) {
        if let Some(write) = &mut self.write {
            write.cut = true;
            write.task.wake_by_ref();
        }
    }

    /// Whether it was.
    pub(super) fn was_cut(&self) -> bool {
        self.write.as_ref().is_some_and(|write| write.cut)
    }

    /// `reader` waits for more of the request's body, or has waited too long.
    pub(super) fn body_pending(&mut self, reader: &Waker) -> Result<(), Late> {
        match &mut self.body {
            BodyWait::NotWaiting => {
                let now = Instant::now();
                self.body_since.get_or_insert(now);
                self.body = BodyWait::Waiting { since: now, reader: reader.clone() };
                Ok(())
            }
            BodyWait::Waiting { since: _, reader: known } => {
                known.clone_from(reader);
                Ok(())
            }
            BodyWait::Expired(late) => Err(*late),
        }
    }

    /// So much more of the body came; nothing at its end.
    pub(super) fn body_progressed(&mut self, bytes: usize) {
        self.body = BodyWait::NotWaiting;
        self.body_bytes = self.body_bytes.saturating_add(bytes as u64);
    }

    /// The body was dropped; `ended` if it had been read to its end.
    pub(super) fn body_dropped(&mut self, ended: bool) {
        self.body = BodyWait::NotWaiting;
        self.body_left_unread = !ended;
    }

    /// Whether the last request's body may still be on its way.
    pub(super) fn body_left_unread(&self) -> bool {
        self.body_left_unread
    }

    /// When to look again, if the client is being waited for at all.
    pub(super) fn next_deadline(&self) -> Option<Instant> {
        self.waits().into_iter().flatten().map(|(deadline, _)| deadline).min()
    }

    /// What has lasted too long by `now`. A body that has is told so itself: its reader can still answer.
    pub(super) fn expire(&mut self, now: Instant) -> Option<Expired> {
        if let BodyWait::Waiting { since, reader } = &self.body {
            let (deadline, late) = self.body_deadline(*since);
            if deadline <= now {
                reader.wake_by_ref();
                self.body = BodyWait::Expired(late);
            }
        }
        self.waits().into_iter().flatten().find_map(|(deadline, wait)| wait.filter(|_| deadline <= now))
    }

    /// All that is being waited for: until when, and what its end is called if that ends the connection.
    fn waits(&self) -> [Option<(Instant, Option<Expired>)>; 3] {
        let write = self.write.as_ref().map(|&BlockedWrite { since, cut, task: _, held_back: _ }| {
            if cut {
                (since, Some(Expired::Cut))
            } else {
                (since + self.settings.write_stall_timeout, Some(Expired::Write))
            }
        });
        let turn = match self.turn {
            Turn::Silent { since } | Turn::Head { since } if self.given_up => {
                Some((since, Some(Expired::Evicted)))
            }
            Turn::Silent { since } => Some((since + self.settings.idle_timeout, Some(Expired::Idle))),
            Turn::Head { since } => Some((since + self.settings.header_timeout, Some(Expired::Head))),
            Turn::Serving => None,
        };
        let body = match self.body {
            BodyWait::Waiting { since, reader: _ } => Some((self.body_deadline(since).0, None)),
            BodyWait::NotWaiting | BodyWait::Expired(_) => None,
        };
        [write, turn, body]
    }

    /// Until when to wait for more of a body of which nothing has come `since` then. A client that sends a byte from time
    /// to time is never silent, so there is a floor: as long as one silence may last, and a second for each [`SLOWEST`]
    /// bytes that have come. And there is an end.
    fn body_deadline(&self, since: Instant) -> (Instant, Late) {
        let Settings { body_timeout, body_total_timeout, .. } = self.settings;
        let begun = self.body_since.unwrap_or(since);
        let earned = body_timeout + Duration::from_secs(self.body_bytes / SLOWEST);
        let slow = begun + earned.min(body_total_timeout);
        let idle = since + body_timeout;
        // A body of which nothing at all has come is both: it is silent.
        if idle <= slow { (idle, Late::Idle) } else { (slow, Late::Slow) }
    }
}
