//! Which of the usable paths of the best class gets the next command: a pure function over views of the paths.
//!
//! A policy sees only paths of equal rank (health, access and the operator's wish are settled before), in the order of
//! configuration. `cursor` is the volume's own rotating number: it breaks ties, so that equal paths share equally.

mod adaptive;
mod failover;
mod latency;
mod least_bytes;
mod min_latency;
mod numa;
mod queue_depth;
mod round_robin;
mod sampled_latency;
mod selector;
mod service_time;

pub use selector::Selector;

use protocol::{Duration, Instant};

/// The known set of algorithms.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Policy {
    /// Shortest expected delay, from each path's own measured service.
    Adaptive,
    /// In turn (`dm-round-robin`, NVMe `round-robin`).
    RoundRobin,
    /// Fewest commands in flight (`dm-queue-length`, NVMe `queue-depth`).
    QueueDepth,
    /// Fewest bytes in flight (`dm-service-time` with equal weights).
    LeastBytes,
    /// Least outstanding times historical service time (`dm-historical-service-time`).
    ServiceTime,
    /// In turn by weights from latencies of 15 s (the proposed NVMe `latency`).
    Latency,
    /// The smallest latest heartbeat (RTRS `min-latency`).
    MinLatency,
    /// In turn, without those that sampled slow (ESXi round robin by latency).
    SampledLatency,
    /// The path nearest to the shard's NUMA node (NVMe `numa`).
    Numa,
    /// The first path; the others stand by.
    Failover,
}

/// What a policy may know of a path.
#[derive(Clone, Copy, Debug)]
pub struct View {
    pub inflight: u32,
    pub bytes: u64,
    /// What a command would take on the unloaded path, and what each command ahead of it adds, in 1/256 ns.
    pub base_fp: u64,
    pub slope_fp: u64,
    /// Averages of the measured latency and of the queue that it was measured in, in 1/256.
    latency_fp: u64,
    depth_fp: u64,
    /// When the oldest command in flight was sent; `Instant::MAX` with none.
    pub oldest: Instant,
    /// The longest latency lately, decaying.
    pub tail: Duration,
    pub distance: u16,
}

impl View {
    pub const FRACTION: u32 = 8;
    /// What is assumed of a path that has not answered yet: 100 µs a command.
    pub const UNKNOWN_FP: u64 = 100_000 << Self::FRACTION;
    /// A command in the queue adds at least 1/2^5 of the base.
    const STEEPNESS: u32 = 5;
    /// One sample above the base raises it by 1/2^12 of the difference.
    const BASE_WEIGHT: u32 = 12;

    pub fn new(distance: u16) -> Self {
        View {
            inflight: 0,
            bytes: 0,
            base_fp: Self::UNKNOWN_FP,
            slope_fp: Self::UNKNOWN_FP >> Self::STEEPNESS,
            latency_fp: Self::UNKNOWN_FP,
            depth_fp: 0,
            oldest: Instant::MAX,
            tail: Duration::ZERO,
            distance,
        }
    }

    /// The time between two answers lately: the latency over the queue that it was measured in. Never less than what one
    /// command costs the path, however many servers are behind it and whoever else uses them.
    pub fn gap(&self) -> Duration {
        let queue = self.depth_fp.max(1 << Self::FRACTION);
        Duration(self.latency_fp / queue)
    }

    /// A command was answered: `shift` says how much one sample weighs (1/2^shift).
    ///
    /// The base is the lowest average lately; it creeps up again, so that a path that has become slower for good is known
    /// by its new base. What the average lies above it is taken for queueing, in proportion to the queue. An unloaded path
    /// shows no queueing, but each command is charged a little all the same, so that a burst does not go one way.
    #[inline]
    pub fn sample(&mut self, latency: Duration, depth: u32, shift: u32) {
        let fp = latency.0.min(u64::MAX >> 16) << Self::FRACTION;
        self.latency_fp = toward(self.latency_fp, fp, shift);
        self.depth_fp = toward(self.depth_fp, u64::from(depth) << Self::FRACTION, shift);
        self.base_fp = if self.latency_fp < self.base_fp {
            self.latency_fp
        } else {
            toward(self.base_fp, self.latency_fp, Self::BASE_WEIGHT)
        };
        let queue = (self.depth_fp >> Self::FRACTION).max(1);
        self.slope_fp =
            ((self.latency_fp - self.base_fp) / queue).max(self.base_fp >> Self::STEEPNESS);
        self.tail = if latency >= self.tail {
            latency
        } else {
            Duration(self.tail.0 - ((self.tail.0 - latency.0) >> 10))
        };
    }
}

/// `from`, moved by 1/2^shift of the way to `to`.
#[inline]
fn toward(from: u64, to: u64, shift: u32) -> u64 {
    if to >= from {
        from + ((to - from) >> shift)
    } else {
        from - ((from - to) >> shift)
    }
}

/// The candidate with the smallest cost; among equals the next after the last chosen.
#[inline]
fn cheapest(candidates: &[u16], cursor: &mut u32, cost: impl Fn(u16) -> u64) -> u16 {
    let n = candidates.len();
    let start = *cursor as usize % n;
    let mut best = start;
    let mut best_cost = u64::MAX;
    let mut at = start;
    for _ in 0..n {
        let c = cost(candidates[at]);
        if c < best_cost {
            best_cost = c;
            best = at;
        }
        at += 1;
        if at == n {
            at = 0;
        }
    }
    *cursor = (best + 1) as u32;
    candidates[best]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn choose(
        policy: Policy,
        now: Instant,
        views: &[View],
        candidates: &[u16],
        cursor: &mut u32,
    ) -> u16 {
        Selector::new(policy, views.len()).choose(now, views, candidates, cursor)
    }

    fn views(n: usize) -> Vec<View> {
        (0..n).map(|_| View::new(0)).collect()
    }

    #[test]
    fn equal_paths_share_equally_under_every_sharing_policy() {
        for policy in [
            Policy::Adaptive,
            Policy::RoundRobin,
            Policy::QueueDepth,
            Policy::LeastBytes,
        ] {
            let mut v = views(4);
            let mut cursor = 0;
            for _ in 0..400 {
                let p = choose(policy, Instant(0), &v, &[0, 1, 2, 3], &mut cursor);
                v[usize::from(p)].inflight += 1;
                v[usize::from(p)].bytes += 4096;
            }
            for view in &v {
                assert_eq!(view.inflight, 100, "{policy:?}");
            }
        }
    }

    #[test]
    fn adaptive_prefers_the_path_that_answers_sooner_until_its_queue_costs_as_much() {
        let mut v = views(2);
        for _ in 0..1000 {
            v[0].sample(Duration::from_micros(100), 1, 5);
            v[1].sample(Duration::from_micros(300), 1, 5);
        }
        let mut cursor = 0;
        for _ in 0..60 {
            let p = choose(Policy::Adaptive, Instant(0), &v, &[0, 1], &mut cursor);
            v[usize::from(p)].inflight += 1;
        }
        // 100 µs and a thirty-second of it for each command ahead, against 300 µs.
        assert!(v[0].inflight > 40, "{}", v[0].inflight);
    }

    #[test]
    fn adaptive_tells_a_queue_from_a_distance() {
        // Both take 800 µs now; one because 15 commands are ahead, the other because it is far away.
        let mut v = views(2);
        for _ in 0..10_000 {
            v[0].sample(Duration::from_micros(100), 1, 6);
            v[1].sample(Duration::from_micros(800), 1, 6);
        }
        for _ in 0..400 {
            v[0].sample(Duration::from_micros(800), 16, 6);
        }
        let mut cursor = 0;
        for _ in 0..8 {
            let p = choose(Policy::Adaptive, Instant(0), &v, &[0, 1], &mut cursor);
            assert_eq!(p, 0, "the near path, once its queue is gone");
            v[usize::from(p)].inflight += 1;
        }
    }

    #[test]
    fn adaptive_avoids_a_path_whose_oldest_command_is_overdue() {
        let mut v = views(2);
        for view in &mut v {
            view.sample(Duration::from_micros(100), 1, 0);
        }
        v[0].inflight = 1;
        v[0].oldest = Instant(0);
        v[1].inflight = 20;
        v[1].oldest = Instant(9_990_000);
        let mut cursor = 0;
        let now = Instant(10_000_000);
        assert_eq!(choose(Policy::Adaptive, now, &v, &[0, 1], &mut cursor), 1);
    }

    #[test]
    fn numa_and_failover_use_one_path() {
        let mut v = views(3);
        v[0].distance = 20;
        v[1].distance = 10;
        v[2].distance = 10;
        let mut cursor = 0;
        for _ in 0..10 {
            assert_eq!(
                choose(Policy::Numa, Instant(0), &v, &[0, 1, 2], &mut cursor),
                1
            );
            assert_eq!(
                choose(Policy::Failover, Instant(0), &v, &[0, 1, 2], &mut cursor),
                0
            );
        }
    }

    use proptest::prelude::*;

    fn some_views() -> impl Strategy<Value = Vec<View>> {
        let view = (
            0..40u32,
            0..1u64 << 30,
            1..1u64 << 40,
            0..1u64 << 34,
            0..1u64 << 30,
            0..3u16,
        );
        prop::collection::vec(view, 1..12).prop_map(|all| {
            let view = |(inflight, bytes, base_fp, oldest, tail, distance)| View {
                inflight,
                bytes: if inflight == 0 { 0 } else { bytes },
                base_fp,
                slope_fp: base_fp / 7,
                latency_fp: base_fp,
                depth_fp: 0,
                oldest: if inflight == 0 {
                    Instant::MAX
                } else {
                    Instant(oldest)
                },
                tail: Duration(tail),
                distance,
            };
            all.into_iter().map(view).collect()
        })
    }

    /// What each policy is said to do, computed in the plainest way.
    fn expected(policy: Policy, now: Instant, v: &[View], candidates: &[u16], cursor: u32) -> u16 {
        let n = candidates.len();
        let turned = (0..n).map(|i| candidates[(cursor as usize + i) % n]);
        let view = |p: u16| &v[usize::from(p)];
        let least = |cost: &dyn Fn(u16) -> u128| {
            // The first of several smallest, as `min_by_key` says.
            turned
                .clone()
                .min_by_key(|p| cost(*p))
                .expect("a candidate")
        };
        match policy {
            Policy::RoundRobin => candidates[cursor as usize % n],
            Policy::QueueDepth => least(&|p| u128::from(view(p).inflight)),
            Policy::LeastBytes => least(&|p| u128::from(view(p).bytes)),
            Policy::Adaptive => {
                let delay = |p: u16| {
                    let x = view(p);
                    let queue = (u128::from(x.inflight) + 1) * u128::from(x.slope_fp);
                    let age = u128::from(now.0.saturating_sub(x.oldest.0));
                    let overdue = x.inflight > 0 && age > u128::from(x.tail.0);
                    (u128::from(x.base_fp) + queue) / 256 + if overdue { age } else { 0 }
                };
                let shortest = candidates.iter().map(|p| delay(*p)).min().expect("one");
                let near = |p: &u16| delay(*p) <= shortest + shortest / 4;
                turned
                    .clone()
                    .filter(near)
                    .min_by_key(|p| view(*p).inflight)
                    .expect("a candidate")
            }
            Policy::Numa => {
                let near = candidates.iter().map(|p| view(*p).distance).min();
                let nearest = candidates.iter().find(|p| Some(view(**p).distance) == near);
                *nearest.expect("a candidate")
            }
            Policy::Failover => candidates[0],
            _ => unreachable!("the policies that remember have their own tests"),
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig {
            rng_seed: proptest::test_runner::RngSeed::Fixed(1),
            failure_persistence: None,
            ..ProptestConfig::default()
        })]

        #[test]
        fn every_policy_chooses_as_it_is_said_to(
            v in some_views(),
            left_out in any::<u16>(),
            cursor in 0..1_000u32,
            now in 0..1u64 << 35,
        ) {
            let mut candidates: Vec<u16> = (0..v.len() as u16)
                .filter(|p| left_out & (1 << p) == 0)
                .collect();
            if candidates.is_empty() {
                candidates.push(0);
            }
            let now = Instant(now);
            for policy in [
                Policy::Adaptive,
                Policy::RoundRobin,
                Policy::QueueDepth,
                Policy::LeastBytes,
                Policy::Numa,
                Policy::Failover,
            ] {
                let mut turned = cursor;
                let chosen = choose(policy, now, &v, &candidates, &mut turned);
                let want = expected(policy, now, &v, &candidates, cursor);
                prop_assert_eq!(chosen, want, "{:?}", policy);
            }
        }

        #[test]
        fn the_tail_is_never_below_the_latest_answer_and_the_base_never_above_the_average(
            samples in prop::collection::vec((1..1u64 << 40, 1..64u32), 1..200),
        ) {
            let mut view = View::new(0);
            let (mut low, mut high) = (view.base_fp, view.base_fp);
            for (latency, depth) in samples {
                view.sample(Duration(latency), depth, 6);
                let fp = latency << View::FRACTION;
                low = low.min(fp);
                high = high.max(fp);
                prop_assert!(view.tail.0 >= latency);
                prop_assert!(view.base_fp <= view.latency_fp);
                prop_assert!(view.base_fp >= low && view.latency_fp <= high);
                prop_assert!(view.slope_fp >= view.base_fp >> View::STEEPNESS);
            }
        }
    }
}
