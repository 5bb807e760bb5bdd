//! Reads `[[workload]]`: who does which I/O to which part of which volume, and how fast.

use super::model::*;
use super::quantity::Unit;
use super::reader::{Reader, Section};
use super::replays;
use super::sections::plain_name;
use super::sharing;
use super::tree::{Table, Value};
use super::typed::{Drawn, Got};
use protocol::Duration;

/// One I/O is at most this large.
const MAX_IO_BYTES: u64 = 64 << 20;
const MAX_DEPTH: u64 = 65_536;

const ALL: [&str; 25] = [
    "name",
    "volume",
    "host",
    "kind",
    "read",
    "fua",
    "failfast",
    "discard",
    "write_zeroes",
    "block",
    "span",
    "offset",
    "depth",
    "rate",
    "flush_every",
    "start",
    "stop",
    "count",
    "file",
    "format",
    "pace",
    "speed",
    "device",
    "beyond_end",
    "limit",
];
/// A drawn workload says what its I/O looks like; a replay has that from its trace.
const DRAWN_ONLY: [&str; 10] = [
    "read",
    "fua",
    "failfast",
    "discard",
    "write_zeroes",
    "block",
    "span",
    "offset",
    "rate",
    "flush_every",
];
const REPLAY_ONLY: [&str; 7] = [
    "file",
    "format",
    "pace",
    "speed",
    "device",
    "beyond_end",
    "limit",
];
#[derive(Clone, Copy, PartialEq, Eq)]
enum Shape {
    Random,
    Sequential,
    Zipf,
    Replay,
}

pub fn read(r: &mut Reader<'_>, root: &Table, s: &mut Scenario, look: bool) {
    let tables = r.sections(root, "workload", 1_000);
    if tables.is_empty()
        && !root
            .get("workload")
            .is_some_and(|e| !matches!(e.node.value, Value::List(_)))
    {
        let at = root.get("workload").or_else(|| root.get("scenario"));
        let at = at.map_or(super::tree::Loc::Text(0), |e| e.at);
        r.report(at, "a scenario needs at least one [[workload]]");
    }
    let mut seen = std::collections::BTreeSet::new();
    for (i, t) in tables.iter().enumerate() {
        let w = workload(r, t, i, s, look);
        plain_name(r, t, &w.name);
        if !seen.insert(w.name.clone()) {
            let shown = super::diag::shortened(&w.name);
            r.report(t.place("name"), format!("a second workload '{shown}'"));
        }
        s.workloads.push(w);
    }
    sharing::check(r, &tables, s);
}

fn workload(
    r: &mut Reader<'_>,
    t: &Section<'_>,
    index: usize,
    s: &Scenario,
    look: bool,
) -> Workload {
    r.keys(t, &ALL);
    let name = r
        .string(t, "name")
        .map_or_else(|| format!("workload{index}"), str::to_string);
    let volumes: Vec<(&str, usize)> = s.volumes.iter().map(|v| v.name.as_str()).zip(0..).collect();
    let volume = r.word(t, "volume", &volumes).unwrap_or(0);
    let host = r
        .quantity(
            t,
            "host",
            Unit::Count,
            Drawn::Never,
            0,
            u64::from(s.host.count.saturating_sub(1)),
        )
        .map_or(0, |got| got.span.lo as u16);
    let shapes = [
        ("random", Shape::Random),
        ("sequential", Shape::Sequential),
        ("zipf", Shape::Zipf),
        ("replay", Shape::Replay),
    ];
    let shape = r.word(t, "kind", &shapes).unwrap_or(Shape::Random);
    let elsewhere: &[&str] = if shape == Shape::Replay {
        &DRAWN_ONLY
    } else {
        &REPLAY_ONLY
    };
    for key in elsewhere.iter().filter(|k| t.has(k)) {
        let why = if shape == Shape::Replay {
            format!("{key} has no meaning for kind = \"replay\": the trace says it")
        } else {
            format!("{key} has a meaning only for kind = \"replay\"")
        };
        r.report(t.get(key).map_or(t.at, |e| e.at), why);
    }
    let volume_bytes = s
        .volumes
        .get(volume)
        .map_or(Volume::DEFAULT_BYTES, |v| v.bytes);
    let (offset, span, block) = area(r, t, volume_bytes);
    let read = r.percent(t, "read", 70);
    let fua = r.percent(t, "fua", 0);
    let failfast = r.percent(t, "failfast", 0);
    let discard = r.percent(t, "discard", 0);
    let zeroes = r.percent(t, "write_zeroes", 0);
    let sum = read.hi + discard.hi + zeroes.hi;
    if sum > 100 {
        let at = ["write_zeroes", "discard", "read"]
            .into_iter()
            .find(|k| t.has(k));
        let default = if t.has("read") {
            ""
        } else {
            " (read is 70 unless given)"
        };
        r.report(
            at.map_or(t.at, |k| t.place(k)),
            format!("read + discard + write_zeroes are {sum} percent of the operations, at most 100{default}"),
        );
    }
    let kind = match shape {
        Shape::Random => Kind::Random,
        Shape::Sequential => Kind::Sequential,
        Shape::Zipf => Kind::Zipf,
        Shape::Replay => Kind::Replay(replays::read(r, t, s, look)),
    };
    let start = r.quantity(
        t,
        "start",
        Unit::Time,
        Drawn::PerSeed,
        0,
        Unit::Time.ceiling(),
    );
    let stop = r.quantity(
        t,
        "stop",
        Unit::Time,
        Drawn::PerSeed,
        0,
        Unit::Time.ceiling(),
    );
    let latest_start = start.map_or(0, |got| got.span.hi);
    if let Some(got) = start
        && latest_start >= s.duration.nanos()
    {
        let end = super::quantity::write(s.duration.nanos(), Unit::Time);
        r.report(
            got.at,
            format!("the workload starts when the run is over (its duration is {end})"),
        );
    }
    if let Some(got) = stop
        && got.span.lo <= latest_start
    {
        r.report(got.at, "stop must be later than start");
    }
    Workload {
        name,
        volume,
        host,
        load: load(r, t, &kind),
        kind,
        read_pct: read.lo,
        fua_pct: fua.lo,
        failfast_pct: failfast.lo,
        discard_pct: discard.lo,
        write_zeroes_pct: zeroes.lo,
        block,
        span,
        offset,
        flush_every: count(r, t, "flush_every", 0).unwrap_or(0),
        start: Duration(start.map_or(0, |got| got.span.lo)),
        stop: stop.map(|got| Duration(got.span.lo)),
        count: count(r, t, "count", 1),
    }
}

pub fn count(r: &mut Reader<'_>, t: &Section<'_>, key: &str, min: u64) -> Option<u64> {
    r.quantity(
        t,
        key,
        Unit::Count,
        Drawn::PerSeed,
        min,
        Unit::Count.ceiling(),
    )
    .map(|got| got.span.lo)
}

/// The part of the volume in use, and the size of the I/Os: whatever is drawn, it must fit.
fn area(r: &mut Reader<'_>, t: &Section<'_>, volume_bytes: u64) -> (u64, u64, Span) {
    let step = r.block;
    let highest = |got: Option<Got>| got.map_or(0, |got| got.span.hi);
    let lowest = |got: Option<Got>| got.map_or(0, |got| got.span.lo);
    let shown = |bytes| super::quantity::write(bytes, Unit::Size);
    let offset = r.blocks(t, "offset", Drawn::PerSeed, 0, Unit::Size.ceiling());
    let given = r.blocks(t, "span", Drawn::PerSeed, step, Unit::Size.ceiling());
    let left = volume_bytes.saturating_sub(highest(offset));
    if let Some(got) = offset
        && left < step
    {
        let volume = shown(volume_bytes);
        r.report(
            got.at,
            format!("offset lies beyond the volume's end ({volume})"),
        );
    } else if let Some(got) = given
        && got.span.hi > left
    {
        let volume = shown(volume_bytes);
        r.report(
            got.at,
            format!("offset + span exceed the volume's size, {volume}"),
        );
    }
    let span = given.map_or(left, |got| got.span.lo);
    let block = r.blocks(t, "block", Drawn::PerIo, step, MAX_IO_BYTES);
    if let Some(got) = block
        && got.span.hi > span
        && left >= step
    {
        let span = shown(span);
        r.report(got.at, format!("block is larger than the span, {span}"));
    }
    let usual = 4096.min(span.max(step));
    (
        lowest(offset),
        span,
        block.map_or(Span::fixed(usual), |got| got.span),
    )
}

fn load(r: &mut Reader<'_>, t: &Section<'_>, kind: &Kind) -> Load {
    if t.has("depth") && t.has("rate") {
        let at = t.get("rate").map_or(t.at, |e| e.at);
        r.report(
            at,
            "depth (closed loop) and rate (open loop) exclude each other",
        );
    }
    if t.has("depth") && matches!(kind, Kind::Replay(replay) if replay.recorded_pace) {
        let at = t.get("depth").map_or(t.at, |e| e.at);
        r.report(
            at,
            "depth has a meaning in a replay only with pace = \"asap\"",
        );
    }
    if let Some(got) = r.quantity(
        t,
        "rate",
        Unit::Iops,
        Drawn::PerSeed,
        1,
        Unit::Iops.ceiling(),
    ) {
        return Load::RateMilli(got.span.lo);
    }
    let depth = r.quantity(t, "depth", Unit::Count, Drawn::PerSeed, 1, MAX_DEPTH);
    Load::Depth(depth.map_or(32, |got| got.span.lo as u32))
}
