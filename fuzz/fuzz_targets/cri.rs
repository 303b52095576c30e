//! libFuzzer's door to the property `cri`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| pullprobe_fuzz::cri::holds(data));
