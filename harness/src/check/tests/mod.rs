//! Each rule: histories that are legal and must pass, and the planted defect that must be found.

mod bounds;
mod ghost;
mod lost;
mod model;
mod reads;
mod shadows;
mod shape;
mod volatile;

use super::*;

pub const V0: VolumeId = VolumeId(0);
pub const V1: VolumeId = VolumeId(1);

/// A checker with a clock that ticks at every call.
pub struct Bench {
    pub checker: Checker,
    /// Whose commands these are from now on.
    pub host: u16,
    now: u64,
}

impl Bench {
    pub fn new() -> Bench {
        Bench::with(512, false)
    }

    pub fn volatile() -> Bench {
        Bench::with(512, true)
    }

    pub fn with(block_bytes: u32, volatile: bool) -> Bench {
        Bench {
            checker: Checker::new(CheckConfig {
                volumes: vec![1 << 20; 2],
                block_bytes,
                volatile,
            }),
            host: 0,
            now: 0,
        }
    }

    pub fn tick(&mut self) -> Instant {
        self.now += 10;
        Instant(self.now)
    }

    pub fn submit(
        &mut self,
        slot: u32,
        volume: VolumeId,
        op: Op,
        lba: u64,
        blocks: u32,
        fua: bool,
    ) -> Stamp {
        let now = self.tick();
        let stamp = if op.mutates() {
            self.checker.stamp(slot)
        } else {
            0
        };
        self.checker.submitted(
            now,
            Submitted {
                slot,
                host: self.host,
                volume,
                op,
                lba,
                blocks,
                fua,
                stamp,
            },
        );
        stamp
    }

    pub fn write(&mut self, slot: u32, lba: u64, blocks: u32) -> Stamp {
        self.submit(slot, V0, Op::Write, lba, blocks, false)
    }

    pub fn write_fua(&mut self, slot: u32, lba: u64, blocks: u32) -> Stamp {
        self.submit(slot, V0, Op::Write, lba, blocks, true)
    }

    pub fn read(&mut self, slot: u32, lba: u64, blocks: u32) {
        self.submit(slot, V0, Op::Read, lba, blocks, false);
    }

    pub fn flush(&mut self, slot: u32) {
        self.submit(slot, V0, Op::Flush, 0, 0, false);
    }

    pub fn effect(&mut self, lba: u64, blocks: u32, stamp: Stamp) {
        let now = self.tick();
        self.checker.effect(now, V0, lba, blocks, stamp);
    }

    pub fn lose(&mut self, lba: u64, blocks: u32, restored: Stamp) {
        let now = self.tick();
        self.checker.cache_lost(now, V0, lba, blocks, restored);
    }

    pub fn ok(&mut self, slot: u32) {
        self.data(slot, &[]);
    }

    pub fn data(&mut self, slot: u32, data: &[Stamp]) {
        let now = self.tick();
        self.checker.completed(now, slot, true, data);
    }

    pub fn fail(&mut self, slot: u32) {
        let now = self.tick();
        self.checker.completed(now, slot, false, &[]);
    }

    /// A write from submission to acknowledgement.
    pub fn written(&mut self, slot: u32, lba: u64, blocks: u32) -> Stamp {
        let stamp = self.write(slot, lba, blocks);
        self.effect(lba, blocks, stamp);
        self.ok(slot);
        stamp
    }

    /// A write that fails, and whose effect has not been seen yet.
    pub fn failed(&mut self, slot: u32, lba: u64, blocks: u32) -> Stamp {
        let stamp = self.write(slot, lba, blocks);
        self.fail(slot);
        stamp
    }

    pub fn flushed(&mut self, slot: u32) {
        self.flush(slot);
        self.ok(slot);
    }

    #[track_caller]
    pub fn clean(&mut self) {
        let found: Vec<Finding> = self.checker.findings().collect();
        assert!(found.is_empty(), "{found:#?}");
    }

    /// Exactly one finding, of this rule; returns its text.
    #[track_caller]
    pub fn found(&mut self, rule: &str) -> String {
        let found: Vec<Finding> = self.checker.findings().collect();
        assert!(
            found.len() == 1 && found[0].rule == rule,
            "not one {rule}: {found:#?}"
        );
        assert!(found[0].text.ends_with('.'), "{}", found[0].text);
        found[0].text.clone()
    }
}
