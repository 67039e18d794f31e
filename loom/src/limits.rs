//! The line of `limits/`, and its bytes.

#![allow(dead_code, reason = "the models need a part of it")]

#[path = "../../src/limits/budget.rs"]
mod budget;
#[path = "../../src/limits/gate.rs"]
mod gate;
#[path = "../../src/limits/line.rs"]
mod line;

mod sync {
    pub(super) use std::sync::PoisonError;

    pub(super) use loom::sync::{Arc, Mutex, MutexGuard};

    pub(super) use crate::oneshot;
}

use loom::sync::Arc;
use loom::sync::atomic::{AtomicUsize, Ordering};
use loom::thread;

use budget::Budget;
use gate::{Entry, Gate};
use line::Bound;

/// Counts those inside.
fn inside(count: &AtomicUsize) {
    assert_eq!(count.fetch_add(1, Ordering::SeqCst), 0, "two hold the one slot");
    count.fetch_sub(1, Ordering::SeqCst);
}

/// Comes, waits if need be, holds the slot for a moment, and goes.
fn come(gate: &Gate, key: usize, holders: &AtomicUsize) {
    match gate.enter(key) {
        Ok(Entry::Permit(permit)) => {
            inside(holders);
            drop(permit);
        }
        Ok(Entry::Waiting(waiting)) => {
            if let Ok(permit) = loom::future::block_on(waiting) {
                inside(holders);
                drop(permit);
            }
        }
        Err(_) => {}
    }
}

fn is_free(gate: &Gate) {
    assert!(matches!(gate.enter(0), Ok(Entry::Permit(_))), "a slot was lost");
}

pub fn slots() {
    let gate = Gate::new(Some(1), 2, [Bound::Share; 2]);
    let holders = Arc::new(AtomicUsize::new(0));
    let others: Vec<_> = (0..2)
        .map(|key| {
            let (gate, holders) = (gate.clone(), Arc::clone(&holders));
            thread::spawn(move || come(&gate, key, &holders))
        })
        .collect();
    others.into_iter().for_each(|other| other.join().unwrap());
    is_free(&gate);
}

pub fn leaving() {
    let gate = Gate::new(Some(1), 2, [Bound::Share; 2]);
    let Ok(Entry::Permit(permit)) = gate.enter(0) else { panic!("nobody was there") };
    let Ok(Entry::Waiting(waiting)) = gate.enter(1) else { panic!("the slot was taken") };
    let holders = Arc::new(AtomicUsize::new(0));
    // The slot comes free, its waiter leaves and a third one comes, all at once.
    let gone = thread::spawn(move || drop(permit));
    let left = thread::spawn(move || drop(waiting));
    come(&gate, 0, &holders);
    gone.join().unwrap();
    left.join().unwrap();
    is_free(&gate);
}

pub fn bytes() {
    let budget = Budget::new(Some(3), false);
    let held = Arc::new(AtomicUsize::new(0));
    let others: Vec<_> = (0..2)
        .map(|_| {
            let (mut share, held) = (budget.share(0), Arc::clone(&held));
            thread::spawn(move || {
                for _ in 0..2 {
                    if share.grow(1) {
                        assert!(held.fetch_add(1, Ordering::SeqCst) < 3, "more than the bound");
                    }
                }
                share
            })
        })
        .collect();
    let shares: Vec<_> = others.into_iter().map(|other| other.join().unwrap()).collect();
    assert_eq!(held.load(Ordering::SeqCst), 3, "four were asked for, and three are all there are");
    drop(shares);
    assert!(budget.share(0).grow(3), "what was held came back");
}
