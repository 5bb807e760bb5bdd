//! Completions: is the ticket current, how long did it take, and what does the status mean.

use super::api::{Event, Ticket};
use super::mutant::Mutant;
use super::path::Health;
use super::policy::View;
use super::slots::{Slot, State};
use super::state::Shown;
use super::usable::bits;
use super::verdict::{AMBIGUOUS_RETRIES, EIO, Verdict, is_local, judge};
use super::{Actions, Core};
use protocol::{Duration, Instant, Op, PathId, Status, VolumeId};

/// One sample of an I/O weighs 1/64.
const IO_WEIGHT: u32 = 6;

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
    pub(super) fn lives(&mut self, now: Instant, path: u16, sent_at: Instant, out: &mut Actions) {
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
}
