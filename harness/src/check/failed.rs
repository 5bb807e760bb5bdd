//! Writes that the application was told have failed: *unknown*, not undone. Each may still take effect, until a later
//! write over the block has completed. They are kept only as long as that can be; with none there is no cost.
//!
//! A write that completes must find the failed ones that it overlaps, among thousands of any size. So they are ordered
//! by volume, size class (a power of two) and address: a class has a bounded reach back.

use protocol::Instant;
use simarray::api::Stamp;
use std::collections::BTreeMap;

/// Volume, size class, first block, stamp.
type Key = (u16, u8, u64, Stamp);

/// Blocks over which a later write has completed, and when.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Mark {
    pub lba: u64,
    pub end: u64,
    pub at: Instant,
}

#[derive(Debug)]
pub struct FailedWrite {
    pub volume: u16,
    pub lba: u64,
    pub end: u64,
    /// Place of the failed completion in the order of all that the checker was told.
    failed: u64,
    pub submitted_at: Instant,
    pub failed_at: Instant,
    /// Ascending, apart.
    pub superseded: Vec<Mark>,
}

impl FailedWrite {
    pub fn text(&self, stamp: Stamp) -> String {
        format!(
            "write {stamp:#x} (volume {}, LBA {}, {} blocks, submitted at {} ns, failed at {} ns)",
            self.volume,
            self.lba,
            self.end - self.lba,
            self.submitted_at.0,
            self.failed_at.0
        )
    }

    /// Adds a mark; tells whether every block has one now.
    fn supersede(&mut self, lba: u64, end: u64, at: Instant) -> bool {
        let mut new = Mark { lba, end, at };
        self.superseded.retain(|m| {
            let apart = m.end < new.lba || new.end < m.lba;
            if !apart {
                new.lba = new.lba.min(m.lba);
                new.end = new.end.max(m.end);
            }
            apart
        });
        let place = self.superseded.partition_point(|m| m.lba < new.lba);
        self.superseded.insert(place, new);
        new.lba <= self.lba && self.end <= new.end
    }
}

#[derive(Debug, Default)]
pub struct FailedWrites {
    writes: BTreeMap<Key, FailedWrite>,
    by_stamp: BTreeMap<Stamp, Key>,
    /// How many there are of each size class.
    classes: [usize; 32],
}

impl FailedWrites {
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.writes.is_empty()
    }

    #[cfg(test)]
    pub fn len(&self) -> usize {
        self.writes.len()
    }

    pub fn add(&mut self, order: u64, record: &super::open::Record) {
        if record.blocks == 0 {
            return;
        }
        let class = record.blocks.ilog2() as u8;
        let key = (record.volume, class, record.lba, record.stamp);
        self.writes.insert(
            key,
            FailedWrite {
                volume: record.volume,
                lba: record.lba,
                end: record.end(),
                failed: order,
                submitted_at: record.submitted_at,
                failed_at: record.completed_at,
                superseded: Vec::new(),
            },
        );
        self.by_stamp.insert(record.stamp, key);
        self.classes[usize::from(class)] += 1;
    }

    pub fn of(&self, stamp: Stamp) -> Option<&FailedWrite> {
        self.writes.get(self.by_stamp.get(&stamp)?)
    }

    /// A write that was submitted at `submitted` completed without error: nothing that failed before may appear there.
    #[cold]
    pub fn supersede(&mut self, submitted: u64, now: Instant, volume: u16, lba: u64, end: u64) {
        let mut done: Vec<Key> = Vec::new();
        for (class, count) in self.classes.iter().enumerate() {
            if *count == 0 {
                continue;
            }
            let class = class as u8;
            let reach = (2u64 << class) - 2;
            let from = (volume, class, lba.saturating_sub(reach), 0);
            for (key, write) in self.writes.range_mut(from..(volume, class, end, 0)) {
                if write.end > lba
                    && write.failed < submitted
                    && write.supersede(lba.max(write.lba), end.min(write.end), now)
                {
                    done.push(*key);
                }
            }
        }
        for key in done {
            self.writes.remove(&key);
            self.by_stamp.remove(&key.3);
            self.classes[usize::from(key.1)] -= 1;
        }
    }
}
