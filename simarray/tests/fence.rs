//! The cross-controller reset at a port.

mod common;
use common::*;
use protocol::{Duration, Instant, PathId};
use simarray::api::*;

fn fences(p: &Port) -> Vec<(u64, bool, u16, u32)> {
    p.collect(|o| match o {
        Out::FenceConfirmed { via, target } => Some((true, via.path.0, target.epoch)),
        Out::FenceFailed { via, target } => Some((false, via.path.0, target.epoch)),
        _ => None,
    })
    .into_iter()
    .map(|(t, (confirmed, via, epoch))| (t, confirmed, via, epoch))
    .collect()
}

/// When a fence that is sent at `t` takes effect, is confirmed after 1 ms, and refused at once.
fn effect(t: u64) -> u64 {
    t + 72 + 25_000 + 72
}
const BACK: u64 = 24 + 25_000 + 24;

fn late(ids: &[u16], after: u64, beyond_fence: bool) -> Fault {
    Fault::Late {
        paths: paths(ids),
        after_lo: Duration(after),
        after_hi: Duration(after),
        share: 100,
        beyond_fence,
    }
}

#[test]
fn a_confirmed_fence_ends_the_association_and_drops_all_that_has_not_executed() {
    let mut c = config();
    c.parallel = 1;
    c.service_write = Duration::from_millis(50);
    let mut p = Port::connected(c);
    p.start(1, late(&[0], S, false));
    p.send(0, 1, write(0, 1)); // held
    p.at(2 * MS);
    p.end(1);
    p.send(0, 2, write(8, 2)); // running
    p.send(0, 3, write(16, 3)); // queued
    p.send(2, 4, write(24, 4)); // another association's, queued behind it
    p.at(10 * MS);
    p.send(0, 5, write(32, 5)); // on the wire
    p.array.fence(Instant(10 * MS), assoc(3, 1), assoc(0, 1));
    p.at(3 * S);
    let t = effect(10 * MS);
    assert_eq!(fences(&p), [(t + MS + BACK, true, 3, 1)]);
    assert_eq!(p.broken(), [(t + 40 + 25_000 + 40, 0)]);
    assert_eq!(
        p.executed(),
        [(t + 50 * MS, 4)],
        "its server was free at once"
    );
    assert_eq!(p.array.in_flight(), 0);
}

#[test]
fn a_fence_reaches_what_an_association_left_behind_and_its_earlier_epochs() {
    let mut p = Port::connected(config());
    p.start(1, late(&[0], 5 * S, false));
    p.send(0, 1, write(0, 1));
    p.at(2 * MS);
    p.start(2, Fault::Reset { paths: paths(&[0]) });
    p.at(3 * MS);
    p.end(2);
    p.array.connect(Instant(3 * MS), assoc(0, 2));
    p.at(4 * MS);
    p.array.send(Instant(4 * MS), assoc(0, 2), 2, write(8, 2));
    let other_shard = Assoc {
        shard: 1,
        ..assoc(0, 1)
    };
    p.array.connect(Instant(4 * MS), other_shard);
    p.at(5 * MS);
    p.array.send(Instant(5 * MS), other_shard, 3, write(16, 3));
    p.at(6 * MS);
    assert_eq!(p.array.in_flight(), 3);
    p.array.fence(Instant(6 * MS), assoc(1, 1), assoc(0, 1));
    p.at(7 * MS + 60 * US);
    assert_eq!(p.array.in_flight(), 2, "epoch 2 and the other shard stand");
    p.array.fence(Instant(p.now), assoc(1, 1), assoc(0, 2));
    p.at(10 * S);
    assert_eq!(fences(&p).len(), 2);
    assert_eq!(p.executed().iter().map(|e| e.1).collect::<Vec<_>>(), [3]);
}

#[test]
fn a_lying_array_confirms_and_executes_nevertheless() {
    let mut p = Port::connected(config());
    p.start(1, late(&[0], S, true));
    p.send(0, 1, write(0, 1));
    p.at(10 * MS);
    p.array.fence(Instant(10 * MS), assoc(1, 1), assoc(0, 1));
    p.at(3 * S);
    assert_eq!(fences(&p).len(), 1);
    assert_eq!(p.executed(), [(MS + WRITE_ARRIVES + S, 1)]);
    assert_eq!(p.answers(), []);
}

#[test]
fn a_setup_of_a_fenced_epoch_is_refused_when_it_arrives_late() {
    let mut p = Port::connected(config());
    p.start(1, Fault::Drop { paths: paths(&[0]) });
    p.array.close(Instant(MS), assoc(0, 1));
    p.array.connect(Instant(MS), assoc(0, 2));
    p.array.connect(Instant(MS), assoc(0, 3));
    p.array.fence(Instant(MS), assoc(1, 1), assoc(0, 2));
    p.at(S);
    assert_eq!(fences(&p), [(effect(MS) + MS + BACK, true, 1, 2)]);
    p.end(1);
    p.at(2 * S);
    let refused = p.collect(|o| match o {
        Out::Refused { assoc } => Some(assoc.epoch),
        _ => None,
    });
    assert_eq!(refused, [(S + 200 * MS + 25_256, 2)]);
    assert_eq!(p.connections().len(), 1);
    // Half way through the setup, too.
    p.array.connect(Instant(2 * S), assoc(2, 2));
    p.array.fence(Instant(2 * S), assoc(1, 1), assoc(2, 2));
    p.at(3 * S);
    assert_eq!(p.refused().last().unwrap().1, 2);
    assert_eq!(p.connections().len(), 1);
}

#[test]
fn a_fence_fails_without_the_command_or_with_a_bad_target() {
    let mut p = Port::connected(config());
    p.array.fence(Instant(MS), assoc(1, 1), assoc(60, 1));
    p.array.fence(
        Instant(MS),
        assoc(1, 1),
        Assoc {
            host: 9,
            ..assoc(0, 1)
        },
    );
    p.array.fence(Instant(MS), assoc(1, 1), assoc(1, 1));
    p.at(2 * MS);
    let t = effect(MS) + BACK;
    let failed = |t| (t, false, 1, 1);
    assert_eq!(fences(&p), [failed(t), failed(t + 72), failed(t + 144)]);
    assert_eq!(p.array.associations(), 4);

    let mut c = config();
    c.ccr = None;
    let mut p = Port::connected(c);
    p.start(1, late(&[0], S, false));
    p.send(0, 1, write(0, 1));
    p.array.fence(Instant(MS), assoc(2, 1), assoc(0, 1));
    p.at(3 * S);
    assert_eq!(fences(&p), [(t, false, 2, 1)]);
    assert_eq!(p.executed().len(), 1);
}

#[test]
fn a_fence_over_its_own_predecessor_works_and_one_over_a_lost_path_is_lost() {
    let mut p = Port::connected(config());
    p.start(1, late(&[0], S, false));
    p.send(0, 1, write(0, 1));
    p.at(2 * MS);
    p.array.close(Instant(2 * MS), assoc(0, 1));
    p.array.connect(Instant(2 * MS), assoc(0, 2));
    p.at(3 * MS);
    p.array.fence(Instant(3 * MS), assoc(0, 2), assoc(0, 1));
    p.at(2 * S);
    assert_eq!(fences(&p), [(effect(3 * MS) + MS + BACK, true, 0, 1)]);
    assert_eq!(p.executed(), []);

    p.array.fence(Instant(2 * S), assoc(1, 1), assoc(0, 2));
    p.at(2 * S + 500 * US);
    p.start(2, Fault::Reset { paths: paths(&[1]) });
    p.at(3 * S);
    assert_eq!(
        fences(&p).len(),
        1,
        "the confirmation had nothing to travel on"
    );
    assert_eq!(p.broken().iter().map(|b| b.1).collect::<Vec<_>>(), [0, 1]);
}

#[test]
fn a_fence_over_a_stalled_controller_waits_and_over_another_does_not() {
    let mut c = config();
    c.parallel = 1;
    let mut p = Port::connected(c);
    p.send(0, 1, write(0, 1));
    p.at(MS + WRITE_ARRIVES + US);
    p.start(
        1,
        Fault::Stall {
            controllers: vec![0],
        },
    );
    p.array.fence(
        Instant(p.now),
        assoc(2, 1),
        Assoc {
            path: PathId(0),
            ..assoc(0, 1)
        },
    );
    p.at(S);
    assert_eq!(fences(&p), []);
    p.array.fence(Instant(S), assoc(1, 1), assoc(0, 1));
    p.at(2 * S);
    assert_eq!(fences(&p), [(effect(S) + MS + BACK, true, 1, 1)]);
    assert_eq!(
        p.array.in_flight(),
        0,
        "also what a stalled controller was running"
    );
    p.end(1);
    p.at(3 * S);
    assert_eq!(p.executed(), []);
    assert_eq!(fences(&p).len(), 2);
    assert_eq!(p.broken().len(), 1);
}
