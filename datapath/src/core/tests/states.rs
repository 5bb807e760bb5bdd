//! Access, identity, health, the operator; splitting; what a status does.

use super::*;
use protocol::NvmeStatus;

fn shares(b: &mut Bench, n: u64) -> Vec<u64> {
    let mut count = vec![0; 4];
    for i in 0..n {
        b.submit(Op::Read, i, 1, i);
        for (p, t, ..) in b.issued() {
            count[usize::from(p)] += 1;
            b.done(p, t, Status::Ok);
        }
    }
    count
}

#[test]
fn optimised_paths_come_before_non_optimised_ones() {
    let mut b = Bench::up(config(4));
    b.access(2, Access::NonOptimized);
    b.access(3, Access::NonOptimized);
    b.said.clear();
    assert_eq!(shares(&mut b, 100), [50, 50, 0, 0]);
    b.brk(0);
    b.brk(1);
    b.said.clear();
    assert_eq!(shares(&mut b, 100), [0, 0, 50, 50]);
}

#[test]
fn a_path_that_shows_another_volume_is_never_used() {
    let mut b = Bench::up(config(2));
    b.identity(0, Some(Identity(78)));
    b.said.clear();
    assert_eq!(shares(&mut b, 10), [0, 10, 0, 0]);
    b.identity(0, Some(Identity(77)));
    b.said.clear();
    assert_eq!(shares(&mut b, 10), [5, 5, 0, 0]);
}

#[test]
fn loss_that_every_path_declares_itself_is_permanent() {
    let mut b = Bench::up(config(2));
    b.identity(0, None);
    b.submit(Op::Read, 0, 1, 1);
    let (p, t, ..) = b.issued()[0];
    assert_eq!(p, 1);
    b.done(p, t, Status::INVALID_NAMESPACE);
    assert_eq!(b.completed(), [(1, Outcome::Errno(verdict::ENODEV))]);
}

#[test]
fn one_unreachable_path_makes_it_all_paths_down_instead() {
    let mut b = Bench::up(config(2));
    b.brk(0);
    b.identity(1, None);
    b.said.clear();
    b.submit(Op::Read, 0, 1, 1);
    assert!(b.completed().is_empty());
    b.core.abandon();
}

#[test]
fn an_ana_status_moves_the_io_and_asks_for_the_states() {
    let mut b = Bench::up(config(2));
    b.submit(Op::Write, 0, 1, 1);
    let (p, t, ..) = b.issued()[0];
    b.done(p, t, Status::ANA_TRANSITION);
    let asked = |a: &Action| matches!(a, Action::Refresh { path } if path.0 == p);
    assert!(b.said.iter().any(asked));
    let again = b.issued();
    assert_eq!(again[0].0, 1 - p);
    b.done(again[0].0, again[0].1, Status::Ok);
    b.said.clear();
    assert_eq!(shares(&mut b, 4)[usize::from(p)], 0);
    b.access(p, Access::Optimized);
    b.said.clear();
    assert_eq!(shares(&mut b, 4)[usize::from(p)], 2);
}

#[test]
fn dnr_on_every_path_is_the_end() {
    let mut b = Bench::up(config(2));
    let dnr = Status::Nvme(NvmeStatus {
        code: 0x360,
        dnr: true,
        crd: 0,
    });
    b.submit(Op::Read, 0, 1, 1);
    let (p, t, ..) = b.issued()[0];
    b.done(p, t, dnr);
    let (q, t, ..) = b.issued()[0];
    assert_ne!(p, q);
    b.done(q, t, dnr);
    assert_eq!(b.completed(), [(1, Outcome::Errno(verdict::EIO))]);
}

#[test]
fn a_medium_error_is_the_applications_and_is_tried_once() {
    let mut b = Bench::up(config(2));
    b.submit(Op::Read, 0, 1, 1);
    let (p, t, ..) = b.issued()[0];
    b.done(p, t, Status::UNRECOVERED_READ);
    assert_eq!(b.completed(), [(1, Outcome::Errno(verdict::ENODATA))]);
    assert!(b.issued().is_empty());
}

#[test]
fn a_request_beyond_the_limit_is_split_and_completed_once() {
    let mut b = Bench::up(config(2));
    b.submit(Op::Write, 10, 150, 1);
    let pieces = b.issued();
    let ranges: Vec<(u64, u32)> = pieces.iter().map(|i| (i.2, i.3)).collect();
    assert_eq!(ranges, [(10, 64), (74, 64), (138, 22)]);
    for (p, t, ..) in &pieces {
        assert!(b.completed().is_empty());
        b.done(*p, *t, Status::Ok);
    }
    assert_eq!(b.completed(), [(1, Outcome::Ok)]);
}

#[test]
fn bad_requests_are_answered_not_believed() {
    let mut b = Bench::up(config(1));
    b.submit(Op::Read, BLOCKS - 1, 2, 1);
    b.submit(Op::Read, u64::MAX, 2, 2);
    b.submit(Op::Read, 0, 0, 3);
    let errnos: Vec<Outcome> = b.completed().iter().map(|c| c.1).collect();
    assert_eq!(
        errnos,
        [
            Outcome::Errno(verdict::EIO),
            Outcome::Errno(verdict::EIO),
            Outcome::Errno(verdict::EINVAL)
        ]
    );
}

#[test]
fn a_path_that_fails_more_than_it_serves_becomes_the_last_resort_and_returns_by_probes() {
    let mut b = Bench::up(config(2));
    let broken = Status::Nvme(NvmeStatus::new(0x370));
    for i in 0..20 {
        b.submit(Op::Read, i, 1, i);
        let (p, t, ..) = b.issued()[0];
        let status = if p == 0 { broken } else { Status::Ok };
        b.done(p, t, status);
        for (p, t, ..) in b.issued() {
            b.done(p, t, Status::Ok);
        }
    }
    b.said.clear();
    assert_eq!(shares(&mut b, 10), [0, 10, 0, 0]);
    for _ in 0..40 {
        b.pass(Duration::from_millis(50));
        for (p, t) in b.probed() {
            b.tell(Input::ProbeDone {
                path: PathId(p),
                ticket: t,
                status: Status::Ok,
            });
        }
        b.said.retain(|a| !matches!(a, Action::Probe { .. }));
    }
    b.said.clear();
    assert_eq!(shares(&mut b, 10), [5, 5, 0, 0]);
}

#[test]
fn a_removed_path_ends_its_commands_first_and_can_be_added_again() {
    let mut b = Bench::up(config(2));
    b.submit(Op::Read, 0, 1, 1);
    let (p, t, ..) = b.issued()[0];
    b.tell(Input::RemovePath { path: PathId(p) });
    let closed = |a: &Action| matches!(a, Action::Disconnect { .. });
    assert!(!b.said.iter().any(closed));
    b.done(p, t, Status::Ok);
    assert!(b.said.iter().any(closed));
    b.said.clear();
    let mut want = vec![0, 0, 0, 0];
    want[usize::from(1 - p)] = 6;
    assert_eq!(shares(&mut b, 6), want);
    b.tell(Input::AddPath { path: PathId(p) });
    b.bring_up(p, Access::Optimized);
    b.said.clear();
    assert_eq!(shares(&mut b, 6)[..2], [3, 3]);
}

#[test]
fn the_operators_wish_is_followed_and_taken_back() {
    use crate::core::path::Admin;
    let mut b = Bench::up(config(2));
    let wish = |b: &mut Bench, p: u16, admin| {
        let path = PathId(p);
        b.tell(Input::Admin { path, admin });
        b.said.clear();
    };
    wish(&mut b, 0, Admin::Standby);
    assert_eq!(shares(&mut b, 6)[..2], [0, 6]);
    // With the other one failed, the standby carries everything; with both, I/O waits and the countdown shows.
    wish(&mut b, 1, Admin::Failed);
    assert_eq!(shares(&mut b, 6)[..2], [6, 0]);
    assert_eq!(b.core.no_path(VOLUME), None);
    wish(&mut b, 0, Admin::Failed);
    b.submit(Op::Read, 0, 1, 99);
    let waits = b.core.no_path(VOLUME).expect("no usable path");
    assert_eq!((waits.queued, waits.failing), (1, false));
    assert_eq!(waits.until, waits.since + Duration::from_secs(30));
    // A failed path that is lost is not connected again before it is wanted.
    let epoch = b.epoch(0);
    let path = PathId(0);
    b.tell(Input::Broken { path, epoch });
    b.said.clear();
    b.pass(Duration::from_secs(1));
    let connects = |a: &Action| matches!(a, Action::Connect { path, .. } if path.0 == 0);
    assert!(!b.said.iter().any(connects));
    let admin = Admin::Enabled;
    b.tell(Input::Admin { path, admin });
    assert!(b.said.iter().any(connects));
    b.bring_up(0, Access::Optimized);
    assert_eq!(b.core.no_path(VOLUME), None);
    assert_eq!(b.issued().len(), 1);
    b.core.abandon();
}

#[test]
fn one_more_than_the_bound_is_refused() {
    let mut c = config(1);
    c.max_requests = 2;
    let mut b = Bench::up(c);
    for n in 0..3 {
        b.submit(Op::Read, n, 1, n);
    }
    assert_eq!(b.completed(), [(2, Outcome::Errno(verdict::EAGAIN))]);
    b.core.abandon();
}

#[test]
fn a_removed_path_that_dies_before_its_commands_are_over_is_lost_as_removed() {
    for how in 0..3 {
        let mut b = Bench::up(config(2));
        b.submit(Op::Read, 0, 1, 1);
        let (p, ..) = b.issued()[0];
        if how > 0 {
            b.tell(Input::RemovePath { path: PathId(p) });
        }
        if how == 2 {
            // It falls silent, and is disconnected as every silent path is.
            b.pass_answering(
                Duration::from_millis(1),
                Duration::from_millis(60),
                &[1 - p],
            );
            let path = PathId(p);
            let closed =
                |a: &Action| matches!(a, Action::Disconnect { path: of, .. } if *of == path);
            assert!(b.said.iter().any(closed));
        } else {
            b.brk(p);
        }
        let causes = b.events().into_iter().filter_map(|e| match e {
            Event::Lost { cause, .. } => Some(cause),
            _ => None,
        });
        let expected = [LossCause::Broken, LossCause::Removed, LossCause::Removed];
        assert_eq!(causes.collect::<Vec<_>>(), [expected[how]]);
        let again = b.issued();
        assert_eq!(again[0].0, 1 - p, "what was on it is sent again");
        b.done(again[0].0, again[0].1, Status::Ok);
        let removed = b.core.paths[usize::from(p)].link;
        let link = if how > 0 {
            path::Link::Down
        } else {
            path::Link::Lost
        };
        assert_eq!(removed, link);
    }
}
