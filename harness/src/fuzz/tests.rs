//! The draw over many seeds, and shrinking without a simulation.

use super::draw;
use super::envelope;
use super::minimal;
use super::profile::Profile;
use super::shrink::{self, is_valid};
use super::signature::Signature;
use crate::scenario::model::*;
use crate::scenario::{self, Scenario};
use std::collections::BTreeMap;
use std::path::Path;

const PROFILES: [Profile; 5] = [
    Profile::Swarm,
    Profile::Ghosts,
    Profile::Crashes,
    Profile::Gentle,
    Profile::Shadows,
];

fn drawn(seed: u64, profile: Profile) -> Scenario {
    draw::scenario(seed, profile, Path::new("out/scenario.toml"))
}

/// No more is asked of the array than it can carry, and what is left at the end is done in time.
fn carried(s: &Scenario, seed: u64) {
    assert!(
        !envelope::overloaded(s),
        "seed {seed}: {}",
        envelope::backlog_ns(s)
    );
    assert!(
        envelope::must_drain(s),
        "seed {seed}: {}",
        scenario::to_toml(s)
    );
}

#[test]
fn two_thousand_seeds_are_valid_and_read_back_as_they_are() {
    for seed in 0..2_000 {
        let s = drawn(seed, PROFILES[seed as usize % 5]);
        let text = scenario::to_toml(&s);
        let read = scenario::parse(&text, &s.file, &s.name, &[]);
        let mut read = read.unwrap_or_else(|e| panic!("seed {seed}: {e:?}\n{text}"));
        for e in &mut read.expects {
            e.line = 0;
        }
        assert_eq!(read, s, "seed {seed}");
        assert_eq!(
            scenario::draw(&s, seed),
            s,
            "seed {seed}: nothing is left to draw"
        );
        assert!(is_valid(&s));
        carried(&s, seed);
    }
}

#[test]
fn the_same_seed_is_the_same_text_and_another_is_not() {
    let text = |seed| scenario::to_toml(&drawn(seed, Profile::Swarm));
    assert_eq!(text(7), text(7));
    assert_ne!(text(7), text(8));
}

#[test]
fn every_fault_and_every_limit_is_drawn_and_every_fault_ends() {
    let mut kinds: BTreeMap<&str, u64> = BTreeMap::new();
    let (mut hosts, mut one_server, mut no_patience, mut strict) = (0, 0, 0, 0);
    for seed in 0..1_000 {
        let s = drawn(seed, Profile::Swarm);
        for f in &s.faults {
            *kinds.entry(scenario::kind_name(&f.kind)).or_insert(0) += 1;
            let ends = |at: u64| at + f.lasts.unwrap().nanos();
            if let When::At(at) = f.when {
                assert!(
                    ends(at.nanos()) + 1_000_000_000 < s.duration.nanos(),
                    "seed {seed}"
                );
            }
        }
        assert!((1..=8).contains(&s.faults.len()), "seed {seed}");
        assert!(s.datapath.fence != FencePolicy::None);
        carried(&s, seed);
        hosts += u64::from(s.host.count > 1);
        one_server += u64::from(s.array.parallel == 1);
        no_patience += u64::from(s.datapath.queue_for.nanos() < 1_000_000_000);
        strict += u64::from(!envelope::io_may_fail(&envelope::reasons(&s)));
    }
    assert_eq!(kinds.len(), 21, "{kinds:?}");
    assert!(
        hosts > 200 && one_server > 300 && no_patience > 200,
        "{hosts} {one_server} {no_patience}"
    );
    assert!(strict > 400, "only {strict} of 1000 seeds forbid errors");
}

#[test]
fn hosts_never_write_the_same_blocks() {
    for seed in 0..1_000 {
        let s = drawn(seed, Profile::Swarm);
        for (i, a) in s.workloads.iter().enumerate() {
            for b in &s.workloads[..i] {
                let apart = a.offset + a.span <= b.offset || b.offset + b.span <= a.offset;
                assert!(
                    a.host == b.host || a.volume != b.volume || apart,
                    "seed {seed}"
                );
            }
        }
    }
}

#[test]
fn minimal_texts_of_drawn_scenarios_read_back_as_they_are() {
    for seed in 0..20 {
        let s = drawn(seed, Profile::Swarm);
        let text = minimal::to_toml(&s, Path::new("out"));
        let mut read = scenario::parse(&text, &s.file, &s.name, &[]).unwrap();
        for e in &mut read.expects {
            e.line = 0;
        }
        assert_eq!(read, s, "seed {seed}");
        assert!(text.len() < scenario::to_toml(&s).len());
    }
}

/// A defect that needs one fault of one kind, some writes and two shards.
#[test]
fn a_planted_failure_in_large_scenarios_ends_small() {
    let wanted = Signature::Rule("planted".into());
    let mut done = 0;
    for seed in 0..400 {
        let s = drawn(seed, Profile::Swarm);
        let mut fails = |s: &Scenario| {
            let late = s
                .faults
                .iter()
                .any(|f| matches!(f.kind, FaultKind::Late { .. }));
            let writes = s
                .workloads
                .iter()
                .any(|w| w.read_pct + w.discard_pct + w.write_zeroes_pct < 100);
            (late && writes && s.host.shards >= 2).then(|| wanted.clone())
        };
        if s.faults.len() < 4 || fails(&s).is_none() {
            continue;
        }
        let shrunk = shrink::shrink(&s, &wanted, 2_000, &mut fails);
        let small = &shrunk.scenario;
        assert_eq!(fails(small), Some(wanted.clone()));
        assert_eq!(
            (
                small.faults.len(),
                small.workloads.len(),
                small.volumes.len()
            ),
            (1, 1, 1)
        );
        assert_eq!(
            (small.host.count, small.host.shards, small.array.controllers),
            (1, 2, 1)
        );
        assert!(small.expects.is_empty());
        let text = minimal::to_toml(small, Path::new("out"));
        assert!(text.lines().count() <= 24, "{text}");
        done += 1;
        if done == 5 {
            return;
        }
    }
    panic!("only {done} seeds have the fault");
}

#[test]
fn the_tries_are_bounded_and_the_failure_never_changes() {
    let s = drawn(3, Profile::Swarm);
    let wanted = Signature::Rule("a".into());
    let mut asked = 0;
    let shrunk = shrink::shrink(&s, &wanted, 50, &mut |s| {
        asked += 1;
        // Without its faults it fails in another way.
        Some(Signature::Rule(
            if s.faults.is_empty() { "b" } else { "a" }.into(),
        ))
    });
    assert!(asked <= 50 && shrunk.tries == asked);
    assert!(!shrunk.scenario.faults.is_empty());
}
