//! Failover, failback, fence, starvation, flips: what the cores tell.

use super::*;
use datapath::core::path::Link;
use datapath::core::{Epoch, Event, LossCause, Ticket};

const TICKET: Ticket = Ticket {
    slot: 0,
    generation: 0,
};

fn tell(r: &mut Recorder, at: u64, shard: u16, event: Event) {
    r.core_event(Instant(at), 0, shard, &event);
}

fn up(r: &mut Recorder, at: u64, path: u16, shard: u16) {
    let event = Event::Link {
        path: PathId(path),
        from: Link::Connecting,
        to: Link::Up,
    };
    tell(r, at, shard, event);
    usable_on(r, at, path, shard, 0, true);
}

/// As the core tells it: the link, the verdict, the consequence.
fn lose(r: &mut Recorder, at: u64, path: u16, shard: u16, attempts: u32, first_hit: u64) {
    let link = Event::Link {
        path: PathId(path),
        from: Link::Up,
        to: Link::Lost,
    };
    tell(r, at, shard, link);
    let lost = Event::Lost {
        path: PathId(path),
        cause: LossCause::Silence,
        attempts,
        first_hit: Instant(first_hit),
    };
    tell(r, at, shard, lost);
    usable_on(r, at, path, shard, 0, false);
}

fn redispatch(r: &mut Recorder, at: u64, from: u16, lost_at: u64) {
    let event = Event::Redispatch {
        from: PathId(from),
        to: PathId(1 - from),
        ticket: TICKET,
        lost_at: Instant(lost_at),
    };
    tell(r, at, 0, event);
}

fn two_shards() -> Recorder {
    let mut r = Recorder::new(layout(&["h0-A0", "h0-B0"], 2, 1));
    for (path, shard) in [(0, 0), (0, 1), (1, 0), (1, 1)] {
        up(&mut r, MS, path, shard);
    }
    r
}

#[test]
fn the_shards_verdicts_on_one_loss_are_one_failover() {
    let mut r = two_shards();
    r.fault_started(Instant(S));
    lose(&mut r, S + 30 * MS, 0, 0, 3, S + 5 * MS);
    redispatch(&mut r, S + 30 * MS, 0, S + 30 * MS);
    lose(&mut r, S + 50 * MS, 0, 1, 2, S + MS);
    redispatch(&mut r, S + 52 * MS, 0, S + 50 * MS);
    redispatch(&mut r, S + 53 * MS, 0, S + 50 * MS);
    r.fault_ended(Instant(2 * S));
    let m = r.finish(Instant(5 * S));
    assert_eq!(whole(&m, "failover.count"), 1);
    assert_eq!(whole(&m, "failover.detect_max"), 49 * MS);
    assert_eq!(whole(&m, "failover.redispatch_max"), 3 * MS);
    assert_eq!(whole(&m, "failover.retried"), 3);
    assert_eq!(int(&m, "failover.count", Window::Fault), 1);
    assert_eq!(int(&m, "failover.count", Window::Steady), 0);
    let list = m.failovers();
    assert_eq!(list.len(), 1);
    let f = &list[0];
    assert_eq!(
        (f.at_ns, f.path.as_str(), f.cause.as_str()),
        (S + 30 * MS, "h0-A0", "silence")
    );
    assert_eq!((f.detect_ns, f.retried, f.stall_ns), (49 * MS, 3, 0));
}

#[test]
fn a_verdict_without_anything_to_redo_is_no_failover() {
    let mut r = two_shards();
    lose(&mut r, S, 0, 0, 0, S);
    lose(&mut r, S + MS, 0, 1, 0, S);
    let m = r.finish(Instant(5 * S));
    assert_eq!(whole(&m, "failover.count"), 0);
    assert_eq!(whole(&m, "failover.detect_max"), 0);
    assert!(m.failovers().is_empty());
}

#[test]
fn a_loss_after_the_path_was_up_everywhere_is_another_failover() {
    let mut r = two_shards();
    lose(&mut r, S, 0, 0, 1, S);
    up(&mut r, S + 10 * MS, 0, 0);
    lose(&mut r, S + 20 * MS, 0, 1, 1, S);
    // Shard 0 loses it again while shard 1 still misses it: the same loss.
    lose(&mut r, S + 30 * MS, 0, 0, 1, S);
    up(&mut r, S + 40 * MS, 0, 0);
    up(&mut r, S + 41 * MS, 0, 1);
    lose(&mut r, S + 50 * MS, 0, 0, 1, S + 45 * MS);
    // A write that was held until now belongs to the first loss.
    redispatch(&mut r, S + 60 * MS, 0, S + 20 * MS);
    redispatch(&mut r, S + 60 * MS, 0, S + 50 * MS);
    redispatch(&mut r, S + 60 * MS, 0, S + 50 * MS);
    let m = r.finish(Instant(5 * S));
    // Up again on shard 0 while shard 1 had not lost it yet was up everywhere, too.
    assert_eq!(whole(&m, "failover.count"), 3);
    let retried: Vec<u64> = m.failovers().iter().map(|f| f.retried).collect();
    assert_eq!(retried, [0, 1, 2]);
}

#[test]
fn the_stall_of_a_failover_lasts_from_the_completion_before_to_the_one_after() {
    let mut r = two_shards();
    r.app_submitted(Instant(S));
    r.app_submitted(Instant(S));
    r.app_completed(Instant(S + 2 * MS), done(Op::Read, S));
    lose(&mut r, S + 10 * MS, 0, 0, 1, S);
    r.app_completed(Instant(S + 15 * MS), done(Op::Read, S));
    io(&mut r, 2 * S, 900 * MS, Op::Read);
    r.app_submitted(Instant(4 * S));
    lose(&mut r, 4 * S + MS, 1, 0, 1, 4 * S);
    let list = r.finish(Instant(5 * S)).failovers();
    assert_eq!(list[0].stall_ns, 13 * MS);
    assert_eq!(list[1].stall_ns, S);
}

#[test]
fn failback_takes_from_the_verdict_until_every_shard_can_use_the_path() {
    let mut r = two_shards();
    lose(&mut r, S, 0, 0, 0, S);
    lose(&mut r, S + 20 * MS, 0, 1, 2, S);
    up(&mut r, 2 * S, 0, 0);
    up(&mut r, 2 * S + 30 * MS, 0, 1);
    lose(&mut r, 3 * S, 1, 0, 1, 3 * S);
    let m = r.finish(Instant(5 * S));
    assert_eq!(whole(&m, "failback.count"), 1);
    assert_eq!(whole(&m, "failback.max"), S + 30 * MS);
}

#[test]
fn flips_are_of_the_hosts_path_and_not_of_its_first_connection() {
    let mut r = two_shards();
    // One shard less is no flip of the path.
    usable_on(&mut r, S, 0, 0, 0, false);
    usable_on(&mut r, S + 1, 0, 0, 0, false);
    r.fault_started(Instant(S + 1));
    usable_on(&mut r, S + 2, 0, 1, 0, false);
    usable_on(&mut r, S + 3, 0, 1, 0, true);
    let m = r.finish(Instant(5 * S));
    assert_eq!(int(&m, "path.flips", Window::Steady), 0);
    assert_eq!(whole(&m, "path.flips"), 2);
}

#[test]
fn ranges_in_doubt_and_held_writes_are_counted() {
    let mut r = recorder();
    for ranges in [3, 4] {
        let event = Event::InDoubt {
            path: PathId(0),
            epoch: Epoch(1),
            ranges,
        };
        tell(&mut r, S, 0, event);
    }
    for waited in [7, 5] {
        let event = Event::Held {
            ticket: TICKET,
            waited: Duration::from_millis(waited),
        };
        tell(&mut r, S, 0, event);
    }
    let m = r.finish(Instant(5 * S));
    assert_eq!(whole(&m, "fence.ranges"), 7);
    assert_eq!(whole(&m, "fence.held"), 2);
    assert_eq!(whole(&m, "fence.held_max"), 7 * MS);
}

fn starve(r: &mut Recorder, at: u64, shard: u16, volume: u16) {
    let event = Event::NoPath {
        volume: VolumeId(volume),
        queued: 0,
    };
    tell(r, at, shard, event);
}

fn fed(r: &mut Recorder, at: u64, shard: u16, volume: u16) {
    let event = Event::PathBack {
        volume: VolumeId(volume),
        outage: Duration::ZERO,
    };
    tell(r, at, shard, event);
}

#[test]
fn time_without_a_path_is_summed_over_volumes_and_not_over_shards() {
    let mut r = Recorder::new(layout(&["h0-A0"], 2, 2));
    starve(&mut r, S, 0, 0);
    starve(&mut r, S + 10 * MS, 1, 0);
    fed(&mut r, S + 20 * MS, 0, 0);
    fed(&mut r, S + 30 * MS, 1, 0);
    starve(&mut r, 2 * S, 0, 1);
    fed(&mut r, 2 * S + 5 * MS, 0, 1);
    // A word that was said already, or is about nothing known, changes nothing.
    fed(&mut r, 2 * S + 6 * MS, 0, 1);
    starve(&mut r, 2 * S, 0, 9);
    let failed = Event::NoPathFailed {
        volume: VolumeId(0),
        failed: 12,
    };
    tell(&mut r, 2 * S, 0, failed);
    let m = r.finish(Instant(5 * S));
    assert_eq!(whole(&m, "no_path.time"), 35 * MS);
    assert_eq!(whole(&m, "no_path.failed"), 12);
    assert_eq!(
        m.value("no_path.fails_after_max", Window::Whole),
        None,
        "no outage had a failure in it"
    );
}

#[test]
fn the_first_failure_of_each_outage_is_timed() {
    let mut r = Recorder::new(layout(&["h0-A0"], 2, 1));
    let fail = |r: &mut Recorder, at: u64, shard: u16| {
        let event = Event::NoPathFailed {
            volume: VolumeId(0),
            failed: 2,
        };
        tell(r, at, shard, event);
    };
    starve(&mut r, S, 0, 0);
    starve(&mut r, S + 7 * MS, 1, 0);
    fail(&mut r, S + 20 * MS, 0);
    fail(&mut r, S + 90 * MS, 0);
    fail(&mut r, S + 37 * MS, 1);
    fed(&mut r, 2 * S, 0, 0);
    starve(&mut r, 2 * S + MS, 0, 0);
    fail(&mut r, 2 * S + 26 * MS, 0);
    let m = r.finish(Instant(5 * S));
    assert_eq!(whole(&m, "no_path.fails_after_min"), 20 * MS);
    assert_eq!(whole(&m, "no_path.fails_after_max"), 30 * MS);
}

#[test]
fn time_without_a_path_is_cut_at_the_windows_and_at_the_end() {
    let mut r = recorder();
    r.fault_started(Instant(S));
    starve(&mut r, S + 10 * MS, 0, 0);
    r.fault_ended(Instant(S + 30 * MS));
    fed(&mut r, 3 * S, 0, 0);
    starve(&mut r, 4 * S, 0, 0);
    let m = r.finish(Instant(5 * S));
    assert_eq!(int(&m, "no_path.time", Window::Fault), 20 * MS);
    assert_eq!(int(&m, "no_path.time", Window::Healed), S + 970 * MS);
    assert_eq!(whole(&m, "no_path.time"), 2 * S + 990 * MS);
}

#[test]
fn a_dead_datapath_has_no_usable_path_and_looks_for_none() {
    let mut r = two_shards();
    command(&mut r, 10 * MS, 1000, 0);
    lose(&mut r, S, 0, 0, 1, S);
    starve(&mut r, S, 0, 0);
    r.datapath_died(Instant(S + MS), 0);
    for (path, shard) in [(0, 0), (0, 1), (1, 0), (1, 1)] {
        up(&mut r, 2 * S, path, shard);
    }
    r.datapath_died(Instant(2 * S), 7);
    let m = r.finish(Instant(5 * S));
    assert_eq!(whole(&m, "path.flips"), 4);
    assert_eq!(whole(&m, "no_path.time"), MS);
    assert_eq!(whole(&m, "failback.count"), 0);
    assert_eq!(m.value("balance.jain", Window::Whole), None);
}

#[test]
fn array_registrations_hedges_and_rules_are_counted_in_their_window() {
    let mut r = recorder();
    r.array_arrived();
    r.registered();
    r.fault_started(Instant(S));
    r.array_arrived();
    r.array_duplicate();
    r.hedge_issued();
    r.hedge_issued();
    r.hedge_won();
    r.violation("ghost_write");
    r.violation("a_new_rule");
    r.fault_ended(Instant(2 * S));
    let m = r.finish(Instant(5 * S));
    for (metric, steady, fault) in [
        ("array.ios", 1, 1),
        ("array.duplicates", 0, 1),
        ("registrations", 1, 0),
        ("hedge.issued", 0, 2),
        ("hedge.won", 0, 1),
        ("rules.ghost_write", 0, 1),
        ("rules.leak", 0, 0),
    ] {
        assert_eq!(int(&m, metric, Window::Steady), steady, "{metric}");
        assert_eq!(int(&m, metric, Window::Fault), fault, "{metric}");
        assert_eq!(whole(&m, metric), steady + fault, "{metric}");
    }
    let rules = m.rules();
    assert_eq!(rules.len(), crate::scenario::metric::RULES.len() + 1);
    assert_eq!((rules["ghost_write"], rules["a_new_rule"]), (1, 1));
    assert_eq!(m.flat()["rules.a_new_rule"], Value::Int(1));
}

#[test]
fn events_about_unknown_paths_and_shards_change_nothing() {
    let mut r = recorder();
    up(&mut r, MS, 9, 0);
    up(&mut r, MS, 0, 9);
    r.core_event(Instant(MS), 9, 0, &Event::Register { path: PathId(0) });
    usable_on(&mut r, MS, 0, 0, 9, true);
    r.issued(Instant(MS), 99, Op::Read, 1);
    r.answered(Instant(MS), 99, Op::Read, 1, Instant(0), true);
    r.abandoned(Instant(MS), 99, Op::Read, 1);
    let m = r.finish(Instant(5 * S));
    assert_eq!(whole(&m, "path.flips"), 0);
    assert_eq!(whole(&m, "registrations"), 0);
}
