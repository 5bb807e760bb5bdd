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
//! part; a second with more than [`MOST_AHEAD`] of them is spread in portions, each over half of what is left, so that memory stays bounded.

use super::{Io, WorkloadError};
use crate::scenario::model::{BeyondEnd, Load, Replay as Wanted, Scenario, Workload};
use crate::trace::{self, Clock, Reader, Record, TraceError};
use protocol::rng::Stream;
use protocol::{Instant, Op};

/// Records of one second that are looked at before the first of them is given out.
pub const MOST_AHEAD: usize = 65_536;
/// No initiator sends more in one I/O; more is a misread trace.
const LARGEST_IO_BYTES: u64 = 1 << 30;
const NS_PER_S: u64 = 1_000_000_000;
const DEVICES_SHOWN: usize = 20;

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

/// Takes the selected records from the trace and lays them over the volume.
struct Taker {
    reader: Reader,
    device: Option<String>,
    /// Known once the trace named it.
    device_id: Option<u32>,
    clock: Clock,
    block: u64,
    volume_blocks: u64,
    beyond_end: BeyondEnd,
    /// Taken already, for who must know what comes next.
    ahead: Option<Item>,
    /// An error is final.
    failed: Option<TraceError>,
}

#[derive(Clone, Copy)]
struct Item {
    at_ns: u64,
    backwards: bool,
    laid: Laid,
}

/// A record on the volume.
#[derive(Clone, Copy, Default)]
struct Laid {
    io: Option<Io>,
    cut: bool,
    wrapped: bool,
    widened: bool,
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
        let mut taker = Taker {
            reader,
            device: wanted.device.clone(),
            device_id: None,
            clock: Clock::default(),
            block,
            volume_blocks,
            beyond_end: wanted.beyond_end,
            ahead: None,
            failed: None,
        };
        // A wrong file, format or device is told before anything runs.
        taker.ahead = taker.take().map_err(failed)?;
        if taker.ahead.is_none() {
            return Err(failed(taker.nothing()));
        }
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

impl Taker {
    fn next(&mut self) -> Result<Option<Item>, TraceError> {
        if let Some(item) = self.ahead.take() {
            return Ok(Some(item));
        }
        if let Some(error) = &self.failed {
            return Err(error.clone());
        }
        self.take().inspect_err(|e| self.failed = Some(e.clone()))
    }

    fn take(&mut self) -> Result<Option<Item>, TraceError> {
        while let Some(record) = self.reader.next()? {
            if !self.selected(record.device) {
                continue;
            }
            let before = self.clock.backwards();
            let at_ns = self.clock.at(record.at_ns);
            return Ok(Some(Item {
                at_ns,
                backwards: self.clock.backwards() > before,
                laid: self.lay(&record)?,
            }));
        }
        Ok(None)
    }

    fn selected(&mut self, device: u32) -> bool {
        let Some(wanted) = &self.device else {
            return true;
        };
        match self.device_id {
            Some(id) => id == device,
            None => {
                let found = self.reader.device(device) == wanted;
                self.device_id = found.then_some(device);
                found
            }
        }
    }

    /// Why the trace gave nothing at all.
    fn nothing(&self) -> TraceError {
        let devices = self.reader.devices();
        let shown: Vec<String> = devices
            .iter()
            .take(DEVICES_SHOWN)
            .map(|d| format!("'{d}'"))
            .collect();
        let more = match devices.len().saturating_sub(DEVICES_SHOWN) {
            0 => String::new(),
            n => format!(" and {n} more"),
        };
        match &self.device {
            Some(wanted) if self.reader.records() > 0 => self.reader.file_error(
                trace::Kind::NoSuchDevice,
                format!(
                    "there is no I/O of device '{}', expected one of {}{more}",
                    wanted.escape_debug(),
                    shown.join(", ")
                ),
            ),
            _ => self
                .reader
                .file_error(trace::Kind::Empty, "there is no I/O in this trace"),
        }
    }

    fn lay(&self, record: &Record) -> Result<Laid, TraceError> {
        if record.op == Op::Flush {
            return Ok(Laid {
                io: Some(Io::flush()),
                ..Laid::default()
            });
        }
        if record.len_bytes == 0 {
            return Ok(Laid::default());
        }
        let volume = self.volume_blocks;
        let shown = || {
            format!(
                "an I/O of {} bytes at byte {}",
                record.len_bytes, record.offset_bytes
            )
        };
        let volume_bytes = volume.saturating_mul(self.block);
        if record.len_bytes > LARGEST_IO_BYTES {
            let what = format!("{}, expected at most {LARGEST_IO_BYTES}", shown());
            return Err(self.reader.error(trace::Kind::TooLarge, what));
        }
        let first = record.offset_bytes / self.block;
        let end = record.end_bytes().div_ceil(self.block);
        let mut laid = Laid {
            widened: !record.offset_bytes.is_multiple_of(self.block)
                || !record.end_bytes().is_multiple_of(self.block),
            ..Laid::default()
        };
        let mut io = Io::single(record.op, first, (end - first) as u32, record.fua);
        if end > volume {
            match self.beyond_end {
                BeyondEnd::Fail => {
                    let what = format!(
                        "{} ends beyond the volume, which has {volume_bytes}",
                        shown()
                    );
                    return Err(self.reader.error(trace::Kind::BeyondEnd, what));
                }
                BeyondEnd::Clip if first >= volume => return Ok(laid),
                BeyondEnd::Clip => {
                    laid.cut = true;
                    io.pieces[0].1 = (volume - first) as u32;
                }
                BeyondEnd::Wrap => {
                    let blocks = end - first;
                    if blocks > volume {
                        let what = format!(
                            "{} is larger than the volume, which has {volume_bytes}",
                            shown()
                        );
                        return Err(self.reader.error(trace::Kind::TooLarge, what));
                    }
                    laid.wrapped = true;
                    let lba = first % volume;
                    let before_end = blocks.min(volume - lba);
                    io.pieces = [(lba, before_end as u32), (0, (blocks - before_end) as u32)];
                    io.n_pieces = if before_end < blocks { 2 } else { 1 };
                }
            }
        }
        laid.io = Some(io);
        Ok(laid)
    }
}

/// Spreads the records of whole seconds inside them.
struct Spread {
    stream: Stream,
    /// Of one second, or of a portion of it; `given` of them are out.
    items: Vec<Item>,
    given: usize,
    /// The part of the second that they are spread over.
    from_ns: u64,
    room_ns: u64,
    /// Where what is left of the second begins, if more of it comes.
    rest: Option<(u64, u64)>,
}

impl Spread {
    fn new(stream: Stream) -> Self {
        Spread {
            stream,
            items: Vec::new(),
            given: 0,
            from_ns: 0,
            room_ns: 0,
            rest: None,
        }
    }

    fn next(&mut self, taker: &mut Taker) -> Result<Option<Item>, TraceError> {
        if self.given == self.items.len() && !self.gather(taker)? {
            return Ok(None);
        }
        let Some(mut item) = self.items.get(self.given).copied() else {
            return Ok(None);
        };
        let drawn_ns = self.stream.below(self.room_ns.max(1));
        let part = self.given as u64 * self.room_ns + drawn_ns;
        item.at_ns = self.from_ns.saturating_add(part / self.items.len() as u64);
        self.given += 1;
        Ok(Some(item))
    }

    /// Takes the records of the next second or portion; false at the trace's end.
    fn gather(&mut self, taker: &mut Taker) -> Result<bool, TraceError> {
        self.items.clear();
        self.given = 0;
        let Some(first) = taker.next()? else {
            return Ok(false);
        };
        let second_ns = first.at_ns;
        self.items.push(first);
        let mut more = false;
        loop {
            match taker.next() {
                // An error comes again, once these are given out.
                Ok(None) | Err(_) => break,
                Ok(Some(item)) => {
                    let same = item.at_ns == second_ns;
                    if same && self.items.len() < MOST_AHEAD {
                        self.items.push(item);
                        continue;
                    }
                    taker.ahead = Some(item);
                    more = same;
                    break;
                }
            }
        }
        let (from_ns, left_ns) = match self.rest {
            Some((from_ns, left_ns)) => (from_ns, left_ns),
            None => (second_ns, NS_PER_S),
        };
        self.from_ns = from_ns;
        self.room_ns = if more { left_ns / 2 } else { left_ns };
        self.rest = more.then_some((from_ns.saturating_add(self.room_ns), left_ns - self.room_ns));
        Ok(true)
    }
}
