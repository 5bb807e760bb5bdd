//! What a scenario asks of its array and its links: loads that can never be carried, and whether everything must have completed
//! when the run has drained. What is too much fails without a defect.

use super::COMMAND_MAX_BYTES;
use super::disturbed::acts;
use crate::scenario::model::*;
use crate::scenario::topology;

/// What one I/O of a load takes away from everything else, at most: its share of the owner's servers, with a tail, or
/// of the thinnest link.
pub fn cost_ns(s: &Scenario, w: &Workload) -> u64 {
    let service = s.array.service_read.max(s.array.service_write).nanos();
    let tail = if s.array.tail == Tail::Fixed { 1 } else { 2 };
    let commands = w.block.hi.div_ceil(COMMAND_MAX_BYTES);
    let served = commands * service * tail / u64::from(s.array.parallel.max(1));
    let thinnest = s.paths.iter().filter_map(|p| p.bits_per_s).min();
    let bits_per_s = thinnest.unwrap_or(u64::MAX).min(s.link.bits_per_s).max(1);
    let sent = w.block.hi.saturating_mul(8_000_000_000) / bits_per_s;
    served.max(sent)
}

/// How long the array needs, at most, for all that an outage leaves outstanding. An attempt must have this long
/// (`io_timeout`), or nothing ever completes again: that is overload, not a defect.
pub fn backlog_ns(s: &Scenario) -> u64 {
    let of = |w: &Workload| {
        let outstanding = match w.load {
            Load::Depth(depth) => u64::from(depth),
            // At most 1,024 are in the datapath.
            Load::RateMilli(rate) => {
                (rate * (s.duration.nanos() / 1_000_000) / 1_000_000).min(1_024)
            }
        };
        (outstanding + 1) * cost_ns(s, w)
    };
    s.workloads.iter().map(of).sum()
}

/// How much of the owner's servers the probes of idle paths take, in nanoseconds a second: each shard of each host probes
/// each path ten times a second.
pub fn probes_ns(s: &Scenario) -> u64 {
    let connections = topology::paths(s).len() as u64 * u64::from(s.host.shards);
    connections * 10 * s.array.service_read.nanos() / u64::from(s.array.parallel.max(1))
}

/// Loads or probes that can never be carried, or attempts that have too little time.
pub fn overloaded(s: &Scenario) -> bool {
    too_much(s) || backlog_ns(s) > s.datapath.io_timeout.nanos()
}

/// Loads or probes that can never be carried.
pub fn too_much(s: &Scenario) -> bool {
    let asked = |w: &Workload| match w.load {
        Load::RateMilli(rate) => rate.saturating_mul(cost_ns(s, w)) / 1_000,
        Load::Depth(_) => 0,
    };
    let all: u64 = s.workloads.iter().map(asked).sum();
    all > 500_000_000 || probes_ns(s) > 200_000_000
}

/// Without a proof, writes that were held are let go all at once. What the array needs for them then keeps every path busy,
/// those of other hosts and those that carry only probes too; where that is longer than the core waits for a path that still
/// tells its access states, they are lost, and held, again: overload, which the next quiesce time may or may not end.
pub const BURST_MAX_NS: u64 = 200_000_000;

/// Whether everything must have completed 10 s after the end: without a proof what was lost last waits for the quiesce time.
pub fn must_drain(s: &Scenario) -> bool {
    // A path that is removed for good is no fault that ends; and the end of a run takes no removal back.
    let for_good = |f: &Fault| {
        let by_event = matches!(f.when, When::OnEvent { .. });
        f.kind == FaultKind::RemovePath && (f.lasts.is_none() || by_event)
    };
    if overloaded(s) || s.faults.iter().any(for_good) {
        return false;
    }
    if s.array.fence == ArrayFence::Ccr {
        return true;
    }
    if backlog_ns(s) > BURST_MAX_NS {
        return false;
    }
    let last = s.faults.iter().map(|f| match f.when {
        When::At(_) => acts(s, f).1,
        When::OnEvent { .. } => f.lasts.map_or(s.duration.nanos(), |_| 0),
    });
    let by_event = s
        .faults
        .iter()
        .filter(|f| matches!(f.when, When::OnEvent { .. }));
    let more: u64 = by_event.map(|f| f.lasts.map_or(0, |d| d.nanos())).sum();
    let lost = last.max().unwrap_or(0) + more + s.datapath.io_timeout.nanos();
    lost + s.datapath.quiesce.nanos() + backlog_ns(s) < s.duration.nanos() + 10_000_000_000
}
