//! What a program above feels of a fault: the times that the project promises, on the default topology (four paths,
//! 50 µs round trip, 100 µs service with an exponential tail, two shards).

use crate::world::{Fault, MS, Step, World, config};
use datapath::core::{FencePolicy, Policy};
use protocol::{Access, Duration};

const ALL: [Policy; 10] = [
    Policy::Adaptive,
    Policy::RoundRobin,
    Policy::QueueDepth,
    Policy::LeastBytes,
    Policy::ServiceTime,
    Policy::Latency,
    Policy::MinLatency,
    Policy::SampledLatency,
    Policy::Numa,
    Policy::Failover,
];

fn with_load(policy: Policy, depth: usize, seed: u64) -> World {
    let mut w = World::new(&config(4, policy), 2, seed);
    w.load(depth);
    w
}

/// Nothing is left when the load ends.
fn ends_clean(mut w: World) {
    w.until = w.now;
    w.run(Duration::from_secs(10));
    assert!(w.idle());
    assert_eq!(w.seen.errors, 0);
    for core in w.cores {
        assert_eq!(core.leaks(), Default::default());
        core.abandon();
    }
}

#[test]
fn a_reset_is_felt_for_less_than_5_ms() {
    for policy in ALL {
        for seed in 0..4 {
            let mut w = with_load(policy, 16, seed);
            w.step_at(MS(50), Step::Fault(0, Fault::Reset));
            w.step_at(MS(150), Step::Fault(0, Fault::None));
            w.run(MS(500));
            assert!(!w.seen.lost.is_empty());
            let felt = w.seen.read_max.max(w.seen.write_max);
            assert!(felt < MS(5), "{policy:?} seed {seed}: {felt:?}");
            ends_clean(w);
        }
    }
}

#[test]
fn silence_of_a_path_is_felt_for_less_than_60_ms_by_reads_and_150_ms_by_writes() {
    for policy in ALL {
        for (seed, depth) in [(0, 1), (1, 8), (2, 32)] {
            let mut w = with_load(policy, depth, seed);
            w.step_at(MS(50), Step::Fault(0, Fault::Drop));
            w.step_at(MS(550), Step::Fault(0, Fault::None));
            w.run(MS(1_000));
            assert!(!w.seen.lost.is_empty());
            let (read, write) = (w.seen.read_max, w.seen.write_max);
            assert!(read < MS(60), "{policy:?} depth {depth}: {read:?}");
            assert!(write < MS(150), "{policy:?} depth {depth}: {write:?}");
            ends_clean(w);
        }
    }
}

#[test]
fn silence_of_a_fabric_is_felt_no_longer() {
    for seed in 0..4 {
        let mut w = with_load(Policy::Adaptive, 16, seed);
        for p in [0, 2] {
            w.step_at(MS(50), Step::Fault(p, Fault::Drop));
            w.step_at(MS(550), Step::Fault(p, Fault::None));
        }
        w.run(MS(1_000));
        assert_eq!(w.seen.lost.len(), 4);
        assert!(w.seen.read_max < MS(70), "{:?}", w.seen.read_max);
        assert!(w.seen.write_max < MS(150), "{:?}", w.seen.write_max);
        ends_clean(w);
    }
}

#[test]
fn a_stall_of_the_whole_array_demotes_no_path_and_repeats_nothing() {
    for policy in ALL {
        for seed in 0..8 {
            let mut w = with_load(policy, 200, seed);
            w.step_at(MS(50), Step::Stall(true));
            w.step_at(MS(2_050), Step::Stall(false));
            w.run(MS(2_500));
            assert_eq!(w.seen.lost, [], "{policy:?} seed {seed}");
            assert_eq!(w.seen.redispatched, 0);
            ends_clean(w);
        }
    }
}

#[test]
fn a_path_that_flaps_for_a_minute_is_hardly_felt_and_hardly_used() {
    for fault in [Fault::Reset, Fault::Drop] {
        let mut w = with_load(Policy::Adaptive, 2, 7);
        for n in 0..300 {
            w.step_at(MS(100 + n * 200), Step::Fault(1, fault));
            w.step_at(MS(200 + n * 200), Step::Fault(1, Fault::None));
        }
        w.run(MS(60_100));
        let felt = w.seen.read_max.max(w.seen.write_max);
        assert!(felt < MS(60), "{fault:?}: {felt:?}");
        for shard in 0..2 {
            // The first is its start.
            let flips = w.seen.flips[&(shard, 1)] - 1;
            assert!(flips <= 4, "{fault:?}: {flips}");
        }
        w.run(MS(1_000));
        let before = w.seen.per_path[&1];
        w.run(MS(100));
        assert!(w.seen.per_path[&1] > before, "it is back");
        ends_clean(w);
    }
}

#[test]
fn io_waits_for_a_path_exactly_as_long_as_was_said() {
    for fault in [Fault::Reset, Fault::Drop] {
        let mut c = config(4, Policy::Adaptive);
        c.queue_for = MS(700);
        c.io_timeout = MS(900);
        let mut w = World::new(&c, 2, 3);
        w.load(16);
        for p in 0..4 {
            w.step_at(MS(100), Step::Fault(p, fault));
        }
        w.run(MS(5_000));
        // The clock runs from the loss of the last path, on each shard.
        let lost_at = w.seen.lost.iter().map(|l| l.0).max().expect("losses");
        let first = w.seen.failed.iter().map(|f| f.0).min().expect("failures");
        let waited = first.since(lost_at);
        assert!(
            waited >= MS(690) && waited <= MS(701),
            "{fault:?}: {waited:?}"
        );
        let queued: Vec<_> = w.seen.failed.iter().filter(|f| f.1 > MS(0)).collect();
        for (at, _) in &queued {
            assert!(
                at.since(lost_at) <= MS(701),
                "{fault:?}: {:?}",
                at.since(lost_at)
            );
        }
        assert_eq!(queued.len(), 32);
        // Later ones failed at once; and when a path is back, no more do.
        assert!(w.seen.errors > 1_000);
        w.step_at(MS(5_000), Step::Fault(2, Fault::None));
        w.run(MS(200));
        let errors = w.seen.errors;
        w.run(MS(100));
        assert_eq!(w.seen.errors, errors);
        w.until = w.now;
        w.run(MS(100));
        assert!(w.idle());
        w.cores.into_iter().for_each(|c| c.abandon());
    }
}

#[test]
fn ownership_that_moves_is_followed() {
    let mut w = with_load(Policy::Adaptive, 16, 1);
    let set = |w: &mut World, at, states: [Access; 4]| {
        for (p, a) in states.into_iter().enumerate() {
            w.step_at(MS(at), Step::Access(p as u16, a));
        }
    };
    use Access::{Inaccessible as I, NonOptimized as N, Optimized as O, Transitioning as T};
    set(&mut w, 1, [O, O, N, N]);
    w.run(MS(100));
    let far = w.seen.per_path.get(&2).copied().unwrap_or(0);
    w.run(MS(50));
    assert_eq!(w.seen.per_path.get(&2).copied().unwrap_or(0), far);
    set(&mut w, 150, [T, T, T, T]);
    set(&mut w, 450, [I, I, O, O]);
    w.run(MS(850));
    let felt = w.seen.read_max.max(w.seen.write_max);
    assert!(felt >= MS(299) && felt < MS(310), "{felt:?}");
    let near = w.seen.per_path[&0];
    w.run(MS(50));
    assert_eq!(w.seen.per_path[&0], near);
    assert_eq!(w.seen.lost, []);
    ends_clean(w);
}

/// The world is not blind: without a fence a held command overtakes its own retry.
#[test]
#[should_panic(expected = "a ghost of the completed write")]
fn without_a_fence_a_ghost_is_seen() {
    let mut c = config(2, Policy::RoundRobin);
    c.fence = FencePolicy::None;
    let mut w = World::new(&c, 1, 1);
    w.span = 16;
    w.load(8);
    w.step_at(MS(50), Step::Fault(0, Fault::Late(MS(300))));
    w.run(MS(1_000));
}

#[test]
fn with_a_fence_there_is_none() {
    use FencePolicy::{Hold, InDoubt};
    let cases = [(true, 1), (true, 2), (false, 3), (false, 4)];
    for ((confirms, seed), fence) in cases.into_iter().flat_map(|c| [(c, Hold), (c, InDoubt)]) {
        let mut c = config(2, Policy::RoundRobin);
        c.fence = fence;
        c.array_confirms = confirms;
        c.quiesce = MS(1_000);
        let mut w = World::new(&c, 2, seed);
        w.span = 16;
        w.load(8);
        w.step_at(MS(50), Step::Fault(0, Fault::Late(MS(300))));
        w.step_at(MS(1_050), Step::Fault(0, Fault::None));
        w.run(MS(1_500));
        assert!(w.seen.redispatched > 0);
        ends_clean(w);
    }
}

/// Writes that overlap nothing do not wait for the end of a lost association, however long that takes.
#[test]
fn a_lost_write_that_overlaps_nothing_does_not_wait() {
    for (confirms, fault) in [
        (true, Fault::Reset),
        (false, Fault::Reset),
        (true, Fault::Drop),
        (false, Fault::Drop),
    ] {
        let mut c = config(4, Policy::Adaptive);
        c.fence = FencePolicy::InDoubt;
        c.array_confirms = confirms;
        let mut w = World::new(&c, 2, 5);
        w.load(16);
        w.step_at(MS(50), Step::Fault(0, fault));
        w.run(MS(500));
        assert!(w.seen.in_doubt > 0);
        assert_eq!(w.seen.held, 0, "{fault:?}, confirms: {confirms}");
        let (write, limit) = match fault {
            Fault::Reset => (w.seen.write_max, MS(5)),
            _ => (w.seen.write_max, MS(60)),
        };
        assert!(write < limit, "{fault:?}, confirms: {confirms}: {write:?}");
        w.step_at(MS(500), Step::Fault(0, Fault::None));
        w.until = w.now;
        w.run(Duration::from_secs(12));
        ends_clean(w);
    }
}

/// A hot spot beside it waits: for the fence where there is one, else for the quiesce time.
#[test]
fn a_hot_spot_waits_for_the_proof_and_no_longer() {
    for confirms in [true, false] {
        let mut c = config(4, Policy::Adaptive);
        c.fence = FencePolicy::InDoubt;
        c.array_confirms = confirms;
        let mut w = World::new(&c, 2, 5);
        w.span = 8;
        w.load(16);
        w.step_at(MS(50), Step::Fault(0, Fault::Drop));
        w.run(MS(14_000));
        assert!(w.seen.held > 0);
        let (held, write) = (w.seen.held_max, w.seen.write_max);
        if confirms {
            assert!(held < MS(60) && write < MS(150), "{held:?} {write:?}");
        } else {
            assert!(held >= MS(11_900) && held <= MS(12_001), "{held:?}");
        }
        w.step_at(MS(14_000), Step::Fault(0, Fault::None));
        w.run(MS(50));
        ends_clean(w);
    }
}
