//! What the data rules cost for each I/O: random 4 KiB, 70 % reads, over 8 GiB and over hot spots.
//!
//! `cargo run --release -p harness --example check_cost`. Each I/O takes effect halfway between its submission and its
//! completion, so that over a hot spot most reads return what is overwritten by then. The same loop without the
//! checker tells what the loop itself costs; the difference is the checker's.

use harness::check::{CheckConfig, Checker, Submitted};
use protocol::rng::Stream;
use protocol::{Instant, Op, VolumeId};

const BLOCKS: u32 = 8;
const PAGES: u64 = (8 << 30) / 4096;
const VOLUME: VolumeId = VolumeId(0);
const IOS: u64 = 10_000_000;

/// One outstanding I/O.
#[derive(Clone, Copy, Default)]
struct Io {
    write: bool,
    page: u64,
    stamp: u64,
    /// What a read returned.
    data: u64,
}

/// This thread's time on a processor, so that a busy machine does not count.
fn cpu_ns() -> u64 {
    let stat = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    let first = stat.split_whitespace().next();
    first.and_then(|n| n.parse().ok()).unwrap_or(0)
}

struct Load<'a> {
    checker: Option<&'a mut Checker>,
    media: &'a mut [u64],
    span: u64,
    depth: u64,
    draw: Stream,
    number: u64,
}

impl Load<'_> {
    fn submit(&mut self, now: Instant, slot: u32) -> Io {
        let write = self.draw.below(100) >= 70;
        self.number += 1;
        let mut io = Io {
            write,
            page: self.draw.below(self.span),
            stamp: self.number,
            data: 0,
        };
        if let Some(checker) = self.checker.as_deref_mut() {
            io.stamp = if write { checker.stamp(slot) } else { 0 };
            checker.submitted(
                now,
                Submitted {
                    slot,
                    host: 0,
                    volume: VOLUME,
                    op: if write { Op::Write } else { Op::Read },
                    lba: io.page * u64::from(BLOCKS),
                    blocks: BLOCKS,
                    fua: false,
                    stamp: io.stamp,
                },
            );
        }
        io
    }

    fn execute(&mut self, now: Instant, io: &mut Io) {
        let place = &mut self.media[io.page as usize];
        if !io.write {
            io.data = *place;
            return;
        }
        *place = io.stamp;
        if let Some(checker) = self.checker.as_deref_mut() {
            checker.effect(now, VOLUME, io.page * u64::from(BLOCKS), BLOCKS, io.stamp);
        }
    }

    fn complete(&mut self, now: Instant, slot: u32, io: &Io) {
        let data = std::hint::black_box([io.data; BLOCKS as usize]);
        if let Some(checker) = self.checker.as_deref_mut() {
            checker.completed(now, slot, true, if io.write { &[] } else { &data });
        }
    }

    /// Runs `ios` I/Os; returns nanoseconds an I/O.
    fn run(&mut self, ios: u64) -> f64 {
        let mut slots = vec![Io::default(); self.depth as usize];
        let half = self.depth / 2;
        let start = cpu_ns();
        for step in 0..ios + self.depth {
            let now = Instant(step * 1_000);
            let slot = (step % self.depth) as usize;
            if step >= self.depth {
                let io = slots[slot];
                self.complete(now, slot as u32, &io);
            }
            if step < ios {
                slots[slot] = self.submit(now, slot as u32);
            }
            if step >= half && step - half < ios {
                let slot = ((step - half) % self.depth) as usize;
                let mut io = slots[slot];
                self.execute(now, &mut io);
                slots[slot] = io;
            }
        }
        (cpu_ns() - start) as f64 / ios as f64
    }
}

fn main() {
    for (name, span, depth, volatile) in [
        ("8 GiB, 32 outstanding", PAGES, 32, false),
        ("64 pages, 32 outstanding", 64, 32, false),
        ("64 pages, 512 outstanding", 64, 512, false),
        ("one page, 512 outstanding", 1, 512, false),
        ("8 GiB, volatile and never flushed", PAGES, 32, true),
    ] {
        let mut media = vec![0; PAGES as usize];
        let mut load = Load {
            checker: None,
            media: &mut media,
            span,
            depth,
            draw: Stream::new(1, "check_cost"),
            number: 0,
        };
        let bare = load.run(IOS);
        media.fill(0);
        let mut checker = Checker::new(CheckConfig {
            volumes: vec![PAGES * u64::from(BLOCKS)],
            block_bytes: 512,
            volatile,
        });
        let mut load = Load {
            checker: Some(&mut checker),
            media: &mut media,
            span,
            depth,
            draw: Stream::new(2, "check_cost"),
            number: 0,
        };
        let cold = load.run(IOS);
        let warm = load.run(IOS);
        println!(
            "{name}: {:.0} ns an I/O over the first ten million, {:.0} ns over the next (the loop's own {bare:.0} ns taken off); {} findings",
            cold - bare,
            warm - bare,
            checker.findings().count()
        );
    }
}
