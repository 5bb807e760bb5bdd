//! The faults of a seed: which exist at all, how many, when, where, and how wild.
//!
//! Every fault ends, and those at known times end in the safety phase. A fault that waits for an event is short, and the
//! run is prolonged by as much.

use super::draw::{MS, pick, spread, time, weighted};
use super::profile::{Kind, Profile};
use crate::scenario::model::*;
use crate::scenario::topology;
use protocol::rng::Stream;
use protocol::{Access, Duration, NvmeStatus, Sense, Status};

const EVENTS: [&str; 6] = [
    "failover",
    "lost",
    "path_back",
    "no_path",
    "fault_start",
    "fault_end",
];
/// An event fault is at most this long.
const EVENT_MAX_NS: u64 = 250 * MS;

/// Draws the faults of a seed into its scenario; returns when the last has ended.
pub fn faults(seed: u64, s: &mut Scenario, safety: Duration, profile: Profile) -> u64 {
    let r = &mut Stream::new(seed, "fuzz.faults");
    let share = pick(r, &[15, 35, 70]);
    let all = profile.kinds();
    let mut kinds: Vec<Kind> = all.iter().copied().filter(|_| r.percent(share)).collect();
    let lossy: Vec<Kind> = all.iter().copied().filter(|k| k.loses()).collect();
    if kinds.is_empty() || (!kinds.iter().any(|k| k.loses()) && r.percent(85)) {
        kinds.push(pick(r, &lossy));
    }
    let losing: Vec<Kind> = kinds.iter().copied().filter(|k| k.loses()).collect();
    let count = r.between(1, 8);
    let mut last_end = 0;
    let mut last_at = 0;
    for i in 0..count {
        let r = &mut Stream::new(seed, &format!("fuzz.fault.{i}"));
        let kind = if i == 0 && !losing.is_empty() {
            pick(r, &losing)
        } else {
            pick(r, &kinds)
        };
        let Some((on, what)) = effect(r, s, kind) else {
            continue;
        };
        // The end of a run takes no removal back, so one that comes late would be for good.
        let on_event = !s.faults.is_empty() && r.percent(20) && kind != Kind::RemovePath;
        let (when, lasts) = if on_event {
            let lasts = time(r, 1_000, EVENT_MAX_NS / 1_000);
            let event = pick(r, &EVENTS).to_string();
            let nth = r.between(1, 3);
            (When::OnEvent { event, nth }, lasts)
        } else {
            // Faults that begin together, or one shortly after another, meet the core in the middle of its reaction.
            let at = match last_at {
                0 => r.between(30, safety.nanos() / MS * 8 / 10) * MS,
                _ if r.percent(40) => {
                    (last_at + spread(r, 0, 60_000) * 1_000).min(safety.nanos() * 9 / 10)
                }
                _ => r.between(30, safety.nanos() / MS * 8 / 10) * MS,
            };
            let at = at / 100_000 * 100_000;
            last_at = at;
            let left = (safety.nanos() - at) / 1_000;
            (When::At(Duration(at)), time(r, 1_000, left.max(2_000)))
        };
        last_end = match &when {
            When::At(at) => last_end.max(at.nanos() + lasts.nanos()),
            When::OnEvent { .. } => last_end,
        };
        s.faults.push(Fault {
            when,
            lasts: Some(lasts),
            on,
            kind: what,
        });
    }
    if s.faults.is_empty() {
        // Nothing of what exists in this seed has a place in its topology.
        let at = safety.nanos() / 2 / MS * MS;
        last_end = at + 20 * MS;
        s.faults.push(Fault {
            when: When::At(Duration(at)),
            lasts: Some(Duration(20 * MS)),
            on: Target::All,
            kind: FaultKind::Reset,
        });
    }
    let by_event: u64 = s
        .faults
        .iter()
        .filter(|f| matches!(f.when, When::OnEvent { .. }))
        .map(|f| f.lasts.map_or(0, Duration::nanos))
        .sum();
    last_end + by_event
}

/// One of the faults is a crash, whatever was drawn.
pub fn crash(r: &mut Stream, s: &mut Scenario) {
    let crash = |f: &Fault| matches!(f.kind, FaultKind::Crash { .. });
    if s.faults.iter().any(crash) {
        return;
    }
    if let Some((on, kind)) = effect(r, s, Kind::Crash)
        && let Some(f) = s.faults.first_mut()
    {
        (f.on, f.kind) = (on, kind);
    }
}

/// An array says once that it lost its cache. Where a shard is not scheduled that word may lie unread until the daemon is killed:
/// nobody can know of it then, and a search would find that again and again.
pub fn report_survives(s: &mut Scenario) {
    let is = |s: &Scenario, kind: fn(&FaultKind) -> bool| s.faults.iter().any(|f| kind(&f.kind));
    let lost = s.array.cache == Cache::Volatile && is(s, |k| matches!(k, FaultKind::Crash { .. }));
    if lost && is(s, |k| *k == FaultKind::Kill) {
        s.faults.retain(|f| f.kind != FaultKind::Lag);
    }
}

/// A medium is bad where somebody reads, mostly.
pub fn aim(seed: u64, s: &mut Scenario) {
    let r = &mut Stream::new(seed, "fuzz.aim");
    let block = u64::from(s.array.block);
    let used: Vec<(usize, u64, u64)> = s
        .workloads
        .iter()
        .map(|w| (w.volume, w.offset / block, w.span / block))
        .collect();
    for f in &mut s.faults {
        let FaultKind::Medium {
            volume,
            lba,
            blocks,
        } = &mut f.kind
        else {
            continue;
        };
        let there: Vec<_> = used.iter().filter(|(v, ..)| v == volume).collect();
        if !there.is_empty() && r.percent(80) {
            let (_, from, span) = *there[r.below(there.len() as u64) as usize];
            let end = s.volumes[*volume].bytes / block;
            *lba = (from + r.below(span)).min(end - *blocks);
        }
    }
}

/// What a fault of this kind does, and where; `None` where this scenario has no place for it.
fn effect(r: &mut Stream, s: &Scenario, kind: Kind) -> Option<(Target, FaultKind)> {
    let links = links(r, s);
    let share = pick(r, &[5, 30, 100]);
    let volume = r.below(s.volumes.len() as u64) as usize;
    let by_us = |d: Duration| d.nanos();
    Some(match kind {
        Kind::Reset => (links, FaultKind::Reset),
        Kind::Drop => (links, FaultKind::Drop),
        Kind::DropAnswers => (links, FaultKind::DropAnswers),
        // Without a proof the array itself ends what is held, in time before the host stops to fear it.
        Kind::Late if s.array.fence == ArrayFence::Time && r.percent(30) => {
            let after = s.datapath.quiesce.nanos() + r.between(1, 15) * 100 * MS;
            let after = Span::fixed(after);
            let beyond_fence = false;
            (
                links,
                FaultKind::Late {
                    after,
                    share,
                    beyond_fence,
                },
            )
        }
        Kind::Late => {
            let lo = by_us(time(r, 1_000, 1_500_000));
            let hi = if r.percent(50) {
                lo * r.between(1, 3)
            } else {
                lo
            };
            let after = Span { lo, hi };
            (
                links,
                FaultKind::Late {
                    after,
                    share,
                    beyond_fence: false,
                },
            )
        }
        Kind::Flap => {
            let kind = FaultKind::Flap {
                period: time(r, 5_000, 400_000),
                down_pct: r.between(10, 90),
                drop: r.percent(50),
            };
            (links, kind)
        }
        Kind::Delay => {
            let lo = by_us(time(r, 100, 60_000));
            let hi = if r.percent(50) {
                lo * r.between(1, 3)
            } else {
                lo
            };
            let jitter = if r.percent(30) {
                Duration(lo / 2)
            } else {
                Duration::ZERO
            };
            (
                links,
                FaultKind::Delay {
                    add: Span { lo, hi },
                    jitter,
                },
            )
        }
        Kind::Throttle if r.percent(50) => {
            let bits_per_s = pick(r, &[10, 100, 1_000]) * 1_000_000;
            (links, FaultKind::ThrottleBits { bits_per_s })
        }
        Kind::Throttle => {
            let milli_per_s = pick(r, &[100, 500, 2_000]) * 1_000;
            (links, FaultKind::ThrottleIops { milli_per_s })
        }
        // A status that may be the volume's, from every path: what ends the retries?
        Kind::Error if r.percent(20) => {
            let code = pick(r, &[0x004, 0x005, 0x006]);
            let status = Status::Nvme(NvmeStatus {
                code,
                dnr: false,
                crd: 0,
            });
            (Target::All, FaultKind::Error { status, share: 100 })
        }
        Kind::Error => (
            links,
            FaultKind::Error {
                status: status(r),
                share,
            },
        ),
        Kind::Busy => (links, FaultKind::Busy { share }),
        Kind::Duplicate => (links, FaultKind::Duplicate { share }),
        Kind::Crash => {
            let takeover = time(r, 1_000, 400_000);
            (controllers(r, s), FaultKind::Crash { takeover })
        }
        Kind::Stall => (controllers(r, s), FaultKind::Stall),
        Kind::Kill => (
            Target::Datapath(r.below(u64::from(s.host.count)) as u16),
            FaultKind::Kill,
        ),
        Kind::Lag => {
            let host = r.below(u64::from(s.host.count)) as u16;
            let shard = r.below(u64::from(s.host.shards)) as u16;
            let one = r.percent(75);
            let on = if one {
                Target::Shard { host, shard }
            } else {
                Target::Datapath(host)
            };
            (on, FaultKind::Lag)
        }
        Kind::Access => {
            let state = weighted(
                r,
                &[
                    (2, Access::Optimized),
                    (3, Access::NonOptimized),
                    (3, Access::Inaccessible),
                    (3, Access::Transitioning),
                    (1, Access::Lost),
                ],
            );
            let volume = r.percent(60).then_some(volume);
            (links, FaultKind::Access { state, volume })
        }
        Kind::Unmap => (links, FaultKind::Unmap { volume }),
        Kind::Swap => {
            let others = s.volumes.len() as u64 - 1;
            if others == 0 {
                return None;
            }
            let with = (volume + 1 + r.below(others) as usize) % s.volumes.len();
            // What nobody is told of, nobody can keep off.
            let silent = false;
            let kind = FaultKind::Swap {
                volume,
                with,
                silent,
            };
            (links, kind)
        }
        Kind::Resize => {
            let bytes = s.volumes[volume].bytes;
            let bytes = pick(r, &[bytes / 2, bytes * 2, 1 << 20]);
            (Target::Volume(volume), FaultKind::Resize { volume, bytes })
        }
        Kind::Medium => {
            let kind = FaultKind::Medium {
                volume,
                lba: r.below(64),
                blocks: r.between(1, 64),
            };
            (Target::Volume(volume), kind)
        }
        Kind::RemovePath => (links, FaultKind::RemovePath),
        Kind::AddPath => {
            // Its end takes the path away again: only a path that was not there may go for good.
            let absent: Vec<&PathOverride> = s.paths.iter().filter(|p| !p.present).collect();
            if absent.is_empty() {
                return None;
            }
            let name = pick(r, &absent).name.clone();
            (Target::Path(name), FaultKind::AddPath)
        }
    })
}

fn links(r: &mut Stream, s: &Scenario) -> Target {
    let all = topology::paths(s);
    let one = |r: &mut Stream| all[r.below(all.len() as u64) as usize].clone();
    match weighted(
        r,
        &[
            (35, 0),
            (10, 1),
            (10, 2),
            (15, 3),
            (10, 4),
            (3, 5),
            (7, 6),
            (10, 7),
        ],
    ) {
        0 => Target::Path(one(r).name),
        1 => {
            let p = one(r);
            Target::Port(format!(
                "{}{}",
                topology::controller_name(p.controller),
                p.port
            ))
        }
        2 => {
            let p = one(r);
            let host = (s.host.count > 1).then_some(p.host);
            Target::HostPort {
                host,
                port: p.host_port,
            }
        }
        3 => Target::Controller(r.below(u64::from(s.array.controllers)) as u16),
        4 => Target::Fabric(one(r).fabric),
        5 => Target::Host(r.below(u64::from(s.host.count)) as u16),
        6 => Target::All,
        _ => {
            let n = r.between(1, (all.len() as u64).min(6));
            Target::Any {
                n,
                of: "paths".into(),
            }
        }
    }
}

fn controllers(r: &mut Stream, s: &Scenario) -> Target {
    if r.percent(12) {
        Target::Array
    } else {
        Target::Controller(r.below(u64::from(s.array.controllers)) as u16)
    }
}

fn status(r: &mut Stream) -> Status {
    let nvme = |code, dnr, crd| Status::Nvme(NvmeStatus { code, dnr, crd });
    let sense = |key, asc, ascq| Status::Sense(Sense { key, asc, ascq });
    pick(
        r,
        &[
            nvme(0x360, false, 0),
            nvme(0x370, false, 0),
            nvme(0x371, false, 0),
            nvme(0x300, true, 0),
            nvme(0x302, false, 0),
            nvme(0x303, false, 0),
            nvme(0x007, false, 0),
            nvme(0x008, false, 0),
            nvme(0x021, false, 1),
            nvme(0x082, false, 0),
            nvme(0x004, false, 0),
            nvme(0x005, false, 0),
            nvme(0x006, false, 0),
            nvme(0x281, false, 0),
            nvme(0x080, false, 0),
            nvme(0x083, false, 0),
            sense(0x2, 0x04, 0x0a),
            sense(0x2, 0x04, 0x0b),
            sense(0x2, 0x04, 0x01),
            sense(0x6, 0x2a, 0x06),
            sense(0x6, 0x29, 0x00),
            sense(0xb, 0x47, 0x00),
            sense(0x3, 0x11, 0x00),
            Status::Errno(5),
            Status::Errno(5),
            Status::Errno(11),
            Status::Errno(67),
            Status::Errno(110),
            Status::Errno(121),
        ],
    )
}
