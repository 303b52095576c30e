//! libFuzzer's door to the property `certificate`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| pullprobe_fuzz::certificate::holds(data));
