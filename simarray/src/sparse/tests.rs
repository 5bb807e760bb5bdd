use super::{ByteMap, StampMap};
use proptest::prelude::*;
use std::collections::BTreeMap;

proptest! {
    #[test]
    fn stamps_read_as_a_plain_map(
        block in prop::sample::select(vec![512u32, 1024, 4096]),
        writes in prop::collection::vec((0u64..200, 1u32..40, 0u64..6), 1..120),
    ) {
        let mut map = StampMap::new(block);
        let mut model: BTreeMap<u64, u64> = BTreeMap::new();
        for (lba, blocks, stamp) in writes {
            let mut told = Vec::new();
            map.set_range(lba, blocks, stamp, |at, n, was| {
                told.extend((at..at + u64::from(n)).map(|b| (b, was)));
            });
            let before: Vec<_> = (lba..lba + u64::from(blocks))
                .map(|b| (b, model.get(&b).copied().unwrap_or(0)))
                .collect();
            prop_assert_eq!(told, before);
            for b in lba..lba + u64::from(blocks) {
                model.insert(b, stamp);
            }
            let mut all = Vec::new();
            map.get_range(3, 250, &mut all);
            let expected: Vec<u64> = (3..253).map(|b| model.get(&b).copied().unwrap_or(0)).collect();
            prop_assert_eq!(&all, &expected);
            prop_assert_eq!(map.get(lba), stamp);
        }
    }

    #[test]
    fn bytes_read_as_plain_memory(
        calls in prop::collection::vec((0usize..30_000, 0usize..9_000, 0u8..4), 1..60),
    ) {
        let mut map = ByteMap::new();
        let mut model = vec![0u8; 40_000];
        for (offset, len, fill) in calls {
            model[offset..offset + len].fill(fill);
            if fill == 0 {
                map.zero(offset as u64, len as u64);
            } else {
                map.write(offset as u64, &vec![fill; len]);
            }
            let mut all = vec![9; 40_000];
            map.read(0, &mut all);
            prop_assert_eq!(&all, &model);
        }
    }
}

#[test]
fn a_huge_volume_costs_what_was_written() {
    let mut map = StampMap::new(512);
    let blocks = 64u64 << 40 >> 9;
    for i in 0..1000u64 {
        map.set_range(blocks / 1000 * i, 8, i + 1, |_, _, was| assert_eq!(was, 0));
    }
    assert!(map.bytes_used() < 200_000, "{}", map.bytes_used());
    for i in 0..1000u64 {
        assert_eq!(map.get(blocks / 1000 * i + 7), i + 1);
    }
}

#[test]
fn a_page_made_whole_again_gives_its_array_back() {
    let mut map = StampMap::new(512);
    for round in 0..10_000u64 {
        map.set_range(8, 3, round * 2 + 1, |_, _, _| ());
        map.set_range(8, 8, round * 2 + 2, |_, _, _| ());
    }
    assert!(map.bytes_used() < 4096, "{}", map.bytes_used());
    let mut bytes = ByteMap::new();
    for _ in 0..1000 {
        bytes.write(4096, &[1; 4096]);
        bytes.zero(4096, 4096);
    }
    assert!(bytes.bytes_used() < 8192, "{}", bytes.bytes_used());
}
