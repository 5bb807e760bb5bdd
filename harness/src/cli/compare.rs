//! `harness compare`: the same scenarios under several policies.
//!
//! Expectations are not judged here: they are written for the scenario's own policy, and a weaker one is compared, not
//! convicted. Rules are, because no policy may break them. The contract's `best` column needs static splits, which come
//! with the oracle.

use super::execute::{Runner, Setting};
use super::judge::Tally;
use super::progress::Progress;
use super::repro::Given;
use super::run::{seeds, threads, write_file};
use super::{Stop, Streams, args, gather, pool, target};
use crate::report::compare::{self, Column, matrix};
use crate::report::human;
use crate::report::outcome::Outcome;
use crate::scenario::policy::{self, Choice};
use crate::scenario::{self, Scenario};
use crate::world::Options;
use std::collections::BTreeMap;
use std::ops::ControlFlow;

fn policies(names: &[String]) -> Result<Vec<Choice>, Stop> {
    let mut chosen = Vec::new();
    for name in names {
        let more = match name.trim() {
            "all" => {
                let all = policy::plain_names().into_iter();
                all.map(|(_, policy)| Choice::from(policy)).collect()
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
    Ok(chosen)
}

/// Scenario, policy, seed: the order of the output.
struct Job {
    scenario: usize,
    policy: usize,
    seed: u64,
}

pub fn run(
    args: &args::Compare,
    runner: &dyn Runner,
    streams: &mut Streams<'_>,
) -> Result<i32, Stop> {
    target::supported(&args.what.target, args.what.fidelity)?;
    let policies = policies(&args.policies)?;
    let names: Vec<String> = policies.iter().map(Choice::to_string).collect();
    let all = gather::scenarios(&args.what.paths, &args.what.sets, false, streams)?;
    let variants: Vec<Vec<Scenario>> = all
        .iter()
        .map(|s| {
            let with = |policy: &Choice| {
                let mut s = s.clone();
                policy.apply(&mut s.datapath);
                // A known gap of the default is not one of every policy, and what fails is not judged.
                s.expect_fail = None;
                s.expects.clear();
                s
            };
            policies.iter().map(with).collect()
        })
        .collect();
    let mut jobs = Vec::new();
    for (i, s) in all.iter().enumerate() {
        for policy in 0..policies.len() {
            let seeds = seeds(&args.what, s).into_iter();
            jobs.extend(seeds.map(|seed| Job {
                scenario: i,
                policy,
                seed,
            }));
        }
    }
    let progress = Progress::new(jobs.len(), streams.progress);
    let mut columns: Vec<Column> = Vec::new();
    let mut pending: Vec<Outcome> = Vec::new();
    let mut finished: Vec<Column> = Vec::new();
    let mut tally = Tally::default();
    let mut trouble: Vec<(bool, String)> = Vec::new();
    let mut stop = None;
    pool::in_order(
        jobs.len(),
        threads(args.what.jobs),
        |job| {
            let Job {
                scenario,
                policy,
                seed,
            } = jobs[job];
            let setting = Setting {
                runner,
                progress: &progress,
                options: Options::default(),
                given: Given {
                    policy: Some(&names[policy]),
                    sets: &args.what.sets,
                    twice: false,
                    target: &[],
                },
                out: None,
                baselines: BTreeMap::new(),
            };
            setting.execute(&variants[scenario][policy], seed)
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
            let Job {
                scenario, policy, ..
            } = jobs[job];
            let next = jobs.get(job + 1).map(|j| (j.scenario, j.policy));
            if next == Some((scenario, policy)) {
                return ControlFlow::Continue(());
            }
            let s = &all[scenario];
            columns.push(Column::of(&s.name, &names[policy], &pending));
            pending.clear();
            if next.is_some_and(|(next, _)| next == scenario) {
                return ControlFlow::Continue(());
            }
            compare::mark(&mut columns);
            let written = progress.suspended(|| print(args, s, &columns, streams));
            finished.append(&mut columns);
            match written {
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
            human::plural(policies.len(), "policy").replace("policys", "policies"),
            human::plural(jobs.len(), "run"),
        ];
        writeln!(streams.out, " {}   * best of its row", counts.join(", "))?;
    }
    streams.out.flush()?;
    Ok(tally.exit())
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
