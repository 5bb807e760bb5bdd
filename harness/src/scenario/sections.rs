//! Reads the tables that describe the array, the hosts and what lies between them.

use super::model::*;
use super::policy::{self, Choice};
use super::quantity::Unit;
use super::reader::{Reader, Section};
use super::topology;
use super::tree::{self, Table};
use super::typed::Drawn;
use std::path::Path;

pub fn array(r: &mut Reader<'_>, root: &Table, s: &mut Scenario) {
    let t = r.section(root, "array");
    r.keys(
        &t,
        &[
            "controllers",
            "ports",
            "fabrics",
            "block",
            "access",
            "forward",
            "service",
            "cache",
            "fence",
            "ccr",
            "cqt",
        ],
    );
    let a = &mut s.array;
    a.controllers = r.number(&t, "controllers", 1, 26, a.controllers);
    a.ports = r.number(&t, "ports", 1, 32, a.ports);
    a.fabrics = r.number(&t, "fabrics", 1, topology::FABRICS.len() as u16, a.fabrics);
    if let Some(got) = r.quantity(&t, "block", Unit::Count, Drawn::Never, 0, u64::MAX) {
        match got.span.lo {
            512 => a.block = 512,
            4096 => a.block = 4096,
            other => {
                r.report(got.at, "unknown block")
                    .found(other.to_string())
                    .allowed(["512", "4096"]);
            }
        }
    }
    r.block = u64::from(a.block);
    a.asymmetric = r
        .word(&t, "access", &[("asymmetric", true), ("symmetric", false)])
        .unwrap_or(a.asymmetric);
    a.forward = r.time(&t, "forward", 0, a.forward);
    let service = r.subsection(&t, "service");
    r.keys(&service, &["read", "write", "tail", "parallel"]);
    a.service_read = r.time(&service, "read", 0, a.service_read);
    a.service_write = r.time(&service, "write", 0, a.service_write);
    let tails = [
        ("fixed", Tail::Fixed),
        ("exp", Tail::Exp),
        ("lognormal", Tail::Lognormal),
        ("uniform", Tail::Uniform),
    ];
    a.tail = r.word(&service, "tail", &tails).unwrap_or(a.tail);
    if let Some(got) = r.quantity(&service, "parallel", Unit::Count, Drawn::PerSeed, 1, 65_536) {
        a.parallel = got.span.lo as u32;
    }
    let caches = [
        ("mirrored", Cache::Mirrored),
        ("volatile", Cache::Volatile),
        ("none", Cache::None),
    ];
    a.cache = r.word(&t, "cache", &caches).unwrap_or(a.cache);
    a.fence = r
        .word(
            &t,
            "fence",
            &[("ccr", ArrayFence::Ccr), ("time", ArrayFence::Time)],
        )
        .unwrap_or(a.fence);
    a.ccr = r.time(&t, "ccr", 0, a.ccr);
    a.cqt = r.time(&t, "cqt", 0, a.cqt);
}

pub fn volumes(r: &mut Reader<'_>, root: &Table, s: &mut Scenario) {
    let tables = r.sections(root, "volume", 65_535);
    if tables.is_empty() {
        return;
    }
    let owners: Vec<String> = (0..s.array.controllers)
        .map(topology::controller_name)
        .collect();
    let owners: Vec<(&str, u16)> = owners.iter().map(String::as_str).zip(0..).collect();
    let mut seen = std::collections::BTreeSet::new();
    s.volumes.clear();
    for (i, t) in tables.iter().enumerate() {
        r.keys(t, &["name", "size", "owner"]);
        let name = r
            .string(t, "name")
            .map_or_else(|| format!("vol{i}"), str::to_string);
        plain_name(r, t, &name);
        if !seen.insert(name.clone()) {
            let shown = super::diag::shortened(&name);
            r.report(t.place("name"), format!("a second volume '{shown}'"));
        }
        let size = r.blocks(t, "size", Drawn::PerSeed, r.block, Unit::Size.ceiling());
        let owner = r.word(t, "owner", &owners).unwrap_or(0);
        s.volumes.push(Volume {
            name,
            bytes: size.map_or(Volume::DEFAULT_BYTES, |got| got.span.lo),
            owner,
        });
    }
}

/// Names stand in targets, metrics and reports, so they are plain.
pub(super) fn plain_name(r: &mut Reader<'_>, t: &Section<'_>, name: &str) {
    let plain = |c: char| c.is_ascii_alphanumeric() || "_-.".contains(c);
    if name.is_empty() || name.len() > 64 || !name.chars().all(plain) {
        r.report(
            t.place("name"),
            "a name has 1 to 64 letters, digits, '_', '-' or '.'",
        )
        .found(format!("\"{name}\""));
    }
}

pub fn host(r: &mut Reader<'_>, root: &Table, s: &mut Scenario) {
    let t = r.section(root, "host");
    r.keys(&t, &["count", "ports", "shards"]);
    s.host.count = r.number(&t, "count", 1, 64, s.host.count);
    s.host.ports = r.number(&t, "ports", 1, 32, s.host.ports);
    s.host.shards = r.number(&t, "shards", 1, 64, s.host.shards);
    // Ports of one index share a fabric, so this is an upper bound; it keeps path indices within 16 bits.
    let per_host =
        u64::from(s.host.ports) * u64::from(s.array.controllers) * u64::from(s.array.ports);
    let all = per_host * u64::from(s.host.count);
    if all > 16_384 {
        r.report(
            t.at,
            format!("up to {all} paths (host ports × array ports): at most 16384"),
        );
        (s.host, s.array.ports) = (Scenario::named("", Path::new("")).host, 2);
    }
}

pub fn link(r: &mut Reader<'_>, root: &Table, s: &mut Scenario) {
    let t = r.section(root, "link");
    r.keys(&t, &["latency", "rate"]);
    s.link.latency = r.time(&t, "latency", 0, s.link.latency);
    if let Some(rate) = bits(r, &t) {
        s.link.bits_per_s = rate;
    }
}

/// A link below one kbit/s would not carry one command in a run.
fn bits(r: &mut Reader<'_>, t: &Section<'_>) -> Option<u64> {
    r.quantity(
        t,
        "rate",
        Unit::Bits,
        Drawn::PerSeed,
        1_000,
        Unit::Bits.ceiling(),
    )
    .map(|got| got.span.lo)
}

pub fn paths(r: &mut Reader<'_>, root: &Table, s: &mut Scenario) {
    let known = topology::known_path_names(s);
    let known: Vec<&str> = known.iter().map(String::as_str).collect();
    let mut seen = std::collections::BTreeSet::new();
    for t in r.sections(root, "path", 4_096) {
        r.keys(&t, &["name", "latency", "rate", "present"]);
        let Some(name) = r.string(&t, "name") else {
            if !t.has("name") {
                r.report(t.at, "[[path]] needs a name")
                    .allowed(known.iter().copied());
            }
            continue;
        };
        let shown = super::diag::shortened(name);
        if !known.contains(&name) {
            r.report(
                t.place("name"),
                format!("no path '{shown}' in this scenario"),
            )
            .instead_of(name, &known);
        } else if !seen.insert(name) {
            r.report(t.place("name"), format!("a second [[path]] for '{shown}'"));
        }
        let path = PathOverride {
            name: name.to_string(),
            latency: r.opt_time(&t, "latency", 0),
            bits_per_s: bits(r, &t),
            present: r.flag(&t, "present").unwrap_or(true),
        };
        s.paths.push(path);
    }
}

pub fn datapath(r: &mut Reader<'_>, root: &Table, s: &mut Scenario) {
    let t = r.section(root, "datapath");
    r.keys(
        &t,
        &[
            "policy",
            "io_timeout",
            "no_path",
            "fence",
            "quiesce",
            "shadow",
            "hedge",
        ],
    );
    let d = &mut s.datapath;
    if let Some(choice) = policy(r, &t) {
        choice.apply(d);
    }
    d.io_timeout = r.time(&t, "io_timeout", 1, d.io_timeout);
    let no_path = r.subsection(&t, "no_path");
    r.keys(&no_path, &["queue_for"]);
    d.queue_for = r.time(&no_path, "queue_for", 0, d.queue_for);
    let fences = [
        ("in_doubt", FencePolicy::InDoubt),
        ("hold", FencePolicy::Hold),
        ("shadow", FencePolicy::Shadow),
        ("none", FencePolicy::None),
    ];
    d.fence = r.word(&t, "fence", &fences).unwrap_or(d.fence);
    d.quiesce = r.time(&t, "quiesce", 0, d.quiesce);
    let shadow = r.blocks(&t, "shadow", Drawn::PerSeed, r.block, Unit::Size.ceiling());
    d.shadow_bytes = shadow.map_or(d.shadow_bytes, |got| got.span.lo);
    d.hedge = r.percent(&t, "hedge", d.hedge).lo;
}

/// A policy by its name, with the weights of a split.
fn policy(r: &mut Reader<'_>, t: &Section<'_>) -> Option<Choice> {
    if let Some(tree::Value::Str(text)) = t.get("policy").map(|e| &e.node.value)
        && let Some(split) = policy::static_weights(text)
    {
        return match split {
            Ok(choice) => Some(choice),
            Err(why) => {
                r.report(t.place("policy"), why);
                None
            }
        };
    }
    r.word(t, "policy", &policy::plain_names())
        .map(Choice::from)
}

/// One word of a set; what is named in the language and not built yet is refused by its name.
pub fn word_or_later<T: Copy>(
    r: &mut Reader<'_>,
    t: &Section<'_>,
    key: &str,
    words: &[(&str, T)],
    later: &[&str],
) -> Option<T> {
    if let Some(tree::Value::Str(word)) = t.get(key).map(|e| &e.node.value)
        && later.contains(&word.as_str())
    {
        r.report(t.place(key), format!("{key} \"{word}\" is not built yet"))
            .allowed(words.iter().map(|(w, _)| *w));
        return None;
    }
    r.word(t, key, words)
}
