//! `lost_write`: acknowledged and gone.
//!
//! A write is acknowledged although some of its blocks never took effect; or a crash takes back what must be durable
//! (the cache is not volatile, the write was FUA, or a flush that was submitted after its acknowledgement succeeded);
//! or the crash was entitled to take it, and no flush said so.
//!
//! A write that a crash took back before its acknowledgement arrived, and that is acknowledged all the same (its answer
//! was on the wire, from a controller that lives on), is an acknowledged, unflushed write that is lost: the volume owes
//! a failed flush from then on.

use super::Checker;
use super::open::State;
use protocol::{Instant, VolumeId};
use simarray::api::Stamp;

impl Checker {
    /// A write was acknowledged that has no effect of the whole.
    #[cold]
    pub(super) fn judge_pieces(&mut self, now: Instant, slot: u32) {
        let Some(write) = self.known.open.get(slot) else {
            return;
        };
        if write.blocks == 0 {
            return;
        }
        let volatile = !self.unflushed.is_empty();
        let missing = write.first_uncovered(volatile);
        if let Some(lba) = missing {
            self.findings.report("lost_write", now, || {
                format!(
                    "The {} took no effect at LBA {lba}, at least, before it was acknowledged.",
                    write.text()
                )
            });
        } else if let Some(lba) = write.first_uncovered(false) {
            let (volume, stamp, fua) = (usize::from(write.volume), write.stamp, write.fua);
            let host = write.host;
            if fua {
                self.findings.report("lost_write", now, || {
                    format!(
                        "The {} was lost in a crash at LBA {lba}, at least, and not written again.",
                        write.text()
                    )
                });
            } else if let Some(flushes) = self.flushes.get_mut(volume) {
                flushes.lost(self.order, Some(host), lba, stamp);
            }
        }
    }

    /// A write is over, in an array with a volatile cache.
    pub(super) fn keep_unflushed(&mut self, slot: u32, ok: bool) {
        let Some(write) = self.known.open.get(slot) else {
            return;
        };
        let Some(unflushed) = self.unflushed.get_mut(usize::from(write.volume)) else {
            return;
        };
        let order = self.order;
        write.effects(|lba, end, turn| {
            if ok {
                unflushed.acked(order, turn, lba, end, write);
            } else {
                unflushed.failed(turn, lba, end, write.stamp);
            }
        });
    }

    /// A flush is over.
    pub(super) fn judge_flush(&mut self, now: Instant, slot: u32, ok: bool) {
        let Some(flush) = self.known.open.get(slot) else {
            return;
        };
        let volume = usize::from(flush.volume);
        let submitted = flush.submitted;
        if let Some(flushes) = self.flushes.get_mut(volume)
            && let Some((debt, text)) = flushes.completed(self.order, slot, ok, || flush.text())
        {
            self.findings.report("lost_write", now, || {
                format!(
                    "The {text} succeeded, and no flush has failed since a crash lost the {} at LBA {}.",
                    self.known.describe(debt.stamp),
                    debt.lba
                )
            });
        }
        if ok && let Some(unflushed) = self.unflushed.get_mut(volume) {
            unflushed.flushed(submitted);
        }
    }

    /// A crash took back what a range held.
    #[cold]
    pub(super) fn judge_loss(
        &mut self,
        now: Instant,
        volume: VolumeId,
        lba: u64,
        end: u64,
        restored: Stamp,
    ) {
        let at = usize::from(volume.0);
        let Some(media) = self.media.get(at) else {
            return;
        };
        let mut changed: Vec<(u64, u64, Stamp)> = Vec::new();
        let mut note = |at, n, old| {
            if old != restored {
                changed.push((at, at + n, old));
            }
        };
        match self.veil.covers(volume.0, lba, end) {
            false => media.runs(lba, end - lba, note),
            true => self
                .veil
                .beneath(media, volume.0, lba, end)
                .into_iter()
                .for_each(|(at, old)| note(at, 1, old)),
        }
        for (from, to, old) in changed {
            let open = self.known.is_open(old);
            if self.unflushed.is_empty() {
                if self.known.is_acknowledged(old) {
                    self.findings.report("lost_write", now, || {
                        format!(
                            "The {} is gone from LBA {from} to {} of volume {} in a crash, though the cache is not volatile.",
                            self.known.describe(old),
                            to - 1,
                            volume.0
                        )
                    });
                }
            } else {
                self.judge_restored(now, volume, from, to, restored, old);
            }
            if let Some(write) = self.known.open.of_mut(old)
                && open
            {
                write.lost(from, to);
            }
        }
    }

    fn judge_restored(
        &mut self,
        now: Instant,
        volume: VolumeId,
        from: u64,
        to: u64,
        restored: Stamp,
        old: Stamp,
    ) {
        let at = usize::from(volume.0);
        let unflushed = &self.unflushed[at];
        let mut floors: Vec<(u64, u64, Stamp, u64)> = Vec::new();
        // A write of several commands took effect in pieces: what comes back of it is judged piece by piece.
        let cuts = self.cuts(at, from, to, restored);
        unflushed.floor(from, to, |lba, end, stamp, turn| {
            let mut begin = lba;
            for cut in cuts.iter().copied().filter(|cut| lba < *cut && *cut < end) {
                floors.push((begin, cut, stamp, turn));
                begin = cut;
            }
            floors.push((begin, end, stamp, turn));
        });
        let mut losers = Vec::new();
        for &(lba, end, floor, turn) in &floors {
            let floor_turn = (floor == restored).then_some(turn);
            let unflushed_turn = unflushed.turn_of(lba, end, restored, turn);
            let open_turn = self.turn_of_open(lba, end, restored, turn);
            let restored_turn = floor_turn.max(unflushed_turn).max(open_turn);
            // What is shown from memory is written once more; what was, until its datapath died, is the price of that.
            let covered = self.veil.covers(volume.0, lba, end);
            if restored_turn.is_none() && !covered {
                self.findings.report("lost_write", now, || {
                    format!(
                        "The {} was durable and is gone from LBA {lba} to {} of volume {}: a crash put {} back.",
                        self.known.describe(floor),
                        end - 1,
                        volume.0,
                        self.known.describe(restored)
                    )
                });
            }
            let back_to = restored_turn.unwrap_or(turn);
            losers.extend(unflushed.acked_by(lba, end, back_to, u64::MAX));
            let concerns = |host, submitted| {
                let mut hosts = unflushed.acked_by(lba, end, back_to, submitted);
                hosts.any(|of| of == host)
            };
            self.flushes[at].in_flight(concerns);
        }
        losers.sort_unstable();
        losers.dedup();
        for host in &losers {
            self.flushes[at].lost(self.order, Some(*host), from, old);
        }
        if losers.is_empty() && self.known.is_acknowledged(old) {
            self.flushes[at].lost(self.order, None, from, old);
        }
        self.unflushed[at].restored(self.order, from, to, restored, old);
    }

    /// Where the pieces of a write begin and end inside a range, in ascending order, each once.
    fn cuts(&self, volume: usize, from: u64, to: u64, stamp: Stamp) -> Vec<u64> {
        let mut cuts = Vec::new();
        let mut bounds = |lba: u64, end: u64| {
            cuts.extend([lba, end].into_iter().filter(|at| from < *at && *at < to));
        };
        self.unflushed[volume].pieces_of(stamp, &mut bounds);
        if let Some(write) = self.known.open.of(stamp).filter(|w| w.state == State::Open) {
            write.effects(|lba, end, _| bounds(lba, end));
        }
        cuts.sort_unstable();
        cuts.dedup();
        cuts
    }

    /// When an open write last took effect on a whole range, after `turn`.
    fn turn_of_open(&self, lba: u64, end: u64, stamp: Stamp, turn: u64) -> Option<u64> {
        let mut last = None;
        let write = self
            .known
            .open
            .of(stamp)
            .filter(|w| w.state == State::Open)?;
        write.effects(|from, to, at| {
            if from <= lba && end <= to && at > turn {
                last = last.max(Some(at));
            }
        });
        last
    }
}
