//! What probes say of a path that carries nothing.

use super::*;
use protocol::NvmeStatus;

const STEP: Duration = Duration::from_millis(10);
const PATHING: Status = Status::Nvme(NvmeStatus::new(0x370));
/// Of the path or of the volume.
const EIO: Status = Status::Errno(verdict::EIO);

/// For so long every probe is answered, as `answer` says. What was said is kept.
fn probed_for(b: &mut Bench, millis: u64, answer: impl Fn(u16) -> Status) {
    let until = b.now + Duration::from_millis(millis);
    let mut kept = Vec::new();
    while b.now < until {
        b.pass(STEP);
        while let Some(action) = b.said.pop() {
            if let Action::Probe { path, ticket, .. } = action {
                let status = answer(path.0);
                b.tell(Input::ProbeDone {
                    path,
                    ticket,
                    status,
                });
            } else {
                kept.push(action);
            }
        }
    }
    b.said = kept;
}

/// For so long path 1 carries a read at a time, and is not idle; the probes of every path are answered as `answer` says.
fn busy_for(b: &mut Bench, millis: u64, answer: impl Fn(u16) -> Status) {
    for n in 0..millis / 10 {
        b.submit(Op::Read, n, 1, n);
        for (path, ticket, ..) in b.issued() {
            assert_eq!(path, 1);
            b.done(path, ticket, Status::Ok);
        }
        probed_for(b, 10, &answer);
    }
}

/// Path 1 is optimised, the others are not.
fn reserve() -> Bench {
    let mut b = Bench::up(config(3));
    b.access(0, Access::NonOptimized);
    b.access(2, Access::NonOptimized);
    b.said.clear();
    b
}

fn health(b: &Bench, path: u16) -> path::Health {
    b.core.paths[usize::from(path)].health
}

#[test]
fn an_idle_path_whose_probes_fail_is_the_last_resort_before_it_carries_anything() {
    let mut b = reserve();
    let bad = |path| if path == 0 { PATHING } else { Status::Ok };
    // Not for one error, nor for a few.
    probed_for(&mut b, 450, bad);
    assert_eq!(health(&b, 0), path::Health::Good);
    probed_for(&mut b, 300, bad);
    assert_eq!(health(&b, 0), path::Health::Marginal);
    b.brk(1);
    b.said.clear();
    b.submit(Op::Read, 0, 1, 1);
    let (path, ticket, ..) = b.issued()[0];
    assert_eq!(path, 2);
    b.done(path, ticket, Status::Ok);
    // Its probes bring it back.
    probed_for(&mut b, 2_000, |_| Status::Ok);
    assert_eq!(health(&b, 0), path::Health::Good);
}

#[test]
fn a_few_bad_probes_among_good_ones_are_forgiven() {
    let mut b = reserve();
    for _ in 0..20 {
        probed_for(
            &mut b,
            100,
            |path| if path == 0 { PATHING } else { Status::Ok },
        );
        probed_for(&mut b, 900, |_| Status::Ok);
    }
    assert_eq!(health(&b, 0), path::Health::Good);
}

#[test]
fn what_is_this_hosts_or_the_mediums_is_not_held_against_an_idle_path() {
    for status in [
        Status::Errno(verdict::ENOMEM),
        Status::Errno(verdict::EAGAIN),
        Status::UNRECOVERED_READ,
        Status::Busy,
    ] {
        let mut b = reserve();
        probed_for(
            &mut b,
            3_000,
            |path| if path == 0 { status } else { Status::Ok },
        );
        assert_eq!(health(&b, 0), path::Health::Good, "{status:?}");
    }
}

#[test]
fn what_every_path_answers_is_the_volumes_fault() {
    let mut b = reserve();
    busy_for(&mut b, 3_000, |_| EIO);
    assert_eq!([0, 1, 2].map(|p| health(&b, p)), [path::Health::Good; 3]);
}

#[test]
fn what_only_an_idle_path_answers_is_its_fault_and_a_busy_one_is_asked() {
    let mut b = reserve();
    b.tell(Input::RemovePath { path: PathId(2) });
    let bad = |path| if path == 0 { EIO } else { Status::Ok };
    busy_for(&mut b, 450, bad);
    assert_eq!(health(&b, 0), path::Health::Good);
    busy_for(&mut b, 300, bad);
    assert_eq!(health(&b, 0), path::Health::Marginal);
}

#[test]
fn a_port_in_standby_is_not_blamed_for_what_a_kernel_says_of_it() {
    let mut b = reserve();
    b.access(0, Access::Inaccessible);
    probed_for(
        &mut b,
        3_000,
        |path| if path == 0 { EIO } else { Status::Ok },
    );
    assert_eq!(health(&b, 0), path::Health::Good);
}

/// Volumes of one core, over the same two paths: with identities of their own.
fn several(volumes: u16) -> Bench {
    let mut c = config(2);
    let first = c.volumes[0].clone();
    c.volumes = (0..volumes)
        .map(|v| VolumeConfig {
            identity: Identity(77 + u64::from(v)),
            ..first.clone()
        })
        .collect();
    let mut b = Bench::up(c);
    for path in 0..2 {
        for v in 1..volumes {
            shows(&mut b, path, v, 77 + u64::from(v));
            b.tell(Input::Access {
                path: PathId(path),
                volume: VolumeId(v),
                access: Access::Optimized,
            });
        }
    }
    b.said.clear();
    b
}

fn shows(b: &mut Bench, path: u16, volume: u16, identity: u64) {
    b.tell(Input::Identity {
        path: PathId(path),
        volume: VolumeId(volume),
        identity: Some(Identity(identity)),
        blocks: BLOCKS,
    });
}

/// The volumes that the probes of a path read, for so long; each is answered well.
fn read_by_probes(b: &mut Bench, path: u16, millis: u64) -> Vec<u16> {
    let mut read = Vec::new();
    for _ in 0..millis / 10 {
        b.pass(STEP);
        for action in std::mem::take(&mut b.said) {
            if let Action::Probe {
                path: of,
                ticket,
                volume,
            } = action
            {
                read.extend((of.0 == path).then_some(volume.0));
                let status = Status::Ok;
                b.tell(Input::ProbeDone {
                    path: of,
                    ticket,
                    status,
                });
            }
        }
    }
    read
}

#[test]
fn each_volume_of_an_idle_path_is_read_in_turn() {
    let mut b = several(3);
    assert_eq!(read_by_probes(&mut b, 0, 600), [0, 1, 2, 0, 1, 2]);
    // One that the path does not serve now is left out: its answer would be no read.
    b.tell(Input::Access {
        path: PathId(0),
        volume: VolumeId(1),
        access: Access::Inaccessible,
    });
    b.said.clear();
    assert_eq!(read_by_probes(&mut b, 0, 400)[..3], [0, 2, 0]);
}

#[test]
fn the_second_of_two_volumes_is_known_to_be_another_before_it_is_used() {
    let mut b = several(2);
    // As a driver does that reads the identity with each probe.
    let mut told = 0;
    for _ in 0..30 {
        b.pass(STEP);
        for action in std::mem::take(&mut b.said) {
            if let Action::Probe {
                path,
                ticket,
                volume,
            } = action
            {
                let wrong = (path.0, volume.0) == (0, 1);
                told += u32::from(wrong);
                shows(
                    &mut b,
                    path.0,
                    volume.0,
                    if wrong { 99 } else { 77 + u64::from(volume.0) },
                );
                let status = Status::Ok;
                b.tell(Input::ProbeDone {
                    path,
                    ticket,
                    status,
                });
            }
        }
    }
    assert!(told > 0);
    for n in 0..8 {
        b.tell(Input::Submit(Request {
            volume: VolumeId(1),
            op: Op::Read,
            lba: n,
            blocks: 1,
            fua: false,
            failfast: false,
            buf: BufId(0),
            cookie: n,
        }));
    }
    let issued = b.issued();
    assert!(issued.iter().all(|(path, ..)| *path == 1), "{issued:?}");
    b.core.abandon();
}

#[test]
fn a_probe_of_a_volume_that_is_forwarded_does_not_tell_the_paths_service() {
    let mut b = several(2);
    b.tell(Input::Access {
        path: PathId(0),
        volume: VolumeId(1),
        access: Access::NonOptimized,
    });
    b.said.clear();
    for _ in 0..4 {
        while b.said.is_empty() || b.probed().iter().all(|(path, _)| *path != 0) {
            b.pass(STEP);
        }
        let tail = b.core.views[0].tail;
        let action = b.said.iter().find_map(|a| match a {
            Action::Probe {
                path,
                ticket,
                volume,
            } if path.0 == 0 => Some((*ticket, *volume)),
            _ => None,
        });
        let (ticket, volume) = action.expect("one was sent");
        b.said.clear();
        b.now += Duration::from_millis(1 + 7 * u64::from(volume.0));
        b.tell(Input::ProbeDone {
            path: PathId(0),
            ticket,
            status: Status::Ok,
        });
        assert_eq!(volume.0 == 1, b.core.views[0].tail == tail, "{volume:?}");
    }
}
