//! The breakers of `gateway/`.

#![allow(dead_code, reason = "the models need a part of it")]

#[path = "../../src/gateway/breaker.rs"]
mod breaker;
#[path = "../../src/gateway/door.rs"]
mod door;

mod sync {
    pub(super) use std::sync::PoisonError;

    pub(super) use loom::sync::atomic::{AtomicBool, Ordering};
    pub(super) use loom::sync::{Mutex, MutexGuard};
}

use std::time::Duration;

use loom::sync::Arc;
use loom::sync::atomic::{AtomicUsize, Ordering};
use loom::thread;
use tokio::time::Instant;

use breaker::{BreakerPolicy, Change, Heard};
use door::Door;

/// Open, and due for its probe at the moment that comes with it.
fn due() -> (Arc<Door>, Instant) {
    let second = Duration::from_secs(1);
    let door = Door::new(Some(BreakerPolicy {
        failures: 1,
        window: 30 * second,
        min_calls: 20,
        min_success: 0.5,
        open: second,
        max_open: 60 * second,
    }));
    let now = Instant::now();
    door.hear(Heard::Bad, None, now, 1.0, |change| assert_eq!(change, Change::Opened));
    (Arc::new(door), now + second)
}

pub fn one_probe() {
    let (door, now) = due();
    let (probes, opened) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let others: Vec<_> = (0..2)
        .map(|_| {
            let (door, probes, opened) = (Arc::clone(&door), Arc::clone(&probes), Arc::clone(&opened));
            thread::spawn(move || {
                let Some(leave) = door.ask(now) else { return };
                assert_eq!(probes.fetch_add(1, Ordering::SeqCst), 0, "two probes");
                door.hear(Heard::Bad, Some(&leave), now, 1.0, |_| {
                    opened.fetch_add(1, Ordering::SeqCst);
                });
                // It has decided; what it hears further is one call's news among others.
                door.hear(Heard::Good, Some(&leave), now, 1.0, |_| panic!("it decides once"));
                door.give_back(&leave, now);
            })
        })
        .collect();
    others.into_iter().for_each(|other| other.join().unwrap());
    assert_eq!(opened.load(Ordering::SeqCst), 1);
    assert!(door.is_shut(now));
    assert!(!door.is_shut(now + Duration::from_secs(2)));
}

pub fn given_up() {
    let (door, now) = due();
    let others: Vec<_> = (0..2)
        .map(|_| {
            let door = Arc::clone(&door);
            thread::spawn(move || {
                if let Some(leave) = door.ask(now) {
                    door.give_back(&leave, now);
                }
            })
        })
        .collect();
    others.into_iter().for_each(|other| other.join().unwrap());
    assert!(door.ask(now).is_some(), "the door has stuck");
}
