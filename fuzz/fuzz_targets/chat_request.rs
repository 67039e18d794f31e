//! The request decoder: whatever the bytes are, a request that keeps its promises or a refusal that is short.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| outcrop::openai::fuzz_decode(data));
