//! What a connection is waiting for, since when, and how long it may. Pure: the time is passed in.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Waker;

use tokio::time::Instant;

use super::Settings;

/// A wait that lasted too long and ends the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Expired {
    Idle,
    Head,
    Write,
}

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
}

/// Times are noted when a wait begins and looked at when the alarm fires; nothing is reset on each read or write.
#[derive(Debug)]
pub(super) struct Clock {
    settings: Settings,
    turn: Turn,
    body: BodyWait,
    write_blocked_since: Option<Instant>,
    body_left_unread: bool,
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

#[derive(Debug)]
enum BodyWait {
    NotWaiting,
    Waiting { since: Instant, reader: Waker },
    Expired,
}

impl Clock {
    fn new(settings: Settings, now: Instant) -> Self {
        Self {
            settings,
            turn: Turn::Silent { since: now },
            body: BodyWait::NotWaiting,
            write_blocked_since: None,
            body_left_unread: false,
        }
    }

    /// Bytes came in. Those which come early, while we serve, count from the end of that turn.
    pub(super) fn received(&mut self) {
        match self.turn {
            Turn::Silent { .. } => self.turn = Turn::Head { since: Instant::now() },
            Turn::Head { .. } | Turn::Serving => {}
        }
    }

    /// A head is complete.
    pub(super) fn request_begun(&mut self) {
        self.turn = Turn::Serving;
        self.body = BodyWait::NotWaiting;
        self.body_left_unread = false;
    }

    /// The last of the response has been handed over, or given up.
    pub(super) fn response_ended(&mut self) {
        self.turn = Turn::Silent { since: Instant::now() };
    }

    /// The socket takes no more bytes.
    pub(super) fn write_blocked(&mut self) {
        self.write_blocked_since.get_or_insert_with(Instant::now);
    }

    /// It took some again.
    pub(super) fn write_progressed(&mut self) {
        self.write_blocked_since = None;
    }

    /// `reader` waits for more of the request's body. False: it has waited too long.
    #[must_use]
    pub(super) fn body_pending(&mut self, reader: &Waker) -> bool {
        match &mut self.body {
            BodyWait::NotWaiting => {
                self.body = BodyWait::Waiting { since: Instant::now(), reader: reader.clone() };
                true
            }
            BodyWait::Waiting { since: _, reader: known } => {
                known.clone_from(reader);
                true
            }
            BodyWait::Expired => false,
        }
    }

    /// More of the body came, or its end.
    pub(super) fn body_progressed(&mut self) {
        self.body = BodyWait::NotWaiting;
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
        if let BodyWait::Waiting { since, reader } = &self.body
            && *since + self.settings.body_timeout <= now
        {
            reader.wake_by_ref();
            self.body = BodyWait::Expired;
        }
        self.waits().into_iter().flatten().find_map(|(deadline, wait)| wait.filter(|_| deadline <= now))
    }

    /// All that is being waited for: until when, and what its end is called if that ends the connection.
    fn waits(&self) -> [Option<(Instant, Option<Expired>)>; 3] {
        let write = self
            .write_blocked_since
            .map(|since| (since + self.settings.write_stall_timeout, Some(Expired::Write)));
        let turn = match self.turn {
            Turn::Silent { since } => Some((since + self.settings.idle_timeout, Some(Expired::Idle))),
            Turn::Head { since } => Some((since + self.settings.header_timeout, Some(Expired::Head))),
            Turn::Serving => None,
        };
        let body = match self.body {
            BodyWait::Waiting { since, reader: _ } => Some((since + self.settings.body_timeout, None)),
            BodyWait::NotWaiting | BodyWait::Expired => None,
        };
        [write, turn, body]
    }
}
