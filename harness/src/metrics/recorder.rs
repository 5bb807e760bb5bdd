//! Collects. What an I/O costs here is paid millions of times a run: two or three counters in the present segment, one
//! index into a histogram, one comparison with the next time at which something else is due.

use super::app::{App, Stall};
use super::balance;
use super::events::Events;
use super::loss::Losses;
use super::measured::Measured;
use super::paths::PathMetrics;
use super::starvation::Starvation;
use super::timeline::Timeline;
use super::usability::Usability;
use super::window::{BySegment, Faults, Segment};
use super::{AppDone, Layout};
use crate::report::model::WorkloadReport;
use crate::scenario::Scenario;
use crate::scenario::metric::RULES;
use crate::scenario::model::Window;
use protocol::{Instant, Op};
use std::collections::BTreeMap;

/// Collects.
#[derive(Debug)]
pub struct Recorder {
    /// The end of the timeline's row or of the gap, whichever comes first.
    due: Instant,
    pub(super) segment: Segment,
    pub(super) stall: Stall,
    app: BySegment<App>,
    paths: Vec<PathMetrics>,
    workloads: Vec<WorkloadReport>,
    timeline: Timeline,
    pub(super) events: BySegment<Events>,

    faults: Faults,
    pub(super) usability: Usability,
    pub(super) losses: Losses,
    pub(super) starvation: Starvation,
    /// Hosts and the volumes that they use; empty: not told.
    uses: Vec<(u16, usize)>,
    /// Rules that the list of metrics does not have.
    other_rules: BTreeMap<&'static str, u64>,
    /// Global paths by host and index in the host.
    pub(super) global: Vec<Vec<usize>>,
    pub(super) layout: Layout,
}

pub(super) const NO_PATH: usize = usize::MAX;

impl Recorder {
    pub fn new(layout: Layout) -> Recorder {
        let shards = usize::from(layout.shards);
        let hosts = layout.paths.iter().map(|p| usize::from(p.host) + 1);
        let hosts = hosts.max().unwrap_or(0);
        let mut global = vec![Vec::new(); hosts];
        for (index, path) in layout.paths.iter().enumerate() {
            let of_host = &mut global[usize::from(path.host)];
            let local = usize::from(path.path);
            if of_host.len() <= local {
                of_host.resize(local + 1, NO_PATH);
            }
            of_host[local] = index;
        }
        let paths = layout.paths.len();
        let workload = |name: &String| WorkloadReport {
            name: name.clone(),
            ios: 0,
            errors: 0,
            skipped_records: 0,
        };
        let timeline = Timeline::new(paths);
        Recorder {
            due: timeline.row_ends,
            segment: Segment::Steady,
            stall: Stall::default(),
            app: BySegment::default(),
            paths: (0..paths).map(|_| PathMetrics::default()).collect(),
            workloads: layout.workloads.iter().map(workload).collect(),
            timeline,
            events: BySegment::default(),
            faults: Faults::new(),
            usability: Usability::new(paths, shards, layout.volumes),
            losses: Losses::new(paths, shards),
            starvation: Starvation::new(hosts, layout.volumes, shards),
            uses: Vec::new(),
            other_rules: BTreeMap::new(),
            global,
            layout,
        }
    }

    /// For a scenario: with its layout, and knowing which host uses which volume.
    pub fn of(scenario: &Scenario) -> Recorder {
        let mut recorder = Recorder::new(Layout::of(scenario));
        for workload in &scenario.workloads {
            recorder.uses(workload.host, workload.volume);
        }
        recorder
    }

    /// A workload of `host` uses `volume`: the balance is judged over the paths that serve it. Without any such call it
    /// is judged for every volume on each host that sends commands.
    pub fn uses(&mut self, host: u16, volume: usize) {
        if !self.uses.contains(&(host, volume)) {
            self.uses.push((host, volume));
        }
    }

    /// An application's I/O enters (for `app.stall_max`).
    #[inline]
    pub fn app_submitted(&mut self, now: Instant) {
        self.advance(now);
        self.stall.submitted(now);
    }

    #[inline]
    pub fn app_completed(&mut self, now: Instant, done: AppDone) {
        self.advance(now);
        let stalled = self.stall.completed(now);
        if self.losses.stalled() {
            self.losses.stall_ended(stalled);
        }
        let app = self.app.at(self.segment);
        app.stall_max_ns = app.stall_max_ns.max(stalled.0);
        let duration_end = Instant(self.layout.duration.0);
        let Some(latency) = app.completed(now, duration_end, &done) else {
            return;
        };
        self.timeline.completed(done.bytes, latency, done.ok());
        if let Some(workload) = self.workloads.get_mut(usize::from(done.workload)) {
            workload.ios += 1;
            workload.errors += u64::from(!done.ok());
        }
    }

    /// So many requests are in the datapaths now (for `datapath.requests_max`).
    #[inline]
    pub fn requests(&mut self, outstanding: u64) {
        let events = self.events.at(self.segment);
        events.requests_max = events.requests_max.max(outstanding);
    }

    /// A command (not a probe) is sent on global path `path`.
    #[inline]
    pub fn issued(&mut self, now: Instant, path: u32, _op: Op, _bytes: u64) {
        self.advance(now);
        if let Some(path) = self.paths.get_mut(path as usize) {
            path.issued(self.segment);
        }
    }

    /// Its answer arrived at the host on a standing connection. `ok`: status 0.
    #[inline]
    pub fn answered(
        &mut self,
        now: Instant,
        path: u32,
        op: Op,
        bytes: u64,
        sent: Instant,
        ok: bool,
    ) {
        self.advance(now);
        if let Some(path) = self.paths.get_mut(path as usize) {
            path.answered(self.segment, now, op, bytes, sent, ok);
        }
    }

    /// A command that was issued and will not be answered any more: its connection ended.
    #[inline]
    pub fn abandoned(&mut self, now: Instant, path: u32, op: Op, _bytes: u64) {
        self.advance(now);
        if let Some(path) = self.paths.get_mut(path as usize) {
            path.abandoned(self.segment, op);
        }
    }

    /// A command reached the array (`array.ios`; probes are not told).
    pub fn array_arrived(&mut self) {
        self.events.at(self.segment).array_ios += 1;
    }

    /// A command was executed for a request that one was already executed for (`array.duplicates`).
    pub fn array_duplicate(&mut self) {
        self.events.at(self.segment).array_duplicates += 1;
    }

    pub fn registered(&mut self) {
        self.events.at(self.segment).registrations += 1;
    }

    /// A second attempt of a read was sent before the first was answered (`hedge.issued`).
    pub fn hedge_issued(&mut self) {
        self.events.at(self.segment).hedges_issued += 1;
    }

    /// A read was served from memory, whole or in part (`shadow.reads`).
    pub fn shadow_read(&mut self, now: Instant) {
        self.advance(now);
        self.events.at(self.segment).shadow_reads += 1;
    }

    /// The second attempt was answered first (`hedge.won`).
    pub fn hedge_won(&mut self) {
        self.events.at(self.segment).hedges_won += 1;
    }

    /// Records of a trace that a replay could not use.
    pub fn skipped(&mut self, workload: u16, records: u64) {
        if let Some(workload) = self.workloads.get_mut(usize::from(workload)) {
            workload.skipped_records += records;
        }
    }

    /// To be told before anything that the fault does.
    pub fn fault_started(&mut self, now: Instant) {
        self.advance(now);
        if self.faults.started(now) {
            self.enter(now, Segment::Fault);
        }
    }

    /// To be told before anything that the end does.
    pub fn fault_ended(&mut self, now: Instant) {
        self.advance(now);
        if self.faults.ended(now) {
            self.enter(now, Segment::Gap);
        }
    }

    pub fn violation(&mut self, rule: &'static str) {
        match RULES.iter().position(|r| *r == rule) {
            Some(index) => self.events.at(self.segment).rules[index] += 1,
            None => *self.other_rules.entry(rule).or_default() += 1,
        }
    }

    #[inline]
    pub(super) fn advance(&mut self, now: Instant) {
        if now >= self.due {
            self.catch_up(now);
        }
    }

    #[cold]
    fn catch_up(&mut self, now: Instant) {
        self.timeline.advance(now, &self.paths);
        let heal_at = self.faults.heal_at;
        if now >= heal_at {
            self.faults.heal_at = Instant::MAX;
            self.enter(heal_at, Segment::Healed);
        }
        self.due = self.timeline.row_ends.min(self.faults.heal_at);
    }

    fn enter(&mut self, now: Instant, to: Segment) {
        self.leave(now);
        if to == Segment::Fault && self.segment != Segment::Steady {
            self.app.absorb();
            self.events.absorb();
            for path in &mut self.paths {
                path.segments.absorb();
            }
            self.usability.absorb();
        }
        self.segment = to;
        for path in &mut self.paths {
            path.enter(to);
        }
        self.usability.enter(to);
        self.due = self.timeline.row_ends.min(self.faults.heal_at);
    }

    /// What lasts beyond the segment is accounted to it up to its end.
    fn leave(&mut self, now: Instant) {
        let app = self.app.at(self.segment);
        app.stall_max_ns = app.stall_max_ns.max(self.stall.age(now).0);
        self.events.at(self.segment).no_path_ns += self.starvation.account(now);
    }

    /// The run is over: everything is counted, windows are closed at `end`.
    pub fn finish(mut self, end: Instant) -> Measured {
        self.advance(end);
        self.leave(end);
        self.losses.stall_ended(self.stall.age(end));
        let timeline = self.timeline.close(end, &self.paths);
        let paths: Vec<_> = self.paths.into_iter().map(|p| p.segments.close()).collect();
        let hosts: Vec<u16> = self.layout.paths.iter().map(|p| p.host).collect();
        if self.uses.is_empty() {
            for host in 0..self.global.len() as u16 {
                let of_host = hosts.iter().zip(&paths).filter(|(h, _)| **h == host);
                let mut of_host = of_host.map(|(_, p)| p.of(Window::Whole).ios);
                if of_host.any(|ios| ios > 0) {
                    self.uses
                        .extend((0..self.layout.volumes).map(|v| (host, v)));
                }
            }
        }
        let sets = [Window::Whole, Window::Steady, Window::Fault, Window::Healed];
        let sets = sets.map(|window| {
            let segments = Segment::mask(window);
            balance::set(&self.usability, &hosts, &self.uses, segments)
        });
        Measured {
            names: self.layout.paths.into_iter().map(|p| p.name).collect(),
            lengths: self.faults.lengths(self.layout.duration),
            app: self.app.close(),
            paths,
            sets,
            events: self.events.close(),
            other_rules: self.other_rules,
            failovers: self.losses.into_list(),
            workloads: self.workloads,
            timeline,
        }
    }
}
