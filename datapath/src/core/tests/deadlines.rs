//! Everything that waits for a time is looked at at that time, not when something else happens to wake the core.

use super::*;

const MS: fn(u64) -> Duration = Duration::from_millis;

/// Lets time pass; the paths in `live` answer their probes.
fn pass(b: &mut Bench, d: Duration, live: &[u16]) {
    let until = b.now + d;
    while b.now < until {
        b.pass(MS(1));
        for (path, ticket) in b.probed() {
            if live.contains(&path) {
                let (path, status) = (PathId(path), Status::Ok);
                b.tell(Input::ProbeDone {
                    path,
                    ticket,
                    status,
                });
            }
        }
        b.said.retain(|a| !matches!(a, Action::Probe { .. }));
    }
}

#[test]
fn the_deadline_of_a_loss_that_was_taken_back() {
    let mut c = config(2);
    c.queue_for = MS(1_050);
    let mut b = Bench::up(c);
    b.identity(0, None);
    b.identity(1, None);
    b.access(0, Access::Inaccessible);
    pass(&mut b, MS(1_030), &[0, 1]);
    b.identity(0, Some(Identity(77)));
    b.said.clear();
    b.submit(Op::Read, 0, 1, 1);
    assert!(b.completed().is_empty());
    pass(&mut b, MS(20), &[0, 1]);
    assert_eq!(b.completed(), [(1, Outcome::Errno(verdict::EIO))]);
}

#[test]
fn the_second_outage_waits_as_long_as_the_first() {
    let mut c = config(1);
    c.queue_for = MS(333);
    let mut b = Bench::up(c);
    for cookie in 0..3 {
        b.brk(0);
        b.said.clear();
        b.submit(Op::Read, 0, 1, cookie);
        pass(&mut b, MS(332), &[]);
        assert!(b.completed().is_empty(), "outage {cookie}");
        pass(&mut b, MS(1), &[]);
        assert_eq!(b.completed().len(), 1, "outage {cookie}");
        b.bring_up(0, Access::Optimized);
    }
}

#[test]
fn quiesce_ends_when_it_was_said_to() {
    let mut c = config(2);
    c.array_confirms = false;
    c.quiesce = MS(1_234);
    let mut b = Bench::up(c);
    b.submit(Op::Write, 0, 1, 1);
    let (p, ..) = b.issued()[0];
    b.brk(p);
    b.said.clear();
    pass(&mut b, MS(1_233), &[1 - p]);
    assert!(b.issued().is_empty());
    pass(&mut b, MS(1), &[1 - p]);
    assert_eq!(b.issued().len(), 1);
    b.core.abandon();
}

#[test]
fn a_fence_that_is_not_confirmed_is_sent_again_over_another_path() {
    let mut b = Bench::up(config(3));
    pass(&mut b, MS(13), &[0, 1, 2]);
    b.submit(Op::Write, 0, 1, 1);
    let epoch = b.epoch(0);
    b.brk(0);
    assert_eq!(b.fences(), [(1, 0, epoch)]);
    b.said.clear();
    pass(&mut b, MS(49), &[1, 2]);
    assert!(b.fences().is_empty());
    pass(&mut b, MS(1), &[1, 2]);
    assert_eq!(b.fences(), [(2, 0, epoch)]);
    b.core.abandon();
}

#[test]
fn a_fence_whose_path_is_lost_is_sent_again_at_once() {
    let mut b = Bench::up(config(3));
    b.submit(Op::Write, 0, 1, 1);
    let epoch = b.epoch(0);
    b.brk(0);
    assert_eq!(b.fences(), [(1, 0, epoch)]);
    b.said.clear();
    b.brk(1);
    assert_eq!(b.fences(), [(2, 0, epoch)]);
    b.core.abandon();
}

#[test]
fn a_suspect_is_asked_itself_and_so_are_its_siblings() {
    let mut b = Bench::up(config(3));
    b.submit(Op::Read, 0, 1, 1);
    b.said.clear();
    b.pass(MS(20));
    let asked: Vec<u16> = b.probed().iter().map(|p| p.0).collect();
    assert_eq!(asked, [0, 1, 2]);
    b.core.abandon();
}

#[test]
fn a_connection_is_not_given_up_because_the_loop_lagged() {
    let mut b = Bench::up(config(2));
    b.brk(0);
    b.pass(MS(60));
    let epoch = b.epoch(0);
    b.said.clear();
    b.now += Duration::from_secs(3);
    b.tick();
    b.bring_up(0, Access::Optimized);
    assert_eq!(b.epoch(0), epoch);
    let up = |e: &Event| matches!(e, Event::Link { path, to: path::Link::Up, .. } if path.0 == 0);
    assert!(b.events().iter().any(up));
}
