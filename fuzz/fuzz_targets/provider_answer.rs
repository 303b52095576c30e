//! libFuzzer's door to the property `provider_answer`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| pullprobe_fuzz::provider_answer::holds(data));
