//! Reads the keys of a replay: which trace, and how it is laid over the volume.

use super::model::*;
use super::reader::{Reader, Section};
use super::tree::Value;
use super::workloads::count;

const FORMATS: [&str; 9] = [
    "auto",
    "fio",
    "blkparse",
    "msr",
    "alibaba",
    "tencent",
    "spc",
    "vscsi",
    "vscsi-csv",
];

pub fn read(r: &mut Reader<'_>, t: &Section<'_>, s: &Scenario, look: bool) -> Replay {
    let folder = s.file.parent().unwrap_or(std::path::Path::new(""));
    let file = match r.string(t, "file") {
        Some(file) => folder.join(file),
        None => {
            if !t.has("file") {
                r.report(
                    t.at,
                    "a replay needs its trace: file = \"…\", relative to the scenario",
                );
            }
            std::path::PathBuf::new()
        }
    };
    if look && !file.as_os_str().is_empty() && !file.is_file() {
        let shown = format!("no trace at {}", file.display());
        r.report(t.place("file"), shown);
    }
    let formats: Vec<(&str, &str)> = FORMATS.iter().map(|f| (*f, *f)).collect();
    let format = r.word(t, "format", &formats).unwrap_or("auto");
    let recorded = r
        .word(t, "pace", &[("recorded", true), ("asap", false)])
        .unwrap_or(true);
    let ends = [
        ("wrap", BeyondEnd::Wrap),
        ("clip", BeyondEnd::Clip),
        ("fail", BeyondEnd::Fail),
    ];
    Replay {
        file,
        format: format.to_string(),
        recorded_pace: recorded,
        speed_milli: speed(r, t),
        device: r.string(t, "device").map(str::to_string),
        beyond_end: r.word(t, "beyond_end", &ends).unwrap_or(BeyondEnd::Wrap),
        limit: count(r, t, "limit", 1),
    }
}

/// A factor of 0.001 to 1,000,000, kept in thousandths.
fn speed(r: &mut Reader<'_>, t: &Section<'_>) -> u64 {
    let Some(entry) = t.get("speed") else {
        return 1_000;
    };
    let milli = match entry.node.value {
        Value::Int(i) => u64::try_from(i).ok().and_then(|v| v.checked_mul(1_000)),
        Value::Float(x) if x.is_finite() && x > 0.0 => Some((x * 1_000.0).round() as u64),
        _ => None,
    };
    match milli {
        Some(milli @ 1..=1_000_000_000) => milli,
        _ => {
            r.report(entry.node.at, "speed must be a factor of 0.001 to 1000000")
                .found(entry.node.describe());
            1_000
        }
    }
}
