//! The fault envelope: which errors of an application a scenario makes legitimate.
//!
//! It is judged from the scenario alone, so that the answer can stand in the scenario as expectations. Where it says
//! nothing, an error is a finding. It is generous in time (a fault disturbs for [`AFTER_NS`] after its end, one that waits
//! for an event may come at any time) and never generous in kind: each reason is one function, which needs a fault that can
//! have that effect on that volume.
//!
//! | reason | an error is legitimate when |
//! |---|---|
//! | `no_path` | every path of a host is disturbed together for longer than `queue_for` |
//! | `gone` | some path says that the volume is gone (`unmap`, `swap`, ANA lost) while all others are disturbed or say so too |
//! | `refused` | paths refuse, from the first such fault to the last, for as long as the datapath insists: the longer of `queue_for` and `io_timeout` |
//! | `ambiguous` | a status that may be the volume's, or that bars the path for this I/O (DNR), is answered on every path |
//! | `fatal` | a status that must not be retried is injected |
//! | `medium` | a range that is read is unreadable |
//! | `beyond_end` | the volume shrinks below a range in use |
//! | `cache_lost` | a volatile cache is lost in a crash: the next flush says so (flushes only) |

mod disturbed;
mod load;
#[cfg(test)]
mod tests;

pub use disturbed::{echo_ns, echoes_to_the_end};
pub use load::{BURST_MAX_NS, backlog_ns, cost_ns, must_drain, overloaded, probes_ns, too_much};

use crate::check::fatal::must_not_be_retried;
use crate::scenario::model::*;
use datapath::core::verdict::{self, Verdict};
use disturbed::{acts, all_disturbed_ns, disturbs};
use protocol::Access;

/// How long a path may need after a fault's end to carry I/O again: what the transport kept comes 200 ms later, access
/// states are asked for and connections are tried every 100 ms, and a connection that was made in vain is given 100 ms.
pub const AFTER_NS: u64 = 600_000_000;
/// A larger I/O is several commands.
pub const COMMAND_MAX_BYTES: u64 = 1 << 20;
/// The first connections stand by then.
pub const FIRST_CONNECT_NS: u64 = 300_000_000;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Reason {
    NoPath,
    Gone,
    Refused,
    Ambiguous,
    Fatal,
    Medium,
    BeyondEnd,
    CacheLost,
}

impl Reason {
    pub fn text(self) -> String {
        match self {
            Reason::NoPath => "all paths of a host may be down for longer than queue_for",
            Reason::Gone => "every path may say that a volume is gone",
            Reason::Refused => "paths may refuse for longer than the datapath insists",
            Reason::Ambiguous => "every path may answer a status that can be the volume's own",
            Reason::Fatal => "a status is injected that must not be retried",
            Reason::Medium => "a range that is read is unreadable",
            Reason::BeyondEnd => "a volume shrinks below a range in use",
            Reason::CacheLost => "a volatile cache is lost, and the next flush says so",
        }
        .to_string()
    }
}

/// Whether a scenario holds a reason for errors.
type Judge = fn(&Scenario) -> bool;

/// All reasons of a scenario that is drawn.
pub fn reasons(s: &Scenario) -> Vec<Reason> {
    let judges: [(Judge, Reason); 8] = [
        (no_path, Reason::NoPath),
        (gone, Reason::Gone),
        (refused, Reason::Refused),
        (ambiguous, Reason::Ambiguous),
        (fatal, Reason::Fatal),
        (medium, Reason::Medium),
        (beyond_end, Reason::BeyondEnd),
        (cache_lost, Reason::CacheLost),
    ];
    let found = judges.into_iter().filter(|(judge, _)| judge(s));
    found.map(|(_, reason)| reason).collect()
}

/// Whether a read, a write or a discard may fail.
pub fn io_may_fail(reasons: &[Reason]) -> bool {
    reasons.iter().any(|r| *r != Reason::CacheLost)
}

/// Whether a flush may fail.
pub fn flush_may_fail(reasons: &[Reason]) -> bool {
    !reasons.is_empty()
}

fn no_path(s: &Scenario) -> bool {
    all_disturbed_ns(s, |_| true).is_some_and(|long| long >= s.datapath.queue_for.nanos())
}

fn gone(s: &Scenario) -> bool {
    let says_so = |f: &Fault| {
        matches!(
            f.kind,
            FaultKind::Unmap { .. }
                | FaultKind::Swap { .. }
                | FaultKind::Access {
                    state: Access::Lost,
                    ..
                }
        )
    };
    // A path that said so and cannot be reached since is believed, however long ago that was.
    let (first, unreachable) = (s.faults.iter().filter(|f| says_so(f)), |f: &Fault| {
        !says_so(f) && !disturbs(s, f).is_empty()
    });
    let mut lasting = s.clone();
    let end = Some(s.duration);
    if first.count() > 0 && s.faults.iter().any(unreachable) {
        for f in lasting.faults.iter_mut().filter(|f| says_so(f)) {
            f.lasts = end;
        }
    }
    all_disturbed_ns(&lasting, says_so).is_some()
}

fn refuses(f: &Fault) -> bool {
    matches!(
        f.kind,
        FaultKind::Error { .. }
            | FaultKind::Busy { .. }
            | FaultKind::Access { .. }
            | FaultKind::Crash { .. }
            | FaultKind::Unmap { .. }
            | FaultKind::Swap { .. }
    )
}

fn refused(s: &Scenario) -> bool {
    let spans: Vec<(u64, u64)> = s
        .faults
        .iter()
        .filter(|f| refuses(f))
        .map(|f| acts(s, f))
        .collect();
    let Some(from) = spans.iter().map(|(from, _)| *from).min() else {
        return false;
    };
    let to = spans.iter().map(|(_, to)| *to).max().unwrap_or(from);
    // Between two refusals a write may be held for as long as its association is feared.
    let held = match s.array.fence {
        ArrayFence::Ccr => AFTER_NS,
        ArrayFence::Time => s.datapath.quiesce.nanos(),
    };
    to - from + held >= s.datapath.queue_for.max(s.datapath.io_timeout).nanos()
}

fn judged(f: &Fault) -> Option<(protocol::Status, Verdict)> {
    match f.kind {
        FaultKind::Error { status, .. } => Some((status, verdict::judge(status))),
        _ => None,
    }
}

fn ambiguous(s: &Scenario) -> bool {
    // "Do not retry" of a path bars the path; when it bars them all, there is none left.
    let is = |f: &Fault| {
        judged(f).is_some_and(|(_, v)| {
            matches!(
                v,
                Verdict::Ambiguous { .. }
                    | Verdict::RetryElsewhere { forbid: true, .. }
                    | Verdict::Access { forbid: true, .. }
            )
        })
    };
    all_disturbed_ns(s, is).is_some()
}

fn fatal(s: &Scenario) -> bool {
    use protocol::Op;
    s.faults
        .iter()
        .filter_map(judged)
        .any(|(status, v)| must_not_be_retried(status, Op::Write) || matches!(v, Verdict::Fatal(_)))
}

/// The blocks of a volume that a workload uses.
fn used(s: &Scenario, w: &Workload) -> (u64, u64) {
    let block = u64::from(s.array.block.max(1));
    (w.offset / block, (w.offset + w.span) / block)
}

fn medium(s: &Scenario) -> bool {
    s.faults.iter().any(|f| match f.kind {
        FaultKind::Medium {
            volume,
            lba,
            blocks,
        } => s.workloads.iter().any(|w| {
            let (from, to) = used(s, w);
            w.volume == volume && w.read_pct > 0 && lba < to && from < lba + blocks
        }),
        _ => false,
    })
}

fn beyond_end(s: &Scenario) -> bool {
    s.faults.iter().any(|f| match f.kind {
        FaultKind::Resize { volume, bytes } => s
            .workloads
            .iter()
            .any(|w| w.volume == volume && w.offset + w.span > bytes),
        _ => false,
    })
}

fn cache_lost(s: &Scenario) -> bool {
    let crash = |f: &Fault| matches!(f.kind, FaultKind::Crash { .. });
    s.array.cache == Cache::Volatile && s.faults.iter().any(crash)
}
