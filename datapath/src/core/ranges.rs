//! Ranges of blocks, and which of them overlap a given one. Built for the table of writes in doubt: rare to change, and
//! asked for each write while it is not empty, so that a few thousand ranges must not cost a write a few thousand steps.
//!
//! Ranges are kept in order of their start, in classes of doubling length: one that overlaps `[lba, end)` starts before
//! `end`, and no earlier than its class's length before `lba`. Nearly always one class or two exist.

use super::usable::bits;
use protocol::VolumeId;
use std::collections::BTreeMap;

/// A volume, the class of the length, the start, and a number that tells equal ones apart.
pub type Key = (VolumeId, u16, u64, u64);

#[derive(Debug)]
pub struct Ranges<T> {
    map: BTreeMap<Key, (u64, T)>,
    /// Classes that exist, and how many ranges each has.
    classes: u128,
    counts: [u32; 65],
    serial: u64,
}

impl<T> Default for Ranges<T> {
    fn default() -> Self {
        Ranges {
            map: BTreeMap::new(),
            classes: 0,
            counts: [0; 65],
            serial: 0,
        }
    }
}

/// The smallest `k` with `2^k` at least the length.
pub fn class_of(lba: u64, end: u64) -> u16 {
    let longest = end.saturating_sub(lba).saturating_sub(1);
    (u64::BITS - longest.leading_zeros()) as u16
}

/// The greatest length in a class.
pub fn longest(class: u16) -> u64 {
    1u64.checked_shl(u32::from(class)).unwrap_or(u64::MAX)
}

#[cfg(test)]
thread_local! {
    /// Entries that were looked at, for tests that hold a burst to what it may cost.
    pub static STEPS: std::cell::Cell<u64> = const { std::cell::Cell::new(0) };
}

/// One more entry is looked at.
#[inline(always)]
pub fn stepped() {
    #[cfg(test)]
    STEPS.with(|steps| steps.set(steps.get() + 1));
}

impl<T> Ranges<T> {
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.classes == 0
    }

    #[cfg(test)]
    pub fn len(&self) -> usize {
        self.map.len()
    }

    pub fn insert(&mut self, volume: VolumeId, lba: u64, end: u64, what: T) -> Key {
        let class = class_of(lba, end);
        self.serial += 1;
        let key = (volume, class, lba, self.serial);
        self.map.insert(key, (end, what));
        self.counts[usize::from(class)] += 1;
        self.classes |= 1 << class;
        key
    }

    pub fn get(&self, key: &Key) -> Option<&T> {
        self.map.get(key).map(|(_, what)| what)
    }

    /// Forgets one; returns its end and what it was.
    pub fn remove(&mut self, key: &Key) -> Option<(u64, T)> {
        let gone = self.map.remove(key)?;
        let class = usize::from(key.1);
        self.counts[class] -= 1;
        if self.counts[class] == 0 {
            self.classes &= !(1 << class);
        }
        Some(gone)
    }

    /// Whether a range that overlaps this one fits.
    pub fn any(&self, volume: VolumeId, lba: u64, end: u64, fits: impl Fn(&T) -> bool) -> bool {
        self.overlapping(volume, lba, end, |_, e, what| e > lba && fits(what))
    }

    /// Whether a single range holds all of this one.
    pub fn covers(&self, volume: VolumeId, lba: u64, end: u64) -> bool {
        self.overlapping(volume, lba, end, |start, e, _| start <= lba && e >= end)
    }

    fn overlapping(
        &self,
        volume: VolumeId,
        lba: u64,
        end: u64,
        fits: impl Fn(u64, u64, &T) -> bool,
    ) -> bool {
        bits(self.classes).any(|class| {
            let from = lba.saturating_sub(longest(class) - 1);
            self.map
                .range((volume, class, from, 0)..(volume, class, end, 0))
                .any(|((.., start, _), (e, what))| {
                    stepped();
                    fits(*start, *e, what)
                })
        })
    }

    /// Forgets those that fit; returns how many.
    pub fn forget(&mut self, fits: impl Fn(&T) -> bool) -> u32 {
        let (counts, classes) = (&mut self.counts, &mut self.classes);
        let before = self.map.len();
        self.map.retain(|(_, class, ..), (_, what)| {
            stepped();
            let gone = fits(what);
            if gone {
                counts[usize::from(*class)] -= 1;
                if counts[usize::from(*class)] == 0 {
                    *classes &= !(1 << *class);
                }
            }
            !gone
        });
        (before - self.map.len()) as u32
    }

    pub fn find(&self, fits: impl Fn(&T) -> bool) -> Option<&T> {
        self.map.values().map(|(_, what)| what).find(|w| {
            stepped();
            fits(w)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn classes_are_powers_of_two() {
        for (blocks, class) in [(1, 0), (2, 1), (3, 2), (4, 2), (5, 3), (8, 3), (9, 4)] {
            assert_eq!(class_of(7, 7 + blocks), class, "{blocks}");
        }
        assert_eq!(class_of(0, u64::MAX), 64);
    }

    #[test]
    fn the_ends_of_the_address_space_are_no_exception() {
        let mut r = Ranges::default();
        r.insert(VolumeId(1), 0, u64::MAX, 1);
        assert!(r.any(VolumeId(1), u64::MAX - 1, u64::MAX, |_| true));
        assert!(r.any(VolumeId(1), 0, 1, |_| true));
        assert!(!r.any(VolumeId(0), 0, u64::MAX, |_| true));
        assert!(!r.any(VolumeId(2), 0, u64::MAX, |_| true));
        assert_eq!(r.forget(|_| true), 1);
        assert!(r.is_empty());
    }

    proptest! {
        #![proptest_config(ProptestConfig {
            rng_seed: proptest::test_runner::RngSeed::Fixed(1),
            failure_persistence: None,
            ..ProptestConfig::default()
        })]

        /// Against a plain list that is walked.
        #[test]
        fn overlaps_are_as_in_a_plain_list(
            ops in prop::collection::vec((0..3u8, 0..2u16, 0..80u64, 1..40u64, 0..4u8), 1..200),
        ) {
            let mut ranges = Ranges::default();
            let mut plain: Vec<(u16, u64, u64, u8)> = Vec::new();
            for (op, volume, lba, blocks, what) in ops {
                let end = lba + blocks;
                match op {
                    0 => {
                        ranges.insert(VolumeId(volume), lba, end, what);
                        plain.push((volume, lba, end, what));
                    }
                    1 => {
                        let fits = |p: &(u16, u64, u64, u8)| p.0 == volume && p.1 < end && lba < p.2 && p.3 == what;
                        let expected = plain.iter().any(fits);
                        prop_assert_eq!(ranges.any(VolumeId(volume), lba, end, |w| *w == what), expected);
                    }
                    2 if blocks % 2 == 1 => {
                        let covers = |p: &(u16, u64, u64, u8)| p.0 == volume && p.1 <= lba && end <= p.2;
                        let expected = plain.iter().any(covers);
                        prop_assert_eq!(ranges.covers(VolumeId(volume), lba, end), expected);
                    }
                    _ if blocks < 5 => {
                        let before = plain.len();
                        plain.retain(|p| p.3 != what);
                        prop_assert_eq!(ranges.forget(|w| *w == what) as usize, before - plain.len());
                    }
                    _ => {}
                }
                prop_assert_eq!(ranges.len(), plain.len());
                prop_assert_eq!(ranges.is_empty(), plain.is_empty());
            }
        }
    }
}
