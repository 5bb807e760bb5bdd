//! Drawn workloads: random, sequential and Zipf.
//!
//! Offsets are multiples of the smallest I/O size, counted from the workload's `offset`; sizes are drawn for each I/O in
//! steps of the array's block. A sequential stream starts again at `offset` when the next I/O does not fit.

use super::arrivals::Arrivals;
use super::zipf::Zipf;
use super::{Io, WorkloadError};
use crate::scenario::model::{Kind, Load, Scenario, Workload};
use protocol::rng::{Stream, stream_seed};
use protocol::{Instant, Op};

pub struct Drawn {
    pattern: Pattern,
    /// In blocks of the array, as everything below.
    base: u64,
    span: u64,
    size_min: u64,
    size_max: u64,
    read_below: u64,
    discard_below: u64,
    zeroes_below: u64,
    fua_pct: u64,
    failfast_pct: u64,
    flush_every: u64,
    writes_since_flush: u64,
    /// A flush that follows the write which was just given out.
    flush_due: Option<Instant>,
    left: Option<u64>,
    start: Instant,
    stop: Option<Instant>,
    arrivals: Option<Arrivals>,
    ops: Stream,
    sizes: Stream,
    offsets: Stream,
    fuas: Stream,
    failfasts: Stream,
}

enum Pattern {
    Random,
    Sequential { next: u64 },
    Zipf(Zipf),
}

impl Drawn {
    pub fn new(s: &Scenario, w: &Workload, seed: u64) -> Result<Self, WorkloadError> {
        let block = u64::from(s.array.block.max(1));
        let (span, size_min, size_max) = (w.span / block, w.block.lo / block, w.block.hi / block);
        if size_min == 0 || size_max < size_min || size_max > span || size_max > u64::from(u32::MAX)
        {
            return Err(WorkloadError::invalid(
                w,
                format!(
                    "I/Os of {} to {} bytes do not fit blocks of {block} bytes and a span of {} bytes",
                    w.block.lo, w.block.hi, w.span
                ),
            ));
        }
        let stream = |what: &str| Stream::new(seed, &format!("workload.{}.{what}", w.name));
        let pattern = match w.kind {
            Kind::Sequential => Pattern::Sequential { next: 0 },
            Kind::Zipf => {
                let key = stream_seed(seed, &format!("workload.{}.scatter", w.name));
                Pattern::Zipf(Zipf::new(span / size_min, key))
            }
            Kind::Random | Kind::Replay(_) => Pattern::Random,
        };
        Ok(Drawn {
            pattern,
            base: w.offset / block,
            span,
            size_min,
            size_max,
            read_below: w.read_pct,
            discard_below: w.read_pct + w.discard_pct,
            zeroes_below: w.read_pct + w.discard_pct + w.write_zeroes_pct,
            fua_pct: w.fua_pct,
            failfast_pct: w.failfast_pct,
            flush_every: w.flush_every,
            writes_since_flush: 0,
            flush_due: None,
            left: w.count,
            start: Instant(w.start.0),
            stop: w.stop.map(|at| Instant(at.0)),
            arrivals: match w.load {
                Load::RateMilli(rate) => Some(Arrivals::new(stream("arrivals"), w.start, rate)),
                Load::Depth(_) => None,
            },
            ops: stream("ops"),
            sizes: stream("sizes"),
            offsets: stream("offsets"),
            fuas: stream("fua"),
            failfasts: stream("failfast"),
        })
    }

    pub fn next(&mut self) -> Option<(Instant, Io)> {
        if let Some(at) = self.flush_due.take() {
            return Some((at, Io::flush()));
        }
        if self.left == Some(0) {
            return None;
        }
        let at = match &mut self.arrivals {
            None => self.start,
            Some(arrivals) => {
                let at = arrivals.next();
                if self.stop.is_some_and(|stop| at >= stop) {
                    self.left = Some(0);
                    return None;
                }
                at
            }
        };
        if let Some(left) = &mut self.left {
            *left -= 1;
        }
        let op = self.op();
        let size = if self.size_min == self.size_max {
            self.size_min
        } else {
            self.sizes.between(self.size_min, self.size_max)
        };
        let lba = self.base + self.place(size);
        let fua = op == Op::Write && self.fua_pct > 0 && self.fuas.percent(self.fua_pct);
        if op == Op::Write && self.flush_every > 0 {
            self.writes_since_flush += 1;
            if self.writes_since_flush == self.flush_every {
                self.writes_since_flush = 0;
                self.flush_due = Some(at);
            }
        }
        let failfast = self.failfast_pct > 0 && self.failfasts.percent(self.failfast_pct);
        let io = Io::single(op, lba, size as u32, fua);
        Some((at, Io { failfast, ..io }))
    }

    fn op(&mut self) -> Op {
        let drawn = self.ops.below(100);
        if drawn < self.read_below {
            Op::Read
        } else if drawn < self.discard_below {
            Op::Discard
        } else if drawn < self.zeroes_below {
            Op::WriteZeroes
        } else {
            Op::Write
        }
    }

    /// Where an I/O of `size` blocks begins, from the workload's offset.
    fn place(&mut self, size: u64) -> u64 {
        let last_slot = (self.span - size) / self.size_min;
        match &mut self.pattern {
            Pattern::Random => self.offsets.below(last_slot + 1) * self.size_min,
            Pattern::Zipf(zipf) => zipf.slot(&mut self.offsets).min(last_slot) * self.size_min,
            Pattern::Sequential { next } => {
                if *next + size > self.span {
                    *next = 0;
                }
                let at = *next;
                *next += size;
                at
            }
        }
    }
}
