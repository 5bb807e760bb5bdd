//! Sampled latency: after ESXi's `VMW_PSP_RR` with `policy=latency`, from its documentation, as the source is closed.
//!
//! Every three minutes 16 I/Os of each path are timed. A path whose average is too far above the best is left out until
//! the next sampling; the others take turns. What is too far is not published: here it is twice the best. While samples
//! are taken each path gets its part, the ones that were left out too.

use protocol::{Duration, Instant};

pub const EVERY: Duration = Duration::from_secs(180);
pub const SAMPLES: u64 = 16;

#[derive(Clone, Copy, Debug, Default)]
pub struct Path {
    sent: u64,
    answered: u64,
    sum: u64,
    out: bool,
}

#[derive(Debug)]
pub struct Memory {
    pub paths: Vec<Path>,
    /// When the next sampling begins; one goes on while this has passed.
    next: Instant,
    /// The paths that were candidates lately.
    mask: u128,
}

impl Memory {
    pub fn new(paths: usize) -> Self {
        Memory {
            paths: vec![Path::default(); paths],
            next: Instant::ZERO,
            mask: 0,
        }
    }

    pub fn choose(&mut self, now: Instant, candidates: &[u16], cursor: &mut u32) -> u16 {
        let n = candidates.len();
        let start = *cursor as usize % n;
        let turned = (0..n).map(|i| (start + i) % n);
        let mask = candidates.iter().fold(0, |mask, p| mask | (1u128 << p));
        if mask & !self.mask != 0 {
            // A path has appeared: all are sampled anew.
            self.next = now;
            self.paths.fill(Path::default());
        }
        self.mask = mask;
        let path = |at: usize| &self.paths[usize::from(candidates[at])];
        let sampled = if now >= self.next {
            turned.clone().find(|at| path(*at).sent < SAMPLES)
        } else {
            None
        };
        let good = || turned.clone().find(|at| !path(*at).out);
        let at = sampled.or_else(good).unwrap_or(start);
        if now >= self.next {
            self.paths[usize::from(candidates[at])].sent += 1;
        }
        *cursor = (at + 1) as u32;
        candidates[at]
    }

    pub fn answered(&mut self, now: Instant, path: u16, sent_at: Instant) {
        if now < self.next || self.mask == 0 {
            return;
        }
        let p = &mut self.paths[usize::from(path)];
        if p.answered == SAMPLES {
            return;
        }
        p.answered += 1;
        p.sum = p.sum.saturating_add(now.since(sent_at).0);
        let mask = self.mask;
        let asked = |path: usize| mask & (1 << path) != 0;
        let all = self.paths.iter().enumerate().filter(|(i, _)| asked(*i));
        if all.clone().any(|(_, p)| p.answered < SAMPLES) {
            return;
        }
        let best = all.map(|(_, p)| p.sum).min().unwrap_or(0);
        for (i, p) in self.paths.iter_mut().enumerate() {
            let out = asked(i) && p.sum > best.saturating_mul(2);
            *p = Path {
                out,
                ..Path::default()
            };
        }
        self.next = now + EVERY;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #![proptest_config(ProptestConfig {
            rng_seed: proptest::test_runner::RngSeed::Fixed(1),
            failure_persistence: None,
            ..ProptestConfig::default()
        })]

        #[test]
        fn the_paths_within_twice_the_best_share_equally(
            latencies in prop::collection::vec(1..1_000u64, 2..8),
        ) {
            let n = latencies.len();
            let candidates: Vec<u16> = (0..n as u16).collect();
            let mut m = Memory::new(n);
            let (mut cursor, mut now) = (0, 1_000_000);
            let mut sampled = vec![0; n];
            for _ in 0..16 * n {
                now += 1;
                let p = m.choose(Instant(now), &candidates, &mut cursor);
                sampled[usize::from(p)] += 1;
                let sent = Instant(now - latencies[usize::from(p)]);
                m.answered(Instant(now), p, sent);
            }
            prop_assert!(sampled.iter().all(|s| *s == 16));
            let best = *latencies.iter().min().unwrap();
            let good: Vec<bool> = latencies.iter().map(|l| *l <= 2 * best).collect();
            let sharing = good.iter().filter(|g| **g).count() as u64;
            let mut counts = vec![0u64; n];
            for _ in 0..10 * sharing {
                counts[usize::from(m.choose(Instant(now), &candidates, &mut cursor))] += 1;
            }
            for (count, good) in counts.iter().zip(&good) {
                prop_assert_eq!(*count, if *good { 10 } else { 0 });
            }
            // And three minutes later the others are asked again.
            let later = Instant(now + EVERY.0);
            let mut seen = vec![false; n];
            for _ in 0..n {
                seen[usize::from(m.choose(later, &candidates, &mut cursor))] = true;
            }
            prop_assert!(seen.iter().all(|s| *s));
        }
    }
}
