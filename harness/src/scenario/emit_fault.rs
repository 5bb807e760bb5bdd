//! Writes a fault so that it reads back.

use super::emit::{Writer, list, span_value};
use super::model::*;
use super::quantity::Unit;
use super::{status, targets};
use protocol::Access;

impl Writer<'_> {
    pub(super) fn fault(&mut self, index: usize) {
        let s = self.s;
        let f = &s.faults[index];
        self.open(&format!("fault.{index}"), "[[fault]]");
        match &f.when {
            When::At(at) => self.time("at", *at),
            When::OnEvent { event, nth } => {
                self.text("on_event", event);
                self.quantity("nth", *nth, Unit::Count);
            }
        }
        if let Some(lasts) = f.lasts {
            self.time("for", lasts);
        }
        match &f.on {
            Target::Several(several) => {
                let several: Vec<String> = several.iter().map(|t| targets::write(t, s)).collect();
                self.raw("on", list(&several));
            }
            one => self.text("on", &targets::write(one, s)),
        }
        self.text("do", kind_name(&f.kind));
        self.parameters(&f.kind);
    }

    fn parameters(&mut self, kind: &FaultKind) {
        let name = |v: usize| self.s.volumes.get(v).map_or("?", |v| v.name.as_str());
        match *kind {
            FaultKind::Late {
                after,
                share,
                beyond_fence,
            } => {
                self.raw("after", span_value(after, Unit::Time));
                self.quantity("share", share, Unit::Percent);
                self.raw("beyond_fence", beyond_fence);
            }
            FaultKind::Delay { add, jitter } => {
                self.raw("add", span_value(add, Unit::Time));
                self.time("jitter", jitter);
            }
            FaultKind::ThrottleBits { bits_per_s } => self.quantity("rate", bits_per_s, Unit::Bits),
            FaultKind::ThrottleIops { milli_per_s } => {
                self.quantity("rate", milli_per_s, Unit::Iops)
            }
            FaultKind::Error { status, share } => {
                self.text("status", &status::write(status));
                self.quantity("share", share, Unit::Percent);
            }
            FaultKind::Busy { share } | FaultKind::Duplicate { share } => {
                self.quantity("share", share, Unit::Percent);
            }
            FaultKind::Flap {
                period,
                down_pct,
                drop,
            } => {
                self.time("period", period);
                self.quantity("down", down_pct, Unit::Percent);
                self.text("as", if drop { "drop" } else { "reset" });
            }
            FaultKind::Crash { takeover } => self.time("takeover", takeover),
            FaultKind::Access { state, volume } => {
                self.text(
                    "state",
                    match state {
                        Access::Optimized => "optimized",
                        Access::NonOptimized => "non_optimized",
                        Access::Inaccessible => "inaccessible",
                        Access::Transitioning => "transitioning",
                        Access::Lost => "lost",
                    },
                );
                if let Some(volume) = volume {
                    let volume = name(volume).to_string();
                    self.text("volume", &volume);
                }
            }
            FaultKind::Unmap { volume } => {
                let volume = name(volume).to_string();
                self.text("volume", &volume);
            }
            FaultKind::Swap {
                volume,
                with,
                silent,
            } => {
                let (volume, with) = (name(volume).to_string(), name(with).to_string());
                self.text("volume", &volume);
                self.text("with", &with);
                if silent {
                    self.raw("silent", silent);
                }
            }
            FaultKind::Resize { volume, bytes } => {
                let volume = name(volume).to_string();
                self.text("volume", &volume);
                self.quantity("size", bytes, Unit::Size);
            }
            FaultKind::Medium {
                volume,
                lba,
                blocks,
            } => {
                let volume = name(volume).to_string();
                self.text("volume", &volume);
                self.quantity("lba", lba, Unit::Count);
                self.quantity("blocks", blocks, Unit::Count);
            }
            _ => {}
        }
    }
}

/// The name of a fault's kind, as a scenario writes it.
pub fn kind_name(kind: &FaultKind) -> &'static str {
    match kind {
        FaultKind::Reset => "reset",
        FaultKind::Drop => "drop",
        FaultKind::DropAnswers => "drop_answers",
        FaultKind::Late { .. } => "late",
        FaultKind::Delay { .. } => "delay",
        FaultKind::ThrottleBits { .. } | FaultKind::ThrottleIops { .. } => "throttle",
        FaultKind::Error { .. } => "error",
        FaultKind::Busy { .. } => "busy",
        FaultKind::Flap { .. } => "flap",
        FaultKind::Crash { .. } => "crash",
        FaultKind::Access { .. } => "access",
        FaultKind::Unmap { .. } => "unmap",
        FaultKind::Swap { .. } => "swap",
        FaultKind::Resize { .. } => "resize",
        FaultKind::Medium { .. } => "medium",
        FaultKind::Stall => "stall",
        FaultKind::Duplicate { .. } => "duplicate",
        FaultKind::Lag => "lag",
        FaultKind::Kill => "kill",
        FaultKind::AddPath => "add_path",
        FaultKind::RemovePath => "remove_path",
        FaultKind::FailQueued => "fail_queued",
    }
}
