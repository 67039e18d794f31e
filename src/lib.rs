//! Outcrop.
pub mod listener;
