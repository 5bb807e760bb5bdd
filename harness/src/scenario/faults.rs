//! Reads `[[fault]]`: when, for how long, on what, and what happens there.

use super::model::*;
use super::quantity::{self, Unit};
use super::reader::{Drawn, Reader, Section};
use super::tree::{Entry, Loc, Table, Value};
use super::{status, targets};
use protocol::{Access, Duration};

/// What a fault can do, as the table of the language names it.
pub const KINDS: [&str; 21] = [
    "reset",
    "drop",
    "drop_answers",
    "late",
    "delay",
    "throttle",
    "error",
    "busy",
    "flap",
    "crash",
    "access",
    "unmap",
    "swap",
    "resize",
    "medium",
    "stall",
    "duplicate",
    "lag",
    "kill",
    "add_path",
    "remove_path",
];

const EVENTS: [&str; 6] = [
    "failover",
    "lost",
    "path_back",
    "no_path",
    "fault_start",
    "fault_end",
];
const COMMON: [&str; 6] = ["at", "on_event", "nth", "for", "on", "do"];

/// Kinds of targets that mean links.
const LINKS: [&str; 9] = [
    "path",
    "port",
    "host_port",
    "controller",
    "fabric",
    "host",
    "array",
    "all",
    "any",
];
const LINKS_OR_VOLUME: [&str; 10] = [
    "path",
    "port",
    "host_port",
    "controller",
    "fabric",
    "host",
    "array",
    "all",
    "any",
    "volume",
];

/// The parameters of a kind, and the kinds of targets that it makes sense on.
fn grammar(kind: &str) -> (&'static [&'static str], &'static [&'static str]) {
    match kind {
        "late" => (&["after", "share", "beyond_fence"], &LINKS),
        "delay" => (&["add", "jitter"], &LINKS),
        "throttle" => (&["rate"], &LINKS),
        "error" => (&["status", "share"], &LINKS),
        "busy" | "duplicate" => (&["share"], &LINKS),
        "flap" => (&["period", "down", "as"], &LINKS),
        "crash" => (&["takeover"], &["controller", "array", "any"]),
        "access" => (&["state", "volume"], &LINKS_OR_VOLUME),
        "unmap" => (&["volume"], &LINKS_OR_VOLUME),
        "swap" => (&["volume", "with"], &LINKS_OR_VOLUME),
        "resize" => (&["volume", "size"], &["volume", "array"]),
        "medium" => (&["volume", "lba", "blocks"], &["volume", "array"]),
        "stall" => (&[], &["controller", "array", "all", "any"]),
        "lag" => (&[], &["shard", "datapath", "host"]),
        "kill" => (&[], &["datapath", "host"]),
        _ => (&[], &LINKS),
    }
}

fn kind_of(target: &Target) -> &'static str {
    match target {
        Target::Path(_) => "path",
        Target::Port(_) => "port",
        Target::HostPort { .. } => "host_port",
        Target::Controller(_) => "controller",
        Target::Fabric(_) => "fabric",
        Target::Volume(_) => "volume",
        Target::Array => "array",
        Target::Host(_) => "host",
        Target::Shard { .. } => "shard",
        Target::Datapath(_) => "datapath",
        Target::All => "all",
        Target::Any { .. } | Target::Several(_) => "any",
    }
}

pub fn read(r: &mut Reader<'_>, root: &Table, s: &Scenario) -> Vec<Fault> {
    let mut all = Vec::new();
    for t in r.sections(root, "fault", 1_000) {
        let when = when(r, &t);
        let lasts = r.opt_time(&t, "for", 0);
        let on = on(r, &t, s);
        let kind = kind(r, &t, on.as_ref(), s);
        if let (Some(when), Some(on), Some(kind)) = (when, on, kind) {
            all.push(Fault {
                when,
                lasts,
                on,
                kind,
            });
        }
    }
    all
}

fn when(r: &mut Reader<'_>, t: &Section<'_>) -> Option<When> {
    match (t.has("at"), t.has("on_event")) {
        (false, false) => {
            r.report(t.at, "a fault needs at = \"1s\" or on_event = \"failover\"");
            return None;
        }
        (true, true) => {
            let at = t.get("on_event").map_or(t.at, |e| e.at);
            r.report(at, "at and on_event exclude each other");
            return None;
        }
        (true, false) => {
            if let Some(entry) = t.get("nth") {
                r.report(entry.at, "nth needs on_event");
            }
            return r.opt_time(t, "at", 0).map(When::At);
        }
        (false, true) => {}
    }
    let words: Vec<(&str, &str)> = EVENTS.iter().map(|e| (*e, *e)).collect();
    let nth = r.quantity(
        t,
        "nth",
        Unit::Count,
        Drawn::PerSeed,
        1,
        Unit::Count.ceiling(),
    );
    let event = r.word(t, "on_event", &words)?;
    Some(When::OnEvent {
        event: event.to_string(),
        nth: nth.map_or(1, |got| got.span.lo),
    })
}

/// A target, or a list of targets.
fn on(r: &mut Reader<'_>, t: &Section<'_>, s: &Scenario) -> Option<Target> {
    let Some(entry) = t.get("on") else {
        r.report(t.at, "a fault needs on = \"path:h0-A0\" or another target");
        return None;
    };
    if let Value::List(_) = &entry.node.value {
        let texts = r.strings(t, "on");
        if texts.is_empty() {
            r.report(entry.node.at, "on is an empty list");
            return None;
        }
        let several: Vec<Option<Target>> = texts
            .iter()
            .map(|(text, at)| target(r, text, *at, s))
            .collect();
        return several
            .into_iter()
            .collect::<Option<Vec<Target>>>()
            .map(Target::Several);
    }
    let text = r.string(t, "on")?;
    target(r, text, entry.node.at, s)
}

fn target(r: &mut Reader<'_>, text: &str, at: Loc, s: &Scenario) -> Option<Target> {
    match targets::parse(text, s) {
        Ok(target) => Some(target),
        Err(why) => {
            let known: Vec<&str> = why.known.iter().map(String::as_str).collect();
            r.report(
                at,
                format!("on = \"{}\": {}", super::diag::shortened(text), why.message),
            )
            .instead_of(&why.word, &known);
            None
        }
    }
}

fn kind(
    r: &mut Reader<'_>,
    t: &Section<'_>,
    on: Option<&Target>,
    s: &Scenario,
) -> Option<FaultKind> {
    if !t.has("do") {
        r.report(t.at, "a fault needs do = \"…\"").allowed(KINDS);
        return None;
    }
    let words: Vec<(&str, &str)> = KINDS.iter().map(|k| (*k, *k)).collect();
    let name = r.word(t, "do", &words)?;
    let (parameters, sensible) = grammar(name);
    parameters_only(r, t, name, parameters);
    if let Some(on) = on {
        check_target(r, t, name, on, sensible);
    }
    parameterised(r, t, name, on, s)
}

fn parameters_only(r: &mut Reader<'_>, t: &Section<'_>, name: &str, parameters: &[&str]) {
    let allowed: Vec<&str> = COMMON.iter().chain(parameters).copied().collect();
    let of_others: std::collections::BTreeSet<&str> =
        KINDS.iter().flat_map(|k| grammar(k).0).copied().collect();
    for key in of_others {
        if let Some(entry) = t.get(key).filter(|_| !allowed.contains(&key)) {
            let has = if parameters.is_empty() {
                "has no parameters".to_string()
            } else {
                format!("has {}", parameters.join(", "))
            };
            r.report(
                entry.at,
                format!("'{key}' is no parameter of do = \"{name}\", which {has}"),
            );
        }
    }
    // What no kind has is an unknown key.
    let known: Vec<&str> = COMMON
        .iter()
        .chain(KINDS.iter().flat_map(|k| grammar(k).0))
        .copied()
        .collect();
    r.unknown_keys(t, &known, &allowed);
}

fn check_target(
    r: &mut Reader<'_>,
    t: &Section<'_>,
    name: &str,
    on: &Target,
    sensible: &[&'static str],
) {
    let each: Vec<&Target> = match on {
        Target::Several(several) => several.iter().collect(),
        one => vec![one],
    };
    for one in each {
        let kind = kind_of(one);
        let of_group = match one {
            Target::Any { of, .. } => match of.as_str() {
                "controllers" => sensible.contains(&"controller"),
                _ => sensible.contains(&"path"),
            },
            _ => true,
        };
        if !sensible.contains(&kind) || !of_group {
            r.report(
                t.place("on"),
                format!("do = \"{name}\" makes no sense on this target"),
            )
            .allowed(sensible.iter().copied());
        }
    }
}

fn share(r: &mut Reader<'_>, t: &Section<'_>) -> u64 {
    r.percent(t, "share", 100).lo
}

fn missing(r: &mut Reader<'_>, t: &Section<'_>, name: &str, key: &str, example: &str) {
    if !t.has(key) {
        r.report(t.at, format!("do = \"{name}\" needs {key} = {example}"));
    }
}

fn parameterised(
    r: &mut Reader<'_>,
    t: &Section<'_>,
    name: &str,
    on: Option<&Target>,
    s: &Scenario,
) -> Option<FaultKind> {
    let per_io = |r: &mut Reader<'_>, key| {
        r.quantity(t, key, Unit::Time, Drawn::PerIo, 0, Unit::Time.ceiling())
            .map(|got| got.span)
    };
    Some(match name {
        "reset" => FaultKind::Reset,
        "drop" => FaultKind::Drop,
        "drop_answers" => FaultKind::DropAnswers,
        "stall" => FaultKind::Stall,
        "lag" => FaultKind::Lag,
        "kill" => FaultKind::Kill,
        "add_path" => FaultKind::AddPath,
        "remove_path" => FaultKind::RemovePath,
        "late" => FaultKind::Late {
            after: per_io(r, "after").unwrap_or(Span::fixed(1_000_000_000)),
            share: share(r, t),
            beyond_fence: r.flag(t, "beyond_fence").unwrap_or(false),
        },
        "delay" => {
            missing(r, t, name, "add", "\"5ms\"");
            let jitter = r.time(t, "jitter", 0, Duration::ZERO);
            FaultKind::Delay {
                add: per_io(r, "add")?,
                jitter,
            }
        }
        "throttle" => throttle(r, t)?,
        "error" => FaultKind::Error {
            share: share(r, t),
            status: error_status(r, t)?,
        },
        "busy" => FaultKind::Busy { share: share(r, t) },
        "duplicate" => FaultKind::Duplicate { share: share(r, t) },
        "flap" => {
            missing(r, t, name, "period", "\"100ms\"");
            let down_pct = r.percent(t, "down", 50).lo;
            let drop = r
                .word(t, "as", &[("reset", false), ("drop", true)])
                .unwrap_or(false);
            FaultKind::Flap {
                period: r.opt_time(t, "period", 1)?,
                down_pct,
                drop,
            }
        }
        "crash" => FaultKind::Crash {
            takeover: r.time(t, "takeover", 0, Duration::from_millis(300)),
        },
        "access" => {
            missing(r, t, name, "state", "\"non_optimized\"");
            let states = [
                ("optimized", Access::Optimized),
                ("non_optimized", Access::NonOptimized),
                ("inaccessible", Access::Inaccessible),
                ("transitioning", Access::Transitioning),
                ("lost", Access::Lost),
            ];
            let volume = volume(r, t, on, s, "volume");
            FaultKind::Access {
                state: r.word(t, "state", &states)?,
                volume: volume.ok()?,
            }
        }
        "unmap" => FaultKind::Unmap {
            volume: the_volume(r, t, name, on, s)?,
        },
        "swap" => {
            missing(r, t, name, "with", "\"vol1\"");
            let with = volume(r, t, None, s, "with");
            let volume = the_volume(r, t, name, on, s)?;
            let with = with.ok()??;
            if with == volume {
                r.report(t.place("with"), "a volume cannot be swapped with itself");
            }
            FaultKind::Swap { volume, with }
        }
        "resize" => {
            missing(r, t, name, "size", "\"32GiB\"");
            let size = r.blocks(t, "size", Drawn::PerSeed, r.block, Unit::Size.ceiling());
            FaultKind::Resize {
                volume: the_volume(r, t, name, on, s)?,
                bytes: size?.span.lo,
            }
        }
        "medium" => medium(r, t, on, s)?,
        _ => return None,
    })
}

/// The volume that a key or the target names; `Ok(None)` where none is named, `Err` where it was reported.
fn volume(
    r: &mut Reader<'_>,
    t: &Section<'_>,
    on: Option<&Target>,
    s: &Scenario,
    key: &str,
) -> Result<Option<usize>, ()> {
    let targeted = match on {
        Some(Target::Volume(v)) => Some(*v),
        _ => None,
    };
    if !t.has(key) {
        return Ok(targeted);
    }
    let names: Vec<(&str, usize)> = s.volumes.iter().map(|v| v.name.as_str()).zip(0..).collect();
    let named = r.word(t, key, &names).ok_or(())?;
    if targeted.is_some_and(|v| v != named) {
        r.report(t.place(key), format!("{key} names another volume than on"));
    }
    Ok(Some(named))
}

fn the_volume(
    r: &mut Reader<'_>,
    t: &Section<'_>,
    name: &str,
    on: Option<&Target>,
    s: &Scenario,
) -> Option<usize> {
    match volume(r, t, on, s, "volume").ok()? {
        Some(v) => Some(v),
        None if s.volumes.len() == 1 => Some(0),
        None => {
            let names: Vec<&str> = s.volumes.iter().map(|v| v.name.as_str()).take(20).collect();
            r.report(
                t.at,
                format!("do = \"{name}\" needs volume = \"…\", there are several"),
            )
            .allowed(names);
            None
        }
    }
}

fn medium(
    r: &mut Reader<'_>,
    t: &Section<'_>,
    on: Option<&Target>,
    s: &Scenario,
) -> Option<FaultKind> {
    missing(r, t, "medium", "lba", "0");
    missing(r, t, "medium", "blocks", "8");
    let lba = r.quantity(
        t,
        "lba",
        Unit::Count,
        Drawn::PerSeed,
        0,
        Unit::Count.ceiling(),
    );
    let blocks = r.quantity(
        t,
        "blocks",
        Unit::Count,
        Drawn::PerSeed,
        1,
        Unit::Count.ceiling(),
    );
    let volume = the_volume(r, t, "medium", on, s)?;
    let (lba, blocks) = (lba?, blocks?);
    let there = s.volumes.get(volume)?.bytes / r.block.max(1);
    if lba.span.hi.saturating_add(blocks.span.hi) > there {
        r.report(
            blocks.at,
            format!("lba + blocks exceed the volume's {there} blocks"),
        );
    }
    Some(FaultKind::Medium {
        volume,
        lba: lba.span.lo,
        blocks: blocks.span.lo,
    })
}

/// `rate` is a bandwidth or a rate of I/Os: its unit says which.
fn throttle(r: &mut Reader<'_>, t: &Section<'_>) -> Option<FaultKind> {
    missing(
        r,
        t,
        "throttle",
        "rate",
        "\"1Gbit/s\" (or \"2k/s\" for I/Os)",
    );
    let text = match t.get("rate") {
        Some(Entry { node, .. }) => match &node.value {
            Value::Str(text) => text.as_str(),
            _ => "",
        },
        None => return None,
    };
    if quantity::parse_span(text, Unit::Iops).is_ok() {
        let got = r.quantity(
            t,
            "rate",
            Unit::Iops,
            Drawn::PerSeed,
            1,
            Unit::Iops.ceiling(),
        )?;
        return Some(FaultKind::ThrottleIops {
            milli_per_s: got.span.lo,
        });
    }
    let got = r.quantity(
        t,
        "rate",
        Unit::Bits,
        Drawn::PerSeed,
        1_000,
        Unit::Bits.ceiling(),
    )?;
    Some(FaultKind::ThrottleBits {
        bits_per_s: got.span.lo,
    })
}

fn error_status(r: &mut Reader<'_>, t: &Section<'_>) -> Option<protocol::Status> {
    missing(r, t, "error", "status", "\"nvme:0x360\"");
    let text = r.string(t, "status")?;
    match status::parse(text) {
        Ok(status) => Some(status),
        Err((why, near)) => {
            let d = r
                .report(t.place("status"), format!("status: {why}"))
                .found(format!("\"{text}\""));
            d.nearest = near;
            None
        }
    }
}
