//! `crash`, `stall` and the volatile cache at a port.

mod common;
use common::*;
use protocol::{Access, Duration, Instant, Status, VolumeId};
use simarray::WRITE_FAULT;
use simarray::api::*;

const OK: Status = Status::Ok;
const V1: VolumeId = VolumeId(1);

fn crash(controller: u16) -> Fault {
    Fault::Crash {
        controller,
        takeover: Duration::from_millis(300),
    }
}

#[test]
fn a_crash_breaks_the_links_and_executes_nothing_more() {
    let mut c = config();
    c.parallel = 1;
    let mut p = Port::connected(c);
    p.send(0, 1, write(0, 1)); // running
    p.send(0, 2, write(8, 2)); // queued
    p.send(1, 3, write(16, 3)); // forwarded by B, queued at A
    let v1 = Command {
        volume: V1,
        ..write(0, 4)
    };
    p.send(2, 4, v1); // arrived at A, on its way to B
    p.send(3, 5, v1); // B's own
    let t = MS + WRITE_ARRIVES + 40 * US;
    p.at(t);
    assert_eq!(p.arrived().len(), 5);
    p.start(1, crash(0));
    p.run_until(2 * MS);
    assert_eq!(p.broken(), [(t, 0), (t, 2)]);
    let b_executes = MS + 4168 + WRITE_EXECUTES; // behind the fourth on the host's port
    assert_eq!(p.executed(), [(b_executes, 5)]);
    // The survivor answers for what it had forwarded when it reaches the owner that is gone.
    let forwarded = MS + 2 * 4168 + WRITE_ARRIVES + 50 * US;
    let mut answers = p.answers();
    answers.sort_unstable_by_key(|a| a.1);
    assert_eq!(
        answers[0],
        (forwarded + WRITE_BACK, 3, Status::ANA_TRANSITION)
    );
    assert_eq!(answers[1], (b_executes + WRITE_BACK, 5, OK));
    assert_eq!(p.array.in_flight(), 0);
}

#[test]
fn what_waits_or_runs_at_the_owner_for_a_survivor_is_answered_at_the_crash() {
    let mut c = config();
    c.parallel = 1;
    c.service_write = Duration::from_millis(10);
    let mut p = Port::connected(c);
    p.send(1, 1, write(0, 1));
    p.send(1, 2, write(8, 2));
    p.at(2 * MS);
    p.start(1, crash(0));
    p.at(100 * MS);
    let t = 2 * MS + WRITE_BACK;
    let status = Status::ANA_TRANSITION;
    assert_eq!(p.answers(), [(t, 1, status), (t + 24, 2, status)]);
    assert_eq!(p.executed(), []);
}

#[test]
fn the_survivor_answers_transition_until_it_takes_over_and_gives_back_at_the_end() {
    let mut p = Port::connected(config());
    p.start(1, crash(0));
    p.send(1, 1, read(0));
    p.at(301 * MS - 1);
    p.send(1, 2, read(0));
    p.array.connect(Instant(301 * MS - 1), assoc(0, 2));
    p.at(400 * MS);
    p.send(1, 3, read(0));
    p.at(S);
    let b = |t: u64| t + READ_ARRIVES + WRITE_BACK;
    assert_eq!(p.answers()[0], (b(MS), 1, Status::ANA_TRANSITION));
    // The second arrives after the takeover: B serves it by itself.
    assert_eq!(
        p.answers()[1],
        (301 * MS - 1 + READ_EXECUTES + READ_BACK, 2, OK)
    );
    assert_eq!(
        p.answers()[2],
        (400 * MS + READ_EXECUTES + READ_BACK, 3, OK)
    );
    assert_eq!(
        p.refused(),
        [(301 * MS - 1 + 72 + 2 * 25_256, 0)],
        "behind the read on the host's port"
    );
    let says = |t: u64, path: u16, access| (t + 25_256, path, access);
    assert_eq!(
        p.accesses(V),
        [
            says(MS, 1, Access::Transitioning),
            says(MS, 3, Access::Transitioning),
            says(301 * MS, 1, Access::Optimized),
            says(301 * MS, 3, Access::Optimized),
        ]
    );
    assert_eq!(p.accesses(V1), []);
    p.end(1);
    p.array.connect(Instant(S), assoc(0, 3));
    p.at(2 * S);
    assert_eq!(p.accesses(V)[4], says(S, 1, Access::NonOptimized));
    assert_eq!(p.accesses(V)[6].2, Access::Optimized);
    assert_eq!(p.connections().len(), 1);
}

#[test]
fn without_a_survivor_the_volumes_wait_for_the_first_to_come_back() {
    let mut p = Port::connected(config());
    p.send(0, 1, write(0, 5));
    p.at(2 * MS);
    p.start(1, crash(0));
    p.start(2, crash(1));
    p.array.connect(Instant(2 * MS), assoc(1, 2));
    p.at(S);
    assert_eq!(p.refused().len(), 1);
    p.end(2);
    p.array.connect(Instant(S), assoc(1, 3));
    p.at(2 * S);
    let seen = p.accesses(V);
    assert_eq!(
        seen.last().map(|a| (a.1, a.2)),
        Some((1, Access::Optimized))
    );
    p.array.send(Instant(2 * S), assoc(1, 3), 2, read(0));
    p.at(3 * S);
    assert_eq!(p.data.last().unwrap().2, [5; 8]);
    // Back before anybody has taken over: it keeps its volumes.
    p.end(1);
    p.at(4 * S);
    p.start(3, crash(0));
    p.at(4 * S + 100 * MS);
    p.end(3);
    p.at(5 * S);
    let seen: Vec<Access> = p.accesses(V).iter().rev().take(2).map(|a| a.2).collect();
    assert_eq!(seen, [Access::NonOptimized, Access::Transitioning]);
}

fn volatile() -> Config {
    let mut c = config();
    c.cache = Cache::Volatile;
    c
}

fn lost(p: &Port) -> Vec<(u64, u64, u32, u64)> {
    p.collect(|o| match o {
        Out::CacheLost {
            lba, blocks, stamp, ..
        } => Some((*lba, *blocks, *stamp)),
        _ => None,
    })
    .into_iter()
    .map(|(t, (lba, blocks, stamp))| (t, lba, blocks, stamp))
    .collect()
}

#[test]
fn a_volatile_cache_is_lost_but_for_what_was_flushed_or_forced() {
    let mut p = Port::connected(volatile());
    p.send(0, 1, write(0, 1));
    p.at(2 * MS);
    p.send(0, 2, flush());
    p.at(3 * MS);
    p.send(0, 3, write(4, 3));
    p.send(1, 4, write(100, 4)); // executed by the owner, for B
    p.send(
        0,
        5,
        Command {
            fua: true,
            ..write(200, 5)
        },
    );
    p.send(
        3,
        6,
        Command {
            volume: V1,
            ..write(0, 6)
        },
    );
    p.at(4 * MS);
    assert_eq!(p.answers().len(), 6);
    p.start(1, crash(0));
    p.at(S);
    let t = 4 * MS;
    assert_eq!(lost(&p), [(t, 4, 4, 1), (t, 8, 4, 0), (t, 100, 8, 0)]);
    p.send(1, 7, io(protocol::Op::Read, 0, 16, 0));
    p.send(1, 8, read(200));
    p.send(
        1,
        9,
        Command {
            volume: V1,
            ..read(0)
        },
    );
    p.at(2 * S);
    let data: Vec<_> = p.data.iter().map(|d| d.2.clone()).collect();
    assert_eq!(data[0], [[1; 8], [0; 8]].concat());
    assert_eq!(data[1..], [[5; 8], [6; 8]]);
}

#[test]
fn a_volume_that_is_handed_back_in_order_leaves_nothing_dirty_behind() {
    let mut p = Port::connected(volatile());
    p.start(1, crash(0));
    p.at(S);
    p.send(1, 1, write(0, 1)); // B owns it for now
    p.at(2 * S);
    p.end(1);
    p.at(3 * S);
    p.start(2, crash(1));
    p.at(4 * S);
    assert_eq!(lost(&p), []);
    // Without the hand-over it is lost with B.
    let mut p = Port::connected(volatile());
    p.start(1, crash(0));
    p.at(S);
    p.send(1, 1, write(0, 1));
    p.at(2 * S);
    p.start(2, crash(1));
    p.at(3 * S);
    assert_eq!(lost(&p), [(2 * S, 0, 8, 0)]);
}

#[test]
fn after_a_loss_the_next_flush_and_each_in_flight_fail_once() {
    let mut c = volatile();
    c.service_write = Duration::from_millis(1);
    let mut p = Port::connected(c);
    p.send(0, 1, write(0, 1));
    p.at(5 * MS);
    p.send(1, 2, flush()); // answered by the survivor: it is in transition
    p.at(5 * MS + 200 * US);
    p.start(1, crash(0));
    p.at(S);
    p.send(1, 3, flush());
    p.send(
        1,
        4,
        Command {
            volume: V1,
            ..flush()
        },
    );
    p.at(2 * S);
    p.send(1, 5, flush());
    p.at(3 * S);
    let statuses: Vec<_> = p.answers()[1..].iter().map(|a| (a.1, a.2)).collect();
    let transition = Status::ANA_TRANSITION;
    assert_eq!(
        statuses,
        [(2, transition), (3, WRITE_FAULT), (4, OK), (5, OK)]
    );

    // Two in flight when the crash comes, held while the survivor takes over: each fails.
    let mut p = Port::connected(volatile());
    p.send(0, 1, write(0, 1));
    p.at(2 * MS);
    p.start(
        2,
        Fault::Late {
            paths: paths(&[1]),
            after_lo: Duration::from_secs(1),
            after_hi: Duration::from_secs(1),
            share: 100,
            beyond_fence: false,
        },
    );
    p.send(1, 2, flush());
    p.at(2 * MS + 500 * US);
    p.send(1, 3, flush());
    p.at(3 * MS);
    p.start(1, crash(0));
    p.at(3 * S);
    let statuses: Vec<_> = p.answers()[1..].iter().map(|a| (a.1, a.2)).collect();
    assert_eq!(statuses, [(2, WRITE_FAULT), (3, WRITE_FAULT)]);
}

/// Owed for each acknowledgement that arrives after the loss, though another flush has told of it before.
#[test]
fn an_acknowledgement_that_was_on_its_way_at_the_loss_owes_a_failure_when_it_arrives() {
    let mut p = Port::connected(volatile());
    p.start(2, Fault::DropAnswers { paths: paths(&[1]) });
    p.send(1, 1, write(0, 1)); // forwarded by B, whose transport keeps the answer
    p.send(
        1,
        2,
        Command {
            fua: true,
            ..write(8, 2)
        },
    );
    p.at(2 * MS);
    p.start(1, crash(0));
    for (t, tag) in [(1000, 3), (1100, 4)] {
        p.at(t * MS);
        p.send(3, tag, flush());
    }
    assert_eq!(lost(&p), [(2 * MS, 0, 8, 0)]);
    p.at(2 * S);
    p.end(2);
    for (t, tag) in [(2100, 5), (2300, 6), (2400, 7)] {
        p.at(t * MS);
        p.send(3, tag, flush());
    }
    p.at(3 * S);
    let statuses: Vec<_> = p.answers().iter().map(|a| (a.1, a.2)).collect();
    let told = [(3, WRITE_FAULT), (4, OK), (5, OK)];
    let late = [(1, OK), (2, OK), (6, WRITE_FAULT), (7, OK)];
    assert_eq!(statuses, [&told[..], &late[..]].concat());

    // An acknowledgement of what the other controller's cache holds, or that nobody ever gets, owes nothing.
    let mut p = Port::connected(volatile());
    p.send(0, 1, write(0, 1));
    p.at(2 * MS);
    p.start(
        2,
        Fault::DropAnswers {
            paths: paths(&[1, 3]),
        },
    );
    p.send(1, 2, write(8, 2));
    let v1 = Command {
        volume: V1,
        ..write(0, 3)
    };
    p.send(3, 3, v1);
    p.at(3 * MS);
    p.start(1, crash(0));
    p.start(3, Fault::Reset { paths: paths(&[1]) });
    p.at(S);
    p.end(3);
    p.end(2);
    p.at(2 * S);
    for (t, tag) in [(3000, 4), (3100, 5)] {
        p.at(t * MS);
        p.send(3, tag, flush());
    }
    p.at(4 * S);
    let statuses: Vec<_> = p.answers().iter().map(|a| (a.1, a.2)).collect();
    assert_eq!(statuses, [(1, OK), (3, OK), (4, WRITE_FAULT), (5, OK)]);
}

#[test]
fn a_failed_flush_whose_answer_is_lost_is_repeated_by_the_next() {
    let mut p = Port::connected(volatile());
    p.send(0, 1, write(0, 1));
    p.at(2 * MS);
    p.start(1, crash(0));
    p.at(S);
    p.send(1, 2, flush());
    p.at(S + 80 * US);
    p.start(2, Fault::Reset { paths: paths(&[1]) });
    p.at(2 * S);
    p.send(3, 3, flush());
    p.at(3 * S);
    p.send(3, 4, flush());
    p.at(4 * S);
    let statuses: Vec<_> = p.answers()[1..].iter().map(|a| (a.1, a.2)).collect();
    assert_eq!(statuses, [(3, WRITE_FAULT), (4, OK)]);
}

#[test]
fn a_crash_without_dirty_blocks_or_with_a_mirrored_cache_loses_nothing() {
    for cache in [Cache::Mirrored, Cache::None, Cache::Volatile] {
        let mut c = config();
        c.cache = cache;
        let mut p = Port::connected(c);
        p.send(0, 1, write(0, 1));
        p.at(2 * MS);
        if cache == Cache::Volatile {
            p.send(1, 2, flush());
            p.at(3 * MS);
        }
        p.start(1, crash(0));
        p.at(S);
        p.send(1, 3, flush());
        p.send(1, 4, read(0));
        p.at(2 * S);
        assert_eq!(lost(&p), []);
        assert!(p.answers().iter().all(|a| a.2 == OK));
        assert_eq!(p.data[0].2, [1; 8]);
    }
}

#[test]
fn a_stall_executes_and_answers_nothing_and_then_goes_on() {
    let mut c = config();
    c.parallel = 1;
    let mut p = Port::connected(c);
    p.send(0, 1, write(0, 1)); // 10 µs of its 50 are done
    p.send(0, 2, write(8, 2)); // queued
    p.at(MS + WRITE_ARRIVES + 10 * US);
    p.start(
        1,
        Fault::Stall {
            controllers: vec![0],
        },
    );
    p.send(0, 3, write(16, 3)); // arrives in the stall
    p.send(1, 4, write(24, 4)); // forwarded to the stalled owner
    p.array.refresh(Instant(p.now), assoc(2, 1));
    p.array.connect(Instant(p.now), assoc(2, 2));
    let now = p.at(20 * S);
    assert_eq!(p.arrived().len(), 4);
    assert_eq!(
        (p.executed(), p.answers(), p.broken()),
        (vec![], vec![], vec![])
    );
    assert_eq!(p.identities(V), []);
    assert_eq!(p.array.associations(), 4);
    p.array.close(now, assoc(2, 1));
    p.at(30 * S);
    p.end(1);
    p.at(31 * S);
    let times: Vec<_> = p.executed().iter().map(|e| (e.0 - 30 * S, e.1)).collect();
    assert_eq!(
        times,
        [(40 * US, 1), (90 * US, 2), (140 * US, 4), (190 * US, 3)]
    );
    assert_eq!(p.answers().len(), 4);
    assert_eq!(p.connections().len(), 1);
}

#[test]
fn a_close_during_a_stall_drops_that_association_s_commands() {
    let mut c = config();
    c.parallel = 1;
    let mut p = Port::connected(c);
    p.send(0, 1, write(0, 1)); // running, paused
    p.send(0, 2, write(8, 2)); // queued
    p.at(MS + WRITE_ARRIVES + 10 * US);
    p.start(
        1,
        Fault::Stall {
            controllers: vec![0, 1],
        },
    );
    p.send(0, 3, write(16, 3)); // arrived
    p.send(2, 4, write(24, 4)); // another's
    let now = p.at(S);
    assert_eq!(p.array.in_flight(), 4);
    p.array.close(now, assoc(0, 1));
    p.at(2 * S);
    assert_eq!(p.array.in_flight(), 2);
    p.end(1);
    p.at(3 * S);
    assert_eq!(p.executed(), [(2 * S + 40 * US, 1), (2 * S + 90 * US, 4)]);
    assert_eq!(p.answers().len(), 1);
}

#[test]
fn an_answer_over_a_stalled_controller_and_a_held_command_wait_for_its_end() {
    let mut p = Port::connected(config());
    p.send(1, 1, read(0)); // B forwards it to A
    p.start(
        2,
        Fault::Late {
            paths: paths(&[3]),
            after_lo: Duration::from_millis(10),
            after_hi: Duration::from_millis(10),
            share: 100,
            beyond_fence: false,
        },
    );
    p.send(3, 2, read(0));
    p.at(MS + 30 * US);
    p.start(
        1,
        Fault::Stall {
            controllers: vec![1],
        },
    );
    p.at(S);
    assert_eq!(
        p.executed(),
        [(MS + READ_EXECUTES + 50 * US, 1)],
        "A executes it"
    );
    assert_eq!(p.answers(), []);
    p.end(1);
    p.at(2 * S);
    assert_eq!(p.executed()[1], (S, 2));
    assert_eq!(
        p.answers(),
        [(S + READ_BACK, 1, OK), (S + READ_BACK, 2, OK)]
    );
}

#[test]
fn keep_alives_that_ran_out_in_a_stall_are_judged_before_anything_executes() {
    let mut c = config();
    c.ccr = None;
    c.parallel = 1;
    let mut p = Port::connected(c);
    p.send(0, 1, write(0, 1));
    p.send(0, 2, write(8, 2));
    p.at(MS + WRITE_ARRIVES + 10 * US);
    p.start(
        1,
        Fault::Stall {
            controllers: vec![0],
        },
    );
    p.start(2, Fault::Drop { paths: paths(&[0]) });
    p.at(30 * S);
    assert_eq!(p.array.associations(), 4);
    p.end(1);
    assert_eq!(p.array.associations(), 3);
    p.at(40 * S);
    // It was lost at 10 s; the 2 s of `cqt` are long over: not even what was running executes.
    assert_eq!(p.executed(), []);
    assert_eq!(p.array.in_flight(), 0);
}
