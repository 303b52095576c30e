//! libFuzzer's door to the property `dns_answer`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| pullprobe_fuzz::dns_answer::holds(data));
