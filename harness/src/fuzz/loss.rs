//! What a run injected and what came of it: connections lost by the kind of fault that is to blame, daemons killed.
//!
//! A loss is blamed on the youngest fault that was on its path, or had been until a second before: a silence is noticed
//! after it has ended, too.

use crate::report::model::EventLine;
use crate::scenario::model::Scenario;
use crate::scenario::{kind_name, target_name, topology};
use std::collections::{BTreeMap, BTreeSet};

const BLAMED_FOR_NS: u64 = 1_000_000_000;

/// Kinds that no connection ends by.
const HARMLESS: [&str; 7] = [
    "access",
    "busy",
    "duplicate",
    "error",
    "medium",
    "resize",
    "kill",
];

struct Seen {
    text: String,
    kind: &'static str,
    paths: BTreeSet<String>,
    started_ns: Option<u64>,
    ended_ns: u64,
}

/// Losses by kind: `reset`, `drop`, …, `other` for what no fault was on, and `kill` by the number of those faults: a dead
/// daemon has no verdicts.
pub fn by_kind(s: &Scenario, events: &[EventLine]) -> BTreeMap<String, u64> {
    let mut faults = faults(s);
    let mut found = BTreeMap::new();
    for event in events {
        match event.kind.as_str() {
            "fault_start" => {
                let idle = |f: &&mut Seen| f.text == event.text && f.ended_ns != u64::MAX;
                if let Some(f) = faults.iter_mut().find(idle) {
                    (f.started_ns, f.ended_ns) = (Some(event.at_ns), u64::MAX);
                    if f.kind == "kill" {
                        *found.entry(f.kind.to_string()).or_insert(0) += 1;
                    }
                }
            }
            "fault_end" => {
                let active = |f: &&mut Seen| f.text == event.text && f.ended_ns == u64::MAX;
                if let Some(f) = faults.iter_mut().find(active) {
                    f.ended_ns = event.at_ns;
                }
            }
            "lost" => {
                let kind = event
                    .path
                    .as_ref()
                    .map_or("other", |p| blame(&faults, p, event.at_ns));
                *found.entry(kind.to_string()).or_insert(0) += 1;
            }
            _ => {}
        }
    }
    found
}

fn faults(s: &Scenario) -> Vec<Seen> {
    let names: BTreeMap<(u16, u16), String> = topology::paths(s)
        .into_iter()
        .map(|p| ((p.host, p.path.0), p.name))
        .collect();
    let of = |f: &crate::scenario::model::Fault| Seen {
        text: format!("{} on {}", kind_name(&f.kind), target_name(&f.on, s)),
        kind: kind_name(&f.kind),
        paths: topology::resolve(&f.on, s)
            .into_iter()
            .filter_map(|(host, path)| names.get(&(host, path.0)).cloned())
            .collect(),
        started_ns: None,
        ended_ns: 0,
    };
    s.faults.iter().map(of).collect()
}

fn blame(faults: &[Seen], path: &str, at_ns: u64) -> &'static str {
    let there = faults.iter().filter(|f| {
        !HARMLESS.contains(&f.kind)
            && f.paths.contains(path)
            && f.started_ns.is_some()
            && at_ns <= f.ended_ns.saturating_add(BLAMED_FOR_NS)
    });
    there
        .max_by_key(|f| f.started_ns)
        .map_or("other", |f| f.kind)
}
