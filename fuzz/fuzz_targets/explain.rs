//! libFuzzer's door to the property `explain`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| pullprobe_fuzz::explain::holds(data));
