//! `mpio status`, `mpio volume` and `mpio path` for people, in the spirit of `multipath -ll` and `powermt display`: what is wrong stands in the
//! first words of a line, the states beside each other so that one sees where they disagree.
#![forbid(unsafe_code)]

use super::view::{Counts, Path, PathState, Times, View, Volume, VolumeState};
use std::fmt::Write;

/// Every volume with its paths.
pub fn status(view: &View) -> String {
    let mut out = String::new();
    if view.volumes.is_empty() {
        out.push_str("no volumes\n");
    }
    for (n, v) in view.volumes.iter().enumerate() {
        if n > 0 {
            out.push('\n');
        }
        volume(&mut out, v, &view.policy);
        paths(&mut out, &v.paths);
    }
    if !view.kernel.release.is_empty() {
        let _ = writeln!(out, "\n{}", view.kernel.line());
    }
    out
}

/// A line for each volume.
pub fn volumes(view: &View) -> String {
    let mut table = Table::new(&["volume", "device", "size", "state", "paths", "identity"]);
    for v in &view.volumes {
        table.row([
            v.name.clone(),
            v.device.clone(),
            size(v.bytes),
            state(v),
            format!("{}/{}", v.usable(), v.paths.len()),
            v.identity.clone(),
        ]);
    }
    table.text("")
}

/// A line for each path.
pub fn path_list(view: &View) -> String {
    let mut out = String::new();
    for v in &view.volumes {
        let _ = writeln!(out, "{}  {}", v.name, v.device);
        paths(&mut out, &v.paths);
    }
    out
}

fn state(v: &Volume) -> String {
    let left = v.no_path.as_ref();
    match (v.state, left) {
        (VolumeState::Ok, _) => "ok".into(),
        (VolumeState::Degraded, _) => "degraded".into(),
        (VolumeState::NoPath, Some(n)) => format!(
            "NO PATH for {}, {} I/Os wait and fail in {}",
            seconds(n.since_ms),
            n.queued,
            seconds(n.left_ms)
        ),
        (VolumeState::NoPath, None) => "NO PATH".into(),
        (VolumeState::Failing, Some(n)) => {
            format!("NO PATH for {}, I/O fails", seconds(n.since_ms))
        }
        (VolumeState::Failing, None) => "I/O fails".into(),
    }
}

fn volume(out: &mut String, v: &Volume, policy: &str) {
    let _ = writeln!(
        out,
        "{}  {}  {}  {}\n  {}; {} of {} paths usable; policy {policy}",
        v.name,
        v.device,
        size(v.bytes),
        v.identity,
        state(v),
        v.usable(),
        v.paths.len(),
    );
    let mut kinds = Vec::new();
    for (name, k) in [
        ("reads", &v.reads),
        ("writes", &v.writes),
        ("others", &v.others),
    ] {
        if k.ios > 0 {
            kinds.push(counts(name, k));
        }
    }
    if !kinds.is_empty() {
        let _ = writeln!(out, "  {}", kinds.join("; "));
    }
    if v.hedges_issued > 0 {
        let (n, won) = (v.hedges_issued, v.hedges_won);
        let _ = writeln!(
            out,
            "  {n} reads were sent a second time; {won} of those attempts answered first"
        );
    }
    if v.shadows > 0 {
        let (n, bytes) = (v.shadows, size(v.shadow_bytes));
        let _ = writeln!(
            out,
            "  {n} writes, {bytes}, are kept in memory: A CRASH OF THIS HOST NOW MAY LOSE THEM (fence = \"shadow\")"
        );
    }
    if v.parked_buffers > 0 {
        let n = v.parked_buffers;
        let _ = writeln!(
            out,
            "  {n} buffers are held by commands that never came back"
        );
    }
}

fn counts(name: &str, k: &Counts) -> String {
    let errors = match k.errors {
        0 => String::new(),
        n => format!(", {n} ERRORS"),
    };
    let (mean, p99) = (time(k.latency.mean_ns), time(k.latency.p99_ns));
    format!(
        "{} {name}{errors}, {}, mean {mean}, p99 ≤ {p99}",
        k.ios,
        size(k.bytes)
    )
}

fn paths(out: &mut String, paths: &[Path]) {
    let mut table = Table::new(&[
        "path",
        "state",
        "link",
        "access",
        "health",
        "admin",
        "in flight",
        "I/Os",
        "errors",
        "retries",
        "losses",
        "mean",
        "p99 ≤",
    ]);
    for p in paths {
        let Times {
            mean_ns, p99_ns, ..
        } = p.latency;
        table.row([
            p.path.clone(),
            word(p.state).into(),
            p.link.clone(),
            p.access.clone(),
            p.health.clone(),
            p.admin.clone(),
            p.inflight.to_string(),
            p.ios.to_string(),
            p.errors.to_string(),
            p.retries.to_string(),
            p.losses.to_string(),
            time(mean_ns),
            time(p99_ns),
        ]);
    }
    out.push_str(&table.text("  "));
}

fn word(state: PathState) -> &'static str {
    match state {
        PathState::Usable => "usable",
        PathState::Partly => "partly usable",
        PathState::Reserve => "reserve",
        PathState::Failed => "FAILED",
        PathState::WrongVolume => "WRONG VOLUME",
        PathState::Inaccessible => "inaccessible",
        PathState::Down => "DOWN",
        PathState::Absent => "absent",
    }
}

pub fn size(bytes: u64) -> String {
    let units = [("TiB", 40), ("GiB", 30), ("MiB", 20), ("KiB", 10)];
    match units.iter().find(|(_, shift)| bytes >> shift > 0) {
        Some((unit, shift)) => {
            // Two digits after the point, by whole numbers.
            let hundredths = (u128::from(bytes) * 100) >> shift;
            format!("{}.{:02} {unit}", hundredths / 100, hundredths % 100)
        }
        None => format!("{bytes} B"),
    }
}

fn seconds(ms: u64) -> String {
    format!("{}.{} s", ms / 1000, ms % 1000 / 100)
}

fn time(ns: Option<u64>) -> String {
    match ns {
        None => "-".into(),
        Some(ns) if ns < 1_000_000 => format!("{} µs", ns / 1000),
        Some(ns) if ns < 1_000_000_000 => {
            format!("{}.{} ms", ns / 1_000_000, ns % 1_000_000 / 100_000)
        }
        Some(ns) => seconds(ns / 1_000_000),
    }
}

/// Columns as wide as what is in them.
pub struct Table {
    rows: Vec<Vec<String>>,
}

impl Table {
    pub fn new(head: &[&str]) -> Table {
        let head = head.iter().map(|h| h.to_string()).collect();
        Table { rows: vec![head] }
    }

    pub fn row<const N: usize>(&mut self, cells: [String; N]) {
        self.rows.push(cells.to_vec());
    }

    pub fn text(&self, indent: &str) -> String {
        let columns = self.rows[0].len();
        let width = |c: usize| self.rows.iter().map(|r| r[c].chars().count()).max();
        let widths: Vec<usize> = (0..columns).filter_map(width).collect();
        let mut out = String::new();
        for row in &self.rows {
            let cells = row.iter().zip(&widths).map(|(cell, width)| {
                let pad = " ".repeat(width - cell.chars().count());
                // Numbers stand to the right, below their like.
                if cell.starts_with(|c: char| c.is_ascii_digit() || c == '-') {
                    format!("{pad}{cell}")
                } else {
                    format!("{cell}{pad}")
                }
            });
            let line = cells.collect::<Vec<_>>().join("  ");
            let _ = writeln!(out, "{indent}{}", line.trim_end());
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::directory::example;
    use crate::control::view::tests::{path, shards};
    use crate::seen::{PathSeen, Waits};
    use protocol::Duration;

    fn plain(mut view: View) -> View {
        view.pid = 1;
        view.version = "0.0.0".into();
        view
    }

    #[test]
    fn a_healthy_volume() {
        let view = plain(View::of(&example(), &shards(path())));
        insta::assert_snapshot!("healthy", status(&view));
        insta::assert_json_snapshot!("healthy_json", view);
        insta::assert_snapshot!("volumes", volumes(&view));
    }

    #[test]
    fn what_is_wrong_stands_out() {
        let wrong = PathSeen {
            identity_wrong: true,
            usable: false,
            errors: 7,
            losses: 2,
            ..path()
        };
        let mut two = shards(wrong);
        for s in &mut two {
            s.volumes[0].parked_buffers = 2;
            (s.volumes[0].shadows.count, s.volumes[0].shadows.bytes) = (3, 12288);
            s.volumes[0].waits = Some(Waits {
                since: Duration::from_millis(4_300),
                left: Duration::from_millis(25_700),
                failing: false,
                queued: 2,
            });
        }
        let view = plain(View::of(&example(), &two));
        insta::assert_snapshot!("wrong", status(&view));
        two[0].volumes[0].waits.as_mut().unwrap().failing = true;
        let failing = status(&View::of(&example(), &two));
        assert!(
            failing.contains("NO PATH for 4.3 s, I/O fails"),
            "{failing}"
        );
    }

    #[test]
    fn sizes_and_times_have_the_unit_that_suits_them() {
        assert_eq!(
            [0, 1023, 1024, 1536 << 20, u64::MAX].map(size).join(" | "),
            "0 B | 1023 B | 1.00 KiB | 1.50 GiB | 16777215.99 TiB"
        );
        let ns = [
            None,
            Some(999),
            Some(250_000),
            Some(1_250_000),
            Some(30_050_000_000),
        ];
        assert_eq!(
            ns.map(time).join(" | "),
            "- | 0 µs | 250 µs | 1.2 ms | 30.0 s"
        );
    }
}
