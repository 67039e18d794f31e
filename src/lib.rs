//! Outcrop.

pub mod simulator;
