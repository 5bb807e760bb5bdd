//! What every source promises, on scenarios read from their text.

use super::*;
use std::path::Path;

pub fn scenario(workload: &str) -> Scenario {
    let text = format!(
        "[scenario]\ntitle = \"t\"\n[[volume]]\nname = \"vol0\"\nsize = \"1GiB\"\n[[workload]]\nname = \"w\"\n{workload}\n"
    );
    crate::scenario::parse(&text, Path::new("t.toml"), "t", &[]).expect("a valid scenario")
}

fn drawn(workload: &str, seed: u64, n: usize) -> Vec<(Instant, Io)> {
    let mut source = Source::new(&scenario(workload), 0, seed).expect("a source");
    let mut out = Vec::new();
    while out.len() < n {
        match source.next().expect("no error") {
            Some(io) => out.push(io),
            None => break,
        }
    }
    out
}

#[test]
fn the_same_seed_gives_the_same_ios_and_another_seed_others() {
    for kind in ["random", "zipf"] {
        let w = format!("kind = \"{kind}\"\nrate = \"20k/s\"\nblock = \"4KiB..64KiB\"\nfua = 5");
        assert_eq!(drawn(&w, 1, 1000), drawn(&w, 1, 1000));
        assert_ne!(drawn(&w, 1, 1000), drawn(&w, 2, 1000));
    }
}

#[test]
fn ios_stay_inside_the_span_and_aligned() {
    for kind in ["random", "zipf", "sequential"] {
        let w = format!(
            "kind = \"{kind}\"\nblock = \"4KiB..64KiB\"\noffset = \"1MiB\"\nspan = \"1MiB\""
        );
        let mut sizes = std::collections::BTreeSet::new();
        for (_, io) in drawn(&w, 7, 5000) {
            let (lba, blocks) = io.pieces[0];
            assert!(lba >= 2048 && lba + u64::from(blocks) <= 4096, "{io:?}");
            assert!(kind == "sequential" || (lba - 2048) % 8 == 0, "{io:?}");
            sizes.insert(blocks);
        }
        // Every step of the array's block from 4 KiB to 64 KiB.
        assert_eq!(sizes, (8..=128).collect());
    }
}

#[test]
fn sequential_starts_again_at_its_offset() {
    let lbas: Vec<u64> = drawn("kind = \"sequential\"\nspan = \"12KiB\"", 1, 5)
        .iter()
        .map(|(_, io)| io.pieces[0].0)
        .collect();
    assert_eq!(lbas, [0, 8, 16, 0, 8]);
}

#[test]
fn operations_have_their_shares() {
    let ios = drawn(
        "read = 50\ndiscard = 10\nwrite_zeroes = 10\nfua = 50",
        1,
        100_000,
    );
    let share = |op| ios.iter().filter(|(_, io)| io.op == op).count() / 1000;
    assert!((49..=50).contains(&share(Op::Read)));
    assert!((9..=10).contains(&share(Op::Discard)));
    assert!((9..=10).contains(&share(Op::WriteZeroes)));
    assert!((29..=30).contains(&share(Op::Write)));
    let fua = ios.iter().filter(|(_, io)| io.fua).count();
    assert!((14_000..16_000).contains(&fua), "{fua}");
    assert!(ios.iter().all(|(_, io)| !io.fua || io.op == Op::Write));
}

#[test]
fn a_flush_follows_every_nth_write_and_is_not_counted() {
    let ios = drawn("read = 0\nflush_every = 3\ncount = 9", 1, 100);
    let ops: Vec<Op> = ios.iter().map(|(_, io)| io.op).collect();
    let one = [Op::Write, Op::Write, Op::Write, Op::Flush];
    assert_eq!(ops, [one, one, one].concat());
    assert_eq!(ios[3].1.pieces(), [(0, 0)]);
}

#[test]
fn closed_loops_begin_at_their_start_and_end_at_their_count() {
    let mut source = Source::new(&scenario("depth = 4\nstart = \"5ms\"\ncount = 2"), 0, 1).unwrap();
    assert!(!source.is_open());
    assert_eq!(source.depth(), 4);
    for _ in 0..2 {
        let (at, _) = source.next().unwrap().unwrap();
        assert_eq!(at, Instant(5_000_000));
    }
    assert!(source.next().unwrap().is_none());
    assert!(source.next().unwrap().is_none());
}

#[test]
fn open_loops_have_their_rate_and_end_at_their_stop() {
    for (rate, per_s) in [("20k/s", 20_000.0), ("2000k/s", 2_000_000.0)] {
        let w = format!("rate = \"{rate}\"\nstart = \"100ms\"\nstop = \"600ms\"");
        let mut source = Source::new(&scenario(&w), 0, 1).unwrap();
        assert!(source.is_open());
        let (mut n, mut last) = (0u64, Instant(100_000_000));
        while let Some((at, _)) = source.next().unwrap() {
            assert!(at >= last && at < Instant(600_000_000));
            last = at;
            n += 1;
        }
        let expected: f64 = per_s * 0.5;
        assert!((n as f64 - expected).abs() < 5.0 * expected.sqrt(), "{n}");
        assert!(source.next().unwrap().is_none());
    }
}

#[test]
fn gaps_are_exponential() {
    let ios = drawn("rate = \"1k/s\"", 1, 100_000);
    let mut last = 0;
    let gaps: Vec<u64> = ios
        .iter()
        .map(|(at, _)| at.0 - std::mem::replace(&mut last, at.0))
        .collect();
    // Half of the gaps lie below mean × ln 2, and e⁻² of them above twice the mean.
    let below = gaps.iter().filter(|g| **g < 693_147).count();
    let above = gaps.iter().filter(|g| **g > 2_000_000).count();
    assert!((49_000..51_000).contains(&below), "{below}");
    assert!((13_100..14_000).contains(&above), "{above}");
}

#[test]
fn other_streams_do_not_shift_when_one_is_not_used() {
    let lbas = |w: &str| -> Vec<u64> {
        drawn(w, 1, 500)
            .iter()
            .map(|(_, io)| io.pieces[0].0)
            .collect()
    };
    assert_eq!(
        lbas("read = 70"),
        lbas("read = 10\nfua = 30\nrate = \"1k/s\"")
    );
}

#[test]
fn zipf_is_skewed_and_scattered() {
    let mut seen = std::collections::BTreeMap::new();
    for (_, io) in drawn("kind = \"zipf\"\nspan = \"4MiB\"", 1, 50_000) {
        *seen.entry(io.pieces[0].0).or_insert(0u32) += 1;
    }
    let mut hot: Vec<(u32, u64)> = seen.iter().map(|(lba, n)| (*n, *lba)).collect();
    hot.sort_unstable();
    hot.reverse();
    // 1,024 slots: rank 1 has a share of 1 / zeta = 12.9 %, rank 2 about half of it.
    assert!((6_000..7_000).contains(&hot[0].0), "{:?}", hot[0]);
    assert!((3_000..3_600).contains(&hot[1].0), "{:?}", hot[1]);
    assert!(hot[0].1.abs_diff(hot[1].1) > 8);
}

#[test]
fn a_model_that_cannot_be_carried_out_is_refused() {
    let mut s = scenario("");
    s.workloads[0].block = crate::scenario::model::Span { lo: 8192, hi: 4096 };
    assert!(Source::new(&s, 0, 1).is_err());
    assert!(Source::new(&s, 1, 1).is_err());
}
