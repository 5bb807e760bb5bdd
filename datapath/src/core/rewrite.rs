//! A flush that failed, and what must be written again because of it.
//!
//! A volatile cache that loses what it had acknowledged says so once: the next flush fails, and then the array owes
//! nothing more. The application is told, and knows that whatever it was told is written may be gone. But it cannot know of
//! what was *answered* to the core and is *not yet completed* to it: parts of a write of several commands, and writes that are
//! held because they are entangled with an attempt in doubt. They would be acknowledged later, the next flush would succeed,
//! and they would be gone. So the core writes them again, each before its application hears of it.
//!
//! **Which.** Every write, discard and write-zeroes of the volume that was answered and is not completed, on every shard of
//! this host. Not those with FUA, which are durable with their answer; not those of a request that fails anyway; not what
//! is still in flight: an answer that comes later acknowledges what the array has then, and an array that lets one arrive
//! which a crash has made void owes a failed flush again.
//!
//! **The order.**
//! 1. The shard whose flush failed writes its own again, and tells its siblings (`FlushFailed`). The flush itself is kept
//!    (`Telling`).
//! 2. Each sibling does the same with its own, and says so (`FlushNoted`).
//! 3. With the last word of a sibling the flush is failed to its application.
//!
//! So whatever was answered before the failure is either completed before the application hears of it, and then the failure
//! covers it, or written again. The messages of a sibling keep their order, and a driver handles what a path has answered
//! before a message that came later. Without step 3 a sibling could complete between 2 and the failure what nobody writes
//! again.
//!
//! **As a new write.** Between its answer and its being written again another write over the same blocks may have been
//! lost, sent again and completed: its ghost must not come after this one. Therefore a command that is written again is a new
//! one in the eyes of `doubt`: it is barred while any attempt in doubt overlaps it (its own included), it is entangled if
//! one comes in doubt beside it, and if it fails, its request does. Until then its request is uncompleted, so that its data may
//! reappear over those of a write which was under way beside it.
//!
//! **Every other flush** of the volume that is not over, on any shard, covers the lost writes too, and must not succeed: one
//! that was lost is sent again, and would find nothing left to flush. They are failed when they are answered.
//!
//! **Which failures.** Each one that the array *answered* and that ends the flush: that it lost data is one of the reasons, and
//! no status tells it from the others (NVMe 280h, SCSI 3/0C, EIO). Writing again what need not be is cheap. A flush that
//! fails for want of a path was never answered: the array still owes. On a kernel block path EIO says "the path or the
//! volume"; there a flush is sent over other paths a bounded number of times, as by every other multipath, and an array
//! whose loss Linux reports by EIO alone has then told nobody: such an array needs a cache that is not volatile, or NVMe/TCP. Its
//! medium and target errors come as ENODATA and EREMOTEIO, and those are never retried.
//!
//! **No end.** Where every flush fails, a request may be written again and again. One that has been for as long as a refusing
//! path is borne with (`refusal_limit`) fails.
//!
//! **A daemon that is killed** before step 3 (it takes some microseconds, but as long as a shard that is not scheduled stays
//! away) would take the array's word with it, and the flush that its successor is given again would succeed. So the word is
//! part of what a successor reads (`Core::untold`), and its first flush of that volume fails. What is answered and not completed
//! the front end gives to the successor anyway. What is left is a word that no daemon had read when it was killed: to
//! the array it is told.

use super::api::{Action, PeerMessage, Ticket};
use super::mutant::Mutant;
use super::slots::State;
use super::verdict::EIO;
use super::{Actions, Core};
use protocol::{Instant, Op, VolumeId};

/// A command that must be written again: of which request, where in its buffer, and its slot if it still has one.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Again {
    request: u32,
    offset: u32,
    blocks: u32,
    slot: Option<u32>,
}

impl Core {
    /// A command is answered with something that is final. A flush takes the rest of the volume along.
    pub(super) fn fail_answered(&mut self, now: Instant, s: u32, errno: i32, out: &mut Actions) {
        // A flush that the array could not carry out is an I/O error to a file system, whatever the medium said.
        if self.slots[s].op == Op::Flush {
            return self.flush_failed(now, s, out);
        }
        self.finish(now, s, Some(errno), out);
    }

    #[cold]
    fn flush_failed(&mut self, now: Instant, s: u32, out: &mut Actions) {
        if self.config.mutant(Mutant::SwallowsFlushError) {
            return self.finish(now, s, None, out);
        }
        let volume = self.slots[s].volume;
        self.note_failed_flush(now, volume, out);
        if self.config.shards == 1 || self.config.mutant(Mutant::KeepsFailureToItself) {
            return self.finish(now, s, Some(EIO), out);
        }
        self.slots[s].state = State::Telling;
        self.slots.cold_mut(s).acks_left = u32::from(self.config.shards - 1);
        out.push(Action::Peer(PeerMessage::FlushFailed {
            shard: self.config.shard,
            ticket: self.slots.ticket(s),
            volume,
        }));
    }

    /// A sibling's flush failed.
    pub(super) fn told_of_failed_flush(
        &mut self,
        now: Instant,
        shard: u16,
        ticket: Ticket,
        volume: VolumeId,
        out: &mut Actions,
    ) {
        self.note_failed_flush(now, volume, out);
        out.push(Action::Peer(PeerMessage::FlushNoted { shard, ticket }));
    }

    /// One sibling has noted that a flush of this shard failed.
    pub(super) fn flush_noted(&mut self, now: Instant, ticket: Ticket, out: &mut Actions) {
        let state = self.slots.current(ticket).map(|slot| slot.state);
        if state != Some(State::Telling) {
            return;
        }
        let s = ticket.slot;
        let cold = self.slots.cold_mut(s);
        cold.acks_left = cold.acks_left.saturating_sub(1);
        if cold.acks_left == 0 {
            self.finish(now, s, Some(EIO), out);
        }
    }

    /// Whether a flush of this volume has failed, and its application is still to be told.
    pub(super) fn telling(&self, volume: VolumeId) -> bool {
        (0..self.slots.len()).any(|s| {
            let slot = &self.slots[s];
            slot.state == State::Telling && slot.volume == volume
        })
    }

    fn note_failed_flush(&mut self, now: Instant, volume: VolumeId, out: &mut Actions) {
        for other in self.slots.of(volume, Op::Flush) {
            self.requests.fail(other, EIO);
        }
        if self.config.mutant(Mutant::RewritesNothing) {
            return;
        }
        let mut all = self.held_again(volume);
        all.extend(self.parts_again(volume));
        all.sort_unstable();
        for of in all.chunk_by(|a, b| a.request == b.request) {
            self.write_again(now, volume, of, out);
        }
    }

    /// Writes of a volume that were answered and are held.
    fn held_again(&self, volume: VolumeId) -> Vec<Again> {
        let held = self.slots.members(&self.answered).into_iter();
        held.filter_map(|s| {
            let slot = &self.slots[s];
            (slot.volume == volume && !slot.fua).then_some(Again {
                request: slot.request,
                offset: slot.buf_offset,
                blocks: slot.blocks,
                slot: Some(s),
            })
        })
        .collect()
    }

    /// The commands of a volume's writes that are over while their request is not: the gaps between those that it has left.
    fn parts_again(&self, volume: VolumeId) -> Vec<Again> {
        let mut left: Vec<(u32, u32)> = (0..self.slots.len())
            .filter_map(|s| {
                let slot = &self.slots[s];
                let live = !matches!(slot.state, State::Free | State::Probe);
                let write = live && slot.volume == volume && slot.op.mutates() && !slot.fua;
                let part = || self.requests.get(slot.request).blocks > slot.blocks;
                (write && part()).then_some((slot.request, s))
            })
            .collect();
        left.sort_unstable_by_key(|(request, s)| (*request, self.slots[*s].buf_offset));
        let mut gaps = Vec::new();
        for of in left.chunk_by(|a, b| a.0 == b.0) {
            let (request, first) = of[0];
            let limit = self.command_blocks(self.slots[first].op, volume);
            let total = self.requests.get(request).blocks;
            let mut live = of.iter().map(|(_, s)| self.slots[*s].buf_offset).peekable();
            let mut offset = 0;
            while offset < total {
                let blocks = (total - offset).min(limit);
                if live.next_if_eq(&offset).is_none() {
                    gaps.push(Again {
                        request,
                        offset,
                        blocks,
                        slot: None,
                    });
                }
                offset += blocks;
            }
        }
        gaps
    }

    /// Sends commands of one request again, as new ones.
    fn write_again(&mut self, now: Instant, volume: VolumeId, of: &[Again], out: &mut Actions) {
        let request = of[0].request;
        let limit = self.refusal_limit();
        if !self.requests.written_again(request, now, limit) {
            // It fails with what it has left; what is held has nothing left to wait for.
            for s in of.iter().filter_map(|a| a.slot) {
                self.stop_waiting(s);
                self.finish(now, s, None, out);
            }
            return;
        }
        // Where the request starts, and what it is: any command that it has left says so.
        let Some((op, start)) = self.start_of(request) else {
            return;
        };
        let mut fresh = Vec::with_capacity(of.len());
        for again in of {
            if let Some(s) = again.slot {
                self.stop_waiting(s);
                self.slots.as_new(s);
                fresh.push(s);
                continue;
            }
            let lba = start + u64::from(again.offset);
            let s = self.slots.insert(request, op, volume, lba, again.blocks);
            self.slots[s].buf_offset = again.offset;
            self.requests.one_more(request);
            fresh.push(s);
        }
        for s in fresh {
            self.place(now, s, out);
        }
    }

    fn start_of(&self, request: u32) -> Option<(Op, u64)> {
        let of = |s: &u32| {
            let slot = &self.slots[*s];
            slot.request == request && !matches!(slot.state, State::Free | State::Probe)
        };
        let slot = &self.slots[(0..self.slots.len()).find(of)?];
        Some((slot.op, slot.lba - u64::from(slot.buf_offset)))
    }
}
