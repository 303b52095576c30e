//! libFuzzer's door to the property `config_toml`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| pullprobe_fuzz::config_toml::holds(data));
