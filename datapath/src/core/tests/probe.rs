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
