//! One run: draw, run, judge, write its folder.

use super::guard;
use super::judge;
use super::progress::Progress;
use super::repro::{self, Given};
use super::target;
use super::{INTERNAL, INVALID, Stop};
use crate::report::baseline::Baseline;
use crate::report::folder::{self, FolderError};
use crate::report::model::{RunReport, Verdict};
use crate::report::outcome::Outcome;
use crate::scenario::{self, Scenario};
use crate::world::{Options, WorldError};
use protocol::Instant;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Carries a drawn scenario out.
pub trait Runner: Sync {
    fn run(
        &self,
        drawn: &Scenario,
        seed: u64,
        options: Options,
        progress: &mut dyn FnMut(Instant),
    ) -> Result<RunReport, WorldError>;

    /// Why this scenario cannot run here; `None` where it can.
    fn lacks(&self, s: &Scenario) -> Option<String> {
        target::lacks(s)
    }

    /// A device, where one run at a time is carried out in wall time, and nothing is repeatable.
    fn is_real(&self) -> bool {
        false
    }
}

/// The real thing.
pub struct Simulated;

impl Runner for Simulated {
    fn run(
        &self,
        drawn: &Scenario,
        seed: u64,
        options: Options,
        progress: &mut dyn FnMut(Instant),
    ) -> Result<RunReport, WorldError> {
        crate::world::run(drawn, seed, options, progress)
    }
}

impl<F> Runner for F
where
    F: Fn(&Scenario, u64) -> Result<RunReport, WorldError> + Sync,
{
    fn run(
        &self,
        drawn: &Scenario,
        seed: u64,
        _options: Options,
        _progress: &mut dyn FnMut(Instant),
    ) -> Result<RunReport, WorldError> {
        self(drawn, seed)
    }
}

/// What all runs of a command have in common.
pub struct Setting<'s> {
    pub runner: &'s dyn Runner,
    pub progress: &'s Progress,
    pub options: Options,
    pub given: Given<'s>,
    /// Where runs leave their folders; `None`: nowhere.
    pub out: Option<&'s Path>,
    /// Runs are compared with these, by the scenario's name.
    pub baselines: BTreeMap<String, Baseline>,
}

impl<'s> Setting<'s> {
    /// Runs that the command line changes nothing of, that leave no folder, and that are compared with nothing.
    pub fn plain(runner: &'s dyn Runner, progress: &'s Progress) -> Self {
        Setting {
            runner,
            progress,
            options: Options::default(),
            given: Given {
                policy: None,
                sets: &[],
                twice: false,
                target: &[],
            },
            out: None,
            baselines: BTreeMap::new(),
        }
    }

    /// The run's folder. Runs of the scenario's own policy and of one that the command line chose stand side by side.
    fn folder(&self, s: &Scenario, seed: u64) -> Option<PathBuf> {
        let name = match self.given.policy {
            Some(policy) => format!("seed-{seed}-{policy}"),
            None => format!("seed-{seed}"),
        };
        Some(self.out?.join(&s.name).join(name))
    }

    /// One run, from the draw to its folder. An error ends the command: the disk's, or a defect of the reports'.
    pub fn execute(&self, s: &Scenario, seed: u64) -> Result<Outcome, Stop> {
        let repeat = || repro::command(&s.file, seed, &self.given);
        match guard::caught(|| self.run(s, seed)) {
            Ok(Ok(outcome)) => Ok(outcome),
            Ok(Err(e)) => Err(Stop::internal(e.to_string())),
            Err(said) => Err(Stop::internal(format!(
                "internal error beside a run: {said}\n   repeat: {}",
                repeat()
            ))),
        }
    }

    fn run(&self, s: &Scenario, seed: u64) -> Result<Outcome, FolderError> {
        let lacks = self.runner.lacks(s);
        let drawn = scenario::draw(s, seed);
        let mut outcome = match lacks {
            Some(reason) => {
                let mut report = self.empty(&drawn, seed);
                report.verdict = Verdict::Skip;
                report.skip_reason = Some(reason);
                drop(self.progress.run(&s.name, s.duration));
                return Ok(Outcome::of(report));
            }
            None => self.once(&drawn, seed),
        };
        let folder = self.folder(s, seed);
        let place = folder.as_deref().unwrap_or(Path::new(""));
        if self.given.twice && outcome.broken.is_none() {
            let mut again = self.once(&drawn, seed);
            let (a, b) = (&outcome.report.fingerprint, &again.report.fingerprint);
            let prints = (a != b).then(|| format!("fingerprint: first {a}, then {b}"));
            // The wall time is the one thing that may differ.
            again.report.wall_ns = outcome.report.wall_ns;
            let bytes = folder::render(&outcome, &drawn, place)
                .difference(&folder::render(&again, &drawn, place));
            outcome.differs = match (prints, bytes) {
                (Some(prints), Some(bytes)) => Some(format!("{prints}\n{bytes}")),
                (prints, bytes) => prints.or(bytes),
            };
            judge::run(&mut outcome);
        }
        if let (Some(folder), None) = (&folder, outcome.broken) {
            folder::render(&outcome, &drawn, place).write(folder)?;
            outcome.folder = Some(folder.display().to_string());
        }
        outcome.shed();
        Ok(outcome)
    }

    /// Runs it and judges what this seed alone can say.
    pub(super) fn once(&self, drawn: &Scenario, seed: u64) -> Outcome {
        let mut progress = self.progress.run(&drawn.name, drawn.duration);
        // The clock is read for the user's sake only: it is no part of what is simulated.
        let begun = std::time::Instant::now(); // determinism: `wall_ns` only, for people
        let result = guard::caught(|| {
            self.runner
                .run(drawn, seed, self.options, &mut |now| progress.at(now))
        });
        let wall_ns = u64::try_from(begun.elapsed().as_nanos()).unwrap_or(u64::MAX);
        let mut outcome = match result {
            Ok(Ok(mut report)) => {
                self.complete(&mut report, drawn, seed);
                Outcome::of(report)
            }
            Ok(Err(e)) => self.broken(drawn, seed, INVALID, e.to_string()),
            Err(said) => self.broken(drawn, seed, INTERNAL, format!("internal error: {said}")),
        };
        outcome.report.wall_ns = wall_ns;
        if outcome.broken.is_none()
            && let Some(baseline) = self.baselines.get(&drawn.name)
        {
            outcome.worse = baseline.judge(&outcome).unwrap_or_default();
        }
        judge::run(&mut outcome);
        outcome
    }

    /// What the command knows and the run does not.
    fn complete(&self, report: &mut RunReport, drawn: &Scenario, seed: u64) {
        report.scenario.clone_from(&drawn.name);
        report.file = drawn.file.to_string_lossy().into_owned();
        report.why.clone_from(&drawn.why);
        report.expect_fail.clone_from(&drawn.expect_fail);
        report.repro = repro::command(&drawn.file, seed, &self.given);
    }

    fn empty(&self, drawn: &Scenario, seed: u64) -> RunReport {
        let mut report = RunReport {
            schema: 1,
            scenario: drawn.name.clone(),
            title: drawn.title.clone(),
            seed,
            policy: scenario::policy_name(&drawn.datapath),
            fidelity: if self.runner.is_real() {
                "target"
            } else {
                "model"
            }
            .into(),
            verdict: Verdict::Fail,
            exit: 0,
            virtual_ns: 0,
            wall_ns: 0,
            fingerprint: String::new(),
            expectations: Vec::new(),
            rules: BTreeMap::new(),
            first_violation: None,
            metrics: BTreeMap::new(),
            paths: Vec::new(),
            failovers: Vec::new(),
            workloads: Vec::new(),
            repro: String::new(),
            skip_reason: None,
            expect_fail: None,
            not_judged: Vec::new(),
            why: String::new(),
            file: String::new(),
            events: Vec::new(),
            around: Vec::new(),
            timeline: Vec::new(),
        };
        self.complete(&mut report, drawn, seed);
        report
    }

    fn broken(&self, drawn: &Scenario, seed: u64, code: i32, note: String) -> Outcome {
        let mut outcome = Outcome::of(self.empty(drawn, seed));
        outcome.broken = Some(code);
        outcome.note = Some(note);
        outcome
    }
}
