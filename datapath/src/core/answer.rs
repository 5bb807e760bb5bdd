//! Completions: is the ticket current, how long did it take, and what does the status mean.

use super::api::{Action, Event, Ticket};
use super::mutant::Mutant;
use super::path::Health;
use super::policy::View;
use super::slots::{Slot, State};
use super::state::Shown;
use super::usable::bits;
use super::verdict::{AMBIGUOUS_RETRIES, EIO, Verdict, is_local, judge};
use super::{Actions, Core};
use protocol::{Access, Duration, Instant, Op, PathId, Status, VolumeId};

/// One sample of an I/O weighs 1/64; one of a probe on an idle path, which is rare, a half.
const IO_WEIGHT: u32 = 6;
const PROBE_WEIGHT: u32 = 1;
impl Core {
    #[inline]
    pub(super) fn done(
        &mut self,
        now: Instant,
        path: PathId,
        ticket: Ticket,
        status: Status,
        out: &mut Actions,
    ) {
        let (op, sent_at, work) = match self.slot_of(ticket) {
            Some(s) if matches!(s.state, State::InFlight | State::Orphan) && s.path == path.0 => {
                (s.op, s.sent_at, s.work)
            }
            _ => return self.late(now, path, ticket, out),
        };
        let s = ticket.slot;
        self.take_back(s);
        let p = usize::from(path.0);
        let latency = now.since(sent_at);
        if !is_local(status) {
            self.lives(now, path.0, sent_at, out);
        }
        if status.is_ok() {
            // An error says nothing of the path's service, and a quick one must not attract more commands; and what
            // was out while this loop lagged has waited for the loop.
            if op != Op::Flush && sent_at >= self.resumed_at {
                let own = View::work_of(1, self.bytes_of(s));
                self.views[p].sample(latency, work, own, IO_WEIGHT);
                if own >= View::LARGE_WORK {
                    self.selector.large_answered(path.0, own, latency);
                }
                self.selector.answered(now, path.0, sent_at);
            }
            let state = &mut self.paths[p];
            state.errors = state.errors.saturating_sub(1);
            state.served = state.served.wrapping_add(1);
            if self.slots[s].touched {
                self.touched_ok(now, s, ticket, out);
            } else {
                self.finish(now, s, None, out);
            }
        } else {
            self.refused_by(now, path.0, ticket, status, out);
        }
        self.drained(now, path.0, out);
    }

    /// Success of a command with which something went wrong before, or that was sent twice.
    #[cold]
    fn touched_ok(&mut self, now: Instant, s: u32, ticket: Ticket, out: &mut Actions) {
        let request = self.slots[s].request;
        let over = |core: &Core| core.requests.get(request).guard.is_none();
        let orphan = self.slots[s].state == State::Orphan;
        if orphan || self.config.mutant(Mutant::BelievesLoser) && over(self) {
            return self.orphan_over(ticket, out);
        }
        self.blame(now, s, out);
        self.good(now, s, ticket, out);
    }

    /// The answer is the command's.
    fn good(&mut self, now: Instant, s: u32, ticket: Ticket, out: &mut Actions) {
        if self.reads_again(now, s, out) {
            return;
        }
        self.won(ticket, out);
        self.lay_over(s, out);
        self.succeed(now, s, out);
    }

    /// Something that was sent at `sent_at` came back over the path.
    #[inline]
    fn lives(&mut self, now: Instant, path: u16, sent_at: Instant, out: &mut Actions) {
        self.heard(now, path, sent_at);
        if self.paths[usize::from(path)].health == Health::Suspect {
            self.alive(now, path, out);
        }
    }

    /// The slot that an answer is for, if it is for one.
    #[inline]
    fn slot_of(&self, ticket: Ticket) -> Option<&Slot> {
        if self.config.mutant(Mutant::NoGenerationCheck) {
            return Some(&self.slots[ticket.slot]);
        }
        self.slots.current(ticket)
    }

    /// An attempt came back with something else than success.
    fn refused_by(
        &mut self,
        now: Instant,
        path: u16,
        ticket: Ticket,
        status: Status,
        out: &mut Actions,
    ) {
        let s = ticket.slot;
        let verdict = match judge(status) {
            Verdict::Fatal(_) if self.config.mutant(Mutant::RetriesFatal) => {
                Verdict::RetryLater(Duration::from_millis(1))
            }
            verdict => verdict,
        };
        if self.slots[s].touched && self.leaves_to_twin(now, ticket, verdict, out) {
            return;
        }
        let slot = &self.slots[s];
        let (volume, sent_at) = (slot.volume, slot.sent_at);
        if !matches!(verdict, Verdict::Done | Verdict::Fatal(_)) {
            let cold = self.slots.cold_mut(s);
            if cold.refused_at == Instant::MAX {
                cold.refused_at = now;
            }
            cold.sent = true;
            if now >= cold.refused_at + self.refusal_limit() {
                self.note_refusal(now, path, (volume, sent_at), verdict, out);
                return self.fail_answered(now, s, EIO, out);
            }
        }
        let bit = 1u128 << path;
        match verdict {
            Verdict::Done => self.good(now, s, ticket, out),
            Verdict::Fatal(errno) => {
                if self.config.mutant(Mutant::BlamesPathForMedium) {
                    self.path_error(now, path, out);
                }
                self.fail_answered(now, s, errno, out);
            }
            Verdict::Busy(wait) => {
                // Another path may have room now.
                self.slots.cold_mut(s).tried |= bit;
                if self.has_untried(s) {
                    self.place(now, s, out);
                } else {
                    self.back_off(now, s, wait, out);
                }
            }
            Verdict::RetryLater(wait) => self.back_off(now, s, wait, out),
            Verdict::RetryElsewhere { forbid, .. } => {
                let cold = self.slots.cold_mut(s);
                cold.tried |= bit;
                if forbid {
                    cold.forbidden |= bit;
                }
                self.note_refusal(now, path, (volume, sent_at), verdict, out);
                self.place(now, s, out);
            }
            Verdict::Ambiguous { blame } => {
                let cold = self.slots.cold_mut(s);
                cold.tried |= bit;
                if blame {
                    cold.blamed |= bit;
                }
                cold.ambiguous += 1;
                if self.config.mutant(Mutant::RetriesWithoutLimit) {
                    (cold.ambiguous, cold.tried) = (0, 0);
                }
                if cold.ambiguous >= AMBIGUOUS_RETRIES {
                    return self.fail_answered(now, s, EIO, out);
                }
                self.place(now, s, out);
            }
            Verdict::Access { forbid, .. } => {
                let cold = self.slots.cold_mut(s);
                cold.tried |= bit;
                if forbid {
                    cold.forbidden |= bit;
                }
                self.note_refusal(now, path, (volume, sent_at), verdict, out);
                self.place(now, s, out);
            }
            Verdict::Refresh => {
                self.note_refusal(now, path, (volume, sent_at), verdict, out);
                self.back_off(now, s, Duration::from_millis(1), out);
            }
            Verdict::Gone => {
                self.slots.cold_mut(s).tried |= bit;
                self.note_refusal(now, path, (volume, sent_at), verdict, out);
                self.place(now, s, out);
            }
        }
    }

    /// What a refusal says of the path, whatever becomes of the command: of which volume it was, and when it was sent.
    pub(super) fn note_refusal(
        &mut self,
        now: Instant,
        path: u16,
        (volume, sent_at): (VolumeId, Instant),
        verdict: Verdict,
        out: &mut Actions,
    ) {
        match verdict {
            Verdict::Access { state, .. } => {
                self.access_answered(now, path, volume, state, sent_at, out);
                self.ask(now, path, out);
            }
            Verdict::RetryElsewhere { demote: true, .. } => self.path_error(now, path, out),
            Verdict::Refresh => self.ask(now, path, out),
            Verdict::Gone => {
                let v = usize::from(volume.0);
                let pv = self.pv_mut(path, v);
                pv.verified = Shown::Absent;
                pv.gone = true;
                self.refresh_volume(now, v, out);
                self.ask_again(now, path);
            }
            _ => {}
        }
    }

    /// Asked to wait: longer each time.
    fn back_off(&mut self, now: Instant, s: u32, wait: Duration, out: &mut Actions) {
        let cold = self.slots.cold_mut(s);
        let longer = Duration(wait.0 << cold.waits.min(4));
        cold.waits = cold.waits.saturating_add(1);
        cold.tried = 0;
        self.delay(now, s, longer, out);
    }

    /// A command succeeded: the paths on which it did not are to blame for what they answered.
    #[cold]
    fn blame(&mut self, now: Instant, s: u32, out: &mut Actions) {
        let blamed = std::mem::take(&mut self.slots.cold_mut(s).blamed);
        let good = 1 << self.slots[s].path;
        for path in bits(blamed & !good) {
            self.path_error(now, path, out);
        }
    }

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
        self.slots.remove(ticket.slot);
        let p = usize::from(path.0);
        self.paths[p].probe = None;
        if !is_local(status) {
            self.lives(now, path.0, sent_at, out);
        }
        if status.is_ok() && sent_at >= self.resumed_at {
            let own = View::work_of(1, u64::from(self.config.block_bytes));
            let work = self.views[p].work.saturating_add(own);
            self.views[p].sample(now.since(sent_at), work, own, PROBE_WEIGHT);
            self.selector.probed(now, path.0, sent_at);
        }
        match judge(status) {
            Verdict::Access { state, .. } => {
                self.access_answered(now, path.0, volume, state, sent_at, out);
            }
            Verdict::RetryElsewhere { demote: true, .. } | Verdict::Ambiguous { blame: true } => {
                self.bad_probe(now, path.0, out);
            }
            Verdict::Done => self.good_probe(now, path.0, out),
            _ => {}
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

    pub(super) fn set_health(&mut self, path: u16, to: Health, out: &mut Actions) {
        let from = self.paths[usize::from(path)].health;
        if from == to {
            return;
        }
        if !from.may_become(to) && !self.config.mutant(Mutant::FailbackUnreported) {
            out.event(Event::Illegal {
                path: PathId(path),
                what: "health",
            });
        }
        self.paths[usize::from(path)].health = to;
        out.event(Event::Health {
            path: PathId(path),
            from,
            to,
        });
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
        let p = usize::from(path);
        if self.paths[p].probe.is_some() || self.paths[p].link != super::path::Link::Up {
            return;
        }
        let s = self.slots.insert(u32::MAX, Op::Read, volume, 0, 1);
        let slot = &mut self.slots[s];
        slot.state = State::Probe;
        slot.path = path;
        slot.sent_at = now;
        self.paths[p].probe = Some(s);
        self.paths[p].probe_at = now;
        out.push(Action::Probe {
            path: PathId(path),
            ticket: self.slots.ticket(s),
            volume,
        });
        self.wake_by(now + self.patience(path, super::times::SILENCE_FLOOR));
    }
}
