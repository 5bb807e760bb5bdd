//! The fault timeline in wall time. What is broken is mended at its time, at the end of the run, and when this is dropped: a machine is
//! never left broken.

use super::inject::{Injector, Injectors, carried_out_as};
use super::log::Log;
use crate::scenario::model::{Fault, FaultKind, Scenario, When};
use crate::scenario::{kind_name, target_name};
use protocol::Instant;

#[derive(Debug)]
struct Planned {
    fault: Fault,
    on: String,
    means: Vec<Injector>,
    begins: Instant,
    ends: Instant,
    /// It has begun and not ended.
    active: bool,
    over: bool,
    /// Means that are broken now.
    down: usize,
    /// A flapping fault's next edge; of any other it never comes.
    edge: Instant,
}

#[derive(Debug)]
pub struct Timeline {
    planned: Vec<Planned>,
}

impl Timeline {
    pub fn new(s: &Scenario, injectors: &Injectors) -> Timeline {
        let planned = s.faults.iter().filter_map(|fault| {
            let When::At(at) = fault.when else {
                return None;
            };
            let begins = Instant(at.0);
            Some(Planned {
                on: target_name(&fault.on, s),
                means: injectors.plan(fault, s).ok()?,
                begins,
                ends: fault.lasts.map_or(Instant::MAX, |lasts| begins + lasts),
                active: false,
                over: false,
                down: 0,
                edge: match fault.kind {
                    FaultKind::Flap { .. } => begins,
                    _ => Instant::MAX,
                },
                fault: fault.clone(),
            })
        });
        Timeline {
            planned: planned.collect(),
        }
    }

    /// When something is due next.
    pub fn next(&self) -> Option<Instant> {
        let of = |p: &Planned| match (p.over, p.active, &p.fault.kind) {
            (true, ..) => None,
            (_, false, _) => Some(p.begins),
            (_, true, FaultKind::Flap { .. }) => Some(p.edge.min(p.ends)),
            (_, true, _) => Some(p.ends),
        };
        self.planned.iter().filter_map(of).min()
    }

    /// Does what is due.
    pub fn advance(&mut self, now: Instant, log: &Log) -> Result<(), String> {
        for p in &mut self.planned {
            if p.over {
                continue;
            }
            if !p.active && now >= p.begins {
                p.active = true;
                log.fault(true);
                log.event(
                    "fault_start",
                    format!("{} on {}", kind_name(&p.fault.kind), p.on),
                );
                if !matches!(p.fault.kind, FaultKind::Flap { .. }) {
                    p.break_it()?;
                }
            }
            if p.active && now >= p.ends {
                p.finish(log)?;
            } else if p.active && now >= p.edge {
                p.flap(now)?;
            }
        }
        Ok(())
    }

    /// The end of the run ends what is still active. Everything is tried; the first trouble is told.
    pub fn end(&mut self, log: &Log) -> Result<(), String> {
        let mut result = Ok(());
        for p in self.planned.iter_mut().filter(|p| p.active && !p.over) {
            let ended = p.finish(log);
            result = result.and(ended);
        }
        result
    }
}

impl Planned {
    fn break_it(&mut self) -> Result<(), String> {
        let name = carried_out_as(&self.fault.kind);
        for means in &self.means[self.down..] {
            // Counted first: what broke half-way is mended too.
            self.down += 1;
            means.means.start(name, &self.fault.kind, &means.on)?;
        }
        Ok(())
    }

    fn mend(&mut self) -> Result<(), String> {
        let name = carried_out_as(&self.fault.kind);
        let mut result = Ok(());
        for means in self.means[..self.down].iter().rev() {
            let mended = means.means.stop(name, &self.fault.kind, &means.on);
            result = result.and(mended);
        }
        self.down = 0;
        result
    }

    fn finish(&mut self, log: &Log) -> Result<(), String> {
        self.over = true;
        let mended = self.mend();
        log.fault(false);
        log.event(
            "fault_end",
            format!("{} on {}", kind_name(&self.fault.kind), self.on),
        );
        mended
    }

    fn flap(&mut self, now: Instant) -> Result<(), String> {
        let down = self.down == 0;
        if down {
            self.break_it()?;
        } else {
            self.mend()?;
        }
        let stays = self.fault.kind.flap_stays(down);
        self.edge = stays.map_or(Instant::MAX, |stays| now + stays);
        Ok(())
    }
}

impl Drop for Planned {
    fn drop(&mut self) {
        // Only where the run ended otherwise than by its end; nobody is left to tell.
        if self.down > 0 {
            let _ = self.mend();
        }
    }
}
