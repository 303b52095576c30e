//! libFuzzer's door to the property `http_head`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| pullprobe_fuzz::http_head::holds(data));
