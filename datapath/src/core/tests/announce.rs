//! Access states that contradict each other.

use super::*;

const MS: fn(u64) -> Duration = Duration::from_millis;

/// Lets time pass: every command is refused as in transition, every question is answered "optimised". How often commands
/// were sent.
fn contradict(b: &mut Bench, d: Duration) -> Vec<Instant> {
    let until = b.now + d;
    let mut sent = Vec::new();
    while b.now < until {
        b.pass(Duration::from_micros(50));
        for action in std::mem::take(&mut b.said) {
            match action {
                Action::Issue { path, ticket, .. } => {
                    sent.push(b.now);
                    b.done(path.0, ticket, Status::ANA_TRANSITION);
                }
                Action::Refresh { path } => b.access(path.0, Access::Optimized),
                Action::Probe { path, ticket, .. } => b.tell(Input::ProbeDone {
                    path,
                    ticket,
                    status: Status::Ok,
                }),
                Action::Complete { .. } => b.said.push(action),
                _ => {}
            }
        }
        if !b.completed().is_empty() {
            break;
        }
    }
    sent
}

#[test]
fn a_command_that_is_refused_against_the_announcement_is_sent_more_and_more_seldom() {
    let mut b = Bench::up(config(2));
    b.submit(Op::Write, 0, 1, 1);
    let sent = contradict(&mut b, MS(1_000));
    // Doubling from 1 ms to 100 ms: a dozen rounds of two paths.
    assert!((20..50).contains(&sent.len()), "{}", sent.len());
    let last: Vec<&Instant> = sent.iter().rev().take(3).collect();
    assert!(last[0].since(*last[2]) >= MS(90), "{last:?}");
    b.core.abandon();
}

#[test]
fn it_fails_when_it_was_refused_for_as_long_as_a_path_may_be_missing() {
    let mut c = config(2);
    c.queue_for = MS(500);
    c.io_timeout = MS(700);
    let mut b = Bench::up(c);
    b.submit(Op::Write, 0, 1, 1);
    contradict(&mut b, MS(2_000));
    assert_eq!(b.completed(), [(1, Outcome::Errno(verdict::EIO))]);
    let took = b.now.since(Instant::ZERO);
    assert!((MS(700)..MS(850)).contains(&took), "{took:?}");
}

#[test]
fn the_first_contradiction_costs_nothing_and_the_second_a_moment() {
    let mut b = Bench::up(config(1));
    for n in 0..3 {
        b.submit(Op::Read, n, 1, n);
    }
    let sent = b.issued();
    b.pass(MS(1));
    b.done(0, sent[0].1, Status::ANA_TRANSITION);
    b.access(0, Access::Optimized);
    let again = b.issued();
    assert_eq!(again.len(), 1);
    // These had been sent before that announcement: they contradict nothing.
    for old in &sent[1..] {
        b.done(0, old.1, Status::ANA_TRANSITION);
        b.access(0, Access::Optimized);
        assert_eq!(b.issued().len(), 1);
    }
    b.pass(MS(1));
    b.done(0, again[0].1, Status::ANA_TRANSITION);
    b.access(0, Access::Optimized);
    assert!(b.issued().is_empty(), "it is not believed yet");
    b.pass(MS(6));
    let asked = |a: &Action| matches!(a, Action::Refresh { .. });
    assert!(b.said.iter().any(asked));
    b.access(0, Access::Optimized);
    assert_eq!(b.issued().len(), 1);
    b.core.abandon();
}

#[test]
fn an_announcement_that_forbids_is_believed_at_once() {
    let mut b = Bench::up(config(2));
    b.submit(Op::Read, 0, 1, 1);
    let (p, t, ..) = b.issued()[0];
    b.done(p, t, Status::ANA_TRANSITION);
    b.access(p, Access::Lost);
    let lost = |e: &Event| {
        matches!(
            e,
            Event::Access {
                to: Access::Lost,
                ..
            }
        )
    };
    assert!(b.events().iter().any(lost));
    b.core.abandon();
}
