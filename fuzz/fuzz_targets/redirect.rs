//! libFuzzer's door to the property `redirect`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| pullprobe_fuzz::redirect::holds(data));
