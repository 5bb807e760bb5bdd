//! The rules see what they are for: each planted defect of the core and of the array is found by a rule that is named
//! here, within a number of seeds, in a scenario that breaks no rule without it.
//!
//! A rule that no defect can break proves nothing by its silence. So no rule may be without a defect here, and no
//! defect without its rule.

use datapath::core::mutant as core;
use harness::scenario::metric::RULES;
use harness::scenario::{Scenario, draw, parse};
use harness::world::{Options, Planted, run};
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

const CALM: &str = r#"
[[workload]]
read = 50
block = "512B..4KiB"
span = "64KiB"
depth = 16
"#;

const TWO_VOLUMES: &str = r#"
[array]
access = "symmetric"
[[volume]]
name = "vol0"
[[volume]]
name = "vol1"
[[workload]]
volume = "vol0"
read = 50
span = "1MiB"
depth = 8
[[workload]]
volume = "vol1"
read = 50
span = "1MiB"
depth = 8
"#;

const SWAPPED: &str = r#"
[[volume]]
name = "vol0"
[[volume]]
name = "vol1"
[[workload]]
volume = "vol0"
read = 50
span = "1MiB"
depth = 8
[[fault]]
at = "100ms"
for = "100ms"
on = "all"
do = "swap"
volume = "vol0"
with = "vol1"
"#;

const CRASH: &str = r#"
[[workload]]
read = 30
span = "4MiB"
depth = 16
flush_every = 50
[[fault]]
at = "100ms..200ms"
for = "100ms"
on = "controller:A"
do = "crash"
takeover = "50ms"
"#;

const VOLATILE_CRASH: &str = r#"
[array]
cache = "volatile"
[[workload]]
read = 30
fua = 20
span = "4MiB"
depth = 16
flush_every = 200
[[fault]]
at = "100ms..200ms"
for = "100ms"
on = "controller:A"
do = "crash"
takeover = "50ms"
"#;

/// Two hosts write what a crash takes, and both flush now and then.
const TWO_HOSTS_LOSE: &str = r#"
[array]
cache = "volatile"
[host]
count = 2
[[workload]]
read = 30
span = "4MiB"
depth = 16
flush_every = 200
[[workload]]
host = 1
read = 30
span = "4MiB"
offset = "16MiB"
depth = 16
flush_every = 200
[[fault]]
at = "100ms..200ms"
for = "100ms"
on = "controller:A"
do = "crash"
takeover = "50ms"
"#;

/// Commands that the array holds back outlive the path that they came over: everything on it, from a moment before it falls silent.
const GHOSTS: &str = r#"
[[workload]]
read = 20
block = "512B..4KiB"
span = "64KiB"
depth = 16
[[fault]]
at = "99ms"
for = "60ms"
on = "path:h0-A0"
do = "late"
after = "60ms..150ms"
[[fault]]
at = "100ms"
for = "100ms"
on = "path:h0-A0"
do = "drop_answers"
"#;

/// Commands are held for less than their path is given before it is suspect: reads are sent a second time, nothing is lost.
const HELD_FOR_A_MOMENT: &str = r#"
[[workload]]
read = 50
block = "512B..4KiB"
span = "64KiB"
depth = 16
[[fault]]
at = "100ms"
for = "100ms"
on = "path:h0-A0"
do = "late"
share = 5
after = "5ms..15ms"
"#;

/// The same, where the array proves nothing: some execute while they are feared, and some never may.
const GHOSTS_IN_TIME: &str = r#"
duration = "800ms"
[array]
fence = "time"
cqt = "200ms"
[datapath]
quiesce = "300ms"
[[workload]]
read = 20
block = "512B..4KiB"
span = "64KiB"
depth = 16
[[fault]]
at = "99ms"
for = "60ms"
on = "path:h0-A0"
do = "late"
after = "60ms..500ms"
[[fault]]
at = "100ms"
for = "100ms"
on = "path:h0-A0"
do = "drop_answers"
"#;

/// One shard learns late what the other has lost.
const GHOSTS_BEHIND_LAG: &str = r#"
duration = "800ms"
[array]
fence = "time"
cqt = "200ms"
[datapath]
quiesce = "300ms"
[[workload]]
read = 0
span = "32KiB"
depth = 16
[[fault]]
at = "99ms"
for = "60ms"
on = "path:h0-A0"
do = "late"
after = "60ms..200ms"
[[fault]]
at = "100ms"
for = "100ms"
on = "path:h0-A0"
do = "drop_answers"
[[fault]]
at = "105ms"
for = "200ms"
on = "shard:1"
do = "lag"
"#;

/// Writes over each other are under way on several paths, and all of them are slow.
const GHOSTS_ENTANGLED: &str = r#"
duration = "800ms"
[array]
fence = "time"
cqt = "200ms"
[datapath]
quiesce = "300ms"
policy = "round_robin"
[[workload]]
read = 0
span = "64KiB"
depth = 16
[[fault]]
at = "99ms"
for = "60ms"
on = "controller:A"
do = "late"
after = "20ms..200ms"
[[fault]]
at = "110ms"
for = "100ms"
on = "path:h0-A0"
do = "reset"
"#;

/// Nothing is lost but discards.
const GHOSTS_OF_DISCARDS: &str = r#"
[[workload]]
read = 20
discard = 50
write_zeroes = 30
block = "512B..4KiB"
span = "64KiB"
depth = 16
[[fault]]
at = "99ms"
for = "60ms"
on = "path:h0-A0"
do = "late"
after = "60ms..150ms"
[[fault]]
at = "100ms"
for = "100ms"
on = "path:h0-A0"
do = "drop_answers"
"#;

const TWO_CACHES: &str = r#"
[array]
access = "symmetric"
cache = "volatile"
[[workload]]
read = 30
span = "4MiB"
depth = 16
flush_every = 50
[[fault]]
at = "100ms..200ms"
for = "100ms"
on = "controller:A"
do = "crash"
takeover = "50ms"
"#;

/// There is one path, and it comes back at once.
const GHOSTS_OF_ONE_PATH: &str = r#"
[array]
controllers = 1
ports = 1
fabrics = 1
[host]
ports = 1
[[workload]]
read = 20
block = "512B..4KiB"
span = "64KiB"
depth = 16
[[fault]]
at = "100ms"
for = "11ms"
on = "path:h0-A0"
do = "late"
after = "60ms..150ms"
[[fault]]
at = "110ms"
for = "1ms"
on = "path:h0-A0"
do = "reset"
"#;

/// Writes fail for want of a path while they are still in the array.
const GHOSTS_OF_FAILED_WRITES: &str = r#"
duration = "800ms"
[array]
fence = "time"
cqt = "300ms"
[datapath]
quiesce = "400ms"
no_path = { queue_for = "50ms" }
[[workload]]
read = 20
block = "512B..4KiB"
span = "64KiB"
depth = 16
[[fault]]
at = "100ms"
for = "40ms"
on = "all"
do = "late"
after = "200ms..300ms"
[[fault]]
at = "140ms"
for = "100ms"
on = "all"
do = "reset"
"#;

const RETRY_THEN_CRASH: &str = r#"
[array]
cache = "volatile"
[[workload]]
read = 0
fua = 100
span = "64MiB"
depth = 16
[[fault]]
at = "100ms"
for = "100ms"
on = "path:h0-A0"
do = "reset"
[[fault]]
at = "110ms"
for = "100ms"
on = "controller:A"
do = "crash"
takeover = "50ms"
"#;

const READ_ONLY: &str = r#"
[[volume]]
name = "vol0"
[[volume]]
name = "vol1"
[[workload]]
volume = "vol1"
read = 100
"#;

/// Ghosts on a hot spot that nothing ends but time, and a shard that hears late what its sibling says.
const IN_DOUBT: &str = r#"
[array]
fence = "time"
cqt = "100ms"
[datapath]
quiesce = "200ms"
[[workload]]
read = 20
block = "512B..4KiB"
span = "1MiB"
depth = 16
[[fault]]
at = "100ms"
for = "60ms"
on = "path:h0-A0"
do = "late"
after = "40ms..100ms"
[[fault]]
at = "105ms"
for = "95ms"
on = "path:h0-A0"
do = "drop_answers"
[[fault]]
at = "120ms..140ms"
for = "30ms"
on = "shard:1"
do = "lag"
"#;

/// The same where nearly every write overlaps another that is under way.
const ENTANGLED: &str = r#"
[array]
fence = "time"
cqt = "100ms"
[datapath]
quiesce = "200ms"
[[workload]]
read = 20
block = "512B..4KiB"
span = "16KiB"
depth = 16
[[fault]]
at = "100ms"
for = "60ms"
on = "path:h0-A0"
do = "late"
after = "40ms..100ms"
[[fault]]
at = "105ms"
for = "95ms"
on = "path:h0-A0"
do = "drop_answers"
"#;

const KILLED: &str = r#"
[[workload]]
read = 20
block = "512B..4KiB"
span = "64KiB"
depth = 16
[[fault]]
at = "100ms"
for = "40ms"
on = "all"
do = "late"
after = "60ms..150ms"
[[fault]]
at = "130ms"
for = "20ms"
on = "datapath"
do = "kill"
"#;

const BROKEN: &str = r#"
[datapath]
policy = "round_robin"
[[workload]]
read = 50
block = "512B..4KiB"
span = "64KiB"
depth = 16
[[fault]]
at = "100ms..150ms"
for = "200ms"
on = "any 1 of optimized"
do = "reset"
"#;

const ALL_BROKEN: &str = r#"
[[workload]]
read = 50
block = "512B..4KiB"
span = "64KiB"
depth = 16
[[fault]]
at = "100ms..150ms"
for = "50ms"
on = "all"
do = "reset"
"#;

const SILENT: &str = r#"
[[workload]]
read = 50
block = "512B..4KiB"
span = "64KiB"
depth = 16
[[fault]]
at = "100ms..150ms"
for = "100ms"
on = "any 1 of optimized"
do = "drop"
"#;

/// The same, where no read is sent again before its path is lost.
const SILENT_ONCE: &str = r#"
[datapath]
hedge = 0
[[workload]]
read = 50
block = "512B..4KiB"
span = "64KiB"
depth = 16
[[fault]]
at = "100ms..150ms"
for = "100ms"
on = "any 1 of optimized"
do = "drop"
"#;

const FLAPPING: &str = r#"
[[workload]]
depth = 4
[[fault]]
at = "50ms"
on = "path:h0-A0"
do = "flap"
period = "150ms"
down = 20
"#;

const REMOVED: &str = r#"
[[workload]]
depth = 16
[[fault]]
at = "100ms..150ms"
on = "any 1 of optimized"
do = "remove_path"
"#;

const INACCESSIBLE: &str = r#"
[[workload]]
depth = 16
[[fault]]
at = "100ms..150ms"
for = "100ms"
on = "controller:A"
do = "access"
state = "inaccessible"
"#;

const DUPLICATES: &str = r#"
[[workload]]
read = 50
block = "512B..4KiB"
span = "64KiB"
depth = 16
[[fault]]
at = "50ms"
on = "all"
do = "duplicate"
share = 30
"#;

const MEDIUM_ERRORS: &str = r#"
[[workload]]
depth = 16
[[fault]]
at = "50ms"
on = "all"
do = "error"
status = "nvme:0x281"
share = 10
"#;

const INTERNAL_ERRORS: &str = r#"
[[workload]]
depth = 16
[[fault]]
at = "50ms"
on = "all"
do = "error"
status = "nvme:0x006"
"#;

const ACCESS_ERRORS: &str = r#"
[[workload]]
depth = 64
[[fault]]
at = "50ms"
on = "all"
do = "error"
status = "nvme:0x302"
share = 20
"#;

const LARGE: &str = r#"
[[workload]]
read = 30
block = "2MiB..4MiB"
span = "64MiB"
depth = 4
"#;

const LARGE_ERRORS: &str = r#"
[[workload]]
read = 30
block = "2MiB..4MiB"
span = "64MiB"
depth = 4
[[fault]]
at = "50ms"
on = "all"
do = "error"
status = "nvme:0x280"
share = 30
"#;

/// Writes of several commands and flushes, and a crash that takes some of the former.
const LARGE_OVER_A_LOSS: &str = r#"
duration = "150ms"
[array]
access = "symmetric"
cache = "volatile"
service = { write = "500us", parallel = 4 }
[host]
shards = 4
[link]
rate = "100Gbit/s"
[[workload]]
read = 0
block = "1MiB..4MiB"
span = "8MiB"
depth = 8
flush_every = 2
[[fault]]
at = "50ms..60ms"
on = "controller:B"
do = "crash"
"#;

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
        core(C::ReleasesOnSuspicion, "buffer_reuse", SILENT),
        core(C::RemovesWithoutDrain, "stuck_io", REMOVED),
        core(C::ForgetsPredecessor, "ghost_write", KILLED),
        core(C::ResendsBeforeNoted, "ghost_write", IN_DOUBT),
        core(C::CompletesEntangled, "ghost_write", ENTANGLED),
        core(C::SiblingForgetsRange, "ghost_write", IN_DOUBT),
        core(C::BarsNothing, "ghost_write", IN_DOUBT),
        core(C::HedgesWrites, "ghost_write", HELD_FOR_A_MOMENT),
        core(C::BelievesLoser, "buffer_reuse", HELD_FOR_A_MOMENT),
        core(C::FreesLoser, "buffer_reuse", HELD_FOR_A_MOMENT),
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

/// The rules that a run breaks, with the first one's text.
fn broken(scenario: &Scenario, seed: u64, planted: Planted) -> (Vec<(String, u64)>, String) {
    let options = Options {
        planted,
        ..Options::default()
    };
    let report = run(&draw(scenario, seed), seed, options, &mut |_| {}).expect("a run");
    let rules = report.rules.into_iter().filter(|(_, n)| *n > 0).collect();
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
    let found: BTreeSet<&str> = cases.iter().map(|c| c.rule).collect();
    assert_eq!(found, BTreeSet::from(RULES));
}
