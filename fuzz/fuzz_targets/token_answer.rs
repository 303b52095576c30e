//! libFuzzer's door to the property `token_answer`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| pullprobe_fuzz::token_answer::holds(data));
