//! Memory does not grow with the length of a run.

use super::*;

#[test]
fn a_million_overwrites_leave_nothing_behind() {
    let mut b = Bench::new();
    for i in 0..1_000_000u64 {
        b.read(1, 8, 8);
        let w = b.write(0, 8 + i % 8, 1);
        b.effect(8 + i % 8, 1, w);
        b.ok(0);
        let held: Vec<Stamp> = (8..16).map(|block| b.checker.media[0].get(block)).collect();
        b.data(1, &held);
        assert!(b.checker.overwrites.footprint().0 < 64);
    }
    b.clean();
    assert_eq!(b.checker.media[0].footprint(), (1, 8));
    assert_eq!(b.checker.overwrites.footprint(), (0, 0));
    assert!(b.checker.known.history.len() <= 1 << 17);
    assert!(b.checker.known.failed.is_empty());
}

#[test]
fn a_read_that_is_stuck_over_a_hot_spot_costs_a_bounded_memory() {
    let mut b = Bench::new();
    let first = b.written(0, 8, 8);
    b.read(1, 8, 8);
    for _ in 0..600_000 {
        let w = b.written(0, 8, 8);
        b.read(2, 8, 8);
        b.data(2, &[w; 8]);
        b.read(2, 100_000, 8);
        b.data(2, &[0; 8]);
    }
    let (ring, reads) = b.checker.overwrites.footprint();
    assert!(ring <= 1 << 18 && reads <= 128, "{ring} {reads}");
    b.data(1, &[first; 8]);
    b.clean();
    b.read(1, 8, 8);
    b.data(1, &[first; 8]);
    b.found("stale_read");
    assert_eq!(b.checker.overwrites.footprint(), (0, 0));
}

#[test]
fn failed_writes_are_kept_only_until_superseded() {
    let mut b = Bench::new();
    for i in 0..20_000u64 {
        b.failed(0, i * 8, 8);
    }
    assert_eq!(b.checker.known.failed.len(), 20_000);
    for i in 0..20_000u64 {
        b.written(0, i * 8, 8);
    }
    assert_eq!(b.checker.known.failed.len(), 0);
    b.clean();
}

#[test]
fn a_volatile_cache_that_nobody_flushes_is_kept_by_the_block() {
    let mut b = Bench::volatile();
    let mut last = [0; 16];
    for i in 0..300_000u64 {
        last[(i % 16) as usize] = b.written(0, i % 16 * 8, 8);
    }
    assert!(b.checker.unflushed[0].footprint().0 <= 1 << 16);
    // What was folded away is durable after a flush all the same.
    b.flushed(1);
    assert_eq!(b.checker.unflushed[0].footprint(), (0, 0));
    b.written(0, 0, 8);
    b.lose(0, 8, last[0]);
    b.clean();
    b.lose(8, 8, 0);
    b.found("lost_write");
}

#[test]
fn a_write_that_was_folded_away_and_flushed_is_durable() {
    let mut b = Bench::volatile();
    let w = b.written(0, 5_000, 8);
    for i in 0..100_000u64 {
        b.written(0, i % 16 * 8, 8);
    }
    b.flushed(1);
    b.written(0, 5_000, 8);
    b.lose(5_000, 8, w);
    b.clean();
    b.lose(5_000, 8, 0);
    b.found("lost_write");
}
