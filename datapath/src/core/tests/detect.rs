//! Silence: what is evidence against a path, and what is only a queue.

use super::*;

const MS: fn(u64) -> Duration = Duration::from_millis;

fn lost(b: &Bench) -> Vec<u16> {
    let all = b.events().into_iter();
    all.filter_map(|e| match e {
        Event::Lost { path, .. } => Some(path.0),
        _ => None,
    })
    .collect()
}

fn suspects(b: &Bench) -> usize {
    let all = b.events().into_iter();
    let to = path::Health::Suspect;
    all.filter(|e| matches!(e, Event::Health { to: t, .. } if *t == to))
        .count()
}

/// Lets time pass; path 1 answers its probes, path 0 nothing but the questions for access states, if `told`.
fn pass_silent(b: &mut Bench, d: Duration, told: bool) {
    let until = b.now + d;
    let mut kept = Vec::new();
    while b.now < until {
        b.pass(MS(1));
        // What is asked is answered a moment later.
        b.now += Duration::from_micros(100);
        for action in std::mem::take(&mut b.said) {
            match action {
                Action::Probe { path, ticket, .. } if path.0 == 1 => b.tell(Input::ProbeDone {
                    path,
                    ticket,
                    status: Status::Ok,
                }),
                Action::Refresh { path } if path.0 == 0 && told => b.access(0, Access::Optimized),
                _ => {}
            }
            kept.push(action);
        }
    }
    kept.append(&mut b.said);
    b.said = kept;
}

#[test]
fn a_path_that_falls_silent_is_lost_within_fifty_milliseconds() {
    let mut b = Bench::up(config(2));
    b.submit(Op::Read, 0, 8, 1);
    b.said.clear();
    pass_silent(&mut b, MS(44), false);
    assert_eq!(lost(&b), []);
    pass_silent(&mut b, MS(4), false);
    assert_eq!(lost(&b), [0]);
    b.core.abandon();
}

#[test]
fn a_burst_is_given_the_time_that_all_of_it_takes() {
    let mut b = Bench::up(config(2));
    // An answer takes 1 ms on this path when it is alone: 200 at once may take 200.
    for n in 0..600 {
        b.submit(Op::Read, n, 1, n);
        let (p, t, ..) = b.issued()[0];
        b.pass_answering(MS(1), MS(1), &[0, 1]);
        b.done(p, t, Status::Ok);
    }
    for n in 0..400 {
        b.submit(Op::Read, n, 1, 1_000 + n);
    }
    b.said.clear();
    pass_silent(&mut b, MS(300), false);
    assert_eq!(suspects(&b), 0);
    b.core.abandon();
}

#[test]
fn what_is_fed_into_a_silence_earns_the_path_no_patience() {
    let mut b = Bench::up(config(2));
    b.submit(Op::Read, 0, 1, 0);
    b.pass(MS(6));
    for n in 1..400 {
        b.submit(Op::Read, n, 1, n);
    }
    b.said.clear();
    pass_silent(&mut b, MS(50), false);
    assert_eq!(lost(&b), [0]);
    b.core.abandon();
}

#[test]
fn a_path_that_answers_questions_is_given_longer_but_not_for_ever() {
    let mut b = Bench::up(config(2));
    b.submit(Op::Read, 0, 8, 1);
    b.said.clear();
    pass_silent(&mut b, MS(200), true);
    assert_eq!((suspects(&b), lost(&b)), (1, vec![]));
    pass_silent(&mut b, MS(60), true);
    assert_eq!(lost(&b), [0]);
    b.core.abandon();
}

#[test]
fn a_path_that_stops_to_answer_questions_is_lost_soon() {
    let mut b = Bench::up(config(2));
    b.submit(Op::Read, 0, 8, 1);
    b.said.clear();
    pass_silent(&mut b, MS(40), true);
    pass_silent(&mut b, MS(38), false);
    assert_eq!(lost(&b), [0]);
    b.core.abandon();
}

#[test]
fn one_command_that_is_stuck_does_not_make_its_path_suspect() {
    let mut b = Bench::up(config(2));
    b.submit(Op::Read, 0, 8, 1);
    let (stuck, ..) = b.issued()[0];
    b.pass_answering(MS(1), MS(1), &[0, 1]);
    for n in 0..8 {
        b.submit(Op::Read, n, 1, 10 + n);
        let (p, t, ..) = b.issued()[0];
        b.pass_answering(MS(1), MS(1), &[0, 1]);
        b.done(p, t, Status::Ok);
    }
    b.said.clear();
    // All else is answered, probes too.
    b.pass_answering(MS(1), MS(2_000), &[0, 1]);
    assert_eq!((suspects(&b), lost(&b)), (0, vec![]));
    // And its silence is seen all the same.
    b.pass_answering(MS(1), MS(170), &[1 - stuck]);
    assert_eq!(lost(&b), [stuck]);
    b.core.abandon();
}

#[test]
fn what_this_host_could_not_send_is_no_sign_of_life() {
    let mut b = Bench::up(config(2));
    b.submit(Op::Read, 0, 8, 1);
    let (stuck, ..) = b.issued()[0];
    let mut retries = 0;
    for n in 0..400 {
        b.submit(Op::Read, n, 1, 10 + n);
        b.pass(MS(1));
        let mut kept = Vec::new();
        for action in std::mem::take(&mut b.said) {
            match action {
                // There is no memory for a command on the silent path; the other one answers.
                Action::Issue { path, ticket, .. } if path.0 == stuck => {
                    retries += 1;
                    b.done(path.0, ticket, Status::Errno(verdict::ENOMEM));
                }
                Action::Issue { path, ticket, .. } => b.done(path.0, ticket, Status::Ok),
                Action::Probe { path, ticket, .. } => {
                    let status = match path.0 == stuck {
                        true => Status::Errno(verdict::ENOMEM),
                        false => Status::Ok,
                    };
                    b.tell(Input::ProbeDone {
                        path,
                        ticket,
                        status,
                    });
                }
                other => kept.push(other),
            }
        }
        kept.append(&mut b.said);
        b.said = kept;
    }
    assert!(retries > 4);
    assert_eq!(lost(&b), [stuck]);
    b.core.abandon();
}

#[test]
fn a_loop_that_lags_now_and_then_still_ends_what_is_stuck() {
    let mut c = config(2);
    c.io_timeout = MS(2_000);
    let mut b = Bench::up(c);
    b.submit(Op::Read, 0, 8, 1);
    let (stuck, ..) = b.issued()[0];
    for _ in 0..15 {
        b.pass_answering(MS(1), MS(190), &[0, 1]);
        // Ten milliseconds late, five times a second.
        let due = b.core.deadline().expect("a probe is due some time");
        b.now = b.now.max(due + MS(10));
        b.tick();
    }
    let given_up = |e: &Event| matches!(e, Event::AttemptLost { path, .. } if path.0 == stuck);
    assert!(b.events().iter().any(given_up), "after {:?}", b.now);
    b.core.abandon();
}

#[test]
fn a_loop_that_lags_all_the_time_still_sees_silence() {
    let mut b = Bench::up(config(2));
    b.submit(Op::Read, 0, 8, 1);
    let (stuck, ..) = b.issued()[0];
    b.said.clear();
    for _ in 0..40 {
        b.pass_answering(MS(1), MS(12), &[1 - stuck]);
        let due = b.core.deadline().expect("a silent path is looked at");
        b.now = b.now.max(due + MS(8));
        b.tick();
    }
    assert_eq!(lost(&b), [stuck], "after {:?}", b.now);
    b.core.abandon();
}

#[test]
fn a_batch_that_comes_late_is_one_lateness() {
    let mut b = Bench::up(config(2));
    b.submit(Op::Read, 0, 1, 0);
    let due = b.core.deadline().expect("the path is looked at");
    b.now = due + MS(1_000);
    for n in 0..100 {
        b.submit(Op::Read, n, 1, 1 + n);
    }
    let began = Instant(0);
    assert_eq!(b.core.timeout_at(began), began + MS(1_000) + MS(5_000));
    b.now += MS(1);
    b.submit(Op::Read, 0, 1, 200);
    assert_eq!(b.core.timeout_at(began), began + MS(1_001) + MS(5_000));
    b.core.abandon();
}
