//! LZ4 blocks whose compressed length is not stored: the decoder says how much it consumed.
//!
//! Safe code only. Copies go in steps of 16 bytes that may run over what they should copy, within the output, and are
//! overwritten by what follows: a copy of known length is two instructions where one of unknown length is a call.

/// Decodes one block into the whole of `out`; matches may reach back into `dictionary`, which stands before it. Gives
/// the bytes consumed, or `None` when the block is damaged.
pub(in super::super) fn decode(source: &[u8], dictionary: &[u8], out: &mut [u8]) -> Option<usize> {
    let mut read = 0;
    let mut written = 0;
    loop {
        let token = *source.get(read)?;
        read += 1;
        let mut literals = usize::from(token >> 4);
        if literals < 15
            && let Some(from) = source.get(read..read + 16)
            && let Some(to) = out.get_mut(written..written + 16)
        {
            to.copy_from_slice(from);
        } else {
            if literals == 15 {
                literals += long_length(source, &mut read)?;
            }
            let from = source.get(read..read.checked_add(literals)?)?;
            out.get_mut(written..written + literals)?
                .copy_from_slice(from);
        }
        read += literals;
        written += literals;
        // A block ends with literals, of which there may be none.
        if written == out.len() {
            return Some(read);
        }
        let pair = source.get(read..read + 2)?;
        let offset = usize::from(pair[0]) | usize::from(pair[1]) << 8;
        read += 2;
        let mut length = usize::from(token & 15);
        if length == 15 {
            length += long_length(source, &mut read)?;
        }
        length += 4;
        if offset == 0 || length > out.len() - written {
            return None;
        }
        if offset <= written {
            repeat(out, written, offset, length);
        } else {
            let back = offset - written;
            let start = dictionary.len().checked_sub(back)?;
            let first = back.min(length);
            out[written..written + first].copy_from_slice(&dictionary[start..start + first]);
            if length > first {
                repeat(out, written + first, offset, length - first);
            }
        }
        written += length;
    }
}

/// The further bytes of a length: 255 means that another follows.
fn long_length(source: &[u8], read: &mut usize) -> Option<usize> {
    let mut length = 0_usize;
    loop {
        let byte = *source.get(*read)?;
        *read += 1;
        length = length.checked_add(usize::from(byte))?;
        if byte != 255 {
            return Some(length);
        }
    }
}

/// Writes `length` bytes at `at`, each the one `offset` before it. The caller has checked that `offset <= at` and that
/// the bytes lie within `out`.
#[inline]
fn repeat(out: &mut [u8], at: usize, offset: usize, length: usize) {
    let from = at - offset;
    if offset >= 16 && out.len() - at >= length + 16 {
        let mut done = 0;
        while done < length {
            out.copy_within(from + done..from + done + 16, at + done);
            done += 16;
        }
        return;
    }
    // What is written extends what can be copied: the run doubles with each step.
    let mut done = 0;
    while done < length {
        let step = (offset + done).min(length - done);
        out.copy_within(from..from + step, at + done);
        done += step;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn samples() -> Vec<Vec<u8>> {
        let mut samples = vec![
            vec![],
            b"a".to_vec(),
            b"abcabcabcabcabcabcabcabcabcabcabcabc".to_vec(),
        ];
        samples.push(vec![0; 100_000]);
        let mut state = 7_u64;
        let noise = |state: &mut u64| {
            *state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            (*state >> 56) as u8
        };
        samples.push((0..70_000).map(|_| noise(&mut state)).collect());
        let text = (0..3000).map(|at| format!("{{\"n\":{at},\"m\":\"GET /{}\"}}", at % 17));
        samples.push(text.collect::<String>().into_bytes());
        for period in 1..40 {
            samples.push((0..999).map(|at| (at % period) as u8).collect());
        }
        samples
    }

    #[test]
    fn what_lz4_flex_compresses_comes_back() {
        for sample in samples() {
            let mut packed = lz4_flex::block::compress(&sample);
            let length = packed.len();
            packed.extend([9; 40]);
            let mut out = vec![1; sample.len()];
            assert_eq!(decode(&packed, b"", &mut out), Some(length));
            assert!(out == sample);
        }
    }

    #[test]
    fn matches_reach_into_the_dictionary() {
        for sample in samples() {
            let dictionary = &sample[..sample.len() / 3];
            let packed = lz4_flex::block::compress_with_dict(&sample, dictionary);
            let mut out = vec![1; sample.len()];
            assert_eq!(decode(&packed, dictionary, &mut out), Some(packed.len()));
            assert!(out == sample);
        }
    }

    #[test]
    fn damage_is_never_a_panic() {
        let sample = &samples()[5][..2000];
        let packed = lz4_flex::block::compress(sample);
        let mut out = vec![0; sample.len()];
        for cut in 0..packed.len() {
            assert_eq!(decode(&packed[..cut], b"", &mut out), None);
        }
        for bit in 0..packed.len() * 8 {
            let mut flipped = packed.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            decode(&flipped, b"", &mut out);
        }
    }
}
