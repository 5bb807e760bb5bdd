//! The event loop: the earliest of the array's next event and the world's own calendar, until the run is drained.
//!
//! Divergences from production, all of them on purpose: a shard's loop handles each completion as it comes (production
//! takes them in batches, with one reading of the clock); a message between shards takes 1 to 10 µs; system calls and
//! interrupts cost nothing, but for an I/O that is served from memory (`fence = "shadow"`), whose closed loop would else never let time pass.

use super::driver::Driver;
use super::loads::Loads;
use super::queue::Due;
use super::shared::{Shared, Todo};
use super::timeline::Timeline;
use super::told::{self, Oracle};
use crate::scenario::Scenario;
use crate::scenario::topology::PathSpec;
use crate::workload::WorkloadError;
use datapath::core::{Actions, BufId, Config, Core, Input, Request};
use datapath::ring::carry_out;
use protocol::{Duration, Instant, VolumeId};
use simarray::api::Out;
use std::collections::VecDeque;

/// How long the run may take to drain after `duration`.
const DRAIN: Duration = Duration::from_secs(10);
/// So many events without a step of time are a loop that goes nowhere.
const LIVELOCK: u64 = 5_000_000;

/// What waits for a core that is not scheduled.
#[derive(Debug)]
pub enum Waiting {
    Out(Out),
    Submit(u32),
    Input(Input),
}

pub struct Sim {
    pub scenario: Scenario,
    pub w: Shared,
    pub cores: Vec<Option<Core>>,
    /// The configuration of each core, for its successor.
    pub configs: Vec<Config>,
    /// When a core is to be called, as it stands in the calendar.
    pub armed: Vec<Instant>,
    pub lag: Vec<u32>,
    pub waiting: Vec<VecDeque<Waiting>>,
    /// How many `kill` faults hold each host's datapath down.
    pub dead: Vec<u32>,
    /// By host and path: the operator's wish.
    pub present: Vec<Vec<bool>>,
    pub loads: Loads,
    pub timeline: Timeline,
    pub stopped: bool,
    pub now: Instant,
    pub livelocked: bool,
    /// Where the first fault starts, if not at its time.
    pub fault_at_event: Option<u64>,
    /// Events before this time are counted in `counted`.
    pub count_until: Instant,
    pub counted: u64,
    oracle: Option<Oracle>,
    actions: Actions,
    outs: Vec<Out>,
}

impl Sim {
    #[allow(clippy::too_many_arguments)]
    pub fn new(
        scenario: Scenario,
        paths: &[PathSpec],
        w: Shared,
        cores: Vec<Core>,
        configs: Vec<Config>,
        loads: Loads,
    ) -> Self {
        let n = cores.len();
        let hosts = usize::from(scenario.host.count);
        let present = (0..hosts)
            .map(|h| {
                paths
                    .iter()
                    .filter(|p| usize::from(p.host) == h)
                    .map(|p| p.present)
                    .collect()
            })
            .collect();
        let oracle = Oracle::of(&scenario, paths);
        Sim {
            timeline: Timeline::new(scenario.faults.clone()),
            scenario,
            w,
            cores: cores.into_iter().map(Some).collect(),
            configs,
            armed: vec![Instant::MAX; n],
            lag: vec![0; n],
            waiting: (0..n).map(|_| VecDeque::new()).collect(),
            dead: vec![0; hosts],
            present,
            loads,
            stopped: false,
            now: Instant::ZERO,
            livelocked: false,
            fault_at_event: None,
            count_until: Instant::ZERO,
            counted: 0,
            oracle,
            actions: Actions::with_capacity(256),
            outs: Vec::with_capacity(64),
        }
    }

    /// Runs to the end.
    pub fn run(&mut self, progress: &mut dyn FnMut(Instant)) -> Result<(), WorkloadError> {
        let duration = Instant(self.scenario.duration.0);
        self.w.queue.push(duration, Due::Stop);
        for core in 0..self.cores.len() {
            self.arm(core);
        }
        self.plan();
        self.begin_loads()?;
        let (mut ticks, mut idle, mut last) = (0u64, 0u64, Instant::ZERO);
        loop {
            if self.fault_at_event == Some(ticks) {
                self.fault_start(self.now, 0);
                self.todo()?;
            }
            if !self.event()? {
                break;
            }
            if self.now == last {
                idle += 1;
                if idle > LIVELOCK {
                    self.livelocked = true;
                    let text = format!("{LIVELOCK} events at one instant");
                    self.w.violation(self.now, "livelock", text);
                    break;
                }
            } else {
                (idle, last) = (0, self.now);
            }
            ticks += 1;
            if self.now < self.count_until {
                self.counted = ticks;
            }
            if ticks & 0x3fff == 0 {
                progress(self.now);
            }
            let front = &self.w.front;
            let over = self.stopped && front.outstanding == 0 && front.pool.used() == 0;
            if over && self.w.array.in_flight() == 0 {
                break;
            }
        }
        self.finish();
        Ok(())
    }

    /// When the next event comes.
    pub fn next_at(&self) -> Option<Instant> {
        let (array, queue) = (self.w.array.next_event(), self.w.queue.next_at());
        array.into_iter().chain(queue).min()
    }

    /// The next event, whenever it is. False where there is none, or the run has waited long enough.
    #[inline]
    pub fn event(&mut self) -> Result<bool, WorkloadError> {
        let array_at = self.w.array.next_event();
        let queue_at = self.w.queue.next_at();
        let from_array = match (array_at, queue_at) {
            (Some(a), Some(q)) => a <= q,
            (Some(_), None) => true,
            (None, Some(_)) => false,
            (None, None) => return Ok(false),
        };
        if from_array {
            self.now = self.now.max(array_at.unwrap_or(self.now));
            let mut outs = std::mem::take(&mut self.outs);
            self.w.array.step(&mut outs);
            for out in outs.drain(..) {
                if let Out::Answer { data: Some(_), .. } = out {
                    self.w.data_held += 1;
                }
                self.array_said(out);
                self.todo()?;
            }
            self.outs = outs;
        } else if let Some((at, due)) = self.w.queue.pop() {
            self.now = self.now.max(at);
            if due == Due::GiveUp {
                return Ok(false);
            }
            self.due(due)?;
            self.todo()?;
        }
        Ok(true)
    }

    fn due(&mut self, due: Due) -> Result<(), WorkloadError> {
        let now = self.now;
        match due {
            Due::Deadline { core } => self.deadline(core as usize),
            Due::Peer { core, message } => {
                let Some(mail) = self.w.mail.get_mut(message) else {
                    return Ok(());
                };
                let (life, input) = (mail.life, mail.message.take());
                self.w.mail.remove(message);
                if let Some(input) = input
                    && life == self.w.shards[core as usize].life
                {
                    self.operator(core as usize, Input::Peer(input));
                }
            }
            Due::Slot { workload, slot } => self.next_io(workload, slot)?,
            Due::Arrival { workload } => self.arrival(workload)?,
            Due::FaultStart { fault } => self.fault_start(now, fault),
            Due::FaultEnd { fault, run } => self.fault_end(now, fault, run),
            Due::Flap { fault, run } => self.flap(now, fault, run),
            Due::Stop => {
                self.stopped = true;
                self.end_faults(now);
                self.w.queue.push(now + DRAIN, Due::GiveUp);
            }
            Due::GiveUp => {}
        }
        Ok(())
    }

    /// What came up while a core was called.
    pub(super) fn todo(&mut self) -> Result<(), WorkloadError> {
        while let Some(todo) = self.w.todo.pop_front() {
            match todo {
                Todo::Next { workload, slot } => self.next_io(workload, slot)?,
                Todo::Room { host, volume } => self.room(host, volume)?,
                Todo::Submit { req } => self.submit(req),
                Todo::Trigger("path_up") => self.path_up(),
                Todo::Trigger(event) => self.trigger(self.now, event),
            }
        }
        Ok(())
    }

    /// A connection that came back is an event that a fault may wait for; the first ones of a run are not.
    fn path_up(&mut self) {
        if self.timeline.has_seen("lost") {
            self.trigger(self.now, "path_back");
        }
    }

    /// Hands one input to a core and carries out what it answers.
    #[inline]
    pub fn deliver(&mut self, core: usize, input: Input) {
        if let Some(c) = self.cores[core].as_mut() {
            if let Some(oracle) = &mut self.oracle {
                let host = self.w.shards[core].host;
                let config = &self.configs[core];
                oracle.tell(&self.w.array, self.now, c, host, config, Some(&input));
            }
            c.handle(self.now, input, &mut self.actions);
            let w = &mut self.w;
            carry_out(&mut Driver { w, core }, self.now, &mut self.actions);
            self.arm(core);
        }
    }

    #[inline]
    pub fn arm(&mut self, core: usize) {
        if let Some(at) = self.cores[core].as_ref().and_then(Core::deadline)
            && at < self.armed[core]
        {
            let at = at.max(self.now);
            self.armed[core] = at;
            self.w.queue.push(at, Due::Deadline { core: core as u32 });
        }
    }

    fn deadline(&mut self, core: usize) {
        if self.now < self.armed[core] {
            return;
        }
        self.armed[core] = Instant::MAX;
        if self.lag[core] > 0 {
            return;
        }
        self.call(core);
    }

    /// Calls a core whose deadline may have come.
    pub fn call(&mut self, core: usize) {
        let Some(c) = self.cores[core].as_mut() else {
            return;
        };
        if c.deadline().is_some_and(|at| at <= self.now) {
            if let Some(oracle) = &mut self.oracle {
                let host = self.w.shards[core].host;
                oracle.tell(&self.w.array, self.now, c, host, &self.configs[core], None);
            }
            c.on_deadline(self.now, &mut self.actions);
            let w = &mut self.w;
            carry_out(&mut Driver { w, core }, self.now, &mut self.actions);
        }
        self.arm(core);
    }

    /// An input that does not come from the array: of the operator, or of a sibling.
    pub fn operator(&mut self, core: usize, input: Input) {
        if self.cores[core].is_none() {
            return;
        }
        if self.lag[core] > 0 {
            self.waiting[core].push_back(Waiting::Input(input));
        } else {
            self.deliver_operator(core, input);
        }
    }

    fn deliver_operator(&mut self, core: usize, input: Input) {
        match input {
            Input::AddPath { path } => self.w.shards[core].wires[usize::from(path.0)].wanted = true,
            Input::RemovePath { path } => {
                self.w.shards[core].wires[usize::from(path.0)].wanted = false;
            }
            _ => {}
        }
        self.deliver(core, input);
    }

    /// A request reaches its shard, if the shard lives; else the front end keeps it.
    pub fn submit(&mut self, slot: u32) {
        let Some(req) = self.w.front.reqs.get(slot).copied() else {
            return;
        };
        let core = req.core as usize;
        if !req.active || self.cores[core].is_none() {
            return;
        }
        if self.lag[core] > 0 {
            self.waiting[core].push_back(Waiting::Submit(slot));
            return;
        }
        self.deliver(
            core,
            Input::Submit(Request {
                volume: VolumeId(req.volume),
                op: req.op,
                lba: req.lba,
                blocks: req.blocks,
                fua: req.fua,
                failfast: req.failfast,
                buf: BufId(slot),
                cookie: req.cookie(slot),
            }),
        );
    }

    /// A shard that was not scheduled goes on: everything that waited, in its order, then its deadlines.
    pub fn resume(&mut self, core: usize) {
        while let Some(waiting) = self.waiting[core].pop_front() {
            match waiting {
                Waiting::Out(out) => self.array_said(out),
                Waiting::Submit(slot) => self.submit(slot),
                Waiting::Input(input) => self.deliver_operator(core, input),
            }
        }
        self.call(core);
    }

    /// Nothing may be left.
    fn finish(&mut self) {
        let now = self.now;
        let outstanding = self.w.front.outstanding;
        if outstanding > 0 && !self.livelocked {
            let oldest = self
                .w
                .front
                .reqs
                .iter()
                .filter(|(_, r)| r.active)
                .min_by_key(|(_, r)| r.seq)
                .map(|(_, r)| {
                    format!(
                        "{} vol{} LBA {}",
                        super::events::op_name(r.op),
                        r.volume,
                        r.lba
                    )
                })
                .unwrap_or_default();
            let text = format!(
                "{outstanding} requests are not completed 10 s after the end; the oldest is {oldest}"
            );
            self.w.violation(now, "stuck_io", text);
        }
        self.w.take_findings();
        let mut shadows = 0;
        for core in 0..self.cores.len() {
            let Some(c) = self.cores[core].take() else {
                continue;
            };
            shadows += c.open_shadows().count;
            let leaks = c.leaks();
            if outstanding == 0 && (leaks.requests > 0 || leaks.attempts > 0) {
                let text = format!(
                    "a shard still holds {} requests and {} attempts",
                    leaks.requests, leaks.attempts
                );
                self.w.violation(now, "leak", text);
            }
            c.abandon();
        }
        let kept = self.w.store.len();
        if shadows == 0 && kept > 0 {
            let text = format!("{kept} copies of data are kept, and no shard has a shadow");
            self.w.violation(now, "leak", text);
        }
        let used = self.w.front.pool.used();
        if outstanding == 0 && used > 0 {
            let text = format!("{used} buffers of requests that are over are still in use");
            self.w.violation(now, "leak", text);
        }
        let data = self.w.data_held;
        if outstanding == 0 && data > 0 {
            let text = format!("{data} buffers of read data were never released");
            self.w.violation(now, "leak", text);
        }
    }

    /// The datapath of a host dies. Its connections end; its requests stay with the front end.
    pub fn kill(&mut self, now: Instant, host: u16) {
        let h = usize::from(host);
        self.dead[h] += 1;
        if self.dead[h] > 1 {
            return;
        }
        self.w.recorder.datapath_died(now, host);
        self.w.store.datapath_died(host);
        self.w.checker.datapath_died(host);
        let shards = usize::from(self.scenario.host.shards);
        for core in h * shards..(h + 1) * shards {
            let Some(c) = self.cores[core].take() else {
                continue;
            };
            let config = &mut self.configs[core];
            config.prior = c.associations().collect();
            config.untold = c.untold().collect();
            let highest = c.epochs().map(|e| e.0).max().unwrap_or(0);
            let prior = config.prior.iter().map(|(_, e)| e.0).max().unwrap_or(0);
            config.first_epoch = datapath::core::Epoch(highest.max(prior) + 1);
            c.abandon();
            for path in 0..self.w.shards[core].wires.len() as u16 {
                self.w.shards[core].wires[usize::from(path)].states = Default::default();
                if self.w.shards[core].wires[usize::from(path)].end != super::wires::End::Closed {
                    let assoc = self.w.assoc(core, path);
                    self.w.array.close(now, assoc);
                    self.w.cut(now, core, path);
                }
            }
            for waiting in self.waiting[core].drain(..) {
                if let Waiting::Out(Out::Answer { data: Some(id), .. }) = waiting {
                    self.w.release(id);
                }
            }
            self.w.shards[core].attempts.clear();
            self.w.shards[core].life += 1;
            self.armed[core] = Instant::MAX;
        }
    }

    /// A new datapath takes over from the dead one: the front end reissues what was not answered, in order.
    pub fn recover(&mut self, now: Instant, host: u16) {
        let h = usize::from(host);
        self.dead[h] -= 1;
        if self.dead[h] > 0 {
            return;
        }
        let shards = usize::from(self.scenario.host.shards);
        for core in h * shards..(h + 1) * shards {
            let mut config = self.configs[core].clone();
            for (i, path) in config.paths.iter_mut().enumerate() {
                path.present = self.present_paths(host)(protocol::PathId(i as u16));
                self.w.shards[core].wires[i].wanted = path.present;
            }
            // The same configuration made the first core.
            self.cores[core] = Core::new(config, now).ok();
            if let Some(c) = &mut self.cores[core] {
                c.tell(&told::split(&self.scenario));
            }
            self.arm(core);
        }
        let mut kept: Vec<(u64, u32)> = self
            .w
            .front
            .reqs
            .iter()
            .filter(|(_, r)| r.active && r.core as usize / shards == h)
            .map(|(slot, r)| (r.seq, slot))
            .collect();
        kept.sort_unstable();
        for (_, req) in kept {
            self.w.todo.push_back(Todo::Submit { req });
        }
    }
}
