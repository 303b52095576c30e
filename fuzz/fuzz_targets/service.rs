//! libFuzzer's door to the property `service`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| pullprobe_fuzz::service::holds(data));
