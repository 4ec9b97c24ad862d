//! Writers of chunks, for the tests of this module.

use std::io::Write as _;

use super::super::codec::encode::vlong;
use super::super::packed::encode::pack;
use super::{Compression, Format, Integers, Sliced};

/// Text that compresses about as documents do.
pub(in super::super) fn document_text(length: usize) -> Vec<u8> {
    let lines = (0..).map(|at: usize| {
        let agent = at.wrapping_mul(2_654_435_761) % 97;
        format!(
            "{{\"at\":{at},\"agent\":\"browser {agent}\",\"path\":\"/a/{}\"}}",
            at % 7
        )
    });
    lines.flat_map(String::into_bytes).take(length).collect()
}

fn deflate(dictionary: &[u8], data: &[u8]) -> Vec<u8> {
    let mut packer = flate2::Compress::new(flate2::Compression::new(6), false);
    if !dictionary.is_empty() {
        packer.set_dictionary(dictionary).unwrap();
    }
    let mut out = Vec::new();
    let mut encoder = flate2::write::DeflateEncoder::new(&mut out, flate2::Compression::new(6));
    if dictionary.is_empty() {
        encoder.write_all(data).unwrap();
        encoder.finish().unwrap();
        return out;
    }
    drop(encoder);
    let mut out = Vec::with_capacity(data.len() + 1000);
    let status = packer.compress_vec(data, &mut out, flate2::FlushCompress::Finish);
    assert_eq!(status.unwrap(), flate2::Status::StreamEnd);
    out
}

/// One block as the layout has it.
pub(in super::super) fn compress(compression: Compression, data: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    let framed = |out: &mut Vec<u8>, packed: Vec<u8>| {
        vlong(out, packed.len() as u64);
        out.extend(packed);
    };
    let dictionary = data.len() / 20;
    let step = (data.len() - dictionary).div_ceil(10);
    let (head, rest) = data.split_at(dictionary);
    match compression {
        Compression::Lz4 => out = lz4_flex::block::compress(data),
        Compression::Deflate if data.is_empty() => out.push(0),
        Compression::Deflate => framed(&mut out, deflate(b"", data)),
        Compression::Lz4Dictionary => {
            vlong(&mut out, dictionary as u64);
            vlong(&mut out, step as u64);
            let mut blocks = vec![lz4_flex::block::compress(head)];
            let packed = |block| lz4_flex::block::compress_with_dict(block, head);
            blocks.extend(rest.chunks(step.max(1)).map(packed));
            for block in &blocks {
                vlong(&mut out, block.len() as u64);
            }
            out.extend(blocks.concat());
        }
        Compression::DeflateDictionary => {
            vlong(&mut out, dictionary as u64);
            vlong(&mut out, step as u64);
            if head.is_empty() {
                out.push(0);
            } else {
                framed(&mut out, deflate(b"", head));
            }
            for block in rest.chunks(step.max(1)) {
                framed(&mut out, deflate(head, block));
            }
        }
        Compression::Zstd if data.is_empty() => {}
        Compression::Zstd => framed(&mut out, zstd(b"", data)),
        Compression::ZstdDictionary => {
            vlong(&mut out, dictionary as u64);
            vlong(&mut out, step as u64);
            if head.is_empty() {
                out.push(0);
            } else {
                framed(&mut out, zstd(b"", head));
            }
            for block in rest.chunks(step.max(1)) {
                framed(&mut out, zstd(head, block));
            }
        }
        Compression::ZstdBlocks => {
            let step = data.len().div_ceil(10);
            vlong(&mut out, step as u64);
            for block in data.chunks(step.max(1)) {
                framed(&mut out, zstd(b"", block));
            }
        }
    }
    out
}

fn zstd(dictionary: &[u8], data: &[u8]) -> Vec<u8> {
    let mut packer = zstd::bulk::Compressor::with_dictionary(3, dictionary).unwrap();
    packer.compress(data).unwrap()
}

/// Numbers as Lucene 9 has them in the header of a chunk.
pub(in super::super) fn integer_blocks(bits: u32, numbers: &[u32]) -> Vec<u8> {
    let mut out = vec![bits as u8];
    let width = bits as usize / 8;
    let words = 128 * width / 8;
    let blocks = numbers.chunks_exact(128);
    let rest = blocks.remainder();
    for block in blocks {
        for word in 0..words {
            let parts = block[word..].iter().step_by(words);
            let joined = parts.fold(0_u64, |joined, part| joined << bits | u64::from(*part));
            out.extend(joined.to_le_bytes());
        }
    }
    for number in rest {
        out.extend(&number.to_le_bytes()[..width]);
    }
    out
}

fn integers(out: &mut Vec<u8>, format: Format, values: &[u32]) {
    if let [value] = values {
        return vlong(out, u64::from(*value));
    }
    if values.iter().all(|value| *value == values[0]) {
        out.push(0);
        return vlong(out, u64::from(values[0]));
    }
    if format.integers == Integers::Blocks {
        return out.extend(integer_blocks(16, values));
    }
    let wide: Vec<u64> = values.iter().map(|value| u64::from(*value)).collect();
    out.push(13);
    out.extend(pack(&wide, 13));
}

/// One chunk of documents of these lengths, each of one field by its header.
pub(in super::super) fn chunk(
    format: Format,
    first_doc: u32,
    lengths: &[u32],
    data: &[u8],
    sliced: bool,
) -> Vec<u8> {
    let mut out = Vec::new();
    vlong(&mut out, u64::from(first_doc));
    let token = (lengths.len() as u64) << format.flag_bits | u64::from(sliced);
    vlong(&mut out, token);
    integers(&mut out, format, &vec![1; lengths.len()]);
    integers(&mut out, format, lengths);
    let sliced = match format.sliced {
        Sliced::ByFlag => sliced,
        Sliced::ByLength => data.len() >= 2 * format.chunk_size as usize,
    };
    if sliced && !data.is_empty() {
        for slice in data.chunks(format.chunk_size as usize) {
            out.extend(compress(format.compression, slice));
        }
    } else {
        out.extend(compress(format.compression, data));
    }
    out
}
