//! Which of the usable paths of the best class gets the next command: a pure function over views of the paths.
//!
//! A policy sees only paths of equal rank (health, access and the operator's wish are settled before), in the order of
//! configuration. `cursor` is the volume's own rotating number: it breaks ties, so that equal paths share equally.

mod adaptive;
mod failover;
mod large;
mod latency;
mod least_bytes;
mod min_latency;
mod numa;
mod queue_depth;
mod round_robin;
mod sampled_latency;
mod selector;
mod service_time;
mod told;

pub use large::{Board, Command};
pub use selector::Selector;
pub use told::Told;

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
    /// Wherever the I/O would be finished first, as the simulation tells (see `told`).
    Oracle,
    /// A fixed part of the I/Os to each path, as told.
    Static,
}

impl Policy {
    /// Every policy with its name in configurations, scenarios and reports.
    pub const ALL: [(&str, Policy); 10] = [
        ("adaptive", Policy::Adaptive),
        ("round_robin", Policy::RoundRobin),
        ("queue_depth", Policy::QueueDepth),
        ("least_bytes", Policy::LeastBytes),
        ("service_time", Policy::ServiceTime),
        ("latency", Policy::Latency),
        ("min_latency", Policy::MinLatency),
        ("sampled_latency", Policy::SampledLatency),
        ("numa", Policy::Numa),
        ("failover", Policy::Failover),
    ];

    /// References that only a simulation can offer: someone outside must tell the core what to prefer.
    pub const SIMULATED: [(&str, Policy); 2] =
        [("oracle", Policy::Oracle), ("static", Policy::Static)];

    /// Whether it may use non-optimised paths while optimised ones are usable.
    pub fn spills(self) -> bool {
        matches!(self, Policy::Adaptive | Policy::Oracle | Policy::Static)
    }
}

/// What a policy may know of a path. What `adaptive` looks at for each candidate comes first, in one cache line, and is
/// derived when something happens to the path, not when a path is chosen.
#[derive(Clone, Copy, Debug)]
#[repr(C, align(64))]
pub struct View {
    /// The delay that is expected of the queue as it is, and what each unit of one more command adds, in 1/256 ns.
    pub queue_fp: u64,
    pub unit_fp: u64,
    /// When the oldest command in flight will have been out for longer than the tail.
    pub overdue_at: Instant,
    /// The delay that is expected of the queue without its large commands.
    beside_fp: u64,
    pub work: u32,
    pub inflight: u32,
    pub bytes: u64,
    /// Of the work the part of large commands.
    pub large: u32,
    /// What a command would take on the unloaded path, and what each unit of work ahead of it adds, in 1/256 ns.
    pub base_fp: u64,
    pub slope_fp: u64,
    /// What each unit adds besides, beyond the work that was measured: there the slope is a guess.
    pub floor_fp: u64,
    /// The queue, in units of work, that the averages below were measured in.
    pub mean_work: u64,
    /// Averages of the measured latency, of the queue that it was measured in and of the command's own part of it, in
    /// 1/256.
    latency_fp: u64,
    work_fp: u64,
    own_fp: u64,
    /// When the oldest command in flight was sent; `Instant::MAX` with none.
    pub oldest: Instant,
    /// The longest latency lately, decaying.
    pub tail: Duration,
    pub distance: u16,
    /// Something was answered on it: the estimates are measured.
    pub known: bool,
}

impl View {
    pub const FRACTION: u32 = 8;
    /// What is assumed of a path that has not answered yet: 100 µs a command.
    pub const UNKNOWN_FP: u64 = 100_000 << Self::FRACTION;
    /// And of its commands: that each is alone, and 4 KiB.
    const UNKNOWN_WORK: u64 = 24;
    /// Work is counted in units of 512 bytes, and a command is worth 8 KiB besides: at 10 Gbit/s that is 7 µs of wire,
    /// about what a command costs an array of 32 servers and 200 µs.
    const UNIT_SHIFT: u32 = 9;
    const COMMAND_WORK: u32 = 16;
    /// From here on a command is large: on a wire of 10 Gbit/s it is longer than a small one takes in all.
    pub const LARGE_BYTES: u64 = 256 << 10;
    pub const LARGE_WORK: u32 = Self::COMMAND_WORK + (Self::LARGE_BYTES >> Self::UNIT_SHIFT) as u32;
    /// So that a command of 2 GiB fits into a word: 4 s for each unit.
    const UNIT_MAX_FP: u64 = 1 << 40;
    /// Beyond what was measured a command in the queue adds at least 1/2^5 of the base.
    const STEEPNESS: u32 = 5;
    /// One sample above the base raises it by 1/2^12 of the difference.
    const BASE_WEIGHT: u32 = 12;

    pub fn new(distance: u16) -> Self {
        let mut view = View {
            queue_fp: 0,
            unit_fp: 0,
            overdue_at: Instant::MAX,
            beside_fp: 0,
            work: 0,
            inflight: 0,
            bytes: 0,
            large: 0,
            base_fp: Self::UNKNOWN_FP,
            slope_fp: 0,
            floor_fp: (Self::UNKNOWN_FP >> Self::STEEPNESS) / Self::UNKNOWN_WORK,
            mean_work: Self::UNKNOWN_WORK,
            latency_fp: Self::UNKNOWN_FP,
            work_fp: Self::UNKNOWN_WORK << Self::FRACTION,
            own_fp: Self::UNKNOWN_WORK << Self::FRACTION,
            oldest: Instant::MAX,
            tail: Duration::ZERO,
            distance,
            known: false,
        };
        view.derive();
        view
    }

    /// The time between two answers lately: the latency over the queue that it was measured in. Never less than what one
    /// command costs the path, however many servers are behind it and whoever else uses them.
    pub fn gap(&self) -> Duration {
        let depth_fp = (self.work_fp << Self::FRACTION) / self.own_fp.max(1);
        Duration(self.latency_fp / depth_fp.max(1 << Self::FRACTION))
    }

    /// The work of a command on this path, on an average.
    pub fn usual_work(&self) -> u64 {
        (self.own_fp >> Self::FRACTION).max(1)
    }

    /// What follows from the rest.
    #[inline]
    fn derive(&mut self) {
        self.work = Self::work_of(self.inflight, self.bytes);
        let work = u64::from(self.work);
        self.queue_fp = self.queue_of(work);
        self.beside_fp = match self.large {
            0 => self.queue_fp,
            large => self.queue_of(work.saturating_sub(u64::from(large))),
        };
        let floor = if work >= self.mean_work {
            self.floor_fp
        } else {
            0
        };
        self.unit_fp = self.slope_fp.saturating_add(floor).min(Self::UNIT_MAX_FP);
        self.overdue_at = Instant(self.oldest.0.saturating_add(self.tail.0));
    }

    /// The delay that is expected of a queue of so much work, in 1/256 ns.
    #[inline]
    fn queue_of(&self, work: u64) -> u64 {
        let beyond = work.saturating_sub(self.mean_work);
        let queue = work.saturating_mul(self.slope_fp);
        self.base_fp
            .saturating_add(queue)
            .saturating_add(beyond.saturating_mul(self.floor_fp))
            .min(u64::MAX / 2)
    }

    /// What a command of this work, less than a large one's, is expected to take in ns, if none of the large commands that are out is in its way.
    #[inline]
    fn beside_large(&self, now: Instant, own: u32) -> u64 {
        let delay = (self.beside_fp + u64::from(own) * self.unit_fp) >> Self::FRACTION;
        if now > self.overdue_at {
            delay.saturating_add(now.since(self.oldest).0)
        } else {
            delay
        }
    }

    /// What a command of this work is expected to take, sent now.
    pub fn expected(&self, own: u32) -> Duration {
        let own = u64::from(own).saturating_mul(self.unit_fp);
        Duration(self.queue_fp.saturating_add(own) >> Self::FRACTION)
    }

    /// A command is sent.
    #[inline]
    pub fn sent(&mut self, now: Instant, bytes: u64) {
        self.inflight += 1;
        self.bytes += bytes;
        if bytes >= Self::LARGE_BYTES {
            self.large = self.large.saturating_add(Self::work_of(1, bytes));
        }
        if self.inflight == 1 {
            self.oldest = now;
        }
        self.derive();
    }

    /// A command is no longer on the path; `oldest` says when the oldest of those that are was sent.
    #[inline]
    pub fn back(&mut self, bytes: u64, oldest: Instant) {
        self.inflight -= 1;
        self.bytes -= bytes;
        if bytes >= Self::LARGE_BYTES {
            self.large = self.large.saturating_sub(Self::work_of(1, bytes));
        }
        self.oldest = oldest;
        self.derive();
    }

    /// Nothing quicker than this may be taken for its longest latency.
    pub fn expect_tail(&mut self, tail: Duration) {
        self.tail = self.tail.max(tail);
        self.derive();
    }

    #[inline]
    pub fn work_of(commands: u32, bytes: u64) -> u32 {
        let units = u32::try_from(bytes >> Self::UNIT_SHIFT).unwrap_or(u32::MAX);
        commands
            .saturating_mul(Self::COMMAND_WORK)
            .saturating_add(units)
    }

    /// A command of the work `own` was answered that had `work` in the queue when it was sent, itself included. `shift`
    /// says how much one sample weighs (1/2^shift).
    ///
    /// The base is the lowest average lately; it creeps up again, so that a path that has become slower for good is known
    /// by its new base. What the average lies above it is taken for queueing, in proportion to the queue. An unloaded path
    /// shows no queueing, but what is beyond the measured queue is charged a little all the same, so that a burst does
    /// not go one way.
    #[inline]
    pub fn sample(&mut self, latency: Duration, work: u32, own: u32, shift: u32) {
        self.known = true;
        let fp = latency.0.min(u64::MAX >> 16) << Self::FRACTION;
        self.latency_fp = toward(self.latency_fp, fp, shift);
        self.work_fp = toward(self.work_fp, u64::from(work) << Self::FRACTION, shift);
        self.own_fp = toward(self.own_fp, u64::from(own) << Self::FRACTION, shift);
        self.base_fp = if self.latency_fp < self.base_fp {
            self.latency_fp
        } else {
            toward(self.base_fp, self.latency_fp, Self::BASE_WEIGHT)
        };
        self.mean_work = self.work_fp >> Self::FRACTION;
        self.slope_fp = (self.latency_fp - self.base_fp) / self.mean_work.max(1);
        let each = (self.own_fp >> Self::FRACTION).max(u64::from(Self::COMMAND_WORK));
        self.floor_fp = (self.base_fp >> Self::STEEPNESS) / each;
        self.tail = if latency >= self.tail {
            latency
        } else {
            Duration(self.tail.0 - ((self.tail.0 - latency.0) >> 10))
        };
        self.derive();
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
        selector(policy, views.len()).choose(now, views, candidates, &[], of(16), cursor)
    }

    fn selector(policy: Policy, paths: usize) -> Selector {
        let ports: Vec<u16> = (0..paths as u16).collect();
        Selector::new(policy, &ports, Board::default(), 0)
    }

    fn of(work: u32) -> Command {
        Command {
            work,
            inbound: true,
        }
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
                v[usize::from(p)].sent(Instant(0), 4096);
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
            v[0].sample(Duration::from_micros(100), 24, 24, 5);
            v[1].sample(Duration::from_micros(300), 24, 24, 5);
        }
        let mut cursor = 0;
        for _ in 0..60 {
            let p = choose(Policy::Adaptive, Instant(0), &v, &[0, 1], &mut cursor);
            v[usize::from(p)].sent(Instant(0), 4096);
        }
        // 100 µs and a thirty-second of it for each command ahead, against 300 µs.
        assert!(v[0].inflight > 40, "{}", v[0].inflight);
    }

    #[test]
    fn adaptive_tells_a_queue_from_a_distance() {
        // Both take 800 µs now; one because 15 commands are ahead, the other because it is far away.
        let mut v = views(2);
        for _ in 0..10_000 {
            v[0].sample(Duration::from_micros(100), 24, 24, 6);
            v[1].sample(Duration::from_micros(800), 24, 24, 6);
        }
        for _ in 0..400 {
            v[0].sample(Duration::from_micros(800), 16 * 24, 24, 6);
        }
        let mut cursor = 0;
        for _ in 0..8 {
            let p = choose(Policy::Adaptive, Instant(0), &v, &[0, 1], &mut cursor);
            assert_eq!(p, 0, "the near path, once its queue is gone");
            v[usize::from(p)].sent(Instant(0), 4096);
        }
    }

    #[test]
    fn adaptive_avoids_a_path_whose_oldest_command_is_overdue() {
        let mut v = views(2);
        for view in &mut v {
            view.sample(Duration::from_micros(100), 24, 24, 0);
        }
        v[0].sent(Instant(0), 4096);
        for _ in 0..20 {
            v[1].sent(Instant(9_990_000), 4096);
        }
        let mut cursor = 0;
        let now = Instant(10_000_000);
        assert_eq!(choose(Policy::Adaptive, now, &v, &[0, 1], &mut cursor), 1);
    }

    #[test]
    fn adaptive_sends_a_small_command_where_no_large_one_is() {
        let mut v = views(2);
        v[0].sent(Instant(0), 1 << 20);
        for _ in 0..8 {
            v[1].sent(Instant(0), 4096);
        }
        let mut cursor = 0;
        let chosen = choose(Policy::Adaptive, Instant(0), &v, &[0, 1], &mut cursor);
        assert_eq!(
            chosen, 1,
            "one command of 1 MiB is more than eight of 4 KiB"
        );
    }

    /// How many of 2000 choices leave the best class, where its queue costs `busy` and the others would take `idle`.
    fn spilled(busy: Duration, idle: Option<Duration>) -> u32 {
        let mut v = views(2);
        for _ in 0..2000 {
            v[0].sample(busy, 24, 24, 4);
            if let Some(idle) = idle {
                v[1].sample(idle, 24, 24, 4);
            }
        }
        let mut selector = selector(Policy::Adaptive, 2);
        let mut cursor = 0;
        let chosen = |_| selector.choose(Instant(0), &v, &[0], &[1], of(24), &mut cursor);
        (0..2000).map(chosen).filter(|p| *p == 1).count() as u32
    }

    #[test]
    fn adaptive_spills_when_it_is_much_faster_for_a_while_and_only_then() {
        let us = Duration::from_micros;
        assert_eq!(spilled(us(900), Some(us(300))), 2000 - 512);
        assert_eq!(spilled(us(500), Some(us(300))), 0, "not much faster");
        assert_eq!(spilled(us(300), Some(us(900))), 0, "slower");
        assert_eq!(spilled(us(900), None), 0, "nobody knows");
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
            let view = |(inflight, bytes, base_fp, oldest, tail, distance)| {
                let mut view = View {
                    queue_fp: 0,
                    unit_fp: 0,
                    overdue_at: Instant::MAX,
                    beside_fp: 0,
                    work: 0,
                    inflight,
                    bytes: if inflight == 0 { 0 } else { bytes },
                    large: 0,
                    base_fp,
                    slope_fp: base_fp / 999,
                    floor_fp: base_fp / 500,
                    mean_work: base_fp % 100,
                    latency_fp: base_fp,
                    work_fp: 0,
                    own_fp: 0,
                    oldest: if inflight == 0 {
                        Instant::MAX
                    } else {
                        Instant(oldest)
                    },
                    tail: Duration(tail),
                    distance,
                    known: true,
                };
                view.derive();
                view
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
                    let work = u128::from(x.inflight) * 16 + u128::from(x.bytes / 512);
                    let mean = u128::from(x.mean_work);
                    let beyond = work.saturating_sub(mean) + if work >= mean { 16 } else { 0 };
                    let queue =
                        (work + 16) * u128::from(x.slope_fp) + beyond * u128::from(x.floor_fp);
                    let age = u128::from(now.0.saturating_sub(x.oldest.0));
                    let overdue = x.inflight > 0 && age > u128::from(x.tail.0);
                    (u128::from(x.base_fp) + queue) / 256 + if overdue { age } else { 0 }
                };
                let shortest = candidates.iter().map(|p| delay(*p)).min().expect("one");
                let near = |p: &u16| delay(*p) <= shortest + shortest / 4;
                turned
                    .clone()
                    .filter(near)
                    .min_by_key(|p| u64::from(view(*p).inflight) * 16 + view(*p).bytes / 512)
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
                view.sample(Duration(latency), depth * 24, 24, 6);
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
