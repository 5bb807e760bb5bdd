//! A small array with a volatile cache, driven at random: what an honest one does must pass, and each lie must be found.

use super::*;
use protocol::rng::Stream;

const BLOCKS: usize = 16;
const SLOTS: u32 = 6;

/// What an array may do wrong.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Lie {
    None,
    /// A flush answers and does nothing.
    IdleFlush,
    /// A crash is not reported by any flush.
    SilentLoss,
    /// FUA is ignored.
    CachedFua,
    /// A crash restores zeroes instead of what was durable.
    Zeroes,
}

#[derive(Clone, Copy)]
struct Io {
    stamp: Stamp,
    flush: bool,
    fua: bool,
    lba: usize,
    blocks: usize,
    /// Executed since the last loss that concerned it; its answer may be on the wire.
    executed: bool,
    /// Its answer.
    ok: bool,
}

struct Array {
    bench: Bench,
    held: [Stamp; BLOCKS],
    durable: [Stamp; BLOCKS],
    owes: bool,
    open: Vec<Option<Io>>,
}

impl Array {
    fn step(&mut self, draw: &mut Stream, lie: Lie) {
        let slot = draw.below(u64::from(SLOTS)) as u32;
        let Some(mut io) = self.open[slot as usize] else {
            self.open[slot as usize] = Some(self.submit(draw, slot));
            return;
        };
        match draw.below(20) {
            0 => return self.crash(draw, lie),
            1 if !io.flush => {
                self.bench.fail(slot);
                self.open[slot as usize] = None;
                return;
            }
            2..=9 if io.executed => {
                if io.ok {
                    self.bench.ok(slot);
                } else {
                    self.bench.fail(slot);
                    self.owes = false;
                }
                self.open[slot as usize] = None;
                return;
            }
            _ if io.flush && io.executed => return,
            _ if io.flush => {
                io.ok = !self.owes;
                if io.ok && lie != Lie::IdleFlush {
                    self.durable = self.held;
                }
            }
            _ => {
                self.held[io.lba..io.lba + io.blocks].fill(io.stamp);
                if io.fua && lie != Lie::CachedFua {
                    self.durable[io.lba..io.lba + io.blocks].fill(io.stamp);
                }
                self.bench.effect(io.lba as u64, io.blocks as u32, io.stamp);
            }
        }
        io.executed = true;
        self.open[slot as usize] = Some(io);
    }

    fn submit(&mut self, draw: &mut Stream, slot: u32) -> Io {
        let flush = draw.percent(25);
        let lba = draw.below(BLOCKS as u64) as usize;
        let blocks = 1 + draw.below((BLOCKS - lba) as u64) as usize;
        let fua = draw.percent(15);
        let stamp = if flush {
            self.bench.flush(slot);
            0
        } else {
            self.bench
                .submit(slot, V0, Op::Write, lba as u64, blocks as u32, fua)
        };
        Io {
            stamp,
            flush,
            fua,
            lba,
            blocks,
            executed: false,
            ok: true,
        }
    }

    fn crash(&mut self, draw: &mut Stream, lie: Lie) {
        // One controller's share of the cache, or all of it.
        let (from, to) = if draw.percent(50) {
            (0, BLOCKS)
        } else {
            (0, BLOCKS / 2)
        };
        for block in from..to {
            if self.held[block] == self.durable[block] {
                continue;
            }
            if lie == Lie::Zeroes {
                self.durable[block] = 0;
            }
            self.held[block] = self.durable[block];
            self.bench.lose(block as u64, 1, self.durable[block]);
            self.owes = lie != Lie::SilentLoss;
            for io in self.open.iter_mut().flatten() {
                // Flushes that are still to be answered report it; writes are executed again.
                if io.flush || (io.lba <= block && block < io.lba + io.blocks) {
                    io.executed = io.flush && io.executed;
                }
            }
        }
    }
}

fn findings(seed: u64, lie: Lie) -> u64 {
    let mut draw = Stream::new(seed, "volatile");
    let mut array = Array {
        bench: Bench::volatile(),
        held: [0; BLOCKS],
        durable: [0; BLOCKS],
        owes: false,
        open: vec![None; SLOTS as usize],
    };
    for _ in 0..400 {
        array.step(&mut draw, lie);
    }
    let found: Vec<Finding> = array.bench.checker.findings().collect();
    assert!(
        lie != Lie::None || found.is_empty(),
        "seed {seed}: {found:#?}"
    );
    let lost = array.bench.checker.count("lost_write");
    assert_eq!(
        found.iter().filter(|f| f.rule != "lost_write").count(),
        0,
        "{found:#?}"
    );
    lost
}

#[test]
fn an_honest_array_breaks_no_rule() {
    for seed in 0..3_000 {
        findings(seed, Lie::None);
    }
}

#[test]
fn every_lie_is_found() {
    for lie in [Lie::IdleFlush, Lie::SilentLoss, Lie::CachedFua, Lie::Zeroes] {
        let seeds = (0..100).filter(|seed| findings(*seed, lie) > 0).count();
        assert!(seeds > 50, "{lie:?} was found in {seeds} of 100 runs");
    }
}
