//! What a fault is on, as text: `path:h0-A0`, `controller:A`, `any 2 of paths`; and its drawing.

use super::model::{Scenario, Target};
use super::topology::{self, FABRICS, PathSpec};
use protocol::rng::Stream;

/// Groups that `any n of` draws from.
pub const GROUPS: [&str; 7] = [
    "paths",
    "controllers",
    "fabrics",
    "ports",
    "host_ports",
    "optimized",
    "non_optimized",
];

const KINDS: [&str; 10] = [
    "path:",
    "port:",
    "host_port:",
    "controller:",
    "fabric:",
    "volume:",
    "host:",
    "shard:",
    "datapath",
    "array",
];

/// Why a text is no target of this scenario.
pub struct NotATarget {
    pub message: String,
    /// What was meant, of what is known.
    pub word: String,
    pub known: Vec<String>,
}

fn unknown(what: &str, word: &str, known: Vec<String>) -> NotATarget {
    let message = format!(
        "no {what} '{}' in this scenario",
        super::diag::shortened(word)
    );
    NotATarget {
        message,
        word: word.to_string(),
        known,
    }
}

/// Reads a target and checks its names.
pub fn parse(text: &str, s: &Scenario) -> Result<Target, NotATarget> {
    let text = text.trim();
    if let Some(rest) = text.strip_prefix("any ") {
        return any(rest, s);
    }
    match text {
        "array" => return Ok(Target::Array),
        "all" => return Ok(Target::All),
        "datapath" => return Ok(Target::Datapath(0)),
        _ => {}
    }
    let Some((kind, name)) = text.split_once(':') else {
        return Err(not_a_kind(text));
    };
    match kind {
        "path" => {
            let known = topology::known_path_names(s);
            if known.iter().any(|k| k == name) {
                Ok(Target::Path(name.to_string()))
            } else {
                Err(unknown("path", name, known))
            }
        }
        "port" => {
            let known = topology::port_names(s);
            if known.iter().any(|k| k == name) {
                Ok(Target::Port(name.to_string()))
            } else {
                Err(unknown("port", name, known))
            }
        }
        "host_port" => host_port(name, s),
        "controller" => indexed(name, s.array.controllers, topology::controller_name)
            .map(Target::Controller)
            .map_err(|known| unknown("controller", name, known)),
        "fabric" => indexed(
            name,
            s.array.fabrics.min(FABRICS.len() as u16),
            topology::fabric_name,
        )
        .map(Target::Fabric)
        .map_err(|known| unknown("fabric", name, known)),
        "volume" => match s.volumes.iter().position(|v| v.name == name) {
            Some(v) => Ok(Target::Volume(v)),
            None => Err(unknown(
                "volume",
                name,
                s.volumes.iter().map(|v| v.name.clone()).collect(),
            )),
        },
        "host" => indexed(name, s.host.count, |h| h.to_string())
            .map(Target::Host)
            .map_err(|known| unknown("host", name, known)),
        "datapath" => indexed(name, s.host.count, |h| h.to_string())
            .map(Target::Datapath)
            .map_err(|known| unknown("datapath", name, known)),
        "shard" => shard(name, s),
        _ => Err(not_a_kind(text)),
    }
}

fn not_a_kind(text: &str) -> NotATarget {
    let mut known: Vec<String> = KINDS.iter().map(|k| (*k).to_string()).collect();
    known.extend(["all".to_string(), "any N of paths".to_string()]);
    let word = match text.split_once(':') {
        Some((kind, _)) => format!("{kind}:"),
        None => text.to_string(),
    };
    NotATarget {
        message: "unknown target".into(),
        word,
        known,
    }
}

fn indexed(name: &str, count: u16, namer: impl Fn(u16) -> String) -> Result<u16, Vec<String>> {
    (0..count)
        .find(|i| namer(*i) == name)
        .ok_or_else(|| (0..count).map(namer).collect())
}

/// `h0`, or `host1.h0`.
fn host_port(name: &str, s: &Scenario) -> Result<Target, NotATarget> {
    let plain = |port: u16| format!("h{port}");
    for port in 0..s.host.ports {
        if plain(port) == name {
            return Ok(Target::HostPort { host: None, port });
        }
        for host in 0..s.host.count {
            if format!("host{host}.h{port}") == name {
                return Ok(Target::HostPort {
                    host: Some(host),
                    port,
                });
            }
        }
    }
    Err(unknown(
        "host port",
        name,
        (0..s.host.ports).map(plain).collect(),
    ))
}

/// `0` (of host 0), or `host1.0`.
fn shard(name: &str, s: &Scenario) -> Result<Target, NotATarget> {
    for host in 0..s.host.count {
        for shard in 0..s.host.shards {
            if (host == 0 && shard.to_string() == name) || format!("host{host}.{shard}") == name {
                return Ok(Target::Shard { host, shard });
            }
        }
    }
    let known = (0..s.host.shards).map(|i| i.to_string()).collect();
    Err(unknown("shard", name, known))
}

fn any(rest: &str, s: &Scenario) -> Result<Target, NotATarget> {
    let parsed = rest
        .split_once(" of ")
        .and_then(|(n, of)| Some((n.trim().parse::<u64>().ok()?, of.trim())));
    let Some((n, of)) = parsed else {
        return Err(NotATarget {
            message: "expected \"any N of GROUP\", such as \"any 2 of paths\"".into(),
            word: String::new(),
            known: GROUPS.iter().map(|g| (*g).to_string()).collect(),
        });
    };
    if !GROUPS.contains(&of) {
        return Err(NotATarget {
            message: format!("unknown group '{}'", super::diag::shortened(of)),
            word: of.to_string(),
            known: GROUPS.iter().map(|g| (*g).to_string()).collect(),
        });
    }
    let there = candidates(of, s).len();
    if n == 0 || n > there as u64 {
        return Err(NotATarget {
            message: format!("\"any {n} of {of}\": this scenario has {there} {of}"),
            word: String::new(),
            known: Vec::new(),
        });
    }
    Ok(Target::Any {
        n,
        of: of.to_string(),
    })
}

fn candidates(of: &str, s: &Scenario) -> Vec<Target> {
    let paths = |wanted: &dyn Fn(&PathSpec) -> bool| -> Vec<Target> {
        let all = topology::paths(s);
        all.iter()
            .filter(|p| wanted(p))
            .map(|p| Target::Path(p.name.clone()))
            .collect()
    };
    match of {
        "paths" => paths(&|_| true),
        "optimized" => paths(&|p| topology::optimized(p, s)),
        "non_optimized" => paths(&|p| !topology::optimized(p, s)),
        "controllers" => (0..s.array.controllers).map(Target::Controller).collect(),
        "fabrics" => (0..s.array.fabrics).map(Target::Fabric).collect(),
        "ports" => topology::port_names(s)
            .into_iter()
            .map(Target::Port)
            .collect(),
        "host_ports" => (0..s.host.count)
            .flat_map(|host| {
                (0..s.host.ports).map(move |port| Target::HostPort {
                    host: Some(host),
                    port,
                })
            })
            .collect(),
        _ => Vec::new(),
    }
}

/// What `any n of …` becomes under a stream: `n` different members, in the order of the topology.
pub fn draw(target: &Target, s: &Scenario, stream: &mut Stream) -> Target {
    match target {
        Target::Any { n, of } => {
            let mut left = candidates(of, s);
            let mut wanted = usize::try_from(*n).unwrap_or(usize::MAX).min(left.len());
            let mut chosen = Vec::new();
            // Selection sampling (Knuth 3.4.2 S) keeps the order.
            let mut remaining = left.len();
            for candidate in left.drain(..) {
                if stream.below(remaining as u64) < wanted as u64 {
                    chosen.push(candidate);
                    wanted -= 1;
                }
                remaining -= 1;
            }
            Target::Several(chosen)
        }
        Target::Several(several) => {
            Target::Several(several.iter().map(|t| draw(t, s, stream)).collect())
        }
        fixed => fixed.clone(),
    }
}

/// Writes a target so that it reads back; `Several` is a list of these.
pub fn write(target: &Target, s: &Scenario) -> String {
    match target {
        Target::Path(name) => format!("path:{name}"),
        Target::Port(name) => format!("port:{name}"),
        Target::HostPort { host: None, port } => format!("host_port:h{port}"),
        Target::HostPort {
            host: Some(host),
            port,
        } => format!("host_port:host{host}.h{port}"),
        Target::Controller(c) => format!("controller:{}", topology::controller_name(*c)),
        Target::Fabric(f) => format!("fabric:{}", topology::fabric_name(*f)),
        Target::Volume(v) => {
            let name = s.volumes.get(*v).map_or("?", |v| v.name.as_str());
            format!("volume:{name}")
        }
        Target::Array => "array".into(),
        Target::Host(h) => format!("host:{h}"),
        Target::Shard { host: 0, shard } => format!("shard:{shard}"),
        Target::Shard { host, shard } => format!("shard:host{host}.{shard}"),
        Target::Datapath(0) => "datapath".into(),
        Target::Datapath(h) => format!("datapath:{h}"),
        Target::All => "all".into(),
        Target::Any { n, of } => format!("any {n} of {of}"),
        Target::Several(several) => {
            let all: Vec<String> = several.iter().map(|t| write(t, s)).collect();
            all.join(", ")
        }
    }
}
