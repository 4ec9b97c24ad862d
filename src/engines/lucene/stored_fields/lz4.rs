//! LZ4 blocks whose compressed length is not stored: the decoder says how much it consumed.
//!
//! Safe code only. Copies go in steps of 16 bytes that may run over what they should copy, within the block, and are
//! overwritten by what follows: a copy of known length is two instructions where one of unknown length is a call. Most
//! sequences are short, and take one way without a branch on their lengths, which no processor could foretell.

use std::ops::Range;

/// Bytes that are copied at a time.
const STEP: usize = 16;
/// The longest literals and match that a token holds by itself.
const SHORT_LITERALS: usize = 14;
const SHORT_MATCH: usize = 18;
/// A match is at least as long.
const LEAST_MATCH: usize = 4;
/// The longest literals that are copied step by step.
const MEDIUM_LITERALS: usize = 256;

/// Decodes one block into the whole of `out`. Gives the bytes consumed, or `None` when the block is damaged.
pub(in super::super) fn decode(source: &[u8], out: &mut [u8]) -> Option<usize> {
    let block = 0..out.len();
    decode_behind(source, 0, block, out)
}

/// Decodes one block into a range of `out`; matches may reach back into a dictionary, the first bytes of `out`, which end
/// before the range. Gives the bytes consumed, or `None` when the block is damaged.
pub(in super::super) fn decode_behind(
    source: &[u8],
    dictionary: usize,
    block: Range<usize>,
    out: &mut [u8],
) -> Option<usize> {
    debug_assert!(dictionary <= block.start, "a dictionary ends before it");
    let out = out.get_mut(..block.end)?;
    let begin = block.start;
    let mut read = 0;
    let mut at = begin;
    loop {
        let token = *source.get(read)?;
        read += 1;
        let mut literals = usize::from(token >> 4);
        let mut length = usize::from(token & 15) + LEAST_MATCH;
        if literals <= SHORT_LITERALS
            && length <= SHORT_MATCH
            && let Some(text) = source.get(read..read + STEP + 2)
            && let Some(room) = out.get_mut(at..at + SHORT_LITERALS + SHORT_MATCH)
        {
            room[..STEP].copy_from_slice(&text[..STEP]);
            let offset = offset_in(&text[literals..]);
            let here = at + literals;
            let written = here - begin;
            // How far back it begins from the end of what it is taken from.
            let (back, end) = if offset <= written {
                (offset, here)
            } else {
                (offset - written, dictionary)
            };
            // Neither into itself nor from the dictionary on into the block.
            if back >= SHORT_MATCH && back <= end {
                let start = end - back;
                copy::<STEP>(out, start, here);
                copy::<2>(out, start + STEP, here + STEP);
                read += literals + 2;
                at = here + length;
                continue;
            }
        }
        if literals == 15 {
            literals += long_length(source, &mut read)?;
        }
        copy_literals(source.get(read..)?, literals, out.get_mut(at..)?)?;
        read += literals;
        at += literals;
        // A block ends with literals, of which there may be none.
        if at == out.len() {
            return Some(read);
        }
        let offset = offset_in(source.get(read..read + 2)?);
        read += 2;
        if token & 15 == 15 {
            length += long_length(source, &mut read)?;
        }
        let written = at - begin;
        if offset == 0 || length > out.len() - at {
            return None;
        }
        if offset <= written {
            repeat(out, at, offset, length);
        } else {
            let back = offset - written;
            let start = dictionary.checked_sub(back)?;
            let first = back.min(length);
            out.copy_within(start..start + first, at);
            if length > first {
                repeat(out, at + first, offset, length - first);
            }
        }
        at += length;
    }
}

/// How far back a match begins.
fn offset_in(bytes: &[u8]) -> usize {
    usize::from(bytes[0]) | usize::from(bytes[1]) << 8
}

/// Copies `N` bytes, by way of registers.
#[inline]
fn copy<const N: usize>(out: &mut [u8], from: usize, to: usize) {
    let mut bytes = [0; N];
    bytes.copy_from_slice(&out[from..from + N]);
    out[to..to + N].copy_from_slice(&bytes);
}

/// Copies the first `length` bytes of `text` to where `out` begins.
fn copy_literals(text: &[u8], length: usize, out: &mut [u8]) -> Option<()> {
    let steps = length.next_multiple_of(STEP);
    if length <= MEDIUM_LITERALS
        && let Some(text) = text.get(..steps)
        && let Some(out) = out.get_mut(..steps)
    {
        for (out, text) in out.chunks_exact_mut(STEP).zip(text.chunks_exact(STEP)) {
            out.copy_from_slice(text);
        }
        return Some(());
    }
    let text = text.get(..length)?;
    out.get_mut(..length)?.copy_from_slice(text);
    Some(())
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
    if offset >= STEP && out.len() - at >= length + STEP {
        let mut done = 0;
        while done < length {
            copy::<STEP>(out, from + done, at + done);
            done += STEP;
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
            assert_eq!(decode(&packed, &mut out), Some(length));
            assert!(out == sample);
        }
    }

    #[test]
    fn matches_reach_into_the_dictionary() {
        for sample in samples() {
            let dictionary = &sample[..sample.len() / 3];
            let packed = lz4_flex::block::compress_with_dict(&sample, dictionary);
            for between in [0, 1, 50] {
                // The bytes between and behind are another block's.
                let from = dictionary.len() + between;
                let to = from + sample.len();
                let mut out = [dictionary, &vec![1; to + 40 - dictionary.len()]].concat();
                let consumed = decode_behind(&packed, dictionary.len(), from..to, &mut out);
                assert_eq!(consumed, Some(packed.len()));
                assert!(out[from..to] == sample);
                assert!(&out[..dictionary.len()] == dictionary);
                assert!(out[dictionary.len()..from].iter().all(|byte| *byte == 1));
                assert!(out[to..].iter().all(|byte| *byte == 1));
            }
        }
    }

    #[test]
    fn damage_is_never_a_panic() {
        let sample = &samples()[5][..2000];
        let packed = lz4_flex::block::compress(sample);
        let mut out = vec![0; sample.len()];
        for cut in 0..packed.len() {
            assert_eq!(decode(&packed[..cut], &mut out), None);
        }
        for bit in 0..packed.len() * 8 {
            let mut flipped = packed.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            decode(&flipped, &mut out);
            decode_behind(&flipped, 700, 900..1300, &mut out);
        }
    }
}
