//! Probes: reads of one block on the data path, of a path that is idle, suspected, or on its way back. They tell who the path leads to, how long
//! it takes, and whether it serves. So a path that carries no I/O is judged by its probes as one that carries some is by that: by the same
//! statuses, with the same weight, and never for what is this host's trouble or the volume's.
//!
//! A status that may be the path's fault or the volume's is the path's where another path reads the same block well. That one is
//! asked, unless it has said so just now.

use super::api::{Action, Event, Ticket};
use super::mutant::Mutant;
use super::path::{Health, Link};
use super::policy::View;
use super::slots::State;
use super::state::Shown;
use super::verdict::{Verdict, is_local, judge};
use super::{Actions, Core, times};
use protocol::{Access, Instant, Op, PathId, Status, VolumeId};

/// One sample of a probe on an idle path, which is rare, weighs a half.
const PROBE_WEIGHT: u32 = 1;

impl Core {
    pub(super) fn probe_done(
        &mut self,
        now: Instant,
        path: PathId,
        ticket: Ticket,
        status: Status,
        out: &mut Actions,
    ) {
        let (sent_at, volume) = match self.slots.current(ticket) {
            Some(s) if s.state == State::Probe && s.path == path.0 => (s.sent_at, s.volume),
            _ => return out.event(Event::StaleCompletion { path, ticket }),
        };
        let p = usize::from(path.0);
        let measures = self.paths[p].probe_measures;
        self.drop_probe(path.0);
        if !is_local(status) {
            self.lives(now, path.0, sent_at, out);
        }
        if status.is_ok() && measures && sent_at >= self.resumed_at {
            let own = View::work_of(1, u64::from(self.config.block_bytes));
            let work = self.views[p].work.saturating_add(own);
            self.views[p].sample(now.since(sent_at), work, own, PROBE_WEIGHT);
            self.selector.probed(now, path.0, sent_at);
        }
        match judge(status) {
            Verdict::Access { state, .. } => {
                self.access_answered(now, path.0, volume, state, sent_at, out);
            }
            Verdict::RetryElsewhere { demote: true, .. } => {
                self.bad_probe(now, path.0, volume, out)
            }
            Verdict::Ambiguous { blame: true } => self.doubtful_probe(now, path.0, volume, out),
            Verdict::Done => {
                self.good_probe(now, path.0, out);
                self.vouch(now, path.0, volume, out);
            }
            _ => {}
        }
    }

    /// Whether a path has just read the block of this volume that probes read.
    fn vouches(&self, now: Instant, path: u16, volume: VolumeId) -> bool {
        let vouched = self.paths[usize::from(path)].vouched;
        vouched.is_some_and(|(v, at)| v == volume && now < at + times::PROBE_EVERY)
    }

    /// What a probe got is the path's fault or the volume's.
    fn doubtful_probe(&mut self, now: Instant, path: u16, volume: VolumeId, out: &mut Actions) {
        let paths = self.path_indices();
        let others = || paths.clone().filter(|q| *q != path);
        let known = others().any(|q| self.vouches(now, q, volume));
        if known || self.paths[usize::from(path)].quarantined {
            return self.bad_probe(now, path, volume, out);
        }
        self.paths[usize::from(path)].accused = Some(volume);
        let v = usize::from(volume.0);
        let free = |q: &u16| {
            let p = &self.paths[usize::from(*q)];
            let serves =
                self.pv(*q, v).verified == Shown::Right && self.pv(*q, v).access.accessible();
            let sound =
                p.link == Link::Up && p.health != Health::Suspect && p.accused != Some(volume);
            sound && serves && p.probe.is_none() && now >= p.witness_from
        };
        if let Some(witness) = others().filter(free).min_by_key(|q| self.rank(*q, v)) {
            // Where no path reads well, each one's answer asks the next: in turn, and no faster than idle ones are probed.
            self.paths[usize::from(witness)].witness_from = now + times::PROBE_EVERY;
            // It may be busy, and its I/O tells its service better.
            self.send_probe(now, witness, volume, false, out);
        }
    }

    /// A path has read a volume well: those that did not are to blame.
    fn vouch(&mut self, now: Instant, path: u16, volume: VolumeId, out: &mut Actions) {
        self.paths[usize::from(path)].vouched = Some((volume, now));
        for q in self.path_indices() {
            let accused = &mut self.paths[usize::from(q)].accused;
            if *accused == Some(volume) {
                *accused = None;
                self.bad_probe(now, q, volume, out);
            }
        }
    }

    /// A volume to read from on this path: one that is there, if any is.
    fn volume_to_probe(&self, path: u16) -> VolumeId {
        let known = |v: &usize| self.pv(path, *v).verified == Shown::Right;
        let usable = |v: &usize| known(v) && self.pv(path, *v).access == Access::Optimized;
        let n = self.volumes.len();
        let v = (0..n)
            .find(usable)
            .or_else(|| (0..n).find(known))
            .unwrap_or(0);
        VolumeId(v as u16)
    }

    /// Probes an idle path: of the volumes that it serves the next, so that each shows in turn who it is.
    pub(super) fn probe_in_turn(&mut self, now: Instant, path: u16, out: &mut Actions) {
        let p = usize::from(path);
        let known = |v: usize| self.pv(path, v).verified == Shown::Right;
        let best = |v: usize| self.pv(path, v).access == Access::Optimized;
        let n = self.volumes.len();
        let from = usize::from(self.paths[p].next_probed);
        let mut turns = (from..from + n).map(|v| v % n);
        let Some(v) = turns.find(|v| known(*v) && self.pv(path, *v).access.accessible()) else {
            return self.probe(now, path, out);
        };
        if self.config.mutant(Mutant::ProbesFirstVolumeOnly) {
            return self.probe(now, path, out);
        }
        // A volume that its owner serves through another controller takes longer than those that the path is there for.
        let measures = best(v) || !(0..n).any(|v| known(v) && best(v));
        self.paths[p].next_probed = ((v + 1) % n) as u16;
        self.send_probe(now, path, VolumeId(v as u16), measures, out);
    }

    /// Sends the probe of a path, unless one is out.
    pub(super) fn probe(&mut self, now: Instant, path: u16, out: &mut Actions) {
        self.probe_volume(now, path, self.volume_to_probe(path), out);
    }

    pub(super) fn probe_volume(
        &mut self,
        now: Instant,
        path: u16,
        volume: VolumeId,
        out: &mut Actions,
    ) {
        self.send_probe(now, path, volume, true, out);
    }

    /// `measures`: the time that it takes tells the path's service.
    fn send_probe(
        &mut self,
        now: Instant,
        path: u16,
        volume: VolumeId,
        measures: bool,
        out: &mut Actions,
    ) {
        let p = usize::from(path);
        if self.paths[p].probe.is_some() || self.paths[p].link != Link::Up {
            return;
        }
        let s = self.slots.insert(u32::MAX, Op::Read, volume, 0, 1);
        let slot = &mut self.slots[s];
        slot.state = State::Probe;
        slot.path = path;
        slot.sent_at = now;
        self.paths[p].probe = Some(s);
        self.paths[p].probe_at = now;
        self.paths[p].probe_measures = measures;
        out.push(Action::Probe {
            path: PathId(path),
            ticket: self.slots.ticket(s),
            volume,
        });
        self.wake_by(now + self.patience(path, times::SILENCE_FLOOR));
    }

    /// The probe of a path is over, or not waited for any more; and with it what its answer would have been held against.
    pub(super) fn drop_probe(&mut self, path: u16) {
        let p = &mut self.paths[usize::from(path)];
        p.accused = None;
        if let Some(s) = p.probe.take() {
            self.slots.remove(s);
        }
    }
}
