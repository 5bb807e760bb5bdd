//! Historical service time: `drivers/md/dm-ps-historical-service-time.c` (version 0.1.1), with its default weight and
//! threshold.
//!
//! A path's history is an average of *service*, not of waiting: a command counts from the end of the one before it on
//! the same path. Slow samples count more: the weight of the history is 0.95 to the power of one more for each 16.8 ms
//! that the sample took, and nothing at all from 1.06 s on. The history has 10 bits of fraction, as in the kernel. The
//! default threshold multiplier of 0 makes any two histories count as different, equal ones too.
//!
//! The list of paths is in order of use, and the comparison is not transitive: so the list is kept here as there. One
//! list for each shard stands for the one of each map.

use super::View;
use protocol::Instant;
use std::cmp::Ordering;

const FIXED_SHIFT: u32 = 10;
const FIXED_ONE: u64 = 1 << FIXED_SHIFT;
const FIXED_MAX: u64 = u64::MAX >> FIXED_SHIFT;
const FIXED_95: u64 = 972;
const BUCKET_SHIFT: u32 = 24;
const WEIGHTS: usize = 64;
const INFLIGHT_MAX: u32 = 1024;

#[derive(Clone, Copy, Debug)]
pub struct Path {
    /// In 1/1024 ns.
    pub history: u64,
    pub last_finish: Instant,
    pub stale_after: Instant,
}

#[derive(Debug)]
pub struct Memory {
    pub paths: Vec<Path>,
    /// Paths, the least recently used first.
    order: Vec<u16>,
    weights: [u64; WEIGHTS],
    valid: u64,
}

/// 0.95 to the power of `n`, by squaring, each product rounded.
fn weight(n: u32) -> u64 {
    let product = |a: u64, b: u64| (a * b + FIXED_ONE / 2) >> FIXED_SHIFT;
    let (mut result, mut x, mut n) = (FIXED_ONE, FIXED_95, n);
    while n > 0 {
        if n & 1 == 1 {
            result = product(result, x);
        }
        n >>= 1;
        x = product(x, x);
    }
    result
}

impl Memory {
    pub fn new(paths: usize) -> Self {
        let path = Path {
            history: FIXED_ONE,
            last_finish: Instant::ZERO,
            stale_after: Instant::ZERO,
        };
        // The last bucket keeps nothing of the history.
        let mut weights = [0; WEIGHTS];
        for (n, w) in (1..).zip(&mut weights[..WEIGHTS - 1]) {
            *w = weight(n);
        }
        Memory {
            paths: vec![path; paths],
            order: (0..paths as u16).collect(),
            weights,
            valid: 1,
        }
    }

    pub fn choose(&mut self, now: Instant, views: &[View], candidates: &[u16]) -> u16 {
        let mut mask = 0u128;
        for p in candidates {
            mask |= 1 << p;
        }
        self.valid = candidates.len() as u64;
        let mut best: Option<(usize, u16)> = None;
        for (at, p) in self.order.iter().enumerate() {
            if mask & (1 << p) == 0 {
                continue;
            }
            let side = |p: u16| (&self.paths[usize::from(p)], views[usize::from(p)].inflight);
            if best.is_none_or(|(_, b)| compare(now, side(*p), side(b)) == Ordering::Less) {
                best = Some((at, *p));
            }
        }
        let Some((at, path)) = best else {
            return candidates[0];
        };
        self.order.remove(at);
        self.order.push(path);
        path
    }

    pub fn answered(&mut self, now: Instant, path: u16, sent_at: Instant) {
        let p = &mut self.paths[usize::from(path)];
        let service = now.since(sent_at.max(p.last_finish)).0;
        p.last_finish = now;
        let bucket = (service >> BUCKET_SHIFT).min(WEIGHTS as u64 - 1) as usize;
        let weight = self.weights[bucket];
        let sample = service.saturating_mul(FIXED_ONE).min(FIXED_MAX);
        // Each factor is below 2^54, and the weights add up to 2^10.
        let mixed = p.history * weight + sample * (FIXED_ONE - weight);
        p.history = mixed.saturating_add(FIXED_ONE / 2) >> FIXED_SHIFT;
        let fresh = self.valid.saturating_mul(p.history >> FIXED_SHIFT);
        p.stale_after = Instant(now.0.saturating_add(fresh));
    }
}

/// Less: the first path is the better one.
fn compare(now: Instant, (a, out_a): (&Path, u32), (b, out_b): (&Path, u32)) -> Ordering {
    if a.history == 0 && b.history == 0 {
        return out_a.cmp(&out_b);
    }
    let idle_stale = |p: &Path, out: u32| out == 0 && p.stale_after < now;
    if idle_stale(a, out_a) || idle_stale(b, out_b) || (out_a == 0 && out_b == 0) {
        // The unloaded one; of two, the one that is stale for longer.
        let stale = |p: &Path, other: u32| if other == 0 { p.stale_after.0 } else { 0 };
        return stale(a, out_b).cmp(&stale(b, out_a));
    }
    let b_better = if out_a == out_b {
        a.history > b.history
    } else {
        let (mut a_time, mut b_time) = (a.history, b.history);
        if out_a.max(out_b) >= INFLIGHT_MAX {
            a_time >>= FIXED_SHIFT;
            b_time >>= FIXED_SHIFT;
        }
        let cost = |out: u32, time: u64| (u128::from(out) + 1) * u128::from(time);
        cost(out_a, a_time) > cost(out_b, b_time)
    };
    // A winner that has not answered for long gets no more than its equal part: it may be dying.
    let winner = if b_better { b } else { a };
    if winner.stale_after < now {
        return out_a.cmp(&out_b);
    }
    if b_better {
        Ordering::Greater
    } else {
        Ordering::Less
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_constant_service_time_is_what_the_history_tends_to() {
        let mut m = Memory::new(1);
        let mut now = Instant(0);
        for _ in 0..400 {
            let sent = now;
            now = Instant(now.0 + 100_000);
            m.answered(now, 0, sent);
        }
        assert!((99_999..=100_000).contains(&(m.paths[0].history >> FIXED_SHIFT)));
    }

    #[test]
    fn service_is_counted_serially() {
        let mut m = Memory::new(1);
        // Eight commands sent together, answered 10 µs after each other: 10 µs each, not up to 80.
        for round in 0..200u64 {
            let sent = Instant(round * 80_000);
            for i in 1..=8 {
                m.answered(Instant(sent.0 + i * 10_000), 0, sent);
            }
        }
        assert!((9_999..=10_000).contains(&(m.paths[0].history >> FIXED_SHIFT)));
    }

    #[test]
    fn a_slow_sample_weighs_more() {
        // 0.95^20 of the history is left after 19 buckets of 2^24 ns, nothing after 63.
        for (sent, answered, want) in [(0, 19 << 24, 1.0 - 0.3535), (0, 63 << 24, 1.0)] {
            let mut m = Memory::new(1);
            m.answered(Instant(answered), 0, Instant(sent));
            let part = (m.paths[0].history >> FIXED_SHIFT) as f64 / answered as f64;
            assert!((part - want).abs() < 0.01, "{part} instead of {want}");
        }
    }

    #[test]
    fn the_weights_are_the_kernels() {
        let m = Memory::new(1);
        assert_eq!(m.weights[..4], [972, 923, 876, 832]);
        assert_eq!(m.weights[63], 0);
    }

    /// The kernel's comparison as signed numbers, as it is written there.
    fn kernel(now: u64, a: (u64, u64, i64), b: (u64, u64, i64)) -> i128 {
        let ((h1, s1, o1), (h2, s2, o2)) = (a, b);
        // Over 0 times the smaller one.
        let over = if h1 > h2 { h1 > 0 } else { h2 > 0 };
        if !over {
            return i128::from(o1 - o2);
        }
        if (o1 == 0 && s1 < now) || (o2 == 0 && s2 < now) || (o1 == 0 && o2 == 0) {
            return i128::from(o2 == 0) * i128::from(s1) - i128::from(o1 == 0) * i128::from(s2);
        }
        let c1 = (o1 as i128 + 1) * i128::from(h1);
        let c2 = (o2 as i128 + 1) * i128::from(h2);
        let second = if o1 == o2 { h1 > h2 } else { c1 > c2 };
        if second {
            return if s2 < now { i128::from(o1 - o2) } else { 1 };
        }
        if s1 < now { i128::from(o1 - o2) } else { -1 }
    }

    proptest! {
        #![proptest_config(ProptestConfig {
            rng_seed: proptest::test_runner::RngSeed::Fixed(1),
            failure_persistence: None,
            ..ProptestConfig::default()
        })]

        #[test]
        fn the_choice_is_the_kernels(
            paths in prop::collection::vec((0..3u64, 1..1u64 << 42, 0..2_000u64, 0..3u32), 1..10),
            turns in 1..40usize,
            now in 0..2_000u64,
        ) {
            let n = paths.len();
            let mut m = Memory::new(n);
            let mut views: Vec<View> = (0..n).map(|_| View::new(0)).collect();
            for (i, (kind, history, stale, out)) in paths.iter().enumerate() {
                // Equal histories, and none, are compared by other rules.
                m.paths[i].history = if *kind < 2 { *kind << 20 } else { *history };
                m.paths[i].stale_after = Instant(*stale);
                views[i].inflight = *out;
            }
            let all: Vec<u16> = (0..n as u16).collect();
            let mut list = all.clone();
            for _ in 0..turns {
                let key = |p: u16| {
                    let x = m.paths[usize::from(p)];
                    (x.history, x.stale_after.0, i64::from(views[usize::from(p)].inflight))
                };
                let mut best = list[0];
                for p in &list {
                    if kernel(now, key(*p), key(best)) < 0 {
                        best = *p;
                    }
                }
                list.retain(|p| *p != best);
                list.push(best);
                prop_assert_eq!(m.choose(Instant(now), &views, &all), best);
                views[usize::from(best)].inflight += 1;
            }
        }
    }
}
