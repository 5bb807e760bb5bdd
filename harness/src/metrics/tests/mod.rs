//! Hand-made sequences, metric by metric.

mod app;
mod core;
mod judge;
mod model;
mod paths;
mod timeline;
mod windows;

use super::{AppDone, Layout, LayoutPath, Measured, Recorder};
use crate::report::model::Value;
use crate::scenario::model::Window;
use protocol::{Access, Duration, Instant, Op, PathId, VolumeId};

pub const MS: u64 = 1_000_000;
pub const S: u64 = 1_000 * MS;

/// One host with these paths, two workloads, 5 s.
pub fn layout(paths: &[&str], shards: u16, volumes: usize) -> Layout {
    let path = |(index, name): (usize, &&str)| LayoutPath {
        name: (*name).to_string(),
        host: 0,
        path: index as u16,
    };
    Layout {
        paths: paths.iter().enumerate().map(path).collect(),
        workloads: vec!["oltp".into(), "log".into()],
        shards,
        volumes,
        duration: Duration::from_secs(5),
    }
}

pub fn recorder() -> Recorder {
    Recorder::new(layout(&["h0-A0", "h0-B0"], 1, 1))
}

pub fn done(op: Op, since: u64) -> AppDone {
    AppDone {
        workload: 0,
        op,
        bytes: 4096,
        since: Instant(since),
        errno: 0,
    }
}

pub fn failed(op: Op, since: u64) -> AppDone {
    AppDone {
        errno: 5,
        ..done(op, since)
    }
}

/// One I/O from submission to completion, with nothing else outstanding.
pub fn io(r: &mut Recorder, at: u64, took: u64, op: Op) {
    r.app_submitted(Instant(at));
    r.app_completed(Instant(at + took), done(op, at));
}

/// One command on a path, from issue to answer.
pub fn command(r: &mut Recorder, at: u64, took: u64, path: u32) {
    r.issued(Instant(at), path, Op::Read, 4096);
    r.answered(Instant(at + took), path, Op::Read, 4096, Instant(at), true);
}

/// Path `path` becomes usable (or ceases to be) for volume 0 on shard 0 of host 0.
pub fn usable(r: &mut Recorder, at: u64, path: u16, usable: bool) {
    usable_on(r, at, path, 0, 0, usable);
}

pub fn usable_on(r: &mut Recorder, at: u64, path: u16, shard: u16, volume: u16, usable: bool) {
    let event = datapath::core::Event::Usable {
        path: PathId(path),
        volume: VolumeId(volume),
        usable,
    };
    r.core_event(Instant(at), 0, shard, &event);
}

pub fn access(r: &mut Recorder, at: u64, path: u16, volume: u16, to: Access) {
    let event = datapath::core::Event::Access {
        path: PathId(path),
        volume: VolumeId(volume),
        from: Access::Inaccessible,
        to,
    };
    r.core_event(Instant(at), 0, 0, &event);
}

pub fn int(m: &Measured, metric: &str, window: Window) -> u64 {
    match m.value(metric, window) {
        Some(Value::Int(n)) => n,
        other => panic!("{metric} in {window:?} is {other:?}, not an integer"),
    }
}

pub fn whole(m: &Measured, metric: &str) -> u64 {
    int(m, metric, Window::Whole)
}

pub fn float(m: &Measured, metric: &str, window: Window) -> f64 {
    match m.value(metric, window) {
        Some(Value::Float(f)) => f,
        other => panic!("{metric} in {window:?} is {other:?}, not a float"),
    }
}
