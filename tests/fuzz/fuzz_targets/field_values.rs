#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| mig_fuzz::engines::lucene::fuzzing::field_values(data));
