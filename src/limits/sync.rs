//! What threads share here is made of these. `loom/` puts others in their place, which try every order of steps.

pub(super) use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

pub(super) use tokio::sync::oneshot;
