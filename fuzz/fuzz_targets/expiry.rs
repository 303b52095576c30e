//! libFuzzer's door to the property `expiry`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| pullprobe_fuzz::expiry::holds(data));
