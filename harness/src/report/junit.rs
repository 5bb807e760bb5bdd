//! JUnit: one suite for each scenario, one case for each expectation and group of rules, whatever the number of seeds.
//!
//! So a dashboard sees the same cases from run to run; which seeds failed stands in the failure's text.

use super::baseline::shown;
use super::human;
use super::model::Verdict;
use super::outcome::is_liveness;
use super::outcome::{Group, Outcome};
use quick_junit::{NonSuccessKind, Report, TestCase, TestCaseStatus, TestSuite};
use std::time::Duration;

/// Failing seeds in a case's text.
const SHOWN: usize = 10;

#[derive(Debug)]
pub struct Junit {
    report: Report,
}

impl Default for Junit {
    fn default() -> Self {
        Junit {
            report: Report::new("harness"),
        }
    }
}

/// What a case is about: the type of its failure and what it says of a run, if the run fails it.
type Judge<'j> = &'j dyn Fn(&Outcome) -> Option<String>;

impl Junit {
    pub fn add(&mut self, group: &Group) {
        let mut suite = TestSuite::new(group.name.as_str());
        let wall: u64 = group.runs.iter().map(|r| r.report.wall_ns).sum();
        suite.set_time(Duration::from_nanos(wall));
        let seeds: Vec<String> = group
            .runs
            .iter()
            .map(|r| r.report.seed.to_string())
            .collect();
        suite.add_property(("file", group.file.as_str()));
        suite.add_property(("seeds", span(&seeds).as_str()));
        if let Some(run) = group.runs.first() {
            suite.add_property(("policy", run.report.policy.as_str()));
            suite.add_property(("fidelity", run.report.fidelity.as_str()));
        }
        if group.verdict() == Verdict::Skip {
            let reason = group
                .runs
                .first()
                .and_then(|r| r.report.skip_reason.as_deref());
            let mut status = TestCaseStatus::skipped();
            status.set_message(reason.unwrap_or("skipped"));
            suite.add_test_case(named(group, "runs", status));
            self.report.add_test_suite(suite);
            return;
        }
        suite.add_test_case(case(group, "runs", "run", &|r| {
            r.note
                .clone()
                .or_else(|| r.broken.map(|code| format!("exit {code}")))
        }));
        let rules = |liveness: bool| {
            move |r: &Outcome| {
                let broken: Vec<String> = r
                    .broken_rules()
                    .filter(|(rule, _)| is_liveness(rule) == liveness)
                    .map(|(rule, n)| format!("{rule}: {}", human::plural(n as usize, "violation")))
                    .collect();
                let first = r.report.first_violation.as_ref();
                let first = first.filter(|v| is_liveness(&v.rule) == liveness);
                let first =
                    first.map(|v| format!("first at {} s: {}", human::moment(v.at_ns), v.text));
                (!broken.is_empty()).then(|| {
                    broken
                        .into_iter()
                        .chain(first)
                        .collect::<Vec<_>>()
                        .join("; ")
                })
            }
        };
        suite.add_test_case(case(group, "safety rules", "safety", &rules(false)));
        suite.add_test_case(case(group, "liveness rules", "liveness", &rules(true)));
        let expectations = group
            .runs
            .iter()
            .map(|r| &r.report.expectations)
            .max_by_key(|e| e.len());
        for (i, e) in expectations.into_iter().flatten().enumerate() {
            let sometimes = if e.sometimes { "sometimes " } else { "" };
            let name = format!("{sometimes}{} ({})", e.metric, e.window);
            suite.add_test_case(case(group, &name, "expectation", &|r| {
                r.missed()
                    .find(|(j, _)| *j == i)
                    .map(|(_, e)| format!("actual {}", human::actual(e)))
            }));
        }
        if group.runs.iter().any(|r| !r.worse.is_empty()) {
            suite.add_test_case(case(group, "baseline", "baseline", &|r| {
                let worse = r.worse.iter();
                let worse: Vec<String> = worse
                    .map(|w| {
                        let (actual, limit) =
                            (shown(&w.metric, w.actual), shown(&w.metric, w.limit));
                        format!("{} is {actual}, limit {limit}", w.metric)
                    })
                    .collect();
                (!worse.is_empty()).then(|| worse.join("; "))
            }));
        }
        if group.runs.iter().any(|r| r.differs.is_some()) {
            suite.add_test_case(case(group, "determinism", "determinism", &|r| {
                r.differs.clone()
            }));
        }
        self.report.add_test_suite(suite);
    }

    pub fn write(&mut self, wall_ns: u64) -> Result<String, String> {
        self.report.set_time(Duration::from_nanos(wall_ns));
        self.report.to_string().map_err(|e| e.to_string())
    }
}

fn span(seeds: &[String]) -> String {
    match seeds {
        [] => String::new(),
        [one] => one.clone(),
        [first, .., last] => format!("{first}..{last}"),
    }
}

fn named(group: &Group, name: &str, status: TestCaseStatus) -> TestCase {
    let mut case = TestCase::new(name, status);
    case.set_classname(group.name.as_str());
    case
}

fn case(group: &Group, name: &str, kind: &str, judge: Judge<'_>) -> TestCase {
    let failing: Vec<(&Outcome, String)> = group
        .runs
        .iter()
        .filter_map(|r| Some((r, judge(r)?)))
        .collect();
    let Some((first, what)) = failing.first() else {
        return named(group, name, TestCaseStatus::success());
    };
    let expected = failing
        .iter()
        .all(|(r, _)| r.report.verdict == Verdict::Expected);
    let mut status = if expected {
        // A known gap is no failure, and no success either.
        TestCaseStatus::skipped()
    } else {
        TestCaseStatus::non_success(if first.broken == Some(1) {
            NonSuccessKind::Error
        } else {
            NonSuccessKind::Failure
        })
    };
    let why = match &first.report.expect_fail {
        Some(why) if expected => format!("expected to fail: {why}; "),
        _ => String::new(),
    };
    status.set_message(format!("{why}seed {}: {what}", first.report.seed));
    status.set_type(kind);
    let mut lines: Vec<String> = failing
        .iter()
        .take(SHOWN)
        .map(|(r, what)| format!("seed {}: {what}", r.report.seed))
        .collect();
    if failing.len() > SHOWN {
        lines.push(format!("and {} more seeds", failing.len() - SHOWN));
    }
    status.set_description(lines.join("\n"));
    let mut case = named(group, name, status);
    let repeats: Vec<&str> = failing
        .iter()
        .take(SHOWN)
        .map(|(r, _)| r.report.repro.as_str())
        .collect();
    case.set_system_out(format!("repeat: {}", repeats.join("\nrepeat: ")));
    case
}
