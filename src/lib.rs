//! Outcrop.
pub mod auth;
pub mod listener;
pub mod telemetry;
