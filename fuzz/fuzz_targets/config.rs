//! The configuration: whatever a file holds, a configuration or errors that are told.
#![no_main]

libfuzzer_sys::fuzz_target!(|text: &str| outcrop::config::fuzz_load(text));
