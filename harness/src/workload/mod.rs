//! Load generators: what an application asks for, and when. The world pulls from a [`Source`]; nothing here knows
//! paths, time or completions, so that the same seed gives the same I/Os whatever happens to them.
//!
//! Every draw is bit-equal on every machine: integer arithmetic, and the `libm` crate where a logarithm is needed.
//! Each consumer (operations, sizes, offsets, FUA, arrivals) has its own named stream.
//!
//! A flush of `flush_every` follows its write as an I/O of its own, at the same arrival; it does not count towards
//! `count`, as it does not count in `app.ios`; nor does a flush of a replayed trace.

mod arrivals;
mod drawn;
mod error;
mod replay;
#[cfg(test)]
mod tests;
mod zipf;

pub use error::WorkloadError;
pub use replay::ReplayCounts;

use crate::scenario::model::{Kind, Load, Scenario};
use drawn::Drawn;
use protocol::{Instant, Op};
use replay::Replay;

/// One I/O of an application, in the volume's blocks.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Io {
    pub op: Op,
    /// First block and number of blocks of each command. Two where a replayed I/O wraps around the volume's end: it
    /// is still one I/O. A flush has one piece of 0 blocks.
    pub pieces: [(u64, u32); 2],
    pub n_pieces: u8,
    pub fua: bool,
    /// It does not wait for a path.
    pub failfast: bool,
}

impl Io {
    /// An I/O of one command.
    pub fn single(op: Op, lba: u64, blocks: u32, fua: bool) -> Self {
        Io {
            op,
            pieces: [(lba, blocks), (0, 0)],
            n_pieces: 1,
            fua,
            failfast: false,
        }
    }

    pub fn flush() -> Self {
        Io::single(Op::Flush, 0, 0, false)
    }

    /// The commands that it consists of.
    pub fn pieces(&self) -> &[(u64, u32)] {
        &self.pieces[..usize::from(self.n_pieces).min(2)]
    }

    /// Blocks of all pieces together.
    pub fn blocks(&self) -> u64 {
        self.pieces().iter().map(|p| u64::from(p.1)).sum()
    }
}

/// The I/Os of one workload, in order.
pub struct Source {
    inner: Inner,
    open: bool,
    depth: u32,
}

enum Inner {
    Drawn(Box<Drawn>),
    Replay(Box<Replay>),
}

impl Source {
    /// The source of the scenario's workload `workload_index`, for one seed.
    pub fn new(
        scenario: &Scenario,
        workload_index: usize,
        seed: u64,
    ) -> Result<Source, WorkloadError> {
        let workload =
            scenario
                .workloads
                .get(workload_index)
                .ok_or(WorkloadError::NoSuchWorkload {
                    index: workload_index,
                    count: scenario.workloads.len(),
                })?;
        let depth = match workload.load {
            Load::Depth(depth) => depth.max(1),
            Load::RateMilli(_) => 0,
        };
        match &workload.kind {
            Kind::Replay(wanted) => {
                let replay = Replay::new(scenario, workload, wanted, seed)?;
                Ok(Source {
                    open: replay.is_open(),
                    depth: replay.depth(workload.load),
                    inner: Inner::Replay(Box::new(replay)),
                })
            }
            Kind::Random | Kind::Sequential | Kind::Zipf => Ok(Source {
                inner: Inner::Drawn(Box::new(Drawn::new(scenario, workload, seed)?)),
                open: matches!(workload.load, Load::RateMilli(_)),
                depth,
            }),
        }
    }

    /// Whether I/Os arrive at their own times (open loop, or a replay at its recorded pace).
    pub fn is_open(&self) -> bool {
        self.open
    }

    /// How many I/Os a closed loop keeps outstanding; 0 where arrivals are open.
    pub fn depth(&self) -> u32 {
        self.depth
    }

    /// The next I/O with its arrival (a closed loop: the workload's start), or `None` at the end. An open loop ends
    /// by itself at `stop`; a closed loop is stopped by who pulls.
    #[allow(clippy::should_implement_trait)]
    pub fn next(&mut self) -> Result<Option<(Instant, Io)>, WorkloadError> {
        match &mut self.inner {
            Inner::Drawn(drawn) => Ok(drawn.next()),
            Inner::Replay(replay) => replay.next(),
        }
    }

    /// Records of a trace that are not replayed: beyond the volume's end with `beyond_end = "clip"`, or of 0 bytes.
    pub fn skipped(&self) -> u64 {
        self.replayed().map_or(0, |counts| counts.skipped)
    }

    /// What became of the records of a trace; `None` for a workload that has none.
    pub fn replayed(&self) -> Option<ReplayCounts> {
        match &self.inner {
            Inner::Drawn(_) => None,
            Inner::Replay(replay) => Some(replay.counts()),
        }
    }
}
