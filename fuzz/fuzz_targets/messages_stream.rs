//! The decoder of Claude's message stream: whatever the events are, the grammar of canonical events holds.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| outcrop::formats::anthropic_messages::fuzz_frames(data));
