//! Replayed workloads: the I/Os of a trace, laid over the volume.
//!
//! **Which.** With a `device` only its records, without one those of all devices. `limit` counts these records, `count` the I/Os
//! that come out of them (flushes apart, as everywhere); the first of the two that is reached ends the replay.
//!
//! **Where.** Offsets and lengths are widened outwards to whole blocks of the array. What then lies beyond the volume's end is, by
//! `beyond_end`, wrapped around (offset modulo size; across the end in two pieces), clipped (dropped where it begins beyond the
//! end, else cut) or an error. Reads and writes of 0 bytes are skipped and counted: no block device is asked for them. An I/O of more
//! than 1 GiB is an error, and so is one that is larger than the volume it must wrap around.
//!
//! **When.** At the recorded pace the first record of the selection arrives at `start`, each other one later by the recorded distance
//! divided by `speed`, in whole nanoseconds. A stamp earlier than one before it becomes the latest: arrivals never go backwards.
//! Where a format has only whole seconds, the I/Os of one are spread over it, in order, each drawn uniformly from its own equal
//! part; a second with more than [`spread::MOST_AHEAD`] of them is spread in portions, each over half of what is left, so that memory stays bounded.

mod overlay;
mod spread;
#[cfg(test)]
mod tests;

use super::{Io, WorkloadError};
use crate::scenario::model::{Load, Replay as Wanted, Scenario, Workload};
use crate::trace::Reader;
use overlay::Taker;
use protocol::rng::Stream;
use protocol::{Instant, Op};
use spread::Spread;

/// What became of the records that a replay has taken so far.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct ReplayCounts {
    /// Of the selected device.
    pub records: u64,
    /// Not replayed: beyond the volume's end with `clip`, or of 0 bytes.
    pub skipped: u64,
    /// Shortened at the volume's end with `clip`.
    pub cut: u64,
    /// Moved into the volume with `wrap`, whole or in part.
    pub wrapped: u64,
    /// Did not begin and end on blocks of the array.
    pub widened: u64,
    /// Their stamps ran backwards.
    pub backwards: u64,
    /// The trace has whole seconds only: arrivals inside a second are drawn.
    pub spread: bool,
}

pub struct Replay {
    name: String,
    taker: Taker,
    start: Instant,
    stop: Option<Instant>,
    /// `None`: as fast as a closed loop asks.
    speed_milli: Option<u64>,
    limit: Option<u64>,
    left: Option<u64>,
    first_ns: Option<u64>,
    spread: Option<Spread>,
    counts: ReplayCounts,
    ended: bool,
}

impl Replay {
    pub fn new(
        s: &Scenario,
        w: &Workload,
        wanted: &Wanted,
        seed: u64,
    ) -> Result<Self, WorkloadError> {
        let block = u64::from(s.array.block.max(1));
        let volume_blocks = s.volumes.get(w.volume).map_or(0, |v| v.bytes / block);
        if volume_blocks == 0 {
            let why = format!("its volume has no block of {block} bytes");
            return Err(WorkloadError::invalid(w, why));
        }
        let failed = |source| WorkloadError::trace(&w.name, source);
        let reader = Reader::open(&wanted.file, &wanted.format).map_err(failed)?;
        let spreads = wanted.recorded_pace && reader.format().whole_seconds();
        // A wrong file, format or device is told before anything runs.
        let taker = Taker::new(reader, wanted, block, volume_blocks).map_err(failed)?;
        Ok(Replay {
            name: w.name.clone(),
            taker,
            start: Instant(w.start.0),
            stop: w.stop.map(|at| Instant(at.0)),
            speed_milli: wanted.recorded_pace.then_some(wanted.speed_milli.max(1)),
            limit: wanted.limit,
            left: w.count,
            first_ns: None,
            spread: spreads
                .then(|| Spread::new(Stream::new(seed, &format!("workload.{}.spread", w.name)))),
            counts: ReplayCounts {
                spread: spreads,
                ..ReplayCounts::default()
            },
            ended: false,
        })
    }

    /// Whether arrivals have their own times.
    pub fn is_open(&self) -> bool {
        self.speed_milli.is_some()
    }

    /// The depth of its closed loop; 0 at the recorded pace.
    pub fn depth(&self, load: Load) -> u32 {
        match load {
            Load::Depth(depth) if self.speed_milli.is_none() => depth.max(1),
            _ => 0,
        }
    }

    pub fn counts(&self) -> ReplayCounts {
        self.counts
    }

    pub fn next(&mut self) -> Result<Option<(Instant, Io)>, WorkloadError> {
        while !self.ended {
            if self.limit.is_some_and(|limit| self.counts.records >= limit) || self.left == Some(0)
            {
                self.ended = true;
                break;
            }
            let next = match &mut self.spread {
                None => self.taker.next(),
                Some(spread) => spread.next(&mut self.taker),
            };
            let Some(item) = next.map_err(|e| WorkloadError::trace(&self.name, e))? else {
                self.ended = true;
                break;
            };
            let at = self.arrival(item.at_ns);
            if self.stop.is_some_and(|stop| at >= stop) {
                self.ended = true;
                break;
            }
            self.counts.records += 1;
            self.counts.backwards += u64::from(item.backwards);
            self.counts.cut += u64::from(item.laid.cut);
            self.counts.wrapped += u64::from(item.laid.wrapped);
            self.counts.widened += u64::from(item.laid.widened);
            let Some(io) = item.laid.io else {
                self.counts.skipped += 1;
                continue;
            };
            if let Some(left) = &mut self.left
                && io.op != Op::Flush
            {
                *left -= 1;
            }
            return Ok(Some((at, io)));
        }
        Ok(None)
    }

    fn arrival(&mut self, at_ns: u64) -> Instant {
        let Some(speed_milli) = self.speed_milli else {
            return self.start;
        };
        let first_ns = *self.first_ns.get_or_insert(at_ns);
        let since_ns = u128::from(at_ns.saturating_sub(first_ns));
        let scaled_ns = since_ns * 1_000 / u128::from(speed_milli);
        let since = u64::try_from(scaled_ns).unwrap_or(u64::MAX);
        Instant(self.start.0.saturating_add(since))
    }
}
