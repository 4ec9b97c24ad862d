#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| mig_fuzz::engines::snapshot::fuzzing::lzf(data));
