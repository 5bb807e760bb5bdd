//! The verdict "path lost": the association is over at our end, and everything that was on it is redone. Reads and
//! flushes at once; writes as `fence` says, which asks the array first to end the association.
//!
//! A flush is sent again as a whole. What it covers was completed before its submission, so it is at the array, whatever
//! became of the path; and a write whose completion is still pending is not covered.

use super::api::{Action, Event, LossCause};
use super::config::FencePolicy;
use super::mutant::Mutant;
use super::path::{Admin, Link};
use super::{Actions, Core, times};
use protocol::{Instant, Op, PathId};

impl Core {
    pub(super) fn lose(&mut self, now: Instant, path: u16, cause: LossCause, out: &mut Actions) {
        let p = usize::from(path);
        self.drop_probe(path);
        let epoch = self.paths[p].epoch;
        let list = self.paths[p].inflight;
        let first_hit = match self.views[p].oldest {
            Instant::MAX => now,
            at => at,
        };
        self.association_ended(now, path);
        self.set_link(path, Link::Lost, out);
        out.event(Event::Lost {
            path: PathId(path),
            cause: match self.paths[p].admin {
                Admin::Absent => LossCause::Removed,
                _ => cause,
            },
            attempts: list.len,
            first_hit,
        });
        if cause != LossCause::Broken && !self.config.mutant(Mutant::KeepsConnection) {
            out.push(Action::Disconnect {
                path: PathId(path),
                epoch,
            });
        }
        self.note_loss(now, path, cause, out);

        // Out of the in-flight list, each to its own way of being redone.
        let mut redo = std::mem::take(&mut self.scratch);
        let mut writes = std::mem::take(&mut self.lost_writes);
        while self.paths[p].inflight.head != super::slots::NONE {
            let s = self.paths[p].inflight.head;
            self.take_back(s);
            if self.slots[s].touched && self.lost_to_twin(now, s) {
                continue;
            }
            let cold = self.slots.cold_mut(s);
            cold.lost_at = now;
            cold.losses = cold.losses.saturating_add(1);
            cold.first_lost_at = cold.first_lost_at.min(now);
            cold.sent = true;
            let op = self.slots[s].op;
            if op == Op::Read && self.config.mutant(Mutant::ForgetsReads) {
                continue;
            }
            if op.mutates() && self.config.mutant(Mutant::BelievesLostWrites) {
                self.finish(now, s, None, out);
                continue;
            }
            if op.mutates() && self.config.mutant(Mutant::FailsWithoutDoubt) {
                self.finish(now, s, Some(super::verdict::EIO), out);
                continue;
            }
            if op.mutates() && self.config.mutant(Mutant::NoFence)
                || op != Op::Write && self.config.mutant(Mutant::FencesWritesOnly)
            {
                redo.push(s);
                continue;
            }
            if self.slots[s].op.mutates() && self.config.fence != FencePolicy::None {
                writes.push(s);
            } else {
                redo.push(s);
            }
        }
        // First of all the array is asked to end the association; then what may go goes.
        self.fence_via_lost(path);
        self.fear(now, path, epoch, &writes, &mut redo, out);
        writes.clear();
        self.lost_writes = writes;
        self.fence_idle(now, out);
        self.refresh_paths(now, out);
        self.fail_what_may_not_wait(now, out);
        for s in redo.drain(..) {
            self.place(now, s, out);
        }
        self.scratch = redo;
    }

    /// What a loss means for the path itself: how flaky it is, and when it is tried again.
    fn note_loss(&mut self, now: Instant, path: u16, cause: LossCause, out: &mut Actions) {
        self.demote_lost(now, path, out);
        let p = &mut self.paths[usize::from(path)];
        p.tries = 0;
        p.silent_loss = cause == LossCause::Silence;
        // At once, unless it was made just now: a path that breaks as soon as it stands must not spin.
        p.retry_at = match p.admin {
            Admin::Absent | Admin::Failed => Instant::MAX,
            Admin::Enabled | Admin::Standby => now.max(p.connecting_at + times::RECONNECT),
        };
        let (at, admin) = (p.retry_at, p.admin);
        if admin == Admin::Absent {
            self.set_link(path, Link::Down, out);
        }
        self.wake_by(at);
    }
}
