//! The end of lost associations. A lost association may still execute what was sent on it, until it is proven gone (the
//! array confirms a cross-controller reset, sent over any live path; every command of it has come back after all) or has
//! been feared for `quiesce`. What waits for that, and which writes need not, is in `doubt`.

use super::api::{Action, Epoch, Event, PeerMessage};
use super::mutant::Mutant;
use super::path::{Health, Link};
use super::slots::{List, State};
use super::state::Shown;
use super::{Actions, Core, times};
use protocol::{Instant, PathId};

/// A lost association with writes that are not known to be over.
#[derive(Debug)]
pub(super) struct Closing {
    pub(super) path: u16,
    pub(super) epoch: Epoch,
    pub(super) lost_at: Instant,
    /// Writes of it that wait: for its end, or for the siblings, whichever is sooner.
    pub(super) waits: List,
    /// Over which path, and when, the array was asked to end it.
    asked: Option<(u16, Instant)>,
    /// Paths that could not carry the question, since it was last asked in vain for as long as the patience with it.
    refused: u128,
    /// Of an earlier daemon: bars every write.
    prior: bool,
    /// Attempts of it that are not known to be over.
    pub(super) open: u32,
    /// Siblings know ranges of it.
    pub(super) told: bool,
}

impl Closing {
    pub(super) fn new(path: u16, epoch: Epoch, lost_at: Instant, open: u32) -> Closing {
        Closing {
            path,
            epoch,
            lost_at,
            waits: List::default(),
            asked: None,
            refused: 0,
            prior: false,
            open,
            told: false,
        }
    }
}

impl Core {
    pub(super) fn fear_prior(&mut self, now: Instant, path: u16, epoch: Epoch) {
        self.gate += 1;
        self.prior_left += 1;
        self.closings.push(Closing {
            prior: true,
            ..Closing::new(path, epoch, now, 0)
        });
    }

    /// A ghost of a sibling's predecessor may hit what this shard writes: a recovered daemon waits for the proof of all.
    pub(super) fn fear_siblings(&mut self) {
        if self.config.first_epoch > Epoch(0) && self.config.shards > 1 {
            self.gate += u32::from(self.config.shards - 1);
            self.gate_told = false;
        }
    }

    /// Tells the siblings, once, that nothing of this shard's predecessor is left.
    pub(super) fn tell_gate(&mut self, out: &mut Actions) {
        if !self.gate_told && self.prior_left == 0 {
            self.gate_told = true;
            let shard = self.config.shard;
            out.push(Action::Peer(PeerMessage::GateOpen { shard }));
        }
    }

    pub(super) fn gate_opened(&mut self, now: Instant, out: &mut Actions) {
        if self.gate > self.prior_left {
            self.gate -= 1;
            self.lifted(now, out);
        }
    }

    /// Asks the array to end each association that it has not been asked about.
    pub(super) fn fence_idle(&mut self, now: Instant, out: &mut Actions) {
        for i in 0..self.closings.len() {
            let c = &self.closings[i];
            if c.asked.is_none() && !self.stands(c.path, c.epoch) {
                self.closings[i].refused = 0;
                self.ask_fence(now, i, None, out);
            }
        }
    }

    /// What was told not to wait for the end of an association fails where nobody is asked about it.
    pub(super) fn fail_what_nobody_ends(&mut self, now: Instant, out: &mut Actions) {
        for i in 0..self.closings.len() {
            if self.closings[i].asked.is_none() {
                self.fail_hasty(now, i, out);
            }
        }
    }

    /// Every association of a path is taken for gone: only a planted defect does that.
    #[cold]
    pub(super) fn trust_reconnect(&mut self, now: Instant, path: u16, out: &mut Actions) {
        while let Some(i) = self.closings.iter().position(|c| c.path == path) {
            self.close(now, i, true, out);
        }
    }

    /// Asks over the best path that has not refused; whether there is one.
    fn ask_fence(&mut self, now: Instant, i: usize, not: Option<u16>, out: &mut Actions) -> bool {
        if !self.config.array_confirms {
            return false;
        }
        let refused = self.closings[i].refused;
        let live = |q: &u16| {
            let p = &self.paths[usize::from(*q)];
            p.link == Link::Up && p.health != Health::Suspect && refused & (1 << *q) == 0
        };
        // One that shows the array's volumes, is not in quarantine, and is not the one that did not answer.
        let cost = |q: &u16| {
            let shows = (0..self.volumes.len()).any(|v| self.pv(*q, v).verified == Shown::Right);
            let doubtful = self.paths[usize::from(*q)].quarantined;
            (!shows, Some(*q) == not, doubtful)
        };
        let Some(via) = self.path_indices().filter(live).min_by_key(cost) else {
            return false;
        };
        let closing = &mut self.closings[i];
        closing.asked = Some((via, now));
        let epoch = match self.config.mutant(Mutant::FencesWrongEpoch) {
            true => Epoch(closing.epoch.0 + 1),
            false => closing.epoch,
        };
        out.push(Action::Fence {
            via: PathId(via),
            target: PathId(closing.path),
            epoch,
        });
        self.wake_by(now + times::FENCE_PATIENCE);
        true
    }

    /// A path that a fence was sent over is lost: the fence must be asked for again.
    pub(super) fn fence_via_lost(&mut self, path: u16) {
        for closing in &mut self.closings {
            if closing.asked.is_some_and(|(via, _)| via == path) {
                closing.asked = None;
            }
        }
    }

    pub(super) fn closing_of(&self, path: u16, epoch: Epoch) -> Option<usize> {
        let found = |c: &Closing| c.path == path && c.epoch == epoch;
        self.closings.iter().position(found)
    }

    pub(super) fn fence_confirmed(
        &mut self,
        now: Instant,
        path: u16,
        epoch: Epoch,
        out: &mut Actions,
    ) {
        if let Some(i) = self.closing_of(path, epoch) {
            self.close(now, i, true, out);
        }
    }

    /// The path that was asked cannot carry the question: the next one is asked at once. When all have refused, the patience with the
    /// last is waited for before they are asked anew.
    pub(super) fn fence_failed(
        &mut self,
        now: Instant,
        path: u16,
        epoch: Epoch,
        out: &mut Actions,
    ) {
        let Some(i) = self.closing_of(path, epoch) else {
            return;
        };
        let Some((via, _)) = self.closings[i].asked else {
            return;
        };
        self.closings[i].refused |= 1 << via;
        if !self.ask_fence(now, i, None, out) {
            self.fail_hasty(now, i, out);
        }
    }

    /// Deadlines of the closings; returns the next one.
    pub(super) fn tick_closings(&mut self, now: Instant, out: &mut Actions) -> Instant {
        let mut next = Instant::MAX;
        let mut i = 0;
        while i < self.closings.len() {
            let c = &self.closings[i];
            if self.stands(c.path, c.epoch) {
                // Of attempts that were given up alone: no time ends their doubt.
                i += 1;
                continue;
            }
            let quiet_at = match self.config.mutant(Mutant::FearsNothing) {
                true => now,
                false => c.lost_at + self.config.quiesce,
            };
            if now >= quiet_at {
                self.close(now, i, false, out);
                continue;
            }
            next = next.min(quiet_at);
            match c.asked {
                Some((via, at)) if now >= at + times::FENCE_PATIENCE => {
                    self.fail_hasty(now, i, out);
                    self.closings[i].refused = 0;
                    if !self.ask_fence(now, i, Some(via), out) {
                        self.closings[i].asked = None;
                    }
                }
                None => {
                    self.ask_fence(now, i, None, out);
                }
                Some(_) => {}
            }
            // Without a live path nothing can be asked: the path that comes back asks.
            if let Some((_, at)) = self.closings[i].asked {
                next = next.min(at + times::FENCE_PATIENCE);
            }
            i += 1;
        }
        next
    }

    /// Nothing of the association can execute any more.
    fn close(&mut self, now: Instant, i: usize, by_fence: bool, out: &mut Actions) {
        let mut closing = self.closings.swap_remove(i);
        let (path, epoch) = (PathId(closing.path), closing.epoch);
        if !self.stands(path.0, epoch) {
            out.event(Event::Closed {
                path,
                epoch,
                by_fence,
            });
        }
        if closing.prior {
            self.gate -= 1;
            self.prior_left -= 1;
            self.tell_gate(out);
        }
        let shard = self.config.shard;
        self.forget_doubts(shard, closing.path, epoch);
        if closing.told && !self.config.mutant(Mutant::NeverTellsClosed) {
            out.push(Action::Peer(PeerMessage::Closed { shard, path, epoch }));
        }
        for _ in 0..closing.waits.len {
            let Some(s) = self.slots.pop_front(&mut closing.waits) else {
                break;
            };
            self.set_free(now, s, out);
        }
        self.lifted(now, out);
    }

    /// The attempt that this command waited for is over.
    pub(super) fn set_free(&mut self, now: Instant, s: u32, out: &mut Actions) {
        let cold = self.slots.cold(s);
        let (errno, waited) = (cold.errno, now.since(cold.lost_at));
        if self.slots[s].state == State::Failing {
            return self.finish(now, s, Some(errno), out);
        }
        let ticket = self.slots.ticket(s);
        out.event(Event::Held { ticket, waited });
        self.place(now, s, out);
    }

    /// One attempt of a lost association is over after all; with the last of them the association is.
    pub(super) fn attempt_over(
        &mut self,
        now: Instant,
        path: u16,
        epoch: Epoch,
        out: &mut Actions,
    ) {
        if let Some(i) = self.closing_of(path, epoch) {
            let closing = &mut self.closings[i];
            closing.open -= 1;
            if closing.open == 0 && !closing.prior {
                self.close(now, i, true, out);
            }
        }
    }
}
