//! Turns a scenario into that of one seed: every range that is drawn once per seed becomes one value, every
//! `any n of …` becomes what it names. Each draw has its own stream, so that removing one shifts no other.

use super::model::*;
use super::targets;
use protocol::Duration;
use protocol::rng::Stream;

/// The scenario of `seed`. It has no ranges left except those that are drawn for each I/O.
pub fn draw(scenario: &Scenario, seed: u64) -> Scenario {
    let mut s = scenario.clone();
    s.seed = seed;
    for range in std::mem::take(&mut s.ranges) {
        let mut stream = Stream::new(seed, &format!("draw/{}", range.key));
        let step = range.step.max(1);
        let steps = range.span.hi.saturating_sub(range.span.lo) / step;
        let value = range.span.lo + step * stream.between(0, steps);
        if let Some(slot) = slot(&mut s, &range.key) {
            slot.put(value);
        }
    }
    // A replay uses the whole volume, whatever its size became.
    for w in s
        .workloads
        .iter_mut()
        .filter(|w| matches!(w.kind, Kind::Replay(_)))
    {
        w.span = s.volumes.get(w.volume).map_or(w.span, |v| v.bytes);
    }
    for i in 0..s.faults.len() {
        let mut stream = Stream::new(seed, &format!("draw/fault.{i}.on"));
        s.faults[i].on = targets::draw(&s.faults[i].on, &s, &mut stream);
    }
    s
}

/// Where a drawn quantity lives.
enum Slot<'s> {
    Time(&'s mut Duration),
    MaybeTime(&'s mut Option<Duration>),
    Long(&'s mut u64),
    MaybeLong(&'s mut Option<u64>),
    Short(&'s mut u32),
}

impl Slot<'_> {
    fn put(self, value: u64) {
        match self {
            Slot::Time(t) => *t = Duration(value),
            Slot::MaybeTime(t) => *t = Some(Duration(value)),
            Slot::Long(v) => *v = value,
            Slot::MaybeLong(v) => *v = Some(value),
            Slot::Short(v) => *v = u32::try_from(value).unwrap_or(u32::MAX),
        }
    }
}

fn slot<'s>(s: &'s mut Scenario, key: &str) -> Option<Slot<'s>> {
    let parts: Vec<&str> = key.split('.').collect();
    Some(match parts.as_slice() {
        ["scenario", "duration"] => Slot::Time(&mut s.duration),
        ["array", "forward"] => Slot::Time(&mut s.array.forward),
        ["array", "ccr"] => Slot::Time(&mut s.array.ccr),
        ["array", "cqt"] => Slot::Time(&mut s.array.cqt),
        ["array", "service", "read"] => Slot::Time(&mut s.array.service_read),
        ["array", "service", "write"] => Slot::Time(&mut s.array.service_write),
        ["array", "service", "parallel"] => Slot::Short(&mut s.array.parallel),
        ["volume", i, "size"] => Slot::Long(&mut s.volumes.get_mut(index(i)?)?.bytes),
        ["link", "latency"] => Slot::Time(&mut s.link.latency),
        ["link", "rate"] => Slot::Long(&mut s.link.bits_per_s),
        ["path", i, "latency"] => Slot::MaybeTime(&mut s.paths.get_mut(index(i)?)?.latency),
        ["path", i, "rate"] => Slot::MaybeLong(&mut s.paths.get_mut(index(i)?)?.bits_per_s),
        ["datapath", "io_timeout"] => Slot::Time(&mut s.datapath.io_timeout),
        ["datapath", "quiesce"] => Slot::Time(&mut s.datapath.quiesce),
        ["datapath", "shadow"] => Slot::Long(&mut s.datapath.shadow_bytes),
        ["datapath", "hedge"] => Slot::Long(&mut s.datapath.hedge),
        ["datapath", "no_path", "queue_for"] => Slot::Time(&mut s.datapath.queue_for),
        ["workload", i, key] => of_workload(s.workloads.get_mut(index(i)?)?, key)?,
        ["fault", i, key] => of_fault(s.faults.get_mut(index(i)?)?, key)?,
        _ => return None,
    })
}

fn index(text: &str) -> Option<usize> {
    text.parse().ok()
}

fn of_workload<'s>(w: &'s mut Workload, key: &str) -> Option<Slot<'s>> {
    Some(match key {
        "read" => Slot::Long(&mut w.read_pct),
        "fua" => Slot::Long(&mut w.fua_pct),
        "failfast" => Slot::Long(&mut w.failfast_pct),
        "discard" => Slot::Long(&mut w.discard_pct),
        "write_zeroes" => Slot::Long(&mut w.write_zeroes_pct),
        "span" => Slot::Long(&mut w.span),
        "offset" => Slot::Long(&mut w.offset),
        "flush_every" => Slot::Long(&mut w.flush_every),
        "start" => Slot::Time(&mut w.start),
        "stop" => Slot::MaybeTime(&mut w.stop),
        "count" => Slot::MaybeLong(&mut w.count),
        "depth" | "rate" => match &mut w.load {
            Load::Depth(depth) => Slot::Short(depth),
            Load::RateMilli(rate) => Slot::Long(rate),
        },
        "limit" => match &mut w.kind {
            Kind::Replay(replay) => Slot::MaybeLong(&mut replay.limit),
            _ => return None,
        },
        _ => return None,
    })
}

fn of_fault<'s>(f: &'s mut Fault, key: &str) -> Option<Slot<'s>> {
    Some(match (key, &mut f.kind) {
        ("for", _) => Slot::MaybeTime(&mut f.lasts),
        ("at" | "nth", _) => match &mut f.when {
            When::At(at) => Slot::Time(at),
            When::OnEvent { nth, .. } => Slot::Long(nth),
        },
        (
            "share",
            FaultKind::Late { share, .. }
            | FaultKind::Error { share, .. }
            | FaultKind::Busy { share }
            | FaultKind::Duplicate { share },
        ) => Slot::Long(share),
        ("jitter", FaultKind::Delay { jitter, .. }) => Slot::Time(jitter),
        ("rate", FaultKind::ThrottleBits { bits_per_s }) => Slot::Long(bits_per_s),
        ("rate", FaultKind::ThrottleIops { milli_per_s }) => Slot::Long(milli_per_s),
        ("period", FaultKind::Flap { period, .. }) => Slot::Time(period),
        ("down", FaultKind::Flap { down_pct, .. }) => Slot::Long(down_pct),
        ("takeover", FaultKind::Crash { takeover }) => Slot::Time(takeover),
        ("size", FaultKind::Resize { bytes, .. }) => Slot::Long(bytes),
        ("lba", FaultKind::Medium { lba, .. }) => Slot::Long(lba),
        ("blocks", FaultKind::Medium { blocks, .. }) => Slot::Long(blocks),
        _ => return None,
    })
}
