//! libFuzzer's door to the property `refusal`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| pullprobe_fuzz::refusal::holds(data));
