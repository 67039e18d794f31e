//! The decoder of ConverseStream: whatever the events are, the grammar of canonical events holds.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| outcrop::formats::converse::fuzz_frames(data));
