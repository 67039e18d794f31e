//! The event stream decoder: how the bytes are cut must not matter, and nothing panics.
#![no_main]

use libfuzzer_sys::{fuzz_mutator, fuzz_target, fuzzer_mutate};

fuzz_target!(|data: &[u8]| outcrop::bedrock::fuzz_frames(data));

// Three of four inputs get right checksums, so that what lies behind them is reached too. The first byte
// isn't part of the stream: it says where the stream is cut.
fuzz_mutator!(|data: &mut [u8], size: usize, max_size: usize, seed: u32| {
    let size = fuzzer_mutate(data, size, max_size);
    if seed % 4 != 0
        && let Some(stream) = data.get_mut(1..size)
    {
        outcrop_fuzz::mend_checksums(stream);
    }
    size
});
