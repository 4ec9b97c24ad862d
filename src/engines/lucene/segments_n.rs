//! `segments_N`: which segments make up a commit. Formats 0 (Lucene 4.0) to 10 (8.6 and later); fixed-width numbers are
//! big-endian in all of them.
//!
//! Deliberately absent: the lists of files, which the snapshot gives already.

use std::collections::BTreeMap;
use std::fmt;

use super::codec;
use super::input::Input;
use super::{LuceneError, SegmentFiles};

const FORMAT_MAX: u32 = 10;

/// A version of Lucene, as the files state it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LuceneVersion {
    /// `8` of 8.7.0.
    pub major: u32,
    /// `7` of 8.7.0.
    pub minor: u32,
    /// `0` of 8.7.0.
    pub bugfix: u32,
}

impl fmt::Display for LuceneVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.major, self.minor, self.bugfix)
    }
}

/// One commit of a shard.
#[derive(Clone, Debug)]
pub struct Commit {
    /// `segments_N`.
    pub file: String,
    /// The header's format version: 0 (Lucene 4.0) … 10 (8.6 and later).
    pub format: u32,
    /// The version that wrote the commit; 0.0.0 before format 6, which does not say.
    pub lucene_version: LuceneVersion,
    /// Major version of Lucene that created the index, from format 7.
    pub created_major: Option<u32>,
    /// In the file's order.
    pub segments: Vec<SegmentCommit>,
    /// What Elasticsearch keeps here: `history_uuid`, `max_seq_no`, `local_checkpoint`, `es_version`, …
    pub user_data: BTreeMap<String, String>,
    /// `max_seq_no` of the user data; `None` before Elasticsearch 6.
    pub max_seq_no: Option<i64>,
}

/// One segment as its commit states it.
#[derive(Clone, Debug)]
pub struct SegmentCommit {
    /// `_0`, `_a3`.
    pub name: String,
    /// The 16 bytes that stand in the header of every file of the segment; `None` where Lucene 4 wrote it.
    pub id: Option<[u8; 16]>,
    /// Codec name, for information: files are dispatched on their own headers.
    pub codec: String,
    /// Generation of the `.liv` file; `None` without hard deletes.
    pub del_gen: Option<u64>,
    /// Hard-deleted documents.
    pub del_count: u32,
    /// Generation of the `.fnm` file; `None` for the first one.
    pub field_infos_gen: Option<u64>,
    /// Generation of updated doc values; `None` when there are none.
    pub doc_values_gen: Option<u64>,
    /// Soft-deleted documents that are not hard-deleted too.
    pub soft_del_count: u32,
}

impl Commit {
    /// Reads the one `segments_N` of `files`, with its checksum.
    pub fn read(files: &dyn SegmentFiles) -> Result<Self, LuceneError> {
        let mut names = files.names();
        names.retain(|name| name.starts_with("segments_"));
        let [file] = names.as_slice() else {
            return Err(LuceneError::Missing {
                file: format!("segments_N (one, not {})", names.len()),
            });
        };
        let reader = files.open(file)?;
        let bytes = codec::read_verified(file, reader.as_ref())?;
        Self::parse(file, &bytes)
    }

    /// Before format 2 the checksum stands at the end of the file without a footer around it.
    fn old_checksum(input: &Input<'_>, bytes: &[u8]) -> Result<(), LuceneError> {
        let covered = bytes.len() - input.remaining();
        let stored = input.clone().be_u64()?;
        let computed = crc32fast::hash(&bytes[..covered]);
        if u64::from(computed) == stored {
            return Ok(());
        }
        Err(LuceneError::Checksum {
            file: input.file().to_owned(),
            computed,
            stored,
        })
    }

    /// Parses the bytes before the footer.
    fn parse(file: &str, bytes: &[u8]) -> Result<Self, LuceneError> {
        let mut input = Input::new(file, bytes);
        let header = codec::header(&mut input)?;
        if header.codec != "segments" || header.version > FORMAT_MAX {
            return Err(header.unsupported(&input));
        }
        header.check_suffix(&input, file.strip_prefix("segments_").unwrap_or_default())?;
        let format = header.version;
        let lucene_version = if format >= 6 {
            version(&mut input)?
        } else {
            LuceneVersion::default()
        };
        let created_major = (format >= 7).then(|| input.vint()).transpose()?;
        input.be_u64()?; // the version of the infos, which counts changes
        if format > 7 {
            input.vlong()?;
        } else {
            input.be_u32()?;
        }
        let count = input.be_count("a number of segments")?;
        if format >= 6 && count > 0 {
            version(&mut input)?;
        }
        let mut segments: Vec<SegmentCommit> = Vec::new();
        for _ in 0..count {
            let segment = SegmentCommit::parse(&mut input, format)?;
            if segments
                .iter()
                .rev()
                .take(8)
                .any(|other| other.name == segment.name)
            {
                return Err(input.corrupt(format!("segment {} once", segment.name)));
            }
            segments.push(segment);
        }
        let user_data = if format >= 5 {
            input.map()?
        } else {
            input.old_map()?
        };
        if format < 2 {
            Self::old_checksum(&input, bytes)?;
            input.be_u64()?;
        }
        if input.remaining() > 0 {
            return Err(input.corrupt("the footer"));
        }
        let max_seq_no = match user_data.get("max_seq_no") {
            None => None,
            Some(text) => Some(
                text.parse()
                    .map_err(|_| input.corrupt("a number as max_seq_no in the user data"))?,
            ),
        };
        Ok(Self {
            file: file.to_owned(),
            format,
            lucene_version,
            created_major,
            segments,
            user_data,
            max_seq_no,
        })
    }
}

impl SegmentCommit {
    fn parse(input: &mut Input<'_>, format: u32) -> Result<Self, LuceneError> {
        let name = input.string()?.to_owned();
        let well_formed = name.len() > 1
            && name.starts_with('_')
            && name[1..].bytes().all(|byte| byte.is_ascii_alphanumeric());
        if !well_formed {
            return Err(input.corrupt(format!("a segment name before this byte, not `{name}`")));
        }
        let id = match format {
            0..4 => None,
            4..7 => match input.u8()? {
                0 => None,
                1 => Some(sixteen(input)?),
                byte => {
                    return Err(input.corrupt(format!("0 or 1 before a segment id, not {byte}")));
                }
            },
            _ => Some(sixteen(input)?),
        };
        let codec = input.string()?.to_owned();
        let del_gen = input.generation()?;
        let del_count = input.be_count("a number of deletions")?;
        let mut field_infos_gen = None;
        if format >= 1 {
            field_infos_gen = input.generation()?;
        }
        let doc_values_gen = if format >= 3 {
            input.generation()?
        } else {
            field_infos_gen
        };
        let soft_del_count = if format > 8 {
            input.be_count("a number of soft deletions")?
        } else {
            0
        };
        if format > 9 {
            match input.u8()? {
                0 => {}
                1 => drop(sixteen(input)?),
                _ => return Err(input.corrupt("0 or 1 before an id")),
            }
        }
        let skip_set = if format >= 5 {
            Input::skip_set
        } else {
            Input::skip_old_set
        };
        if format >= 3 {
            skip_set(input)?;
        }
        if format >= 1 {
            for _ in 0..input.be_count("a number of updated fields")? {
                if format >= 3 {
                    input.be_u32()?; // the field
                } else {
                    input.be_u64()?; // the generation
                }
                skip_set(input)?;
            }
        }
        Ok(Self {
            name,
            id,
            codec,
            del_gen,
            del_count,
            field_infos_gen,
            doc_values_gen,
            soft_del_count,
        })
    }
}

fn version(input: &mut Input<'_>) -> Result<LuceneVersion, LuceneError> {
    Ok(LuceneVersion {
        major: input.vint()?,
        minor: input.vint()?,
        bugfix: input.vint()?,
    })
}

fn sixteen(input: &mut Input<'_>) -> Result<[u8; 16], LuceneError> {
    let mut id = [0; 16];
    id.copy_from_slice(input.take(16)?);
    Ok(id)
}

#[cfg(test)]
mod tests {
    use super::super::codec::encode;
    use super::*;

    /// Segments as (name, deletions, soft deletions).
    fn file(format: u32, segments: &[(&str, u32, u32)]) -> Vec<u8> {
        let mut out = if format >= 4 {
            encode::header("segments", format, [1; 16], "3")
        } else {
            encode::old_header("segments", format)
        };
        let set = |out: &mut Vec<u8>, names: &[&str]| {
            if format >= 5 {
                out.push(names.len() as u8);
            } else {
                out.extend((names.len() as u32).to_be_bytes());
            }
            for name in names {
                encode::string(out, name);
            }
        };
        if format >= 6 {
            out.extend([8, 7, 0]);
        }
        if format >= 7 {
            out.push(8);
        }
        out.extend(9_u64.to_be_bytes());
        if format > 7 {
            encode::vlong(&mut out, 300);
        } else {
            out.extend(300_u32.to_be_bytes());
        }
        out.extend((segments.len() as u32).to_be_bytes());
        if format >= 6 && !segments.is_empty() {
            out.extend([8, 0, 0]);
        }
        for (name, deleted, soft) in segments {
            encode::string(&mut out, name);
            if (4..7).contains(&format) {
                out.push(1);
            }
            if format >= 4 {
                out.extend([9; 16]);
            }
            encode::string(&mut out, "Lucene87");
            let generation: i64 = if *deleted > 0 { 2 } else { -1 };
            out.extend(generation.to_be_bytes());
            out.extend(deleted.to_be_bytes());
            if format >= 1 {
                out.extend((-1_i64).to_be_bytes());
            }
            if format >= 3 {
                out.extend((-1_i64).to_be_bytes());
            }
            if format > 8 {
                out.extend(soft.to_be_bytes());
            }
            if format > 9 {
                out.push(1);
                out.extend([4; 16]);
            }
            if format >= 3 {
                set(&mut out, &["_0_1.fnm"]);
            }
            if format >= 1 {
                out.extend(1_u32.to_be_bytes());
                if format >= 3 {
                    out.extend(5_u32.to_be_bytes());
                } else {
                    out.extend(5_u64.to_be_bytes());
                }
                set(&mut out, &["_0_1_Lucene80_0.dvd"]);
            }
        }
        // A map is a set of pairs.
        if format >= 5 {
            out.push(1);
        } else {
            out.extend(1_u32.to_be_bytes());
        }
        encode::string(&mut out, "max_seq_no");
        encode::string(&mut out, "41");
        if format < 2 {
            let crc = u64::from(crc32fast::hash(&out));
            out.extend(crc.to_be_bytes());
        }
        out
    }

    #[test]
    fn every_format_is_read() {
        for format in 0..=10 {
            let bytes = file(format, &[("_0", 0, 0), ("_a1", 3, 2)]);
            let commit = Commit::parse("segments_3", &bytes).unwrap();
            assert_eq!(commit.max_seq_no, Some(41), "format {format}");
            assert_eq!(commit.segments.len(), 2);
            let second = &commit.segments[1];
            assert_eq!((second.del_gen, second.del_count), (Some(2), 3));
            assert_eq!(second.id, (format >= 4).then_some([9; 16]));
            assert_eq!(second.soft_del_count, if format > 8 { 2 } else { 0 });
        }
        assert!(
            Commit::parse("segments_3", &file(10, &[]))
                .unwrap()
                .segments
                .is_empty()
        );
    }

    #[test]
    fn truncation_and_foreign_names_are_errors() {
        for format in 0..=10 {
            let bytes = file(format, &[("_0", 1, 1)]);
            for length in 0..bytes.len() {
                assert!(Commit::parse("segments_3", &bytes[..length]).is_err());
            }
        }
        let mut old = file(1, &[("_0", 1, 1)]);
        old[20] ^= 1;
        assert!(Commit::parse("segments_3", &old).is_err());
        let bytes = file(10, &[("_0", 1, 1)]);
        assert!(Commit::parse("segments_4", &bytes).is_err());
        assert!(Commit::parse("segments_3", &file(11, &[])).is_err());
        assert!(Commit::parse("segments_3", &file(10, &[("../x", 0, 0)])).is_err());
    }
}
