//! libFuzzer's door to the property `json`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| pullprobe_fuzz::json::holds(data));
