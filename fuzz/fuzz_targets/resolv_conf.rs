//! libFuzzer's door to the property `resolv_conf`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| pullprobe_fuzz::resolv_conf::holds(data));
