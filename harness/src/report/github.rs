//! Annotations for GitHub, at the line of the expectation that failed.
//!
//! A step shows ten errors at most, so nine are given and the tenth says how many more there are.

use super::baseline::shown;
use super::human;
use super::outcome::{Group, Outcome};
use super::terminal::Totals;
use crate::scenario::Diagnostic;

const SHOWN: usize = 9;

#[derive(Clone, Debug, Default)]
pub struct Annotations {
    lines: Vec<String>,
    left_out: usize,
}

/// As GitHub wants a message written.
fn escaped(text: &str) -> String {
    text.replace('%', "%25")
        .replace('\r', "%0D")
        .replace('\n', "%0A")
}

/// As GitHub wants a property written.
fn property(text: &str) -> String {
    escaped(text).replace(':', "%3A").replace(',', "%2C")
}

impl Annotations {
    fn push(&mut self, file: &str, line: usize, title: &str, message: &str) {
        if self.lines.len() >= SHOWN {
            self.left_out += 1;
            return;
        }
        let at = if line > 0 {
            format!(",line={line}")
        } else {
            String::new()
        };
        self.lines.push(format!(
            "::error file={}{at},title={}::{}",
            property(file),
            property(title),
            escaped(message)
        ));
    }

    /// One annotation for each reason of a scenario, however many seeds have it.
    pub fn add(&mut self, group: &Group) {
        let mut said = std::collections::BTreeSet::new();
        let failed: Vec<&Outcome> = group.runs.iter().filter(|r| r.failed()).collect();
        for outcome in failed {
            for (line, what) in reasons(outcome) {
                let key = (line, what.split('\u{1f}').next().unwrap_or("").to_string());
                if !said.insert(key) {
                    continue;
                }
                let what = what.replace('\u{1f}', "");
                let message = format!(
                    "{what} (seed {}, policy {})\nrepeat: {}",
                    outcome.report.seed, outcome.report.policy, outcome.report.repro
                );
                self.push(&group.file, line, &group.name, &message);
            }
        }
    }

    pub fn invalid(&mut self, findings: &[Diagnostic]) {
        for d in findings {
            let title = "invalid scenario";
            self.push(&d.file.to_string_lossy(), d.line, title, &d.to_string());
        }
    }

    pub fn write(&self) -> String {
        let mut out = String::new();
        for line in &self.lines {
            out += line;
            out.push('\n');
        }
        if self.left_out > 0 {
            out += &format!("::error title=harness::and {} more\n", self.left_out);
        }
        out
    }
}

/// Line and sentence; what varies from seed to seed stands after a unit separator.
fn reasons(outcome: &Outcome) -> Vec<(usize, String)> {
    let r = &outcome.report;
    let mut all = Vec::new();
    for (rule, n) in outcome.broken_rules() {
        let first = r.first_violation.as_ref().filter(|v| v.rule == rule);
        let text = first.map_or_else(String::new, |v| {
            format!(", first at {} s: {}", human::moment(v.at_ns), v.text)
        });
        let times = human::plural(n as usize, "violation");
        all.push((0, format!("{rule}\u{1f}: {times}{text}")));
    }
    for (_, e) in outcome.missed() {
        let actual = human::actual(e);
        all.push((
            e.line,
            format!("{} ({})\u{1f}: actual {actual}", e.metric, e.window),
        ));
    }
    for w in &outcome.worse {
        all.push((
            0,
            format!(
                "worse than the baseline: {}\u{1f} is {}, limit {}",
                w.metric,
                shown(&w.metric, w.actual),
                shown(&w.metric, w.limit)
            ),
        ));
    }
    if let Some(differs) = &outcome.differs {
        all.push((0, format!("not deterministic\u{1f}: {differs}")));
    }
    if let Some(note) = &outcome.note {
        all.push((0, note.clone()));
    }
    all
}

/// What goes on the page of the job (`GITHUB_STEP_SUMMARY`).
pub fn step_summary(totals: &Totals, failures: &[String]) -> String {
    let mut out = format!(
        "### harness\n\n| passed | failed | expected | skipped | runs | virtual | wall |\n|--:|--:|--:|--:|--:|--:|--:|\n\
         | {} | {} | {} | {} | {} | {} | {} |\n",
        totals.passed,
        totals.failed,
        totals.expected,
        totals.skipped,
        totals.runs,
        human::time(totals.virtual_ns),
        human::time(totals.wall_ns)
    );
    if !failures.is_empty() {
        out += "\nFailures:\n\n```text\n";
        for command in failures.iter().take(100) {
            out += command;
            out.push('\n');
        }
        out += "```\n";
    }
    out
}
