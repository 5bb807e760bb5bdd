//! The same world in wall time: a real front end submits, and its clock drives the events. The cores, the array, the rules and the fault
//! timeline are those of a run; the scenario's own workloads are left out, since whoever opened the device is the workload.

use super::front::{AppIo, Req};
use super::sim::Sim;
use super::{Options, WorldError, build};
use crate::report::model::Violation;
use crate::scenario::model::Fault;
use crate::scenario::{self, Diagnostic, Scenario};
use datapath::core::Outcome;
use protocol::{Instant, Op};
use simarray::api::Stamp;

/// The workload of what comes from outside.
pub const OUTSIDE: u16 = u16::MAX;

/// A request from outside.
#[derive(Clone, Copy, Debug)]
pub struct Ask {
    /// Named again when it is done.
    pub tag: u32,
    pub op: Op,
    pub lba: u64,
    pub blocks: u32,
    pub fua: bool,
    pub failfast: bool,
}

/// It is done.
#[derive(Clone, Debug)]
pub struct Done {
    pub tag: u32,
    pub outcome: Outcome,
    pub lba: u64,
    /// Of a read: one for each block.
    pub data: Vec<Stamp>,
}

/// A fault as an operator sees it.
#[derive(Clone, Debug, serde::Serialize, serde::Deserialize)]
pub struct FaultState {
    pub id: usize,
    pub fault: String,
    pub active: bool,
}

/// A world that is served.
pub struct Live {
    sim: Sim,
    /// The scenario's own text, for reading faults that are added.
    text: String,
}

impl Live {
    /// The scenario is drawn already.
    pub fn new(scenario: &Scenario, seed: u64) -> Result<Live, WorldError> {
        let text = scenario::to_toml(scenario);
        let mut sim = build(scenario, seed, Options::default())?;
        for core in 0..sim.cores.len() {
            sim.arm(core);
        }
        sim.plan();
        Ok(Live { sim, text })
    }

    /// Blocks of the volume that is served.
    pub fn blocks(&self) -> u64 {
        super::setup::blocks(&self.sim.scenario, 0)
    }

    pub fn block_bytes(&self) -> u32 {
        self.sim.scenario.array.block
    }

    /// When something is due next.
    pub fn next_at(&self) -> Option<Instant> {
        self.sim.next_at()
    }

    /// Everything that is due by then happens.
    pub fn advance(&mut self, now: Instant) -> Result<(), WorldError> {
        while self.sim.next_at().is_some_and(|at| at <= now) {
            self.sim.event()?;
        }
        self.sim.now = self.sim.now.max(now);
        Ok(())
    }

    /// A request enters, at a time to which the world was advanced. Returns the stamp of what changes data, else 0.
    pub fn submit(&mut self, ask: Ask) -> Result<Stamp, WorldError> {
        let sim = &mut self.sim;
        let now = sim.now;
        let shard = ask.tag % u32::from(sim.w.shards_per_host);
        let id = sim.w.front.ios.insert(AppIo {
            workload: OUTSIDE,
            slot: ask.tag,
            op: ask.op,
            bytes: u64::from(ask.blocks) * sim.w.block_bytes,
            since: now,
            pieces_left: 1,
            errno: 0,
        });
        sim.w.recorder.app_submitted(now);
        let req = Req {
            active: true,
            generation: 0,
            io: id,
            core: shard,
            volume: 0,
            op: ask.op,
            fua: ask.fua,
            failfast: ask.failfast,
            lba: ask.lba,
            blocks: ask.blocks,
            stamp: 0,
            seq: 0,
            buf: 0,
            hedged: false,
            executed: false,
        };
        let (at, stamp) = sim.w.open_request(now, 0, req);
        sim.submit(at);
        sim.todo()?;
        Ok(stamp)
    }

    /// What was done since the last call.
    pub fn done(&mut self) -> std::vec::Drain<'_, Done> {
        self.sim.w.outside.drain(..)
    }

    /// Every stamp that may still be read or written.
    pub fn for_each_stamp(&self, visit: &mut dyn FnMut(Stamp)) {
        self.sim.w.array.for_each_stamp(visit);
        for (slot, req) in self.sim.w.front.reqs.iter().filter(|(_, r)| r.active) {
            visit(req.stamp);
            self.sim.w.front.data(slot).iter().for_each(|s| visit(*s));
        }
        for done in &self.sim.w.outside {
            done.data.iter().for_each(|s| visit(*s));
        }
    }

    /// Begins a fault now. `text` is what a `[[fault]]` holds, without its time.
    pub fn add_fault(&mut self, text: &str) -> Result<usize, Vec<Diagnostic>> {
        let whole = format!("{}\n[[fault]]\nat = \"0s\"\n{text}\n", self.text);
        let file = std::path::Path::new("fault");
        let read = scenario::parse(&whole, file, "fault", &[])?;
        let seed = self.sim.timeline.faults.len() as u64;
        let fault: Option<Fault> = scenario::draw(&read, seed).faults.pop();
        let id = self.sim.timeline.faults.len();
        if let Some(fault) = fault {
            self.sim.timeline.faults.push(fault);
            self.sim.timeline.running.push(Default::default());
            let now = self.sim.now;
            self.sim.fault_start(now, id as u32);
        }
        Ok(id)
    }

    /// Ends a fault; false if no such fault is active.
    pub fn clear_fault(&mut self, id: usize) -> bool {
        let Some(running) = self.sim.timeline.running.get(id) else {
            return false;
        };
        let (active, run, now) = (running.active, running.run, self.sim.now);
        self.sim.fault_end(now, id as u32, run);
        active
    }

    pub fn faults(&self) -> Vec<FaultState> {
        let timeline = &self.sim.timeline;
        let all = timeline.faults.iter().zip(&timeline.running).enumerate();
        all.map(|(id, (fault, running))| FaultState {
            id,
            fault: format!(
                "{} on {}",
                scenario::kind_name(&fault.kind),
                scenario::target_name(&fault.on, &self.sim.scenario)
            ),
            active: running.active,
        })
        .collect()
    }

    /// The first broken rule.
    pub fn violation(&self) -> Option<&Violation> {
        self.sim.w.seen.first.as_ref()
    }

    /// Events since the last call: states, faults, verdicts.
    pub fn events(&mut self) -> Vec<crate::report::model::EventLine> {
        std::mem::take(&mut self.sim.w.seen.events)
    }

    /// Ends what is active: for the last requests of a device that goes.
    pub fn end_faults(&mut self) {
        let now = self.sim.now;
        self.sim.end_faults(now);
    }
}
