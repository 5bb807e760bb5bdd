//! When a fault acts, on which paths, and for how long all paths of a host may be disturbed together.

use super::{AFTER_NS, FIRST_CONNECT_NS};
use crate::scenario::model::*;
use crate::scenario::topology;
use protocol::Access;
use std::collections::BTreeMap;

/// How long what a fault did outlasts it: a command that is held is missed until it is answered, or its attempt given up.
pub fn echo_ns(s: &Scenario, f: &Fault) -> u64 {
    match f.kind {
        FaultKind::Late { after, .. } => after.hi.min(s.datapath.io_timeout.nanos()),
        _ => 0,
    }
}

/// Whether the echo of a fault may last until the end: a closed loop whose I/Os are all held stands still that long.
pub fn echoes_to_the_end(s: &Scenario) -> bool {
    s.faults.iter().any(|f| {
        let echo = echo_ns(s, f);
        let ends = match f.when {
            When::At(at) => at.nanos() + f.lasts.map_or(s.duration.nanos(), |d| d.nanos()),
            When::OnEvent { .. } => s.duration.nanos(),
        };
        echo > 0 && ends.saturating_add(echo + AFTER_NS) > s.duration.nanos()
    })
}

/// When a fault acts at the earliest and at the latest.
pub(super) fn acts(s: &Scenario, f: &Fault) -> (u64, u64) {
    let end = s.duration.nanos();
    match f.when {
        When::At(at) => {
            let until = f
                .lasts
                .map_or(end, |d| at.nanos().saturating_add(d.nanos()));
            let until = until.saturating_add(echo_ns(s, f));
            (at.nanos(), until.min(end))
        }
        When::OnEvent { .. } => (0, end),
    }
}

/// The paths that may be unusable, slow or refusing because of a fault, as (host, path).
pub(super) fn disturbs(s: &Scenario, f: &Fault) -> Vec<(u16, u16)> {
    let all = || topology::paths(s).into_iter().map(|p| (p.host, p.path.0));
    let hosts = |hosts: Vec<u16>| all().filter(|(h, _)| hosts.contains(h)).collect();
    match &f.kind {
        FaultKind::Resize { .. }
        | FaultKind::Medium { .. }
        | FaultKind::Duplicate { .. }
        | FaultKind::Access {
            state: Access::Optimized | Access::NonOptimized,
            ..
        } => Vec::new(),
        // The other controllers say "transition" until one has taken over; a stalled owner stalls what is forwarded to it.
        FaultKind::Crash { .. } | FaultKind::Stall => all().collect(),
        FaultKind::Lag | FaultKind::Kill => hosts(
            topology::shards(&f.on, s)
                .into_iter()
                .map(|(host, _)| host)
                .collect(),
        ),
        _ => topology::resolve(&f.on, s)
            .into_iter()
            .map(|(host, path)| (host, path.0))
            .collect(),
    }
}

/// For how long, at most, every path of some host is disturbed together, while `needed` holds for one of the faults that
/// disturb then. `None`: never.
pub(super) fn all_disturbed_ns(s: &Scenario, needed: impl Fn(&Fault) -> bool) -> Option<u64> {
    let paths = topology::paths(s);
    let mut longest = None;
    for host in 0..s.host.count {
        let mut spans: BTreeMap<u16, Vec<(u64, u64)>> = BTreeMap::new();
        let mut marked = Vec::new();
        for p in paths.iter().filter(|p| p.host == host) {
            let always = (
                0,
                if p.present {
                    FIRST_CONNECT_NS
                } else {
                    u64::MAX
                },
            );
            spans.entry(p.path.0).or_default().push(always);
        }
        for f in &s.faults {
            let (from, to) = acts(s, f);
            let span = (from, to.saturating_add(AFTER_NS));
            let hit = disturbs(s, f);
            for (_, path) in hit.iter().filter(|(h, _)| *h == host) {
                spans.entry(*path).or_default().push(span);
            }
            if needed(f) && hit.iter().any(|(h, _)| *h == host) {
                marked.push(span);
            }
        }
        let each = spans.into_values().map(union);
        let Some(together) = each.reduce(|a, b| both(&a, &b)) else {
            continue;
        };
        let marked = union(marked);
        for (from, to) in together {
            let touches = marked.iter().any(|(a, b)| *a < to && from < *b);
            let long = to - from;
            if touches && longest.is_none_or(|l| long > l) {
                longest = Some(long);
            }
        }
    }
    longest
}

fn union(mut spans: Vec<(u64, u64)>) -> Vec<(u64, u64)> {
    spans.sort_unstable();
    let mut out: Vec<(u64, u64)> = Vec::new();
    for (from, to) in spans {
        match out.last_mut() {
            Some(last) if from <= last.1 => last.1 = last.1.max(to),
            _ => out.push((from, to)),
        }
    }
    out
}

fn both(a: &[(u64, u64)], b: &[(u64, u64)]) -> Vec<(u64, u64)> {
    let pairs = a.iter().flat_map(|x| b.iter().map(move |y| (x, y)));
    let common = pairs.map(|(x, y)| (x.0.max(y.0), x.1.min(y.1)));
    union(common.filter(|(from, to)| from < to).collect())
}
