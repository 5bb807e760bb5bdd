//! Metrics of a run, by window. The driver tells what happens; nothing here knows the core or the array.

use crate::report::model::Value;
use datapath::core::Event;
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

/// One I/O of an application is over.
#[derive(Clone, Copy, Debug)]
pub struct AppDone {
    pub workload: u16,
    pub op: Op,
    pub bytes: u64,
    /// Submission (closed loop) or arrival (open loop).
    pub since: Instant,
    pub ok: bool,
}

/// Collects.
#[derive(Debug)]
pub struct Recorder {
    _layout: Layout,
}

impl Recorder {
    pub fn new(layout: Layout) -> Recorder {
        Recorder { _layout: layout }
    }

    /// An application's I/O enters (for `app.stall_max`).
    #[inline]
    pub fn app_submitted(&mut self, _now: Instant) {}

    #[inline]
    pub fn app_completed(&mut self, _now: Instant, _done: AppDone) {}

    /// A command (not a probe) is sent on global path `path`.
    #[inline]
    pub fn issued(&mut self, _now: Instant, _path: u32, _op: Op, _bytes: u64) {}

    /// Its answer arrived at the host on a standing connection. `ok`: status 0.
    #[inline]
    pub fn answered(
        &mut self,
        _now: Instant,
        _path: u32,
        _op: Op,
        _bytes: u64,
        _sent: Instant,
        _ok: bool,
    ) {
    }

    /// A command that was issued and will not be answered any more: its connection ended.
    #[inline]
    pub fn abandoned(&mut self, _now: Instant, _path: u32, _op: Op, _bytes: u64) {}

    /// An event of the core of (`host`, `shard`): states, losses, redispatches, fences, starvation.
    pub fn core_event(&mut self, _now: Instant, _host: u16, _shard: u16, _event: &Event) {}

    /// A command reached the array (`array.ios`; probes are not told).
    #[inline]
    pub fn array_arrived(&mut self) {}

    /// A command was executed for a request that one was already executed for (`array.duplicates`).
    pub fn array_duplicate(&mut self) {}

    pub fn registered(&mut self) {}

    pub fn fault_started(&mut self, _now: Instant) {}

    pub fn fault_ended(&mut self, _now: Instant) {}

    pub fn violation(&mut self, _rule: &'static str) {}

    /// The run is over: everything is counted, windows are closed at `end`.
    pub fn finish(self, _end: Instant) -> Measured {
        Measured {}
    }
}

/// Everything that was measured, ready to be asked.
#[derive(Debug)]
pub struct Measured {}

impl Measured {
    /// The value of a metric in a window; `None` where there was nothing to measure (a latency over no I/O).
    pub fn value(&self, _metric: &str, _window: crate::scenario::model::Window) -> Option<Value> {
        None
    }
}
