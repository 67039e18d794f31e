//! What an upstream says about coming again: a time or none.
#![no_main]

libfuzzer_sys::fuzz_target!(|text: &str| outcrop::bedrock::fuzz_retry_after(text));
