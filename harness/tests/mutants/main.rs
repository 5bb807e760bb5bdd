//! The rules see what they are for: each planted defect of the core and of the array is found by a rule that is named
//! here, within a number of seeds, in a scenario that breaks no rule without it.
//!
//! A rule that no defect can break proves nothing by its silence. So no rule may be without a defect here, and no
//! defect without its rule.

mod scenarios;

use datapath::core::mutant as core;
use harness::scenario::metric::RULES;
use harness::scenario::{Scenario, draw, parse};
use harness::world::{Options, Planted, run};
use scenarios::*;
use simarray::mutant as array;
use std::collections::BTreeSet;
use std::path::Path;

/// How many seeds a defect may stay hidden.
const SEEDS: u64 = 8;
/// The scenario without the defect runs at least this often.
const CLEAN_SEEDS: u64 = 3;

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Mutant {
    Core(core::Mutant),
    Array(array::Mutant),
}

impl std::fmt::Display for Mutant {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Mutant::Core(mutant) => write!(f, "core:{mutant:?}"),
            Mutant::Array(mutant) => write!(f, "array:{mutant:?}"),
        }
    }
}

/// What finds a defect: a rule, or, where nothing is unsafe, an expectation of its scenario.
struct Case {
    mutant: Mutant,
    rule: &'static str,
    scenario: &'static str,
}

const fn core(mutant: core::Mutant, rule: &'static str, scenario: &'static str) -> Case {
    let mutant = Mutant::Core(mutant);
    Case {
        mutant,
        rule,
        scenario,
    }
}

const fn array(mutant: array::Mutant, rule: &'static str, scenario: &'static str) -> Case {
    let mutant = Mutant::Array(mutant);
    Case {
        mutant,
        rule,
        scenario,
    }
}

// Few blocks and many writes, so that a wrong order shows.

fn cases() -> Vec<Case> {
    use array::Mutant as A;
    use core::Mutant as C;
    vec![
        core(C::NoGenerationCheck, "stale_read", DUPLICATES),
        core(C::RetriesFatal, "retried_fatal", MEDIUM_ERRORS),
        core(C::RetriesWithoutLimit, "bound_exceeded", INTERNAL_ERRORS),
        core(C::SwallowsFlushError, "lost_write", VOLATILE_CRASH),
        core(C::RewritesNothing, "lost_write", LARGE_OVER_A_LOSS),
        core(C::KeepsFailureToItself, "lost_write", LARGE_OVER_A_LOSS),
        core(C::MisaddressesVolume, "wrong_volume", READ_ONLY),
        core(C::SplitsWithoutOffset, "stale_read", LARGE),
        core(C::DropsFuaOnRetry, "lost_write", RETRY_THEN_CRASH),
        core(C::FlushesNothing, "lost_write", VOLATILE_CRASH),
        core(C::SlotLeak, "leak", CALM),
        core(C::NoFence, "ghost_write", GHOSTS),
        core(C::KeepsConnection, "buffer_reuse", SILENT_ONCE),
        core(C::ForgetsReads, "stuck_io", BROKEN),
        core(C::BelievesLostWrites, "lost_write", BROKEN),
        core(C::FailsWithoutDoubt, "ghost_write", GHOSTS),
        core(C::TrustsReconnect, "ghost_write", GHOSTS_OF_ONE_PATH),
        core(C::FearsNothing, "ghost_write", GHOSTS_IN_TIME),
        core(C::SendsBeforeNoted, "ghost_write", GHOSTS_BEHIND_LAG),
        core(C::EntangledAlone, "ghost_write", GHOSTS_ENTANGLED),
        core(C::ForgetsAnswered, "stuck_io", GHOSTS),
        core(C::NeverTellsClosed, "stuck_io", GHOSTS_OF_FAILED_WRITES),
        core(C::ReconnectsAtOnce, "bound_exceeded", BROKEN),
        core(C::AsksWithoutPause, "bound_exceeded", ACCESS_ERRORS),
        core(C::UsesRemovedPath, "inaccessible_dispatch", REMOVED),
        core(C::NoIdentityCheck, "wrong_volume", SWAPPED),
        core(C::StaleCandidates, "inaccessible_dispatch", INACCESSIBLE),
        core(C::IgnoresAccess, "inaccessible_dispatch", INACCESSIBLE),
        core(C::LostWakeup, "stuck_io", ALL_BROKEN),
        core(C::CounterLeak, "leak", CALM),
        core(C::DoubleCompletion, "duplicate_completion", LARGE_ERRORS),
        core(C::CompletesWithFirstPiece, "lost_write", LARGE),
        core(C::LastPieceWins, "lost_write", LARGE_ERRORS),
        core(C::SpinsWithoutPath, "livelock", ALL_BROKEN),
        core(C::FailbackWithoutProbation, "illegal_transition", FLAPPING),
        core(C::FailbackUnreported, "illegal_transition", FLAPPING),
        core(C::UntoldLoss, "illegal_transition", BROKEN),
        core(C::FencesWritesOnly, "ghost_write", GHOSTS_OF_DISCARDS),
        core(C::FencesWrongEpoch, "stuck_io", BROKEN),
        core(C::IgnoresBroken, "illegal_transition", BROKEN),
        core(C::RemovesWithoutDrain, "stuck_io", REMOVED),
        core(C::ForgetsPredecessor, "ghost_write", KILLED),
        core(C::ResendsBeforeNoted, "ghost_write", IN_DOUBT),
        core(C::CompletesEntangled, "ghost_write", ENTANGLED),
        core(C::SiblingForgetsRange, "ghost_write", IN_DOUBT),
        core(C::BarsNothing, "ghost_write", IN_DOUBT),
        core(C::OverflowsTable, "ghost_write", FULL_TABLE),
        core(
            C::RoundsDeadline,
            "no_path.fails_after_max <= 301ms",
            NO_PATH_FOR_LONG,
        ),
        core(C::CountsOwnLag, "failover.detect_max < 100ms", SLOW_SHARD),
        core(C::TakesStallForLoss, "failover.count == 0", STALLED),
        core(
            C::HedgesWithoutBudget,
            "hedge.issued < 700",
            SILENT_UNDER_LOAD,
        ),
        core(C::BlamesPathForMedium, "path.flips == 0", MEDIUM_RANGE),
        core(C::ProbesFirstVolumeOnly, "wrong_volume", SWAPPED_SILENTLY),
        core(C::TrustsIdlePaths, "path.h0-B0.errors == 0", IDLE_ERRORS),
        core(C::ReadsThroughShadows, "stale_read", SHADOWED_GHOSTS),
        core(C::ShowsBeforeNoted, "stale_read", SHADOWED_GHOSTS),
        core(C::DropsUnwritten, "lost_write", SHADOWED_GHOSTS),
        core(C::SettlesInCache, "lost_write", SHADOWED_CRASH),
        core(C::LosesPathForOne, "failover.count == 0", SWALLOWED),
        core(C::ForgetsStray, "buffer_reuse", SWALLOWED),
        core(C::TrustsStray, "ghost_write", SWALLOWED_HOT),
        core(C::HedgesWrites, "ghost_write", HELD_FOR_A_MOMENT),
        core(C::BelievesLoser, "buffer_reuse", HELD_FOR_A_MOMENT),
        core(C::ForgetsAdoption, "stale_read", HELD_FOR_A_MOMENT),
        array(A::TearsWrites, "torn_write", CALM),
        array(A::TearsReads, "torn_write", CALM),
        array(A::LiesAboutFlush, "lost_write", VOLATILE_CRASH),
        array(A::FlushesOneCache, "lost_write", TWO_CACHES),
        array(A::HidesLoss, "stale_read", VOLATILE_CRASH),
        array(A::IgnoresFua, "lost_write", VOLATILE_CRASH),
        array(A::HushesUpLoss, "lost_write", VOLATILE_CRASH),
        array(A::TellsOneHost, "lost_write", TWO_HOSTS_LOSE),
        array(A::LosesMirror, "lost_write", CRASH),
        array(A::ReadsOtherVolume, "wrong_volume", TWO_VOLUMES),
        array(A::WritesOtherVolume, "wrong_volume", TWO_VOLUMES),
        array(A::ForgesIdentity, "wrong_volume", SWAPPED),
        array(A::LiesAboutFence, "ghost_write", GHOSTS),
        array(A::NeverQuiesces, "ghost_write", GHOSTS_IN_TIME),
        array(A::DropsUpdates, "stale_read", CALM),
        array(A::ReadsNextBlock, "stale_read", CALM),
        array(A::AcksOnArrival, "lost_write", CALM),
        array(A::ForgetsWrites, "lost_write", CALM),
        array(A::DestagesTwice, "ghost_write", CALM),
    ]
}

fn scenario(text: &str) -> Scenario {
    let duration = if text.contains("duration") {
        ""
    } else {
        "duration = \"400ms\"\n"
    };
    let text = format!("[scenario]\ntitle = \"a planted defect\"\n{duration}{text}");
    parse(&text, Path::new("mutant.toml"), "mutant", &[]).unwrap_or_else(|e| panic!("{e:?}"))
}

/// The rules and expectations that a run breaks, with the first violation's text.
fn broken(scenario: &Scenario, seed: u64, planted: Planted) -> (Vec<(String, u64)>, String) {
    let options = Options {
        planted,
        ..Options::default()
    };
    let report = run(&draw(scenario, seed), seed, options, &mut |_| {}).expect("a run");
    let rules = report.rules.into_iter().filter(|(_, n)| *n > 0);
    let failed = report.expectations.into_iter().filter(|e| !e.ok);
    let rules = rules.chain(failed.map(|e| (e.metric, 1))).collect();
    let first = report.first_violation.map(|v| v.text).unwrap_or_default();
    (rules, first)
}

fn kill(case: &Case) -> Result<(), String> {
    let planted = match case.mutant {
        Mutant::Core(mutant) => Planted {
            core: core::Planted {
                mutant: Some(mutant),
            },
            ..Planted::default()
        },
        Mutant::Array(mutant) => Planted {
            array: array::Planted {
                mutant: Some(mutant),
            },
            ..Planted::default()
        },
    };
    let scenario = scenario(case.scenario);
    let mut seen = BTreeSet::new();
    let killed_at = (1..=SEEDS).find(|seed| {
        let (rules, _) = broken(&scenario, *seed, planted);
        let killed = rules.iter().any(|(rule, _)| rule == case.rule);
        seen.extend(rules.into_iter().map(|(rule, _)| rule));
        killed
    });
    let Some(killed_at) = killed_at else {
        return Err(format!(
            "MUTANT {} survived {SEEDS} seeds: {} never fired, only {seen:?} did",
            case.mutant, case.rule
        ));
    };
    println!(
        "MUTANT {} killed by {} at seed {killed_at}",
        case.mutant, case.rule
    );
    for seed in 1..=killed_at.max(CLEAN_SEEDS) {
        let (rules, first) = broken(&scenario, seed, Planted::default());
        if !rules.is_empty() {
            return Err(format!(
                "MUTANT {}: without it seed {seed} breaks {rules:?} all the same: {first}",
                case.mutant
            ));
        }
    }
    Ok(())
}

fn kill_all(of: impl Fn(&Mutant) -> bool) {
    let cases = cases();
    let errors: Vec<String> = cases
        .iter()
        .filter(|case| of(&case.mutant))
        .filter_map(|case| kill(case).err())
        .collect();
    assert!(errors.is_empty(), "{}", errors.join("\n"));
}

#[test]
fn every_defect_of_the_core_is_found_by_its_rule() {
    kill_all(|m| matches!(m, Mutant::Core(_)));
}

#[test]
fn every_defect_of_the_array_is_found_by_its_rule() {
    kill_all(|m| matches!(m, Mutant::Array(_)));
}

#[test]
fn no_defect_is_without_a_rule_and_no_rule_without_a_defect() {
    let cases = cases();
    let planted: BTreeSet<Mutant> = cases.iter().map(|c| c.mutant).collect();
    let cores = core::Mutant::ALL.iter().map(|m| Mutant::Core(*m));
    let arrays = array::Mutant::ALL.iter().map(|m| Mutant::Array(*m));
    let all: BTreeSet<Mutant> = cores.chain(arrays).collect();
    assert_eq!(planted, all);
    let of_rules = cases
        .iter()
        .map(|c| c.rule)
        .filter(|rule| !rule.contains(' '));
    let found: BTreeSet<&str> = of_rules.collect();
    assert_eq!(found, BTreeSet::from(RULES));
}
