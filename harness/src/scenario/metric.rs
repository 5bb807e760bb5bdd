//! The names of the metrics, and what each is measured in.

use super::quantity::Unit;

/// What a metric's value is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Measure {
    /// Nanoseconds; an expectation compares with a unit.
    Time,
    Count,
    /// Bytes; an expectation compares with a number or a size.
    Bytes,
    /// Bytes per second; an expectation compares with a number or a rate.
    BytesPerSecond,
    /// I/Os per second; an expectation compares with a number or a rate.
    PerSecond,
    /// A number such as a share of 0 to 1.
    Ratio,
}

/// The rules that are always on.
pub const RULES: [&str; 14] = [
    "ghost_write",
    "lost_write",
    "stale_read",
    "torn_write",
    "wrong_volume",
    "duplicate_completion",
    "stuck_io",
    "livelock",
    "inaccessible_dispatch",
    "retried_fatal",
    "illegal_transition",
    "buffer_reuse",
    "leak",
    "bound_exceeded",
];

/// The errnos that an application may be told, as Linux numbers them.
pub const ERRNOS: [(&str, i32); 14] = [
    ("EPERM", 1),
    ("EIO", 5),
    ("EAGAIN", 11),
    ("ENODEV", 19),
    ("EINVAL", 22),
    ("ENOSPC", 28),
    ("EBADE", 52),
    ("ENODATA", 61),
    ("ETIME", 62),
    ("ENOLINK", 67),
    ("EILSEQ", 84),
    ("EOPNOTSUPP", 95),
    ("ETIMEDOUT", 110),
    ("EREMOTEIO", 121),
];

const FIXED: &[(&str, Measure)] = &[
    ("app.ios", Measure::Count),
    ("app.iops", Measure::PerSecond),
    ("app.bytes", Measure::Bytes),
    ("app.bytes_per_s", Measure::BytesPerSecond),
    ("app.errors", Measure::Count),
    ("app.read.ios", Measure::Count),
    ("app.read.errors", Measure::Count),
    ("app.write.ios", Measure::Count),
    ("app.write.errors", Measure::Count),
    ("app.flush.ios", Measure::Count),
    ("app.flush.errors", Measure::Count),
    ("app.stall_max", Measure::Time),
    ("balance.jain", Measure::Ratio),
    ("balance.spread", Measure::Ratio),
    ("balance.oscillation", Measure::Ratio),
    ("failover.count", Measure::Count),
    ("failover.detect_max", Measure::Time),
    ("failover.redispatch_max", Measure::Time),
    ("failover.retried", Measure::Count),
    ("failover.alone", Measure::Count),
    ("hedge.issued", Measure::Count),
    ("hedge.won", Measure::Count),
    ("fence.ranges", Measure::Count),
    ("fence.held", Measure::Count),
    ("fence.held_max", Measure::Time),
    ("fence.overflow", Measure::Count),
    ("shadow.writes", Measure::Count),
    ("shadow.reads", Measure::Count),
    ("shadow.bytes_max", Measure::Bytes),
    ("path.flips", Measure::Count),
    ("failback.count", Measure::Count),
    ("failback.max", Measure::Time),
    ("array.ios", Measure::Count),
    ("array.duplicates", Measure::Count),
    ("registrations", Measure::Count),
    ("no_path.time", Measure::Time),
    ("no_path.failed", Measure::Count),
    ("no_path.fails_after_min", Measure::Time),
    ("no_path.fails_after_max", Measure::Time),
    ("datapath.requests_max", Measure::Count),
];
const LATENCIES: [&str; 6] = ["mean", "p50", "p90", "p99", "p999", "max"];
const OF_A_PATH: [(&str, Measure); 7] = [
    ("ios", Measure::Count),
    ("bytes", Measure::Bytes),
    ("share", Measure::Ratio),
    ("errors", Measure::Count),
    ("p99", Measure::Time),
    ("mean", Measure::Time),
    ("inflight_max", Measure::Count),
];

/// Every metric of a scenario with these paths, by its name.
pub fn all(paths: &[String]) -> Vec<(String, Measure)> {
    let mut all: Vec<(String, Measure)> =
        FIXED.iter().map(|(n, m)| ((*n).to_string(), *m)).collect();
    for class in ["read", "write", "all"] {
        all.extend(
            LATENCIES
                .iter()
                .map(|l| (format!("app.{class}.{l}"), Measure::Time)),
        );
    }
    all.extend(ERRNOS.map(|(name, _)| (format!("app.errno.{name}"), Measure::Count)));
    for path in paths {
        all.extend(
            OF_A_PATH
                .iter()
                .map(|(n, m)| (format!("path.{path}.{n}"), *m)),
        );
    }
    all.extend(
        RULES
            .iter()
            .map(|rule| (format!("rules.{rule}"), Measure::Count)),
    );
    all
}

/// The measure of a metric among `all`; the error names what is near and what may stand there.
pub fn measure(
    name: &str,
    all: &[(String, Measure)],
) -> Result<Measure, (Option<String>, Vec<String>)> {
    if let Some((_, measure)) = all.iter().find(|(n, _)| n == name) {
        return Ok(*measure);
    }
    let near = super::nearest(name, all.iter().map(|(n, _)| n.as_str()));
    let group = near.as_deref().unwrap_or(name);
    let group = group.split('.').next().unwrap_or("");
    let mut allowed: Vec<String> = all
        .iter()
        .map(|(n, _)| n)
        .filter(|n| n.split('.').next() == Some(group))
        .take(40)
        .cloned()
        .collect();
    if allowed.is_empty() {
        let groups = [
            "app", "path", "balance", "failover", "hedge", "fence", "shadow", "failback", "array",
            "no_path", "datapath", "rules",
        ];
        allowed = groups.iter().map(|g| format!("{g}.…")).collect();
        allowed.push("registrations".into());
    }
    Err((near, allowed))
}

impl Measure {
    pub fn is_time(self) -> bool {
        self == Measure::Time
    }

    /// Reads the value that an expectation compares with, in the metric's base unit.
    pub fn value(self, text: &str) -> Result<f64, String> {
        let number = text
            .parse::<f64>()
            .ok()
            .filter(|v| v.is_finite() && *v >= 0.0);
        let with_unit = |unit: Unit, scale: f64| {
            super::quantity::parse(text, unit)
                .ok()
                .map(|v| v as f64 / scale)
        };
        let (value, expected) = match self {
            Measure::Time => (
                with_unit(Unit::Time, 1.0),
                "a time with its unit, such as 120ms",
            ),
            Measure::Count => (number, "a number without a unit"),
            Measure::Ratio => (number, "a number without a unit, such as 0.9"),
            Measure::Bytes => (
                number.or_else(|| with_unit(Unit::Size, 1.0)),
                "a number or a size such as 1GiB",
            ),
            Measure::BytesPerSecond => (
                number.or_else(|| with_unit(Unit::Bits, 8.0)),
                "a number or a rate such as 100MiB/s",
            ),
            Measure::PerSecond => (
                number.or_else(|| with_unit(Unit::Iops, 1000.0)),
                "a number or a rate such as 20k/s",
            ),
        };
        value.ok_or_else(|| format!("expected {expected}"))
    }
}
