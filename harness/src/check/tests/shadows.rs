//! What a datapath shows from memory (`fence = "shadow"`): what of it is right, and how wide the price is.

use super::*;

const OLD: (u64, u16) = (1, 0);
const NEW: (u64, u16) = (2, 0);

impl Bench {
    fn show(&mut self, lba: u64, blocks: u64, stamp: Stamp, age: (u64, u16)) {
        let (now, host) = (self.tick(), self.host);
        self.checker
            .veil(now, host, V0, (lba, lba + blocks), stamp, age);
    }

    fn hide(&mut self, lba: u64, blocks: u64, age: (u64, u16)) {
        let now = self.tick();
        self.checker.unveil(now, V0, (lba, lba + blocks), age);
    }

    fn read_back(&mut self, slot: u32, lba: u64, data: &[Stamp]) {
        self.read(slot, lba, data.len() as u32);
        self.data(slot, data);
    }

    /// A write that is shown from memory and has completed, over one that is over and may still execute.
    fn shadowed(&mut self, lba: u64, blocks: u32) -> (Stamp, Stamp) {
        let ghost = self.written(0, lba, blocks);
        let kept = self.write(1, lba, blocks);
        self.show(lba, u64::from(blocks), kept, OLD);
        self.effect(lba, blocks, kept);
        self.ok(1);
        (ghost, kept)
    }
}

#[test]
fn beneath_a_shadow_a_ghost_is_nobodys_harm() {
    let mut b = Bench::new();
    let (ghost, kept) = b.shadowed(8, 8);
    b.effect(8, 8, ghost);
    b.read_back(2, 8, &[kept; 8]);
    b.effect(8, 8, kept);
    b.hide(8, 8, OLD);
    b.read_back(2, 8, &[kept; 8]);
    b.clean();
    b.effect(8, 8, ghost);
    b.found("ghost_write");
}

#[test]
fn what_the_media_hold_beneath_a_shadow_is_stale() {
    let mut b = Bench::new();
    let (ghost, kept) = b.shadowed(8, 8);
    b.effect(8, 8, ghost);
    b.read_back(2, 8, &[ghost; 8]);
    b.found("stale_read");
    b.read_back(2, 8, &[kept; 8]);
    b.clean();
}

#[test]
fn beside_a_shadow_a_ghost_is_a_ghost() {
    let mut b = Bench::new();
    let ghost = b.written(0, 8, 8);
    b.written(1, 8, 8);
    let kept = b.write(1, 8, 4);
    b.show(8, 4, kept, OLD);
    b.effect(8, 4, kept);
    b.ok(1);
    b.effect(8, 8, ghost);
    let text = b.found("ghost_write");
    assert!(text.contains("LBA 12"), "{text}");
}

#[test]
fn a_shadow_that_is_dropped_before_the_media_hold_it_is_a_loss() {
    let mut b = Bench::new();
    let (ghost, _) = b.shadowed(8, 8);
    b.effect(8, 8, ghost);
    b.hide(8, 8, OLD);
    b.found("lost_write");
}

#[test]
fn only_a_write_that_is_not_over_may_be_shown() {
    let mut b = Bench::new();
    let done = b.written(0, 8, 8);
    b.show(8, 8, done, OLD);
    b.found("ghost_write");
    let other = b.write(1, 8, 4);
    b.show(8, 8, other, NEW);
    b.found("ghost_write");
}

#[test]
fn the_younger_of_two_shadows_is_seen_whenever_the_older_comes() {
    let mut b = Bench::new();
    let (first, second) = (b.write(0, 8, 8), b.write(1, 12, 8));
    b.show(12, 8, second, NEW);
    b.show(8, 8, first, OLD);
    b.effect(8, 8, first);
    b.effect(12, 8, second);
    b.effect(8, 8, first);
    b.ok(0);
    b.ok(1);
    b.read_back(2, 8, &[first, first, first, first, second, second]);
    b.clean();
}

#[test]
fn with_its_datapath_a_shadow_goes_and_its_blocks_are_the_price_until_they_are_written() {
    let mut b = Bench::new();
    let (ghost, kept) = b.shadowed(8, 8);
    b.effect(8, 8, ghost);
    b.checker.datapath_died(0);
    b.read_back(2, 8, &[ghost; 8]);
    b.effect(8, 8, kept);
    b.effect(8, 8, ghost);
    b.clean();
    b.written(3, 8, 4);
    b.effect(12, 4, kept);
    b.clean();
    b.effect(8, 4, kept);
    b.found("ghost_write");
}

#[test]
fn the_price_is_of_those_blocks_and_of_writes_before_the_death_and_of_that_host() {
    let mut b = Bench::new();
    let beside = b.written(4, 20, 4);
    b.written(4, 20, 4);
    b.shadowed(8, 8);
    b.checker.datapath_died(1);
    b.checker.datapath_died(0);
    b.effect(20, 4, beside);
    b.found("ghost_write");
    // A write that was submitted later is judged like any other.
    let later = b.failed(5, 8, 8);
    b.written(6, 30, 1);
    b.effect(8, 8, later);
    b.clean();
    let late = b.written(7, 8, 8);
    b.written(7, 8, 8);
    b.effect(8, 8, late);
    b.found("ghost_write");
}

#[test]
fn of_another_host_no_shadow_goes() {
    let mut b = Bench::new();
    let (ghost, kept) = b.shadowed(8, 8);
    b.effect(8, 8, ghost);
    b.checker.datapath_died(1);
    b.read_back(2, 8, &[kept; 8]);
    b.clean();
}

#[test]
fn what_a_flush_has_promised_holds_after_the_shadow() {
    for durable in [true, false] {
        let mut b = Bench::volatile();
        let (ghost, kept) = b.shadowed(8, 8);
        b.flushed(3);
        b.effect(8, 8, ghost);
        // Beneath it a crash may take what it likes.
        b.lose(8, 8, ghost);
        b.effect(8, 8, kept);
        b.hide(8, 8, OLD);
        b.clean();
        if !durable {
            b.lose(8, 8, ghost);
            b.found("lost_write");
        } else {
            b.lose(8, 8, kept);
            b.clean();
        }
    }
}
