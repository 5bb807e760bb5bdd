//! The recorder against the plainest possible account of the same run: a list of everything with its time, cut into
//! windows when all faults are known.

use super::*;
use proptest::prelude::*;

#[derive(Clone, Copy, Debug)]
enum Step {
    Io { took: u64, write: bool, ok: bool },
    Command { path: u32, ok: bool },
    Redispatch { took: u64 },
    Starve,
    Feed,
    FaultStart,
    FaultEnd,
}

fn step() -> impl Strategy<Value = (u64, Step)> {
    let step = prop_oneof![
        8 => (0..50 * MS, any::<bool>(), any::<bool>())
            .prop_map(|(took, write, ok)| Step::Io { took, write, ok }),
        4 => (0..2u32, any::<bool>()).prop_map(|(path, ok)| Step::Command { path, ok }),
        1 => (0..MS).prop_map(|took| Step::Redispatch { took }),
        1 => Just(Step::Starve),
        1 => Just(Step::Feed),
        2 => Just(Step::FaultStart),
        3 => Just(Step::FaultEnd),
    ];
    // Mostly small steps, some that let the run heal.
    let pause = prop_oneof![3 => 1..100 * MS, 1 => 1..1_500 * MS];
    (pause, step)
}

const WINDOWS: [Window; 4] = [Window::Whole, Window::Steady, Window::Fault, Window::Healed];

/// First start and last end of the faults; the end is open while one is active.
fn faults(steps: &[(u64, Step)]) -> Option<(u64, Option<u64>)> {
    let (mut active, mut first, mut last) = (0, None, None);
    for (at, step) in steps {
        match step {
            Step::FaultStart => {
                first = first.or(Some(*at));
                last = None;
                active += 1;
            }
            Step::FaultEnd if active > 0 => {
                active -= 1;
                last = (active == 0).then_some(*at);
            }
            _ => {}
        }
    }
    first.map(|first| (first, last))
}

/// The times that a window covers: from, until.
fn bounds(window: Window, faults: Option<(u64, Option<u64>)>, end: u64) -> Option<(u64, u64)> {
    let bounds = match (window, faults) {
        (Window::Whole, _) => return Some((0, end + 1)),
        (Window::Steady, None) => return Some((0, end + 1)),
        (Window::Steady, Some((first, _))) => (0, first),
        (_, None) => return None,
        (Window::Fault, Some((first, last))) => (first, last.unwrap_or(end + 1)),
        (Window::Healed, Some((_, last))) => (last? + S, end + 1),
    };
    (bounds.0 < bounds.1).then_some(bounds)
}

/// How much of the time without a path lies in a window.
fn starved(steps: &[(u64, Step)], (from, until): (u64, u64), end: u64) -> u64 {
    let (mut since, mut sum) = (None, 0);
    let mut add = |a: u64, b: u64| sum += b.min(until).saturating_sub(a.max(from));
    for (at, step) in steps {
        match step {
            Step::Starve => since = since.or(Some(*at)),
            Step::Feed => {
                if let Some(since) = since.take() {
                    add(since, *at);
                }
            }
            _ => {}
        }
    }
    if let Some(since) = since {
        add(since, end);
    }
    sum
}

fn run(r: &mut Recorder, steps: &[(u64, Step)]) {
    for (at, step) in steps {
        let now = Instant(*at);
        match *step {
            Step::Io { took, write, ok } => {
                let op = if write { Op::Write } else { Op::Read };
                r.app_submitted(now);
                let since = at.saturating_sub(took);
                r.app_completed(
                    now,
                    AppDone {
                        errno: if ok { 0 } else { 5 },
                        ..done(op, since)
                    },
                );
            }
            Step::Command { path, ok } => {
                r.issued(now, path, Op::Read, 512);
                r.answered(now, path, Op::Read, 512, now, ok);
            }
            Step::Redispatch { took } => {
                let event = datapath::core::Event::Redispatch {
                    from: PathId(0),
                    to: PathId(1),
                    ticket: datapath::core::Ticket {
                        slot: 0,
                        generation: 0,
                    },
                    lost_at: Instant(at.saturating_sub(took)),
                };
                r.core_event(now, 0, 0, &event);
            }
            Step::Starve => {
                let volume = VolumeId(0);
                let event = datapath::core::Event::NoPath { volume, queued: 0 };
                r.core_event(now, 0, 0, &event);
            }
            Step::Feed => {
                let event = datapath::core::Event::PathBack {
                    volume: VolumeId(0),
                    outage: Duration::ZERO,
                };
                r.core_event(now, 0, 0, &event);
            }
            Step::FaultStart => r.fault_started(now),
            Step::FaultEnd => r.fault_ended(now),
        }
    }
}

proptest! {
    #[test]
    fn windows_are_what_a_plain_account_says(pauses in prop::collection::vec(step(), 0..120)) {
        let mut at = 0;
        let steps: Vec<(u64, Step)> = pauses
            .into_iter()
            .map(|(pause, step)| {
                at += pause;
                (at, step)
            })
            .collect();
        let end = at + S;
        let mut layout = layout(&["h0-A0", "h0-B0"], 1, 1);
        layout.duration = Duration(end + 1);
        let mut r = Recorder::new(layout);
        run(&mut r, &steps);
        let m = r.finish(Instant(end));
        let faults = faults(&steps);
        for window in WINDOWS {
            let Some((from, until)) = bounds(window, faults, end) else {
                prop_assert_eq!(m.value("app.ios", window), None);
                continue;
            };
            let inside = || steps.iter().filter(|(at, _)| (from..until).contains(at));
            let ios = |of: &dyn Fn(bool, bool) -> bool| {
                inside().filter(|(_, s)| matches!(s, Step::Io { write, ok, .. } if of(*write, *ok))).count() as u64
            };
            prop_assert_eq!(int(&m, "app.ios", window), ios(&|_, _| true));
            prop_assert_eq!(int(&m, "app.errors", window), ios(&|_, ok| !ok));
            prop_assert_eq!(int(&m, "app.write.ios", window), ios(&|write, _| write));
            let latencies = inside().filter_map(|(at, s)| match s {
                Step::Io { took, .. } => Some(*took.min(at)),
                _ => None,
            });
            let longest = latencies.clone().max().map(Value::Int);
            prop_assert_eq!(m.value("app.all.max", window), longest);
            let (sum, count) = (latencies.clone().sum::<u64>(), latencies.count() as u64);
            let mean = (count > 0).then(|| Value::Int((sum + count / 2) / count));
            prop_assert_eq!(m.value("app.all.mean", window), mean);
            let on_path = inside().filter(|(_, s)| matches!(s, Step::Command { path: 1, .. }));
            prop_assert_eq!(int(&m, "path.h0-B0.ios", window), on_path.count() as u64);
            let bad = inside().filter(|(_, s)| matches!(s, Step::Command { path: 0, ok: false }));
            prop_assert_eq!(int(&m, "path.h0-A0.errors", window), bad.count() as u64);
            let redone = inside().filter_map(|(at, s)| match s {
                Step::Redispatch { took } => Some(*took.min(at)),
                _ => None,
            });
            prop_assert_eq!(int(&m, "failover.retried", window), redone.clone().count() as u64);
            prop_assert_eq!(int(&m, "failover.redispatch_max", window), redone.max().unwrap_or(0));
            prop_assert_eq!(int(&m, "no_path.time", window), starved(&steps, (from, until), end));
        }
        let rows = m.timeline();
        prop_assert_eq!(rows.iter().map(|r| r.ios).sum::<u64>(), whole(&m, "app.ios"));
    }

    /// Never a panic, never an impossible balance, whatever is told in whatever order.
    #[test]
    fn balances_stay_in_their_range(
        told in prop::collection::vec((0..3_000 * MS, 0..4u16, 0..3u16, 0..3u16, 0..5u8), 0..80)
    ) {
        let mut r = Recorder::new(layout(&["h0-A0", "h0-B0", "h1-A1"], 2, 2));
        for (at, path, shard, volume, what) in told {
            match what {
                0 => usable_on(&mut r, at, path, shard, volume, true),
                1 => usable_on(&mut r, at, path, shard, volume, false),
                2 => access(&mut r, at, path, volume, Access::NonOptimized),
                3 => r.fault_started(Instant(at)),
                _ => command(&mut r, at, 1_000, u32::from(path)),
            }
        }
        let m = r.finish(Instant(5 * S));
        for window in WINDOWS {
            let mut sum = 0.0;
            for path in ["h0-A0", "h0-B0", "h1-A1"] {
                if let Some(Value::Float(share)) = m.value(&format!("path.{path}.share"), window) {
                    prop_assert!((0.0..=1.0).contains(&share));
                    sum += share;
                }
            }
            match m.value("balance.jain", window) {
                Some(Value::Float(jain)) => {
                    prop_assert!((0.33..=1.0).contains(&jain), "{jain}");
                    prop_assert!((sum - 1.0).abs() < 1e-5, "{sum}");
                }
                other => prop_assert_eq!(other, None),
            }
        }
    }
}
