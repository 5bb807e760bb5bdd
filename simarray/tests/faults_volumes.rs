//! `access`, `unmap`, `swap`, `resize`, `medium` at a port.

mod common;
use common::*;
use protocol::{Access, Identity, Instant, Op, Status, VolumeId};
use simarray::api::*;

const OK: Status = Status::Ok;
const V1: VolumeId = VolumeId(1);
const ARRIVES_BACK: u64 = READ_ARRIVES + WRITE_BACK;

#[test]
fn access_is_announced_and_answered_until_its_end() {
    for (state, status) in [
        (Access::Inaccessible, Status::ANA_INACCESSIBLE),
        (Access::Transitioning, Status::ANA_TRANSITION),
        (Access::Lost, Status::ANA_LOST),
    ] {
        let mut p = Port::connected(config());
        p.start(
            1,
            Fault::Access {
                paths: paths(&[0]),
                state,
                volumes: vec![V],
            },
        );
        p.send(0, 1, read(0));
        p.send(
            0,
            2,
            Command {
                volume: V1,
                ..read(0)
            },
        );
        p.send(2, 3, read(0));
        p.at(2 * MS);
        assert_eq!(p.accesses(V), [(MS + 25_256, 0, state)]);
        assert_eq!(p.answers()[0], (MS + ARRIVES_BACK, 1, status));
        assert_eq!(p.executed().len(), 2);
        let told = p.collect(|o| match o {
            Out::Arrived { tag, access, .. } => Some((*tag, *access)),
            _ => None,
        });
        assert_eq!(told[0].1, (1, state));
        p.end(1);
        p.send(0, 4, read(0));
        p.at(3 * MS);
        assert_eq!(p.accesses(V)[1], (2 * MS + 25_256, 0, Access::Optimized));
        assert_eq!(p.answers().last().unwrap().2, OK);
    }
}

#[test]
fn of_two_access_faults_the_newer_counts() {
    let mut p = Port::connected(config());
    let fault = |state| Fault::Access {
        paths: paths(&[0]),
        state,
        volumes: vec![V, V1],
    };
    p.start(1, fault(Access::Inaccessible));
    p.start(2, fault(Access::NonOptimized));
    p.at(2 * MS);
    p.end(2);
    p.at(3 * MS);
    p.end(1);
    p.at(4 * MS);
    let seen: Vec<Access> = p.accesses(V).iter().map(|a| a.2).collect();
    use Access::*;
    assert_eq!(seen, [Inaccessible, NonOptimized, Inaccessible, Optimized]);
    // A path of which nobody is connected is told when somebody connects.
    p.array.close(Instant(4 * MS), assoc(0, 1));
    p.start(3, fault(Lost));
    p.array.connect(Instant(4 * MS), assoc(0, 2));
    p.at(5 * MS);
    assert_eq!(p.accesses(V).last().unwrap().2, Lost);
}

#[test]
fn unmap_ends_the_path_s_associations_and_the_volume_is_not_there() {
    let mut p = Port::connected(config());
    p.send(0, 1, write(0, 1)); // on the wire: dropped
    p.start(
        1,
        Fault::Unmap {
            paths: paths(&[0]),
            volume: V,
        },
    );
    p.array.connect(Instant(MS), assoc(0, 2));
    p.at(2 * MS);
    assert_eq!(p.broken(), [(MS + 40 + 25_000 + 40, 0)]);
    assert_eq!(p.executed(), []);
    assert_eq!(p.identities(V)[0].2, None);
    assert_eq!(p.identities(V1)[0].2, Some(Identity(101)));
    p.array.send(Instant(2 * MS), assoc(0, 2), 2, read(0));
    p.array.send(
        Instant(2 * MS),
        assoc(0, 2),
        3,
        Command {
            volume: V1,
            ..read(0)
        },
    );
    p.send(2, 4, read(0));
    p.at(3 * MS);
    assert_eq!(
        p.answers()[0],
        (2 * MS + ARRIVES_BACK, 2, Status::INVALID_NAMESPACE)
    );
    assert_eq!(p.executed().len(), 2);
    p.end(1);
    p.at(4 * MS);
    let back = p.identities(V)[1];
    assert_eq!(back, (3 * MS + 25_256, 0, Some(Identity(100)), 1 << 27));
    assert_eq!(p.broken().len(), 1, "its return ends nothing");
}

#[test]
fn what_runs_when_a_volume_is_swapped_still_changes_the_old_one() {
    let mut p = Port::connected(config());
    p.send(0, 1, write(0, 1));
    p.at(MS + WRITE_ARRIVES + US);
    p.start(
        1,
        Fault::Swap {
            paths: paths(&[0]),
            volume: V,
            with: V1,
            silent: false,
        },
    );
    p.array.connect(Instant(p.now), assoc(0, 2));
    p.at(2 * MS);
    assert_eq!(p.broken().len(), 1);
    assert_eq!(p.answers(), []);
    let swapped = p.identities(V)[0];
    assert_eq!((swapped.2, swapped.3), (Some(Identity(101)), 1 << 20));
    p.array.send(Instant(2 * MS), assoc(0, 2), 2, write(8, 2));
    p.at(3 * MS);
    let effects = p.collect(|o| match o {
        Out::Effect { volume, lba, .. } => Some((*volume, *lba)),
        _ => None,
    });
    let effects: Vec<_> = effects.into_iter().map(|e| e.1).collect();
    assert_eq!(effects, [(V, 0), (V1, 8)]);
    let served = p.collect(|o| match o {
        Out::Executed { volume, .. } => Some(*volume),
        _ => None,
    });
    assert_eq!(served[1].1, V1);
    p.send(2, 3, read(0));
    p.send(
        2,
        4,
        Command {
            volume: V1,
            ..read(8)
        },
    );
    p.at(4 * MS);
    assert_eq!(
        (p.data[0].2.clone(), p.data[1].2.clone()),
        (vec![1; 8], vec![2; 8])
    );
    p.end(1);
    p.at(5 * MS);
    assert_eq!(p.identities(V).last().unwrap().2, Some(Identity(100)));
}

#[test]
fn a_silent_swap_is_seen_by_who_reads_the_identity() {
    let mut p = Port::connected(config());
    p.start(
        1,
        Fault::Swap {
            paths: paths(&[0]),
            volume: V,
            with: V1,
            silent: true,
        },
    );
    p.at(2 * MS);
    assert_eq!((p.broken().len(), p.identities(V).len()), (0, 0));
    let probe = Command {
        probe: true,
        ..read(0)
    };
    p.send(0, 1, probe);
    p.send(2, 2, probe);
    p.at(3 * MS);
    let mut seen: Vec<_> = p.identities(V).iter().map(|i| (i.1, i.2)).collect();
    seen.sort_unstable();
    assert_eq!(seen, [(0, Some(Identity(101))), (2, Some(Identity(100)))]);
    p.end(1);
    p.at(4 * MS);
    assert_eq!(p.identities(V).last().unwrap().2, Some(Identity(100)));
    assert_eq!(p.broken().len(), 0);
}

#[test]
fn a_resize_is_announced_on_every_path_and_taken_back() {
    let mut p = Port::connected(config());
    p.send(0, 1, write(1000, 1));
    p.at(2 * MS);
    p.start(
        1,
        Fault::Resize {
            volume: V,
            blocks: 1000,
        },
    );
    p.send(0, 2, read(1000));
    p.send(0, 3, read(992));
    p.at(3 * MS);
    let seen = p.identities(V);
    assert_eq!(seen.len(), 4);
    assert_eq!(seen[0], (2 * MS + 25_256, 0, Some(Identity(100)), 1000));
    let mut answers = p.answers();
    answers.sort_unstable_by_key(|a| a.1);
    assert_eq!((answers[1].2, answers[2].2), (Status::LBA_OUT_OF_RANGE, OK));
    p.start(
        2,
        Fault::Resize {
            volume: V,
            blocks: 2000,
        },
    );
    p.end(1);
    p.send(0, 4, read(1000));
    p.at(4 * MS);
    assert_eq!(p.data.last().unwrap().2, [1; 8]);
    p.end(2);
    p.at(5 * MS);
    assert_eq!(p.identities(V).last().unwrap().3, 1 << 27);
}

#[test]
fn a_command_that_runs_while_its_volume_shrinks_fails() {
    let mut p = Port::connected(config());
    p.send(0, 1, write(1000, 1));
    p.at(MS + WRITE_ARRIVES + US);
    p.start(
        1,
        Fault::Resize {
            volume: V,
            blocks: 1000,
        },
    );
    p.at(2 * MS);
    assert_eq!(p.answers()[0].2, Status::LBA_OUT_OF_RANGE);
    assert_eq!(p.count(|o| matches!(o, Out::Effect { .. })), 0);
}

#[test]
fn a_bad_medium_fails_reads_on_every_path_and_a_write_heals_it() {
    let mut p = Port::connected(config());
    p.start(
        1,
        Fault::Medium {
            volume: V,
            lba: 100,
            blocks: 50,
        },
    );
    p.send(0, 1, read(93));
    p.send(2, 2, read(142));
    p.send(0, 3, read(150));
    p.send(
        0,
        4,
        Command {
            volume: V1,
            ..read(100)
        },
    );
    p.at(2 * MS);
    let of = |p: &Port, tag: u64| p.answers().iter().find(|a| a.1 == tag).unwrap().2;
    let bad = Status::UNRECOVERED_READ;
    assert_eq!(
        [of(&p, 1), of(&p, 2), of(&p, 3), of(&p, 4)],
        [bad, bad, OK, OK]
    );
    let t = p.answers().iter().find(|a| a.1 == 1).unwrap().0;
    assert_eq!(t, MS + READ_EXECUTES + WRITE_BACK, "an answer without data");
    p.send(0, 5, write(100, 5));
    p.send(0, 6, io(Op::WriteZeroes, 142, 8, 6));
    p.at(3 * MS);
    p.send(0, 7, read(100));
    p.send(0, 8, read(142));
    p.send(0, 9, read(108));
    p.at(4 * MS);
    assert_eq!([of(&p, 7), of(&p, 8), of(&p, 9)], [OK, OK, bad]);
    p.end(1);
    p.send(0, 10, read(108));
    p.at(5 * MS);
    assert_eq!(of(&p, 10), OK);
}
