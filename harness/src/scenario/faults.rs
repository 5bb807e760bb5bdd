//! Reads `[[fault]]`: when, for how long, on what, and what happens there.

use super::model::*;
use super::quantity::{self, Unit};
use super::reader::{Reader, Section};
use super::tree::{Loc, Table, Value};
use super::typed::Drawn;
use super::{effects, targets};

/// What a fault can do, as the table of the language names it.
pub const KINDS: [&str; 22] = [
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
    "fail_queued",
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
        "swap" => (&["volume", "with", "silent"], &LINKS_OR_VOLUME),
        "resize" => (&["volume", "size"], &["volume", "array"]),
        "medium" => (&["volume", "lba", "blocks"], &["volume", "array"]),
        "stall" => (&[], &["controller", "array", "all", "any"]),
        "lag" => (&[], &["shard", "datapath", "host"]),
        "kill" => (&[], &["datapath", "host"]),
        "fail_queued" => (&[], &["datapath", "host", "volume"]),
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
        if let Some(When::At(at)) = &when
            && r.highest(&format!("{}.at", t.key), at.nanos()) >= s.duration.nanos()
        {
            let end = quantity::write(s.duration.nanos(), Unit::Time);
            r.report(
                t.place("at"),
                format!("the fault starts when the run is over (its duration is {end})"),
            );
        }
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
    effects::read(r, t, name, on, s)
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
