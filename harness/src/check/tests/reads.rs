//! `stale_read`, and reads of torn writes.

use super::*;

#[test]
fn a_read_sees_what_was_there_at_some_moment_of_its_life() {
    let mut b = Bench::new();
    let w: Vec<Stamp> = (0..3).map(|_| b.written(0, 8, 8)).collect();
    for (i, slot) in (10..13).enumerate() {
        b.read(slot, 8, 8);
        let new = b.write(1, 8, 8);
        b.effect(8, 8, new);
        let seen = if i == 0 { w[2] } else { new };
        b.data(slot, &[seen; 8]);
        b.ok(1);
    }
    b.clean();
}

#[test]
fn nothing_written_reads_as_nothing() {
    let mut b = Bench::new();
    b.read(0, 8, 8);
    b.data(0, &[0; 8]);
    b.clean();
    b.read(0, 8, 8);
    b.data(0, &[5 << 20; 8]);
    let text = b.found("stale_read");
    assert!(text.contains("which nobody submitted"), "{text}");
}

#[test]
fn a_value_that_was_gone_before_the_read_is_stale() {
    let mut b = Bench::new();
    let old = b.written(0, 8, 8);
    b.written(0, 8, 8);
    b.read(1, 8, 8);
    b.data(1, &[old; 8]);
    let text = b.found("stale_read");
    assert!(
        text.contains("LBA 8") && text.contains("submitted at 10 ns, completed at 30 ns"),
        "{text}"
    );
}

#[test]
fn a_value_that_was_gone_before_the_read_is_stale_though_an_older_read_may_see_it() {
    let mut b = Bench::new();
    let old = b.written(0, 8, 8);
    b.read(1, 8, 8);
    let new = b.written(0, 8, 8);
    b.read(2, 8, 8);
    b.written(3, 8, 8);
    b.data(2, &[old; 8]);
    b.found("stale_read");
    b.data(1, &[old; 8]);
    b.clean();
    b.read(2, 8, 8);
    b.data(2, &[new; 8]);
    b.found("stale_read");
}

#[test]
fn an_acknowledged_write_must_be_seen_and_an_open_one_need_not() {
    let mut b = Bench::new();
    let old = b.written(0, 8, 8);
    b.write(1, 8, 8);
    b.read(2, 8, 8);
    b.data(2, &[old; 8]);
    b.clean();
    // The effect comes only after the read, whose value is from the future.
    let next = b.write(3, 8, 8);
    b.read(2, 8, 8);
    b.data(2, &[next; 8]);
    b.found("stale_read");
}

#[test]
fn a_failed_write_is_unknown_and_may_be_seen_or_not() {
    let mut b = Bench::new();
    let old = b.written(0, 8, 8);
    let unknown = b.failed(0, 8, 8);
    b.read(1, 8, 8);
    b.data(1, &[old; 8]);
    b.effect(8, 8, unknown);
    b.read(1, 8, 8);
    b.data(1, &[unknown; 8]);
    b.clean();
}

#[test]
fn large_reads_may_mix_moments_and_small_ones_may_not() {
    let mut b = Bench::new();
    let old = b.written(0, 0, 16);
    b.read(1, 0, 16);
    let new = b.written(0, 0, 16);
    let mut mixed = vec![old; 16];
    mixed[3] = new;
    b.data(1, &mixed);
    b.clean();
    let old = b.written(0, 8, 8);
    b.read(1, 8, 8);
    let new = b.written(0, 8, 8);
    let newest = b.written(0, 8, 4);
    b.data(1, &[old, old, old, old, new, new, new, new]);
    b.found("torn_write");
    // The same, but together at one moment.
    b.read(1, 8, 8);
    b.written(0, 8, 8);
    b.data(1, &[newest, newest, newest, newest, new, new, new, new]);
    b.clean();
}

#[test]
fn a_read_must_have_its_length() {
    for blocks in [0, 7, 9] {
        let mut b = Bench::new();
        b.read(0, 8, 8);
        b.data(0, &vec![0; blocks]);
        b.found("stale_read");
    }
}

#[test]
fn a_value_of_another_volume_or_place() {
    let mut b = Bench::new();
    let foreign = b.submit(0, V1, Op::Write, 8, 8, false);
    let now = b.tick();
    b.checker.effect(now, V1, 8, 8, foreign);
    b.read(1, 8, 8);
    b.data(1, &[foreign; 8]);
    b.found("wrong_volume");
    b.ok(0);
    // Its slot is used again and nobody remembers it: the other volume still holds it.
    b.written(0, 100, 8);
    b.checker.known.history = Default::default();
    b.read(1, 8, 8);
    b.data(1, &[foreign; 8]);
    b.found("wrong_volume");
    let elsewhere = b.written(2, 16, 8);
    b.read(1, 8, 8);
    b.data(1, &[elsewhere; 8]);
    b.found("stale_read");
}

#[test]
fn a_failed_read_says_nothing() {
    let mut b = Bench::new();
    b.written(0, 8, 8);
    b.read(1, 8, 8);
    b.fail(1);
    b.clean();
}

#[test]
fn a_crash_takes_the_newer_value_from_later_reads_only() {
    let mut b = Bench::volatile();
    let old = b.written(0, 8, 8);
    b.flushed(9);
    let new = b.written(0, 8, 8);
    b.read(1, 8, 8);
    b.lose(8, 8, old);
    b.data(1, &[new; 8]);
    b.read(1, 8, 8);
    b.data(1, &[old; 8]);
    b.clean();
    b.read(1, 8, 8);
    b.data(1, &[new; 8]);
    b.found("stale_read");
}

#[test]
fn a_read_wider_than_the_table_of_watched_pages_is_watched() {
    let mut b = Bench::new();
    let old = b.written(0, 0, 40_000);
    b.read(1, 0, 40_000);
    let new = b.written(0, 39_999, 1);
    let mut data = vec![old; 40_000];
    b.data(1, &data);
    b.clean();
    b.read(1, 0, 40_000);
    b.data(1, &data);
    b.found("stale_read");
    data[39_999] = new;
    b.read(1, 0, 40_000);
    b.data(1, &data);
    b.clean();
}
