//! The loss of one attempt. What exceeds `io_timeout` on a path that has answered something sent later says "this command", not "this
//! path": the attempt is given up alone. It is sent again, elsewhere if there is an elsewhere; what else is on the path stays there,
//! and the path is used on. It counts as an error of the path, so that one which swallows more than it should is the last resort before long.
//!
//! * Its association lives, so nothing recalls it: the driver is told (`Abandon`), and keeps the buffer until the attempt is answered or its
//!   association ends. Of a read of several commands, which share a buffer, no command is given up so.
//! * A write that is given up is in doubt, as one is that was lost with its path; but nothing ends that doubt except its own late answer, or the
//!   end of its association. No time does, and the array is not asked. Where some write comes to wait for it (it overlaps,
//!   or it is held for want of room in the table, or its data are kept in memory meanwhile), and the end of the association would prove anything, the path is given up after all:
//!   one stall with a proof at its end instead of one without end. On a kernel block path nothing but the command's return proves anything,
//!   so the path is left alone there.
//! * A path that has swallowed more than a few is in trouble itself, and so is one that answers nothing now (it is suspect), whatever it had
//!   answered when it fell silent: both are lost as a whole.

use super::api::{Action, Epoch, Event, LossCause, PeerMessage, Ticket};
use super::config::FencePolicy;
use super::fence::Closing;
use super::mutant::Mutant;
use super::path::{Health, Link};
use super::slots::{NONE, State};
use super::{Actions, Core};
use protocol::{Duration, Instant, Op, PathId};
use std::cell::RefCell;

/// So many given up attempts of one association may be out.
pub(super) const STRAYS_MAX: usize = 32;

impl Core {
    /// Ends what has been out on this path for the hard limit. Returns when the next will have been; `None`: the path is lost.
    pub(super) fn end_overdue(
        &mut self,
        now: Instant,
        path: u16,
        out: &mut Actions,
    ) -> Option<Instant> {
        loop {
            let oldest = self.oldest(path);
            if oldest == Instant::MAX {
                return Some(Instant::MAX);
            }
            let limit = self.timeout_at(oldest);
            if now < limit {
                return Some(limit);
            }
            if !self.may_end_alone(path, oldest) {
                self.lose(now, path, LossCause::Timeout, out);
                return None;
            }
            self.end_alone(now, path, oldest, out);
        }
    }

    /// The attempt in flight that was sent at `oldest`, the oldest of its path; `None`: that is a probe.
    fn attempt_of(&self, path: u16, oldest: Instant) -> Option<u32> {
        let s = self.paths[usize::from(path)].inflight.head;
        (s != NONE && self.slots[s].sent_at == oldest).then_some(s)
    }

    fn may_end_alone(&self, path: u16, oldest: Instant) -> bool {
        let p = &self.paths[usize::from(path)];
        if p.passed_at <= oldest
            || p.health == Health::Suspect
            || p.strays.len() >= STRAYS_MAX
            || self.config.mutant(Mutant::LosesPathForOne)
        {
            return false;
        }
        let Some(s) = self.attempt_of(path, oldest) else {
            return true;
        };
        let slot = &self.slots[s];
        match slot.op {
            _ if slot.state == State::Orphan => true,
            Op::Read => self.requests.get(slot.request).blocks == slot.blocks,
            Op::Flush => true,
            _ => !self.ending_proves() || !self.would_wait(s),
        }
    }

    /// Whether the end of an association proves, some time, that nothing of it executes any more.
    fn ending_proves(&self) -> bool {
        self.config.array_confirms || self.config.quiesce != Duration::MAX
    }

    /// Whether some write would wait for the end of this one's attempt from the start.
    fn would_wait(&self, s: u32) -> bool {
        let slot = &self.slots[s];
        let overlaps = |other: u32| {
            let o = &self.slots[other];
            other != s && o.volume == slot.volume && o.lba < slot.end() && slot.lba < o.end()
        };
        match self.config.fence {
            FencePolicy::None => false,
            FencePolicy::Hold => true,
            FencePolicy::InDoubt | FencePolicy::Shadow => {
                self.own_doubts >= self.doubts_max
                    || self.is_doubtful(s)
                    || self.slots.sent_writes().any(overlaps)
            }
        }
    }

    fn end_alone(&mut self, now: Instant, path: u16, oldest: Instant, out: &mut Actions) {
        let Some(s) = self.attempt_of(path, oldest) else {
            // Its buffer is the driver's own.
            self.drop_probe(path);
            return self.path_error(now, path, out);
        };
        let p = usize::from(path);
        let ticket = self.slots.ticket(s);
        if !self.config.mutant(Mutant::ForgetsStray) {
            let path = PathId(path);
            out.push(Action::Abandon { path, ticket });
        }
        out.event(Event::AttemptLost {
            path: PathId(path),
            ticket,
            sent_at: oldest,
        });
        self.paths[p].strays.push(ticket);
        self.take_back(s);
        let epoch = self.paths[p].epoch;
        if !(self.slots[s].touched && self.lost_to_twin(now, s)) {
            let cold = self.slots.cold_mut(s);
            cold.losses = cold.losses.saturating_add(1);
            cold.first_lost_at = cold.first_lost_at.min(now);
            cold.sent = true;
            cold.tried |= 1 << path;
            let mut redo = std::mem::take(&mut self.scratch);
            let fears = self.slots[s].op.mutates() && self.config.fence != FencePolicy::None;
            if fears && !self.config.mutant(Mutant::TrustsStray) {
                self.slots.cold_mut(s).lost_at = now;
                self.fear(now, path, epoch, &[s], &mut redo, out);
                if let Some(i) = self.closing_of(path, epoch) {
                    self.fail_hasty(now, i, out);
                }
            } else {
                redo.push(s);
            }
            for s in redo.drain(..) {
                self.place(now, s, out);
            }
            self.scratch = redo;
        }
        self.path_error(now, path, out);
    }

    /// An answer that nobody waits for may be that of an attempt which was given up.
    pub(super) fn stray_answered(&mut self, path: u16, ticket: Ticket) {
        if let Some(p) = self.paths.get_mut(usize::from(path)) {
            p.strays.retain(|t| *t != ticket);
        }
    }

    /// Whether this is the path's standing association.
    pub(super) fn stands(&self, path: u16, epoch: Epoch) -> bool {
        let p = self.paths.get(usize::from(path));
        p.is_some_and(|p| p.link == Link::Up && p.epoch == epoch)
    }

    /// The path's association has ended, and with it what was given up on it.
    pub(super) fn association_ended(&mut self, now: Instant, path: u16) {
        let p = &mut self.paths[usize::from(path)];
        p.strays.clear();
        let epoch = p.epoch;
        if let Some(i) = self.closing_of(path, epoch) {
            self.closings[i].lost_at = now;
            self.wake_by(now + self.config.quiesce);
        }
    }

    /// The record of an association with so many more writes in doubt: taken out, if there is one already.
    pub(super) fn closing_for(
        &mut self,
        path: u16,
        epoch: Epoch,
        now: Instant,
        ranges: u32,
    ) -> Closing {
        match self.closing_of(path, epoch) {
            Some(i) => {
                let mut closing = self.closings.swap_remove(i);
                closing.open += ranges;
                closing
            }
            None => Closing::new(path, epoch, now, ranges),
        }
    }

    /// Some write waits for an attempt that was given up on a standing association: that association is ended, where that proves
    /// anything. A sibling's is the sibling's to end.
    pub(super) fn end_what_is_waited_for(&mut self, now: Instant, out: &mut Actions) {
        let waits = self.barred.len + self.answered.len > 0 || self.shadows.any;
        let none = self.doubts.is_empty() || self.doubts.find(|d| d.alone).is_none();
        if none || !waits || !self.ending_proves() {
            return;
        }
        let found = RefCell::new(Vec::new());
        let lists = [&self.barred, &self.answered];
        let slots = lists.iter().flat_map(|list| self.slots.members(list));
        let slots = slots.map(|s| &self.slots[s]);
        let writes = slots.map(|slot| (slot.volume, slot.lba, slot.end()));
        // What is kept in memory is to be written once more, and not before.
        let kept = self.shadows.own.values().map(|own| own.span);
        let kept = kept.map(|span| (span.volume, span.lba, span.end()));
        for (volume, lba, end) in writes.chain(kept) {
            self.doubts.any(volume, lba, end, |d| {
                let of = (d.shard, d.path, d.epoch);
                let mut found = found.borrow_mut();
                if d.alone && !found.contains(&of) {
                    found.push(of);
                }
                false
            });
        }
        for (shard, path, epoch) in found.into_inner() {
            if shard == self.config.shard {
                self.end_association(now, path, epoch, out);
            } else if !self.asked_ends.contains(&(shard, path, epoch)) {
                self.asked_ends.push((shard, path, epoch));
                let path = PathId(path);
                out.push(Action::Peer(PeerMessage::Waits { shard, path, epoch }));
            }
        }
    }

    /// Somebody waits for what was given up on this association.
    pub(super) fn end_association(
        &mut self,
        now: Instant,
        path: u16,
        epoch: Epoch,
        out: &mut Actions,
    ) {
        if self.stands(path, epoch) && self.ending_proves() {
            self.lose(now, path, LossCause::Timeout, out);
        }
    }
}
