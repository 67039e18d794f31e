//! The decoders of every format's stream, chosen by the first byte: whatever the chunks are, the grammar of canonical
//! events holds.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| outcrop::formats::fuzz_streams(data));
