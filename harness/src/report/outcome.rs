//! A run with its judgement, and the runs of a scenario together: what every report writer is given.

use super::model::{ExpectResult, RunReport, Value, Verdict};
use serde::Serialize;

/// A metric that is worse than its baseline allows.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct Worse {
    pub metric: String,
    pub baseline: f64,
    pub actual: f64,
    pub limit: f64,
}

/// One run, judged. Serialises as the report with what the command adds.
#[derive(Clone, Debug, Serialize)]
pub struct Outcome {
    #[serde(flatten)]
    pub report: RunReport,
    /// Why the run failed, where neither a rule nor an expectation says so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    #[serde(rename = "baseline", skip_serializing_if = "Vec::is_empty")]
    pub worse: Vec<Worse>,
    /// The run could not be carried out: 1 (a defect of ours) or 2 (the input's fault). `note` says why.
    #[serde(skip)]
    pub broken: Option<i32>,
    /// The second run of the same seed differed: where.
    #[serde(skip)]
    pub differs: Option<String>,
    /// The run's folder, once it is written.
    #[serde(skip)]
    pub folder: Option<String>,
    /// The timeline of a failure, drawn before its events were given up.
    #[serde(skip)]
    pub lanes: Vec<String>,
    /// Indices of the `sometimes` expectations that held in no seed of the run.
    #[serde(skip)]
    pub never: Vec<usize>,
}

impl Outcome {
    pub fn of(report: RunReport) -> Outcome {
        Outcome {
            report,
            note: None,
            worse: Vec::new(),
            broken: None,
            differs: None,
            folder: None,
            lanes: Vec::new(),
            never: Vec::new(),
        }
    }

    /// Gives up what only the run's folder needs: many seeds would fill the memory with it.
    pub fn shed(&mut self) {
        if self.failed() {
            self.lanes = super::lanes::draw(&self.report);
        }
        self.report.events = Vec::new();
        self.report.around = Vec::new();
        self.report.timeline = Vec::new();
    }

    pub fn failed(&self) -> bool {
        self.report.verdict == Verdict::Fail
    }

    /// Whether the run was carried out.
    pub fn ran(&self) -> bool {
        self.broken.is_none() && self.report.verdict != Verdict::Skip
    }

    pub fn metric(&self, key: &str) -> Option<f64> {
        self.report.metrics.get(key).map(|v| match v {
            Value::Int(n) => *n as f64,
            Value::Float(x) => *x,
        })
    }

    pub fn whole(&self, key: &str) -> u64 {
        self.metric(key).map_or(0, |v| v.max(0.0).round() as u64)
    }

    /// Rules that were broken, with how often, in the order of their names.
    pub fn broken_rules(&self) -> impl Iterator<Item = (&str, u64)> {
        self.report
            .rules
            .iter()
            .filter(|(_, n)| **n > 0)
            .map(|(rule, n)| (rule.as_str(), *n))
    }

    /// The expectations that failed, with their indices: a `sometimes` fails with the other seeds' help only.
    pub fn missed(&self) -> impl Iterator<Item = (usize, &ExpectResult)> {
        let failed = |(i, e): &(usize, &ExpectResult)| {
            if e.sometimes {
                self.never.contains(i)
            } else {
                !e.ok
            }
        };
        self.report.expectations.iter().enumerate().filter(failed)
    }

    /// The object of a `--json` line and of `report.json`.
    pub fn json(&self) -> String {
        // A report holds texts, numbers and lists: nothing that JSON cannot say.
        serde_json::to_string(self).unwrap_or_else(|e| format!("{{\"error\":\"{e}\"}}"))
    }
}

/// Every run of one scenario under one policy, in the order of the seeds.
#[derive(Clone, Debug)]
pub struct Group {
    /// The name that reports and folders use.
    pub name: String,
    pub title: String,
    pub why: String,
    pub file: String,
    pub runs: Vec<Outcome>,
    /// What should be said of it although it is no failure.
    pub notices: Vec<String>,
}

impl Group {
    /// The worst verdict among the runs.
    pub fn verdict(&self) -> Verdict {
        let any = |v: Verdict| self.runs.iter().any(|r| r.report.verdict == v);
        if any(Verdict::Fail) {
            Verdict::Fail
        } else if any(Verdict::Expected) {
            Verdict::Expected
        } else if !self.runs.is_empty()
            && self.runs.iter().all(|r| r.report.verdict == Verdict::Skip)
        {
            Verdict::Skip
        } else {
            Verdict::Pass
        }
    }

    /// The area of a scenario is the folder that it stands in.
    pub fn area(&self) -> &str {
        self.name.rsplit_once('/').map_or("", |(area, _)| area)
    }

    pub fn short_name(&self) -> &str {
        self.name.rsplit_once('/').map_or(&self.name, |(_, n)| n)
    }
}

/// The median of what is there; of an even number the mean of the middle two.
pub fn median(values: impl IntoIterator<Item = f64>) -> Option<f64> {
    let mut values: Vec<f64> = values.into_iter().filter(|v| v.is_finite()).collect();
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    match values.len() {
        0 => None,
        n if n % 2 == 1 => Some(values[middle]),
        _ => Some((values[middle - 1] + values[middle]) / 2.0),
    }
}

/// The rules whose breach means that something does not end (exit 11); all others are about safety (exit 10).
pub fn is_liveness(rule: &str) -> bool {
    matches!(rule, "stuck_io" | "livelock")
}
