//! Policies side by side: for each scenario a column for each policy, medians over the seeds, the best of each row
//! marked.
//!
//! A best is marked only where the policies differ; where several share it, each has the mark. The references are out of
//! that contest: `oracle` knows what no host can, and `best` is, in each row, the best of all policies and static splits.

pub mod bounds;
pub mod matrix;

use super::baseline::Better;
use super::human;
use super::outcome::{Outcome, median};
use super::style::Style;
use serde::Serialize;
use std::collections::BTreeMap;

/// A row: title, key in `metrics`, which way is better.
const ROWS: [(&str, &str, Better); 10] = [
    ("throughput", "app.iops", Better::Higher),
    ("bytes/s", "app.bytes_per_s", Better::Higher),
    ("mean", "app.all.mean_ns", Better::Lower),
    ("p50", "app.all.p50_ns", Better::Lower),
    ("p99", "app.all.p99_ns", Better::Lower),
    ("p99.9", "app.all.p999_ns", Better::Lower),
    ("longest stall", "app.stall_max_ns", Better::Lower),
    ("errors", "app.errors", Better::Lower),
    ("Jain", "balance.jain", Better::Higher),
    ("share spread", "balance.spread", Better::Lower),
];

/// The rows of distances to the oracle in the terminal; JSON and CSV have those of all metrics.
const DISTANCES: [(&str, &str); 3] = [
    ("Δ throughput", "app.iops"),
    ("Δ mean", "app.all.mean_ns"),
    ("Δ p99", "app.all.p99_ns"),
];

/// One scenario under one policy: an object of `--json`.
#[derive(Clone, Default, Debug, Serialize)]
pub struct Column {
    pub schema: u32,
    pub scenario: String,
    pub policy: String,
    pub seeds: Vec<u64>,
    /// Medians over the seeds.
    pub metrics: BTreeMap<String, f64>,
    /// Where the median of all seeds lies with 95 % confidence; from six seeds on.
    pub intervals: BTreeMap<String, (f64, f64)>,
    /// How far each median is from the oracle's, as a part of that: 0.1 is 10 % worse. Without an oracle, from the best policy's.
    pub distance: BTreeMap<String, f64>,
    /// The median share of each path.
    pub shares: BTreeMap<String, f64>,
    /// Rules that were broken in any seed, and how often.
    pub rules: BTreeMap<String, u64>,
    /// The metrics in which this policy is the best.
    pub best: Vec<String>,
    /// Of `best`: whose each metric is.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub from: BTreeMap<String, String>,
    /// The median of everything that was measured.
    #[serde(skip)]
    pub every: BTreeMap<String, f64>,
}

pub const ORACLE: &str = "oracle";
pub const BEST: &str = "best";

/// Not a policy that a host could have.
pub fn is_reference(policy: &str) -> bool {
    policy == ORACLE || policy == BEST
}

impl Column {
    pub fn of(scenario: &str, policy: &str, runs: &[Outcome]) -> Column {
        let ran = || runs.iter().filter(|r| r.ran());
        let mut metrics = BTreeMap::new();
        let mut intervals = BTreeMap::new();
        for (_, key, _) in ROWS {
            let values: Vec<f64> = ran().filter_map(|r| r.metric(key)).collect();
            if let Some(interval) = interval(&values) {
                intervals.insert(key.to_string(), interval);
            }
            if let Some(median) = median(values) {
                metrics.insert(key.to_string(), median);
            }
        }
        let mut shares: BTreeMap<String, Vec<f64>> = BTreeMap::new();
        let mut rules = BTreeMap::new();
        for run in ran() {
            let ios: u64 = run.report.paths.iter().map(|p| p.ios).sum();
            for p in &run.report.paths {
                let share = p.ios as f64 / ios.max(1) as f64;
                shares.entry(p.name.clone()).or_default().push(share);
            }
            for (rule, n) in run.broken_rules() {
                *rules.entry(rule.to_string()).or_insert(0) += n;
            }
        }
        Column {
            schema: 1,
            scenario: scenario.to_string(),
            policy: policy.to_string(),
            seeds: ran().map(|r| r.report.seed).collect(),
            metrics,
            intervals,
            distance: BTreeMap::new(),
            shares: shares
                .into_iter()
                .filter_map(|(name, all)| Some((name, median(all)?)))
                .collect(),
            rules,
            best: Vec::new(),
            from: BTreeMap::new(),
            every: every(runs),
        }
    }

    /// In each row the best of `columns`, references apart.
    pub fn best_of(columns: &[Column]) -> Option<Column> {
        let mut best = Column {
            policy: BEST.into(),
            ..columns.first()?.bare()
        };
        for (_, key, better) in ROWS {
            let sound = columns.iter().filter(|c| c.rules.is_empty());
            let known = sound
                .filter(|c| !is_reference(&c.policy))
                .filter_map(|c| Some((*c.metrics.get(key)?, c)));
            let first = known.reduce(|a, b| match better {
                Better::Lower if b.0 < a.0 => b,
                Better::Higher if b.0 > a.0 => b,
                _ => a,
            });
            if let Some((value, c)) = first {
                best.metrics.insert(key.into(), value);
                best.from.insert(key.into(), c.policy.clone());
                if let Some(interval) = c.intervals.get(key) {
                    best.intervals.insert(key.into(), *interval);
                }
            }
        }
        Some(best)
    }

    fn bare(&self) -> Column {
        Column {
            schema: self.schema,
            scenario: self.scenario.clone(),
            seeds: self.seeds.clone(),
            ..Column::default()
        }
    }

    /// Half of the interval, in percent of the median.
    fn uncertainty(&self, key: &str) -> Option<f64> {
        let (low, high) = self.intervals.get(key)?;
        let median = self.metrics.get(key).filter(|m| **m > 0.0)?;
        Some((high - low) / 2.0 / median * 100.0)
    }
}

/// Medians of every metric that all runs have.
fn every(runs: &[Outcome]) -> BTreeMap<String, f64> {
    let ran: Vec<&Outcome> = runs.iter().filter(|r| r.ran()).collect();
    let Some(first) = ran.first() else {
        return BTreeMap::new();
    };
    let keys = first.report.metrics.keys();
    keys.filter_map(|key| {
        let values: Option<Vec<f64>> = ran.iter().map(|r| r.metric(key)).collect();
        Some((key.clone(), median(values?)?))
    })
    .collect()
}

/// Where the median of what was sampled lies with at least 95 % confidence, whatever the distribution: the order
/// statistics that a fair coin's `n` throws leave out with at most 2.5 % on either side.
fn interval(values: &[f64]) -> Option<(f64, f64)> {
    let mut values: Vec<f64> = values.iter().copied().filter(|v| v.is_finite()).collect();
    values.sort_by(f64::total_cmp);
    let n = values.len();
    // The chance of exactly k heads, from 2^-n on: exact but for rounding while n < 1000.
    let mut chance = 0.5f64.powi(i32::try_from(n).ok()?);
    let (mut left, mut below) = (0, 0.0);
    while below + chance <= 0.025 && left < n {
        below += chance;
        chance = chance * (n - left) as f64 / (left + 1) as f64;
        left += 1;
    }
    (left > 0).then(|| (values[left - 1], values[n - left]))
}

/// Marks the best of each row, and says how far the others are from it. What broke a rule is not the best of anything.
pub fn mark(columns: &mut [Column]) {
    for (_, key, better) in ROWS {
        let values: Vec<f64> = columns
            .iter()
            .filter(|c| c.rules.is_empty() && !is_reference(&c.policy))
            .filter_map(|c| c.metrics.get(key).copied())
            .collect();
        let least = values.iter().copied().fold(f64::INFINITY, f64::min);
        let most = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let best = match better {
            Better::Lower => least,
            Better::Higher => most,
        };
        let oracle = columns.iter().find(|c| c.policy == ORACLE);
        let oracle = oracle.and_then(|c| c.metrics.get(key)).copied();
        let from = oracle.unwrap_or(best);
        if from > 0.0 && from.is_finite() {
            for column in columns.iter_mut() {
                if let Some(value) = column.metrics.get(key) {
                    let away = match better {
                        Better::Lower => value / from - 1.0,
                        Better::Higher => 1.0 - value / from,
                    };
                    column.distance.insert(key.to_string(), away);
                }
            }
        }
        if values.len() < 2 || least == most {
            continue;
        }
        for column in columns.iter_mut() {
            let runs = column.rules.is_empty() && !is_reference(&column.policy);
            if runs && column.metrics.get(key) == Some(&best) {
                column.best.push(key.to_string());
            }
        }
    }
}

fn cell(key: &str, value: f64) -> String {
    if key.ends_with("_ns") {
        human::time(value.round() as u64)
    } else if key == "app.bytes_per_s" {
        human::bytes(value.round() as u64)
    } else if key == "app.iops" {
        human::amount(value.round())
    } else {
        human::amount(value)
    }
}

/// The table of one scenario. `columns` are of the same scenario.
pub fn table(title: &str, columns: &[Column], style: Style) -> String {
    let Some(first) = columns.first() else {
        return String::new();
    };
    let seeds = match first.seeds.as_slice() {
        [] => "no run".into(),
        [one] => format!("seed {one}"),
        many => format!("medians of {} seeds", many.len()),
    };
    let mut out = format!(" {}   {title}   ({seeds})\n", style.strong(&first.scenario));
    let widths: Vec<usize> = columns
        .iter()
        .map(|c| {
            let room = if c.intervals.is_empty() { 9 } else { 13 };
            let longest = c.from.values().map(|name| name.chars().count() + 12).max();
            c.policy.chars().count().max(room).max(longest.unwrap_or(0)) + 2
        })
        .collect();
    out += &format!("   {:<14}", "");
    for (column, width) in columns.iter().zip(&widths) {
        out += &format!("{:>width$} ", column.policy);
    }
    out = out.trim_end().to_string() + "\n";
    for (name, key, _) in ROWS {
        if columns.iter().all(|c| !c.metrics.contains_key(key)) {
            continue;
        }
        let mut row = format!("   {name:<14}");
        for (column, width) in columns.iter().zip(&widths) {
            let mut text = column
                .metrics
                .get(key)
                .map_or_else(|| "–".to_string(), |v| cell(key, *v));
            if let Some(share) = column.uncertainty(key) {
                text += &format!(" ±{share:.0}%");
            }
            if let Some(name) = column.from.get(key) {
                text += &format!(" = {name}");
            }
            let text = format!("{text:>width$}");
            let best = column.best.iter().any(|b| b == key);
            row += &if best {
                style.good(&text) + "*"
            } else {
                text + " "
            };
        }
        out += row.trim_end();
        out.push('\n');
    }
    if columns.iter().any(|c| c.policy == ORACLE) {
        for (name, key) in DISTANCES {
            let mut row = format!("   {name:<14}");
            for (column, width) in columns.iter().zip(&widths) {
                let away = column.distance.get(key).map(|d| d * 100.0);
                let text = away.map_or("–".to_string(), |d| format!("{d:.0} %"));
                row += &format!("{text:>width$} ");
            }
            out += row.trim_end();
            out.push('\n');
        }
    }
    let shares: std::collections::BTreeSet<&String> =
        columns.iter().flat_map(|c| c.shares.keys()).collect();
    for path in shares.into_iter().take(16) {
        let mut row = format!("   {:<14}", format!("share {path}"));
        for (column, width) in columns
            .iter()
            .zip(&widths)
            .filter(|(c, _)| c.from.is_empty())
        {
            let share = column.shares.get(path).copied().unwrap_or(0.0);
            row += &format!("{:>width$} ", human::percent(share));
        }
        out += row.trim_end();
        out.push('\n');
    }
    for column in columns {
        for (rule, n) in &column.rules {
            out += &format!(
                "   {} {}: {rule}, {}\n",
                style.bad("✗"),
                column.policy,
                human::plural(*n as usize, "violation")
            );
        }
    }
    out
}

/// One row for each scenario, policy and metric.
pub fn csv(columns: &[Column]) -> String {
    let quoted = |text: &str| {
        if text.contains([',', '"', '\n']) {
            format!("\"{}\"", text.replace('"', "\"\""))
        } else {
            text.to_string()
        }
    };
    let mut out = String::from("scenario,policy,seeds,metric,median,low,high,distance,best\n");
    for c in columns {
        let lead = format!("{},{},{}", quoted(&c.scenario), c.policy, c.seeds.len());
        for (metric, value) in &c.metrics {
            let best = u8::from(c.best.contains(metric));
            let (low, high) = c.intervals.get(metric).copied().unzip();
            let text = |v: Option<f64>| v.map_or(String::new(), |v| v.to_string());
            let away = text(c.distance.get(metric).copied());
            let (low, high) = (text(low), text(high));
            out += &format!("{lead},{metric},{value},{low},{high},{away},{best}\n");
        }
        for (path, share) in &c.shares {
            out += &format!("{lead},path.{path}.share,{share},,,,0\n");
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_says_how_far_each_is_from_the_oracle() {
        let column = |policy: &str, iops: f64, mean: f64| Column {
            policy: policy.into(),
            metrics: BTreeMap::from([
                ("app.iops".to_string(), iops),
                ("app.all.mean_ns".to_string(), mean),
            ]),
            ..Column::default()
        };
        let mut columns = vec![column("adaptive", 90.0, 120.0)];
        mark(&mut columns);
        let alone = table("t", &columns, Style::PLAIN);
        assert!(!alone.contains('Δ'), "{alone}");
        columns.push(column(ORACLE, 100.0, 100.0));
        mark(&mut columns);
        let both = table("t", &columns, Style::PLAIN);
        let row = |name: &str| {
            let line = both.lines().find(|l| l.trim_start().starts_with(name));
            let line = line
                .unwrap_or_default()
                .split_whitespace()
                .collect::<Vec<_>>();
            line.join(" ")
        };
        assert_eq!(row("Δ throughput"), "Δ throughput 10 % 0 %");
        assert_eq!(row("Δ mean"), "Δ mean 20 % 0 %");
        assert_eq!(row("Δ p99"), "Δ p99 – –", "{both}");
    }

    #[test]
    fn the_interval_is_that_of_the_sign_test() {
        let ordered: Vec<f64> = (1..=20).map(f64::from).collect();
        // The tables have 6th and 15th for 20, first and last for 6, and nothing for 5.
        assert_eq!(interval(&ordered), Some((6.0, 15.0)));
        assert_eq!(interval(&ordered[..6]), Some((1.0, 6.0)));
        assert_eq!(interval(&ordered[..5]), None);
        assert_eq!(interval(&[]), None);
    }
}
