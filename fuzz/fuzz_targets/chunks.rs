//! The writer of streams: whatever the events are, a client's parser finds whole events and one end.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| outcrop::openai::fuzz_chunks(data));
