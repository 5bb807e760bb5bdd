//! The counters for Prometheus: what the shards show, in OpenMetrics text, made anew at each scrape from their latest snapshots. Names and labels
//! are a contract (`mpio/README.md`).
#![forbid(unsafe_code)]

use super::directory::Directory;
use crate::seen::{Kind, Latency, PathSeen, Snapshot, VolumeSeen};
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, NoLabelSet, text};
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::Registry;
use std::fmt;

pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// All of it, as text.
pub fn render(names: &Directory, shards: Vec<Snapshot>) -> Result<String, fmt::Error> {
    let mut registry = Registry::with_prefix("mpio");
    registry.register_collector(Box::new(Scrape {
        volumes: volumes(names, &shards),
        beats: shards.iter().map(|s| s.beat).collect(),
    }));
    let mut out = String::new();
    text::encode(&mut out, &registry)?;
    Ok(out)
}

#[derive(Debug)]
struct Scrape {
    volumes: Vec<VolumeSum>,
    beats: Vec<u64>,
}

/// One volume, over all shards.
#[derive(Debug)]
struct VolumeSum {
    name: String,
    bytes: u64,
    kinds: [(&'static str, Kind); 3],
    no_path_seconds: f64,
    queued: u64,
    failing: bool,
    parked: u64,
    shadow_bytes: u64,
    paths: Vec<PathSum>,
}

#[derive(Debug)]
struct PathSum {
    volume: String,
    name: String,
    seen: PathSeen,
}

fn volumes(names: &Directory, shards: &[Snapshot]) -> Vec<VolumeSum> {
    let volumes = names.volumes.iter().enumerate();
    let volumes = volumes.map(|(at, entry)| {
        let seen: Vec<&VolumeSeen> = shards.iter().filter_map(|s| s.volumes.get(at)).collect();
        let named = entry.paths.iter().enumerate();
        let paths = named.filter_map(|(path, name)| {
            let shown = seen.iter().filter_map(|v| v.paths.get(path));
            let name = name.as_ref()?.display().to_string();
            Some(PathSum {
                volume: entry.name.clone(),
                name,
                seen: PathSeen::total(shown),
            })
        });
        let waits = || seen.iter().filter_map(|v| v.waits);
        let kind = |of: fn(&VolumeSeen) -> Kind| Kind::total(seen.iter().map(|v| of(v)));
        VolumeSum {
            name: entry.name.clone(),
            bytes: seen.iter().map(|v| v.bytes).max().unwrap_or(0),
            kinds: [
                ("read", kind(|v| v.served.reads)),
                ("write", kind(|v| v.served.writes)),
                ("other", kind(|v| v.served.others)),
            ],
            no_path_seconds: waits().map(|w| seconds(w.since.0)).fold(0.0, f64::max),
            queued: waits().map(|w| u64::from(w.queued)).sum(),
            failing: waits().any(|w| w.failing),
            parked: seen.iter().map(|v| u64::from(v.parked_buffers)).sum(),
            shadow_bytes: seen.iter().map(|v| v.shadows.bytes).sum(),
            paths: paths.collect(),
        }
    });
    volumes.collect()
}

fn seconds(ns: u64) -> f64 {
    ns as f64 / 1e9
}

/// The bounds as Prometheus wants them: the last one has no end.
fn buckets(latency: &Latency) -> Vec<(f64, u64)> {
    let counts = latency.counts.iter().enumerate();
    let bound = |at| Latency::bound_ns(at).map_or(f64::INFINITY, seconds);
    counts.map(|(at, n)| (bound(at), *n)).collect()
}

/// Writes one family; a line for each label set.
struct Writer<'a>(DescriptorEncoder<'a>);

impl Writer<'_> {
    fn counter<'l, const N: usize>(
        &mut self,
        name: &str,
        help: &str,
        lines: impl Iterator<Item = ([(&'l str, &'l str); N], u64)>,
    ) -> fmt::Result {
        let mut family = self
            .0
            .encode_descriptor(name, help, None, MetricType::Counter)?;
        for (labels, value) in lines {
            let mut one = family.encode_family(&labels)?;
            one.encode_counter::<NoLabelSet, _, u64>(&value, None)?;
        }
        Ok(())
    }

    fn gauge<'l, const N: usize>(
        &mut self,
        name: &str,
        help: &str,
        lines: impl Iterator<Item = ([(&'l str, &'l str); N], f64)>,
    ) -> fmt::Result {
        let mut family = self
            .0
            .encode_descriptor(name, help, None, MetricType::Gauge)?;
        for (labels, value) in lines {
            family.encode_family(&labels)?.encode_gauge(&value)?;
        }
        Ok(())
    }

    fn histogram<'l, const N: usize>(
        &mut self,
        name: &str,
        help: &str,
        lines: impl Iterator<Item = ([(&'l str, &'l str); N], &'l Latency)>,
    ) -> fmt::Result {
        let mut family = self
            .0
            .encode_descriptor(name, help, None, MetricType::Histogram)?;
        for (labels, l) in lines {
            let mut one = family.encode_family(&labels)?;
            let sum = seconds(l.sum_ns);
            one.encode_histogram::<NoLabelSet>(sum, l.count(), &buckets(l), None)?;
        }
        Ok(())
    }
}

impl Collector for Scrape {
    fn encode(&self, encoder: DescriptorEncoder) -> fmt::Result {
        let mut w = Writer(encoder);
        let kinds = || {
            let all = self.volumes.iter();
            all.flat_map(|v| v.kinds.iter().map(move |(op, k)| (v, *op, k)))
        };
        let of_kind = |get: fn(&Kind) -> u64| {
            kinds().map(move |(v, op, k)| ([("volume", v.name.as_str()), ("op", op)], get(k)))
        };
        w.counter(
            "volume_ios",
            "I/Os that were answered",
            of_kind(|k| k.latency.count()),
        )?;
        w.counter(
            "volume_bytes",
            "Bytes of I/Os that succeeded",
            of_kind(|k| k.bytes),
        )?;
        w.counter(
            "volume_errors",
            "I/Os that were answered with an error",
            of_kind(|k| k.errors),
        )?;
        w.histogram(
            "volume_latency_seconds",
            "From the kernel's request to its answer, retries and waiting included",
            kinds().map(|(v, op, k)| ([("volume", v.name.as_str()), ("op", op)], &k.latency)),
        )?;
        let volume = |get: fn(&VolumeSum) -> f64| {
            let all = self.volumes.iter();
            all.map(move |v| ([("volume", v.name.as_str())], get(v)))
        };
        let usable = |v: &VolumeSum| v.paths.iter().filter(|p| p.seen.usable).count() as f64;
        w.gauge("volume_size_bytes", "Size", volume(|v| v.bytes as f64))?;
        w.gauge("volume_usable_paths", "Paths that are used", volume(usable))?;
        w.gauge(
            "volume_no_path_seconds",
            "For how long the volume has had no usable path; 0: it has one",
            volume(|v| v.no_path_seconds),
        )?;
        w.gauge(
            "volume_queued",
            "I/Os that wait for a usable path",
            volume(|v| v.queued as f64),
        )?;
        w.gauge(
            "volume_failing",
            "1: there is no usable path and I/O fails at once",
            volume(|v| f64::from(u8::from(v.failing))),
        )?;
        w.gauge(
            "volume_parked_buffers",
            "Buffers held by commands that never came back",
            volume(|v| v.parked as f64),
        )?;
        w.gauge(
            "volume_shadow_bytes",
            "Data of completed writes that are in memory only: a crash of the host now may lose them",
            volume(|v| v.shadow_bytes as f64),
        )?;
        let paths = || self.volumes.iter().flat_map(|v| &v.paths);
        let path = |get: fn(&PathSum) -> u64| paths().map(move |p| (labels(p), get(p)));
        w.counter("path_ios", "Commands that came back", path(|p| p.seen.ios))?;
        w.counter(
            "path_bytes",
            "Bytes of commands that came back",
            path(|p| p.seen.bytes),
        )?;
        w.counter(
            "path_errors",
            "Commands that came back with an error",
            path(|p| p.seen.errors),
        )?;
        w.counter(
            "path_retries",
            "Commands that were lost on the path and sent again over another",
            path(|p| p.seen.retries),
        )?;
        w.counter(
            "path_losses",
            "Times the path was given up",
            path(|p| p.seen.losses),
        )?;
        let gauge = |get: fn(&PathSum) -> f64| paths().map(move |p| (labels(p), get(p)));
        w.gauge(
            "path_inflight",
            "Commands that are out",
            gauge(|p| f64::from(p.seen.inflight)),
        )?;
        w.gauge(
            "path_usable",
            "1: the path is used",
            gauge(|p| f64::from(u8::from(p.seen.usable))),
        )?;
        w.histogram(
            "path_latency_seconds",
            "From the sending of a command to its return",
            paths().map(|p| (labels(p), &p.seen.latency)),
        )?;
        let shards: Vec<String> = (0..self.beats.len()).map(|n| n.to_string()).collect();
        let beats = shards.iter().zip(&self.beats);
        w.counter(
            "shard_snapshots",
            "Looks at a shard; one that does not grow tells of a shard that hangs",
            beats.map(|(shard, n)| ([("shard", shard.as_str())], *n)),
        )
    }
}

fn labels(p: &PathSum) -> [(&str, &str); 2] {
    [("volume", &p.volume), ("path", &p.name)]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::directory::example;
    use crate::control::view::tests::{path, shards};

    #[test]
    fn everything_is_told_once() {
        let text = render(&example(), shards(path())).unwrap();
        insta::assert_snapshot!(text);
    }
}
