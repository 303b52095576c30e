//! libFuzzer's door to the property `pods`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| pullprobe_fuzz::pods::holds(data));
