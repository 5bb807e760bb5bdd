//! The table of ranges that an attempt which was lost may still write: by range, for what would overlap it, and by ticket, for the answer that ends it.

use super::api::{Epoch, Ticket};
use super::ranges::{Key, Ranges};
use protocol::VolumeId;
use std::collections::BTreeMap;

/// An attempt that may still execute.
#[derive(Clone, Copy, Debug)]
pub(super) struct Doubt {
    pub(super) shard: u16,
    pub(super) path: u16,
    pub(super) epoch: Epoch,
    /// The ticket that its command had after the loss: the attempt's own ticket, one generation on.
    pub(super) ticket: Ticket,
    /// Its association stood when it was given up.
    pub(super) alone: bool,
}

#[derive(Debug, Default)]
pub(super) struct Doubts {
    ranges: Ranges<Doubt>,
    of: BTreeMap<(u16, Ticket), Key>,
}

impl Doubts {
    #[inline]
    pub(super) fn is_empty(&self) -> bool {
        self.ranges.is_empty()
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        assert_eq!(self.ranges.len(), self.of.len());
        self.ranges.len()
    }

    pub(super) fn insert(&mut self, volume: VolumeId, lba: u64, end: u64, doubt: Doubt) {
        let key = self.ranges.insert(volume, lba, end, doubt);
        self.of.insert((doubt.shard, doubt.ticket), key);
    }

    /// Whether one that overlaps this range fits.
    pub(super) fn any(
        &self,
        volume: VolumeId,
        lba: u64,
        end: u64,
        fits: impl Fn(&Doubt) -> bool,
    ) -> bool {
        self.ranges.any(volume, lba, end, fits)
    }

    /// Whether a single one holds all of this range.
    pub(super) fn covers(&self, volume: VolumeId, lba: u64, end: u64) -> bool {
        self.ranges.covers(volume, lba, end)
    }

    pub(super) fn find(&self, fits: impl Fn(&Doubt) -> bool) -> Option<&Doubt> {
        self.ranges.find(fits)
    }

    pub(super) fn get(&self, shard: u16, ticket: Ticket) -> Option<&Doubt> {
        self.ranges.get(self.of.get(&(shard, ticket))?)
    }

    /// The attempt is over. Returns the range that it may have written: volume, start and end.
    pub(super) fn end(&mut self, shard: u16, ticket: Ticket) -> Option<(VolumeId, u64, u64)> {
        let key = self.of.remove(&(shard, ticket))?;
        let (end, _) = self.ranges.remove(&key)?;
        Some((key.0, key.2, end))
    }

    /// Forgets those that fit; returns how many. It looks at all.
    pub(super) fn forget(&mut self, fits: impl Fn(&Doubt) -> bool) -> u32 {
        let gone = self.ranges.forget(fits);
        if gone > 0 {
            let ranges = &self.ranges;
            self.of.retain(|_, key| ranges.get(key).is_some());
        }
        gone
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const VOLUME: VolumeId = VolumeId(0);

    fn doubt(shard: u16, slot: u32, epoch: u32) -> Doubt {
        let generation = 1;
        Doubt {
            shard,
            path: 0,
            epoch: Epoch(epoch),
            ticket: Ticket { slot, generation },
            alone: false,
        }
    }

    #[test]
    fn each_is_ended_by_its_own_ticket_and_what_is_left_by_its_association() {
        let mut all = Doubts::default();
        // Two shards' tickets may be alike, and two ranges equal.
        for (shard, slot) in [(0, 1), (1, 1), (0, 2), (0, 3)] {
            let d = doubt(shard, slot, slot.min(2));
            all.insert(VOLUME, 8, 16, d);
        }
        let own = doubt(0, 1, 1);
        assert_eq!(all.end(0, own.ticket), Some((VOLUME, 8, 16)));
        assert_eq!(all.end(0, own.ticket), None);
        assert!(all.get(1, own.ticket).is_some());
        assert_eq!(all.len(), 3);
        assert_eq!(all.forget(|d| (d.shard, d.epoch) == (0, Epoch(2))), 2);
        assert_eq!(all.len(), 1);
        assert!(all.covers(VOLUME, 9, 16) && !all.covers(VOLUME, 9, 17));
        all.end(1, own.ticket);
        assert!(all.is_empty() && !all.any(VOLUME, 0, 64, |_| true));
    }
}
