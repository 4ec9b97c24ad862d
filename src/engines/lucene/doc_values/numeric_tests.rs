//! Tests of `numeric`.

use super::super::super::packed::encode::{pack, pack_little};
use super::super::disi::encode::{disi, disi_in};
use super::super::entries::DocSet;
use super::*;

fn entry(count: u64) -> NumericEntry {
    NumericEntry {
        docs: DocSet {
            offset: -1,
            length: 0,
            rank_power: None,
        },
        count,
        table: vec![],
        block_shift: None,
        bits: 0,
        min: 0,
        gcd: 1,
        offset: 0,
        length: 0,
        jump_table: None,
    }
}

fn all(
    data: Vec<u8>,
    entry: &NumericEntry,
    max_doc: u32,
    step: u32,
) -> Result<Vec<Option<i64>>, LuceneError> {
    all_in(Order::Big, data, entry, max_doc, step)
}

fn all_in(
    order: Order,
    mut data: Vec<u8>,
    entry: &NumericEntry,
    max_doc: u32,
    step: u32,
) -> Result<Vec<Option<i64>>, LuceneError> {
    data.extend([0; 16]);
    let numeric = Numeric::open("f", Arc::new(Bytes::from(data)), order, entry, max_doc)?;
    let mut window = ValuesWindow::default();
    let mut column = Column::default();
    let mut values = Vec::new();
    for start in (0..max_doc).step_by(step as usize) {
        let end = (start + step).min(max_doc);
        numeric.read(start..end, &mut window, &mut column)?;
        values.extend((start..end).map(|doc| numeric.get(&column, doc)));
    }
    Ok(values)
}

#[test]
fn constants_lines_and_tables_are_read() {
    let constant = NumericEntry { min: 7, ..entry(5) };
    assert_eq!(all(vec![], &constant, 5, 2).unwrap(), [Some(7); 5]);
    let raw: Vec<u64> = (0..100).map(|at| at * 31 % 64).collect();
    for bits in [6, 8, 12, 20, 28, 64] {
        let data = pack(&raw, bits);
        let linear = NumericEntry {
            bits,
            min: -3,
            gcd: 10,
            length: data.len() as u64,
            ..entry(100)
        };
        let expected: Vec<_> = raw.iter().map(|raw| Some(*raw as i64 * 10 - 3)).collect();
        assert_eq!(all(data.clone(), &linear, 100, 7).unwrap(), expected);
        let table = NumericEntry {
            table: (0..64).map(|at| at * at).collect(),
            ..linear.clone()
        };
        let expected: Vec<_> = raw.iter().map(|raw| Some((raw * raw) as i64)).collect();
        assert_eq!(all(data.clone(), &table, 100, 9).unwrap(), expected);
        let short = NumericEntry {
            table: vec![1],
            ..linear.clone()
        };
        assert!(all(data.clone(), &short, 100, 9).is_err());
        assert!(
            all(
                data,
                &NumericEntry {
                    length: 1,
                    ..linear
                },
                100,
                9
            )
            .is_err()
        );
    }
}

#[test]
fn sparse_fields_have_values_where_they_have_documents() {
    let docs: Vec<u32> = (0..3000).filter(|doc| doc % 5 == 2).collect();
    let mut data = disi(&docs, None);
    let length = data.len() as u64;
    let raw: Vec<u64> = docs.iter().map(|doc| u64::from(*doc)).collect();
    data.extend(pack(&raw, 12));
    let sparse = NumericEntry {
        docs: DocSet {
            offset: 0,
            length,
            rank_power: None,
        },
        bits: 12,
        offset: length,
        length: data.len() as u64 - length,
        ..entry(600)
    };
    let values = all(data.clone(), &sparse, 3000, 128).unwrap();
    for (doc, value) in (0_i64..).zip(values) {
        assert_eq!(value, (doc % 5 == 2).then_some(doc));
    }
    let wrong = NumericEntry {
        count: 601,
        ..sparse
    };
    assert!(all(data, &wrong, 3000, 128).is_err());
}

#[test]
fn blocks_have_widths_of_their_own() {
    let mut data = Vec::new();
    let mut offsets = Vec::new();
    let mut expected = Vec::new();
    for block in 0..5_u64 {
        offsets.push(data.len() as u64);
        let bits = [0, 8, 16, 4, 32][block as usize];
        data.push(bits);
        data.extend((block as i64 * 1000).to_be_bytes());
        let raw: Vec<u64> = (0..16).map(|at| if bits == 0 { 0 } else { at }).collect();
        if bits > 0 {
            let packed = pack(&raw, u32::from(bits));
            data.extend((packed.len() as u32).to_be_bytes());
            data.extend(packed);
        }
        expected.extend(
            raw.iter()
                .map(|raw| Some(block as i64 * 1000 + *raw as i64 * 2)),
        );
    }
    expected.truncate(75);
    let length = data.len() as u64;
    let mut blocks = NumericEntry {
        block_shift: Some(4),
        bits: 0xff,
        gcd: 2,
        length,
        ..entry(75)
    };
    for step in [1, 5, 16, 40, 75] {
        assert_eq!(all(data.clone(), &blocks, 75, step).unwrap(), expected);
    }
    data.extend(offsets.iter().flat_map(|offset| offset.to_be_bytes()));
    blocks.jump_table = Some(length);
    assert_eq!(all(data.clone(), &blocks, 75, 20).unwrap(), expected);
    blocks.length = 30;
    assert!(all(data, &blocks, 75, 20).is_err());
}

#[test]
fn values_of_lucene_9_are_little_endian() {
    let docs: Vec<u32> = (0..3000).filter(|doc| doc % 5 == 2).collect();
    let mut data = disi_in(Order::Little, &docs, None);
    let length = data.len() as u64;
    let raw: Vec<u64> = docs.iter().map(|doc| u64::from(*doc)).collect();
    data.extend(pack_little(&raw, 12));
    let sparse = NumericEntry {
        docs: DocSet {
            offset: 0,
            length,
            rank_power: None,
        },
        bits: 12,
        offset: length,
        length: data.len() as u64 - length,
        ..entry(600)
    };
    let values = all_in(Order::Little, data, &sparse, 3000, 128).unwrap();
    for (doc, value) in (0_i64..).zip(values) {
        assert_eq!(value, (doc % 5 == 2).then_some(doc));
    }
}
