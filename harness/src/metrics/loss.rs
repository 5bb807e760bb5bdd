//! Verdicts "path lost", what they cost, and the way back. Each shard has its own connection and its own verdict; to a reader
//! of a report the verdicts of one loss are one failover.

use super::events::Events;
use crate::report::model::FailoverReport;
use datapath::core::LossCause;
use protocol::{Duration, Instant};

/// Failovers that are listed one by one; `failover.count` goes on counting.
const LISTED_MAX: usize = 10_000;

/// One path of one host.
#[derive(Clone, Debug)]
struct PathLoss {
    /// By shard: whether the connection is up, and whether the path is lost there and not usable again yet.
    up: Vec<bool>,
    lost: Vec<bool>,
    lost_shards: u16,
    first_lost_at: Instant,
    /// This loss has been counted as a failover already.
    counted: bool,
    /// The entries in the list of its latest failover and of the one before, for what is redone late.
    latest: Option<usize>,
    previous: Option<usize>,
}

#[derive(Debug)]
pub struct Losses {
    paths: Vec<PathLoss>,
    list: Vec<FailoverReport>,
    /// Entries of the list whose stall is not over.
    stalled: Vec<usize>,
}

fn cause_name(cause: LossCause) -> &'static str {
    match cause {
        LossCause::Broken => "reset",
        LossCause::Silence => "silence",
        LossCause::Timeout => "timeout",
        LossCause::Transition => "transition",
        LossCause::Removed => "removed",
    }
}

impl Losses {
    pub fn new(paths: usize, shards: usize) -> Losses {
        let path = PathLoss {
            up: vec![false; shards],
            lost: vec![false; shards],
            lost_shards: 0,
            first_lost_at: Instant::ZERO,
            counted: false,
            latest: None,
            previous: None,
        };
        Losses {
            paths: vec![path; paths],
            list: Vec::new(),
            stalled: Vec::new(),
        }
    }

    pub fn link(&mut self, path: usize, shard: usize, up: bool) {
        let path = &mut self.paths[path];
        if let Some(link) = path.up.get_mut(shard) {
            *link = up;
            if path.up.iter().all(|up| *up) {
                path.counted = false;
            }
        }
    }

    /// A verdict. `stalls`: some application waits.
    pub fn lost(&mut self, now: Instant, verdict: &Verdict<'_>, stalls: bool, events: &mut Events) {
        let path = &mut self.paths[verdict.path];
        if let Some(lost) = path.lost.get_mut(verdict.shard).filter(|lost| !**lost) {
            *lost = true;
            if path.lost_shards == 0 {
                path.first_lost_at = now;
            }
            path.lost_shards += 1;
        }
        if verdict.attempts == 0 {
            return;
        }
        let detect = now.since(verdict.first_hit).0;
        events.detect_max_ns = events.detect_max_ns.max(detect);
        if path.counted {
            if let Some(report) = path.latest.and_then(|i| self.list.get_mut(i)) {
                report.detect_ns = report.detect_ns.max(detect);
            }
            return;
        }
        path.counted = true;
        events.failovers += 1;
        path.previous = path.latest.take();
        if self.list.len() < LISTED_MAX {
            path.latest = Some(self.list.len());
            if stalls {
                self.stalled.push(self.list.len());
            }
            self.list.push(FailoverReport {
                at_ns: now.0,
                path: verdict.name.to_string(),
                cause: cause_name(verdict.cause).to_string(),
                detect_ns: detect,
                retried: 0,
                stall_ns: 0,
            });
        }
    }

    /// An attempt that was lost on `path` was sent again. It belongs to the latest failover that it can belong to.
    pub fn redispatched(
        &mut self,
        now: Instant,
        path: usize,
        lost_at: Instant,
        events: &mut Events,
    ) {
        events.retried += 1;
        let took = now.since(lost_at).0;
        events.redispatch_max_ns = events.redispatch_max_ns.max(took);
        let path = &self.paths[path];
        for entry in [path.latest, path.previous].into_iter().flatten() {
            let report = &mut self.list[entry];
            if report.at_ns <= lost_at.0 {
                report.retried += 1;
                return;
            }
        }
    }

    pub fn usable(&mut self, now: Instant, path: usize, shard: usize, events: &mut Events) {
        let path = &mut self.paths[path];
        if let Some(lost) = path.lost.get_mut(shard).filter(|lost| **lost) {
            *lost = false;
            path.lost_shards -= 1;
            if path.lost_shards == 0 {
                events.failbacks += 1;
                let took = now.since(path.first_lost_at).0;
                events.failback_max_ns = events.failback_max_ns.max(took);
            }
        }
    }

    /// The daemon died: its connections are gone, without a verdict.
    pub fn forget(&mut self, path: usize) {
        let path = &mut self.paths[path];
        path.up.fill(false);
        path.lost.fill(false);
        path.lost_shards = 0;
        path.counted = false;
    }

    #[inline]
    pub fn stalled(&self) -> bool {
        !self.stalled.is_empty()
    }

    /// Something completed, or the run is over: the stall around the latest verdicts took this long.
    #[cold]
    pub fn stall_ended(&mut self, took: Duration) {
        for entry in self.stalled.drain(..) {
            self.list[entry].stall_ns = took.0;
        }
    }

    pub fn into_list(self) -> Vec<FailoverReport> {
        self.list
    }
}

/// A core's verdict "path lost", with the path as the whole run knows it.
#[derive(Clone, Copy, Debug)]
pub struct Verdict<'a> {
    pub path: usize,
    pub name: &'a str,
    pub shard: usize,
    pub cause: LossCause,
    pub attempts: u32,
    pub first_hit: Instant,
}
