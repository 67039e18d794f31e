//! The decoder of requests for embeddings: whatever the bytes are, texts or a refusal that is short.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| outcrop::openai::fuzz_decode_embeddings(data));
