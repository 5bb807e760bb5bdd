//! Writes in doubt. A write that was on a lost association may still execute, at any time until that association is
//! closed: its *attempt* is in doubt, with its range. The write itself need not wait for that.
//!
//! * It is sent again at once, over another path, as soon as every sibling shard has the range in its table.
//! * From then on no shard sends a new write that overlaps it (`Barred`) before the attempt is over. So nothing comes
//!   between the retry and the ghost, and a ghost that writes what is there already changes nothing: the write is
//!   complete with its retry.
//! * Not so if another write that overlaps it was under way when it was lost. Whatever the order in which they executed,
//!   the ghost may reverse it. Both are *entangled*: each is completed only when no attempt in doubt overlaps it any
//!   more (`Answered` until then). Until then the program that wrote both at once has been promised nothing.
//! * A write that fails for good is failed at once. Its ranges stay in doubt.
//!
//! Why a shard's own table is enough to ask for completion: a sibling's write whose loss this shard has not noted yet
//! has not been sent again yet, so it is uncompleted and has been sent once; its ghost is then nothing but its
//! execution.
//!
//! The table is bounded. A write that is lost while it is full is held until its association is closed, as under
//! `fence = "hold"`, and an event says so. Under `hold` only writes that failed are in the table.

use super::api::{Action, Epoch, Event, PeerMessage, Ticket};
use super::config::FencePolicy;
use super::doubts::Doubt;
use super::mutant::Mutant;
use super::ranges::Ranges;
use super::shadow::Span;
use super::slots::State;
use super::verdict::{EIO, ENODEV};
use super::{Actions, Core};
use protocol::{Instant, Op, PathId, VolumeId};

/// The `acks_left` of a write that fails with its association's end, since the table had no room for its range.
const NEVER: u32 = u32::MAX;

impl Core {
    /// Writes were lost with an association. Those that may be sent again now are added to `redo`.
    pub(super) fn fear(
        &mut self,
        now: Instant,
        path: u16,
        epoch: Epoch,
        lost: &[u32],
        redo: &mut Vec<u32>,
        out: &mut Actions,
    ) {
        if lost.is_empty() {
            return;
        }
        let ranges = lost.len() as u32;
        out.event(Event::InDoubt {
            path: PathId(path),
            epoch,
            ranges,
        });
        let room = match self.config.fence {
            FencePolicy::InDoubt | FencePolicy::Shadow => {
                self.doubts_max.saturating_sub(self.own_doubts)
            }
            FencePolicy::Hold | FencePolicy::None => 0,
        };
        let (doubtful, held) = lost.split_at(room.min(ranges) as usize);
        if !held.is_empty() && self.config.fence != FencePolicy::Hold {
            out.event(Event::DoubtsFull {
                path: PathId(path),
                epoch,
                held: held.len() as u32,
            });
        }
        let mut closing = self.closing_for(path, epoch, now, ranges);
        for s in lost {
            self.slots.cold_mut(*s).epoch = epoch;
        }
        for s in held {
            if self.config.mutant(Mutant::OverflowsTable) {
                redo.push(*s);
                continue;
            }
            self.slots[*s].state = State::Held;
            self.slots.push_back(&mut closing.waits, *s);
        }
        for s in doubtful {
            self.add_doubt(*s);
        }
        self.entangle(doubtful);
        for s in doubtful {
            if self.config.shards == 1 || self.config.mutant(Mutant::ResendsBeforeNoted) {
                redo.push(*s);
                continue;
            }
            closing.told = true;
            self.slots[*s].state = State::Noting;
            self.slots.push_back(&mut closing.waits, *s);
            self.announce(*s, out);
            if self.config.mutant(Mutant::SendsBeforeNoted) {
                self.slots.unlink(&mut closing.waits, *s);
                redo.push(*s);
            }
        }
        self.closings.push(closing);
        self.wake_by(now + self.config.quiesce);
    }

    fn add_doubt(&mut self, s: u32) {
        let slot = &self.slots[s];
        let doubt = Doubt {
            shard: self.config.shard,
            path: slot.path,
            epoch: self.slots.cold(s).epoch,
            ticket: self.slots.ticket(s),
            alone: self.stands(slot.path, self.slots.cold(s).epoch),
        };
        self.own_doubts += 1;
        self.doubts.insert(slot.volume, slot.lba, slot.end(), doubt);
    }

    fn announce(&mut self, s: u32, out: &mut Actions) {
        self.slots.cold_mut(s).acks_left = u32::from(self.config.shards - 1);
        let slot = &self.slots[s];
        out.push(Action::Peer(PeerMessage::InDoubt {
            shard: self.config.shard,
            ticket: self.slots.ticket(s),
            volume: slot.volume,
            lba: slot.lba,
            blocks: slot.blocks,
            path: PathId(slot.path),
            epoch: self.slots.cold(s).epoch,
            alone: self.stands(slot.path, self.slots.cold(s).epoch),
        }));
    }

    /// Finds which of these writes, that came in doubt together, overlap others that were sent and are not completed.
    fn entangle(&mut self, fresh: &[u32]) {
        if fresh.is_empty() {
            return;
        }
        let sent: Vec<u32> = self.slots.sent_writes().collect();
        let index = |slots: &super::Slots, all: &[u32]| {
            let mut index = Ranges::default();
            for s in all {
                index.insert(slots[*s].volume, slots[*s].lba, slots[*s].end(), *s);
            }
            index
        };
        let (all, new) = (index(&self.slots, &sent), index(&self.slots, fresh));
        for (of, among) in [(fresh, &all), (sent.as_slice(), &new)] {
            for s in of {
                let slot = &self.slots[*s];
                if among.any(slot.volume, slot.lba, slot.end(), |other| other != s) {
                    self.slots.cold_mut(*s).entangled = true;
                }
            }
        }
    }

    /// A sibling's write is in doubt: are writes of this shard under way that overlap it? Siblings tell of many at once, so what is
    /// under way is sorted once for all of them: while anything is in doubt, each write that is sent after that passes `place_slowly`.
    fn entangle_with(&mut self, volume: VolumeId, lba: u64, end: u64) -> bool {
        if self.config.mutant(Mutant::EntangledAlone) {
            return false;
        }
        if !self.under_way_known {
            let slots = &self.slots;
            let span = |s: u32| (slots[s].volume, slots[s].lba, slots[s].end(), s);
            self.under_way.replace(slots.sent_writes().map(span));
            self.under_way_known = !self.doubts.is_empty();
        }
        let mut hit = std::mem::take(&mut self.overlaps);
        self.under_way.overlapping(volume, lba, end, &mut hit);
        // Some may be over since.
        hit.retain(|(_, s)| self.slots.is_sent_write(*s));
        for (_, s) in &hit {
            self.slots.cold_mut(*s).entangled = true;
        }
        let any = !hit.is_empty();
        hit.clear();
        self.overlaps = hit;
        any
    }

    pub(super) fn is_doubtful(&self, s: u32) -> bool {
        let slot = &self.slots[s];
        self.doubts.any(slot.volume, slot.lba, slot.end(), |_| true)
    }

    fn is_barred(&self, s: u32) -> bool {
        self.gate > 0 || self.is_doubtful(s) || self.is_shadowed(s)
    }

    /// Whether a barred command goes on waiting.
    fn must_wait(&self, s: u32) -> bool {
        match self.slots[s].op {
            Op::Read => self.waits_for_shadow(s),
            _ => self.is_barred(s) && !self.may_be_kept(s),
        }
    }

    /// Whether the command was told not to wait, and what it would wait for is the end of an association that is held against it.
    pub(super) fn may_not_be_held(&self, s: u32) -> bool {
        self.config.fence == FencePolicy::Hold
            && self.requests.get(self.slots[s].request).failfast
            && self.is_doubtful(s)
    }

    /// A write that was never sent before may not overlap a range in doubt, and none may be sent before the gate is open.
    pub(super) fn must_not_be_sent(&self, s: u32) -> bool {
        let sent = self.slots[s].touched && self.slots.cold(s).sent;
        let ignores = self.gate == 0 && self.config.mutant(Mutant::BarsNothing);
        !sent && !ignores && self.is_barred(s)
    }

    pub(super) fn bar(&mut self, now: Instant, s: u32) {
        let slot = &mut self.slots[s];
        slot.state = State::Barred;
        // Of a command that is on no path: since when it waits.
        slot.sent_at = now;
        self.waiting.insert(slot.volume, slot.lba, slot.end(), s);
        self.slots.push_back(&mut self.barred, s);
    }

    /// A command that is barred, or answered and not complete, waits no more.
    pub(super) fn stop_waiting(&mut self, s: u32) {
        let slot = &self.slots[s];
        let (volume, lba, end) = (slot.volume, slot.lba, slot.end());
        let list = match slot.state {
            State::Answered => &mut self.answered,
            _ => &mut self.barred,
        };
        self.slots.unlink(list, s);
        self.waiting.remove(volume, lba, end, s);
    }

    /// A command succeeded: it is complete, unless it is entangled with an attempt that may still execute.
    pub(super) fn succeed(&mut self, now: Instant, s: u32, out: &mut Actions) {
        let entangled = self.slots[s].touched
            && self.slots.cold(s).entangled
            && !self.config.mutant(Mutant::CompletesEntangled);
        if entangled && !self.slots.cold(s).shadowed && self.is_doubtful(s) {
            if self.may_be_kept_answered(s) {
                return self.keep(now, s, true, out);
            }
            self.say_full(s, out);
            let slot = &mut self.slots[s];
            slot.state = State::Answered;
            slot.sent_at = now;
            self.waiting.insert(slot.volume, slot.lba, slot.end(), s);
            return self.slots.push_back(&mut self.answered, s);
        }
        self.finish(now, s, None, out);
    }

    /// Some range is no longer in doubt, or the gate opened: what waited for that goes on.
    pub(super) fn lifted(&mut self, now: Instant, out: &mut Actions) {
        self.let_go(now, out);
        self.settle(now, out);
    }

    /// The same, where all that has changed is that this range is no longer in doubt for one reason.
    fn lifted_from(
        &mut self,
        now: Instant,
        (volume, lba, end): (VolumeId, u64, u64),
        out: &mut Actions,
    ) {
        if self.doubts.is_empty() {
            self.under_way_known = false;
        }
        // What is kept in memory, and whether there is room for more, depends on more than this range.
        if self.config.fence == FencePolicy::Shadow {
            return self.lifted(now, out);
        }
        if self.config.mutant(Mutant::ForgetsAnswered) || self.doubts.covers(volume, lba, end) {
            return;
        }
        let mut waiting = std::mem::take(&mut self.overlaps);
        self.waiting.overlapping(volume, lba, end, &mut waiting);
        // Answers first, each kind in the order in which it began to wait.
        waiting.sort_unstable_by_key(|(at, s)| (self.slots[*s].state != State::Answered, *at));
        for (_, s) in waiting.drain(..) {
            self.try_on(now, s, out);
        }
        self.overlaps = waiting;
    }

    /// What waited, and need not any more, goes on.
    pub(super) fn let_go(&mut self, now: Instant, out: &mut Actions) {
        if self.doubts.is_empty() {
            self.under_way_known = false;
        }
        if self.config.mutant(Mutant::ForgetsAnswered) {
            return;
        }
        for kind in [State::Answered, State::Barred] {
            let all = match kind {
                State::Answered => self.answered.len,
                _ => self.barred.len,
            };
            for _ in 0..all {
                let list = match kind {
                    State::Answered => &mut self.answered,
                    _ => &mut self.barred,
                };
                let Some(s) = self.slots.pop_front(list) else {
                    break;
                };
                self.slots.push_back(list, s);
                self.try_on(now, s, out);
            }
        }
    }

    /// A command that waits goes on, if it need not any more.
    fn try_on(&mut self, now: Instant, s: u32, out: &mut Actions) {
        match self.slots[s].state {
            State::Answered if !self.is_doubtful(s) => {
                self.stop_waiting(s);
                self.say_held(now, s, out);
                self.finish(now, s, None, out);
            }
            State::Barred if !self.must_wait(s) => {
                self.stop_waiting(s);
                self.say_held(now, s, out);
                self.place(now, s, out);
            }
            _ => {}
        }
    }

    fn say_held(&self, now: Instant, s: u32, out: &mut Actions) {
        out.event(Event::Held {
            ticket: self.slots.ticket(s),
            waited: now.since(self.slots[s].sent_at),
        });
    }

    pub(super) fn forget_doubts(&mut self, shard: u16, path: u16, epoch: Epoch) {
        let gone = self
            .doubts
            .forget(|d| (d.shard, d.path, d.epoch) == (shard, path, epoch));
        if shard == self.config.shard {
            self.own_doubts -= gone;
        }
    }

    /// An answer that is no longer waited for. It is never believed as a result; but an attempt that was lost, and is
    /// answered after all, is over.
    #[cold]
    pub(super) fn late(&mut self, now: Instant, path: PathId, ticket: Ticket, out: &mut Actions) {
        out.event(Event::StaleCompletion { path, ticket });
        self.stray_answered(path.0, ticket);
        if self.closings.is_empty() {
            return;
        }
        let ticket = Ticket {
            generation: ticket.generation.wrapping_add(1),
            ..ticket
        };
        let shard = self.config.shard;
        let doubt = self.doubts.get(shard, ticket);
        let epoch = doubt.filter(|d| d.path == path.0).map(|d| d.epoch);
        if let Some(epoch) = epoch
            && let Some(range) = self.doubts.end(shard, ticket)
        {
            self.own_doubts -= 1;
            if self.config.shards > 1 {
                out.push(Action::Peer(PeerMessage::Ended { shard, ticket }));
            }
            self.lifted_from(now, range, out);
            return self.attempt_over(now, path.0, epoch, out);
        }
        // One that has no range in the table waits for its own end.
        let Some(slot) = self.slots.current(ticket) else {
            return;
        };
        let s = ticket.slot;
        let cold = *self.slots.cold(s);
        let waits = match slot.state {
            State::Held => true,
            State::Failing => cold.acks_left == NEVER,
            _ => false,
        };
        if slot.path == path.0 && waits {
            self.leave_closing(s);
            self.set_free(now, s, out);
            self.attempt_over(now, path.0, cold.epoch, out);
        }
    }

    /// Takes a command out of the list of the association that it was lost with.
    fn leave_closing(&mut self, s: u32) {
        let (path, epoch) = (self.slots[s].path, self.slots.cold(s).epoch);
        if let Some(i) = self.closing_of(path, epoch) {
            self.slots.unlink(&mut self.closings[i].waits, s);
        }
    }

    /// Fails the lost writes of a volume that wait; their ranges stay in doubt. Returns how many.
    pub(super) fn fail_held(
        &mut self,
        now: Instant,
        volume: VolumeId,
        errno: i32,
        out: &mut Actions,
    ) -> u32 {
        let mut failed = 0;
        for i in 0..self.closings.len() {
            let mut all = self.slots.members(&self.closings[i].waits);
            all.retain(|s| self.slots[*s].volume == volume);
            failed += self.fail_lost(now, i, &all, errno, out);
        }
        failed
    }

    /// Fails the lost writes of an association that were told not to wait: nobody is being asked whether it is over.
    pub(super) fn fail_hasty(&mut self, now: Instant, i: usize, out: &mut Actions) {
        let mut all = self.slots.members(&self.closings[i].waits);
        all.retain(|s| {
            let slot = &self.slots[*s];
            slot.state == State::Held && self.requests.get(slot.request).failfast
        });
        for s in all {
            let volume = self.slots[s].volume;
            let v = usize::from(volume.0);
            if self.volumes[v].candidates.is_empty() {
                out.event(Event::NoPathFailed { volume, failed: 1 });
            }
            let errno = if self.is_permanent(v) { ENODEV } else { EIO };
            self.fail_lost(now, i, &[s], errno, out);
        }
    }

    /// Fails these lost writes of one association, which wait; their ranges stay in doubt. Returns how many were not failing already.
    fn fail_lost(
        &mut self,
        now: Instant,
        i: usize,
        lost: &[u32],
        errno: i32,
        out: &mut Actions,
    ) -> u32 {
        let mut failed = 0;
        let mut fresh = Vec::new();
        for &s in lost {
            let state = self.slots[s].state;
            if state == State::Failing {
                continue;
            }
            failed += 1;
            self.slots[s].state = State::Failing;
            self.slots.cold_mut(s).errno = errno;
            if state == State::Noting {
                // The siblings are being told.
                continue;
            }
            if self.own_doubts >= self.doubts_max {
                // No room to bar what comes after it: it fails when its association is closed.
                self.slots.cold_mut(s).acks_left = NEVER;
                out.event(Event::DoubtsFull {
                    path: PathId(self.closings[i].path),
                    epoch: self.closings[i].epoch,
                    held: 1,
                });
                continue;
            }
            self.add_doubt(s);
            self.closings[i].told = self.config.shards > 1;
            fresh.push(s);
        }
        self.entangle(&fresh);
        for s in fresh {
            if self.config.shards == 1 {
                self.leave_closing(s);
                self.finish(now, s, Some(errno), out);
            } else {
                self.announce(s, out);
            }
        }
        failed
    }

    pub(super) fn peer(&mut self, now: Instant, message: PeerMessage, out: &mut Actions) {
        match message {
            PeerMessage::Suspect { path } => self.told_suspect(now, path, out),
            PeerMessage::InDoubt {
                shard,
                ticket,
                volume,
                lba,
                blocks,
                path,
                epoch,
                alone,
            } => {
                let end = lba.saturating_add(u64::from(blocks));
                let doubt = Doubt {
                    shard,
                    path: path.0,
                    epoch,
                    ticket,
                    alone,
                };
                if !self.config.mutant(Mutant::SiblingForgetsRange) {
                    self.doubts.insert(volume, lba, end, doubt);
                }
                let overlaps = self.entangle_with(volume, lba, end);
                out.push(Action::Peer(PeerMessage::DoubtNoted {
                    shard,
                    ticket,
                    overlaps,
                }));
            }
            PeerMessage::DoubtNoted {
                shard,
                ticket,
                overlaps,
            } => {
                if shard == self.config.shard {
                    self.doubt_noted(now, ticket, overlaps, out);
                }
            }
            PeerMessage::Ended { shard, ticket } => {
                if let Some(range) = self.doubts.end(shard, ticket) {
                    self.lifted_from(now, range, out);
                }
            }
            PeerMessage::Closed { shard, path, epoch } => {
                self.forget_doubts(shard, path.0, epoch);
                self.asked_ends.retain(|of| *of != (shard, path.0, epoch));
                self.lifted(now, out);
            }
            PeerMessage::Waits { shard, path, epoch } => {
                if shard == self.config.shard {
                    self.end_association(now, path.0, epoch, out);
                }
            }
            PeerMessage::FlushFailed {
                shard,
                ticket,
                volume,
            } => self.told_of_failed_flush(now, shard, ticket, volume, out),
            PeerMessage::FlushNoted { shard, ticket } => {
                if shard == self.config.shard {
                    self.flush_noted(now, ticket, out);
                }
            }
            PeerMessage::Shadow {
                step,
                id,
                volume,
                lba,
                blocks,
            } => {
                let span = Span {
                    volume,
                    lba,
                    blocks,
                };
                self.told_of_shadow(now, step, id, span, out);
            }
            PeerMessage::ShadowNoted { step, id } => {
                if id.shard == self.config.shard {
                    self.shadow_noted(now, step, id, out);
                }
            }
            PeerMessage::GateOpen { .. } => self.gate_opened(now, out),
        }
    }

    fn doubt_noted(&mut self, now: Instant, ticket: Ticket, overlaps: bool, out: &mut Actions) {
        let state = self.slots.current(ticket).map(|slot| slot.state);
        if !matches!(state, Some(State::Noting | State::Failing)) {
            return;
        }
        let s = ticket.slot;
        let cold = self.slots.cold_mut(s);
        cold.entangled |= overlaps;
        if cold.acks_left == NEVER || cold.acks_left == 0 {
            return;
        }
        cold.acks_left -= 1;
        let (left, errno) = (cold.acks_left, cold.errno);
        if left > 0 {
            return;
        }
        self.leave_closing(s);
        if state == Some(State::Failing) {
            self.finish(now, s, Some(errno), out);
        } else {
            self.place(now, s, out);
        }
    }
}
