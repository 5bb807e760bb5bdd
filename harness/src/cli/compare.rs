//! `harness compare`: the same scenarios under several policies.
//!
//! Expectations are not judged here: they are written for the scenario's own policy, and a weaker one is compared, not
//! convicted. Rules are, because no policy may break them; and with `--bounds` what `adaptive` must reach, seen from the
//! others.

use super::bounds::{self, Bounds};
use super::execute::{Runner, Setting};
use super::judge::Tally;
use super::progress::Progress;
use super::repro::Given;
use super::run::{seeds, threads, write_file};
use super::{Stop, Streams, args, gather, pool, splits, target};
use crate::report::compare::{self, BEST, Column, matrix};
use crate::report::human;
use crate::report::outcome::Outcome;
use crate::scenario::policy::{self, Choice};
use crate::scenario::{self, Scenario};
use crate::world::Options;
use std::collections::BTreeMap;
use std::ops::ControlFlow;

/// An expectation failed; so a bound is judged.
const FAILED: i32 = 12;

/// What is measured of one scenario.
struct Plan {
    scenario: Scenario,
    /// The policies; from `shown` on those that are there for `best` alone.
    choices: Vec<Choice>,
    shown: usize,
    /// Static splits are to be searched.
    best: bool,
}

impl Plan {
    fn new(scenario: &Scenario, choices: Vec<Choice>, best: bool) -> Plan {
        let mut scenario = scenario.clone();
        // A known gap of the default is not one of every policy, and what fails is not judged.
        scenario.expect_fail = None;
        scenario.expects.clear();
        Plan {
            shown: choices.len(),
            scenario,
            choices,
            best,
        }
    }
}

/// The policies that are named, and whether `best` is among them.
fn policies(names: &[String]) -> Result<(Vec<Choice>, bool), Stop> {
    let mut chosen = Vec::new();
    let mut best = false;
    for name in names {
        let more = match name.trim() {
            "all" => {
                best = true;
                let all = policy::plain_names().into_iter();
                all.map(|(_, policy)| Choice::from(policy)).collect()
            }
            BEST => {
                best = true;
                Vec::new()
            }
            "" => return Err(Stop::usage("--policies: a name is empty")),
            name => vec![scenario::policy_named(name).map_err(Stop::usage)?],
        };
        for policy in more {
            if !chosen.contains(&policy) {
                chosen.push(policy);
            }
        }
    }
    if chosen.is_empty() {
        return Err(Stop::usage(
            "--policies: best of what? name others too, or all",
        ));
    }
    Ok((chosen, best))
}

/// Scenario, policy, seed: the order of the output.
struct Job {
    plan: usize,
    choice: usize,
    seed: u64,
}

pub fn run(
    args: &args::Compare,
    runner: &dyn Runner,
    streams: &mut Streams<'_>,
) -> Result<i32, Stop> {
    target::supported(&args.what.target, args.what.fidelity)?;
    if let Some(file) = &args.bounds {
        let bounds = bounds::load(file)?;
        return against(args, &bounds, runner, streams);
    }
    let (choices, best) = policies(&args.policies)?;
    let all = gather::scenarios(&args.what.paths, &args.what.sets, false, streams)?;
    let mut plans: Vec<Plan> = all
        .iter()
        .map(|s| Plan::new(s, choices.clone(), best))
        .collect();
    let mut finished: Vec<Column> = Vec::new();
    let (tally, runs) = measure(
        args,
        &mut plans,
        runner,
        streams,
        |plan, columns, streams| {
            let mut shown = columns[..plan.shown].to_vec();
            if plan.best {
                shown.extend(Column::best_of(&columns));
            }
            compare::mark(&mut shown);
            print(args, &plan.scenario, &shown, streams)?;
            finished.append(&mut shown);
            Ok(())
        },
    )?;
    if let Some(file) = &args.csv {
        write_file(file, &compare::csv(&finished))?;
    }
    if let Some(file) = &args.markdown {
        let titles: Vec<(&str, &str)> = all
            .iter()
            .map(|s| (s.name.as_str(), s.title.as_str()))
            .collect();
        write_file(file, &matrix::markdown(&titles, &finished))?;
    }
    if !args.json {
        let counts = [
            human::plural(all.len(), "scenario"),
            human::plural(choices.len(), "policy").replace("policys", "policies"),
            human::plural(runs, "run"),
        ];
        writeln!(
            streams.out,
            " {}   * best of its row   Δ worse than the oracle",
            counts.join(", ")
        )?;
    }
    streams.out.flush()?;
    Ok(tally.exit())
}

/// Judges bounds.
fn against(
    args: &args::Compare,
    given: &Bounds,
    runner: &dyn Runner,
    streams: &mut Streams<'_>,
) -> Result<i32, Stop> {
    use compare::bounds::{Reference, Verdict, judge, markdown, needs, table};
    let all = gather::scenarios(&args.what.paths, &args.what.sets, false, streams)?;
    let of = |s: &Scenario| {
        let name = s.name.clone();
        given.bounds.iter().filter(move |b| b.scenario == name)
    };
    let mut plans = Vec::new();
    for s in all.iter().filter(|s| of(s).next().is_some()) {
        let names: Vec<String> = of(s).flat_map(needs).collect();
        let mut named = vec!["adaptive".to_string()];
        named.extend(names);
        let (choices, _) = policies(&named)?;
        let mut plan = Plan::new(s, choices, of(s).any(|b| b.of == Reference::Best));
        if let Some(duration) = given.durations.get(&s.name) {
            plan.scenario.duration = *duration;
        }
        plans.push(plan);
    }
    if plans.is_empty() {
        return Err(Stop {
            code: super::NOTHING,
            message: "no bound is of a scenario that is here".into(),
        });
    }
    let mut judged = Vec::new();
    let (tally, runs) = measure(
        args,
        &mut plans,
        runner,
        streams,
        |plan, columns, streams| {
            let now: Vec<_> = of(&plan.scenario).map(|b| judge(b, &columns)).collect();
            write!(streams.out, "{}", table(&now, streams.out_style))?;
            streams.out.flush()?;
            judged.extend(now);
            Ok(())
        },
    )?;
    if let Some(file) = &args.markdown {
        write_file(file, &markdown(&judged))?;
    }
    let count = |v: Verdict| judged.iter().filter(|j| j.verdict == v).count();
    writeln!(
        streams.out,
        " {}: {} held, {} known gaps, {} broken   ({})",
        human::plural(judged.len(), "bound"),
        count(Verdict::Held),
        count(Verdict::Gap),
        judged.iter().filter(|j| !j.verdict.good()).count(),
        human::plural(runs, "run")
    )?;
    streams.out.flush()?;
    let bad = judged.iter().any(|j| !j.verdict.good());
    Ok(match tally.exit() {
        0 if bad => FAILED,
        code => code,
    })
}

/// Runs everything, and hands over each scenario's columns when they are complete.
fn measure<'p>(
    args: &args::Compare,
    plans: &'p mut [Plan],
    runner: &dyn Runner,
    streams: &mut Streams<'_>,
    mut done: impl FnMut(&'p Plan, Vec<Column>, &mut Streams<'_>) -> std::io::Result<()>,
) -> Result<(Tally, usize), Stop> {
    find_splits(args, plans, runner)?;
    let plans = &*plans;
    let mut jobs = Vec::new();
    for (plan, p) in plans.iter().enumerate() {
        for choice in 0..p.choices.len() {
            let seeds = seeds(&args.what, &p.scenario).into_iter();
            jobs.extend(seeds.map(|seed| Job { plan, choice, seed }));
        }
    }
    let variants: Vec<Vec<(Scenario, String)>> = plans
        .iter()
        .map(|p| {
            let with = |choice: &Choice| {
                let mut s = p.scenario.clone();
                choice.apply(&mut s.datapath);
                (s, choice.to_string())
            };
            p.choices.iter().map(with).collect()
        })
        .collect();
    let progress = Progress::new(jobs.len(), streams.progress);
    let mut columns: Vec<Column> = Vec::new();
    let mut pending: Vec<Outcome> = Vec::new();
    let mut tally = Tally::default();
    let mut trouble: Vec<(bool, String)> = Vec::new();
    let mut stop = None;
    pool::in_order(
        jobs.len(),
        threads(args.what.jobs),
        |job| {
            let Job { plan, choice, seed } = jobs[job];
            let (variant, name) = &variants[plan][choice];
            setting(args, runner, &progress, Some(name)).execute(variant, seed)
        },
        |job, result| {
            let outcome = match result {
                Ok(outcome) => outcome,
                Err(e) => {
                    stop = Some(e);
                    return ControlFlow::Break(());
                }
            };
            tally.add(&outcome);
            let r = &outcome.report;
            if let Some(why) = &outcome.note {
                trouble.push((true, format!("{why}\n   repeat: {}", r.repro)));
            } else if let Some(why) = &r.skip_reason {
                trouble.push((false, format!("{} under {}: {why}", r.scenario, r.policy)));
            }
            pending.push(outcome);
            let Job { plan, choice, .. } = jobs[job];
            let next = jobs.get(job + 1).map(|j| (j.plan, j.choice));
            if next == Some((plan, choice)) {
                return ControlFlow::Continue(());
            }
            let (s, name) = &variants[plan][choice];
            columns.push(Column::of(&s.name, name, &pending));
            pending.clear();
            if next.is_some_and(|(next, _)| next == plan) {
                return ControlFlow::Continue(());
            }
            let complete = std::mem::take(&mut columns);
            match progress.suspended(|| done(&plans[plan], complete, streams)) {
                Ok(()) => ControlFlow::Continue(()),
                Err(e) => {
                    stop = Some(e.into());
                    ControlFlow::Break(())
                }
            }
        },
    );
    progress.finish();
    if let Some(stop) = stop {
        return Err(stop);
    }
    for (bad, text) in &trouble {
        let style = streams.err_style;
        let lead = if *bad {
            style.bad("error:")
        } else {
            style.odd("skip:")
        };
        writeln!(streams.err, "{lead} {text}")?;
    }
    Ok((tally, jobs.len()))
}

/// Adds the static splits that `best` is to consider; one scenario is one job.
fn find_splits(args: &args::Compare, plans: &mut [Plan], runner: &dyn Runner) -> Result<(), Stop> {
    let wanted: Vec<usize> = (0..plans.len()).filter(|p| plans[*p].best).collect();
    let progress = Progress::new(0, false);
    let mut found = Vec::new();
    pool::in_order(
        wanted.len(),
        threads(args.what.jobs),
        |job| {
            let s = &plans[wanted[job]].scenario;
            let seed = seeds(&args.what, s).first().copied().unwrap_or(s.seed);
            splits::search(&setting(args, runner, &progress, None), s, seed)
        },
        |_, result| {
            found.push(result);
            ControlFlow::Continue(())
        },
    );
    for (plan, splits) in wanted.into_iter().zip(found) {
        let plan = &mut plans[plan];
        for split in splits? {
            if !plan.choices.contains(&split) {
                plan.choices.push(split);
            }
        }
    }
    Ok(())
}

fn setting<'s>(
    args: &'s args::Compare,
    runner: &'s dyn Runner,
    progress: &'s Progress,
    policy: Option<&'s str>,
) -> Setting<'s> {
    Setting {
        runner,
        progress,
        options: Options::default(),
        given: Given {
            policy,
            sets: &args.what.sets,
            twice: false,
            target: &[],
        },
        out: None,
        baselines: BTreeMap::new(),
    }
}

fn print(
    args: &args::Compare,
    s: &Scenario,
    columns: &[Column],
    streams: &mut Streams<'_>,
) -> std::io::Result<()> {
    if args.json {
        for column in columns {
            let line = serde_json::to_string(column).map_err(std::io::Error::other)?;
            writeln!(streams.out, "{line}")?;
        }
        return streams.out.flush();
    }
    let style = streams.out_style;
    writeln!(streams.out, "{}", compare::table(&s.title, columns, style))
}
