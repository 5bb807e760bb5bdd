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

use crate::check::fatal::must_not_be_retried;
use crate::scenario::model::*;
use crate::scenario::topology;
use datapath::core::verdict::{self, Verdict};
use protocol::Access;
use std::collections::BTreeMap;

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

/// Of a write of several commands a crash may take, from a volatile cache, what was answered before the last of them is, and nobody
/// writes it again (`scenarios/regress/large-write-over-a-loss`). Until that is mended a search would find it every day.
pub fn loses_parts(s: &Scenario, w: &Workload) -> bool {
    cache_lost(s) && w.block.hi > COMMAND_MAX_BYTES
}

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
fn acts(s: &Scenario, f: &Fault) -> (u64, u64) {
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
fn disturbs(s: &Scenario, f: &Fault) -> Vec<(u16, u16)> {
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
fn all_disturbed_ns(s: &Scenario, needed: impl Fn(&Fault) -> bool) -> Option<u64> {
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

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    /// The default topology with one reading and writing load, `more` besides.
    fn of(more: &str) -> Vec<Reason> {
        reasons(&drawn(more))
    }

    fn drawn(more: &str) -> Scenario {
        let text = format!(
            "[scenario]\ntitle = \"t\"\nduration = \"3s\"\n{more}\n[[workload]]\nspan = \"1MiB\"\n"
        );
        crate::scenario::parse(&text, Path::new("t.toml"), "t", &[])
            .unwrap_or_else(|e| panic!("{e:?}"))
    }

    fn fault(rest: &str) -> String {
        format!("[[fault]]\nat = \"1s\"\nfor = \"400ms\"\n{rest}\n")
    }

    const SHORT: &str = "[datapath]\nno_path = { queue_for = \"700ms\" }\n";

    #[test]
    fn without_faults_no_error_is_legitimate() {
        assert_eq!(of(""), []);
        assert_eq!(of(SHORT), []);
    }

    #[test]
    fn all_paths_must_be_down_together_and_for_longer_than_they_are_waited_for() {
        for kind in ["reset", "drop", "drop_answers", "remove_path"] {
            let all = fault(&format!("on = \"all\"\ndo = \"{kind}\""));
            let one = fault(&format!("on = \"controller:A\"\ndo = \"{kind}\""));
            assert_eq!(of(&all), [], "{kind}: shorter than queue_for");
            assert_eq!(of(&format!("{SHORT}{all}")), [Reason::NoPath], "{kind}");
            assert_eq!(of(&format!("{SHORT}{one}")), [], "{kind}: B is left");
        }
        let a = fault("on = \"controller:A\"\ndo = \"drop\"");
        let b = fault("on = \"controller:B\"\ndo = \"reset\"");
        assert_eq!(of(&format!("{SHORT}{a}{b}")), [Reason::NoPath]);
        let later = b.replace("1s", "2.2s");
        assert_eq!(of(&format!("{SHORT}{a}{later}")), []);
        let when = a.replace("at = \"1s\"", "on_event = \"lost\"");
        let either = of(&format!("{SHORT}{when}{later}"));
        assert_eq!(either, [Reason::NoPath], "it may come at any time");
    }

    #[test]
    fn commands_that_are_held_are_missed_for_longer_than_the_fault() {
        let late = |after: &str| {
            fault(&format!("on = \"all\"\ndo = \"late\"\nafter = \"{after}\""))
                .replace("400ms", "10ms")
        };
        assert_eq!(of(&format!("{SHORT}{}", late("50ms"))), []);
        assert_eq!(of(&format!("{SHORT}{}", late("1s"))), [Reason::NoPath]);
    }

    #[test]
    fn what_is_held_to_the_end_excuses_that_nothing_completes() {
        let stands_still = |after: &str| {
            let late = fault(&format!(
                "on = \"path:h0-A0\"\ndo = \"late\"\nafter = \"1ms..{after}\""
            ));
            echoes_to_the_end(&drawn(&late))
        };
        // 1.4 s, the hold, 0.6 s; the run ends at 3 s.
        assert!(!stands_still("1s"));
        assert!(stands_still("1001ms"));
        assert!(!echoes_to_the_end(&drawn(&fault(
            "on = \"all\"\ndo = \"drop\""
        ))));
    }

    #[test]
    fn a_large_write_may_lose_parts_only_in_a_crash_of_a_volatile_cache() {
        let crash = fault("on = \"controller:A\"\ndo = \"crash\"");
        let volatile = format!("[array]\ncache = \"volatile\"\n{crash}");
        let loses = |more: &str, block: u64| {
            let mut s = drawn(more);
            s.workloads[0].block = Span::fixed(block);
            loses_parts(&s, &s.workloads[0])
        };
        assert!(loses(&volatile, COMMAND_MAX_BYTES + 512));
        assert!(!loses(&volatile, COMMAND_MAX_BYTES));
        assert!(!loses(&crash, 4 << 20));
    }

    #[test]
    fn a_daemon_that_is_dead_or_not_scheduled_has_no_path() {
        for (on, kind) in [("datapath", "kill"), ("shard:0", "lag")] {
            let f = fault(&format!("on = \"{on}\"\ndo = \"{kind}\""));
            assert_eq!(of(&format!("{SHORT}{f}")), [Reason::NoPath]);
            assert_eq!(of(&f), []);
        }
    }

    #[test]
    fn a_volume_is_gone_when_every_path_says_so_or_cannot_be_asked() {
        for gone in ["do = \"unmap\"", "do = \"access\"\nstate = \"lost\""] {
            let all = of(&fault(&format!("on = \"all\"\n{gone}")));
            assert_eq!(all, [Reason::Gone]);
            let half = fault(&format!("on = \"controller:A\"\n{gone}"));
            assert_eq!(of(&half), []);
            let cut = fault("on = \"controller:B\"\ndo = \"drop\"").replace("1s", "2.5s");
            let both = of(&format!("{half}{cut}"));
            assert_eq!(both, [Reason::Gone], "it was believed long before");
        }
    }

    #[test]
    fn refusals_are_legitimate_only_when_they_outlast_the_patience() {
        let patience = "[datapath]\nio_timeout = \"300ms\"\nno_path = { queue_for = \"300ms\" }\n";
        for what in [
            "do = \"busy\"",
            "do = \"error\"\nstatus = \"nvme:0x360\"\nshare = 10",
        ] {
            let f = fault(&format!("on = \"path:h0-A0\"\n{what}"));
            assert_eq!(of(&f), []);
            assert_eq!(of(&format!("{patience}{f}")), [Reason::Refused]);
        }
    }

    #[test]
    fn a_status_of_the_path_or_the_volume_must_be_everywhere() {
        let eio = "do = \"error\"\nstatus = \"errno:EIO\"";
        assert_eq!(of(&fault(&format!("on = \"port:A0\"\n{eio}"))), []);
        let all = of(&fault(&format!("on = \"all\"\n{eio}")));
        assert_eq!(all, [Reason::Ambiguous]);
    }

    #[test]
    fn a_final_status_needs_no_company() {
        let f = fault("on = \"path:h0-A0\"\ndo = \"error\"\nstatus = \"nvme:0x281\"\nshare = 1");
        assert_eq!(of(&f), [Reason::Fatal]);
    }

    #[test]
    fn the_medium_must_be_bad_where_somebody_reads() {
        let bad = |lba: u64| {
            fault(&format!(
                "on = \"volume:vol0\"\ndo = \"medium\"\nlba = {lba}\nblocks = 8"
            ))
        };
        assert_eq!(of(&bad(2040)), [Reason::Medium]);
        assert_eq!(of(&bad(2048)), [], "right behind the span");
    }

    #[test]
    fn a_volume_must_shrink_below_what_is_used() {
        let size = |size: &str| {
            fault(&format!(
                "on = \"volume:vol0\"\ndo = \"resize\"\nsize = \"{size}\""
            ))
        };
        assert_eq!(of(&size("512KiB")), [Reason::BeyondEnd]);
        assert_eq!(of(&size("1MiB")), []);
        assert_eq!(of(&size("128GiB")), []);
    }

    #[test]
    fn what_is_removed_for_good_need_not_drain() {
        let drains = |f: &str| {
            let text = format!(
                "[scenario]\ntitle = \"t\"\n{f}on = \"all\"\ndo = \"remove_path\"\n[[workload]]\ndepth = 1\n"
            );
            must_drain(&crate::scenario::parse(&text, Path::new("t.toml"), "t", &[]).unwrap())
        };
        assert!(drains("[[fault]]\nat = \"1s\"\nfor = \"1ms\"\n"));
        assert!(!drains("[[fault]]\nat = \"1s\"\n"));
        assert!(!drains("[[fault]]\non_event = \"lost\"\nfor = \"1ms\"\n"));
    }

    #[test]
    fn a_lost_cache_excuses_flushes_only() {
        let crash = fault("on = \"controller:A\"\ndo = \"crash\"");
        assert_eq!(of(&crash), []);
        let found = of(&format!("[array]\ncache = \"volatile\"\n{crash}"));
        assert_eq!(found, [Reason::CacheLost]);
        assert!(flush_may_fail(&found) && !io_may_fail(&found));
    }
}
