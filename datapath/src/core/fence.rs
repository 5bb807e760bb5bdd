//! Writes in doubt. A lost association may still execute what was sent on it: its writes are held until it is proven
//! gone (the array confirms a cross-controller reset, sent over any live path) or has been feared for `quiesce`.
//!
//! A held write that must fail (no path came back in time) leaves its range in doubt: later writes that overlap it, on
//! every shard, are barred until the association is closed. The application hears of the failure only when every
//! sibling shard has noted the range.

use super::api::{Action, Epoch, Event, PeerMessage, Ticket};
use super::path::{Health, Link};
use super::slots::{List, State};
use super::state::Shown;
use super::verdict::EIO;
use super::{Actions, Core, times};
use protocol::{Instant, PathId, VolumeId};

/// A lost association with writes that are not known to be over.
#[derive(Debug)]
pub(super) struct Closing {
    pub(super) path: u16,
    pub(super) epoch: Epoch,
    lost_at: Instant,
    /// The writes of it that wait.
    held: List,
    /// Over which path, and when, the array was asked to end it.
    asked: Option<(u16, Instant)>,
    /// Of an earlier daemon: bars every write.
    prior: bool,
    /// Some of its writes failed: siblings hold ranges of it.
    told: bool,
}

/// A range that an association of some shard may still write.
#[derive(Debug)]
pub(super) struct Doubt {
    volume: VolumeId,
    lba: u64,
    end: u64,
    shard: u16,
    path: u16,
    epoch: Epoch,
}

impl Core {
    pub(super) fn fear_prior(&mut self, now: Instant, path: u16, epoch: Epoch) {
        self.gate += 1;
        self.closings.push(Closing {
            path,
            epoch,
            lost_at: now,
            held: List::default(),
            asked: None,
            prior: true,
            told: false,
        });
    }

    /// The writes of a lost association wait for its end.
    pub(super) fn hold(
        &mut self,
        now: Instant,
        path: u16,
        epoch: Epoch,
        held: List,
        out: &mut Actions,
    ) {
        if held.len == 0 {
            return;
        }
        out.event(Event::InDoubt {
            path: PathId(path),
            epoch,
            ranges: held.len,
        });
        self.closings.push(Closing {
            path,
            epoch,
            lost_at: now,
            held,
            asked: None,
            prior: false,
            told: false,
        });
        self.wake_by(now + self.config.quiesce);
    }

    /// Asks the array to end each association that it has not been asked about.
    pub(super) fn fence_idle(&mut self, now: Instant, out: &mut Actions) {
        for i in 0..self.closings.len() {
            if self.closings[i].asked.is_none() {
                self.ask_fence(now, i, None, out);
            }
        }
    }

    fn ask_fence(&mut self, now: Instant, i: usize, not: Option<u16>, out: &mut Actions) {
        if !self.config.array_confirms {
            return;
        }
        let live = |q: &u16| {
            let p = &self.paths[usize::from(*q)];
            p.link == Link::Up && p.health != Health::Suspect
        };
        // One that shows the array's volumes, is not in quarantine, and is not the one that did not answer.
        let cost = |q: &u16| {
            let shows = (0..self.volumes.len()).any(|v| self.pv(*q, v).verified == Shown::Right);
            let doubtful = self.paths[usize::from(*q)].quarantined;
            (!shows, Some(*q) == not, doubtful)
        };
        let Some(via) = self.path_indices().filter(live).min_by_key(cost) else {
            self.closings[i].asked = None;
            return;
        };
        let closing = &mut self.closings[i];
        closing.asked = Some((via, now));
        out.push(Action::Fence {
            via: PathId(via),
            target: PathId(closing.path),
            epoch: closing.epoch,
        });
        self.wake_by(now + times::FENCE_PATIENCE);
    }

    /// A path that a fence was sent over is lost: the fence must be asked for again.
    pub(super) fn fence_via_lost(&mut self, path: u16) {
        for closing in &mut self.closings {
            if closing.asked.is_some_and(|(via, _)| via == path) {
                closing.asked = None;
            }
        }
    }

    pub(super) fn fence_confirmed(
        &mut self,
        now: Instant,
        path: u16,
        epoch: Epoch,
        out: &mut Actions,
    ) {
        let found = |c: &Closing| c.path == path && c.epoch == epoch;
        if let Some(i) = self.closings.iter().position(found) {
            self.close(now, i, true, out);
        }
    }

    pub(super) fn fence_failed(&mut self, now: Instant, path: u16, epoch: Epoch) {
        for closing in &mut self.closings {
            if closing.path == path && closing.epoch == epoch && closing.asked.is_some() {
                // Asked again when the patience is over, over another path.
                self.wake = self.wake.min(now + times::FENCE_PATIENCE);
            }
        }
    }

    /// Deadlines of the closings; returns the next one.
    pub(super) fn tick_closings(&mut self, now: Instant, out: &mut Actions) -> Instant {
        let mut next = Instant::MAX;
        let mut i = 0;
        while i < self.closings.len() {
            let c = &self.closings[i];
            let quiet_at = c.lost_at + self.config.quiesce;
            if now >= quiet_at {
                self.close(now, i, false, out);
                continue;
            }
            next = next.min(quiet_at);
            match c.asked {
                Some((via, at)) if now >= at + times::FENCE_PATIENCE => {
                    self.ask_fence(now, i, Some(via), out);
                }
                None => self.ask_fence(now, i, None, out),
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

    /// Nothing of the association can execute any more: its writes may be sent again.
    fn close(&mut self, now: Instant, i: usize, by_fence: bool, out: &mut Actions) {
        let mut closing = self.closings.swap_remove(i);
        let (path, epoch) = (PathId(closing.path), closing.epoch);
        out.event(Event::Closed {
            path,
            epoch,
            by_fence,
        });
        let shard = self.config.shard;
        if closing.prior {
            self.gate -= 1;
        }
        if closing.told {
            self.forget_doubts(shard, closing.path, epoch);
            out.push(Action::Peer(PeerMessage::Closed { shard, path, epoch }));
        }
        for _ in 0..closing.held.len {
            let Some(s) = self.slots.pop_front(&mut closing.held) else {
                break;
            };
            out.event(Event::Held {
                ticket: self.slots.ticket(s),
                waited: now.since(closing.lost_at),
            });
            self.place(now, s, out);
        }
        self.unbar(now, out);
    }

    fn forget_doubts(&mut self, shard: u16, path: u16, epoch: Epoch) {
        self.doubts
            .retain(|d| (d.shard, d.path, d.epoch) != (shard, path, epoch));
    }

    fn unbar(&mut self, now: Instant, out: &mut Actions) {
        for _ in 0..self.barred.len {
            if let Some(s) = self.slots.pop_front(&mut self.barred) {
                self.place(now, s, out);
            }
        }
    }

    pub(super) fn is_barred(&self, s: u32) -> bool {
        let slot = &self.slots[s];
        self.gate > 0
            || self
                .doubts
                .iter()
                .any(|d| d.volume == slot.volume && d.lba < slot.end() && slot.lba < d.end)
    }

    /// Fails the held writes of a volume; their ranges stay in doubt. Returns how many.
    pub(super) fn fail_held(&mut self, now: Instant, volume: VolumeId, out: &mut Actions) -> u32 {
        let shard = self.config.shard;
        let mut failed = 0;
        for i in 0..self.closings.len() {
            let members = self.slots.members(&self.closings[i].held);
            let (path, epoch) = (self.closings[i].path, self.closings[i].epoch);
            for s in members {
                if self.slots[s].volume != volume {
                    continue;
                }
                self.slots.unlink(&mut self.closings[i].held, s);
                self.closings[i].told = true;
                failed += 1;
                let ticket = self.slots.ticket(s);
                let siblings = u32::from(self.config.shards - 1);
                let slot = &mut self.slots[s];
                let (lba, blocks) = (slot.lba, slot.blocks);
                self.doubts.push(Doubt {
                    volume,
                    lba,
                    end: slot.end(),
                    shard,
                    path,
                    epoch,
                });
                if siblings == 0 {
                    self.finish(now, s, Some(EIO), out);
                    continue;
                }
                slot.state = State::Failing;
                self.slots.cold_mut(s).acks_left = siblings;
                out.push(Action::Peer(PeerMessage::InDoubt {
                    shard,
                    ticket,
                    volume,
                    lba,
                    blocks,
                    path: PathId(path),
                    epoch,
                }));
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
            } => {
                self.doubts.push(Doubt {
                    volume,
                    lba,
                    end: lba.saturating_add(u64::from(blocks)),
                    shard,
                    path: path.0,
                    epoch,
                });
                out.push(Action::Peer(PeerMessage::DoubtNoted { shard, ticket }));
            }
            PeerMessage::DoubtNoted { shard, ticket } => {
                if shard == self.config.shard {
                    self.doubt_noted(now, ticket, out);
                }
            }
            PeerMessage::Closed { shard, path, epoch } => {
                self.forget_doubts(shard, path.0, epoch);
                self.unbar(now, out);
            }
        }
    }

    fn doubt_noted(&mut self, now: Instant, ticket: Ticket, out: &mut Actions) {
        let Some(slot) = self.slots.current(ticket) else {
            return;
        };
        if slot.state != State::Failing {
            return;
        }
        let cold = self.slots.cold_mut(ticket.slot);
        cold.acks_left -= 1;
        if cold.acks_left == 0 {
            self.finish(now, ticket.slot, Some(EIO), out);
        }
    }
}
