//! Rules that are always on. They judge what applications saw and what took effect on the media, from the driver's
//! own record of both: never from the core's word, and never from the array's store.
//!
//! The world tells everything in the order of virtual time, and the place in that order is what the rules compare:
//! two events at one nanosecond have an order too. One file per rule; [`mirror`] is the media as the effects told
//! them, [`open`] what the applications wait for. Memory is bounded by what was written and what is outstanding,
//! unflushed, or failed and not yet superseded, never by the length of a run.

mod failed;
pub mod fatal;
mod findings;
mod flushes;
mod ghost_write;
mod history;
mod known;
mod lost_write;
mod mirror;
mod open;
mod stale_read;
#[cfg(test)]
mod tests;
mod torn_write;
mod unflushed;
mod veil;
mod wrong_volume;

use findings::Findings;
use flushes::Flushes;
use known::Known;
use mirror::Mirror;
use open::{SLOT_BITS, SLOT_MASK, State};
use protocol::{Instant, Op, VolumeId};
use simarray::api::Stamp;
use stale_read::Overwrites;
use unflushed::Unflushed;
use veil::Veil;

/// No volume has as many blocks: what claims to lie beyond is nonsense, and must not do harm.
const BLOCKS_MAX: u64 = 1 << 56;

/// What the rules must know of a run.
#[derive(Clone, Debug)]
pub struct CheckConfig {
    /// Blocks of each volume.
    pub volumes: Vec<u64>,
    pub block_bytes: u32,
    /// The array's cache loses what is not flushed in a crash.
    pub volatile: bool,
}

/// One command of an application, as the rules see it. `slot` is the driver's index of it: used again after completion.
#[derive(Clone, Copy, Debug)]
pub struct Submitted {
    /// Below 2²⁰.
    pub slot: u32,
    pub host: u16,
    pub volume: VolumeId,
    pub op: Op,
    pub lba: u64,
    pub blocks: u32,
    pub fua: bool,
    /// Of a mutating command: made by [`Checker::stamp`]. Otherwise 0.
    pub stamp: Stamp,
}

/// One broken rule.
#[derive(Clone, Debug)]
pub struct Finding {
    pub rule: &'static str,
    pub at: Instant,
    pub text: String,
}

/// The data rules.
#[derive(Debug)]
pub struct Checker {
    /// Blocks of the atomic unit: 4 KiB, or one block where that is larger.
    unit_blocks: u32,
    /// Place of the current call in the order of all calls.
    order: u64,
    known: Known,
    /// Per volume.
    media: Vec<Mirror>,
    flushes: Vec<Flushes>,
    /// Per volume where the cache is volatile, else empty.
    unflushed: Vec<Unflushed>,
    overwrites: Overwrites,
    veil: Veil,
    findings: Findings,
    /// Scratch of a read's judgement.
    held: Vec<Stamp>,
    seen: Vec<bool>,
}

impl Checker {
    pub fn new(config: CheckConfig) -> Checker {
        let block_bytes = config.block_bytes.max(1);
        let volumes = config.volumes.len();
        let volatile = if config.volatile { volumes } else { 0 };
        Checker {
            unit_blocks: (4096 / block_bytes).max(1),
            order: 0,
            known: Known::default(),
            media: (0..volumes).map(|_| Mirror::new(block_bytes)).collect(),
            flushes: (0..volumes).map(|_| Flushes::default()).collect(),
            unflushed: (0..volatile).map(|_| Unflushed::new(block_bytes)).collect(),
            overwrites: Overwrites::new(),
            veil: Veil::default(),
            findings: Findings::default(),
            held: Vec::new(),
            seen: Vec::new(),
        }
    }

    /// A new unique stamp for the mutating command in `slot`: 20 bits of slot below a growing number, never 0.
    #[inline]
    pub fn stamp(&mut self, slot: u32) -> Stamp {
        let number = (self.known.stamps >> SLOT_BITS) + 1;
        self.known.stamps = (number << SLOT_BITS) | SLOT_MASK;
        (number << SLOT_BITS) | (u64::from(slot) & SLOT_MASK)
    }

    /// The application submits (the datapath has not seen it yet).
    #[inline]
    pub fn submitted(&mut self, now: Instant, io: Submitted) {
        self.order += 1;
        if u64::from(io.slot) > SLOT_MASK {
            self.findings.report("leak", now, || {
                format!(
                    "Slot {} is out of range: there are {} slots, from 0 on.",
                    io.slot,
                    1 << SLOT_BITS
                )
            });
            return;
        }
        if self
            .known
            .open
            .get(io.slot)
            .is_some_and(|r| r.state == State::Open)
        {
            self.abandon(now, io.slot);
        }
        self.known.open.open(now, self.order, &io);
        match io.op {
            Op::Read => {
                if let Some((first, last)) = self.pages(io.volume.0, io.lba, io.blocks) {
                    self.overwrites
                        .read_submitted(self.order, io.slot, io.volume.0, first, last);
                }
            }
            Op::Flush => {
                if let Some(flushes) = self.flushes.get_mut(usize::from(io.volume.0)) {
                    flushes.submitted(self.order, io.slot, io.host);
                }
            }
            Op::Write | Op::Discard | Op::WriteZeroes => (),
        }
    }

    /// The driver uses a slot again though its command was never completed: nobody knows how that one ended.
    #[cold]
    fn abandon(&mut self, now: Instant, slot: u32) {
        if let Some(old) = self.known.open.get(slot) {
            self.findings.report("leak", now, || {
                format!(
                    "Slot {slot} is used again though its {} was never completed.",
                    old.text()
                )
            });
        }
        self.end(now, slot, false, &[]);
    }

    /// First and last page of a range on a volume that exists.
    #[inline]
    fn pages(&self, volume: u16, lba: u64, blocks: u32) -> Option<(u64, u64)> {
        let media = self.media.get(usize::from(volume))?;
        let last = lba.saturating_add(u64::from(blocks.max(1)) - 1);
        if last >= BLOCKS_MAX {
            return None;
        }
        Some((lba >> media.page_bits(), last >> media.page_bits()))
    }

    /// A mutating command took effect on the media of `volume` (in media order).
    #[inline]
    pub fn effect(&mut self, now: Instant, volume: VolumeId, lba: u64, blocks: u32, stamp: Stamp) {
        self.order += 1;
        let end = lba.saturating_add(u64::from(blocks));
        if blocks == 0 || self.is_nonsense(now, volume, lba, end, stamp) {
            return;
        }
        match self.known.open.of_mut(stamp) {
            Some(write) if write.state == State::Open => {
                if write.lba == lba && write.blocks == blocks && write.volume == volume.0 {
                    write.whole = self.order;
                } else {
                    self.judge_partial_effect(now, volume, lba, end, stamp);
                }
            }
            _ => {
                if self.veil.is_empty() {
                    self.judge_late_effect(now, volume, lba, end, stamp);
                } else {
                    for (from, to) in self.veil.judged(volume.0, lba, end, stamp) {
                        self.judge_late_effect(now, volume, from, to, stamp);
                    }
                }
                if self.known.failed.of(stamp).is_some()
                    && let Some(unflushed) = self.unflushed.get_mut(usize::from(volume.0))
                {
                    unflushed.failed(self.order, lba, end, stamp);
                }
            }
        }
        if let Some(unflushed) = self.unflushed.get_mut(usize::from(volume.0)) {
            unflushed.rewritten(lba, end);
        }
        if self.veil.is_empty() {
            return self.write_media(volume, lba, blocks, stamp);
        }
        for (from, to) in self.seen_of(volume, lba, end, stamp) {
            self.write_media(volume, from, (to - from) as u32, stamp);
        }
    }

    /// Whether something happened where no volume is.
    #[inline]
    fn is_nonsense(
        &mut self,
        now: Instant,
        volume: VolumeId,
        lba: u64,
        end: u64,
        stamp: Stamp,
    ) -> bool {
        let exists = usize::from(volume.0) < self.media.len();
        if exists && end <= BLOCKS_MAX {
            return false;
        }
        let rule = if exists { "torn_write" } else { "wrong_volume" };
        self.findings.report(rule, now, || {
            format!(
                "LBA {lba} of volume {}, which does not exist, changed for the {}.",
                volume.0,
                self.known.describe(stamp)
            )
        });
        true
    }

    /// The media hold something else from now on.
    #[inline]
    fn write_media(&mut self, volume: VolumeId, lba: u64, blocks: u32, stamp: Stamp) {
        let Some((first, last)) = self.pages(volume.0, lba, blocks) else {
            return;
        };
        let media = &mut self.media[usize::from(volume.0)];
        if self.overwrites.watches(volume.0, first, last) {
            self.overwrites.prune(&self.known.open);
            media.replace(lba, u64::from(blocks), stamp, |at, n, old| {
                self.overwrites.push(self.order, volume.0, at, n, old);
            });
        } else {
            media.set(lba, u64::from(blocks), stamp);
        }
    }

    /// A crash lost blocks of a volatile cache: all of them hold `restored` again.
    pub fn cache_lost(
        &mut self,
        now: Instant,
        volume: VolumeId,
        lba: u64,
        blocks: u32,
        restored: Stamp,
    ) {
        self.order += 1;
        let end = lba.saturating_add(u64::from(blocks));
        if blocks != 0 && !self.is_nonsense(now, volume, lba, end, restored) {
            self.judge_loss(now, volume, lba, end, restored);
            for (from, to) in self.seen_of(volume, lba, end, restored) {
                self.write_media(volume, from, (to - from) as u32, restored);
            }
        }
    }

    /// The application is told. `data`: one stamp a block for a read that succeeded.
    #[inline]
    pub fn completed(&mut self, now: Instant, slot: u32, ok: bool, data: &[Stamp]) {
        self.order += 1;
        if self
            .known
            .open
            .get(slot)
            .is_some_and(|r| r.state == State::Open)
        {
            self.end(now, slot, ok, data);
            return;
        }
        self.findings.report("duplicate_completion", now, || {
            match self.known.open.get(slot) {
                Some(old) if old.state != State::Never => {
                    format!(
                        "Slot {slot} was completed again; its last command is the {}.",
                        old.text()
                    )
                }
                _ => format!("Slot {slot} was completed, and nothing was ever submitted in it."),
            }
        });
    }

    #[inline]
    fn end(&mut self, now: Instant, slot: u32, ok: bool, data: &[Stamp]) {
        let known = &mut self.known;
        let Some(record) = known.open.close(now, slot, ok) else {
            return;
        };
        let (op, volume, lba, blocks) = (record.op, record.volume, record.lba, record.blocks);
        match op {
            Op::Read => {
                if ok {
                    self.judge_read(now, slot, data);
                }
                if let Some((first, last)) = self.pages(volume, lba, blocks) {
                    self.overwrites
                        .read_over(volume, first, last, &self.known.open);
                }
            }
            Op::Flush => self.judge_flush(now, slot, ok),
            Op::Write | Op::Discard | Op::WriteZeroes => {
                known.history.over(record);
                let (whole, submitted, end) = (record.whole, record.submitted, record.end());
                if !ok {
                    known.failed.add(self.order, record);
                } else {
                    if whole == 0 {
                        self.judge_pieces(now, slot);
                    }
                    if !self.veil.is_empty() {
                        self.veil.completed(volume, lba, end);
                    }
                    if !self.known.failed.is_empty() {
                        self.known
                            .failed
                            .supersede(submitted, now, volume, lba, end);
                    }
                }
                if !self.unflushed.is_empty() {
                    self.keep_unflushed(slot, ok);
                }
            }
        }
    }

    /// A command was executed for this slot by the volume `served`; the application had asked for another one.
    pub fn wrong_volume(&mut self, now: Instant, slot: u32, served: VolumeId) {
        self.order += 1;
        self.served_elsewhere(now, slot, served);
    }

    /// What was found since the last call, in order. Counting goes on when the list is full.
    pub fn findings(&mut self) -> std::vec::Drain<'_, Finding> {
        self.findings.drain()
    }

    /// How often a rule was broken, with or without a text.
    pub fn count(&self, rule: &str) -> u64 {
        self.findings.count(rule)
    }
}
