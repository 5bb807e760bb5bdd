//! Without faults: exact times on the links, in the queues and at the media.

mod common;
use common::*;
use protocol::{Access, Duration, Identity, Instant, Op, PathId, Status, VolumeId};
use simarray::api::*;

#[test]
fn a_connection_takes_three_round_trips_and_introduces_every_volume_first() {
    let mut p = Port::new(config());
    p.array.connect(Instant(0), assoc(0, 1));
    p.run_until(MS);
    let leg = 128 + 25_000 + 128;
    // The last answer carries five messages, one behind the other.
    assert_eq!(p.connections(), [(6 * leg + 4 * 128, 0)]);
    let expected = [(Identity(100), 1 << 27), (Identity(101), 1 << 20)];
    for (i, &(identity, blocks)) in expected.iter().enumerate() {
        let volume = VolumeId(i as u16);
        let t = 6 * leg + 2 * i as u64 * 128;
        assert_eq!(p.identities(volume), [(t, 0, Some(identity), blocks)]);
        let access = [Access::Optimized, Access::NonOptimized][i];
        assert_eq!(p.accesses(volume), [(t + 128, 0, access)]);
    }
    assert!(matches!(p.log.last(), Some((_, Out::Connected { .. }))));
}

#[test]
fn a_write_and_a_read_take_exactly_their_parts() {
    let mut p = Port::connected(config());
    p.send(0, 1, write(16, 7));
    p.run_until(2 * MS);
    assert_eq!(p.arrived(), [(MS + WRITE_ARRIVES, 1)]);
    assert_eq!(p.executed(), [(MS + WRITE_EXECUTES, 1)]);
    assert_eq!(
        p.answers(),
        [(MS + WRITE_EXECUTES + WRITE_BACK, 1, Status::Ok)]
    );
    let effect = p.collect(|o| match o {
        Out::Effect {
            volume,
            lba,
            blocks,
            stamp,
            ..
        } => Some((*volume, *lba, *blocks, *stamp)),
        _ => None,
    });
    assert_eq!(effect, [(MS + WRITE_EXECUTES, (V, 16, 8, 7))]);

    p.log.clear();
    p.send(2, 2, read(20));
    p.run_until(3 * MS);
    let t = 2 * MS + READ_EXECUTES + READ_BACK;
    assert_eq!(p.answers(), [(t, 2, Status::Ok)]);
    assert_eq!(p.data, [(t, 2, vec![7, 7, 7, 7, 0, 0, 0, 0])]);
    assert_eq!(p.array.in_flight(), 0);
    assert_eq!(p.array.data_taken(), 0);
}

#[test]
fn a_command_on_the_other_controller_is_forwarded_to_the_owner() {
    let mut p = Port::connected(config());
    p.send(1, 1, read(0));
    p.run_until(2 * MS);
    assert_eq!(p.executed(), [(MS + READ_EXECUTES + 50 * US, 1)]);
    let mut c = config();
    c.asymmetric = false;
    let mut p = Port::connected(c);
    p.send(1, 1, read(0));
    p.run_until(2 * MS);
    assert_eq!(p.executed(), [(MS + READ_EXECUTES, 1)]);
}

#[test]
fn a_forwarded_command_waits_for_the_owners_servers() {
    let mut c = config();
    c.parallel = 1;
    let mut p = Port::connected(c);
    // Volume 1 belongs to B: a read that is forwarded at 50 µs finds B's only server busy until 100 µs.
    p.send(
        3,
        1,
        Command {
            volume: VolumeId(1),
            ..read(0)
        },
    );
    p.send(
        0,
        2,
        Command {
            volume: VolumeId(1),
            ..read(0)
        },
    );
    p.run_until(2 * MS);
    let first = MS + READ_EXECUTES;
    assert_eq!(p.executed(), [(first, 1), (first + 100 * US, 2)]);
}

#[test]
fn commands_share_the_hosts_port_and_do_not_overtake() {
    let mut p = Port::connected(config());
    p.send(0, 1, write(0, 1));
    p.send(1, 2, read(0));
    p.send(0, 3, read(0));
    p.run_until(2 * MS);
    let first = MS + WRITE_ARRIVES;
    // The read to B leaves the host behind the write, but has B's port for itself.
    assert_eq!(
        p.arrived(),
        [(MS + 4168 + READ_ARRIVES, 2), (first, 1), (first + 72, 3)]
    );
}

#[test]
fn two_answers_to_one_host_port_queue_behind_each_other() {
    let mut c = config();
    c.asymmetric = false;
    let mut p = Port::connected(c);
    p.send(0, 1, read(0));
    p.send(1, 2, read(0));
    p.run_until(2 * MS);
    let first = MS + READ_EXECUTES + READ_BACK;
    // Executed 72 ns apart, on different controllers; the second waits for the host's port.
    assert_eq!(
        p.answers(),
        [(first, 1, Status::Ok), (first + 4144, 2, Status::Ok)]
    );
}

#[test]
fn a_path_may_be_slower_and_longer_than_its_ports() {
    let mut c = config();
    c.paths[0].bits_per_s = Some(800_000_000);
    c.paths[0].latency = Duration::from_millis(15);
    let mut p = Port::new(c);
    p.array.connect(Instant(0), assoc(0, 1));
    p.run_until(100 * MS);
    p.log.clear();
    p.send(0, 1, write(0, 1));
    p.send(0, 2, write(8, 2));
    p.run_until(200 * MS);
    let t = 100 * MS + 4168 + 41_680 + 15 * MS + 4168;
    assert_eq!(p.arrived(), [(t, 1), (t + 41_680, 2)]);
}

#[test]
fn servers_are_taken_in_order_of_arrival() {
    let mut c = config();
    c.parallel = 2;
    let mut p = Port::connected(c);
    for tag in 0..5 {
        p.send(0, tag, read(0));
    }
    p.run_until(2 * MS);
    let first = MS + READ_EXECUTES;
    let times: Vec<u64> = p.executed().iter().map(|e| e.0 - first).collect();
    assert_eq!(times, [0, 72, 100_000, 100_072, 200_000]);
}

#[test]
fn statuses_that_need_no_service_are_answered_on_arrival() {
    let mut p = Port::connected(config());
    p.send(
        0,
        1,
        Command {
            volume: VolumeId(9),
            ..read(0)
        },
    );
    p.send(0, 2, read((1 << 27) - 7));
    p.send(0, 3, read(u64::MAX));
    p.run_until(2 * MS);
    let t = MS + READ_ARRIVES + WRITE_BACK;
    assert_eq!(
        p.answers(),
        [
            (t, 1, Status::INVALID_NAMESPACE),
            (t + 72, 2, Status::LBA_OUT_OF_RANGE),
            (t + 144, 3, Status::LBA_OUT_OF_RANGE),
        ]
    );
    assert_eq!(p.executed(), []);
}

#[test]
fn a_probe_reads_and_is_told_the_identity() {
    let mut p = Port::connected(config());
    p.send(
        0,
        1,
        Command {
            probe: true,
            ..read(0)
        },
    );
    assert_eq!(p.array.in_flight(), 0);
    p.run_until(2 * MS);
    let identity = (
        MS + READ_EXECUTES + 128 + 25_000 + 128,
        0,
        Some(Identity(100)),
        1 << 27,
    );
    assert_eq!(p.identities(V), [identity]);
    assert_eq!(
        p.answers(),
        [(MS + READ_EXECUTES + 128 + READ_BACK, 1, Status::Ok)]
    );
    assert_eq!(p.executed(), []);
    assert_eq!(p.arrived().len(), 1);
}

#[test]
fn refresh_tells_every_volume_again_and_a_path_registers_once() {
    let mut p = Port::connected(config());
    p.array.refresh(Instant(MS), assoc(2, 1));
    p.array.register(Instant(MS), assoc(2, 1));
    p.array.register(Instant(MS), assoc(2, 1));
    p.run_until(2 * MS);
    assert_eq!(p.identities(V).len(), 1);
    assert_eq!(
        p.accesses(VolumeId(1)),
        [(MS + 2 * 25_256 + 3 * 128, 2, Access::NonOptimized)]
    );
    let registered = p.collect(|o| match o {
        Out::Registered { host, path } => Some((*host, *path)),
        _ => None,
    });
    assert_eq!(registered, [(MS + 25_256 + 128, (0, PathId(2)))]);
}

#[test]
fn a_close_drops_what_is_queued_and_leaves_what_runs_unanswered() {
    let mut c = config();
    c.parallel = 1;
    let mut p = Port::connected(c);
    p.send(0, 1, write(0, 1));
    p.send(0, 2, write(8, 2));
    assert_eq!(p.array.in_flight(), 2);
    let now = p.at(MS + 10 * US);
    p.array.close(now, assoc(0, 1));
    p.send(0, 3, write(16, 3));
    p.run_until(2 * MS);
    assert_eq!(p.arrived().len(), 2);
    assert_eq!(p.executed(), [(MS + WRITE_EXECUTES, 1)]);
    assert_eq!(p.answers(), []);
    assert_eq!(p.array.in_flight(), 0);
    assert_eq!(p.array.associations(), 3);
    assert_eq!(p.broken(), []);
}

#[test]
fn commands_of_unknown_or_closed_associations_go_nowhere() {
    let mut p = Port::connected(config());
    p.array.send(Instant(MS), assoc(0, 2), 1, read(0));
    p.array.send(
        Instant(MS),
        Assoc {
            host: 7,
            ..assoc(0, 1)
        },
        1,
        read(0),
    );
    p.array.send(
        Instant(MS),
        Assoc {
            shard: 7,
            ..assoc(0, 1)
        },
        1,
        read(0),
    );
    p.array.close(Instant(MS), assoc(60_000, 1));
    p.array.connect(Instant(MS), assoc(60_000, 1));
    p.run_until(2 * MS);
    assert_eq!(p.arrived(), []);
    assert_eq!(p.refused(), [(MS, 60_000)]);
}

#[test]
fn discards_and_write_zeroes_store_their_stamps() {
    let mut p = Port::connected(config());
    p.send(0, 1, write(0, 1));
    p.run_until(2 * MS);
    p.send(0, 2, io(Op::Discard, 2, 2, 5));
    p.send(0, 3, io(Op::WriteZeroes, 5, 1, 6));
    p.run_until(3 * MS);
    p.send(0, 4, read(0));
    p.run_until(4 * MS);
    assert_eq!(p.data[0].2, [1, 1, 5, 5, 1, 6, 1, 1]);
    assert_eq!(p.count(|o| matches!(o, Out::Effect { .. })), 3);
}
