//! The fault timeline: when each fault begins and ends, and what it does to the array or to a datapath.

use super::queue::Due;
use super::setup;
use super::sim::Sim;
use crate::scenario::model::{Fault, FaultKind, Target, When};
use crate::scenario::{kind_name, target_name, topology};
use datapath::core::Input;
use protocol::{Instant, PathId, VolumeId};
use simarray::api::{self, FaultId};

/// One fault of the scenario while it runs.
#[derive(Debug, Default)]
pub struct Running {
    pub active: bool,
    /// Counts starts, so that the end of an earlier one ends nothing.
    pub run: u32,
    /// What it is at the array.
    ids: Vec<FaultId>,
    /// A flapping fault: on its bad side.
    down: bool,
}

#[derive(Debug)]
pub struct Timeline {
    pub faults: Vec<Fault>,
    pub running: Vec<Running>,
    next_id: u32,
    /// How often each trigger has come.
    seen: std::collections::BTreeMap<&'static str, u64>,
}

impl Timeline {
    pub fn new(faults: Vec<Fault>) -> Self {
        Timeline {
            running: faults.iter().map(|_| Running::default()).collect(),
            faults,
            next_id: 0,
            seen: Default::default(),
        }
    }

    fn id(&mut self) -> FaultId {
        self.next_id += 1;
        FaultId(self.next_id)
    }

    pub fn has_seen(&self, event: &str) -> bool {
        self.seen.contains_key(event)
    }

    /// Faults that wait for this event, now that it has come once more.
    pub fn triggered(&mut self, event: &'static str) -> Vec<u32> {
        let count = self.seen.entry(event).or_insert(0);
        *count += 1;
        let count = *count;
        self.faults
            .iter()
            .enumerate()
            .filter(|(_, f)| match &f.when {
                When::OnEvent { event: e, nth } => e == event && *nth == count,
                When::At(_) => false,
            })
            .map(|(i, _)| i as u32)
            .collect()
    }
}

impl Sim {
    /// Puts the faults of known times into the calendar.
    pub(super) fn plan(&mut self) {
        let placed = usize::from(self.fault_at_event.is_some());
        for (i, f) in self.timeline.faults.iter().enumerate().skip(placed) {
            if let When::At(at) = f.when {
                let due = Due::FaultStart { fault: i as u32 };
                self.w.queue.push(Instant(at.0), due);
            }
        }
    }

    fn describe(&self, fault: usize) -> String {
        let f = &self.timeline.faults[fault];
        format!(
            "{} on {}",
            kind_name(&f.kind),
            target_name(&f.on, &self.scenario)
        )
    }

    pub(super) fn fault_start(&mut self, now: Instant, fault: u32) {
        let i = fault as usize;
        if self.stopped || self.timeline.running[i].active {
            return;
        }
        self.w.recorder.fault_started(now);
        let text = self.describe(i);
        self.w.seen.event(now, "fault_start", None, text);
        let running = &mut self.timeline.running[i];
        running.active = true;
        running.run += 1;
        let run = running.run;
        if let Some(lasts) = self.timeline.faults[i].lasts {
            self.w.queue.push(now + lasts, Due::FaultEnd { fault, run });
        }
        match self.timeline.faults[i].kind {
            FaultKind::Flap { .. } => self.flap(now, fault, run),
            _ => self.apply(now, i),
        }
        self.trigger(now, "fault_start");
    }

    pub(super) fn fault_end(&mut self, now: Instant, fault: u32, run: u32) {
        let i = fault as usize;
        if !self.timeline.running[i].active || self.timeline.running[i].run != run {
            return;
        }
        self.timeline.running[i].active = false;
        self.w.recorder.fault_ended(now);
        let text = self.describe(i);
        self.w.seen.event(now, "fault_end", None, text);
        self.unapply(now, i);
        self.trigger(now, "fault_end");
    }

    /// One edge of a flapping fault.
    pub(super) fn flap(&mut self, now: Instant, fault: u32, run: u32) {
        let i = fault as usize;
        let running = &self.timeline.running[i];
        if !running.active || running.run != run {
            return;
        }
        let down = !self.timeline.running[i].down;
        self.timeline.running[i].down = down;
        if down {
            self.apply(now, i);
        } else {
            self.unapply(now, i);
        }
        if let Some(stays) = self.timeline.faults[i].kind.flap_stays(down) {
            self.w.queue.push(now + stays, Due::Flap { fault, run });
        }
    }

    fn apply(&mut self, now: Instant, i: usize) {
        let f = self.timeline.faults[i].clone();
        match f.kind {
            FaultKind::Crash { takeover } => {
                for controller in topology::controllers(&f.on, &self.scenario) {
                    let fault = api::Fault::Crash {
                        controller,
                        takeover,
                    };
                    self.at_array(now, i, fault);
                }
            }
            FaultKind::Lag => {
                for core in self.cores_of(&f) {
                    self.lag[core] += 1;
                }
            }
            FaultKind::Kill => {
                for host in topology::hosts(&f.on, &self.scenario) {
                    self.kill(now, host);
                }
            }
            FaultKind::AddPath => self.plug(&f, true),
            FaultKind::RemovePath => self.plug(&f, false),
            FaultKind::FailQueued => self.fail_queued(&f),
            _ => {
                if let Some(fault) = setup::fault(&f.kind, &f.on, &self.scenario) {
                    self.at_array(now, i, fault);
                }
            }
        }
    }

    fn unapply(&mut self, now: Instant, i: usize) {
        self.timeline.running[i].down = false;
        for id in std::mem::take(&mut self.timeline.running[i].ids) {
            self.w.array.end_fault(now, id);
        }
        let f = self.timeline.faults[i].clone();
        match f.kind {
            FaultKind::Lag => {
                for core in self.cores_of(&f) {
                    self.lag[core] -= 1;
                    if self.lag[core] == 0 {
                        self.resume(core);
                    }
                }
            }
            FaultKind::Kill => {
                for host in topology::hosts(&f.on, &self.scenario) {
                    self.recover(now, host);
                }
            }
            // Ended by the fault's own `for`, not by the end of the run, which takes nothing back.
            FaultKind::AddPath if f.lasts.is_some() && !self.stopped => self.plug(&f, false),
            FaultKind::RemovePath if f.lasts.is_some() && !self.stopped => self.plug(&f, true),
            _ => {}
        }
    }

    fn at_array(&mut self, now: Instant, i: usize, fault: api::Fault) {
        let id = self.timeline.id();
        self.timeline.running[i].ids.push(id);
        self.w.array.start_fault(now, id, fault);
    }

    fn cores_of(&self, f: &Fault) -> Vec<usize> {
        topology::shards(&f.on, &self.scenario)
            .into_iter()
            .map(|(host, shard)| {
                usize::from(host) * usize::from(self.scenario.host.shards) + usize::from(shard)
            })
            .collect()
    }

    /// The operator's word to fail what waits, of one volume or of all.
    fn fail_queued(&mut self, f: &Fault) {
        let volumes = match &f.on {
            Target::Volume(volume) => *volume..*volume + 1,
            _ => 0..self.scenario.volumes.len(),
        };
        let cores = match &f.on {
            Target::Volume(_) => (0..self.cores.len()).collect(),
            _ => self.cores_of(f),
        };
        for core in cores {
            for volume in volumes.clone() {
                let volume = VolumeId(volume as u16);
                self.operator(core, Input::FailQueued { volume });
            }
        }
    }

    /// The operator's hot plug, told to every shard of the path's host.
    fn plug(&mut self, f: &Fault, add: bool) {
        for (host, path) in topology::resolve(&f.on, &self.scenario) {
            self.present[usize::from(host)][usize::from(path.0)] = add;
            let shards = usize::from(self.scenario.host.shards);
            let first = usize::from(host) * shards;
            for core in first..first + shards {
                let input = if add {
                    Input::AddPath { path }
                } else {
                    Input::RemovePath { path }
                };
                self.operator(core, input);
            }
        }
    }

    pub(super) fn trigger(&mut self, now: Instant, event: &'static str) {
        for fault in self.timeline.triggered(event) {
            self.w.queue.push(now, Due::FaultStart { fault });
        }
    }

    /// The run's end ends what is still active.
    pub(super) fn end_faults(&mut self, now: Instant) {
        for i in 0..self.timeline.faults.len() {
            let run = self.timeline.running[i].run;
            self.fault_end(now, i as u32, run);
        }
    }

    pub(super) fn present_paths(&self, host: u16) -> impl Fn(PathId) -> bool + '_ {
        move |p| self.present[usize::from(host)][usize::from(p.0)]
    }
}
