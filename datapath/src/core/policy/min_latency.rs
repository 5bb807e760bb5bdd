//! Minimum latency: RTRS `get_next_path_min_latency`, `drivers/infiniband/ulp/rtrs/rtrs-clt.c`.
//!
//! A path's latency is that of its latest heartbeat, one every 5 s: a single sample, not smoothed. The path with the
//! smallest gets everything; among equals, and that is how unmeasured ones (zero) start, the first.
//!
//! This core sends no heartbeats on paths that carry I/O. The first answer after 5 s stands for one there; on an idle
//! path the probe does.

use protocol::{Duration, Instant};

pub const HEARTBEAT: Duration = Duration::from_secs(5);

#[derive(Clone, Copy, Debug, Default)]
pub struct Path {
    pub latency: u64,
    next: Instant,
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
        if now >= p.next {
            p.latency = now.since(sent_at).0;
            p.next = now + HEARTBEAT;
        }
    }

    pub fn choose(&self, candidates: &[u16]) -> u16 {
        let mut best = candidates[0];
        for p in &candidates[1..] {
            if self.paths[usize::from(*p)].latency < self.paths[usize::from(best)].latency {
                best = *p;
            }
        }
        best
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
        fn the_first_of_the_smallest_latest_samples(
            answers in prop::collection::vec((0..6u16, 0..5u64, 0..3_000u64), 0..80),
        ) {
            let mut m = Memory::new(6);
            let mut heard: Vec<Vec<(u64, u64)>> = vec![Vec::new(); 6];
            let mut now = 10_000_000_000u64;
            for (path, latency, later_ms) in answers {
                now += later_ms * 1_000_000;
                m.answered(Instant(now), path, Instant(now - latency));
                heard[usize::from(path)].push((now, latency));
            }
            // By hand: the answers that are 5 s after the last one that counted.
            let latest = |path: usize| {
                let mut last: Option<(u64, u64)> = None;
                for (at, latency) in &heard[path] {
                    if last.is_none_or(|(before, _)| *at >= before + HEARTBEAT.0) {
                        last = Some((*at, *latency));
                    }
                }
                last.map_or(0, |(_, latency)| latency)
            };
            let want = (0..6usize).min_by_key(|p| latest(*p)).unwrap() as u16;
            prop_assert_eq!(m.choose(&[0, 1, 2, 3, 4, 5]), want);
        }
    }
}
