//! libFuzzer's door to the property `www_authenticate`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| pullprobe_fuzz::www_authenticate::holds(data));
