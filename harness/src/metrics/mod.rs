//! Metrics of a run, by window. The driver tells what happens; nothing here steers a run.
//!
//! Everything is kept for each [segment](window) of the run apart and summed at the end, so that an I/O costs the same
//! few counters whatever the windows turn out to be. Memory depends on the number of paths, never on the run's length.
//!
//! What the contract leaves open is decided here:
//!
//! - `app.ios`, `app.bytes`, `path.*.ios` and `path.*.bytes` count what was completed, failed ones included; `app.iops` and
//!   `app.bytes_per_s` only what was completed without error and before the drain. Write-zeroes count like discards: in `app.ios`, `app.bytes`,
//!   `app.errors` and `app.all`, not in `app.write`. Flushes are in `app.flush`, `app.stall_max` and `path.*.inflight_max` only.
//! - `path.*.errors` are answers with a bad status and commands that were abandoned with their connection;
//!   `path.*.ios` are answers. Latency of a path runs from issue to answer.
//! - `app.stall_max` of a window is the greatest age that a stall reached in it: a stall that ends there counts whole, one
//!   that outlasts the window counts up to the window's end.
//! - A window that never opened (the fault that it needs did not happen, or left no time) has no value at all, so that what is
//!   expected of it fails. All other metrics have one, but for latencies and shares over nothing.
//! - `no_path.time` is the time in which some shard of a host had no path to a volume, summed over volumes and hosts and clipped
//!   to the window.
//! - `no_path.fails_after_min` and `_max` are of each shard's outages in which something failed: from the moment in which it gave up its last
//!   path to a volume until the first failure. They belong to the window of the failure.
//! - `datapath.requests_max` is the most requests that all datapaths together had at once.
//! - Verdicts of several shards on one path are one failover until the path is up again on every shard.
//! - `failback.max` runs from the verdict "lost" until the path is usable again on every shard that had lost it.

mod app;
mod balance;
mod events;
mod judge;
mod latency;
mod loss;
mod measured;
mod oscillation;
mod paths;
mod recorder;
mod starvation;
#[cfg(test)]
mod tests;
mod timeline;
mod told;
mod usability;
mod values;
mod window;

pub use judge::{judge, window_name};
pub use measured::Measured;
pub use recorder::Recorder;
pub use window::HEALING;

use crate::scenario::{Scenario, topology};
use protocol::{Duration, Instant, Op};

/// What is measured: names and sizes, once per run.
#[derive(Clone, Debug)]
pub struct Layout {
    /// Every path of every host, in the order of `scenario::topology::paths`; an index into this list is a *global path*.
    pub paths: Vec<LayoutPath>,
    pub workloads: Vec<String>,
    pub shards: u16,
    pub volumes: usize,
    pub duration: Duration,
}

#[derive(Clone, Debug)]
pub struct LayoutPath {
    pub name: String,
    pub host: u16,
    /// Index within the host.
    pub path: u16,
}

impl Layout {
    pub fn of(scenario: &Scenario) -> Layout {
        Layout {
            paths: topology::paths(scenario)
                .into_iter()
                .map(|p| LayoutPath {
                    name: p.name,
                    host: p.host,
                    path: p.path.0,
                })
                .collect(),
            workloads: scenario.workloads.iter().map(|w| w.name.clone()).collect(),
            shards: scenario.host.shards,
            volumes: scenario.volumes.len(),
            duration: scenario.duration,
        }
    }
}

/// One I/O of an application is over.
#[derive(Clone, Copy, Debug)]
pub struct AppDone {
    pub workload: u16,
    pub op: Op,
    pub bytes: u64,
    /// Submission (closed loop) or arrival (open loop).
    pub since: Instant,
    /// What it failed with; 0: it did not.
    pub errno: i32,
}

impl AppDone {
    #[inline]
    pub fn ok(&self) -> bool {
        self.errno == 0
    }
}
