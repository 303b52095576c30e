//! libFuzzer's door to the property `settings`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| pullprobe_fuzz::settings::holds(data));
