//! libFuzzer's door to the property `reference`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| pullprobe_fuzz::reference::holds(data));
