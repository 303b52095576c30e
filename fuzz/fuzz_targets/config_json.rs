//! libFuzzer's door to the property `config_json`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| pullprobe_fuzz::config_json::holds(data));
