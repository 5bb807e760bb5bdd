//! `late`, `error`, `busy`, `duplicate` at a port.

mod common;
use common::*;
use protocol::{Duration, Instant, NvmeStatus, Op, Status};
use simarray::api::*;

fn late(ids: &[u16], after: u64, share: u64, beyond_fence: bool) -> Fault {
    Fault::Late {
        paths: paths(ids),
        after_lo: Duration(after),
        after_hi: Duration(after),
        share,
        beyond_fence,
    }
}

#[test]
fn late_commands_execute_exactly_then_and_are_answered_if_their_association_stands() {
    let mut p = Port::connected(config());
    p.start(1, late(&[0, 2], S, 100, false));
    p.send(0, 1, write(0, 1));
    p.send(2, 2, write(8, 2));
    p.send(
        0,
        3,
        Command {
            probe: true,
            ..read(0)
        },
    );
    p.array.refresh(Instant(MS), assoc(0, 1));
    p.send(1, 4, read(100));
    p.at(2 * MS);
    p.end(1); // what is held stays held
    p.array.close(Instant(2 * MS), assoc(2, 1));
    p.at(500 * MS);
    assert_eq!(p.identities(V).len(), 1, "administration is not held");
    assert_eq!(p.array.in_flight(), 2);
    p.at(2 * S);
    let t = MS + WRITE_ARRIVES + S;
    assert_eq!(p.executed()[1..], [(t, 1), (t, 2)]);
    assert_eq!(
        p.answers()[1..],
        [
            (t + WRITE_BACK, 1, Status::Ok),
            (t + 72 + 128 + READ_BACK, 3, Status::Ok)
        ]
    );
    assert_eq!(
        p.data.last().unwrap().2,
        [1; 8],
        "the probe read when it was let go"
    );
    assert_eq!(p.array.in_flight(), 0);
}

#[test]
fn late_takes_its_share_and_draws_each_hold() {
    let mut p = Port::connected(config());
    p.start(
        1,
        Fault::Late {
            paths: paths(&[0]),
            after_lo: Duration::from_millis(100),
            after_hi: Duration::from_millis(300),
            share: 25,
            beyond_fence: false,
        },
    );
    for tag in 0..4000 {
        p.at(MS + tag * 100 * US);
        p.send(0, tag, read(tag * 8));
    }
    p.at(2 * S);
    let held: Vec<u64> = p
        .executed()
        .iter()
        .map(|&(t, tag)| t - (MS + tag * 100 * US + READ_ARRIVES))
        .filter(|&late| late > MS)
        .collect();
    assert!((900..1100).contains(&held.len()), "{}", held.len());
    assert!(held.iter().all(|h| (100 * MS..=300 * MS).contains(h)));
    let mean = held.iter().sum::<u64>() / held.len() as u64;
    assert!((195 * MS..205 * MS).contains(&mean), "{mean}");
}

#[test]
fn a_held_command_outlives_a_reset_and_a_silence() {
    let mut p = Port::connected(config());
    p.start(1, late(&[0, 2], S, 100, false));
    p.send(0, 1, write(0, 1));
    p.send(2, 2, write(8, 2));
    p.at(10 * MS);
    p.start(2, Fault::Reset { paths: paths(&[0]) });
    p.start(3, Fault::Drop { paths: paths(&[2]) });
    p.at(2 * S);
    let t = MS + WRITE_ARRIVES + S;
    assert_eq!(p.executed(), [(t, 1), (t, 2)]);
    p.end(3);
    p.at(3 * S);
    assert_eq!(p.answers(), [(2 * S + 200 * MS, 2, Status::Ok)]);
}

#[test]
fn with_time_as_the_fence_a_held_command_never_executes_after_cqt_but_a_lying_array_s_does() {
    for (after, beyond, executes) in [
        (1900 * MS, false, true),
        (3 * S, false, false),
        (3 * S, true, true),
    ] {
        let mut c = config();
        c.ccr = None;
        let mut p = Port::connected(c);
        p.start(1, late(&[0], after, 100, beyond));
        p.send(0, 1, write(0, 1));
        p.at(2 * MS);
        p.start(2, Fault::Reset { paths: paths(&[0]) });
        p.at(2 * S + 2 * MS + 1);
        assert_eq!(p.array.in_flight(), usize::from(beyond), "{after} {beyond}");
        p.at(10 * S);
        assert_eq!(
            p.executed().len(),
            usize::from(executes),
            "{after} {beyond}"
        );
        assert_eq!(p.array.in_flight(), 0);
    }
}

#[test]
fn error_answers_its_share_on_arrival_and_does_not_execute() {
    let status = Status::Nvme(NvmeStatus {
        code: 0x360,
        dnr: true,
        crd: 1,
    });
    let mut p = Port::connected(config());
    p.start(
        1,
        Fault::Error {
            paths: paths(&[0]),
            status,
            share: 100,
        },
    );
    p.send(0, 1, write(0, 1));
    p.send(
        0,
        2,
        Command {
            probe: true,
            ..read(0)
        },
    );
    p.send(2, 3, read(0));
    p.at(2 * MS);
    assert_eq!(p.answers()[0], (MS + WRITE_ARRIVES + WRITE_BACK, 1, status));
    assert_eq!((p.answers()[1].1, p.answers()[1].2), (2, status));
    assert_eq!(p.executed(), [(MS + READ_EXECUTES, 3)]);
    p.end(1);
    p.send(0, 4, read(0));
    p.at(3 * MS);
    assert_eq!(p.data.last().unwrap().2, [0; 8]);

    let mut p = Port::connected(config());
    p.start(
        1,
        Fault::Error {
            paths: paths(&[0]),
            status,
            share: 30,
        },
    );
    for tag in 0..4000 {
        p.send(0, tag, io(Op::Flush, 0, 0, 0));
    }
    p.at(S);
    let hit = p.answers().iter().filter(|a| a.2 == status).count();
    assert!((1100..1300).contains(&hit), "{hit}");
    assert_eq!(hit + p.executed().len(), 4000);
}

#[test]
fn busy_says_so() {
    let mut p = Port::connected(config());
    p.start(
        1,
        Fault::Busy {
            paths: paths(&[0]),
            share: 100,
        },
    );
    p.send(0, 1, read(0));
    p.at(2 * MS);
    assert_eq!(
        p.answers(),
        [(MS + READ_ARRIVES + WRITE_BACK, 1, Status::Busy)]
    );
    assert_eq!(p.executed(), []);
}

#[test]
fn a_duplicate_answer_follows_with_data_of_its_own() {
    let mut p = Port::connected(config());
    p.send(0, 1, write(0, 9));
    p.at(2 * MS);
    p.log.clear();
    p.start(
        1,
        Fault::Duplicate {
            paths: paths(&[0]),
            share: 100,
        },
    );
    p.send(0, 2, read(0));
    p.at(3 * MS);
    let t = 2 * MS + READ_EXECUTES + READ_BACK;
    let ok = Status::Ok;
    assert_eq!(p.answers(), [(t, 2, ok), (t + 4144, 2, ok)]);
    assert_eq!(p.data, [(t, 2, vec![9; 8]), (t + 4144, 2, vec![9; 8])]);
    assert_eq!(p.executed().len(), 1);
    assert_eq!(p.array.data_taken(), 0);
}

#[test]
fn one_fault_more_does_not_shift_another_s_draws_nor_the_service_times() {
    let run = |extra: bool| {
        let mut c = config();
        c.tail = Tail::Exp;
        let mut p = Port::connected(c);
        p.start(
            1,
            Fault::Busy {
                paths: paths(&[0]),
                share: 40,
            },
        );
        if extra {
            let error = Fault::Error {
                paths: paths(&[0]),
                status: Status::Errno(5),
                share: 50,
            };
            p.start(2, error);
        }
        for tag in 0..500 {
            p.at(MS + tag * MS);
            p.send(0, tag, read(0));
            p.send(2, 1000 + tag, read(0));
        }
        p.at(2 * S);
        let of = |s: Status| {
            p.answers()
                .iter()
                .filter(|a| a.2 == s)
                .map(|a| a.1)
                .collect::<Vec<_>>()
        };
        let other: Vec<_> = p.answers().into_iter().filter(|a| a.1 >= 1000).collect();
        (of(Status::Busy), other)
    };
    let (alone, both) = (run(false), run(true));
    assert!(alone.0.len() > 150);
    assert_eq!(alone, both, "busy draws first, so its share is the same");
}
