//! Reads that are sent twice: when, where, within which budget, and what becomes of both attempts.

use super::*;
use protocol::NvmeStatus;

const US: fn(u64) -> Duration = Duration::from_micros;
const MS: fn(u64) -> Duration = Duration::from_millis;

/// Two paths that have answered `ios` reads in 100 µs each, and every I/O earns a hedge.
fn warm(config: Config, ios: u64) -> Bench {
    let mut b = Bench::up(Config {
        hedge_permille: 1000,
        ..config
    });
    turn(&mut b, ios, &[]);
    b
}

/// Reads are submitted and answered one by one; what goes out on a path in `silent` is not answered.
fn turn(b: &mut Bench, ios: u64, silent: &[u16]) -> Vec<(u16, Ticket)> {
    let mut out = Vec::new();
    for n in 0..ios {
        b.submit(Op::Read, 8 * n, 8, 1_000_000 + n);
        let (path, ticket, _, _) = b.issued()[0];
        b.pass(US(100));
        if silent.contains(&path) {
            out.push((path, ticket));
        } else {
            b.done(path, ticket, Status::Ok);
        }
    }
    b.said.clear();
    out
}

/// Reads that are sent together; path 1 keeps its half of them.
fn burst(b: &mut Bench) {
    for n in 0..32 {
        b.submit(Op::Read, 8 * n, 8, n);
    }
    let all = b.issued();
    b.pass(US(100));
    for (path, ticket, _, _) in all {
        if path == 0 {
            b.done(path, ticket, Status::Ok);
        }
    }
    b.said.clear();
}

fn hedges(b: &Bench) -> Vec<(u16, Ticket, u64)> {
    let of = |a: &Action| match a {
        Action::Issue {
            path,
            ticket,
            cookie,
            hedge: true,
            ..
        } => Some((path.0, *ticket, *cookie)),
        _ => None,
    };
    b.said.iter().filter_map(of).collect()
}

fn adopted(b: &Bench) -> Vec<(Ticket, u64)> {
    let of = |a: &Action| match a {
        Action::Adopt { ticket, cookie } => Some((*ticket, *cookie)),
        _ => None,
    };
    b.said.iter().filter_map(of).collect()
}

/// One read that is out on a path, and the hedge of it on the other: (path, ticket) of both.
fn hedged(b: &mut Bench) -> ((u16, Ticket), (u16, Ticket)) {
    b.submit(Op::Read, 0, 8, 1);
    let (path, ticket, _, _) = b.issued()[0];
    for n in 0..4 {
        // The other path answers what is sent later.
        b.submit(Op::Read, 64, 8, 10 + n);
        let (p, t, _, _) = b.issued()[0];
        b.pass(US(100));
        b.done(p, t, Status::Ok);
    }
    b.said.clear();
    b.pass(MS(2));
    let all = hedges(b);
    assert_eq!(all.len(), 1, "{:?}", b.said);
    assert_eq!(all[0].2, 1);
    assert_ne!(all[0].0, path);
    b.said.clear();
    ((path, ticket), (all[0].0, all[0].1))
}

#[test]
fn a_read_that_is_out_for_longer_than_the_tail_is_sent_a_second_time() {
    let mut b = warm(config(2), 64);
    b.submit(Op::Read, 0, 8, 1);
    let (path, _, _, _) = b.issued()[0];
    // The other path has answered nothing since: it is asked, and its answer is the proof.
    b.pass(US(1_300));
    assert!(hedges(&b).is_empty());
    assert_eq!(
        b.probed().iter().map(|(p, _)| *p).collect::<Vec<_>>(),
        [1 - path]
    );
    let (other, probe) = b.probed()[0];
    b.tell(Input::ProbeDone {
        path: PathId(other),
        ticket: probe,
        status: Status::Ok,
    });
    b.pass(US(500));
    let all = hedges(&b);
    assert_eq!(all.len(), 1);
    assert_eq!((all[0].0, all[0].2), (other, 1));
    b.core.abandon();
}

#[test]
fn the_second_attempt_wins_and_the_first_is_an_orphan_until_its_own_answer() {
    let mut b = warm(config(2), 64);
    let (first, second) = hedged(&mut b);
    b.done(second.0, second.1, Status::Ok);
    assert_eq!(adopted(&b), [(second.1, 1)]);
    assert_eq!(b.completed(), [(1, Outcome::Ok)]);
    assert!(b.events().contains(&Event::HedgeWon {
        path: PathId(second.0),
        ticket: second.1
    }));
    assert_eq!(
        b.core.leaks(),
        Leaks {
            requests: 0,
            attempts: 1
        }
    );
    b.said.clear();
    b.done(first.0, first.1, Status::Ok);
    assert!(b.completed().is_empty(), "{:?}", b.said);
    assert!(adopted(&b).is_empty());
    assert!(b.events().contains(&Event::StaleCompletion {
        path: PathId(first.0),
        ticket: first.1
    }));
    assert_eq!(b.core.leaks(), Leaks::default());
    // It was the path's answer: a second one of the same ticket is nothing.
    b.done(first.0, first.1, Status::Ok);
    assert_eq!(b.core.leaks(), Leaks::default());
}

#[test]
fn the_first_attempt_wins_in_its_own_buffer() {
    let mut b = warm(config(2), 64);
    let (first, second) = hedged(&mut b);
    b.done(first.0, first.1, Status::Ok);
    assert!(adopted(&b).is_empty());
    assert_eq!(b.completed(), [(1, Outcome::Ok)]);
    b.said.clear();
    // What the loser says of its path is believed, and nothing else.
    b.done(second.0, second.1, Status::Nvme(NvmeStatus::new(0x281)));
    assert!(b.completed().is_empty());
    assert_eq!(b.core.leaks(), Leaks::default());
}

#[test]
fn a_failure_of_one_attempt_leaves_the_other_to_finish() {
    for errors in [
        Status::Nvme(NvmeStatus::new(0x371)),
        Status::Errno(5),
        Status::Errno(12),
        Status::Busy,
        Status::Nvme(NvmeStatus::new(0x303)),
    ] {
        for second_fails in [false, true] {
            let mut b = warm(config(2), 64);
            let (first, second) = hedged(&mut b);
            let (bad, good) = match second_fails {
                true => (second, first),
                false => (first, second),
            };
            b.done(bad.0, bad.1, errors);
            assert!(b.completed().is_empty(), "{errors:?}");
            assert!(b.issued().is_empty(), "{errors:?}: the other is out");
            b.done(good.0, good.1, Status::Ok);
            assert_eq!(b.completed(), [(1, Outcome::Ok)], "{errors:?}");
            assert_eq!(adopted(&b).len(), usize::from(!second_fails));
            assert_eq!(b.core.leaks(), Leaks::default());
        }
    }
}

#[test]
fn both_attempts_fail_and_it_is_tried_again_as_any_other() {
    let mut b = warm(config(3), 64);
    b.submit(Op::Read, 0, 8, 1);
    let (path, ticket, _, _) = b.issued()[0];
    turn(&mut b, 9, &[]);
    b.pass(MS(2));
    let hedge = hedges(&b)[0];
    b.said.clear();
    let error = Status::Nvme(NvmeStatus::new(0x371));
    b.done(path, ticket, error);
    assert!(b.issued().is_empty());
    b.done(hedge.0, hedge.1, error);
    let again = b.issued();
    assert_eq!(again.len(), 1);
    assert!(
        ![path, hedge.0].contains(&again[0].0),
        "both have refused it"
    );
    b.done(again[0].0, again[0].1, Status::Ok);
    assert!(adopted(&b).is_empty(), "this one has the request's buffer");
    assert_eq!(b.completed(), [(1, Outcome::Ok)]);
    assert_eq!(b.core.leaks(), Leaks::default());
}

#[test]
fn an_error_of_the_medium_is_the_requests_whichever_attempt_gets_it() {
    for second_fails in [false, true] {
        let mut b = warm(config(2), 64);
        let (first, second) = hedged(&mut b);
        let (bad, late) = match second_fails {
            true => (second, first),
            false => (first, second),
        };
        b.done(bad.0, bad.1, Status::Nvme(NvmeStatus::new(0x281)));
        assert_eq!(b.completed(), [(1, Outcome::Errno(61))]);
        // The first attempt may still write into the request's own buffer.
        assert_eq!(adopted(&b).len(), usize::from(second_fails));
        b.said.clear();
        b.done(late.0, late.1, Status::Ok);
        assert!(b.completed().is_empty());
        assert_eq!(b.core.leaks(), Leaks::default());
    }
}

#[test]
fn a_lost_path_takes_its_attempt_and_leaves_the_other() {
    let mut b = warm(config(2), 64);
    let (first, second) = hedged(&mut b);
    b.brk(first.0);
    assert!(b.issued().is_empty(), "the other attempt is out");
    b.done(second.0, second.1, Status::Ok);
    assert_eq!(adopted(&b), [(second.1, 1)]);
    assert_eq!(b.completed(), [(1, Outcome::Ok)]);
    assert_eq!(b.core.leaks(), Leaks::default());

    let mut b = warm(config(2), 64);
    let (first, second) = hedged(&mut b);
    b.brk(second.0);
    assert!(b.issued().is_empty());
    // Then the last one is lost, too, and sent again as any other.
    b.bring_down_and_up(second.0);
    b.said.clear();
    b.brk(first.0);
    let again = b.issued();
    assert_eq!(again.len(), 1);
    b.done(again[0].0, again[0].1, Status::Ok);
    assert!(adopted(&b).is_empty());
    assert_eq!(b.core.leaks(), Leaks::default());
}

#[test]
fn an_orphan_ends_with_its_association() {
    let mut b = warm(config(2), 64);
    let (first, second) = hedged(&mut b);
    b.done(second.0, second.1, Status::Ok);
    b.said.clear();
    b.brk(first.0);
    assert!(b.issued().is_empty(), "it is nobody's");
    assert_eq!(b.core.leaks(), Leaks::default());
}

#[test]
fn a_write_is_never_sent_twice_and_a_part_of_a_request_neither() {
    let mut b = warm(config(2), 64);
    b.submit(Op::Write, 0, 8, 1);
    b.submit(Op::Read, 0, 100, 2);
    b.submit(Op::Flush, 0, 0, 3);
    b.said.clear();
    for _ in 0..40 {
        let silent = turn(&mut b, 1, &[]);
        assert!(silent.is_empty());
        b.pass(US(100));
        assert!(hedges(&b).is_empty());
    }
    b.core.abandon();
}

#[test]
fn a_silence_everywhere_is_no_reason() {
    let mut b = warm(config(2), 64);
    for n in 0..32 {
        b.submit(Op::Read, 8 * n, 8, n);
    }
    b.said.clear();
    b.pass(MS(1900));
    assert!(hedges(&b).is_empty());
    b.core.abandon();
}

#[test]
fn the_loops_own_lateness_is_no_reason() {
    let mut b = warm(config(2), 64);
    b.submit(Op::Read, 0, 8, 1);
    let (path, ticket, _, _) = b.issued()[0];
    b.submit(Op::Read, 64, 8, 2);
    let (other, later, _, _) = b.issued()[0];
    assert_ne!(path, other);
    // Not scheduled for 3 ms; the deadline is served first, the answers wait behind it.
    b.now += MS(3);
    b.done(other, later, Status::Ok);
    b.tick();
    assert!(hedges(&b).is_empty(), "{:?}", b.said);
    b.done(path, ticket, Status::Ok);
    assert_eq!(b.core.leaks(), Leaks::default());
}

#[test]
fn not_on_a_path_that_is_worse_or_in_doubt() {
    for worse in [false, true] {
        let mut b = warm(config(2), 64);
        if worse {
            b.access(1, Access::NonOptimized);
            turn(&mut b, 8, &[]);
        }
        let silent = match worse {
            true => turn(&mut b, 1, &[0]),
            // Both are silent, and so is what would prove the other.
            false => turn(&mut b, 2, &[0, 1]),
        };
        assert!(!silent.is_empty());
        b.pass(MS(15));
        assert!(hedges(&b).is_empty(), "worse: {worse}");
        b.core.abandon();
    }
}

/// Hedges in 3 ms in which every 100 us a read is answered.
fn hedges_beside_answers(b: &mut Bench) -> usize {
    let mut count = 0;
    for _ in 0..30 {
        b.submit(Op::Read, 0, 8, 7);
        let mine: Vec<_> = b.issued();
        b.pass(US(100));
        count += hedges(b).len();
        for (path, ticket, _, _) in mine {
            b.done(path, ticket, Status::Ok);
        }
        b.said.clear();
    }
    count
}

#[test]
fn a_silent_path_has_all_its_reads_sent_again_and_the_budget_holds() {
    let mut b = Bench::up(Config {
        hedge_permille: 20,
        max_requests: 4096,
        ..config(2)
    });
    turn(&mut b, 3_200, &[]);
    burst(&mut b);
    // What is still answered proves the other path.
    let count = hedges_beside_answers(&mut b);
    assert_eq!(count, 16, "each of them once");
    b.core.abandon();

    let mut b = Bench::up(Config {
        hedge_permille: 20,
        ..config(2)
    });
    turn(&mut b, 200, &[]);
    burst(&mut b);
    let count = hedges_beside_answers(&mut b);
    assert!(
        (1..=5).contains(&count),
        "{count} of 262 I/Os, fewer than 2 %"
    );
    b.core.abandon();
}

#[test]
fn a_budget_beyond_the_ios_is_refused() {
    let wrong = Config {
        hedge_permille: 1001,
        ..config(1)
    };
    assert!(matches!(wrong.check(), Err(ConfigError::Value(_))));
}
