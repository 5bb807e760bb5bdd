//! Everything that was measured, ready to be asked: in the form that reports have.

use super::app::App;
use super::balance;
use super::events::Events;
use super::paths::PathSegment;
use super::window::{ByWindow, Lengths};
use crate::report::model::{FailoverReport, PathReport, TimelineRow, Value, WorkloadReport};
use crate::scenario::metric::{self, RULES};
use crate::scenario::model::Window;
use std::collections::BTreeMap;

/// Everything that was measured, ready to be asked.
#[derive(Debug)]
pub struct Measured {
    pub(super) names: Vec<String>,
    pub(super) lengths: Lengths,
    pub(super) app: ByWindow<App>,
    pub(super) paths: Vec<ByWindow<PathSegment>>,
    /// The paths that a balance is judged over, by window in the order of the enum.
    pub(super) sets: [Vec<bool>; 4],
    pub(super) events: ByWindow<Events>,
    pub(super) other_rules: BTreeMap<&'static str, u64>,
    pub(super) failovers: Vec<FailoverReport>,
    pub(super) workloads: Vec<WorkloadReport>,
    pub(super) timeline: Vec<TimelineRow>,
}

impl Measured {
    /// Every metric of the whole run under the name that reports have: times end in `_ns`, and what there was nothing to
    /// measure of is left out.
    pub fn flat(&self) -> BTreeMap<String, Value> {
        let mut flat = BTreeMap::new();
        for (name, measure) in metric::all(&self.names) {
            if let Some(value) = self.value(&name, Window::Whole) {
                let name = if measure.is_time() {
                    name + "_ns"
                } else {
                    name
                };
                flat.insert(name, value);
            }
        }
        for (rule, count) in &self.other_rules {
            flat.insert(format!("rules.{rule}"), Value::Int(*count));
        }
        flat
    }

    /// How often each rule was broken; every rule is there.
    pub fn rules(&self) -> BTreeMap<String, u64> {
        let counts = &self.events.of(Window::Whole).rules;
        let known = RULES.iter().copied().zip(counts.iter().copied());
        let other = self.other_rules.iter().map(|(rule, n)| (*rule, *n));
        known
            .chain(other)
            .map(|(rule, n)| (rule.to_string(), n))
            .collect()
    }

    /// Every path over the whole run; a latency over nothing is 0, and so is the share of a path outside the balance's set.
    pub fn paths(&self) -> Vec<PathReport> {
        let ios = self.path_ios(Window::Whole);
        let set = self.set(Window::Whole);
        let reports = self.names.iter().zip(&self.paths).enumerate();
        reports
            .map(|(index, (name, path))| {
                let path = path.of(Window::Whole);
                PathReport {
                    name: name.clone(),
                    ios: path.ios,
                    bytes: path.bytes,
                    share: balance::share(&ios, set, index).unwrap_or(0.0),
                    errors: path.errors,
                    p50_ns: path.latency.percentile_ns(500).unwrap_or(0),
                    p99_ns: path.latency.percentile_ns(990).unwrap_or(0),
                }
            })
            .collect()
    }

    /// In the order of their verdicts. `detect_ns` is the longest of the shards' verdicts; `stall_ns` is the stall of the
    /// applications that the first verdict fell into, from the latest completion before it to the next one.
    pub fn failovers(&self) -> Vec<FailoverReport> {
        self.failovers.clone()
    }

    pub fn workloads(&self) -> Vec<WorkloadReport> {
        self.workloads.clone()
    }

    /// Rows of 10 ms, or of 100 ms, 1 s … where a long run would have more than 20,000 of them. An application's I/O is in the
    /// row in which it completed, a path's in the one in which it was answered.
    pub fn timeline(&self) -> Vec<TimelineRow> {
        self.timeline.clone()
    }

    pub(super) fn path_ios(&self, window: Window) -> Vec<u64> {
        self.paths.iter().map(|p| p.of(window).ios).collect()
    }

    pub(super) fn set(&self, window: Window) -> &[bool] {
        &self.sets[window as usize]
    }
}
