//! Refuses two hosts that write the same blocks, unless their datapaths hold.
//!
//! What a lost path may still write is known to the host that lost it, and kept away from that host's own later writes. No other
//! host knows of it: it writes there, is told that all is well, and then the ghost of the first lands on its data. That is no
//! defect that a run could judge but one of the scenario, so it does not run. With `fence = "hold"` a lost write is not over
//! before its association is proven gone; hosts that take turns (a cluster's lock) are then safe.
//!
//! With `fence = "shadow"` not even a reader on another host is served right: what is kept in a host's memory no other host sees.

use super::model::*;
use super::quantity::{self, Unit};
use super::reader::{Reader, Section};

pub fn check(r: &mut Reader<'_>, tables: &[Section<'_>], s: &Scenario) {
    if s.datapath.fence == FencePolicy::Hold {
        return;
    }
    let written: Vec<Option<(u64, u64)>> = (tables.iter().zip(&s.workloads))
        .map(|(t, w)| may_write(w).then(|| area(r, t, w)))
        .collect();
    let used: Vec<(u64, u64)> = (tables.iter().zip(&s.workloads))
        .map(|(t, w)| area(r, t, w))
        .collect();
    let shadow = s.datapath.fence == FencePolicy::Shadow;
    for (i, w) in s.workloads.iter().enumerate() {
        let apart = |other: &Workload| w.host == other.host || w.volume != other.volume;
        let rival = s.workloads[..i].iter().enumerate().find_map(|(j, other)| {
            let common = both(written[i]?, written[j]?)?;
            (!apart(other)).then_some((other, common))
        });
        let reader = s.workloads.iter().enumerate().find_map(|(j, other)| {
            let common = both(written[i]?, used[j])?;
            (shadow && !apart(other) && written[j].is_none()).then_some((other, common))
        });
        if let Some((other, (from, to))) = reader {
            let t = &tables[i];
            let shown = |bytes| quantity::write(bytes, Unit::Size);
            let volume = s.volumes.get(w.volume).map_or("", |v| v.name.as_str());
            r.report(
                t.at,
                format!(
                    "host: workload '{}' of host {} reads {} to {} of volume '{volume}', which workload '{}' of host {} writes: under \
                     fence = \"shadow\" a write may be in the memory of its own host only; give each a part of its own (offset, span), or set another fence \
                     in [datapath]",
                    other.name,
                    other.host,
                    shown(from),
                    shown(to),
                    w.name,
                    w.host,
                ),
            );
        }
        if let Some((other, (from, to))) = rival {
            let t = &tables[i];
            let key = ["offset", "span", "host"].into_iter().find(|k| t.has(k));
            let volume = s.volumes.get(w.volume).map_or("", |v| v.name.as_str());
            let shown = |bytes| quantity::write(bytes, Unit::Size);
            r.report(
                key.map_or(t.at, |k| t.place(k)),
                format!(
                    "{}: workload '{}' of host {} and workload '{}' of host {} may both write {} to {} of volume '{}': a write that one host has \
                     lost may land on what the other has written since, and neither knows of the other's losses; give each a part of \
                     its own (offset, span), or set fence = \"hold\" in [datapath]",
                    key.unwrap_or("host"),
                    other.name,
                    other.host,
                    w.name,
                    w.host,
                    shown(from),
                    shown(to),
                    volume,
                ),
            );
        }
    }
}

/// What a trace writes is not known before it is read.
fn may_write(w: &Workload) -> bool {
    matches!(w.kind, Kind::Replay(_)) || w.read_pct < 100
}

/// From the first byte that any seed may draw up to and without the last.
fn area(r: &Reader<'_>, t: &Section<'_>, w: &Workload) -> (u64, u64) {
    let highest = |key: &str, low| r.highest(&format!("{}.{key}", t.key), low);
    let end = highest("offset", w.offset).saturating_add(highest("span", w.span));
    (w.offset, end)
}

fn both(a: (u64, u64), b: (u64, u64)) -> Option<(u64, u64)> {
    let (from, to) = (a.0.max(b.0), a.1.min(b.1));
    (from < to).then_some((from, to))
}
