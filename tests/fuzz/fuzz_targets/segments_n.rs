#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| mig::engines::lucene::fuzzing::segments_n(data));
