//! `lost_write`: effects that never came, crashes, flushes.

use super::*;

#[test]
fn an_acknowledged_write_took_effect_on_all_its_blocks() {
    let mut b = Bench::new();
    b.write(0, 8, 8);
    b.ok(0);
    let text = b.found("lost_write");
    assert!(text.contains("no effect at LBA 8"), "{text}");
    let w = b.write(0, 100, 30);
    b.effect(100, 20, w);
    b.ok(0);
    let text = b.found("lost_write");
    assert!(text.contains("no effect at LBA 120"), "{text}");
    for op in [Op::Discard, Op::WriteZeroes] {
        b.submit(0, V0, op, 0, 8, false);
        b.ok(0);
        b.found("lost_write");
    }
}

#[test]
fn a_write_that_was_overwritten_before_its_completion_is_not_lost() {
    let mut b = Bench::new();
    let w = b.write(0, 8, 8);
    b.effect(8, 8, w);
    b.written(1, 8, 8);
    b.ok(0);
    b.clean();
}

#[test]
fn a_failed_write_owes_no_effect() {
    let mut b = Bench::new();
    b.failed(0, 8, 8);
    b.clean();
}

#[test]
fn a_cache_that_is_not_volatile_loses_nothing() {
    let mut b = Bench::new();
    b.written(0, 8, 8);
    b.lose(8, 8, 0);
    let text = b.found("lost_write");
    assert!(text.contains("not volatile"), "{text}");
}

#[test]
fn an_unflushed_write_may_be_lost_if_the_next_flush_fails() {
    let mut b = Bench::volatile();
    let kept = b.written(0, 8, 8);
    b.flushed(1);
    b.written(0, 8, 8);
    b.lose(8, 8, kept);
    b.clean();
    b.flush(1);
    b.fail(1);
    b.flushed(1);
    b.clean();
}

#[test]
fn a_flush_that_hides_a_loss_is_found() {
    let mut b = Bench::volatile();
    b.written(0, 8, 8);
    b.lose(8, 8, 0);
    b.flushed(1);
    let text = b.found("lost_write");
    assert!(text.contains("no flush has failed"), "{text}");
    b.flushed(1);
    b.clean();
}

#[test]
fn a_flush_in_flight_at_the_loss_that_covers_it_must_not_be_the_only_answer() {
    let mut b = Bench::volatile();
    b.written(0, 8, 8);
    b.flush(1);
    b.lose(8, 8, 0);
    b.ok(1);
    b.found("lost_write");
}

#[test]
fn a_flush_that_was_carried_out_before_the_loss_may_succeed_after_it() {
    let mut b = Bench::volatile();
    b.flush(1);
    b.written(0, 8, 8);
    b.lose(8, 8, 0);
    b.ok(1);
    b.clean();
    b.flush(2);
    b.fail(2);
    b.flushed(1);
    b.clean();
    // It does not pay, either.
    b.flush(1);
    b.written(0, 8, 8);
    b.lose(8, 8, 0);
    b.ok(1);
    b.flushed(2);
    b.found("lost_write");
}

#[test]
fn the_failure_that_pays_may_be_overtaken() {
    let mut b = Bench::volatile();
    b.written(0, 8, 8);
    b.lose(8, 8, 0);
    b.flush(1);
    b.flush(2);
    b.ok(2);
    b.clean();
    b.fail(1);
    b.clean();
    b.written(0, 8, 8);
    b.lose(8, 8, 0);
    b.flush(1);
    b.flush(2);
    b.ok(2);
    b.flush(3); // too late to have been the next one
    b.ok(1);
    b.found("lost_write");
    b.fail(3);
    b.clean();
}

#[test]
fn only_what_was_acknowledged_before_the_submission_is_covered() {
    let mut b = Bench::volatile();
    let w = b.write(0, 8, 8);
    b.effect(8, 8, w);
    b.flush(1);
    b.ok(0);
    b.ok(1);
    b.lose(8, 8, 0);
    b.clean();
    b.flush(1);
    b.fail(1);
    b.clean();
}

#[test]
fn a_flushed_write_that_a_crash_takes_is_lost() {
    let mut b = Bench::volatile();
    let w = b.written(0, 8, 8);
    b.flushed(1);
    b.lose(8, 8, 0);
    let text = b.found("lost_write");
    assert!(
        text.contains(&format!("{w:#x}")) && text.contains("was durable"),
        "{text}"
    );
}

#[test]
fn a_flushed_write_under_an_unflushed_one_is_the_least_that_comes_back() {
    for restore_kept in [true, false] {
        let mut b = Bench::volatile();
        let old = b.written(0, 8, 8);
        let kept = b.written(0, 8, 8);
        b.flushed(1);
        b.written(0, 8, 8);
        b.lose(8, 8, if restore_kept { kept } else { old });
        if restore_kept {
            b.clean();
        } else {
            b.found("lost_write");
        }
    }
}

#[test]
fn a_write_with_fua_survives() {
    let mut b = Bench::volatile();
    let w = b.write_fua(0, 8, 8);
    b.effect(8, 8, w);
    b.ok(0);
    b.lose(8, 8, 0);
    b.found("lost_write");
    // Under an unflushed one, too; an open one owes nothing yet.
    let w = b.write_fua(0, 16, 8);
    b.effect(16, 8, w);
    b.ok(0);
    let top = b.written(1, 16, 8);
    b.lose(16, 8, w);
    b.clean();
    let _ = top;
    let w = b.write_fua(0, 24, 8);
    b.effect(24, 8, w);
    b.lose(24, 8, 0);
    b.effect(24, 8, w);
    b.ok(0);
    b.clean();
}

#[test]
fn any_unflushed_state_may_come_back() {
    let mut b = Bench::volatile();
    let w: Vec<Stamp> = (0..4).map(|_| b.written(0, 8, 8)).collect();
    b.lose(8, 8, w[2]);
    b.clean();
    // … once: what is restored is durable.
    b.lose(8, 8, w[1]);
    b.found("lost_write");
}

#[test]
fn the_order_of_the_effects_counts_and_not_that_of_the_acknowledgements() {
    let mut b = Bench::volatile();
    let below = b.write(0, 8, 8);
    let above = b.write(1, 8, 8);
    b.effect(8, 8, below);
    b.effect(8, 8, above);
    b.ok(1);
    b.flushed(2);
    b.ok(0);
    b.flushed(2);
    b.written(3, 8, 8);
    b.lose(8, 8, above);
    b.clean();
    b.written(3, 8, 8);
    b.lose(8, 8, below);
    b.found("lost_write");
}

#[test]
fn a_failed_write_may_come_back_from_below() {
    let mut b = Bench::volatile();
    let kept = b.written(0, 8, 8);
    b.flushed(1);
    let w = b.write(2, 8, 8);
    b.effect(8, 8, w);
    b.fail(2);
    b.flushed(1);
    b.written(0, 8, 8); // supersedes it, unflushed
    b.lose(8, 8, w);
    b.clean();
    let _ = kept;
}

#[test]
fn what_was_lawfully_lost_is_not_owed_by_later_flushes() {
    let mut b = Bench::volatile();
    let kept = b.written(0, 8, 8);
    b.flushed(1);
    b.written(0, 8, 8);
    b.lose(8, 8, kept);
    b.flush(1);
    b.fail(1);
    b.flushed(1);
    b.written(0, 8, 8);
    b.lose(8, 8, kept);
    b.clean();
}

#[test]
fn each_host_whose_writes_are_lost_is_owed_a_failure() {
    for told in [0, 1] {
        let mut b = Bench::volatile();
        for host in [0, 1] {
            b.host = host;
            b.written(u32::from(host), 8 * u64::from(host), 8);
        }
        b.lose(0, 16, 0);
        b.host = told;
        b.flush(2);
        b.fail(2);
        b.flushed(2);
        b.clean();
        b.host = 1 - told;
        b.flushed(2);
        b.found("lost_write");
    }
}

#[test]
fn a_host_that_has_lost_nothing_is_owed_nothing_and_pays_nothing() {
    let mut b = Bench::volatile();
    b.written(0, 0, 8);
    b.lose(0, 8, 0);
    b.host = 1;
    b.flushed(2);
    b.clean();
    // Its failure, whatever it was, tells the other nothing; one in flight need not fail.
    b.flush(2);
    b.fail(2);
    b.host = 0;
    b.flush(3);
    b.host = 1;
    b.flushed(2);
    b.clean();
    b.ok(3);
    b.found("lost_write");
}

#[test]
fn an_open_write_that_a_crash_took_is_written_again_or_reported() {
    let mut b = Bench::volatile();
    let w = b.write(0, 8, 8);
    b.effect(8, 8, w);
    b.lose(8, 8, 0);
    b.effect(8, 8, w);
    b.ok(0);
    b.flushed(1);
    b.clean();
    // Acknowledged though lost: the volume owes a failed flush.
    let w = b.write(0, 16, 8);
    b.effect(16, 8, w);
    b.lose(16, 4, 0);
    b.ok(0);
    b.clean();
    b.flushed(1);
    b.found("lost_write");
    // With FUA it had no right to.
    let w = b.write_fua(0, 24, 8);
    b.effect(24, 8, w);
    b.lose(24, 8, 0);
    b.ok(0);
    b.found("lost_write");
}

#[test]
fn an_unacknowledged_loss_owes_no_failure() {
    let mut b = Bench::volatile();
    let w = b.write(0, 8, 8);
    b.effect(8, 8, w);
    b.lose(8, 8, 0);
    b.flushed(1);
    b.fail(0);
    b.clean();
}

#[test]
fn a_lost_write_may_come_back_until_it_is_rewritten() {
    let mut b = Bench::volatile();
    let w = b.written(0, 8, 8);
    b.lose(8, 8, 0);
    b.effect(8, 8, w);
    b.clean();
    b.lose(8, 8, 0);
    b.written(1, 8, 8);
    b.effect(8, 8, w);
    b.found("ghost_write");
}

#[test]
fn a_flush_of_another_volume_covers_nothing() {
    let mut b = Bench::volatile();
    b.written(0, 8, 8);
    b.submit(1, V1, Op::Flush, 0, 0, false);
    b.ok(1);
    b.lose(8, 8, 0);
    b.clean();
    b.submit(1, V1, Op::Flush, 0, 0, false);
    b.ok(1);
    b.clean();
}

#[test]
fn a_failed_write_that_a_crash_takes_owes_nothing_even_when_superseded() {
    let mut b = Bench::volatile();
    let failed = b.failed(0, 8, 8);
    let later = b.write_fua(1, 8, 8);
    b.effect(8, 8, later);
    b.effect(8, 8, failed);
    b.ok(1);
    b.lose(8, 8, later);
    b.flushed(2);
    b.clean();
}

/// An application's large write is several commands; a crash restores runs of one stamp, whatever commands they came by.
#[test]
fn what_comes_back_of_a_large_write_may_span_its_commands() {
    let mut b = Bench::volatile();
    b.written(0, 0, 32);
    b.flushed(1);
    let large = b.write(0, 0, 32);
    b.effect(0, 20, large);
    b.effect(20, 12, large);
    b.ok(0);
    let newer = b.written(2, 16, 8);
    b.lose(16, 8, large);
    b.clean();
    // Only the newer write is lost, and the next flush must say so.
    b.flushed(1);
    let text = b.found("lost_write");
    assert!(text.contains(&format!("{newer:#x}")), "{text}");
}

#[test]
fn a_durable_write_is_missed_whatever_the_pieces_of_what_came_back() {
    let mut b = Bench::volatile();
    let old = b.write(0, 0, 32);
    b.effect(0, 20, old);
    b.effect(20, 12, old);
    b.ok(0);
    b.written(2, 0, 32);
    b.flushed(1);
    b.lose(16, 8, old);
    b.found("lost_write");
}
