//! Loss, retry, and what a write in doubt may do.

use super::*;

const MS: fn(u64) -> Duration = Duration::from_millis;

#[test]
fn a_read_on_a_broken_path_is_sent_on_another_at_once() {
    let mut b = Bench::up(config(2));
    b.submit(Op::Read, 0, 8, 1);
    let (path, old, ..) = b.issued()[0];
    b.brk(path);
    let again = b.issued();
    assert_eq!(again.len(), 1);
    assert_ne!(again[0].0, path);
    // The old attempt's answer is never believed.
    b.done(path, old, Status::Ok);
    assert!(b.completed().is_empty());
    assert!(matches!(b.events()[0], Event::StaleCompletion { .. }));
    b.said.clear();
    b.done(again[0].0, again[0].1, Status::Ok);
    assert_eq!(b.completed(), [(1, Outcome::Ok)]);
    assert_eq!(b.core.leaks(), Leaks::default());
}

#[test]
fn a_lost_write_is_held_until_the_array_confirms_the_end_of_its_association() {
    let mut b = Bench::up(config(2));
    b.submit(Op::Write, 0, 8, 1);
    let (path, ..) = b.issued()[0];
    let epoch = b.epoch(path);
    b.brk(path);
    assert_eq!(b.fences(), [(1 - path, path, epoch)]);
    assert!(b.issued().is_empty(), "the write must not be sent yet");
    b.tell(Input::FenceConfirmed {
        path: PathId(path),
        epoch,
    });
    let again = b.issued();
    assert_eq!(again[0].0, 1 - path);
    b.done(again[0].0, again[0].1, Status::Ok);
    assert_eq!(b.completed(), [(1, Outcome::Ok)]);
}

#[test]
fn without_a_confirmation_a_lost_write_waits_for_the_quiesce_time() {
    let mut c = config(2);
    c.array_confirms = false;
    let mut b = Bench::up(c);
    b.submit(Op::Write, 0, 8, 1);
    let (path, ..) = b.issued()[0];
    b.brk(path);
    let mut sent_after = Duration::ZERO;
    while sent_after < Duration::from_secs(13) {
        b.pass(MS(100));
        // The live path answers its probes.
        for (p, t) in b.probed() {
            if p != path {
                b.tell(Input::ProbeDone {
                    path: PathId(p),
                    ticket: t,
                    status: Status::Ok,
                });
            }
        }
        sent_after = sent_after + MS(100);
        if !b.issued().is_empty() {
            break;
        }
    }
    assert_eq!(sent_after, Duration::from_secs(12));
    b.core.abandon();
}

#[test]
fn fence_none_retries_a_write_at_once() {
    let mut c = config(2);
    c.fence = FencePolicy::None;
    let mut b = Bench::up(c);
    b.submit(Op::Write, 0, 8, 1);
    let (path, ..) = b.issued()[0];
    b.brk(path);
    assert_eq!(b.issued()[0].0, 1 - path);
    b.core.abandon();
}

#[test]
fn silence_is_a_verdict_only_while_a_sibling_answers() {
    let mut b = Bench::up(config(2));
    b.submit(Op::Read, 0, 8, 1);
    let (path, ..) = b.issued()[0];
    b.pass(MS(400));
    // Both were asked, none answered: no verdict.
    let probes = b.probed();
    assert_eq!(probes.len(), 2, "{probes:?}");
    assert!(!b.events().iter().any(|e| matches!(e, Event::Lost { .. })));
    // The sibling's probe is answered now: that decides it.
    let sibling = probes.iter().find(|(p, _)| *p != path).expect("a probe");
    b.tell(Input::ProbeDone {
        path: PathId(sibling.0),
        ticket: sibling.1,
        status: Status::Ok,
    });
    b.said.clear();
    // It took its time, so the other may still answer too; but not for as long as that again.
    b.pass(MS(195));
    assert!(!b.events().iter().any(|e| matches!(e, Event::Lost { .. })));
    b.pass(MS(10));
    let lost = b.events().into_iter().find_map(|e| match e {
        Event::Lost { path, cause, .. } => Some((path.0, cause)),
        _ => None,
    });
    assert_eq!(lost, Some((path, LossCause::Silence)));
    assert_eq!(b.issued()[0].0, sibling.0);
    b.core.abandon();
}

#[test]
fn silence_everywhere_is_a_verdict_after_io_timeout() {
    let mut b = Bench::up(config(2));
    b.submit(Op::Read, 0, 8, 1);
    b.pass(MS(4_999));
    assert!(!b.events().iter().any(|e| matches!(e, Event::Lost { .. })));
    b.pass(MS(2));
    assert!(b.events().iter().any(|e| matches!(
        e,
        Event::Lost {
            cause: LossCause::Timeout,
            ..
        }
    )));
    b.core.abandon();
}

#[test]
fn the_loops_own_lag_never_counts_against_a_path() {
    let mut b = Bench::up(config(2));
    b.submit(Op::Read, 0, 8, 1);
    let (path, ticket, ..) = b.issued()[0];
    // The shard is not scheduled for three seconds; the answer has long been there.
    b.now += Duration::from_secs(3);
    b.tick();
    assert!(b.events().iter().all(|e| !matches!(e, Event::Lost { .. })));
    b.said.clear();
    b.done(path, ticket, Status::Ok);
    assert_eq!(b.completed(), [(1, Outcome::Ok)]);
}

#[test]
fn without_a_path_io_waits_until_its_deadline_and_then_fails_at_once() {
    let mut c = config(2);
    c.queue_for = MS(1_000);
    let mut b = Bench::up(c);
    b.brk(0);
    b.brk(1);
    b.submit(Op::Read, 0, 8, 1);
    b.pass(MS(999));
    assert!(b.completed().is_empty());
    b.pass(MS(2));
    assert_eq!(b.completed(), [(1, Outcome::Errno(verdict::EIO))]);
    b.said.clear();
    b.submit(Op::Read, 0, 8, 2);
    assert_eq!(b.completed(), [(2, Outcome::Errno(verdict::EIO))]);
    b.said.clear();
    b.bring_up(0, Access::Optimized);
    b.submit(Op::Read, 0, 8, 3);
    assert_eq!(b.issued().len(), 1);
    b.core.abandon();
}

#[test]
fn what_waited_for_a_path_is_sent_in_order_when_one_is_back() {
    let mut b = Bench::up(config(1));
    b.brk(0);
    for n in 0..5 {
        b.submit(Op::Read, n, 1, n);
    }
    b.pass(MS(60));
    b.said.clear();
    b.bring_up(0, Access::Optimized);
    let lbas: Vec<u64> = b.issued().iter().map(|i| i.2).collect();
    assert_eq!(lbas, [0, 1, 2, 3, 4]);
    b.core.abandon();
}

#[test]
fn a_failed_write_bars_what_overlaps_it_and_tells_the_siblings_first() {
    let mut c = config(1);
    c.shards = 2;
    c.queue_for = MS(500);
    let mut b = Bench::up(c);
    b.submit(Op::Write, 100, 8, 1);
    b.brk(0);
    b.said.clear();
    b.pass(MS(501));
    assert!(b.completed().is_empty(), "the sibling has not noted it");
    let note = b.said.iter().find_map(|a| match a {
        Action::Peer(PeerMessage::InDoubt { ticket, .. }) => Some(*ticket),
        _ => None,
    });
    b.tell(Input::Peer(PeerMessage::DoubtNoted {
        shard: 0,
        ticket: note.expect("a message to the sibling"),
        overlaps: false,
    }));
    assert_eq!(b.completed(), [(1, Outcome::Errno(verdict::EIO))]);
    b.bring_up(0, Access::Optimized);
    b.said.clear();
    b.submit(Op::Write, 104, 1, 2);
    assert!(b.issued().is_empty(), "it overlaps the range in doubt");
    b.submit(Op::Write, 108, 1, 3);
    b.submit(Op::Read, 104, 1, 4);
    assert_eq!(b.issued().len(), 2);
    b.core.abandon();
}

#[test]
fn a_sibling_that_is_told_of_a_range_bars_it_until_it_is_closed() {
    let mut c = config(1);
    c.shards = 2;
    let mut b = Bench::up(c);
    let ticket = Ticket {
        slot: 0,
        generation: 0,
    };
    let (path, epoch) = (PathId(0), Epoch(1));
    b.tell(Input::Peer(PeerMessage::InDoubt {
        shard: 1,
        ticket,
        volume: VOLUME,
        lba: 10,
        blocks: 10,
        path,
        epoch,
        alone: false,
    }));
    assert!(matches!(
        b.said[0],
        Action::Peer(PeerMessage::DoubtNoted { shard: 1, .. })
    ));
    b.said.clear();
    b.submit(Op::Write, 19, 1, 1);
    assert!(b.issued().is_empty());
    b.tell(Input::Peer(PeerMessage::Closed {
        shard: 1,
        path,
        epoch,
    }));
    assert_eq!(b.issued().len(), 1);
    b.core.abandon();
}

#[test]
fn a_recovered_daemon_reads_but_writes_nothing_until_its_predecessor_is_fenced() {
    let mut c = config(2);
    c.prior = vec![(PathId(0), Epoch(3)), (PathId(1), Epoch(4))];
    c.first_epoch = Epoch(10);
    let mut b = Bench::down(c);
    b.bring_up(0, Access::Optimized);
    assert_eq!(b.fences().len(), 2);
    b.said.clear();
    b.submit(Op::Read, 0, 1, 1);
    b.submit(Op::Write, 0, 1, 2);
    assert_eq!(b.issued().len(), 1);
    for (path, epoch) in [(PathId(0), Epoch(3)), (PathId(1), Epoch(4))] {
        assert!(b.issued().is_empty());
        b.tell(Input::FenceConfirmed { path, epoch });
    }
    assert_eq!(b.issued().len(), 1);
    b.core.abandon();
}

fn write(b: &mut Bench, lba: u64, cookie: u64, failfast: bool) {
    b.tell(Input::Submit(Request {
        volume: VOLUME,
        op: Op::Write,
        lba,
        blocks: 8,
        fua: false,
        failfast,
        buf: BufId(cookie as u32),
        cookie,
    }));
}

const FAILED: Outcome = Outcome::Errno(verdict::EIO);

#[test]
fn a_held_write_that_may_not_wait_fails_where_the_array_proves_nothing() {
    let mut c = config(2);
    c.array_confirms = false;
    let mut b = Bench::up(c);
    write(&mut b, 0, 1, true);
    write(&mut b, 64, 2, false);
    let (path, ..) = b.issued()[0];
    b.brk(1 - path);
    b.brk(path);
    // The one that may wait does.
    assert_eq!(b.completed(), [(1, FAILED)]);
    b.bring_down_and_up(0);
    b.said.clear();
    // What it may still do bars those that may wait, and fails those that may not.
    write(&mut b, 4, 3, false);
    write(&mut b, 4, 4, true);
    assert_eq!(b.completed(), [(4, FAILED)]);
    write(&mut b, 128, 5, true);
    let other = b.issued();
    assert_eq!(other.len(), 1);
    b.done(0, other[0].1, Status::Ok);
    b.pass_answering(MS(10), Duration::from_secs(12), &[0]);
    let mut issued: Vec<u64> = b.issued().iter().map(|i| i.2).collect();
    issued.sort_unstable();
    assert_eq!(issued, [4, 64], "neither is sent before the quiesce time");
    b.core.abandon();
}

#[test]
fn a_held_write_that_may_not_wait_is_given_the_time_that_a_confirmation_takes() {
    for confirmed in [true, false] {
        let mut b = Bench::up(config(2));
        write(&mut b, 0, 1, true);
        let (path, ..) = b.issued()[0];
        let epoch = b.epoch(path);
        b.brk(path);
        b.pass(MS(49));
        assert_eq!(b.completed(), []);
        if confirmed {
            let path = PathId(path);
            b.tell(Input::FenceConfirmed { path, epoch });
            assert_eq!(b.issued().len(), 1);
        } else {
            b.pass(MS(1));
            assert_eq!(b.completed(), [(1, FAILED)]);
        }
        b.core.abandon();
    }
}

#[test]
fn a_held_write_that_may_not_wait_fails_with_the_last_path() {
    let mut b = Bench::up(config(2));
    write(&mut b, 0, 1, true);
    let (path, ..) = b.issued()[0];
    b.brk(path);
    assert_eq!(b.completed(), []);
    b.brk(1 - path);
    assert_eq!(b.completed(), [(1, FAILED)]);
    assert!(b.events().contains(&Event::NoPathFailed {
        volume: VOLUME,
        failed: 1
    }));
}

#[test]
fn siblings_note_the_range_before_a_write_that_may_not_wait_fails() {
    let mut c = config(2);
    c.array_confirms = false;
    c.shards = 2;
    let mut b = Bench::up(c);
    write(&mut b, 0, 1, true);
    let (path, ..) = b.issued()[0];
    b.brk(path);
    assert_eq!(b.completed(), []);
    let told = b.said.iter().find_map(|a| match a {
        Action::Peer(PeerMessage::InDoubt { ticket, .. }) => Some(*ticket),
        _ => None,
    });
    let ticket = told.expect("the siblings are told");
    b.tell(Input::Peer(PeerMessage::DoubtNoted {
        shard: 0,
        ticket,
        overlaps: false,
    }));
    assert_eq!(b.completed(), [(1, FAILED)]);
}

#[test]
fn a_command_given_up_alone_is_not_waited_for_by_a_write_that_may_not() {
    let mut c = config(2);
    c.array_confirms = false;
    c.quiesce = Duration::MAX;
    let mut b = Bench::up(c);
    write(&mut b, 0, 1, true);
    let (stuck, ..) = b.issued()[0];
    for n in 0..560 {
        b.pass_answering(MS(10), MS(10), &[0, 1]);
        if b.completed().contains(&(1, FAILED)) {
            assert!(n > 490, "not before the hard limit: {n}");
            assert!(b.core.stands(stuck, b.epoch(stuck)));
            return;
        }
        b.submit(Op::Read, n, 1, 10 + n);
        for (path, ticket, ..) in b.issued() {
            b.done(path, ticket, Status::Ok);
        }
    }
    panic!("it waits");
}

#[test]
fn a_path_that_cannot_carry_a_fence_is_not_asked_twice_and_the_next_is_asked_at_once() {
    let mut b = Bench::up(config(4));
    write(&mut b, 0, 1, false);
    let (path, ..) = b.issued()[0];
    let epoch = b.epoch(path);
    b.brk(path);
    let mut asked = vec![b.fences()[0].0];
    let refuse = Input::FenceFailed {
        path: PathId(path),
        epoch,
    };
    let refused = |b: &mut Bench| {
        b.said.clear();
        b.tell(refuse);
        b.fences().iter().map(|f| f.0).collect::<Vec<u16>>()
    };
    for _ in 0..2 {
        let next = refused(&mut b);
        assert_eq!(next.len(), 1, "at once");
        asked.extend(next);
    }
    asked.sort_unstable();
    let others: Vec<u16> = (0..4).filter(|p| *p != path).collect();
    assert_eq!(asked, others);
    // All have refused: no haste, however often they say so.
    for _ in 0..5 {
        assert_eq!(refused(&mut b), []);
    }
    b.pass(MS(49));
    assert_eq!(b.fences(), []);
    b.pass(MS(1));
    assert_eq!(b.fences().len(), 1, "asked again a moment later");
    // And a round as before.
    assert_eq!((refused(&mut b).len(), refused(&mut b).len()), (1, 1));
    assert_eq!(refused(&mut b), []);
    b.core.abandon();
}

#[test]
fn what_may_not_wait_fails_when_every_path_has_refused_the_fence() {
    let mut b = Bench::up(config(3));
    write(&mut b, 0, 1, true);
    let (path, ..) = b.issued()[0];
    let epoch = b.epoch(path);
    b.brk(path);
    let path = PathId(path);
    b.tell(Input::FenceFailed { path, epoch });
    assert_eq!(b.completed(), []);
    b.tell(Input::FenceFailed { path, epoch });
    assert_eq!(b.completed(), [(1, FAILED)]);
    b.core.abandon();
}
