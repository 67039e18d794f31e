//! The guard of remote URLs: whatever a client or a redirect says, no inside address and no other reading of the URL.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| outcrop::fetch::fuzz_guard(data));
