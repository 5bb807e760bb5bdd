//! Latency weights: the NVMe `latency` policy (formerly `adaptive`) as proposed to Linux by N. Shroff, series v4 to v6.
//!
//! For each path the latencies of about 15 s are averaged, and that average enters a moving one of which 7/8 stay. A
//! path's score is 1e9 over that, its weight its part of 64 of all scores; the weights are handed out as credits, one is
//! spent for each I/O, and when all are spent they are handed out again. There the numbers are kept per CPU; here, per shard.
//!
//! Until a path has been measured it counts as the best that has, so that before the first interval is over the paths take
//! turns.

use protocol::{Duration, Instant};

pub const INTERVAL: Duration = Duration::from_secs(15);
const SHIFT: u32 = 3;
const SCALE: u64 = 64;
const SECOND_NS: u64 = 1_000_000_000;

#[derive(Clone, Copy, Debug, Default)]
pub struct Path {
    sum: u64,
    count: u64,
    ends: Instant,
    pub average: u64,
    credits: u64,
}

#[derive(Debug)]
pub struct Memory {
    pub paths: Vec<Path>,
}

impl Memory {
    pub fn new(paths: usize) -> Self {
        Memory {
            paths: vec![Path::default(); paths],
        }
    }

    pub fn answered(&mut self, now: Instant, path: u16, sent_at: Instant) {
        let p = &mut self.paths[usize::from(path)];
        if p.count == 0 {
            p.ends = now + INTERVAL;
        }
        p.sum = p.sum.saturating_add(now.since(sent_at).0);
        p.count += 1;
        if now < p.ends {
            return;
        }
        let mean = (p.sum / p.count).max(1);
        p.average = match p.average {
            0 => mean,
            old => ((u128::from(old) * ((1 << SHIFT) - 1) + u128::from(mean)) >> SHIFT) as u64,
        };
        (p.sum, p.count) = (0, 0);
        // New weights count from now on.
        for p in &mut self.paths {
            p.credits = 0;
        }
    }

    /// A path's score among `candidates`; the unmeasured counts as the best.
    fn score(&self, path: u16, candidates: &[u16]) -> u64 {
        let average = |p: u16| self.paths[usize::from(p)].average;
        let own = match average(path) {
            0 => {
                let known = candidates.iter().map(|p| average(*p)).filter(|a| *a > 0);
                known.min().unwrap_or(1)
            }
            measured => measured,
        };
        (SECOND_NS / own).max(1)
    }

    pub fn choose(&mut self, candidates: &[u16], cursor: &mut u32) -> u16 {
        let n = candidates.len();
        if candidates
            .iter()
            .all(|p| self.paths[usize::from(*p)].credits == 0)
        {
            let total: u64 = candidates.iter().map(|p| self.score(*p, candidates)).sum();
            for p in candidates {
                let weight = self.score(*p, candidates) * SCALE / total;
                self.paths[usize::from(*p)].credits = weight.max(1);
            }
        }
        let start = *cursor as usize % n;
        let turned = (0..n).map(|i| (start + i) % n);
        let at = turned
            .clone()
            .find(|at| self.paths[usize::from(candidates[*at])].credits > 0)
            .unwrap_or(start);
        self.paths[usize::from(candidates[at])].credits -= 1;
        *cursor = (at + 1) as u32;
        candidates[at]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn measured(latencies: &[u64]) -> Memory {
        let mut m = Memory::new(latencies.len());
        for (path, latency) in latencies.iter().enumerate() {
            m.answered(Instant(*latency), path as u16, Instant(0));
            let later = Instant(2 * INTERVAL.0);
            m.answered(later, path as u16, Instant(later.0 - latency));
        }
        m
    }

    #[test]
    fn nothing_is_learned_before_the_interval_is_over() {
        let mut m = Memory::new(2);
        let mut cursor = 0;
        for t in 0..100 {
            let now = Instant(t * 1_000_000);
            m.answered(now, 0, now);
        }
        let got: Vec<u16> = (0..4).map(|_| m.choose(&[0, 1], &mut cursor)).collect();
        assert_eq!(got, [0, 1, 0, 1]);
    }

    #[test]
    fn the_average_keeps_seven_eighths() {
        let mut m = measured(&[800]);
        let at = Instant(10 * INTERVAL.0);
        m.answered(at, 0, Instant(at.0 - 1600));
        let at = Instant(12 * INTERVAL.0);
        m.answered(at, 0, Instant(at.0 - 1600));
        assert_eq!(m.paths[0].average, 900);
    }

    proptest! {
        #![proptest_config(ProptestConfig {
            rng_seed: proptest::test_runner::RngSeed::Fixed(1),
            failure_persistence: None,
            ..ProptestConfig::default()
        })]

        #[test]
        fn shares_are_in_proportion_to_one_over_latency(
            latencies in prop::collection::vec(1_000..100_000_000u64, 2..9),
        ) {
            let mut m = measured(&latencies);
            let candidates: Vec<u16> = (0..latencies.len() as u16).collect();
            let scores: Vec<u64> = latencies.iter().map(|l| SECOND_NS / l).collect();
            let total: u64 = scores.iter().sum();
            let weights: Vec<u64> = scores.iter().map(|s| (s * 64 / total).max(1)).collect();
            let mut counts = vec![0u64; latencies.len()];
            let mut cursor = 0;
            for _ in 0..10 * weights.iter().sum::<u64>() {
                counts[usize::from(m.choose(&candidates, &mut cursor))] += 1;
            }
            for (count, weight) in counts.iter().zip(&weights) {
                prop_assert_eq!(*count, weight * 10);
            }
        }
    }
}
