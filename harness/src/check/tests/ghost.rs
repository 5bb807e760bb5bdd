//! `ghost_write`: what may still change the media, and what may not.

use super::*;

#[test]
fn concurrent_writes_may_land_in_either_order_and_come_again_while_open() {
    for first in [0, 1] {
        let mut b = Bench::new();
        let w = [b.write(0, 8, 8), b.write(1, 8, 8)];
        b.effect(8, 8, w[first]);
        b.effect(8, 8, w[1 - first]);
        b.effect(8, 8, w[first]); // a retry gives way and reappears
        b.ok(0);
        b.ok(1);
        b.clean();
        b.effect(8, 8, w[first]); // a duplicate that changes nothing
        b.clean();
    }
}

#[test]
fn a_write_that_is_open_may_reappear_after_a_concurrent_one_completed() {
    let mut b = Bench::new();
    let w0 = b.write(0, 8, 8);
    b.effect(8, 8, w0);
    let w1 = b.write(1, 8, 8);
    b.effect(8, 8, w1);
    b.ok(1);
    b.effect(8, 8, w0);
    b.ok(0);
    b.clean();
}

#[test]
fn a_completed_write_that_changes_the_media_is_a_ghost() {
    let mut b = Bench::new();
    let w0 = b.written(0, 8, 8);
    b.written(0, 8, 8);
    b.effect(8, 8, w0);
    let text = b.found("ghost_write");
    assert!(
        text.contains("LBA 8") && text.contains(&format!("{w0:#x}")),
        "{text}"
    );
    assert!(
        text.contains("submitted at 10 ns, completed at 30 ns"),
        "{text}"
    );
}

#[test]
fn a_ghost_of_one_block_of_many_is_found() {
    let mut b = Bench::new();
    let w0 = b.written(0, 0, 64);
    b.written(0, 63, 1);
    b.effect(0, 63, w0);
    b.clean();
    b.effect(0, 64, w0);
    b.found("ghost_write");
}

#[test]
fn a_failed_write_may_appear_until_a_later_one_over_it_has_completed() {
    let mut b = Bench::new();
    b.written(0, 8, 8);
    let w = b.failed(0, 8, 8);
    b.effect(8, 8, w);
    let later = b.write(1, 8, 8);
    b.effect(8, 8, later);
    b.effect(8, 8, w);
    b.effect(8, 8, later);
    b.clean();
    b.ok(1);
    b.effect(8, 8, later);
    b.clean();
    b.effect(8, 8, w);
    b.found("ghost_write");
}

#[test]
fn only_the_superseded_part_of_a_failed_write_is_barred() {
    let mut b = Bench::new();
    let w = b.failed(0, 0, 64);
    b.written(1, 16, 8);
    b.effect(0, 16, w);
    b.effect(24, 40, w);
    b.clean();
    b.effect(16, 1, w);
    let text = b.found("ghost_write");
    assert!(text.contains("later write over it had completed"), "{text}");
}

#[test]
fn a_write_that_was_open_at_the_failure_supersedes_nothing() {
    let mut b = Bench::new();
    let w = b.write(0, 8, 8);
    let other = b.write(1, 8, 8);
    b.effect(8, 8, other);
    b.fail(0);
    b.ok(1);
    b.effect(8, 8, w);
    b.clean();
}

#[test]
fn a_failed_write_supersedes_nothing() {
    let mut b = Bench::new();
    let w = b.failed(0, 8, 8);
    let later = b.failed(1, 8, 8);
    b.effect(8, 8, later);
    b.effect(8, 8, w);
    b.clean();
}

#[test]
fn a_failed_write_of_another_size_is_found_by_what_overlaps_it() {
    for (lba, blocks) in [(0, 1024), (1000, 100), (1023, 1), (1016, 8), (1023, 4000)] {
        let mut b = Bench::new();
        let w = b.failed(0, lba, blocks);
        b.written(1, 1020, 4);
        let before = b.checker.known.failed.len();
        b.effect(lba, blocks, w);
        b.found("ghost_write");
        assert_eq!(
            before,
            usize::from(blocks != 1),
            "one block is superseded whole"
        );
    }
    let mut b = Bench::new();
    let w = [b.failed(0, 1000, 20), b.failed(1, 1024, 7)];
    b.written(2, 1020, 4);
    b.effect(1000, 20, w[0]);
    b.effect(1024, 7, w[1]);
    b.clean();
}

#[test]
fn ghosts_of_discards_and_zeroes_are_found_too() {
    for op in [Op::Discard, Op::WriteZeroes] {
        let mut b = Bench::new();
        let zeroed = b.submit(0, V0, op, 0, 64, false);
        b.effect(0, 64, zeroed);
        b.ok(0);
        b.clean();
        let w = b.written(1, 8, 8);
        b.read(2, 8, 8);
        b.data(2, &[w; 8]);
        b.clean();
        b.effect(0, 64, zeroed);
        b.found("ghost_write");
    }
}

#[test]
fn an_effect_of_no_write_at_all_is_a_ghost() {
    let mut b = Bench::new();
    b.effect(8, 8, 77 << 20);
    let text = b.found("ghost_write");
    assert!(text.contains("which nobody submitted"), "{text}");
}

#[test]
fn another_volume_is_not_superseded() {
    let mut b = Bench::new();
    let w = b.submit(0, V1, Op::Write, 8, 8, false);
    b.fail(0);
    b.written(1, 8, 8);
    let now = b.tick();
    b.checker.effect(now, V1, 8, 8, w);
    b.clean();
}
