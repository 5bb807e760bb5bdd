//! Rules that are always on. They judge what applications saw and what took effect on the media, from the driver's
//! own record of both: never from the core's word.

use protocol::{Instant, Op, VolumeId};
use simarray::api::Stamp;

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
    pub slot: u32,
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
    findings: Vec<Finding>,
}

impl Checker {
    pub fn new(_config: CheckConfig) -> Checker {
        Checker {
            findings: Vec::new(),
        }
    }

    /// A new unique stamp for the mutating command in `slot`: 20 bits of slot below a growing number, never 0.
    pub fn stamp(&mut self, slot: u32) -> Stamp {
        u64::from(slot)
    }

    /// The application submits (the datapath has not seen it yet).
    pub fn submitted(&mut self, _now: Instant, _io: Submitted) {}

    /// A mutating command took effect on the media of `volume` (in media order).
    pub fn effect(
        &mut self,
        _now: Instant,
        _volume: VolumeId,
        _lba: u64,
        _blocks: u32,
        _stamp: Stamp,
    ) {
    }

    /// A crash lost blocks of a volatile cache: all of them hold `restored` again.
    pub fn cache_lost(
        &mut self,
        _now: Instant,
        _volume: VolumeId,
        _lba: u64,
        _blocks: u32,
        _restored: Stamp,
    ) {
    }

    /// The application is told. `data`: one stamp a block for a read that succeeded.
    pub fn completed(&mut self, _now: Instant, _slot: u32, _ok: bool, _data: &[Stamp]) {}

    /// A command was executed for this slot by the volume `served`; the application had asked for another one.
    pub fn wrong_volume(&mut self, _now: Instant, _slot: u32, _served: VolumeId) {}

    /// What was found since the last call, in order. Counting goes on when the list is full.
    pub fn findings(&mut self) -> std::vec::Drain<'_, Finding> {
        self.findings.drain(..)
    }
}
