//! Verdicts and exit codes: what a run's findings mean, alone and together with the other seeds.

use super::{INTERNAL, INVALID, NOTHING, SKIPPED};
use crate::report::model::Verdict;
use crate::report::outcome::{Group, Outcome, is_liveness};

const SAFETY: i32 = 10;
const LIVENESS: i32 = 11;
const EXPECTATION: i32 = 12;
const BASELINE: i32 = 13;
const DETERMINISM: i32 = 14;

/// The exit code that a run's own findings ask for; 0 where there is nothing wrong.
fn code(o: &Outcome) -> i32 {
    if let Some(code) = o.broken {
        return code;
    }
    let rule = |liveness| {
        o.broken_rules()
            .any(|(rule, _)| is_liveness(rule) == liveness)
    };
    // A `sometimes` is judged with the other seeds.
    let missed = o.report.expectations.iter().any(|e| !e.ok && !e.sometimes);
    [
        (rule(false), SAFETY),
        (rule(true), LIVENESS),
        (missed, EXPECTATION),
        (!o.worse.is_empty(), BASELINE),
        (o.differs.is_some(), DETERMINISM),
    ]
    .into_iter()
    .find(|(found, _)| *found)
    .map_or(0, |(_, code)| code)
}

/// Gives a run its verdict.
pub fn run(o: &mut Outcome) {
    if o.report.verdict == Verdict::Skip {
        o.report.exit = 0;
        return;
    }
    settle(o, 0);
}

/// Verdict and code from the run's own findings, and from `beside`: what the run's company found.
fn settle(o: &mut Outcome, beside: i32) {
    let code = match (code(o), beside) {
        (0, code) | (code, 0) => code,
        (a, b) => a.min(b),
    };
    let known_gap = o.report.expect_fail.is_some() && o.broken.is_none();
    (o.report.verdict, o.report.exit) = match code {
        0 => (Verdict::Pass, 0),
        // Two different runs of one seed are never a known gap: nothing else can be believed then.
        _ if known_gap && o.differs.is_none() => (Verdict::Expected, 0),
        code => (Verdict::Fail, code),
    };
}

/// What only all seeds together can say. Returns the indices of the runs whose verdict changed.
pub fn group(group: &mut Group) -> Vec<usize> {
    let before: Vec<(Verdict, i32)> = group
        .runs
        .iter()
        .map(|o| (o.report.verdict, o.report.exit))
        .collect();
    never(group);
    passes_now(group);
    (0..before.len())
        .filter(|&i| {
            let r = &group.runs[i].report;
            (r.verdict, r.exit) != before[i]
        })
        .collect()
}

/// A `sometimes` that holds in no seed has failed in each.
fn never(group: &mut Group) {
    let count = group
        .runs
        .iter()
        .map(|o| o.report.expectations.len())
        .max()
        .unwrap_or(0);
    let mut ran = group.runs.iter().filter(|o| o.ran()).peekable();
    if ran.peek().is_none() {
        return;
    }
    let all: Vec<&Outcome> = ran.collect();
    let never: Vec<usize> = (0..count)
        .filter(|&i| {
            all.iter().all(|o| {
                let e = o.report.expectations.get(i);
                e.is_some_and(|e| e.sometimes && !e.ok)
            })
        })
        .collect();
    if never.is_empty() {
        return;
    }
    for o in group.runs.iter_mut().filter(|o| o.ran()) {
        o.never.clone_from(&never);
        settle(o, EXPECTATION);
    }
}

/// A known gap that no seed shows any more is an error, so that the mark is removed.
fn passes_now(group: &mut Group) {
    let marked = |o: &Outcome| o.report.expect_fail.is_some();
    let passes = |o: &Outcome| o.report.verdict == Verdict::Pass && marked(o);
    if group.runs.is_empty() || !group.runs.iter().all(passes) {
        return;
    }
    for o in &mut group.runs {
        o.report.verdict = Verdict::Fail;
        o.report.exit = EXPECTATION;
        o.note = Some("passes now: remove expect_fail".into());
    }
}

/// The exit code of a command, from the runs that it made.
#[derive(Clone, Copy, Debug, Default)]
pub struct Tally {
    runs: usize,
    skipped: usize,
    internal: bool,
    invalid: bool,
    worst: i32,
}

impl Tally {
    pub fn add(&mut self, o: &Outcome) {
        self.runs += 1;
        match o.report.exit {
            0 => self.skipped += usize::from(o.report.verdict == Verdict::Skip),
            INTERNAL => self.internal = true,
            INVALID => self.invalid = true,
            code if self.worst == 0 => self.worst = code,
            code => self.worst = self.worst.min(code),
        }
    }

    /// An internal error comes before all, because nothing else can be trusted then; an invalid input before the
    /// verdicts, because less was judged than was asked for.
    pub fn exit(&self) -> i32 {
        if self.internal {
            INTERNAL
        } else if self.invalid {
            INVALID
        } else if self.worst != 0 {
            self.worst
        } else if self.runs == 0 {
            NOTHING
        } else if self.skipped == self.runs {
            SKIPPED
        } else {
            0
        }
    }
}
