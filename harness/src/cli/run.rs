//! `harness run`.

use super::args::{self, What};
use super::execute::{Runner, Setting};
use super::judge::{self, Tally};
use super::progress::Progress;
use super::repro::Given;
use super::{INTERNAL, Stop, Streams, gather, pool, target};
use crate::report::baseline::{self, BaselineError};
use crate::report::github::{self, Annotations};
use crate::report::junit::Junit;
use crate::report::model::Verdict;
use crate::report::outcome::{Group, Outcome};
use crate::report::style::Style;
use crate::report::terminal::{self, Totals};
use crate::report::{detail, failure, folder};
use crate::scenario::{self, Scenario};
use crate::world::Options;
use std::collections::BTreeMap;
use std::io::Write;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

/// Where baselines stand if nothing else is said.
const BASELINES: &str = "results/baseline";

/// The seeds of a scenario, as the command line asks.
pub(super) fn seeds(what: &What, s: &Scenario) -> Vec<u64> {
    match (what.seed, what.seeds) {
        (Some(seed), _) => vec![seed],
        (None, Some(seeds)) => seeds.iter().collect(),
        (None, None) => vec![s.seed],
    }
}

pub(super) fn threads(jobs: Option<u16>) -> usize {
    jobs.map_or_else(
        || std::thread::available_parallelism().map_or(1, usize::from),
        usize::from,
    )
}

impl From<BaselineError> for Stop {
    fn from(e: BaselineError) -> Stop {
        if e.invalid {
            Stop::usage(e.to_string())
        } else {
            Stop::internal(e.to_string())
        }
    }
}

pub fn run(args: &args::Run, runner: &dyn Runner, streams: &mut Streams<'_>) -> Result<i32, Stop> {
    let real = target::real(args)?;
    let runner = match &real {
        Some(real) => real,
        None => runner,
    };
    let words = target::words(args);
    let policy = match &args.policy {
        Some(name) => Some(scenario::policy_named(name).map_err(Stop::usage)?),
        None => None,
    };
    if args.update_baseline && !args.what.sets.is_empty() {
        return Err(Stop::usage(
            "--update-baseline with --set: a baseline is of the scenario as it stands in its file",
        ));
    }
    let mut all = gather::scenarios(&args.what.paths, &args.what.sets, args.github, streams)?;
    if let Some(policy) = &policy {
        for s in &mut all {
            policy.apply(&mut s.datapath);
        }
    }
    let name = policy.map(|p| p.to_string());
    let baselines = baselines(args, &all)?;
    let jobs: Vec<(usize, u64)> = all
        .iter()
        .enumerate()
        .flat_map(|(i, s)| seeds(&args.what, s).into_iter().map(move |seed| (i, seed)))
        .collect();
    let progress = Progress::new(
        jobs.len() * if args.twice { 2 } else { 1 },
        streams.progress,
    );
    let setting = Setting {
        runner,
        progress: &progress,
        options: Options {
            events_io: args.events.is_some(),
            #[cfg(feature = "mutants")]
            planted: Default::default(),
            ..Options::default()
        },
        given: Given {
            policy: name.as_deref(),
            sets: &args.what.sets,
            twice: args.twice,
            target: &words,
        },
        out: Some(&args.out),
        baselines,
    };
    let begun = std::time::Instant::now(); // determinism: the summary's wall time, for people
    let mut session = Session::new(args, all.len() == 1);
    let mut stop = None;
    let mut pending: Vec<Outcome> = Vec::new();
    pool::in_order(
        jobs.len(),
        if runner.is_real() {
            1
        } else {
            threads(args.what.jobs)
        },
        |job| setting.execute(&all[jobs[job].0], jobs[job].1),
        |job, result| {
            let done = result.and_then(|o| {
                pending.push(o);
                let (scenario, _) = jobs[job];
                if jobs.get(job + 1).is_some_and(|(next, _)| *next == scenario) {
                    return Ok(());
                }
                let mut group = Group {
                    name: all[scenario].name.clone(),
                    title: all[scenario].title.clone(),
                    why: all[scenario].why.clone(),
                    file: all[scenario].file.to_string_lossy().into_owned(),
                    runs: std::mem::take(&mut pending),
                    notices: Vec::new(),
                };
                progress.suspended(|| session.group(&mut group, &setting, streams))
            });
            match done {
                Ok(()) => ControlFlow::Continue(()),
                Err(e) => {
                    stop = Some(e);
                    ControlFlow::Break(())
                }
            }
        },
    );
    progress.finish();
    if let Some(stop) = stop {
        return Err(stop);
    }
    session.totals.wall_ns = u64::try_from(begun.elapsed().as_nanos()).unwrap_or(u64::MAX);
    session.finish(streams)
}

/// The baselines to compare with; none are read when they are to be written.
fn baselines(
    args: &args::Run,
    all: &[Scenario],
) -> Result<BTreeMap<String, baseline::Baseline>, Stop> {
    let mut found = BTreeMap::new();
    let Some(folder) = args.baseline.as_ref().filter(|_| !args.update_baseline) else {
        return Ok(found);
    };
    if !folder.is_dir() {
        return Err(Stop::usage(format!(
            "--baseline {}: no such folder; --update-baseline makes it",
            folder.display()
        )));
    }
    for s in all {
        if let Some(b) = baseline::read(folder, &s.name)? {
            found.insert(s.name.clone(), b);
        }
    }
    Ok(found)
}

/// Everything that is said and counted while scenarios come in, in order.
struct Session<'a> {
    args: &'a args::Run,
    tally: Tally,
    totals: Totals,
    junit: Junit,
    annotations: Annotations,
    /// The commands that repeat the failures.
    repeats: Vec<String>,
    /// The only scenario of this command is shown in detail.
    single: bool,
    details: String,
    recorded: Vec<PathBuf>,
}

impl<'a> Session<'a> {
    fn new(args: &'a args::Run, single: bool) -> Session<'a> {
        Session {
            args,
            tally: Tally::default(),
            totals: Totals::default(),
            junit: Junit::default(),
            annotations: Annotations::default(),
            repeats: Vec::new(),
            single,
            details: String::new(),
            recorded: Vec::new(),
        }
    }

    /// The stream that the report for people goes to: `--json` has standard output for itself.
    fn people<'s>(&self, streams: &'s mut Streams<'_>) -> (&'s mut dyn Write, Style) {
        if self.args.json {
            (&mut *streams.err, streams.err_style)
        } else {
            (&mut *streams.out, streams.out_style)
        }
    }

    /// All seeds of a scenario are there.
    fn group(
        &mut self,
        group: &mut Group,
        setting: &Setting<'_>,
        streams: &mut Streams<'_>,
    ) -> Result<(), Stop> {
        for changed in judge::group(group) {
            let outcome = &group.runs[changed];
            if let Some(path) = &outcome.folder {
                folder::rewrite_report(Path::new(path), outcome)
                    .map_err(|e| Stop::internal(e.to_string()))?;
            }
        }
        self.baseline(group, setting)?;
        if let Some(first) = group.runs.iter().find(|o| !o.report.not_judged.is_empty()) {
            let names = first.report.not_judged.join(", ");
            let notice = format!("not judged, since the target does not show it: {names}");
            group.notices.push(notice);
        }
        if self.args.json {
            for outcome in &group.runs {
                writeln!(streams.out, "{}", outcome.json())?;
            }
            streams.out.flush()?;
        }
        for outcome in &group.runs {
            self.tally.add(outcome);
            if outcome.failed() {
                self.repeats.push(outcome.report.repro.clone());
            }
        }
        self.totals.add(group);
        if self.args.junit.is_some() {
            self.junit.add(group);
        }
        if self.args.github {
            self.annotations.add(group);
        }
        let (single, quiet) = (self.single, self.args.quiet);
        let (out, style) = self.people(streams);
        out.write_all(failure::write(group, style).as_bytes())?;
        if single && !quiet {
            let shown = group
                .runs
                .iter()
                .find(|o| o.failed())
                .or(group.runs.first());
            let text = shown.map_or_else(String::new, |o| detail::write(group, o, style));
            self.details = text;
        }
        Ok(())
    }

    fn baseline(&mut self, group: &mut Group, setting: &Setting<'_>) -> Result<(), Stop> {
        let Group {
            name,
            runs,
            notices,
            ..
        } = group;
        if self.args.update_baseline {
            let folder = self
                .args
                .baseline
                .as_deref()
                .unwrap_or(Path::new(BASELINES));
            let good: Vec<&Outcome> = runs
                .iter()
                .filter(|o| o.report.verdict == Verdict::Pass)
                .collect();
            if good.len() < runs.len() {
                notices.push("runs that did not pass are not recorded as baseline".into());
            }
            if !good.is_empty() {
                self.recorded.push(baseline::update(folder, name, &good)?);
            }
        } else if let Some(folder) = &self.args.baseline {
            let ran = || runs.iter().filter(|o| o.ran());
            match setting.baselines.get(name) {
                None if ran().next().is_some() => notices.push(format!(
                    "no baseline {}; --update-baseline writes it",
                    baseline::file_of(folder, name).display()
                )),
                None => {}
                Some(b) => {
                    let without = ran().filter(|o| b.judge(o).is_none()).count();
                    if without > 0 {
                        notices.push(format!(
                            "the baseline has not the seed and policy of {}",
                            crate::report::human::plural(without, "run")
                        ));
                    }
                }
            }
        }
        Ok(())
    }

    /// What is said at the end.
    fn finish(mut self, streams: &mut Streams<'_>) -> Result<i32, Stop> {
        let plain = self.totals.passed + self.totals.failed == self.totals.lines.len();
        let with_lines = !self.single || !plain || self.totals.runs > 1;
        let (quiet, recorded) = (self.args.quiet, self.recorded.len());
        let (out, style) = self.people(streams);
        if !quiet {
            out.write_all(self.details.as_bytes())?;
            if with_lines {
                writeln!(out, "{}", terminal::lines(&self.totals, style))?;
            }
            out.write_all(terminal::notices(&self.totals, style).as_bytes())?;
        }
        let folders = self.args.out.display().to_string();
        out.write_all(terminal::summary(&self.totals, &folders, style).as_bytes())?;
        if recorded > 0 {
            let folder = self
                .args
                .baseline
                .as_deref()
                .unwrap_or(Path::new(BASELINES));
            let files = crate::report::human::plural(recorded, "file");
            writeln!(out, " baselines: {} ({files})", folder.display())?;
        }
        out.flush()?;
        if let Some(file) = &self.args.junit {
            let text = self
                .junit
                .write(self.totals.wall_ns)
                .map_err(|e| Stop::internal(format!("JUnit: {e}")))?;
            write_file(file, &text)?;
        }
        if self.args.github {
            // Both streams of a step are read by GitHub; `--json` keeps standard output for itself.
            let to = if self.args.json {
                &mut streams.err
            } else {
                &mut streams.out
            };
            to.write_all(self.annotations.write().as_bytes())?;
            to.flush()?;
            self.step_summary(streams)?;
        }
        Ok(self.tally.exit())
    }

    fn step_summary(&self, streams: &mut Streams<'_>) -> Result<(), Stop> {
        let Some(file) = std::env::var_os("GITHUB_STEP_SUMMARY").filter(|f| !f.is_empty()) else {
            return Ok(());
        };
        let text = github::step_summary(&self.totals, &self.repeats);
        let written = std::fs::File::options()
            .append(true)
            .create(true)
            .open(&file)
            .and_then(|mut f| f.write_all(text.as_bytes()));
        if let Err(e) = written {
            // The page is an extra: its loss is no reason to lose the verdict.
            let file = Path::new(&file).display();
            writeln!(streams.err, "warning: GITHUB_STEP_SUMMARY {file}: {e}")?;
        }
        Ok(())
    }
}

pub(super) fn write_file(file: &Path, text: &str) -> Result<(), Stop> {
    let failed = |e: std::io::Error| Stop {
        code: INTERNAL,
        message: format!("{}: cannot write: {e}", file.display()),
    };
    if let Some(parent) = file.parent().filter(|p| !p.as_os_str().is_empty()) {
        std::fs::create_dir_all(parent).map_err(failed)?;
    }
    std::fs::write(file, text).map_err(failed)
}
