//! libFuzzer's door to the property `web_config`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| pullprobe_fuzz::web_config::holds(data));
