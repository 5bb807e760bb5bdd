//! Reads a whole scenario: text, `--set`, tables, in the order in which they are checked against each other.

use super::diag::Diagnostic;
use super::model::*;
use super::reader::{Reader, Section};
use super::sections::{self, word_or_later};
use super::tree::{self, Loc, Table};
use super::{expects, faults, files, sets, workloads};
use std::path::Path;

/// What a scenario may require of its target, besides `inject.<fault>`.
pub const CAPABILITIES: [&str; 5] = [
    "media_log",
    "crash",
    "multi_host",
    "fence.ccr",
    "virtual_time",
];

/// Reads the text of a scenario. `name` is its path below the catalogue, `sets` are the `--set` of the command line.
/// Everything that is wrong is reported, in the order of the text.
pub fn parse(
    text: &str,
    file: &Path,
    name: &str,
    sets: &[(String, String)],
) -> Result<Scenario, Vec<Diagnostic>> {
    read(text, file, name, sets, false)
}

/// As `parse`; with `look`, the traces that are named must be there.
pub(super) fn read(
    text: &str,
    file: &Path,
    name: &str,
    sets: &[(String, String)],
    look: bool,
) -> Result<Scenario, Vec<Diagnostic>> {
    if text.len() as u64 > files::MAX_FILE_BYTES {
        return Err(vec![files::too_large(file)]);
    }
    let mut r = Reader::new(text, file, sets);
    let mut root = match tree::read(text) {
        Ok(root) => root,
        Err(e) => {
            r.report(
                Loc::Text(e.offset),
                format!("not valid TOML: {}", e.message),
            );
            return Err(r.into_findings());
        }
    };
    for (i, (key, value)) in sets.iter().enumerate() {
        if let Err(why) = sets::apply(&mut root, i, key, value) {
            r.report(Loc::Set(i), why);
        }
    }
    let scenario = document(&mut r, &root, file, name, look);
    if r.clean() {
        Ok(scenario)
    } else {
        Err(r.into_findings())
    }
}

fn document(r: &mut Reader<'_>, root: &Table, file: &Path, name: &str, look: bool) -> Scenario {
    const TABLES: [&str; 10] = [
        "scenario", "array", "volume", "host", "link", "path", "datapath", "workload", "fault",
        "expect",
    ];
    for entry in &root.entries {
        if !TABLES.contains(&entry.key.as_str()) {
            let shown = super::diag::shortened(&entry.key);
            r.report(entry.at, format!("unknown table '{shown}'"))
                .instead_of(&entry.key, &TABLES);
        }
    }
    let mut s = Scenario::named(name, file);
    // The array comes first: its block is the step of every size.
    sections::array(r, root, &mut s);
    scenario(r, root, &mut s);
    sections::volumes(r, root, &mut s);
    sections::host(r, root, &mut s);
    sections::link(r, root, &mut s);
    sections::paths(r, root, &mut s);
    sections::datapath(r, root, &mut s);
    workloads::read(r, root, &mut s, look);
    s.faults = faults::read(r, root, &s);
    s.expects = expects::read(r, root, &s);
    s.ranges = std::mem::take(&mut r.ranges);
    s
}

fn scenario(r: &mut Reader<'_>, root: &Table, s: &mut Scenario) {
    let t = r.section(root, "scenario");
    r.keys(
        &t,
        &[
            "title",
            "why",
            "tags",
            "duration",
            "seed",
            "fidelity",
            "requires",
            "expect_fail",
        ],
    );
    match r.string(&t, "title").map(str::trim) {
        Some("") => {
            r.report(t.place("title"), "the title is empty");
        }
        Some(title) => s.title = title.to_string(),
        None if !t.has("title") => {
            r.report(t.at, "[scenario] needs a title");
        }
        None => {}
    }
    s.why = r.string(&t, "why").unwrap_or_default().to_string();
    s.tags = r
        .strings(&t, "tags")
        .into_iter()
        .map(|(tag, _)| tag.to_string())
        .collect();
    s.duration = r.time(&t, "duration", 1, s.duration);
    seed(r, &t, s);
    word_or_later(r, &t, "fidelity", &[("model", ())], &["wire"]);
    for (word, at) in r.strings(&t, "requires") {
        let injected = word
            .strip_prefix("inject.")
            .is_some_and(|k| faults::KINDS.contains(&k));
        if !injected && !CAPABILITIES.contains(&word) {
            let mut known: Vec<String> = CAPABILITIES.iter().map(|c| (*c).to_string()).collect();
            known.extend(faults::KINDS.iter().map(|k| format!("inject.{k}")));
            let known: Vec<&str> = known.iter().map(String::as_str).collect();
            r.report(at, "unknown capability")
                .found(format!("\"{word}\""))
                .instead_of(word, &known);
        }
        s.requires.push(word.to_string());
    }
    s.expect_fail = r.string(&t, "expect_fail").map(str::to_string);
    if s.expect_fail
        .as_deref()
        .is_some_and(|why| why.trim().is_empty())
    {
        r.report(t.place("expect_fail"), "expect_fail must say why");
    }
}

/// Seeds have 64 bits, one more than TOML's integers: the upper half is written as a text.
fn seed(r: &mut Reader<'_>, t: &Section<'_>, s: &mut Scenario) {
    let Some(entry) = t.get("seed") else { return };
    let seed = match &entry.node.value {
        tree::Value::Int(i) => u64::try_from(*i).ok(),
        tree::Value::Str(text) => text.parse().ok(),
        _ => None,
    };
    match seed {
        Some(seed) => s.seed = seed,
        None => {
            r.report(entry.node.at, "seed must be a whole number of 64 bits")
                .found(entry.node.describe());
        }
    }
}
