//! `path.*` and `balance.*`.

use super::*;

fn all_usable(r: &mut Recorder, paths: u16) {
    for path in 0..paths {
        access(r, MS, path, 0, Access::Optimized);
        usable(r, MS, path, true);
    }
}

#[test]
fn a_path_counts_answers_errors_and_what_is_in_flight() {
    let mut r = recorder();
    all_usable(&mut r, 2);
    for at in [10, 20, 30] {
        r.issued(Instant(at * MS), 0, Op::Write, 4096);
    }
    r.answered(Instant(40 * MS), 0, Op::Write, 4096, Instant(10 * MS), true);
    r.answered(
        Instant(41 * MS),
        0,
        Op::Write,
        4096,
        Instant(20 * MS),
        false,
    );
    r.abandoned(Instant(42 * MS), 0, Op::Write, 4096);
    // A flush is in flight like anything else and counts nowhere else.
    r.issued(Instant(43 * MS), 0, Op::Flush, 0);
    r.answered(Instant(44 * MS), 0, Op::Flush, 0, Instant(43 * MS), false);
    let m = r.finish(Instant(5 * S));
    for (metric, expected) in [
        ("path.h0-A0.ios", 2),
        ("path.h0-A0.bytes", 8192),
        ("path.h0-A0.errors", 2),
        ("path.h0-A0.inflight_max", 3),
        ("path.h0-A0.mean", 25_500_000),
        ("path.h0-A0.p99", 30 * MS),
        ("path.h0-B0.ios", 0),
        ("path.h0-B0.inflight_max", 0),
    ] {
        assert_eq!(whole(&m, metric), expected, "{metric}");
    }
    assert_eq!(m.value("path.h0-B0.p99", Window::Whole), None);
    let paths = m.paths();
    assert_eq!((paths[0].ios, paths[0].errors, paths[0].share), (2, 2, 1.0));
    assert_eq!((paths[1].p50_ns, paths[1].p99_ns), (0, 0));
}

#[test]
fn what_is_in_flight_when_a_window_begins_is_in_it() {
    let mut r = recorder();
    r.issued(Instant(MS), 0, Op::Read, 512);
    r.issued(Instant(MS), 0, Op::Read, 512);
    r.fault_started(Instant(S));
    r.abandoned(Instant(S), 0, Op::Read, 512);
    r.abandoned(Instant(S), 0, Op::Read, 512);
    r.fault_ended(Instant(2 * S));
    let m = r.finish(Instant(5 * S));
    let inflight = |window| int(&m, "path.h0-A0.inflight_max", window);
    assert_eq!(inflight(Window::Fault), 2);
    assert_eq!(inflight(Window::Healed), 0);
    assert_eq!(int(&m, "path.h0-A0.errors", Window::Fault), 2);
}

#[test]
fn shares_are_over_the_optimised_paths() {
    let mut r = Recorder::new(layout(&["h0-A0", "h0-B0", "h1-A1"], 1, 1));
    all_usable(&mut r, 3);
    access(&mut r, 2 * MS, 1, 0, Access::NonOptimized);
    for at in 0..3 {
        command(&mut r, at * MS + 3 * MS, 1000, 0);
    }
    command(&mut r, 7 * MS, 1000, 2);
    command(&mut r, 8 * MS, 1000, 1);
    let m = r.finish(Instant(5 * S));
    assert_eq!(float(&m, "path.h0-A0.share", Window::Whole), 0.75);
    assert_eq!(float(&m, "path.h1-A1.share", Window::Whole), 0.25);
    assert_eq!(float(&m, "path.h0-B0.share", Window::Whole), 0.0);
    assert_eq!(float(&m, "balance.spread", Window::Whole), 0.5);
    // (3+1)² / (2 · (9+1))
    assert_eq!(float(&m, "balance.jain", Window::Whole), 0.8);
}

#[test]
fn a_path_that_was_lost_is_judged_only_where_it_served_throughout() {
    let mut r = recorder();
    all_usable(&mut r, 2);
    command(&mut r, 10 * MS, 1000, 0);
    command(&mut r, 20 * MS, 1000, 1);
    r.fault_started(Instant(S));
    usable(&mut r, S, 0, false);
    command(&mut r, S + MS, 1000, 1);
    r.fault_ended(Instant(S + 100 * MS));
    usable(&mut r, S + 200 * MS, 0, true);
    command(&mut r, 3 * S, 1000, 0);
    command(&mut r, 3 * S + MS, 1000, 1);
    command(&mut r, 3 * S + 2 * MS, 1000, 1);
    let m = r.finish(Instant(5 * S));
    let share = |window| float(&m, "path.h0-A0.share", window);
    assert_eq!(share(Window::Steady), 0.5);
    assert_eq!(share(Window::Fault), 0.0);
    assert_eq!(share(Window::Healed), 0.333333);
    assert_eq!(share(Window::Whole), 0.0);
    // A set of one is even.
    assert_eq!(float(&m, "balance.jain", Window::Fault), 1.0);
    assert_eq!(float(&m, "balance.spread", Window::Fault), 0.0);
}

#[test]
fn a_window_that_begins_while_a_path_is_away_does_not_have_it() {
    let mut r = recorder();
    all_usable(&mut r, 2);
    r.fault_started(Instant(S));
    usable(&mut r, S + MS, 0, false);
    r.fault_ended(Instant(S + 10 * MS));
    command(&mut r, 2 * S + 20 * MS, 1000, 1);
    usable(&mut r, 3 * S, 0, true);
    command(&mut r, 4 * S, 1000, 0);
    let m = r.finish(Instant(5 * S));
    assert_eq!(float(&m, "path.h0-A0.share", Window::Healed), 0.0);
    assert_eq!(float(&m, "path.h0-B0.share", Window::Healed), 1.0);
}

#[test]
fn an_outage_in_the_tentative_segments_is_one_of_the_fault_window() {
    let mut r = recorder();
    all_usable(&mut r, 2);
    r.fault_started(Instant(S));
    r.fault_ended(Instant(S + MS));
    usable(&mut r, S + 2 * MS, 0, false);
    usable(&mut r, S + 3 * MS, 0, true);
    r.fault_started(Instant(S + 4 * MS));
    command(&mut r, S + 5 * MS, 1000, 0);
    command(&mut r, S + 6 * MS, 1000, 1);
    r.fault_ended(Instant(S + 10 * MS));
    command(&mut r, 3 * S, 1000, 0);
    let m = r.finish(Instant(5 * S));
    assert_eq!(float(&m, "path.h0-A0.share", Window::Fault), 0.0);
    assert_eq!(float(&m, "path.h0-A0.share", Window::Healed), 1.0);
}

#[test]
fn connecting_is_no_outage_but_a_late_path_is_one() {
    let mut r = Recorder::new(layout(&["h0-A0", "h0-B0", "h1-A1", "h1-B1"], 1, 1));
    usable(&mut r, 5 * MS, 0, true);
    usable(&mut r, 100 * MS, 1, true);
    usable(&mut r, 101 * MS, 2, true); // h1-B1 never comes
    for path in 0..4 {
        command(&mut r, 200 * MS + u64::from(path) * MS, 1000, path);
    }
    r.fault_started(Instant(S));
    for path in 0..3 {
        command(&mut r, S + 100 * MS + u64::from(path) * MS, 1000, path);
    }
    r.fault_ended(Instant(2 * S));
    let m = r.finish(Instant(5 * S));
    let share = |path: &str, window| float(&m, &format!("path.{path}.share"), window);
    assert_eq!(share("h0-A0", Window::Steady), 0.5);
    assert_eq!(share("h0-B0", Window::Steady), 0.5);
    assert_eq!(share("h1-A1", Window::Steady), 0.0);
    assert_eq!(share("h1-A1", Window::Fault), 0.333333);
    assert_eq!(share("h1-B1", Window::Fault), 0.0);
}

#[test]
fn a_path_serves_while_every_shard_can_use_it() {
    let mut r = Recorder::new(layout(&["h0-A0", "h0-B0"], 2, 1));
    for (path, shard) in [(0, 0), (0, 1), (1, 0)] {
        usable_on(&mut r, MS, path, shard, 0, true);
    }
    command(&mut r, 10 * MS, 1000, 0);
    command(&mut r, 20 * MS, 1000, 1);
    let m = r.finish(Instant(5 * S));
    assert_eq!(float(&m, "path.h0-A0.share", Window::Whole), 1.0);
    assert_eq!(float(&m, "path.h0-B0.share", Window::Whole), 0.0);
}

#[test]
fn of_several_volumes_only_those_in_use_make_the_set() {
    // The volumes have different owners: each path is optimised for one of them.
    let start = || {
        let mut r = Recorder::new(layout(&["h0-A0", "h0-B0"], 1, 2));
        for (path, volume) in [(0, 0), (0, 1), (1, 0), (1, 1)] {
            let best = path == volume;
            let state = if best {
                Access::Optimized
            } else {
                Access::NonOptimized
            };
            access(&mut r, MS, path, volume, state);
            usable_on(&mut r, MS, path, 0, volume, true);
        }
        for (at, path) in [(10, 0), (11, 0), (12, 0), (13, 1)] {
            command(&mut r, at * MS, 1000, path);
        }
        r
    };
    let mut one = start();
    one.uses(0, 0);
    let one = one.finish(Instant(5 * S));
    assert_eq!(float(&one, "balance.jain", Window::Whole), 1.0);
    assert_eq!(float(&one, "path.h0-B0.share", Window::Whole), 0.0);
    let mut both = start();
    both.uses(0, 0);
    both.uses(0, 1);
    let both = both.finish(Instant(5 * S));
    assert_eq!(float(&both, "balance.jain", Window::Whole), 0.8);
    assert_eq!(float(&both, "path.h0-B0.share", Window::Whole), 0.25);
}

#[test]
fn hosts_without_load_are_not_in_the_set() {
    let mut two = layout(&["host0.h0-A0", "host1.h0-A0"], 1, 1);
    two.paths[1].host = 1;
    two.paths[1].path = 0;
    let mut r = Recorder::new(two);
    let event = datapath::core::Event::Usable {
        path: PathId(0),
        volume: VolumeId(0),
        usable: true,
    };
    r.core_event(Instant(MS), 0, 0, &event);
    r.core_event(Instant(MS), 1, 0, &event);
    command(&mut r, 10 * MS, 1000, 0);
    let m = r.finish(Instant(5 * S));
    assert_eq!(float(&m, "balance.spread", Window::Whole), 0.0);
    assert_eq!(float(&m, "path.host0.h0-A0.share", Window::Whole), 1.0);
    assert_eq!(float(&m, "path.host1.h0-A0.share", Window::Whole), 0.0);
}

#[test]
fn without_a_path_that_served_there_is_no_balance() {
    let mut r = recorder();
    command(&mut r, 10 * MS, 1000, 0);
    let m = r.finish(Instant(5 * S));
    for metric in ["balance.jain", "balance.spread", "path.h0-A0.share"] {
        assert_eq!(m.value(metric, Window::Whole), None, "{metric}");
    }
}
