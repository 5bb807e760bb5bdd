//! What the data rules cost for each I/O: random 4 KiB over 8 GiB, 70 % reads, 32 outstanding.
//!
//! `cargo run --release --example check_cost -p harness`. The same loop over a plain array instead of the checker tells
//! what the loop itself costs; the difference is the checker's.

use harness::check::{CheckConfig, Checker, Submitted};
use protocol::rng::Stream;
use protocol::{Instant, Op, VolumeId};

const BLOCKS: u32 = 8;
const PAGES: u64 = (8 << 30) / 4096;
const DEPTH: u32 = 32;

struct Slot {
    write: bool,
    page: u64,
    stamp: u64,
}

/// This thread's time on a processor, so that a busy machine does not count; Linux only, like the rest of the project.
fn cpu_ns() -> u64 {
    let stat = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    let first = stat.split_whitespace().next();
    first.and_then(|n| n.parse().ok()).unwrap_or(0)
}

/// Runs `ios` I/Os; returns nanoseconds an I/O.
fn run(checker: Option<&mut Checker>, media: &mut [u64], ios: u64, span: u64, seed: u64) -> f64 {
    let mut checker = checker;
    let mut draw = Stream::new(seed, "check_cost");
    let mut slots: Vec<Slot> = Vec::new();
    let mut now = 0;
    let volume = VolumeId(0);
    let mut number = 0u64;
    let start = cpu_ns();
    for i in 0..ios + u64::from(DEPTH) {
        let slot = (i % u64::from(DEPTH)) as u32;
        now += 1_000;
        if let Some(old) = slots.get(slot as usize) {
            let lba = old.page * u64::from(BLOCKS);
            let place = &mut media[old.page as usize];
            if old.write {
                *place = old.stamp;
                if let Some(c) = checker.as_deref_mut() {
                    c.effect(Instant(now), volume, lba, BLOCKS, old.stamp);
                    c.completed(Instant(now), slot, true, &[]);
                }
            } else {
                let data = [*place; BLOCKS as usize];
                if let Some(c) = checker.as_deref_mut() {
                    c.completed(Instant(now), slot, true, &data);
                } else {
                    std::hint::black_box(&data);
                }
            }
        }
        if i >= ios {
            continue;
        }
        let write = draw.below(100) >= 70;
        number += 1;
        let stamp = match checker.as_deref_mut() {
            Some(c) if write => c.stamp(slot),
            _ => number,
        };
        let new = Slot {
            write,
            page: draw.below(span),
            stamp,
        };
        if let Some(c) = checker.as_deref_mut() {
            c.submitted(
                Instant(now),
                Submitted {
                    slot,
                    volume,
                    op: if write { Op::Write } else { Op::Read },
                    lba: new.page * u64::from(BLOCKS),
                    blocks: BLOCKS,
                    fua: false,
                    stamp: if write { stamp } else { 0 },
                },
            );
        }
        match slots.get_mut(slot as usize) {
            Some(s) => *s = new,
            None => slots.push(new),
        }
    }
    (cpu_ns() - start) as f64 / ios as f64
}

fn main() {
    const IOS: u64 = 10_000_000;
    for (name, span, volatile) in [
        ("8 GiB", PAGES, false),
        ("8 blocks", 1, false),
        ("64 pages", 64, false),
        ("8 GiB, volatile cache, no flush", PAGES, true),
    ] {
        let mut media = vec![0; PAGES as usize];
        let bare = run(None, &mut media, IOS, span, 1);
        media.fill(0);
        let mut checker = Checker::new(CheckConfig {
            volumes: vec![PAGES * u64::from(BLOCKS)],
            block_bytes: 512,
            volatile,
        });
        let first = run(Some(&mut checker), &mut media, IOS, span, 1);
        let again = run(Some(&mut checker), &mut media, IOS, span, 2);
        println!(
            "{name}: loop {bare:.0} ns, with the checker {first:.0} ns (first 10 million), {again:.0} ns (warm); findings: {}",
            checker.findings().count()
        );
    }
}
