//! Commands by the blocks that they touch: which of them overlap a given range. For what waits while something is in doubt, and for what was sent by
//! then: a few thousand at most, many of them added and taken away meanwhile, and asked once for each range that comes in doubt or
//! ceases to be. A sorted list, so that nothing is allocated once it has grown.
//!
//! As in `ranges`, commands are in order of their start, in classes of doubling length.

use super::ranges::{class_of, longest, stepped};
use super::usable::bits;
use protocol::VolumeId;

/// A volume, the class of the length, the start, and a number that tells equal ones apart.
type Key = (VolumeId, u16, u64, u64);

#[derive(Clone, Copy, Debug)]
struct Entry {
    key: Key,
    end: u64,
    slot: u32,
}

#[derive(Debug, Default)]
pub struct Spans {
    /// In order of their keys.
    entries: Vec<Entry>,
    /// Classes that may exist.
    classes: u128,
    serial: u64,
    /// The number of each slot's entry.
    serials: Vec<u64>,
}

impl Spans {
    fn next(&mut self, volume: VolumeId, lba: u64, end: u64, slot: u32) -> Entry {
        let at = slot as usize;
        if self.serials.len() <= at {
            self.serials.resize(at + 1, 0);
        }
        self.serial += 1;
        self.serials[at] = self.serial;
        let class = class_of(lba, end);
        self.classes |= 1 << class;
        Entry {
            key: (volume, class, lba, self.serial),
            end,
            slot,
        }
    }

    /// A slot has one entry at most.
    pub fn insert(&mut self, volume: VolumeId, lba: u64, end: u64, slot: u32) {
        let entry = self.next(volume, lba, end, slot);
        let at = self.entries.partition_point(|e| e.key < entry.key);
        self.entries.insert(at, entry);
    }

    pub fn remove(&mut self, volume: VolumeId, lba: u64, end: u64, slot: u32) {
        let serial = self.serials.get(slot as usize).copied().unwrap_or(0);
        let key = (volume, class_of(lba, end), lba, serial);
        if let Ok(at) = self.entries.binary_search_by_key(&key, |e| e.key) {
            self.entries.remove(at);
        }
        if self.entries.is_empty() {
            self.classes = 0;
        }
    }

    /// These, and no others, in any order.
    pub fn replace(&mut self, all: impl Iterator<Item = (VolumeId, u64, u64, u32)>) {
        self.entries.clear();
        self.classes = 0;
        for (volume, lba, end, slot) in all {
            let entry = self.next(volume, lba, end, slot);
            self.entries.push(entry);
        }
        self.entries.sort_unstable_by_key(|e| e.key);
    }

    /// Adds the slots whose commands overlap this range, each with its number: the smaller was inserted earlier.
    pub fn overlapping(&self, volume: VolumeId, lba: u64, end: u64, found: &mut Vec<(u64, u32)>) {
        for class in bits(self.classes) {
            let from = (volume, class, lba.saturating_sub(longest(class) - 1), 0);
            let at = self.entries.partition_point(|e| e.key < from);
            for e in &self.entries[at..] {
                stepped();
                if e.key >= (volume, class, end, 0) {
                    break;
                }
                if e.end > lba {
                    found.push((e.key.3, e.slot));
                }
            }
        }
    }

    #[cfg(test)]
    pub fn len(&self) -> usize {
        self.entries.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #![proptest_config(ProptestConfig {
            rng_seed: proptest::test_runner::RngSeed::Fixed(1),
            failure_persistence: None,
            ..ProptestConfig::default()
        })]

        /// Against a plain list that is walked.
        #[test]
        fn overlaps_are_as_in_a_plain_list(
            ops in prop::collection::vec((0..4u8, 0..2u16, 0..80u64, 1..40u64, 0..12u32), 1..200),
        ) {
            let mut spans = Spans::default();
            let mut plain: Vec<(u16, u64, u64, u32)> = Vec::new();
            for (op, volume, lba, blocks, slot) in ops {
                let end = lba + blocks;
                let held = plain.iter().position(|p| p.3 == slot);
                match (op, held) {
                    (0 | 1, None) => {
                        spans.insert(VolumeId(volume), lba, end, slot);
                        plain.push((volume, lba, end, slot));
                    }
                    (1, Some(at)) => {
                        let (volume, lba, end, slot) = plain.remove(at);
                        spans.remove(VolumeId(volume), lba, end, slot);
                    }
                    (3, Some(_)) if blocks < 3 => {
                        let all = plain.iter().rev();
                        spans.replace(all.map(|p| (VolumeId(p.0), p.1, p.2, p.3)));
                        plain.reverse();
                    }
                    _ => {}
                }
                let mut found = Vec::new();
                spans.overlapping(VolumeId(volume), lba, end, &mut found);
                found.sort_unstable();
                let found: Vec<u32> = found.into_iter().map(|f| f.1).collect();
                let fits = |p: &&(u16, u64, u64, u32)| p.0 == volume && p.1 < end && lba < p.2;
                let expected: Vec<u32> = plain.iter().filter(fits).map(|p| p.3).collect();
                prop_assert_eq!(found, expected);
                prop_assert_eq!(spans.len(), plain.len());
            }
        }
    }

    #[test]
    fn the_ends_of_the_address_space_are_no_exception() {
        let mut spans = Spans::default();
        spans.insert(VolumeId(1), 0, u64::MAX, 7);
        let mut found = Vec::new();
        spans.overlapping(VolumeId(1), u64::MAX - 1, u64::MAX, &mut found);
        spans.overlapping(VolumeId(0), 0, u64::MAX, &mut found);
        assert_eq!(found, [(1, 7)]);
    }
}
