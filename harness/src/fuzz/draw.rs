//! The scenario of one seed: topology, datapath, loads; the faults are drawn by `inject`.
//!
//! Two phases. In the *safety phase*, about the first 60 % of the run, faults come and go; in the *liveness phase* all of
//! them have ended, everything must complete, and nothing new may fail. Both are part of the scenario: the second as
//! expectations over the window `healed`, the first as `app.errors == 0` over the whole run where the envelope finds no
//! reason for an error.
//!
//! Loads are thin and services slow, so that a run of two seconds is some thousand I/Os: what breaks a multipath core is the
//! number of different situations, not the number of I/Os in each.

use super::envelope;
use super::inject;
use super::profile::Profile;
use crate::scenario::model::*;
use crate::scenario::{self, topology};
use protocol::Duration;
use protocol::rng::Stream;
use std::path::Path;

/// I/Os of all workloads of a run together, about.
const IO_BUDGET: u64 = 8_000;
pub(super) const MS: u64 = 1_000_000;
pub(super) const US: u64 = 1_000;
const KIB: u64 = 1 << 10;
const MIB: u64 = 1 << 20;

/// How long after its last traffic the array itself ends an association that it hears nothing of (see `simarray`): a
/// host without a cross-controller reset must fear it for so long, and `cqt` more.
const KEEP_ALIVE_NS: u64 = 10_000_000_000;

pub(super) fn pick<T: Copy>(r: &mut Stream, of: &[T]) -> T {
    of[r.below(of.len() as u64) as usize]
}

pub(super) fn weighted<T: Copy>(r: &mut Stream, of: &[(u64, T)]) -> T {
    let sum: u64 = of.iter().map(|(w, _)| *w).sum();
    let mut at = r.below(sum);
    for (weight, item) in of {
        if at < *weight {
            return *item;
        }
        at -= weight;
    }
    of[0].1
}

/// Uniform over the orders of magnitude between `lo` and `hi`, in whole microseconds where it is a time.
pub(super) fn spread(r: &mut Stream, lo: u64, hi: u64) -> u64 {
    let mut bounds = vec![lo];
    let mut at = lo.max(1);
    while at.saturating_mul(8) < hi {
        at *= 8;
        bounds.push(at);
    }
    bounds.push(hi);
    let i = r.below(bounds.len() as u64 - 1) as usize;
    r.between(bounds[i], bounds[i + 1])
}

/// A time that is written short.
pub(super) fn time(r: &mut Stream, lo_us: u64, hi_us: u64) -> Duration {
    let us = spread(r, lo_us, hi_us);
    let step = match us {
        0..100 => 1,
        100..1_000 => 10,
        1_000..10_000 => 100,
        _ => 1_000,
    };
    Duration(us / step * step * US)
}

/// The scenario of `seed`, drawn to the last value: valid, and equal for the same seed and profile. `file` is where it will
/// stand.
pub fn scenario(seed: u64, profile: Profile, file: &Path) -> Scenario {
    let mut s = Scenario::named(&format!("fuzz/seed-{seed}"), file);
    s.title = format!("Fuzz seed {seed}, profile {}", profile.name());
    s.seed = seed;
    let stream = |name: &str| Stream::new(seed, &format!("fuzz.{name}"));
    let tiny = stream("limits").percent(50);
    topology_of(&mut stream("topology"), &mut s, tiny);
    let shadowed = profile == Profile::Shadows;
    let crowded = profile == Profile::Ghosts || shadowed && stream("crowded").percent(50);
    if crowded {
        haunt(&mut stream("haunt"), &mut s);
    }
    let soaked = profile == Profile::Crashes && stream("soaked").percent(60);
    if soaked {
        soak(&mut s);
    }
    datapath(&mut stream("datapath"), &mut s, tiny, profile);
    let mut phases = stream("phases");
    let safety = Duration(phases.between(800, 2_000) * MS);
    let last_end = inject::faults(seed, &mut s, safety, profile);
    if soaked {
        inject::crash(&mut stream("crash"), &mut s);
    }
    inject::report_survives(&mut s);
    let tail = phases.between(1_150, 1_500) * MS;
    s.duration = Duration(last_end.max(safety.nanos()) + tail);
    if shadowed && s.array.fence == ArrayFence::Time && stream("patient").percent(30) {
        // Until what is kept in memory may be written.
        s.duration.0 += s.datapath.quiesce.nanos();
    }
    loads(seed, &mut s, tiny, profile);
    if s.array.fence == ArrayFence::Time {
        // A write over what was lost alone ends that association when it comes to wait, and waits for the whole quiesce time: it must be over
        // before the run has drained.
        let stop = Duration(s.duration.nanos() - s.array.cqt.nanos() - 100 * MS);
        for w in s.workloads.iter_mut().filter(|w| w.start < stop) {
            w.stop = Some(stop);
        }
    }
    inject::aim(seed, &mut s);
    if soaked {
        pour(&mut stream("pour"), &mut s);
    }
    if crowded {
        crowd(&mut stream("crowd"), &mut s);
    }
    shadow(&mut stream("shadow"), &mut s, tiny, shadowed);
    lighten(&mut s);
    // Below this every attempt of what an outage leaves behind would time out, again and again: overload, no finding.
    let backlog = envelope::backlog_ns(&s).div_ceil(100 * MS) * 100 * MS;
    s.datapath.io_timeout = s.datapath.io_timeout.max(Duration(backlog));
    if s.array.fence == ArrayFence::Time {
        // A lost association without a proof is feared for longer than a run drains: what it holds must have been
        // lost a while before the end.
        s.duration.0 +=
            2 * s.datapath.io_timeout.nanos() + s.array.cqt.nanos() + backlog + 600 * MS;
    }
    // The run is longer now, and with it what an open load leaves behind.
    lighten(&mut s);
    let mut s = scenario::draw(&s, seed);
    s.seed = seed;
    expect(&mut s);
    s
}

fn topology_of(r: &mut Stream, s: &mut Scenario, tiny: bool) {
    let a = &mut s.array;
    a.controllers = weighted(r, &[(15, 1), (60, 2), (15, 3), (10, 4)]);
    a.ports = weighted(r, &[(35, 1), (55, 2), (10, 3)]);
    a.fabrics = weighted(r, &[(35, 1), (55, 2), (10, 3)]);
    a.block = pick(r, &[512, 512, 4096]);
    a.asymmetric = r.percent(60);
    a.forward = time(r, 5, 500);
    let slow = if tiny { 2 } else { 1 };
    a.service_read = time(r, 60 * slow, 500 * slow);
    a.service_write = time(r, 60 * slow, 500 * slow);
    a.tail = pick(
        r,
        &[
            Tail::Fixed,
            Tail::Exp,
            Tail::Exp,
            Tail::Lognormal,
            Tail::Uniform,
        ],
    );
    a.parallel = if tiny { 1 } else { pick(r, &[2, 4, 8, 32]) };
    a.cache = weighted(
        r,
        &[
            (55, Cache::Mirrored),
            (30, Cache::Volatile),
            (15, Cache::None),
        ],
    );
    a.fence = weighted(r, &[(75, ArrayFence::Ccr), (25, ArrayFence::Time)]);
    a.ccr = time(r, 50, 5_000);
    a.cqt = Duration(MS * pick(r, &[0, 50, 100, 200, 1_000]));
    s.host.count = weighted(r, &[(70, 1), (22, 2), (8, 3)]);
    s.host.ports = weighted(r, &[(30, 1), (60, 2), (10, 3)]);
    s.host.shards = weighted(r, &[(30, 1), (40, 2), (15, 3), (15, 4)]);
    s.link.latency = time(r, 1, 500);
    s.link.bits_per_s = pick(r, &[1, 10, 25, 100]) * 1_000_000_000;
    s.volumes = (0..weighted(r, &[(60, 1), (30, 2), (10, 3)]))
        .map(|i| Volume {
            name: format!("vol{i}"),
            bytes: pick(r, &[64 * MIB, 1 << 30, Volume::DEFAULT_BYTES]),
            owner: r.below(u64::from(s.array.controllers)) as u16,
        })
        .collect();
    if r.percent(35) {
        overrides(r, s);
    }
    // Wide topologies get more servers: their probes alone would be too much for one.
    while envelope::probes_ns(s) > 200 * MS {
        s.array.parallel *= 2;
    }
}

/// One or two paths differ; each host keeps a path that is there.
fn overrides(r: &mut Stream, s: &mut Scenario) {
    let all = topology::paths(s);
    let mut absent = vec![0usize; usize::from(s.host.count)];
    let of_host = all.len() / absent.len();
    for _ in 0..r.between(1, 2) {
        let p = &all[r.below(all.len() as u64) as usize];
        if s.paths.iter().any(|o| o.name == p.name) {
            continue;
        }
        let mut o = PathOverride {
            name: p.name.clone(),
            latency: None,
            bits_per_s: None,
            present: true,
        };
        let host = usize::from(p.host);
        match r.below(3) {
            0 => o.latency = Some(time(r, 100, 15_000)),
            1 => o.bits_per_s = Some(pick(r, &[20, 100, 1_000]) * 1_000_000),
            _ if absent[host] + 1 < of_host => {
                absent[host] += 1;
                o.present = false;
            }
            _ => continue,
        }
        s.paths.push(o);
    }
}

fn datapath(r: &mut Stream, s: &mut Scenario, tiny: bool, profile: Profile) {
    let confirms = s.array.fence == ArrayFence::Ccr;
    let d = &mut s.datapath;
    d.policy = weighted(
        r,
        &[
            (40, Policy::Adaptive),
            (12, Policy::RoundRobin),
            (12, Policy::QueueDepth),
            (12, Policy::LeastBytes),
            (12, Policy::Numa),
            (12, Policy::Failover),
        ],
    );
    d.io_timeout = Duration(MS * pick(r, &[100, 300, 700, 2_000, 5_000]));
    d.queue_for = Duration(match tiny && profile.short_limits() {
        true => MS * pick(r, &[0, 1, 10, 100, 400, 1_000, 30_000]),
        false => MS * 30_000,
    });
    d.fence = weighted(r, &[(70, FencePolicy::InDoubt), (30, FencePolicy::Hold)]);
    if !confirms {
        d.io_timeout = Duration(MS * pick(r, &[700, 2_000]));
        d.quiesce = Duration(KEEP_ALIVE_NS + s.array.cqt.nanos());
    }
}

/// Hosts write disjoint parts of a volume; the loads of one host may meet on a hot spot.
fn loads(seed: u64, s: &mut Scenario, tiny: bool, profile: Profile) {
    let hosts = u64::from(s.host.count);
    let mut r = Stream::new(seed, "fuzz.load");
    let count = r.between(1, 3).max(hosts);
    let hot = r.percent(profile.hot_pct());
    let block = u64::from(s.array.block);
    let start_ns = if s.datapath.queue_for.nanos() < 300 * MS {
        envelope::FIRST_CONNECT_NS
    } else {
        0
    };
    for i in 0..count {
        let r = &mut Stream::new(seed, &format!("fuzz.load.{i}"));
        let host = i % hosts;
        let volume = r.below(s.volumes.len() as u64) as usize;
        let part = s.volumes[volume].bytes / hosts / MIB * MIB;
        let span = if hot {
            64 * block
        } else {
            pick(r, &[64 * block, MIB, 16 * MIB])
        };
        let room = (part - span) / (4 * KIB);
        let place = if hot {
            0
        } else {
            r.below(room.min(16_384) + 1)
        };
        let lo = pick(r, &[1, 1, 8]) * block.max(if hot { block } else { 4 * KIB });
        let lo = lo.min(span / 2);
        let hi = if r.percent(40) {
            (lo * r.between(1, 8)).min(span / 2)
        } else {
            lo
        };
        let kind = match r.below(100) {
            0..70 => Kind::Random,
            70..85 => Kind::Sequential,
            _ => Kind::Zipf,
        };
        let discard = if r.percent(30) { r.between(1, 20) } else { 0 };
        let zeroes = if r.percent(30) { r.between(1, 20) } else { 0 };
        let read = pick(r, &[0, 20, 50, 70, 100]).min(100 - discard - zeroes);
        let mut w = Workload {
            name: format!("load{i}"),
            volume,
            host: host as u16,
            kind,
            read_pct: read,
            failfast_pct: 0,
            fua_pct: if r.percent(40) {
                pick(r, &[5, 50, 100])
            } else {
                0
            },
            discard_pct: discard,
            write_zeroes_pct: zeroes,
            block: Span { lo, hi },
            span,
            offset: host * part + place * 4 * KIB,
            load: Load::Depth(if tiny {
                1
            } else {
                pick(r, &[1, 2, 4, 8, 16, 32])
            }),
            flush_every: if r.percent(50) { spread(r, 1, 64) } else { 0 },
            start: Duration(start_ns),
            stop: None,
            count: None,
        };
        if r.percent(25) && !hot {
            large(r, s, &mut w);
        }
        thin(r, s, &mut w, count);
        s.workloads.push(w);
    }
}

/// I/Os of more than one command, where the links can carry them.
fn large(r: &mut Stream, s: &Scenario, w: &mut Workload) {
    let thin = s.paths.iter().any(|p| p.bits_per_s.is_some());
    if thin
        || s.link.bits_per_s < 10_000_000_000
        || w.offset + 16 * MIB
            > s.volumes[w.volume].bytes / u64::from(s.host.count) * u64::from(w.host + 1)
    {
        return;
    }
    w.span = 16 * MIB;
    w.block = Span {
        lo: MIB,
        hi: MIB * r.between(2, 4),
    };
    w.load = Load::Depth(1);
}

/// A load that would be more than its part of the budget becomes an open one, within what array and links can carry; so do
/// some of the others.
fn thin(r: &mut Stream, s: &Scenario, w: &mut Workload, of: u64) {
    let Load::Depth(depth) = w.load else { return };
    let budget = IO_BUDGET / of;
    let mean = (s.array.service_read.nanos() + s.array.service_write.nanos()) / 2;
    let turn = mean + 2 * s.link.latency.nanos() + 10 * US;
    let at_once =
        u64::from(depth).min(u64::from(s.array.parallel) * u64::from(s.array.controllers));
    let ios = s.duration.nanos() / turn * at_once;
    if ios > budget || r.percent(20) {
        let seconds = s.duration.nanos() / 1_000_000_000 + 1;
        let carried = 1_000_000_000 / envelope::cost_ns(s, w).max(1) * 4 / 10 / of;
        let most = (budget / seconds).min(carried).max(10);
        w.load = Load::RateMilli(spread(r, most / 8, most).max(10) * 1_000);
    }
}

/// An array that proves nothing, or late, and forgets a lost association slowly: there commands execute that nobody waits
/// for. It is wide and quick, so that what was held does not pile up.
fn haunt(r: &mut Stream, s: &mut Scenario) {
    let a = &mut s.array;
    if r.percent(60) {
        a.fence = ArrayFence::Time;
        a.cqt = Duration(MS * pick(r, &[200, 500, 1_000]));
    }
    a.service_read = time(r, 60, 200);
    a.service_write = time(r, 60, 200);
    a.parallel = a.parallel.max(64);
    s.host.shards = s.host.shards.max(2);
}

/// Many writes of several shards on few blocks, while lost attempts of the same blocks may still execute: what the table of
/// ranges in doubt is for.
fn crowd(r: &mut Stream, s: &mut Scenario) {
    let block = u64::from(s.array.block);
    s.datapath.fence = FencePolicy::InDoubt;
    for w in &mut s.workloads {
        w.kind = Kind::Random;
        w.read_pct = w.read_pct.min(20);
        w.span = pick(r, &[4, 16, 64, 256, 2_048]) * block;
        let hi = block * r.between(1, 4);
        w.block = Span { lo: block, hi };
        w.load = Load::RateMilli(pick(r, &[500, 2_000, 5_000]) * 1_000);
    }
}

/// Instead of being held, writes are kept in memory: always, or now and then.
fn shadow(r: &mut Stream, s: &mut Scenario, tiny: bool, always: bool) {
    let now_and_then = s.datapath.fence == FencePolicy::InDoubt && r.percent(20);
    if !always && !now_and_then {
        return;
    }
    s.datapath.fence = FencePolicy::Shadow;
    if tiny && r.percent(50) {
        s.datapath.shadow_bytes = u64::from(s.array.block) * pick(r, &[1, 8, 64]);
    }
}

/// A volatile cache that every load of a host shares: what a crash takes from it, all of them must be told of.
fn soak(s: &mut Scenario) {
    s.array.cache = Cache::Volatile;
    s.volumes.truncate(1);
    s.link.bits_per_s = s.link.bits_per_s.max(10_000_000_000);
    s.paths.iter_mut().for_each(|p| p.bits_per_s = None);
}

/// Writes without FUA and many flushes, so that at any moment something is answered and not durable; and writes of several
/// commands, that are answered bit by bit.
fn pour(r: &mut Stream, s: &mut Scenario) {
    let drawn = s.clone();
    for w in &mut s.workloads {
        w.read_pct = w.read_pct.min(20);
        w.fua_pct = if r.percent(20) { w.fua_pct } else { 0 };
        w.flush_every = r.between(1, 8);
    }
    if let Some(w) = s.workloads.first_mut()
        && r.percent(50)
    {
        large(r, &drawn, w);
        if w.block.lo >= MIB {
            w.load = Load::RateMilli(r.between(100, 300) * 1_000);
        }
    }
}

/// No more than can be carried.
fn lighten(s: &mut Scenario) {
    for _ in 0..40 {
        let burst = s.array.fence == ArrayFence::Time
            && envelope::backlog_ns(s) > envelope::BURST_MAX_NS / 2;
        if !burst && !envelope::too_much(s) {
            break;
        }
        soften(s);
    }
}

/// Half of the load, or twice the array and its links.
fn soften(s: &mut Scenario) {
    let mut lighter = false;
    for w in &mut s.workloads {
        match &mut w.load {
            Load::RateMilli(rate) if *rate > 10_000 => {
                *rate = *rate / 2 / 1_000 * 1_000;
                lighter = true;
            }
            Load::Depth(depth) if *depth > 2 => {
                *depth /= 2;
                lighter = true;
            }
            _ => {}
        }
    }
    if !lighter {
        s.array.parallel = (s.array.parallel * 2).min(1_024);
        s.link.bits_per_s = (s.link.bits_per_s * 2).min(400_000_000_000);
        for p in &mut s.paths {
            p.bits_per_s = p.bits_per_s.map(|b| b * 2);
        }
    }
}

fn expect(s: &mut Scenario) {
    let reasons = envelope::reasons(s);
    if !reasons.is_empty() {
        let texts: Vec<String> = reasons.iter().map(|r| r.text()).collect();
        s.why = format!("Errors may be legitimate: {}.", texts.join("; "));
    }
    let (io, flush) = (
        envelope::io_may_fail(&reasons),
        envelope::flush_may_fail(&reasons),
    );
    let known = s.clone();
    let expects = &mut s.expects;
    let mut add = |metric: &str, cmp: Cmp, value: f64, window: Window| {
        let sign = if cmp == Cmp::Eq { "==" } else { ">=" };
        expects.push(Expect {
            text: format!("{metric} {sign} {value}"),
            metric: metric.to_string(),
            cmp,
            value,
            window,
            sometimes: false,
            line: 0,
        });
    };
    // Where an error is legitimate it may come after the run counts as healed: what a late fault holds is missed that long,
    // and without a proof an I/O whose one command failed completes only when its other, which is held, is feared no more.
    let healed = crate::metrics::HEALING.nanos();
    let held = s.array.fence == ArrayFence::Time;
    let echoes = held
        || s.faults
            .iter()
            .any(|f| envelope::echo_ns(&known, f) + envelope::AFTER_NS > healed);
    match (io, echoes) {
        (false, _) => add("app.errors", Cmp::Eq, 0.0, Window::Whole),
        (true, false) => add("app.errors", Cmp::Eq, 0.0, Window::Healed),
        (true, true) => {}
    }
    if !flush {
        add("app.flush.errors", Cmp::Eq, 0.0, Window::Whole);
    }
    // Without a proof every write may be held until the quiesce time is over; a fault that waits for an event may leave
    // no time; what a late fault holds may be missed until the end; and an open load must be thick enough to have I/Os then.
    let by_event = |f: &Fault| matches!(f.when, When::OnEvent { .. });
    let certain = |w: &Workload| match w.load {
        Load::Depth(_) => true,
        Load::RateMilli(rate) => rate >= 200_000,
    };
    let proof = s.array.fence == ArrayFence::Ccr;
    let waits = s.faults.iter().any(by_event) || envelope::echoes_to_the_end(&known);
    if proof && s.workloads.iter().any(certain) && !waits {
        add("app.ios", Cmp::Ge, 1.0, Window::Healed);
    }
}
