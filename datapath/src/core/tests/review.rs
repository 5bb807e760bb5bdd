//! Defects that a review found: each of these failed once.

use super::*;
use protocol::NvmeStatus;

const MS: fn(u64) -> Duration = Duration::from_millis;
const PATHING: Status = Status::Nvme(NvmeStatus::new(0x370));

#[test]
fn a_delayed_command_fails_with_the_queue_and_not_later() {
    let mut c = config(1);
    c.queue_for = MS(100);
    let mut b = Bench::up(c);
    b.submit(Op::Read, 0, 1, 1);
    let (p, t, ..) = b.issued()[0];
    b.brk(p);
    b.bring_down_and_up(0);
    // Told to wait 300 ms, then the only path goes.
    let (p, t2, ..) = b.issued()[0];
    assert_ne!(t, t2);
    let later = Status::Nvme(NvmeStatus {
        code: 0x006,
        dnr: false,
        crd: 3,
    });
    b.done(p, t2, later);
    b.brk(p);
    b.said.clear();
    b.pass(MS(99));
    assert!(b.completed().is_empty());
    b.pass(MS(2));
    assert_eq!(b.completed(), [(1, Outcome::Errno(verdict::EIO))]);
    assert_eq!(b.core.leaks(), Leaks::default());
}

#[test]
fn a_loss_that_is_taken_back_starts_no_endless_wait() {
    let mut c = config(2);
    c.queue_for = MS(1_000);
    let mut b = Bench::up(c);
    b.identity(0, None);
    b.identity(1, None);
    // Permanent; then one path takes it back, but its volume stays inaccessible.
    b.access(0, Access::Inaccessible);
    b.identity(0, Some(Identity(77)));
    b.said.clear();
    b.submit(Op::Read, 0, 1, 1);
    assert!(b.completed().is_empty(), "it is not permanent any more");
    b.pass_answering(MS(1), MS(1_001), &[0, 1]);
    assert_eq!(b.completed(), [(1, Outcome::Errno(verdict::EIO))]);
}

#[test]
fn a_fence_that_no_path_could_carry_is_asked_for_when_a_suspect_answers() {
    let mut b = Bench::up(config(2));
    b.submit(Op::Write, 0, 1, 1);
    b.submit(Op::Read, 8, 1, 2);
    let sent = b.issued();
    let (write, read) = (sent[0], sent[1]);
    // Both are silent and suspect; one breaks; the other answers at last.
    b.pass(MS(30));
    b.brk(write.0);
    assert!(b.fences().is_empty());
    b.done(read.0, read.1, Status::Ok);
    assert_eq!(b.fences().len(), 1);
    b.core.abandon();
}

#[test]
fn the_end_of_a_stall_is_not_evidence_against_the_path_that_answers_second() {
    let mut b = Bench::up(config(2));
    b.submit(Op::Read, 0, 1, 1);
    b.submit(Op::Read, 8, 1, 2);
    let sent = b.issued();
    b.pass(MS(2_000));
    b.done(sent[0].0, sent[0].1, Status::Ok);
    // Answers drain for a while, and the core looks again meanwhile.
    b.pass(MS(10));
    b.done(sent[1].0, sent[1].1, Status::Ok);
    let lost = |e: &Event| matches!(e, Event::Lost { .. });
    assert!(!b.events().iter().any(lost));
    assert_eq!(b.core.leaks(), Leaks::default());
}

#[test]
fn a_write_that_is_lost_after_the_deadline_fails_at_once() {
    let mut c = config(2);
    c.queue_for = MS(100);
    c.array_confirms = false;
    let mut b = Bench::up(c);
    b.submit(Op::Write, 0, 1, 1);
    let (p, ..) = b.issued()[0];
    b.access(0, Access::Inaccessible);
    b.access(1, Access::Inaccessible);
    b.pass_answering(MS(1), MS(101), &[0, 1]);
    b.said.clear();
    b.brk(p);
    assert_eq!(b.completed(), [(1, Outcome::Errno(verdict::EIO))]);
}

#[test]
fn a_barred_write_of_a_volume_whose_time_is_over_fails_at_once() {
    let mut c = config(1);
    c.queue_for = MS(100);
    c.array_confirms = false;
    let mut b = Bench::up(c);
    b.submit(Op::Write, 0, 8, 1);
    b.brk(0);
    b.pass(MS(101));
    assert_eq!(b.completed().len(), 1);
    b.said.clear();
    b.submit(Op::Write, 0, 8, 2);
    assert_eq!(b.completed(), [(2, Outcome::Errno(verdict::EIO))]);
}

#[test]
fn a_short_wait_for_a_path_does_not_shorten_retries() {
    let mut c = config(2);
    c.queue_for = Duration::ZERO;
    let mut b = Bench::up(c);
    for status in [PATHING, Status::Busy] {
        b.submit(Op::Read, 0, 1, 1);
        let (p, t, ..) = b.issued()[0];
        b.done(p, t, status);
        assert!(b.completed().is_empty());
        b.pass(MS(20));
        let again = b.issued();
        assert_eq!(again[0].0, 1 - p);
        b.done(again[0].0, again[0].1, Status::Ok);
        assert_eq!(b.completed(), [(1, Outcome::Ok)]);
        b.said.clear();
    }
}

#[test]
fn an_io_error_that_every_path_gives_is_the_volumes_and_demotes_none() {
    let mut b = Bench::up(config(2));
    for i in 0..40 {
        b.submit(Op::Read, i, 1, i);
        for _ in 0..verdict::AMBIGUOUS_RETRIES {
            b.pass_answering(MS(1), MS(11), &[0, 1]);
            for (p, t, ..) in b.issued() {
                b.done(p, t, Status::Errno(verdict::EIO));
            }
        }
    }
    let demoted = |e: &Event| matches!(e, Event::Health { .. } | Event::Usable { .. });
    assert!(!b.events().iter().any(demoted));
    assert_eq!(b.core.leaks(), Leaks::default());
}

#[test]
fn an_io_error_that_another_path_does_not_give_is_the_paths() {
    let mut b = Bench::up(config(2));
    let mut demoted = false;
    for i in 0..40 {
        b.submit(Op::Read, i, 1, i);
        while let Some((p, t, ..)) = b.issued().first().copied() {
            let status = [Status::Errno(verdict::EIO), Status::Ok][usize::from(p)];
            b.done(p, t, status);
            demoted |= b.events().iter().any(|e| {
                matches!(e, Event::Health { path, to, .. } if path.0 == 0 && *to == path::Health::Marginal)
            });
        }
    }
    assert!(demoted);
}

#[test]
fn many_waits_do_not_use_up_the_retries_of_an_error() {
    let mut b = Bench::up(config(1));
    b.submit(Op::Read, 0, 1, 1);
    for _ in 0..300 {
        b.pass_answering(MS(1), MS(17), &[0]);
        let (p, t, ..) = b.issued()[0];
        b.done(p, t, Status::Busy);
        if b.now > Instant(4_000_000_000) {
            break;
        }
    }
    b.pass_answering(MS(1), MS(17), &[0]);
    let (p, t, ..) = b.issued()[0];
    b.done(p, t, Status::Nvme(NvmeStatus::new(0x006)));
    assert!(b.completed().is_empty());
    b.pass_answering(MS(1), MS(17), &[0]);
    let (p, t, ..) = b.issued()[0];
    b.done(p, t, Status::Ok);
    assert_eq!(b.completed(), [(1, Outcome::Ok)]);
}

#[test]
fn a_full_path_sends_its_command_to_another_at_once() {
    let mut b = Bench::up(config(2));
    b.submit(Op::Read, 0, 1, 1);
    let (p, t, ..) = b.issued()[0];
    b.done(p, t, Status::Busy);
    assert_eq!(b.issued()[0].0, 1 - p);
    b.core.abandon();
}

#[test]
fn quick_errors_attract_no_more_commands() {
    let mut c = config(2);
    c.policy = Policy::Adaptive;
    let mut b = Bench::up(c);
    let mut asked = [0; 2];
    for i in 0..200 {
        b.submit(Op::Read, i, 1, i);
        let (p, t, ..) = b.issued()[0];
        asked[usize::from(p)] += 1;
        if p == 0 {
            b.now += Duration::from_micros(5);
            b.done(p, t, Status::Nvme(NvmeStatus::new(0x006)));
            let (q, t, ..) = b.issued()[0];
            b.now += Duration::from_micros(100);
            b.done(q, t, Status::Ok);
        } else {
            b.now += Duration::from_micros(100);
            b.done(p, t, Status::Ok);
        }
        b.said.clear();
    }
    assert!(asked[0] <= asked[1] + 10, "{asked:?}");
}

#[test]
fn a_path_that_comes_back_is_asked_whatever_it_said_before() {
    let mut b = Bench::up(config(1));
    b.submit(Op::Read, 0, 1, 1);
    let (p, t, ..) = b.issued()[0];
    b.done(p, t, Status::ANA_TRANSITION);
    assert!(b.issued().is_empty());
    b.access(0, Access::Optimized);
    assert_eq!(b.issued().len(), 1, "and not only 10 ms later");
    b.core.abandon();
}

#[test]
fn many_refusals_ask_for_the_states_once() {
    let mut b = Bench::up(config(2));
    for i in 0..32 {
        b.submit(Op::Read, i, 1, i);
    }
    for (p, t, ..) in b.issued() {
        if p == 0 {
            b.done(p, t, Status::ANA_TRANSITION);
        }
    }
    let refresh = |a: &&Action| matches!(a, Action::Refresh { .. });
    assert_eq!(b.said.iter().filter(refresh).count(), 1);
    // The answer may have been on its way when the state changed: again a moment later.
    b.pass(MS(6));
    assert_eq!(b.said.iter().filter(refresh).count(), 2);
    b.core.abandon();
}

#[test]
fn a_connection_that_breaks_as_soon_as_it_stands_does_not_spin() {
    let mut b = Bench::up(config(2));
    let mut connects = 0;
    for _ in 0..10 {
        b.brk(0);
        b.pass(MS(10));
        let connect = |a: &&Action| matches!(a, Action::Connect { .. });
        connects += b.said.iter().filter(connect).count();
        b.said.clear();
        let epoch = b.epoch(0);
        b.tell(Input::Connected {
            path: PathId(0),
            epoch,
        });
    }
    assert!(connects <= 3, "{connects} in 100 ms");
}

#[test]
fn a_lost_path_is_tried_again_at_least_every_100_ms() {
    for refused in [true, false] {
        let mut b = Bench::up(config(2));
        b.pass_answering(MS(1), MS(1_000), &[0, 1]);
        b.brk(0);
        b.said.clear();
        let mut last = b.now;
        for _ in 0..1_000 {
            b.pass_answering(MS(1), MS(1), &[1]);
            for a in std::mem::take(&mut b.said) {
                if let Action::Connect { path, epoch } = a {
                    // One that is refused is tried every 50 ms, one that is silent every 100 ms.
                    let limit = if refused { MS(51) } else { MS(101) };
                    assert!(b.now.since(last) <= limit, "{:?}", b.now.since(last));
                    last = b.now;
                    if refused {
                        b.tell(Input::Refused { path, epoch });
                    }
                }
            }
        }
        assert!(b.now.since(last) <= MS(101));
    }
}

#[test]
fn a_path_that_answers_while_in_probation_does_not_skip_it() {
    let mut b = Bench::up(config(2));
    b.pass_answering(MS(1), MS(200), &[0, 1]);
    b.brk(0);
    b.pass(MS(60));
    b.bring_up(0, Access::Optimized);
    assert_eq!(b.core.paths[0].health, path::Health::Probation);
    b.said.clear();
    // The probe of its return is late; it is suspected, and answers.
    b.core.set_health(0, path::Health::Suspect, &mut b.out);
    b.core.alive(b.now, 0, &mut b.out);
    assert_ne!(b.core.paths[0].health, path::Health::Good);
}

#[test]
fn one_loss_keeps_a_path_out_for_a_moment_and_a_flapping_path_is_used_a_handful_of_times() {
    for up_ms in [100, 300, 1_500] {
        let mut b = Bench::up(config(2));
        let mut flips = 0;
        let count = |b: &Bench| {
            let of0 = |e: &&Event| matches!(e, Event::Usable { path, .. } if path.0 == 0);
            b.events().iter().filter(of0).count()
        };
        let mut cycles = 0;
        while b.now < Instant(60_000_000_000) {
            b.brk(0);
            b.pass_answering(MS(1), MS(100), &[1]);
            flips += count(&b);
            b.said.clear();
            b.bring_up(0, Access::Optimized);
            // The probe of the return was asked for before the bench looks.
            for (p, t) in b.probed() {
                b.tell(Input::ProbeDone {
                    path: PathId(p),
                    ticket: t,
                    status: Status::Ok,
                });
            }
            b.pass_answering(MS(1), MS(up_ms), &[0, 1]);
            flips += count(&b);
            b.said.clear();
            cycles += 1;
        }
        // Each trust costs a path four times the time of the one before.
        let allowed = if up_ms == 100 { 1 } else { 7 };
        assert!(
            flips <= allowed,
            "{flips} flips in {cycles} cycles of {up_ms} ms"
        );
        b.pass_answering(MS(1), MS(60_000), &[0, 1]);
        assert_eq!(count(&b), 1, "it is back at last");
    }
}

#[test]
fn a_loss_of_every_path_keeps_none_of_them_out() {
    let mut b = Bench::up(config(3));
    b.pass_answering(MS(1), MS(200), &[0, 1, 2]);
    for p in 0..3 {
        b.brk(p);
    }
    b.pass_answering(MS(1), MS(60), &[]);
    for p in 0..3 {
        b.bring_up(p, Access::Optimized);
    }
    b.said.clear();
    for i in 0..30 {
        b.submit(Op::Read, i, 1, i);
    }
    for p in 0..3 {
        assert_eq!(b.core.views[p].inflight, 10);
    }
    b.core.abandon();
}

#[test]
fn dnr_on_the_paths_that_are_there_waits_for_those_that_may_come_back() {
    let mut b = Bench::up(config(2));
    b.brk(1);
    b.said.clear();
    b.submit(Op::Read, 0, 1, 1);
    let (p, t, ..) = b.issued()[0];
    let dnr = Status::Nvme(NvmeStatus {
        code: 0x360,
        dnr: true,
        crd: 0,
    });
    b.done(p, t, dnr);
    assert!(b.completed().is_empty());
    b.pass_answering(MS(1), MS(60), &[0]);
    b.said.clear();
    b.bring_up(1, Access::Optimized);
    b.pass_answering(MS(1), MS(11), &[0, 1]);
    let again = b.issued();
    assert_eq!(again[0].0, 1);
    b.core.abandon();
}

#[test]
fn the_loops_lag_is_not_taken_for_a_paths_tail() {
    let mut b = Bench::up(config(2));
    b.submit(Op::Read, 0, 1, 1);
    let (p, t, ..) = b.issued()[0];
    b.now += Duration::from_secs(3);
    b.done(p, t, Status::Ok);
    assert!(b.core.views[usize::from(p)].tail < MS(1));
}

#[test]
fn a_volume_that_was_not_there_is_asked_for_again() {
    let mut c = config(2);
    c.volumes.push(c.volumes[0].clone());
    let mut b = Bench::up(c);
    let second = VolumeId(1);
    b.tell(Input::Identity {
        path: PathId(0),
        volume: second,
        identity: None,
        blocks: 0,
    });
    b.said.clear();
    b.pass_answering(MS(1), MS(101), &[0, 1]);
    let asked = |a: &Action| matches!(a, Action::Probe { path, volume, .. } if path.0 == 0 && *volume == second);
    assert!(b.said.iter().any(asked));
    let refreshed = |a: &Action| matches!(a, Action::Refresh { path } if path.0 == 0);
    assert!(b.said.iter().any(refreshed));
}

#[test]
fn a_successor_must_fear_what_was_lost_and_is_not_proven_gone() {
    let mut c = config(2);
    c.array_confirms = false;
    let mut b = Bench::up(c);
    b.submit(Op::Write, 0, 1, 1);
    let (p, ..) = b.issued()[0];
    let lost = b.epoch(p);
    b.brk(p);
    b.pass_answering(MS(1), MS(60), &[1 - p]);
    b.bring_up(p, Access::Optimized);
    let feared: Vec<_> = b.core.associations().collect();
    assert!(feared.contains(&(PathId(p), lost)));
    assert!(feared.contains(&(PathId(p), b.epoch(p))));
    b.core.abandon();
}

#[test]
fn a_flush_is_whole_whatever_its_request_says() {
    let mut b = Bench::up(config(1));
    b.submit(Op::Flush, 5, 1_000, 1);
    let sent = b.issued();
    assert_eq!((sent.len(), sent[0].2, sent[0].3), (1, 0, 0));
    b.submit(Op::Discard, 0, 1 << 20, 2);
    assert_eq!(b.issued().len(), 1);
    b.submit(Op::WriteZeroes, 0, 1 << 17, 3);
    assert_eq!(b.issued().len(), 2);
    b.core.abandon();
}

#[test]
fn a_path_that_is_added_ends_a_loss_that_was_permanent() {
    let mut c = config(2);
    c.paths[1].present = false;
    let mut b = Bench::down(c);
    b.bring_up(0, Access::Optimized);
    b.identity(0, None);
    b.said.clear();
    b.submit(Op::Read, 0, 1, 1);
    assert_eq!(b.completed(), [(1, Outcome::Errno(verdict::ENODEV))]);
    b.tell(Input::AddPath { path: PathId(1) });
    b.said.clear();
    b.submit(Op::Read, 0, 1, 2);
    assert!(b.completed().is_empty());
    b.core.abandon();
}

#[test]
fn a_flush_that_tells_of_lost_writes_fails_the_flushes_beside_it() {
    let mut b = Bench::up(config(2));
    for cookie in 1..=2 {
        b.submit(Op::Flush, 0, 0, cookie);
    }
    let sent = b.issued();
    for (p, ..) in &sent {
        b.brk(*p);
    }
    b.pass(MS(60));
    b.said.clear();
    b.bring_up(0, Access::Optimized);
    let again = b.issued();
    let fault = Status::Nvme(NvmeStatus::new(0x280));
    b.done(again[0].0, again[0].1, fault);
    b.done(again[1].0, again[1].1, Status::Ok);
    let eio = Outcome::Errno(verdict::EIO);
    let mut failed = b.completed();
    failed.sort_by_key(|c| c.0);
    assert_eq!(failed, [(1, eio), (2, eio)]);
    b.said.clear();
    b.submit(Op::Flush, 0, 0, 3);
    let (p, t, ..) = b.issued()[0];
    b.done(p, t, Status::Ok);
    assert_eq!(b.completed(), [(3, Outcome::Ok)]);
}
