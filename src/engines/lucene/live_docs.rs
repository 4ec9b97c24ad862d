//! `.liv`: the documents that are not hard-deleted. `Lucene50LiveDocs` (Lucene 5 to 8, big-endian words).

use super::bits::Bits;
use super::directory::{Directory, base36};
use super::input::Input;
use super::{LuceneError, SegmentCommit};

/// Reads the generation that the commit names and holds it to the commit's count. `None` when nothing is deleted.
pub(super) fn read(
    directory: &Directory,
    commit: &SegmentCommit,
    max_doc: u32,
) -> Result<Option<Bits>, LuceneError> {
    let Some(generation) = commit.del_gen else {
        if commit.del_count > 0 {
            return Err(LuceneError::Missing {
                file: directory.name("_<generation>", ".liv"),
            });
        }
        return Ok(None);
    };
    let suffix = base36(generation);
    let (name, bytes) = directory.read(&format!("_{suffix}"), ".liv")?;
    let mut input = Input::new(&name, &bytes);
    let header = directory.header(&mut input, &suffix)?;
    match (header.codec, header.version) {
        ("Lucene50LiveDocs", 0) => {}
        _ => return Err(header.unsupported(&input)),
    }
    parse(&mut input, max_doc, commit.del_count).map(Some)
}

fn parse(input: &mut Input<'_>, max_doc: u32, del_count: u32) -> Result<Bits, LuceneError> {
    let words = max_doc.div_ceil(64) as usize;
    if input.remaining() != words * 8 {
        return Err(input.corrupt(format!("{words} words, for {max_doc} documents")));
    }
    let bytes = input.take(words * 8)?.chunks_exact(8);
    let words = bytes.map(|word| {
        word.iter()
            .fold(0, |word, byte| word << 8 | u64::from(*byte))
    });
    let bits = Bits::from_words(words.collect(), max_doc)
        .ok_or_else(|| input.corrupt(format!("no bit for a document behind {max_doc}")))?;
    let dead = max_doc - bits.count();
    if dead != del_count {
        return Err(input.corrupt(format!(
            "{del_count} deleted documents, as the commit says, not {dead}"
        )));
    }
    Ok(bits)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bits_are_held_to_the_count_of_the_commit() {
        let bytes = [0, 0, 0, 0, 0, 0, 0, 0b1_0111];
        let read = |docs, deleted| parse(&mut Input::new("_0_1.liv", &bytes), docs, deleted);
        let live = read(5, 1).unwrap();
        assert!(live.contains(0) && live.contains(4) && !live.contains(3));
        assert!(read(5, 2).is_err());
        assert!(read(4, 1).is_err());
        assert!(read(65, 61).is_err());
    }
}
