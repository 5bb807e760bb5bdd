//! Writes a scenario with every default and every drawn value, so that it reads back as the same scenario.

use super::files::relative;
use super::model::*;
use super::policy::policy_name;
use super::quantity::{Unit, write, write_span};
use super::topology;
use protocol::Duration;
use std::fmt::Write;
use std::path::{Path, PathBuf};

/// The resolved scenario as TOML, to stand where the scenario's own file stands.
pub fn to_toml(s: &Scenario) -> String {
    let folder = s.file.parent().unwrap_or(Path::new(""));
    to_toml_in(s, folder)
}

/// The resolved scenario as TOML, to stand in `folder`: traces are named relative to it.
pub fn to_toml_in(s: &Scenario, folder: &Path) -> String {
    let mut w = Writer {
        s,
        folder: folder.to_path_buf(),
        out: String::new(),
        section: String::new(),
    };
    w.scenario();
    w.array();
    w.hosts();
    for i in 0..s.workloads.len() {
        w.workload(i);
    }
    for i in 0..s.faults.len() {
        w.fault(i);
    }
    for e in &s.expects {
        w.open("expect", "[[expect]]");
        w.text(if e.sometimes { "sometimes" } else { "metric" }, &e.text);
        w.text(
            "window",
            match e.window {
                Window::Whole => "whole",
                Window::Steady => "steady",
                Window::Fault => "fault",
                Window::Healed => "healed",
            },
        );
    }
    w.out
}

pub(super) struct Writer<'s> {
    pub(super) s: &'s Scenario,
    folder: PathBuf,
    out: String,
    /// The dotted key of the table that is being written.
    section: String,
}

fn quoted(text: &str) -> String {
    toml_edit::Value::from(text).to_string()
}

pub(super) fn list<'t>(texts: impl IntoIterator<Item = &'t String>) -> String {
    let texts: Vec<String> = texts.into_iter().map(|t| quoted(t)).collect();
    format!("[{}]", texts.join(", "))
}

impl Writer<'_> {
    pub(super) fn open(&mut self, key: &str, header: &str) {
        if !self.out.is_empty() {
            self.out.push('\n');
        }
        self.out.push_str(header);
        self.out.push('\n');
        self.section = key.to_string();
    }

    pub(super) fn raw(&mut self, key: &str, value: impl std::fmt::Display) {
        let _ = writeln!(self.out, "{key} = {value}");
    }

    pub(super) fn text(&mut self, key: &str, value: &str) {
        self.raw(key, quoted(value));
    }

    /// A quantity as TOML: its range where it is not drawn yet.
    fn value(&self, key: &str, value: u64, unit: Unit) -> String {
        let key = format!("{}.{key}", self.section);
        let range = self.s.ranges.iter().find(|r| r.key == key);
        let span = range.map_or(Span::fixed(value), |r| r.span);
        span_value(span, unit)
    }

    pub(super) fn quantity(&mut self, key: &str, value: u64, unit: Unit) {
        let value = self.value(key, value, unit);
        self.raw(key, value);
    }

    pub(super) fn time(&mut self, key: &str, value: Duration) {
        self.quantity(key, value.nanos(), Unit::Time);
    }

    fn scenario(&mut self) {
        let s = self.s;
        self.open("scenario", "[scenario]");
        self.text("title", &s.title);
        if !s.why.is_empty() {
            self.text("why", &s.why);
        }
        if !s.tags.is_empty() {
            self.raw("tags", list(&s.tags));
        }
        self.time("duration", s.duration);
        match i64::try_from(s.seed) {
            Ok(seed) => self.raw("seed", seed),
            Err(_) => self.text("seed", &s.seed.to_string()),
        }
        self.text("fidelity", "model");
        if !s.requires.is_empty() {
            self.raw("requires", list(&s.requires));
        }
        if let Some(why) = &s.expect_fail {
            self.text("expect_fail", why);
        }
    }

    fn array(&mut self) {
        let a = &self.s.array;
        self.open("array", "[array]");
        self.raw("controllers", a.controllers);
        self.raw("ports", a.ports);
        self.raw("fabrics", a.fabrics);
        self.raw("block", a.block);
        self.text(
            "access",
            if a.asymmetric {
                "asymmetric"
            } else {
                "symmetric"
            },
        );
        self.time("forward", a.forward);
        let tail = match a.tail {
            Tail::Fixed => "fixed",
            Tail::Exp => "exp",
            Tail::Lognormal => "lognormal",
            Tail::Uniform => "uniform",
        };
        let read = self.value("service.read", a.service_read.nanos(), Unit::Time);
        let write = self.value("service.write", a.service_write.nanos(), Unit::Time);
        let parallel = self.value("service.parallel", u64::from(a.parallel), Unit::Count);
        self.raw(
            "service",
            format!(
                "{{ read = {read}, write = {write}, tail = \"{tail}\", parallel = {parallel} }}"
            ),
        );
        self.text(
            "cache",
            match a.cache {
                Cache::Mirrored => "mirrored",
                Cache::Volatile => "volatile",
                Cache::None => "none",
            },
        );
        self.text(
            "fence",
            match a.fence {
                ArrayFence::Ccr => "ccr",
                ArrayFence::Time => "time",
            },
        );
        self.time("ccr", a.ccr);
        self.time("cqt", a.cqt);
        for (i, v) in self.s.volumes.iter().enumerate() {
            self.open(&format!("volume.{i}"), "[[volume]]");
            self.text("name", &v.name);
            self.quantity("size", v.bytes, Unit::Size);
            self.text("owner", &topology::controller_name(v.owner));
        }
    }

    fn hosts(&mut self) {
        let s = self.s;
        self.open("host", "[host]");
        self.raw("count", s.host.count);
        self.raw("ports", s.host.ports);
        self.raw("shards", s.host.shards);
        self.open("link", "[link]");
        self.time("latency", s.link.latency);
        self.quantity("rate", s.link.bits_per_s, Unit::Bits);
        for (i, p) in s.paths.iter().enumerate() {
            self.open(&format!("path.{i}"), "[[path]]");
            self.text("name", &p.name);
            if let Some(latency) = p.latency {
                self.time("latency", latency);
            }
            if let Some(rate) = p.bits_per_s {
                self.quantity("rate", rate, Unit::Bits);
            }
            self.raw("present", p.present);
        }
        let d = &s.datapath;
        self.open("datapath", "[datapath]");
        self.text("policy", &policy_name(d));
        self.time("io_timeout", d.io_timeout);
        let queue_for = self.value("no_path.queue_for", d.queue_for.nanos(), Unit::Time);
        self.raw("no_path", format!("{{ queue_for = {queue_for} }}"));
        self.text(
            "fence",
            match d.fence {
                FencePolicy::InDoubt => "in_doubt",
                FencePolicy::Hold => "hold",
                FencePolicy::Shadow => "shadow",
                FencePolicy::None => "none",
            },
        );
        self.time("quiesce", d.quiesce);
        self.quantity("shadow", d.shadow_bytes, Unit::Size);
        self.quantity("hedge", d.hedge, Unit::Percent);
    }

    fn workload(&mut self, index: usize) {
        let s = self.s;
        let w = &s.workloads[index];
        self.open(&format!("workload.{index}"), "[[workload]]");
        self.text("name", &w.name);
        self.text(
            "volume",
            s.volumes.get(w.volume).map_or("?", |v| v.name.as_str()),
        );
        self.raw("host", w.host);
        match &w.kind {
            Kind::Replay(replay) => self.replay(w, replay),
            drawn => {
                self.text(
                    "kind",
                    match drawn {
                        Kind::Sequential => "sequential",
                        Kind::Zipf => "zipf",
                        _ => "random",
                    },
                );
                self.quantity("read", w.read_pct, Unit::Percent);
                self.quantity("fua", w.fua_pct, Unit::Percent);
                if w.failfast_pct > 0 {
                    self.quantity("failfast", w.failfast_pct, Unit::Percent);
                }
                self.quantity("discard", w.discard_pct, Unit::Percent);
                self.quantity("write_zeroes", w.write_zeroes_pct, Unit::Percent);
                self.raw("block", span_value(w.block, Unit::Size));
                self.quantity("span", w.span, Unit::Size);
                self.quantity("offset", w.offset, Unit::Size);
                match w.load {
                    Load::Depth(depth) => self.quantity("depth", u64::from(depth), Unit::Count),
                    Load::RateMilli(rate) => self.quantity("rate", rate, Unit::Iops),
                }
                self.quantity("flush_every", w.flush_every, Unit::Count);
            }
        }
        self.time("start", w.start);
        if let Some(stop) = w.stop {
            self.time("stop", stop);
        }
        if let Some(count) = w.count {
            self.quantity("count", count, Unit::Count);
        }
    }

    fn replay(&mut self, w: &Workload, replay: &Replay) {
        self.text("kind", "replay");
        let file = relative(&replay.file, &self.folder);
        self.text("file", &file.to_string_lossy());
        self.text("format", &replay.format);
        self.text(
            "pace",
            if replay.recorded_pace {
                "recorded"
            } else {
                "asap"
            },
        );
        let (whole, milli) = (replay.speed_milli / 1_000, replay.speed_milli % 1_000);
        self.raw("speed", format!("{whole}.{milli:03}"));
        if let Some(device) = &replay.device {
            self.text("device", device);
        }
        self.text(
            "beyond_end",
            match replay.beyond_end {
                BeyondEnd::Wrap => "wrap",
                BeyondEnd::Clip => "clip",
                BeyondEnd::Fail => "fail",
            },
        );
        if let Some(limit) = replay.limit {
            self.quantity("limit", limit, Unit::Count);
        }
        if let (false, Load::Depth(depth)) = (replay.recorded_pace, w.load) {
            self.quantity("depth", u64::from(depth), Unit::Count);
        }
    }
}

/// Numbers stand bare, everything with a unit or a range in quotes.
pub(super) fn span_value(span: Span, unit: Unit) -> String {
    if span.lo == span.hi && matches!(unit, Unit::Count | Unit::Percent) {
        write(span.lo, unit)
    } else {
        format!("\"{}\"", write_span(span, unit))
    }
}
