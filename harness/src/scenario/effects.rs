//! Reads the parameters of a fault: what exactly happens on its target.

use super::model::*;
use super::quantity::{self, Unit};
use super::reader::{Reader, Section};
use super::status;
use super::tree::{Entry, Value};
use super::typed::Drawn;
use protocol::{Access, Duration};

/// Reads what a fault of this kind does, with its parameters.
pub fn read(
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
        "fail_queued" => FaultKind::FailQueued,
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
            FaultKind::Swap {
                volume,
                with,
                silent: r.flag(t, "silent").unwrap_or(false),
            }
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

fn share(r: &mut Reader<'_>, t: &Section<'_>) -> u64 {
    r.percent(t, "share", 100).lo
}

fn missing(r: &mut Reader<'_>, t: &Section<'_>, name: &str, key: &str, example: &str) {
    if !t.has(key) {
        r.report(t.at, format!("do = \"{name}\" needs {key} = {example}"));
    }
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
