#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| mig_fuzz::lucene::fuzzing::segment_info(data));
