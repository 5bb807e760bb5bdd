//! Bounds relative to other policies, judged on medians over the seeds, and the table that shows each with what was measured.

use super::{Column, cell, is_reference};
use crate::report::style::Style;
use crate::scenario::model::Policy;

const JUDGED: &str = "adaptive";

#[derive(Clone, PartialEq, Debug)]
pub enum Reference {
    Policy(String),
    /// The best of all policies but the project's own.
    BestPeer,
    /// And of static splits.
    Best,
}

#[derive(Clone, PartialEq, Debug)]
pub struct Bound {
    pub row: String,
    pub scenario: String,
    pub metric: String,
    pub at_least: bool,
    pub percent: f64,
    pub of: Reference,
    /// Why it is not reached yet, where that is known.
    pub known_gap: Option<String>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Verdict {
    Held,
    Broken,
    /// Broken, as is known.
    Gap,
    /// Held, although a gap is noted.
    Closed,
    /// Something was not measured.
    Missing,
}

impl Verdict {
    pub fn good(self) -> bool {
        matches!(self, Verdict::Held | Verdict::Gap)
    }
}

/// A bound with what was measured.
#[derive(Debug)]
pub struct Judged<'b> {
    pub bound: &'b Bound,
    pub actual: Option<f64>,
    /// What it is compared with, and of whom it is.
    pub reference: Option<(f64, String)>,
    pub verdict: Verdict,
}

/// The policies that a bound needs beside the judged one; splits come with `best`.
pub fn needs(bound: &Bound) -> Vec<String> {
    let peers = || Policy::ALL.iter().map(|(name, _)| (*name).to_string());
    match &bound.of {
        Reference::Policy(name) => vec![name.clone()],
        Reference::BestPeer | Reference::Best => peers().filter(|n| n != JUDGED).collect(),
    }
}

/// `columns` are those of the bound's scenario.
pub fn judge<'b>(bound: &'b Bound, columns: &[Column]) -> Judged<'b> {
    let value = |c: &Column| {
        let time = || c.every.get(&format!("{}_ns", bound.metric));
        let value = c.every.get(&bound.metric).or_else(time).copied();
        value.filter(|_| c.rules.is_empty())
    };
    let of = |name: &str| columns.iter().find(|c| c.policy == name);
    let better = |a: f64, b: f64| if bound.at_least { a > b } else { a < b };
    let mut reference: Option<(f64, String)> = None;
    for c in columns {
        let counts = match &bound.of {
            Reference::Policy(name) => c.policy == *name,
            Reference::BestPeer => {
                let peer = Policy::ALL.iter().any(|(name, _)| c.policy == *name);
                peer && c.policy != JUDGED
            }
            Reference::Best => !is_reference(&c.policy),
        };
        if let Some(v) = value(c).filter(|_| counts)
            && reference.as_ref().is_none_or(|(best, _)| better(v, *best))
        {
            reference = Some((v, c.policy.clone()));
        }
    }
    let actual = of(JUDGED).and_then(value);
    let held = match (actual, &reference) {
        (Some(actual), Some((reference, _))) => {
            let limit = reference * bound.percent / 100.0;
            Some(actual == limit || better(actual, limit))
        }
        _ => None,
    };
    let verdict = match (held, &bound.known_gap) {
        (None, _) => Verdict::Missing,
        (Some(true), None) => Verdict::Held,
        (Some(true), Some(_)) => Verdict::Closed,
        (Some(false), None) => Verdict::Broken,
        (Some(false), Some(_)) => Verdict::Gap,
    };
    Judged {
        bound,
        actual,
        reference,
        verdict,
    }
}

fn words(j: &Judged<'_>) -> [String; 4] {
    let b = j.bound;
    let key = match b.metric.rsplit('.').next() {
        Some("iops" | "bytes_per_s" | "share" | "jain" | "ios") => b.metric.clone(),
        _ => format!("{}_ns", b.metric),
    };
    let shown = |v: f64| cell(&key, v);
    let actual = j.actual.map_or("–".into(), shown);
    let (reference, ratio) = match (&j.reference, j.actual) {
        (Some((v, name)), Some(actual)) => (
            format!("{} ({name})", shown(*v)),
            format!("{:.1} %", actual / v * 100.0),
        ),
        _ => ("–".into(), "–".into()),
    };
    let sign = if b.at_least { "≥" } else { "≤" };
    [actual, reference, ratio, format!("{sign} {} %", b.percent)]
}

pub fn table(all: &[Judged<'_>], style: Style) -> String {
    let mut out = String::new();
    for j in all {
        let [actual, reference, ratio, limit] = words(j);
        let mark = match j.verdict {
            Verdict::Held => style.good("✓"),
            Verdict::Gap => style.odd("~"),
            _ => style.bad("✗"),
        };
        let b = j.bound;
        out += &format!(
            " {mark} {:<58} {:<16} {actual:>10}   {ratio:>9} {limit:>9}  of {reference}\n",
            format!("{} [{}]", b.row, b.scenario),
            b.metric
        );
        let note = match (j.verdict, &b.known_gap) {
            (Verdict::Gap, Some(why)) => format!("known: {why}"),
            (Verdict::Closed, _) => "it holds now: remove known_gap".into(),
            (Verdict::Missing, _) => "nothing was measured".into(),
            _ => continue,
        };
        out += &format!("     {note}\n");
    }
    out
}

pub fn markdown(all: &[Judged<'_>]) -> String {
    let mut out = String::from(
        "| situation | scenario | metric | adaptive | compared with | ratio | bound | |\n",
    );
    out += "|---|---|---|---:|---:|---:|---:|---|\n";
    for j in all {
        let [actual, reference, ratio, limit] = words(j);
        let b = j.bound;
        let said = match (j.verdict, &b.known_gap) {
            (Verdict::Held, _) => "held".to_string(),
            (Verdict::Gap, Some(why)) => format!("not reached: {why}"),
            (Verdict::Missing, _) => "not measured".into(),
            (Verdict::Closed, _) => "held, against its note".into(),
            _ => "**broken**".into(),
        };
        out += &format!(
            "| {} | `{}` | `{}` | {actual} | {reference} | {ratio} | {limit} | {said} |\n",
            b.row, b.scenario, b.metric
        );
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    fn column(policy: &str, iops: f64) -> Column {
        Column {
            policy: policy.into(),
            every: BTreeMap::from([("app.iops".to_string(), iops)]),
            ..Column::default()
        }
    }

    fn bound(percent: f64, of: Reference) -> Bound {
        Bound {
            row: "r".into(),
            scenario: "s".into(),
            metric: "app.iops".into(),
            at_least: true,
            percent,
            of,
            known_gap: None,
        }
    }

    #[test]
    fn each_reference_is_the_best_of_its_kind() {
        let columns = [
            column("adaptive", 96.0),
            column("numa", 90.0),
            column("queue_depth", 95.0),
            column("static 1/3", 100.0),
            column("oracle", 110.0),
        ];
        let verdict = |percent, of| judge(&bound(percent, of), &columns).verdict;
        assert_eq!(verdict(101.0, Reference::BestPeer), Verdict::Held);
        assert_eq!(verdict(102.0, Reference::BestPeer), Verdict::Broken);
        assert_eq!(verdict(96.0, Reference::Best), Verdict::Held);
        assert_eq!(verdict(97.0, Reference::Best), Verdict::Broken);
        let oracle = || Reference::Policy("oracle".into());
        assert_eq!(verdict(87.0, oracle()), Verdict::Held);
        assert_eq!(verdict(88.0, oracle()), Verdict::Broken);
        let gap = |percent| Bound {
            known_gap: Some("why".into()),
            ..bound(percent, oracle())
        };
        assert_eq!(judge(&gap(88.0), &columns).verdict, Verdict::Gap);
        assert_eq!(judge(&gap(87.0), &columns).verdict, Verdict::Closed);
        let nobody = bound(1.0, Reference::Policy("failover".into()));
        assert_eq!(judge(&nobody, &columns).verdict, Verdict::Missing);
    }
}
