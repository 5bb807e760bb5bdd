//! Which paths a scenario has, and what a target means in terms of them.
//!
//! A path is a host port and an array port on the same fabric. Their order (host port, then controller, then port) is the
//! order of the paths' indices, in the array, in the datapath and in every report.

use super::model::{Scenario, Target};
use protocol::{Duration, PathId};

/// Fabrics by index.
pub const FABRICS: [&str; 8] = [
    "red", "blue", "green", "yellow", "orange", "purple", "cyan", "magenta",
];

/// One path of one host.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PathSpec {
    pub host: u16,
    /// Index within the host's list.
    pub path: PathId,
    /// `h0-A0`, or `host1.h0-A0` where there are several hosts.
    pub name: String,
    pub host_port: u16,
    pub controller: u16,
    /// Of the controller.
    pub port: u16,
    pub fabric: u16,
    pub latency: Duration,
    /// The path's own limit below the ports' rate.
    pub bits_per_s: Option<u64>,
    /// False until an `add_path` fault.
    pub present: bool,
}

/// `A`, `B`, …
pub fn controller_name(controller: u16) -> String {
    match u8::try_from(controller) {
        Ok(c) if c < 26 => char::from(b'A' + c).to_string(),
        _ => format!("C{controller}"),
    }
}

pub fn fabric_name(fabric: u16) -> String {
    FABRICS
        .get(usize::from(fabric))
        .map_or_else(|| format!("fabric{fabric}"), |f| (*f).to_string())
}

/// Array ports as they are named: `A0`, `A1`, `B0`, …
pub fn port_names(s: &Scenario) -> Vec<String> {
    (0..s.array.controllers)
        .flat_map(|c| (0..s.array.ports).map(move |p| format!("{}{p}", controller_name(c))))
        .collect()
}

/// Every path of every host, in order, present or not.
pub fn paths(s: &Scenario) -> Vec<PathSpec> {
    let fabrics = s.array.fabrics.max(1);
    let mut all = Vec::new();
    for host in 0..s.host.count {
        let mut index = 0u16;
        for host_port in 0..s.host.ports {
            for controller in 0..s.array.controllers {
                for port in (0..s.array.ports).filter(|p| p % fabrics == host_port % fabrics) {
                    let short = format!("h{host_port}-{}{port}", controller_name(controller));
                    let name = if s.host.count > 1 {
                        format!("host{host}.{short}")
                    } else {
                        short.clone()
                    };
                    let mut spec = PathSpec {
                        host,
                        path: PathId(index),
                        name,
                        host_port,
                        controller,
                        port,
                        fabric: port % fabrics,
                        latency: s.link.latency,
                        bits_per_s: None,
                        present: true,
                    };
                    let long = format!("host{host}.{short}");
                    for o in s.paths.iter().filter(|o| o.name == short || o.name == long) {
                        spec.latency = o.latency.unwrap_or(spec.latency);
                        spec.bits_per_s = o.bits_per_s.or(spec.bits_per_s);
                        spec.present = o.present;
                    }
                    all.push(spec);
                    index = index.saturating_add(1);
                }
            }
        }
    }
    all
}

/// Names that a path may be called by: with several hosts also `h0-A0`, which means every host's.
pub fn known_path_names(s: &Scenario) -> Vec<String> {
    let specs = paths(s);
    let mut names: Vec<String> = specs.iter().map(|p| p.name.clone()).collect();
    for p in specs.iter().filter(|p| p.host == 0) {
        let short = short_name(p);
        names.push(format!("host0.{short}"));
        names.push(short);
    }
    let mut seen = std::collections::BTreeSet::new();
    names.retain(|n| seen.insert(n.clone()));
    names
}

fn short_name(p: &PathSpec) -> String {
    format!(
        "h{}-{}{}",
        p.host_port,
        controller_name(p.controller),
        p.port
    )
}

fn is_called(p: &PathSpec, name: &str) -> bool {
    p.name == name || short_name(p) == name || format!("host{}.{}", p.host, short_name(p)) == name
}

/// The paths that a target means, in order and each once. An `Any` that was not drawn yet means none.
pub fn resolve(target: &Target, s: &Scenario) -> Vec<(u16, PathId)> {
    let all = paths(s);
    let chosen = all.iter().filter(|p| means_path(target, p));
    chosen.map(|p| (p.host, p.path)).collect()
}

fn means_path(target: &Target, p: &PathSpec) -> bool {
    match target {
        Target::Path(name) => is_called(p, name),
        Target::Port(name) => format!("{}{}", controller_name(p.controller), p.port) == *name,
        Target::HostPort { host, port } => p.host_port == *port && host.is_none_or(|h| h == p.host),
        Target::Controller(c) => p.controller == *c,
        Target::Fabric(f) => p.fabric == *f,
        Target::Volume(_) | Target::Array | Target::All => true,
        Target::Host(h) | Target::Datapath(h) => p.host == *h,
        Target::Shard { host, .. } => p.host == *host,
        Target::Any { .. } => false,
        Target::Several(several) => several.iter().any(|t| means_path(t, p)),
    }
}

/// The controllers that a target means: its own, or those behind its paths.
pub fn controllers(target: &Target, s: &Scenario) -> Vec<u16> {
    let all = paths(s);
    let mut found: Vec<u16> = match target {
        Target::Controller(c) => vec![*c],
        Target::Array | Target::All => (0..s.array.controllers).collect(),
        Target::Volume(v) => s.volumes.get(*v).map(|v| v.owner).into_iter().collect(),
        Target::Several(several) => several.iter().flat_map(|t| controllers(t, s)).collect(),
        _ => all
            .iter()
            .filter(|p| means_path(target, p))
            .map(|p| p.controller)
            .collect(),
    };
    found.sort_unstable();
    found.dedup();
    found
}

/// The volumes that a target means: the one it names, else all of them.
pub fn volumes(target: &Target, s: &Scenario) -> Vec<usize> {
    match target {
        Target::Volume(v) => vec![*v],
        Target::Several(several) if several.iter().all(|t| matches!(t, Target::Volume(_))) => {
            let mut found: Vec<usize> = several.iter().flat_map(|t| volumes(t, s)).collect();
            found.sort_unstable();
            found.dedup();
            found
        }
        _ => (0..s.volumes.len()).collect(),
    }
}

/// The datapath shards (host, shard) that a target means.
pub fn shards(target: &Target, s: &Scenario) -> Vec<(u16, u16)> {
    let of_host = |h: u16| (0..s.host.shards).map(move |shard| (h, shard));
    let mut found: Vec<(u16, u16)> = match target {
        Target::Shard { host, shard } => vec![(*host, *shard)],
        Target::Datapath(h) | Target::Host(h) => of_host(*h).collect(),
        Target::All => (0..s.host.count).flat_map(of_host).collect(),
        Target::Several(several) => several.iter().flat_map(|t| shards(t, s)).collect(),
        _ => Vec::new(),
    };
    found.sort_unstable();
    found.dedup();
    found
}

/// The hosts whose datapath a target means.
pub fn hosts(target: &Target, s: &Scenario) -> Vec<u16> {
    let mut found: Vec<u16> = shards(target, s)
        .into_iter()
        .map(|(host, _)| host)
        .collect();
    found.dedup();
    found
}

/// Whether the path is optimised for the volume of the first workload: what `any n of optimized` draws from.
pub fn optimized(p: &PathSpec, s: &Scenario) -> bool {
    let volume = s.workloads.first().map_or(0, |w| w.volume);
    !s.array.asymmetric
        || s.volumes
            .get(volume)
            .is_none_or(|v| v.owner == p.controller)
}
