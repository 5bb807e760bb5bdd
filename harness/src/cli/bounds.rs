//! Bounds for `adaptive`, relative to other policies: what `harness compare --bounds FILE` judges. An expectation of a
//! scenario says what one run must reach; a bound says where the median over the seeds must lie, seen from what others reach
//! on the same load.
//!
//! ```toml
//! [durations]                            # shorter runs than the scenario's own, where medians need no more
//! "balance/symmetric-256" = "200ms"
//!
//! [[bound]]
//! row      = "one of two paths +30 ms, depth 32"
//! scenario = "balance/far-path"
//! metric   = "app.iops"                  # over the whole run
//! at_least = "95 % of oracle"            # or at_most; of a policy, of `best_peer`, of `best`
//! # known_gap = "why"                    # does not fail; does on the day it holds
//! ```

use super::Stop;
use crate::report::compare::bounds::{Bound, Reference};
use crate::scenario::policy::policy_named;
use crate::scenario::quantity::{self, Unit};
use protocol::Duration;
use std::collections::BTreeMap;
use std::path::Path;
use toml_edit::{DocumentMut, Table};

pub struct Bounds {
    pub bounds: Vec<Bound>,
    pub durations: BTreeMap<String, Duration>,
}

pub fn load(file: &Path) -> Result<Bounds, Stop> {
    let wrong = |why: String| Stop::usage(format!("{}: {why}", file.display()));
    let text = std::fs::read_to_string(file).map_err(|e| wrong(format!("cannot read it: {e}")))?;
    read(&text).map_err(wrong)
}

fn read(text: &str) -> Result<Bounds, String> {
    let root: DocumentMut = text.parse().map_err(|e| format!("not TOML: {e}"))?;
    for (key, _) in root.iter() {
        if !["bound", "durations"].contains(&key) {
            return Err(format!("unknown key '{key}'; allowed: bound, durations"));
        }
    }
    let mut durations = BTreeMap::new();
    if let Some(given) = root.get("durations") {
        let given = given.as_table().ok_or("durations is no table")?;
        for (scenario, value) in given {
            let text = value
                .as_str()
                .ok_or("a duration is a text such as \"200ms\"")?;
            let ns = quantity::parse(text, Unit::Time)
                .map_err(|e| format!("duration of {scenario}: {}", e.message))?;
            durations.insert(scenario.to_string(), Duration(ns));
        }
    }
    let listed = root.get("bound").and_then(|b| b.as_array_of_tables());
    let listed = listed.ok_or("no [[bound]] in it")?;
    let bounds = listed
        .iter()
        .enumerate()
        .map(|(n, t)| bound(t).map_err(|why| format!("bound {}: {why}", n + 1)))
        .collect::<Result<_, _>>()?;
    Ok(Bounds { bounds, durations })
}

fn bound(t: &Table) -> Result<Bound, String> {
    const KEYS: [&str; 6] = [
        "row",
        "scenario",
        "metric",
        "at_least",
        "at_most",
        "known_gap",
    ];
    for (key, _) in t {
        if !KEYS.contains(&key) {
            let allowed = KEYS.join(", ");
            return Err(format!("unknown key '{key}'; allowed: {allowed}"));
        }
    }
    let optional = |key: &str| match t.get(key).map(|v| v.as_str()) {
        None => Ok(None),
        Some(Some(text)) => Ok(Some(text.to_string())),
        Some(None) => Err(format!("{key} is no text")),
    };
    let needed = |key: &str| optional(key)?.ok_or(format!("{key} is missing"));
    let (at_least, limit) = match (optional("at_least")?, optional("at_most")?) {
        (Some(limit), None) => (true, limit),
        (None, Some(limit)) => (false, limit),
        _ => return Err("needs one of at_least and at_most".into()),
    };
    let said = || format!("'{limit}': expected such as '95 % of oracle'");
    let (percent, of) = limit.split_once("% of ").ok_or_else(said)?;
    let percent: f64 = percent.trim().parse().map_err(|_| said())?;
    if !(percent.is_finite() && percent > 0.0) {
        return Err(said());
    }
    let of = match of.trim() {
        "best" => Reference::Best,
        "best_peer" => Reference::BestPeer,
        name => Reference::Policy(policy_named(name)?.to_string()),
    };
    Ok(Bound {
        row: needed("row")?,
        scenario: needed("scenario")?,
        metric: needed("metric")?,
        at_least,
        percent,
        of,
        known_gap: optional("known_gap")?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "[durations]\n\"a/b\" = \"200ms\"\n[[bound]]\nrow = \"r\"\nscenario = \"a/b\"\nmetric = \"app.iops\"\nat_least = \"95 % of oracle\"\n";

    #[test]
    fn a_bound_is_read() {
        let got = read(GOOD).unwrap();
        assert_eq!(got.durations["a/b"], Duration::from_millis(200));
        let b = &got.bounds[0];
        assert_eq!((b.percent, b.at_least), (95.0, true));
        assert_eq!(b.of, Reference::Policy("oracle".into()));
    }

    #[test]
    fn what_is_wrong_is_said() {
        for (from, to, why) in [
            ("95 % of oracle", "95 of oracle", "expected such as"),
            ("95 % of oracle", "-1 % of oracle", "expected such as"),
            ("oracle", "orakle", "did you mean 'oracle'"),
            ("at_least", "least", "unknown key 'least'"),
            ("row = \"r\"\n", "", "row is missing"),
            ("\"app.iops\"", "7", "metric is no text"),
            ("200ms", "200", "duration of a/b"),
            ("[[bound]]", "[[bond]]", "unknown key 'bond'"),
        ] {
            let said = read(&GOOD.replace(from, to)).err().unwrap_or_default();
            assert!(said.contains(why), "{to}: {said}");
        }
    }
}
