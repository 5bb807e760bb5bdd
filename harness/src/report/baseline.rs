//! Baselines: the headline metrics of a scenario as they were, with what each may lose.
//!
//! A simulation gives the same figures for the same build, so a tolerance is for legal changes of the code, which shift
//! draws: 10 % by default, and a floor below which a difference means nothing. Both stand in the file, for people to
//! edit; writing a baseline anew keeps them. Better than the baseline is never an error.

use super::human;
use super::outcome::{Outcome, Worse};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Better {
    Lower,
    Higher,
}

/// One metric as it was.
#[derive(Clone, Copy, PartialEq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    pub value: f64,
    pub better: Better,
    /// It may be worse by this part of the value …
    pub rel_tol: f64,
    /// … or by this much, whichever is more.
    pub abs_tol: f64,
}

impl Entry {
    /// The worst value that is still accepted.
    pub fn limit(&self) -> f64 {
        let room = (self.value * self.rel_tol).abs().max(self.abs_tol);
        match self.better {
            Better::Lower => self.value + room,
            Better::Higher => self.value - room,
        }
    }

    pub fn accepts(&self, actual: f64) -> bool {
        match self.better {
            Better::Lower => actual <= self.limit(),
            Better::Higher => actual >= self.limit(),
        }
    }
}

/// The metrics of one seed and policy.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Recorded {
    pub seed: u64,
    pub policy: String,
    pub metrics: BTreeMap<String, Entry>,
}

/// A scenario's file.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Baseline {
    pub schema: u32,
    pub scenario: String,
    /// Sorted by policy and seed.
    pub runs: Vec<Recorded>,
}

/// What is recorded: key in `metrics`, which way is better, the default tolerances.
const HEADLINE: [(&str, Better, f64, f64); 9] = [
    ("app.all.max_ns", Better::Lower, 0.10, 1_000_000.0),
    ("app.all.mean_ns", Better::Lower, 0.10, 5_000.0),
    ("app.all.p99_ns", Better::Lower, 0.10, 20_000.0),
    ("app.errors", Better::Lower, 0.10, 0.0),
    ("app.iops", Better::Higher, 0.10, 10.0),
    ("app.stall_max_ns", Better::Lower, 0.10, 1_000_000.0),
    ("balance.jain", Better::Higher, 0.10, 0.01),
    ("failover.detect_max_ns", Better::Lower, 0.10, 1_000_000.0),
    (
        "failover.redispatch_max_ns",
        Better::Lower,
        0.10,
        1_000_000.0,
    ),
];

#[derive(Debug, thiserror::Error)]
#[error("{}: {what}", path.display())]
pub struct BaselineError {
    pub path: PathBuf,
    pub what: String,
    /// The file is there and is no baseline: the input's fault. Otherwise the disk's.
    pub invalid: bool,
}

/// Where a scenario's baseline stands.
pub fn file_of(folder: &Path, scenario: &str) -> PathBuf {
    folder.join(format!("{scenario}.json"))
}

/// The baseline of a scenario; `None` where there is none yet.
pub fn read(folder: &Path, scenario: &str) -> Result<Option<Baseline>, BaselineError> {
    let path = file_of(folder, scenario);
    let error = |what: String, invalid| BaselineError {
        path: path.clone(),
        what,
        invalid,
    };
    let bytes = match fs::read(&path) {
        Ok(bytes) => bytes,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(e) => return Err(error(format!("cannot be read: {e}"), false)),
    };
    let baseline: Baseline =
        serde_json::from_slice(&bytes).map_err(|e| error(format!("not a baseline: {e}"), true))?;
    if baseline.schema != 1 {
        let what = format!("schema {} is not known; known: 1", baseline.schema);
        return Err(error(what, true));
    }
    for run in &baseline.runs {
        for (name, e) in &run.metrics {
            if e.rel_tol < 0.0 || e.abs_tol < 0.0 {
                return Err(error(format!("{name}: a tolerance is negative"), true));
            }
        }
    }
    Ok(Some(baseline))
}

impl Baseline {
    fn of_run(&self, outcome: &Outcome) -> Option<&Recorded> {
        let r = &outcome.report;
        self.runs
            .iter()
            .find(|b| b.seed == r.seed && b.policy == r.policy)
    }

    /// What is worse than recorded, in the order of the names; `None` where this seed and policy are not recorded.
    pub fn judge(&self, outcome: &Outcome) -> Option<Vec<Worse>> {
        let recorded = self.of_run(outcome)?;
        let worse = recorded
            .metrics
            .iter()
            .filter_map(|(name, e)| Some((name, e, outcome.metric(name)?)))
            .filter(|(_, e, actual)| !e.accepts(*actual))
            .map(|(name, e, actual)| Worse {
                metric: name.clone(),
                baseline: e.value,
                actual,
                limit: e.limit(),
            })
            .collect();
        Some(worse)
    }
}

/// Records these runs, beside what the file has of other seeds and policies, and with the tolerances that it has.
/// The file's path is returned.
pub fn update(
    folder: &Path,
    scenario: &str,
    outcomes: &[&Outcome],
) -> Result<PathBuf, BaselineError> {
    let mut baseline = read(folder, scenario)?.unwrap_or(Baseline {
        schema: 1,
        scenario: scenario.to_string(),
        runs: Vec::new(),
    });
    for outcome in outcomes {
        let old = baseline.of_run(outcome).cloned();
        let mut metrics = BTreeMap::new();
        for (name, better, rel_tol, abs_tol) in HEADLINE {
            let Some(value) = outcome.metric(name) else {
                continue;
            };
            let kept = old.as_ref().and_then(|o| o.metrics.get(name));
            let default = Entry {
                value,
                better,
                rel_tol,
                abs_tol,
            };
            metrics.insert(
                name.to_string(),
                kept.map_or(default, |k| Entry { value, ..*k }),
            );
        }
        let r = &outcome.report;
        baseline
            .runs
            .retain(|b| b.seed != r.seed || b.policy != r.policy);
        baseline.runs.push(Recorded {
            seed: r.seed,
            policy: r.policy.clone(),
            metrics,
        });
    }
    baseline
        .runs
        .sort_by(|a, b| (&a.policy, a.seed).cmp(&(&b.policy, b.seed)));
    let path = file_of(folder, scenario);
    let error = |e: String| BaselineError {
        path: path.clone(),
        what: format!("cannot be written: {e}"),
        invalid: false,
    };
    let text = serde_json::to_string_pretty(&baseline).map_err(|e| error(e.to_string()))? + "\n";
    let new = path.with_extension(format!("json.new-{}", std::process::id()));
    fs::create_dir_all(path.parent().unwrap_or(folder))
        .and_then(|()| fs::write(&new, text))
        .and_then(|()| fs::rename(&new, &path))
        .map_err(|e| error(e.to_string()))?;
    Ok(path)
}

pub fn shown(metric: &str, value: f64) -> String {
    if metric.ends_with("_ns") {
        human::time(value.max(0.0).round() as u64)
    } else {
        human::amount(value)
    }
}

/// The table of a failure.
pub fn table(worse: &[Worse], lead: &str) -> String {
    let width = worse
        .iter()
        .map(|w| w.metric.len())
        .max()
        .unwrap_or(0)
        .max(6);
    let mut out = format!(
        "{lead}{:<width$}  {:>10}  {:>10}  {:>10}\n",
        "metric", "baseline", "actual", "limit"
    );
    for w in worse {
        out += &format!(
            "{lead}{:<width$}  {:>10}  {:>10}  {:>10}\n",
            w.metric,
            shown(&w.metric, w.baseline),
            shown(&w.metric, w.actual),
            shown(&w.metric, w.limit)
        );
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(value: f64, better: Better, rel_tol: f64, abs_tol: f64) -> Entry {
        Entry {
            value,
            better,
            rel_tol,
            abs_tol,
        }
    }

    #[test]
    fn worse_is_beyond_the_larger_tolerance_in_the_bad_direction() {
        let p99 = entry(100_000.0, Better::Lower, 0.10, 20_000.0);
        assert!(p99.accepts(120_000.0) && !p99.accepts(120_001.0) && p99.accepts(1.0));
        let iops = entry(1_000.0, Better::Higher, 0.10, 10.0);
        assert!(iops.accepts(900.0) && !iops.accepts(899.0) && iops.accepts(5_000.0));
        let errors = entry(0.0, Better::Lower, 0.10, 0.0);
        assert!(errors.accepts(0.0) && !errors.accepts(1.0));
    }
}
