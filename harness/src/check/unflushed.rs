//! What one volume of an array with a volatile cache may lose in a crash, and what it must not.
//!
//! For each block the *floor* is the newest write, in media order, that must be durable: acknowledged and either
//! covered by a flush or written through (FUA). A crash may restore the floor or anything that took effect after it,
//! nothing older. Acknowledged writes wait in the order of their acknowledgement, so that a flush covers a prefix.

use super::mirror::Mirror;
use super::open::Record;
use simarray::api::Stamp;
use std::collections::VecDeque;

/// Acknowledged, unflushed writes that are kept one by one; older ones are folded into one stamp a block.
const ONE_BY_ONE: usize = 1 << 16;

/// An effect that is not known to be durable.
#[derive(Clone, Copy, Debug)]
struct Part {
    /// When its write was acknowledged, in the order of all that the checker was told.
    acked: u64,
    /// The host whose write it is.
    host: u16,
    /// When it took effect.
    turn: u64,
    lba: u64,
    end: u64,
    stamp: Stamp,
}

impl Part {
    fn overlaps(&self, lba: u64, end: u64) -> bool {
        self.lba < end && lba < self.end
    }
}

/// The newest stamp of each block by the turn of its effect.
#[derive(Debug)]
struct Newest {
    stamp: Mirror,
    turn: Mirror,
    older: Vec<(u64, u64)>,
}

impl Newest {
    fn new(block_bytes: u32) -> Newest {
        Newest {
            stamp: Mirror::new(block_bytes),
            turn: Mirror::new(block_bytes),
            older: Vec::new(),
        }
    }

    fn raise(&mut self, lba: u64, end: u64, turn: u64, stamp: Stamp) {
        self.older.clear();
        self.turn.runs(lba, end - lba, |at, n, had| {
            if had < turn {
                self.older.push((at, n));
            }
        });
        for (at, n) in self.older.drain(..) {
            self.turn.set(at, n, turn);
            self.stamp.set(at, n, stamp);
        }
    }

    /// Whether no block of the range has something older than `turn`.
    fn all_after(&self, lba: u64, end: u64, turn: u64) -> bool {
        let mut all = true;
        self.turn.runs(lba, end - lba, |_, _, t| all &= t > turn);
        all
    }
}

#[derive(Debug)]
pub struct Unflushed {
    block_bytes: u32,
    floor: Newest,
    acked: VecDeque<Part>,
    folded: Newest,
    /// The newest acknowledgement among the folded.
    folded_acked: u64,
    /// Effects of failed writes: durable or not, nobody can tell.
    failed: Vec<Part>,
    /// What crashes have lawfully taken back, until rewritten.
    lost: Mirror,
}

impl Unflushed {
    pub fn new(block_bytes: u32) -> Unflushed {
        Unflushed {
            block_bytes,
            floor: Newest::new(block_bytes),
            acked: VecDeque::new(),
            folded: Newest::new(block_bytes),
            folded_acked: 0,
            failed: Vec::new(),
            lost: Mirror::new(block_bytes),
        }
    }

    #[cfg(test)]
    pub fn footprint(&self) -> (usize, usize) {
        (self.acked.len(), self.failed.len())
    }

    /// Part of a write was acknowledged.
    pub fn acked(&mut self, order: u64, turn: u64, lba: u64, end: u64, write: &Record) {
        let stamp = write.stamp;
        if write.fua {
            self.floor.raise(lba, end, turn, stamp);
            return;
        }
        self.acked.push_back(Part {
            acked: order,
            host: write.host,
            turn,
            lba,
            end,
            stamp,
        });
        if self.acked.len() > ONE_BY_ONE {
            for part in self.acked.drain(..ONE_BY_ONE / 2) {
                self.folded.raise(part.lba, part.end, part.turn, part.stamp);
                self.folded_acked = part.acked;
            }
        }
    }

    /// Part of a failed write took effect, before its failure or after.
    pub fn failed(&mut self, turn: u64, lba: u64, end: u64, stamp: Stamp) {
        let known = self
            .failed
            .iter_mut()
            .find(|p| (p.stamp, p.lba, p.end) == (stamp, lba, end));
        match known {
            Some(part) => part.turn = turn,
            None => self.failed.push(Part {
                acked: u64::MAX,
                host: 0,
                turn,
                lba,
                end,
                stamp,
            }),
        }
    }

    /// A flush that was submitted at `submitted` succeeded: what was acknowledged before is durable.
    pub fn flushed(&mut self, submitted: u64) {
        if self.folded_acked != 0 && self.folded_acked < submitted {
            let folded = std::mem::replace(&mut self.folded, Newest::new(self.block_bytes));
            folded.turn.each(|lba, blocks, turn| {
                if turn != 0 {
                    let stamp = folded.stamp.get(lba);
                    self.floor.raise(lba, lba + blocks, turn, stamp);
                }
            });
            self.folded_acked = 0;
        }
        while let Some(part) = self.acked.front().copied()
            && part.acked < submitted
        {
            self.floor.raise(part.lba, part.end, part.turn, part.stamp);
            self.acked.pop_front();
        }
        let floor = &self.floor;
        self.failed
            .retain(|p| !floor.all_after(p.lba, p.end, p.turn));
    }

    /// Calls `f(lba, end, stamp, turn)` for the floor of a range, in ascending runs.
    pub fn floor(&self, lba: u64, end: u64, mut f: impl FnMut(u64, u64, Stamp, u64)) {
        self.floor.turn.runs(lba, end - lba, |at, n, turn| {
            self.floor
                .stamp
                .runs(at, n, |at, n, stamp| f(at, at + n, stamp, turn));
        });
    }

    /// When `stamp` last took effect on a whole range, after `turn`, as an acknowledged or a failed write.
    pub fn turn_of(&self, lba: u64, end: u64, stamp: Stamp, turn: u64) -> Option<u64> {
        if self.folded_acked != 0 && self.folded.all_after(lba, end, turn) {
            // It may have been any of those that were folded into one: the benefit of the doubt.
            return Some(u64::MAX);
        }
        let covers = |p: &&Part| p.stamp == stamp && p.turn > turn && p.lba <= lba && end <= p.end;
        let parts = self.acked.iter().chain(&self.failed);
        parts.filter(covers).map(|p| p.turn).max()
    }

    /// Calls `f(lba, end)` for each piece of this write that is kept.
    pub fn pieces_of(&self, stamp: Stamp, f: &mut impl FnMut(u64, u64)) {
        let parts = self.acked.iter().chain(&self.failed);
        parts
            .filter(|p| p.stamp == stamp)
            .for_each(|p| f(p.lba, p.end));
    }

    /// The hosts whose writes that were acknowledged before `before` took effect in a range after `turn`.
    pub fn acked_by(
        &self,
        lba: u64,
        end: u64,
        turn: u64,
        before: u64,
    ) -> impl Iterator<Item = u16> + '_ {
        let prefix = self.acked.iter().take_while(move |p| p.acked < before);
        let hit = prefix.filter(move |p| p.turn > turn && p.overlaps(lba, end));
        hit.map(|p| p.host)
    }

    /// A crash restored a range, which is durable now; `old` is what it took back.
    pub fn restored(&mut self, order: u64, lba: u64, end: u64, restored: Stamp, old: Stamp) {
        self.floor.raise(lba, end, order, restored);
        self.lost.set(lba, end - lba, old);
    }

    /// What a range holds is durable, and was made so after everything before.
    pub fn durable(&mut self, order: u64, lba: u64, end: u64, stamp: Stamp) {
        self.floor.raise(lba, end, order, stamp);
    }

    /// Something took effect.
    #[inline]
    pub fn rewritten(&mut self, lba: u64, end: u64) {
        if !self.lost.is_empty() {
            self.lost.set(lba, end - lba, 0);
        }
    }

    /// Whether an effect changes only blocks from which a crash has taken back that very write.
    pub fn may_come_back(&self, media: &Mirror, lba: u64, end: u64, stamp: Stamp) -> bool {
        let mut may = true;
        media.runs(lba, end - lba, |at, n, held| {
            may &= held == stamp || !self.lost.differs(at, n, stamp);
        });
        may
    }
}
