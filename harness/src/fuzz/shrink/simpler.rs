//! The steps that make one fault or one workload simpler, each a value at a time: a kind that says less, a target that frees the
//! topology, round times, fewer and smaller I/Os.

use super::Search;
use crate::fuzz::signature::Signature;
use crate::scenario::model::*;
use protocol::Duration;

impl Search<'_> {
    pub(super) fn fault(&mut self, i: usize) {
        self.step(|s| {
            s.faults[i].kind = match s.faults[i].kind {
                FaultKind::Flap { drop: false, .. } | FaultKind::DropAnswers | FaultKind::Drop => {
                    FaultKind::Reset
                }
                FaultKind::Flap { drop: true, .. } => FaultKind::Drop,
                ref other => other.clone(),
            };
        });
        self.step(|s| {
            if s.faults[i].kind == FaultKind::DropAnswers {
                s.faults[i].kind = FaultKind::Drop;
            }
        });
        for share in [100, 50] {
            self.step(|s| match &mut s.faults[i].kind {
                FaultKind::Late { share: at, .. }
                | FaultKind::Error { share: at, .. }
                | FaultKind::Busy { share: at }
                | FaultKind::Duplicate { share: at }
                    if *at != 100 =>
                {
                    *at = share;
                }
                _ => {}
            });
        }
        self.step(|s| match &mut s.faults[i].kind {
            FaultKind::Late { after, .. } => *after = Span::fixed(1_000_000_000),
            FaultKind::Crash { takeover } => *takeover = Duration::from_millis(300),
            FaultKind::Flap { down_pct, .. } => *down_pct = 50,
            FaultKind::Delay { jitter, .. } => *jitter = Duration::ZERO,
            FaultKind::Access { volume, .. } => *volume = None,
            _ => {}
        });
        self.step(|s| match &mut s.faults[i].kind {
            FaultKind::Late { after: span, .. } | FaultKind::Delay { add: span, .. } => {
                *span = Span::fixed(span.lo)
            }
            _ => {}
        });
        if let Target::Several(several) = &self.best.faults[i].on {
            for n in (0..several.len()).rev() {
                self.step(|s| {
                    if let Target::Several(several) = &mut s.faults[i].on
                        && several.len() > 1
                        && n < several.len()
                    {
                        several.remove(n);
                    }
                });
            }
            self.step(|s| {
                if let Target::Several(several) = &s.faults[i].on
                    && let [one] = several.as_slice()
                {
                    s.faults[i].on = one.clone();
                }
            });
        }
        // A simpler place frees the topology: the first path, then everything of a kind.
        let simple = [
            Target::Path("h0-A0".into()),
            Target::Controller(0),
            Target::Volume(0),
            Target::Shard { host: 0, shard: 0 },
            Target::Datapath(0),
            Target::All,
        ];
        for on in &simple {
            if self.best.faults[i].on == *on {
                break;
            }
            if self.step(|s| s.faults[i].on = on.clone()) {
                break;
            }
        }
        self.times(i);
    }

    fn times(&mut self, i: usize) {
        self.step(|s| {
            if matches!(s.faults[i].when, When::OnEvent { .. }) {
                s.faults[i].when = When::At(Duration::from_millis(100));
            }
        });
        self.step(|s| s.faults[i].lasts = None);
        for grain in [1_000_000_000, 100_000_000, 10_000_000, 1_000_000] {
            let down = |t: &mut Duration| *t = Duration((t.0 / grain * grain).max(grain.min(t.0)));
            self.step(|s| {
                if let When::At(at) = &mut s.faults[i].when {
                    down(at);
                }
            });
            self.step(|s| {
                if let Some(lasts) = &mut s.faults[i].lasts {
                    down(lasts);
                }
            });
        }
        for _ in 0..6 {
            let shorter = self.step(|s| {
                if let Some(lasts) = &mut s.faults[i].lasts
                    && lasts.0 > 2_000_000
                {
                    *lasts = Duration(lasts.0 / 2 / 1_000_000 * 1_000_000);
                }
            });
            if !shorter {
                break;
            }
        }
    }

    pub(super) fn workload(&mut self, i: usize) {
        // A load's draws are named after it: under another name they are others, and may do as well.
        self.step(|s| s.workloads[i].name = format!("workload{i}"));
        self.step(|s| s.workloads[i].kind = Kind::Random);
        self.step(|s| s.workloads[i].fua_pct = 0);
        self.step(|s| s.workloads[i].failfast_pct = 0);
        self.step(|s| s.workloads[i].discard_pct = 0);
        self.step(|s| s.workloads[i].write_zeroes_pct = 0);
        self.step(|s| s.workloads[i].flush_every = 0);
        self.step(|s| s.workloads[i].start = Duration::ZERO);
        self.step(|s| s.workloads[i].stop = None);
        self.step(|s| s.workloads[i].volume = 0);
        self.step(|s| s.workloads[i].offset = 0);
        self.step(|s| s.workloads[i].block = Span::fixed(4_096));
        self.step(|s| s.workloads[i].block = Span::fixed(s.workloads[i].block.lo));
        for read in [0, 100, 70] {
            self.step(|s| {
                let w = &mut s.workloads[i];
                if ![0, 100].contains(&w.read_pct) {
                    w.read_pct = read;
                }
            });
        }
        self.step(|s| s.workloads[i].read_pct = 70);
        for depth in [1, 2, 4, 8, 16] {
            self.step(|s| match &mut s.workloads[i].load {
                Load::Depth(d) => *d = (*d).min(depth),
                load => *load = Load::Depth(depth),
            });
        }
        for _ in 0..8 {
            let slower = self.step(|s| {
                if let Load::RateMilli(rate) = &mut s.workloads[i].load
                    && *rate > 20_000
                {
                    *rate = *rate / 2 / 1_000 * 1_000;
                }
            });
            if !slower {
                break;
            }
        }
        for _ in 0..16 {
            let narrower = self.step(|s| {
                let w = &mut s.workloads[i];
                w.span = (w.span / 2 / 4_096 * 4_096).max(w.block.hi).min(w.span);
            });
            if !narrower {
                break;
            }
        }
        // Less to do is no simpler reason for too little done.
        if matches!(self.wanted, Signature::Expectation(metric, _) if metric.starts_with("app.ios"))
        {
            return;
        }
        for count in [1, 2, 5, 10, 30, 100, 300, 1_000] {
            let fewer = self.step(|s| {
                let w = &mut s.workloads[i];
                w.count = Some(w.count.map_or(count, |c| c.min(count)));
            });
            if fewer {
                break;
            }
        }
    }
}
