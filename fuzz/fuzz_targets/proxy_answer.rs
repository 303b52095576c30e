//! libFuzzer's door to the property `proxy_answer`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| pullprobe_fuzz::proxy_answer::holds(data));
