//! A search that finds nothing proves something only if it would have found something. Each planted defect of the core and of
//! the array is searched for as `harness fuzz` does, without any scenario made for it; the number of seeds that it took
//! is printed.

use datapath::core::mutant as core;
use harness::fuzz::Profile;
use harness::fuzz::draw;
use harness::scenario::Scenario;
use harness::scenario::model::FencePolicy;
use harness::world::{Options, Planted, run};
use simarray::mutant as array;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

/// Seeds of each profile that a defect may survive.
const SEEDS: u64 = 400;
/// How many of ten defects must be found by a search of this length. The others need a race of microseconds between shards, a
/// removal in the middle of a loss, or an error on one of the commands of a large I/O; which ones these are changes with
/// every change of the draw. `mutants.rs` has a scenario for each defect.
const OF_TEN: usize = 9;
const PROFILES: [Profile; 3] = [Profile::Swarm, Profile::Ghosts, Profile::Crashes];

/// What a run with the defect found.
fn finding(s: &Scenario, seed: u64, planted: Planted) -> Option<String> {
    let options = Options {
        planted,
        ..Options::default()
    };
    let report = catch_unwind(AssertUnwindSafe(|| {
        run(s, seed, options, &mut |_| {}).expect("a run")
    }));
    let Ok(report) = report else {
        return Some("panic".into());
    };
    if let Some(v) = report.first_violation {
        return Some(v.rule);
    }
    let missed = report
        .expectations
        .into_iter()
        .find(|e| !e.ok && e.actual.is_some());
    missed.map(|e| format!("{} ({})", e.metric, e.window))
}

/// How many seeds it took, and what was found.
fn search(planted: Planted, change: impl Fn(&mut Scenario)) -> Option<(u64, String)> {
    for seed in 1..=SEEDS {
        for (i, profile) in PROFILES.into_iter().enumerate() {
            let mut s = draw::scenario(seed, profile, Path::new("fuzz.toml"));
            change(&mut s);
            if let Some(found) = finding(&s, seed, planted) {
                return Some(((seed - 1) * PROFILES.len() as u64 + i as u64 + 1, found));
            }
        }
    }
    None
}

#[test]
fn planted_defects_are_found_without_scenarios_of_their_own() {
    std::panic::set_hook(Box::new(|_| {}));
    let (mut survived, mut all) = (Vec::new(), 0);
    let mut told = |name: String, found: Option<(u64, String)>| {
        all += 1;
        match found {
            Some((seeds, what)) => println!("found {name} by {what} after {seeds} seeds"),
            None => {
                println!("survives {name}");
                survived.push(name);
            }
        }
    };
    let sound = search(Planted::default(), |_| {});
    let unsafe_fence = search(Planted::default(), |s| s.datapath.fence = FencePolicy::None);
    told("fence = none".into(), unsafe_fence);
    for mutant in core::Mutant::ALL {
        let core = core::Planted {
            mutant: Some(*mutant),
        };
        let planted = Planted {
            core,
            ..Planted::default()
        };
        told(format!("core:{mutant:?}"), search(planted, |_| {}));
    }
    for mutant in array::Mutant::ALL {
        let array = array::Planted {
            mutant: Some(*mutant),
        };
        let planted = Planted {
            array,
            ..Planted::default()
        };
        told(format!("array:{mutant:?}"), search(planted, |_| {}));
    }
    let _ = std::panic::take_hook();
    assert_eq!(sound, None, "without a defect there is nothing to find");
    let found = all - survived.len();
    println!("found {found} of {all} defects");
    assert!(found * 10 >= all * OF_TEN, "not found: {survived:?}");
}
