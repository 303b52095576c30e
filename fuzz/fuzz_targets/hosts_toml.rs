//! libFuzzer's door to the property `hosts_toml`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| pullprobe_fuzz::hosts_toml::holds(data));
