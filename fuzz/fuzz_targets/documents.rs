//! libFuzzer's door to the property `documents`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| pullprobe_fuzz::documents::holds(data));
