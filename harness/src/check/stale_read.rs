//! `stale_read`: each block of a read that succeeded must have been on the media at some moment between the read's
//! submission and its completion, and the blocks of a read no larger than the atomic unit all at one moment.
//!
//! Nearly every read finds on the media now what it returned, and is done. Only for the others is it remembered what
//! was overwritten, and only where a read is outstanding: a small table of counters, by hash of the page, says where.
//! A false alarm of the hash costs one entry. The entries go as soon as no outstanding read is older than they.

use super::Checker;
use super::open::{OpenTable, Record};
use protocol::Instant;
use simarray::api::Stamp;
use std::collections::VecDeque;

/// Counters of outstanding reads: more than there are pages under outstanding reads, and small enough for the cache.
const WATCH_BITS: u32 = 12;
/// Entries that are kept at most. Beyond it (a read stuck over a hot spot for seconds) the oldest are forgotten, and
/// reads older than those are given the benefit of the doubt.
const OVERWRITES_MAX: usize = 1 << 18;

/// What an effect replaced.
#[derive(Clone, Copy, Debug)]
struct Overwrite {
    /// Place of the effect in the order of all that the checker was told.
    order: u64,
    lba: u64,
    end: u64,
    old: Stamp,
    volume: u16,
}

#[derive(Debug)]
pub struct Overwrites {
    ring: VecDeque<Overwrite>,
    watched: Vec<u32>,
    outstanding: usize,
    /// Reads in the order of their submission, the finished ones removed lazily.
    reads: VecDeque<(u64, u32)>,
    /// Order of the newest entry that was dropped for want of room.
    forgotten: u64,
}

#[inline]
fn watch(volume: u16, page: u64) -> usize {
    let mixed = (page ^ (u64::from(volume) << 44)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    (mixed >> (64 - WATCH_BITS)) as usize
}

impl Overwrites {
    pub fn new() -> Overwrites {
        Overwrites {
            ring: VecDeque::new(),
            watched: vec![0; 1 << WATCH_BITS],
            outstanding: 0,
            reads: VecDeque::new(),
            forgotten: 0,
        }
    }

    /// Pages from `first` to `last`, or each counter once where there are more pages than counters.
    #[inline]
    fn places(volume: u16, first: u64, last: u64) -> impl Iterator<Item = usize> {
        let all = last - first >= 1 << WATCH_BITS;
        let pages = if all { 0 } else { last - first + 1 };
        let counters = if all { 1 << WATCH_BITS } else { 0 };
        (0..pages)
            .map(move |i| watch(volume, first + i))
            .chain(0..counters)
    }

    #[inline]
    pub fn read_submitted(&mut self, order: u64, slot: u32, volume: u16, first: u64, last: u64) {
        for place in Overwrites::places(volume, first, last) {
            self.watched[place] += 1;
        }
        self.outstanding += 1;
        self.reads.push_back((order, slot));
    }

    #[inline]
    pub fn read_over(&mut self, volume: u16, first: u64, last: u64, open: &OpenTable) {
        for place in Overwrites::places(volume, first, last) {
            self.watched[place] = self.watched[place].saturating_sub(1);
        }
        self.outstanding = self.outstanding.saturating_sub(1);
        if self.outstanding == 0 {
            self.reads.clear();
            self.ring.clear();
        } else if self.reads.len() > 2 * self.outstanding + 64 {
            self.reads
                .retain(|&(order, slot)| open.is_open_since(slot, order));
        }
    }

    /// Whether a read may be outstanding over one of these pages.
    #[inline]
    pub fn watches(&self, volume: u16, first: u64, last: u64) -> bool {
        self.outstanding != 0
            && (last - first >= 1 << WATCH_BITS
                || (first..=last).any(|page| self.watched[watch(volume, page)] != 0))
    }

    /// Drops what no outstanding read can have seen.
    pub fn prune(&mut self, open: &OpenTable) {
        while let Some(&(order, slot)) = self.reads.front() {
            if open.is_open_since(slot, order) {
                break;
            }
            self.reads.pop_front();
        }
        let oldest = self.reads.front().map_or(u64::MAX, |r| r.0);
        while self.ring.front().is_some_and(|o| o.order < oldest) {
            self.ring.pop_front();
        }
    }

    pub fn push(&mut self, order: u64, volume: u16, lba: u64, blocks: u64, old: Stamp) {
        let end = lba + blocks;
        if let Some(last) = self.ring.back_mut()
            && (last.order, last.volume, last.end, last.old) == (order, volume, lba, old)
        {
            last.end = end;
            return;
        }
        if self.ring.len() == OVERWRITES_MAX
            && let Some(gone) = self.ring.pop_front()
        {
            self.forgotten = gone.order;
        }
        self.ring.push_back(Overwrite {
            order,
            lba,
            end,
            old,
            volume,
        });
    }

    #[cfg(test)]
    pub fn footprint(&self) -> (usize, usize) {
        (self.ring.len(), self.reads.len())
    }

    /// Goes back in time from `held`, the content now, to the read's submission: marks in `seen` which blocks held `data` at some
    /// moment, and tells whether all did at one. Stops as early as `whole` allows.
    fn explain(
        &self,
        read: &Record,
        data: &[Stamp],
        held: &mut [Stamp],
        seen: &mut [bool],
        whole: bool,
    ) -> bool {
        let lba = read.lba;
        let mut wrong = 0;
        let mut unseen = 0;
        for ((seen, held), data) in seen.iter_mut().zip(held.iter()).zip(data) {
            *seen = held == data;
            wrong += usize::from(!*seen);
            unseen += usize::from(!*seen);
        }
        let end = lba + data.len() as u64;
        let mut moment = u64::MAX;
        for over in self
            .ring
            .iter()
            .rev()
            .take_while(|o| o.order > read.submitted)
        {
            if over.order != moment && (wrong == 0 || (unseen == 0 && !whole)) {
                return wrong == 0;
            }
            moment = over.order;
            if over.volume != read.volume || over.end <= lba || end <= over.lba {
                continue;
            }
            for block in over.lba.max(lba)..over.end.min(end) {
                let i = (block - lba) as usize;
                let was_wrong = held[i] != data[i];
                held[i] = over.old;
                let is_wrong = held[i] != data[i];
                wrong = wrong + usize::from(is_wrong) - usize::from(was_wrong);
                if !is_wrong && !seen[i] {
                    seen[i] = true;
                    unseen -= 1;
                }
            }
        }
        wrong == 0
    }
}

impl Checker {
    /// A read completed without error.
    #[inline]
    pub(super) fn judge_read(&mut self, now: Instant, slot: u32, data: &[Stamp]) {
        let Some(read) = self.known.open.get(slot) else {
            return;
        };
        if self.pages(read.volume, read.lba, read.blocks).is_none() {
            return;
        }
        let media = &self.media[usize::from(read.volume)];
        if data.len() != read.blocks as usize {
            self.findings.report("stale_read", now, || {
                format!(
                    "The {} returned {} blocks of data.",
                    read.text(),
                    data.len()
                )
            });
            return;
        }
        if !media.equals(read.lba, data) {
            self.explain_read(now, slot, data);
        }
    }

    #[cold]
    fn explain_read(&mut self, now: Instant, slot: u32, data: &[Stamp]) {
        let Some(read) = self.known.open.get(slot) else {
            return;
        };
        let media = &self.media[usize::from(read.volume)];
        let whole = read.blocks <= self.unit_blocks;
        self.held.clear();
        media.runs(read.lba, data.len() as u64, |_, n, stamp| {
            self.held.extend(std::iter::repeat_n(stamp, n as usize));
        });
        self.seen.clear();
        self.seen.resize(data.len(), false);
        let over = &self.overwrites;
        let at_once = over.explain(read, data, &mut self.held, &mut self.seen, whole);
        let doubtful = over.forgotten > read.submitted;
        let issued = self.known.stamps;
        let bad = (0..data.len()).find(|&i| !self.seen[i] && (!doubtful || data[i] > issued));
        let Some(bad) = bad else {
            if whole && !at_once && !doubtful {
                self.findings.report("torn_write", now, || {
                    format!(
                        "The {} returned blocks that were on the media one after the other but never together: {data:#x?}.",
                        read.text()
                    )
                });
            }
            return;
        };
        let lba = read.lba + bad as u64;
        let value = data[bad];
        let foreign = self.foreign(value, read.volume, lba);
        let text = || {
            format!(
                "The {} returned at LBA {lba} {}, which was not there at any moment in between; the media hold {} now.",
                read.text(),
                self.known.describe(value),
                self.known.describe(media.get(lba))
            )
        };
        let rule = if foreign {
            "wrong_volume"
        } else {
            "stale_read"
        };
        self.findings.report(rule, now, text);
    }

    /// Whether a value belongs to another volume, as far as anybody still knows.
    fn foreign(&self, stamp: Stamp, volume: u16, lba: u64) -> bool {
        if stamp == 0 {
            return false;
        }
        match self.known.volume(stamp) {
            Some(owner) => owner != volume,
            None => {
                let others = self.media.iter().enumerate();
                let mut others = others.filter(|(v, _)| *v != usize::from(volume));
                others.any(|(_, media)| media.get(lba) == stamp)
            }
        }
    }
}
