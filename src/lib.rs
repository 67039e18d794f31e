//! Outcrop.

pub mod catalog;
