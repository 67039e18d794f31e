//! Outcrop.
pub mod auth;
pub mod listener;
