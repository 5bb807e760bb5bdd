//! What one run (scenario × seed × policy) leaves behind, before it is printed in any form.

use serde::Serialize;
use std::collections::BTreeMap;

#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    Pass,
    Fail,
    Expected,
    Skip,
}

/// A metric's value; times are in nanoseconds and their keys end in `_ns`.
#[derive(Clone, Copy, PartialEq, Debug, Serialize)]
#[serde(untagged)]
pub enum Value {
    Int(u64),
    Float(f64),
}

#[derive(Clone, Debug, Serialize)]
pub struct ExpectResult {
    pub metric: String,
    pub window: String,
    /// `None` where there was nothing to measure (a latency over no I/O): the expectation fails.
    pub actual: Option<Value>,
    pub ok: bool,
    /// Judged over all seeds of a run: not `ok` in this one is no failure by itself.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub sometimes: bool,
    #[serde(skip)]
    pub is_time: bool,
    #[serde(skip)]
    pub line: usize,
}

#[derive(Clone, Debug, Serialize)]
pub struct Violation {
    pub rule: String,
    pub at_ns: u64,
    pub text: String,
}

#[derive(Clone, Debug, Serialize)]
pub struct PathReport {
    pub name: String,
    pub ios: u64,
    pub bytes: u64,
    pub share: f64,
    pub errors: u64,
    pub p50_ns: u64,
    pub p99_ns: u64,
}

#[derive(Clone, Debug, Serialize)]
pub struct FailoverReport {
    pub at_ns: u64,
    pub path: String,
    pub cause: String,
    pub detect_ns: u64,
    pub retried: u64,
    pub stall_ns: u64,
}

#[derive(Clone, Debug, Serialize)]
pub struct WorkloadReport {
    pub name: String,
    pub ios: u64,
    pub errors: u64,
    pub skipped_records: u64,
}

/// One line of `events.jsonl`, already in the order in which things happened.
#[derive(Clone, Debug, Serialize)]
pub struct EventLine {
    pub at_ns: u64,
    pub kind: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub text: String,
}

/// One row of `timeline.csv`, for each 10 ms of the run.
#[derive(Clone, Debug, Default)]
pub struct TimelineRow {
    pub at_ns: u64,
    pub ios: u64,
    pub errors: u64,
    pub bytes: u64,
    pub mean_ns: u64,
    pub max_ns: u64,
    pub per_path_ios: Vec<u64>,
}

#[derive(Clone, Debug, Serialize)]
pub struct RunReport {
    pub schema: u32,
    pub scenario: String,
    pub title: String,
    pub seed: u64,
    pub policy: String,
    pub fidelity: String,
    pub verdict: Verdict,
    pub exit: i32,
    pub virtual_ns: u64,
    pub wall_ns: u64,
    pub fingerprint: String,
    pub expectations: Vec<ExpectResult>,
    pub rules: BTreeMap<String, u64>,
    pub first_violation: Option<Violation>,
    pub metrics: BTreeMap<String, Value>,
    pub paths: Vec<PathReport>,
    pub failovers: Vec<FailoverReport>,
    pub workloads: Vec<WorkloadReport>,
    pub repro: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub skip_reason: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expect_fail: Option<String>,

    /// Expectations of what the target does not show.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub not_judged: Vec<String>,
    #[serde(skip)]
    pub why: String,
    /// The scenario's file, for annotations.
    #[serde(skip)]
    pub file: String,
    #[serde(skip)]
    pub events: Vec<EventLine>,
    /// The commands around the first violation, oldest first: what a timeline with a lane for each path shows.
    #[serde(skip)]
    pub around: Vec<EventLine>,
    #[serde(skip)]
    pub timeline: Vec<TimelineRow>,
}
