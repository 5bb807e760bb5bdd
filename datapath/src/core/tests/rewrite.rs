//! A flush that failed: what was answered and is not completed is written again, on every shard, before the application
//! hears of the failure.

use super::doubt::{Pair, confirm, in_doubt, ok, one, sent, write};
use super::*;

const MS: fn(u64) -> Duration = Duration::from_millis;
/// Write fault: how an array tells that it lost what it had acknowledged.
const LOST: Status = Status::Nvme(protocol::NvmeStatus::new(0x280));
/// A path's or a volume's fault.
const EIO_OF_A_PATH: Status = Status::Errno(5);

/// Submits a flush; what was issued for it.
fn flush(b: &mut Bench, cookie: u64) -> (u16, Ticket, u64) {
    b.said.clear();
    b.submit(Op::Flush, 0, 0, cookie);
    one(b)
}

fn fail(b: &mut Bench, (path, ticket, _): (u16, Ticket, u64)) {
    b.done(path, ticket, LOST);
}

/// A write of two commands, the first of which is answered.
fn half_answered(b: &mut Bench, op: Op, fua: bool, cookie: u64) -> Vec<(u16, Ticket, u64)> {
    b.said.clear();
    let blocks = if op == Op::WriteZeroes { 1 << 17 } else { 128 };
    b.tell(Input::Submit(Request {
        volume: VOLUME,
        op,
        lba: 1000,
        blocks,
        fua,
        failfast: false,
        buf: BufId(cookie as u32),
        cookie,
    }));
    let parts = sent(b);
    assert_eq!(parts.len(), 2);
    ok(b, parts[0]);
    assert_eq!(b.completed(), []);
    parts
}

#[test]
fn the_answered_part_of_a_write_is_written_again() {
    for op in [Op::Write, Op::WriteZeroes] {
        let mut b = Bench::up(config(2));
        let parts = half_answered(&mut b, op, false, 1);
        let f = flush(&mut b, 2);
        fail(&mut b, f);
        assert_eq!(b.completed(), [(2, Outcome::Errno(5))]);
        let again = one(&mut b);
        assert_eq!(again.2, 1000, "the part that was answered, and it alone");
        ok(&mut b, parts[1]);
        assert_eq!(b.completed(), [], "its first part is under way again");
        ok(&mut b, again);
        assert_eq!(b.completed(), [(1, Outcome::Ok)]);
        assert_eq!(b.core.leaks(), Leaks::default());
    }
}

#[test]
fn it_has_the_place_in_the_buffer_that_it_had() {
    let mut b = Bench::up(config(2));
    b.submit(Op::Write, 0, 150, 1);
    let parts = sent(&mut b);
    ok(&mut b, parts[1]);
    ok(&mut b, parts[2]);
    let f = flush(&mut b, 2);
    fail(&mut b, f);
    let again = b.said.iter().filter_map(|a| match a {
        Action::Issue {
            lba,
            blocks,
            buf,
            buf_offset,
            ..
        } => Some((*lba, *blocks, *buf, *buf_offset)),
        _ => None,
    });
    let again: Vec<_> = again.collect();
    assert_eq!(again, [(64, 64, BufId(1), 64), (128, 22, BufId(1), 128)]);
    b.core.abandon();
}

#[test]
fn what_is_durable_or_of_another_volume_or_not_answered_is_not_written_again() {
    let mut c = config(2);
    c.volumes.push(c.volumes[0].clone());
    let mut b = Bench::up(c);
    for path in 0..2 {
        let of = |volume| (PathId(path), VolumeId(volume));
        let (path, volume) = of(1);
        let (identity, blocks) = (Some(Identity(77)), BLOCKS);
        b.tell(Input::Identity {
            path,
            volume,
            identity,
            blocks,
        });
        let access = Access::Optimized;
        b.tell(Input::Access {
            path,
            volume,
            access,
        });
    }
    half_answered(&mut b, Op::Write, true, 1);
    b.submit(Op::Write, 5, 64, 2);
    b.submit(Op::Discard, 500, 100_000, 3);
    b.submit(Op::Read, 5, 128, 4);
    let parts = sent(&mut b);
    ok(&mut b, parts[2]);
    b.tell(Input::Submit(Request {
        volume: VolumeId(1),
        op: Op::Write,
        lba: 0,
        blocks: 128,
        fua: false,
        failfast: false,
        buf: BufId(9),
        cookie: 9,
    }));
    let other = sent(&mut b);
    ok(&mut b, other[0]);
    let f = flush(&mut b, 5);
    fail(&mut b, f);
    assert_eq!(sent(&mut b), []);
    b.core.abandon();
}

#[test]
fn a_write_that_is_held_is_written_again_when_nothing_in_doubt_overlaps_it() {
    for op in [Op::Write, Op::Discard, Op::WriteZeroes] {
        let mut b = Bench::up(in_doubt(2));
        let lost = write(&mut b, 0, 8, 1);
        b.submit(op, 4, 8, 2);
        let live = one(&mut b);
        let epoch = b.epoch(lost.0);
        b.brk(lost.0);
        let again = one(&mut b);
        ok(&mut b, live);
        ok(&mut b, again);
        assert_eq!(b.completed(), []);
        let f = flush(&mut b, 3);
        fail(&mut b, f);
        assert_eq!(b.completed(), [(3, Outcome::Errno(5))]);
        assert_eq!(sent(&mut b), [], "the ghost would come after it");
        b.now += MS(2);
        confirm(&mut b, lost.0, epoch);
        assert_eq!(b.completed(), []);
        let mut both = sent(&mut b);
        both.sort_by_key(|s| s.2);
        assert_eq!(both.iter().map(|s| s.2).collect::<Vec<_>>(), [0, 4]);
        ok(&mut b, both[0]);
        ok(&mut b, both[1]);
        assert_eq!(b.completed(), [(1, Outcome::Ok), (2, Outcome::Ok)]);
        assert_eq!(b.core.leaks(), Leaks::default());
    }
}

#[test]
fn a_part_is_kept_off_the_ghost_of_a_write_that_was_lost_and_completed_meanwhile() {
    let mut b = Bench::up(in_doubt(3));
    let parts = half_answered(&mut b, Op::Write, false, 1);
    // Not on the path of the part that is left, over the part that was answered.
    let mut over = write(&mut b, 1000, 8, 2);
    while over.0 == parts[1].0 {
        ok(&mut b, over);
        over = write(&mut b, 1000, 8, 2);
    }
    let epoch = b.epoch(over.0);
    b.brk(over.0);
    let again = one(&mut b);
    ok(&mut b, again);
    assert_eq!(
        b.completed(),
        [(2, Outcome::Ok)],
        "nothing under way overlaps it"
    );
    let f = flush(&mut b, 3);
    fail(&mut b, f);
    assert_eq!(
        sent(&mut b),
        [],
        "its ghost would take the part away after all"
    );
    confirm(&mut b, over.0, epoch);
    let part = one(&mut b);
    assert_eq!(part.2, 1000);
    ok(&mut b, part);
    ok(&mut b, parts[1]);
    assert_eq!(b.completed(), [(1, Outcome::Ok)]);
    assert_eq!(b.core.leaks(), Leaks::default());
}

#[test]
fn a_part_that_is_written_again_is_entangled_as_any_write() {
    let mut b = Bench::up(in_doubt(3));
    let parts = half_answered(&mut b, Op::Write, false, 1);
    let f = flush(&mut b, 2);
    fail(&mut b, f);
    let again = one(&mut b);
    ok(&mut b, parts[1]);
    let over = write(&mut b, 1000, 8, 3);
    assert_ne!(over.0, again.0);
    let epoch = b.epoch(over.0);
    b.brk(over.0);
    let retry = one(&mut b);
    ok(&mut b, retry);
    ok(&mut b, again);
    assert_eq!(b.completed(), []);
    confirm(&mut b, over.0, epoch);
    assert_eq!(b.completed().len(), 2);
    assert_eq!(b.core.leaks(), Leaks::default());
}

#[test]
fn a_part_that_cannot_be_written_again_fails_its_write() {
    let mut b = Bench::up(config(2));
    let parts = half_answered(&mut b, Op::Write, false, 1);
    let f = flush(&mut b, 2);
    fail(&mut b, f);
    let again = one(&mut b);
    // LBA out of range: of the command, not of the path.
    let status = Status::Nvme(protocol::NvmeStatus::new(0x080));
    b.done(again.0, again.1, status);
    ok(&mut b, parts[1]);
    assert!(matches!(b.completed()[..], [(1, Outcome::Errno(_))]));
    assert_eq!(b.core.leaks(), Leaks::default());
}

#[test]
fn a_write_that_fails_anyway_is_not_written_again() {
    let mut b = Bench::up(config(2));
    b.submit(Op::Write, 0, 192, 1);
    let parts = sent(&mut b);
    ok(&mut b, parts[0]);
    b.done(parts[1].0, parts[1].1, LOST);
    let f = flush(&mut b, 2);
    fail(&mut b, f);
    assert_eq!(sent(&mut b), []);
    ok(&mut b, parts[2]);
    assert_eq!(b.completed().len(), 1);
    assert_eq!(b.core.leaks(), Leaks::default());
}

#[test]
fn where_every_flush_fails_a_write_fails_in_the_end() {
    let mut c = config(2);
    (c.queue_for, c.io_timeout) = (MS(80), MS(100));
    let mut b = Bench::up(c);
    half_answered(&mut b, Op::Write, false, 1);
    for round in 0..10 {
        let f = flush(&mut b, 2);
        fail(&mut b, f);
        let again = one(&mut b);
        assert_eq!(again.2, 1000, "round {round}");
        b.now += MS(9);
        ok(&mut b, again);
    }
    b.now += MS(15);
    let f = flush(&mut b, 2);
    fail(&mut b, f);
    assert_eq!(sent(&mut b), [], "100 ms are over");
    b.core.abandon();
}

#[test]
fn a_flush_that_a_path_refuses_is_sent_over_others_and_nothing_is_written_again_before_it_fails() {
    let mut b = Bench::up(config(2));
    half_answered(&mut b, Op::Write, false, 1);
    let mut f = flush(&mut b, 2);
    for _ in 1..verdict::AMBIGUOUS_RETRIES {
        b.done(f.0, f.1, EIO_OF_A_PATH);
        b.pass(MS(20));
        f = *sent(&mut b).last().expect("the flush is sent again");
        assert_eq!(f.2, 0, "and nothing else is");
    }
    b.done(f.0, f.1, EIO_OF_A_PATH);
    assert_eq!(b.completed(), [(2, Outcome::Errno(5))]);
    assert_eq!(one(&mut b).2, 1000);
    b.core.abandon();
}

#[test]
fn the_siblings_write_theirs_again_before_the_application_hears_of_the_failure() {
    let mut p = Pair::new(&in_doubt(2));
    let here = half_answered(&mut p.shards[0], Op::Write, false, 1);
    let there = half_answered(&mut p.shards[1], Op::Write, false, 2);
    let f = flush(&mut p.shards[0], 3);
    fail(&mut p.shards[0], f);
    p.collect();
    let own = one(&mut p.shards[0]);
    assert_eq!(own.2, 1000, "its own at once");
    // What a sibling completes before it has heard is covered by the failure.
    let before = write(&mut p.shards[1], 0, 8, 4);
    ok(&mut p.shards[1], before);
    assert_eq!(p.shards[1].completed(), [(4, Outcome::Ok)]);
    p.shards[1].said.clear();
    p.deliver(1);
    let theirs = one(&mut p.shards[1]);
    assert_eq!(theirs.2, 1000);
    assert_eq!(p.shards[0].completed(), []);
    p.deliver(0);
    assert_eq!(p.shards[0].completed(), [(3, Outcome::Errno(5))]);
    p.shards[0].said.clear();
    for (b, parts, again) in [(0, here, own), (1, there, theirs)] {
        ok(&mut p.shards[b], parts[1]);
        assert_eq!(p.shards[b].completed(), []);
        ok(&mut p.shards[b], again);
        assert_eq!(p.shards[b].completed().len(), 1);
        assert_eq!(p.shards[b].core.leaks(), Leaks::default());
    }
}

#[test]
fn every_flush_that_is_out_fails_with_one_that_did() {
    let mut p = Pair::new(&in_doubt(2));
    let first = flush(&mut p.shards[0], 1);
    let second = flush(&mut p.shards[0], 2);
    let third = flush(&mut p.shards[1], 3);
    fail(&mut p.shards[0], first);
    p.settle();
    ok(&mut p.shards[0], second);
    ok(&mut p.shards[1], third);
    let failed = |cookie| (cookie, Outcome::Errno(5));
    assert_eq!(p.shards[0].completed(), [failed(1), failed(2)]);
    assert_eq!(p.shards[1].completed(), [failed(3)]);
    p.shards[0].said.clear();
    let next = flush(&mut p.shards[0], 4);
    ok(&mut p.shards[0], next);
    assert_eq!(p.shards[0].completed(), [(4, Outcome::Ok)]);
}

#[test]
fn two_shards_whose_flushes_fail_at_once_do_not_wait_for_each_other() {
    let mut p = Pair::new(&in_doubt(2));
    let flushes = [flush(&mut p.shards[0], 1), flush(&mut p.shards[1], 2)];
    for (b, f) in p.shards.iter_mut().zip(flushes) {
        fail(b, f);
    }
    p.settle();
    for (b, cookie) in p.shards.iter().zip([1, 2]) {
        assert_eq!(b.completed(), [(cookie, Outcome::Errno(5))]);
        assert_eq!(b.core.leaks(), Leaks::default());
    }
}

#[test]
fn a_successor_tells_what_its_predecessor_did_not_come_to_tell() {
    let mut p = Pair::new(&in_doubt(2));
    let f = flush(&mut p.shards[0], 1);
    fail(&mut p.shards[0], f);
    let untold: Vec<VolumeId> = p.shards[0].core.untold().collect();
    assert_eq!(untold, [VOLUME]);
    assert_eq!(p.shards[1].core.untold().count(), 0);
    p.abandon();
    let mut b = Bench::up(Config {
        untold,
        ..config(2)
    });
    assert_eq!(b.core.untold().count(), 1, "until a flush has come");
    b.submit(Op::Flush, 0, 0, 1);
    assert_eq!(b.completed(), [(1, Outcome::Errno(5))]);
    assert_eq!(b.core.untold().count(), 0);
    let next = flush(&mut b, 2);
    ok(&mut b, next);
    assert_eq!(b.completed(), [(2, Outcome::Ok)]);
}
