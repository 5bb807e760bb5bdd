//! `torn_write`, `wrong_volume` and `duplicate_completion`.

use super::*;

#[test]
fn a_large_write_may_come_in_pieces_and_a_small_one_may_not() {
    let mut b = Bench::new();
    let large = b.write(0, 4, 24);
    b.effect(20, 8, large);
    b.effect(4, 16, large);
    b.ok(0);
    b.clean();
    let small = b.write(0, 8, 8);
    b.effect(8, 4, small);
    let text = b.found("torn_write");
    assert!(
        text.contains("LBA 8 to 11") && text.contains("atomic unit"),
        "{text}"
    );
}

#[test]
fn the_atomic_unit_is_one_block_where_blocks_are_larger() {
    let mut b = Bench::with(4096, false);
    let large = b.write(0, 8, 2);
    b.effect(9, 1, large);
    b.effect(8, 1, large);
    b.ok(0);
    b.clean();
}

#[test]
fn an_effect_beyond_its_write_is_torn() {
    for (lba, blocks) in [(9, 8), (7, 8), (8, 9), (100, 8)] {
        let mut b = Bench::new();
        let w = b.write(0, 8, 8);
        b.effect(lba, blocks, w);
        b.found("torn_write");
        let w = b.failed(1, 8, 8);
        b.effect(lba, blocks, w);
        b.found("torn_write");
    }
}

#[test]
fn an_effect_on_another_volume_is_found_whether_the_write_is_open_or_over() {
    let mut b = Bench::new();
    let other = |b: &mut Bench, stamp| {
        let now = b.tick();
        b.checker.effect(now, V1, 8, 8, stamp);
        b.found("wrong_volume")
    };
    let w = b.write(0, 8, 8);
    let text = other(&mut b, w);
    assert!(
        text.contains("of volume 1") && text.contains("volume 0, LBA 8"),
        "{text}"
    );
    let w = b.failed(1, 8, 8);
    other(&mut b, w);
    let w = b.written(2, 8, 8);
    b.written(2, 16, 8);
    other(&mut b, w);
}

#[test]
fn a_volume_that_does_not_exist_is_no_reason_to_panic() {
    let mut b = Bench::new();
    let w = b.write(0, 8, 8);
    let now = b.tick();
    b.checker.effect(now, VolumeId(9), 8, 8, w);
    b.found("wrong_volume");
    b.effect(u64::MAX, 8, w);
    b.found("torn_write");
    b.lose(u64::MAX - 1, 8, w);
    b.found("torn_write");
    b.read(5, u64::MAX - 3, 8);
    b.data(5, &[1; 8]);
    b.submit(5, V0, Op::Discard, u64::MAX - 3, u32::MAX, false);
    b.fail(5);
    b.written(5, 16, u32::from(u16::MAX));
    b.clean();
    for op in [Op::Read, Op::Write, Op::Flush] {
        b.submit(1, VolumeId(9), op, 0, 8, false);
        b.fail(1);
    }
    b.checker.cache_lost(now, VolumeId(9), 0, 1, 0);
    b.found("wrong_volume");
}

#[test]
fn the_world_may_say_that_another_volume_served() {
    let mut b = Bench::new();
    b.read(3, 8, 8);
    let now = b.tick();
    b.checker.wrong_volume(now, 3, V1);
    let text = b.found("wrong_volume");
    assert!(text.contains("executed by volume 1"), "{text}");
    b.checker.wrong_volume(now, 1000, V1);
    b.found("wrong_volume");
}

#[test]
fn a_second_completion_is_found() {
    let mut b = Bench::new();
    b.written(0, 8, 8);
    b.ok(0);
    let text = b.found("duplicate_completion");
    assert!(text.contains("Slot 0"), "{text}");
    b.fail(7);
    b.found("duplicate_completion");
    b.fail(u32::MAX);
    b.found("duplicate_completion");
}

#[test]
fn a_slot_that_is_used_again_while_open_is_a_leak_and_its_write_unknown() {
    let mut b = Bench::new();
    let w = b.write(0, 8, 8);
    b.read(0, 8, 8);
    b.found("leak");
    b.effect(8, 8, w);
    b.data(0, &[w; 8]);
    b.clean();
    b.flush(0);
    b.flush(0);
    b.found("leak");
    b.ok(0);
    b.clean();
    b.submit(u32::MAX, V0, Op::Read, 0, 1, false);
    b.found("leak");
}

#[test]
fn every_breach_is_counted() {
    let mut b = Bench::new();
    for _ in 0..300 {
        b.ok(0);
    }
    assert_eq!(b.checker.count("duplicate_completion"), 300);
    assert_eq!(b.checker.findings().count(), 100);
}
