//! What threads share here is made of these. `loom/` puts others in their place, which try every order of steps.

pub(super) use std::sync::atomic::{AtomicBool, Ordering};
pub(super) use std::sync::{Mutex, MutexGuard, PoisonError};
