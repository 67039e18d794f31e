//! Outcrop.

pub mod catalog;
pub mod config;
