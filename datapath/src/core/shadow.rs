//! `fence = "shadow"`: nothing waits for a proof, not even a journal that rewrites one hot block on an array that proves nothing.
//!
//! Under `in_doubt` a write that overlaps an attempt in doubt is held until that attempt is over, since its ghost could come after
//! it. Under `shadow` such a write is sent and completed at once, and its data are kept in memory, as a *shadow*: whatever the ghost
//! does to the media, reads of those blocks see the shadow. When nothing in doubt overlaps it any more, it is written once more
//! (`settle`), and forgotten.
//!
//! **The price.** What is only in memory is lost with it. If the host or the daemon dies while a shadow is open, and a ghost has
//! executed after the write that the shadow is of, or does so before its association ends, then those blocks hold the ghost's older
//! data although a newer write was completed, and even flushed. Under `in_doubt` that cannot happen. And the shadow is this host's
//! alone: another host that reads those blocks meanwhile sees what the media hold.
//!
//! **The order.** A core holds no byte: the driver copies them (`ShadowAction`), into a store that all shards of a host share.
//! 1. *Kept.* The data are copied, and every sibling is told (`Note`). From then on a sibling sends no read of those blocks and no
//!    plain write; a read that is out there is read again when it is answered, since nobody knows what it saw.
//! 2. *Shown*, when all have noted it. That is one moment for the host: this shard's reads see it from here on, the siblings' are
//!    held until they hear of it (`Open`). Only then the write is sent, with its own FUA, and completed with its success. Before
//!    that, the blocks hold what they held, for every reader alike; a read never goes back in time.
//! 3. A younger shadow over the same blocks takes them over (`pieces`). The age is a number that grows with every shadow that a shard
//!    has heard of, so that a write which was submitted after the completion of another is the younger one everywhere. A shadow
//!    that shows nothing any more is forgotten; a journal of one block needs memory for one block.
//! 4. *Settled*, written once more and forgotten: see `settle`.
//!
//! A write that is *entangled* (see `doubt`) is completed at once, too: after its answer it is kept, and completed when it is shown.
//!
//! **Reads.** One whose blocks are all shown is copied from memory and never sent. One of which only a part is shown is sent, and that part
//! is laid over its data when it is answered. Should any shadow over its blocks come or go in between, it is read again: so
//! what it returns was all there at one moment. One that has been read again `AGAIN_MAX` times has the next shadow wait for it.
//!
//! **Flush** goes to the array as always: what it covers was sent and answered, so it is on the media, unless a ghost has
//! overwritten it. The last write of a shadow goes with FUA, so that what a flush has promised holds after it. A flush that fails
//! need not have what is shadowed written again: that will be.
//!
//! **Not shadowed** are discards and write-zeroes, which have no data to keep, and what would exceed `shadow_bytes`, or
//! `SHADOWS_MAX`, on this shard. They wait as under `in_doubt`; an event says that there was no room. Neither is anything that a
//! recovered daemon may not send yet.

use super::api::{Action, Event, PeerMessage, ShadowAction, ShadowId, ShadowStep, Ticket};
use super::config::{FencePolicy, SHADOWS_MAX};
use super::mutant::Mutant;
use super::pieces::Pieces;
use super::ranges::Ranges;
use super::slots::{NONE, State};
use super::{Actions, Core};
use protocol::{Instant, Op, VolumeId};
use std::collections::BTreeMap;

/// A read that was read again so often makes the next shadow over its blocks wait.
const AGAIN_MAX: u8 = 3;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Stage {
    /// The siblings are being told.
    Coming,
    Shown,
    /// No new write over it is sent, until it is forgotten.
    Quieting,
    /// It is being written once more.
    Writing,
    /// The siblings are being told to forget it.
    Dropping,
}

/// A shadow of this shard.
#[derive(Clone, Copy, Debug)]
pub(super) struct Own {
    pub(super) span: Span,
    pub(super) stage: Stage,
    /// Shards (this one too) that have not said yet what `stage` waits for.
    pub(super) acks_left: u16,
    /// Its write.
    slot: u32,
    /// Commands of its last write that are not over, and whether one of them failed.
    pub(super) left: u32,
    pub(super) failed: bool,
    /// Not to be settled before; while it is quieting: how long that may take.
    pub(super) settle_at: Instant,
    /// How often it was tried to settle it.
    pub(super) round: u32,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Span {
    pub(super) volume: VolumeId,
    pub(super) lba: u64,
    pub(super) blocks: u32,
}

impl Span {
    pub(super) fn end(&self) -> u64 {
        self.lba.saturating_add(u64::from(self.blocks))
    }

    fn overlaps(&self, volume: VolumeId, lba: u64, end: u64) -> bool {
        self.volume == volume && self.lba < end && lba < self.end()
    }
}

/// A word that a shard owes as soon as it is true.
#[derive(Clone, Copy, Debug)]
pub(super) struct Owed {
    pub(super) step: ShadowStep,
    pub(super) id: ShadowId,
    pub(super) span: Span,
}

#[derive(Debug, Default)]
pub(super) struct Shadows {
    /// There may be something here: all that an I/O outside the window looks at.
    pub(super) any: bool,
    pub(super) pieces: Pieces,
    /// Siblings' shadows that are not shown here yet.
    coming: Ranges<ShadowId>,
    /// Blocks that no new write is sent to.
    pub(super) quiet: Ranges<ShadowId>,
    pub(super) own: BTreeMap<u64, Own>,
    /// The age of the youngest shadow that this shard has heard of.
    pub(super) seq: u64,
    /// Of all in `own`.
    pub(super) bytes: u64,
    pub(super) owed: Vec<Owed>,
    /// Commands that write shadows once more.
    pub(super) writing: u32,
    /// Their cookies: one for each, never one of a request's.
    pub(super) cookies: u64,
}

impl Shadows {
    pub(super) fn note_any(&mut self) {
        self.any = !(self.pieces.is_empty()
            && self.coming.is_empty()
            && self.quiet.is_empty()
            && self.own.is_empty()
            && self.writing == 0);
    }

    /// Whether a new write over these blocks must be kept, or held.
    fn touch(&self, volume: VolumeId, lba: u64, end: u64) -> bool {
        self.any
            && (self.pieces.overlaps(volume, lba, end)
                || self.coming.any(volume, lba, end, |_| true)
                || self.is_quiet(volume, lba, end))
    }

    /// Writes over the shadow's blocks go on.
    pub(super) fn unquiet(&mut self, id: ShadowId) {
        self.quiet.forget(|quiet| *quiet == id);
        let waits = |owed: &Owed| owed.id == id && matches!(owed.step, ShadowStep::Quiet(_));
        self.owed.retain(|owed| !waits(owed));
        self.note_any();
    }

    fn is_quiet(&self, volume: VolumeId, lba: u64, end: u64) -> bool {
        self.quiet.any(volume, lba, end, |_| true)
    }
}

/// The shadows that a shard keeps, for whoever shows them.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct OpenShadows {
    pub count: u32,
    pub bytes: u64,
}

impl Core {
    /// The shadows of this shard that are open: what a crash of the host would put at risk now.
    pub fn open_shadows(&self) -> OpenShadows {
        OpenShadows {
            count: self.shadows.own.len() as u32,
            bytes: self.shadows.bytes,
        }
    }

    /// Whether this shard still has to do with shadows, its own or a sibling's.
    pub fn sees_shadows(&self) -> bool {
        self.shadows.any
    }

    pub(super) fn is_shadowed(&self, s: u32) -> bool {
        let slot = &self.slots[s];
        self.shadows.touch(slot.volume, slot.lba, slot.end())
    }

    /// Whether a write that may not simply be sent can be kept, and sent then.
    pub(super) fn may_be_kept(&self, s: u32) -> bool {
        let slot = &self.slots[s];
        self.may_be_kept_answered(s)
            && self.gate == 0
            && !self.shadows.is_quiet(slot.volume, slot.lba, slot.end())
    }

    /// The same for one that was answered: whoever wants quiet there waits for it.
    pub(super) fn may_be_kept_answered(&self, s: u32) -> bool {
        self.config.fence == FencePolicy::Shadow
            && self.slots[s].op == Op::Write
            && self.has_room_for(s)
    }

    fn has_room_for(&self, s: u32) -> bool {
        self.shadows.own.len() < SHADOWS_MAX
            && self.shadows.bytes + self.bytes_of(s) <= self.config.shadow_bytes
    }

    /// A write is about to be held. If that is for want of room here, it is said.
    pub(super) fn say_full(&self, s: u32, out: &mut Actions) {
        let slot = &self.slots[s];
        if self.config.fence == FencePolicy::Shadow
            && slot.op == Op::Write
            && self.gate == 0
            && !self.has_room_for(s)
        {
            out.event(Event::ShadowsFull {
                volume: slot.volume,
                bytes: self.shadows.bytes,
            });
        }
    }

    /// A write overlaps what is in doubt: its data are kept. When every shard has noted that, it is sent; or completed, if it
    /// is `answered` already.
    pub(super) fn keep(&mut self, now: Instant, s: u32, answered: bool, out: &mut Actions) {
        self.shadows.seq += 1;
        let id = ShadowId {
            seq: self.shadows.seq,
            shard: self.config.shard,
        };
        let slot = &mut self.slots[s];
        slot.state = match answered {
            true => State::KeptAnswered,
            false => State::Kept,
        };
        let span = Span {
            volume: slot.volume,
            lba: slot.lba,
            blocks: slot.blocks,
        };
        let (request, buf_offset) = (slot.request, slot.buf_offset);
        self.slots.cold_mut(s).shadowed = true;
        out.push(Action::Shadow(ShadowAction::Keep {
            id,
            cookie: self.requests.get(request).cookie(),
            buf_offset,
            blocks: span.blocks,
        }));
        self.shadows.bytes += self.bytes_of(s);
        let own = Own {
            span,
            stage: Stage::Coming,
            acks_left: self.config.shards,
            slot: s,
            left: 0,
            failed: false,
            settle_at: Instant::ZERO,
            round: 0,
        };
        self.shadows.own.insert(id.seq, own);
        self.shadows.any = true;
        self.say_open(true, out);
        self.say(ShadowStep::Note, id, span, out);
        if self.config.mutant(Mutant::ShowsBeforeNoted) {
            return self.show(now, id, out);
        }
        self.owe(now, ShadowStep::Note, id, span, out);
    }

    /// To every sibling.
    pub(super) fn say(&mut self, step: ShadowStep, id: ShadowId, span: Span, out: &mut Actions) {
        if self.config.shards > 1 {
            let Span {
                volume,
                lba,
                blocks,
            } = span;
            out.push(Action::Peer(PeerMessage::Shadow {
                step,
                id,
                volume,
                lba,
                blocks,
            }));
        }
    }

    pub(super) fn say_open(&self, kept: bool, out: &mut Actions) {
        let open = self.open_shadows();
        out.event(Event::Shadows {
            kept,
            count: open.count,
            bytes: open.bytes,
        });
    }

    /// A sibling says what becomes of a shadow of its.
    pub(super) fn told_of_shadow(
        &mut self,
        now: Instant,
        step: ShadowStep,
        id: ShadowId,
        span: Span,
        out: &mut Actions,
    ) {
        let (volume, lba, end) = (span.volume, span.lba, span.end());
        let shadows = &mut self.shadows;
        match step {
            ShadowStep::Note => {
                shadows.seq = shadows.seq.max(id.seq);
                shadows.coming.insert(volume, lba, end, id);
                self.stir(span);
                self.shadows.any = true;
                self.owe(now, step, id, span, out);
            }
            ShadowStep::Open => {
                shadows.coming.forget(|coming| *coming == id);
                self.put(id, span, out);
                self.let_go(now, out);
            }
            ShadowStep::Quiet(_) => {
                shadows.quiet.insert(volume, lba, end, id);
                self.shadows.any = true;
                self.owe(now, step, id, span, out);
            }
            ShadowStep::Drop => {
                self.forget_shadow(id, span, out);
                self.owe(now, step, id, span, out);
            }
            ShadowStep::Free => {
                shadows.unquiet(id);
                self.let_go(now, out);
            }
        }
    }

    /// A word is owed; it is given at once where it is true.
    pub(super) fn owe(
        &mut self,
        now: Instant,
        step: ShadowStep,
        id: ShadowId,
        span: Span,
        out: &mut Actions,
    ) {
        self.shadows.owed.push(Owed { step, id, span });
        self.pay(now, out);
    }

    /// Gives every word that has become true.
    pub(super) fn pay(&mut self, now: Instant, out: &mut Actions) {
        let mut i = 0;
        while let Some(owed) = self.shadows.owed.get(i).copied() {
            if !self.is_due(&owed) {
                i += 1;
                continue;
            }
            // What comes of it may give others: from the start again.
            self.shadows.owed.remove(i);
            i = 0;
            let (step, id) = (owed.step, owed.id);
            if id.shard == self.config.shard {
                self.shadow_noted(now, step, id, out);
            } else {
                out.push(Action::Peer(PeerMessage::ShadowNoted { step, id }));
            }
        }
    }

    fn is_due(&self, owed: &Owed) -> bool {
        let span = owed.span;
        let over = |s: &u32| {
            let slot = &self.slots[*s];
            span.overlaps(slot.volume, slot.lba, slot.end())
        };
        match owed.step {
            ShadowStep::Note => !(0..self.slots.len()).any(|s| {
                let slot = &self.slots[s];
                let read = slot.state == State::InFlight && slot.op == Op::Read;
                read && slot.touched && self.slots.cold(s).agains >= AGAIN_MAX && over(&s)
            }),
            ShadowStep::Quiet(_) => {
                let coming = |own: &Own| {
                    let other = &own.span;
                    own.stage == Stage::Coming
                        && span.overlaps(other.volume, other.lba, other.end())
                };
                !self.slots.sent_writes().any(|s| over(&s))
                    && !self.shadows.own.values().any(coming)
            }
            _ => true,
        }
    }

    /// One shard more (it may be this one) has done what a shadow of this shard waits for.
    pub(super) fn shadow_noted(
        &mut self,
        now: Instant,
        step: ShadowStep,
        id: ShadowId,
        out: &mut Actions,
    ) {
        let Some(own) = self.shadows.own.get_mut(&id.seq) else {
            return;
        };
        let waits = match own.stage {
            Stage::Coming => ShadowStep::Note,
            Stage::Quieting => ShadowStep::Quiet(own.round),
            Stage::Dropping => ShadowStep::Drop,
            Stage::Shown | Stage::Writing => return,
        };
        if waits != step {
            return;
        }
        own.acks_left -= 1;
        if own.acks_left > 0 {
            return;
        }
        match step {
            ShadowStep::Note => self.show(now, id, out),
            ShadowStep::Quiet(_) => self.write_shadow(now, id, out),
            _ => self.shadow_gone(now, id, out),
        }
    }

    /// Every shard has noted it: from here on reads see it, and its write goes on.
    fn show(&mut self, now: Instant, id: ShadowId, out: &mut Actions) {
        let Some(own) = self.shadows.own.get_mut(&id.seq) else {
            return;
        };
        own.stage = Stage::Shown;
        let (s, span) = (own.slot, own.span);
        out.push(Action::Shadow(ShadowAction::Show {
            id,
            volume: span.volume,
            lba: span.lba,
            blocks: span.blocks,
        }));
        self.stir(span);
        self.put(id, span, out);
        self.say(ShadowStep::Open, id, span, out);
        let answered = self.slots[s].state == State::KeptAnswered;
        if answered {
            self.finish(now, s, None, out);
        } else {
            self.slots.cold_mut(s).sent = true;
            self.place(now, s, out);
        }
        // It may have been over before all had noted it.
        if !self.feared(&span) {
            self.settle(now, out);
        }
    }

    /// A shadow shows its blocks, but for those of younger ones.
    fn put(&mut self, id: ShadowId, span: Span, out: &mut Actions) {
        let mut gone = Vec::new();
        let pieces = &mut self.shadows.pieces;
        pieces.put(span.volume, span.lba, span.end(), id, &mut gone);
        for id in gone {
            out.push(Action::Shadow(ShadowAction::Free { id }));
            let own = self.shadows.own.get(&id.seq);
            let shown = own.is_some_and(|own| own.stage == Stage::Shown);
            if id.shard == self.config.shard && shown {
                self.forget_own(id, out);
            }
        }
        self.shadows.note_any();
    }

    /// A shadow shows nothing any more on this shard.
    pub(super) fn forget_shadow(&mut self, id: ShadowId, span: Span, out: &mut Actions) {
        self.stir(span);
        let pieces = &mut self.shadows.pieces;
        if pieces.take(span.volume, span.lba, span.end(), id) {
            out.push(Action::Shadow(ShadowAction::Free { id }));
        }
        self.shadows.note_any();
    }

    pub(super) fn forget_own(&mut self, id: ShadowId, out: &mut Actions) {
        if let Some(own) = self.shadows.own.remove(&id.seq) {
            let bytes = u64::from(own.span.blocks) * u64::from(self.config.block_bytes);
            self.shadows.bytes -= bytes;
            self.say_open(false, out);
        }
        self.shadows.note_any();
    }

    /// Shadows over these blocks come or go. Reads that are out must be read again, and the end of a write that is out may be
    /// what somebody waits for.
    fn stir(&mut self, span: Span) {
        for s in 0..self.slots.len() {
            let slot = &self.slots[s];
            if slot.state != State::InFlight || !span.overlaps(slot.volume, slot.lba, slot.end()) {
                continue;
            }
            let read = slot.op == Op::Read;
            let cold = self.slots.cold_mut(s);
            cold.again |= read;
        }
    }

    /// A read is to be sent. True: it was served from memory, or waits.
    pub(super) fn read_in_shadow(&mut self, now: Instant, s: u32, out: &mut Actions) -> bool {
        if self.config.mutant(Mutant::ReadsThroughShadows) {
            return false;
        }
        if self.waits_for_shadow(s) {
            self.bar(now, s);
            return true;
        }
        let slot = &self.slots[s];
        let pieces = self.shadows.pieces.over(slot.volume, slot.lba, slot.end());
        let shown: u64 = pieces.map(|p| p.end - p.lba).sum();
        if shown == 0 {
            return false;
        }
        if shown < u64::from(slot.blocks) {
            // It is looked at again when it is answered.
            self.slots.cold_mut(s);
            return false;
        }
        self.lay_over(s, out);
        self.finish(now, s, None, out);
        true
    }

    /// A read of blocks that a sibling is about to show: nobody knows yet what it sees.
    pub(super) fn waits_for_shadow(&self, s: u32) -> bool {
        let slot = &self.slots[s];
        slot.op == Op::Read
            && self
                .shadows
                .coming
                .any(slot.volume, slot.lba, slot.end(), |_| true)
    }

    /// What shadows show of a read is laid over what the media held.
    pub(super) fn lay_over(&self, s: u32, out: &mut Actions) {
        let slot = &self.slots[s];
        if slot.op != Op::Read
            || !self.shadows.any
            || self.config.mutant(Mutant::ReadsThroughShadows)
        {
            return;
        }
        let cookie = self.requests.get(slot.request).cookie();
        for piece in self.shadows.pieces.over(slot.volume, slot.lba, slot.end()) {
            out.push(Action::Shadow(ShadowAction::Fill {
                id: piece.id,
                offset: (piece.lba - piece.start) as u32,
                cookie,
                buf_offset: slot.buf_offset + (piece.lba - slot.lba) as u32,
                blocks: (piece.end - piece.lba) as u32,
            }));
        }
    }

    /// A read was answered. True: a shadow over its blocks has come or gone since it was sent, and it is read again, unless
    /// another attempt of it is out.
    pub(super) fn reads_again(&mut self, now: Instant, s: u32, out: &mut Actions) -> bool {
        if !self.slots.cold(s).again {
            return false;
        }
        let cold = self.slots.cold_mut(s);
        let twin = std::mem::replace(&mut cold.twin, NONE);
        if twin != NONE {
            self.slots.cold_mut(twin).twin = NONE;
            self.slots.remove(s);
            return true;
        }
        cold.again = false;
        cold.agains = cold.agains.saturating_add(1);
        self.place(now, s, out);
        true
    }

    /// A command is over while there are shadows.
    #[cold]
    pub(super) fn finish_in_shadow(
        &mut self,
        now: Instant,
        s: u32,
        errno: Option<i32>,
        out: &mut Actions,
    ) {
        if self.slots.cold(s).rewrites != 0 {
            return self.shadow_written(now, s, errno, out);
        }
        self.over(s, errno, out);
        self.pay(now, out);
    }

    /// What a command that goes out says to the driver, where it is a shadow's last write.
    pub(super) fn send_shadow(&self, s: u32, ticket: Ticket, out: &mut Actions) {
        let slot = &self.slots[s];
        out.push(Action::Shadow(ShadowAction::Write {
            id: ShadowId {
                seq: self.slots.cold(s).rewrites,
                shard: self.config.shard,
            },
            offset: slot.buf_offset,
            path: protocol::PathId(slot.path),
            ticket,
            volume: slot.volume,
            lba: slot.lba,
            blocks: slot.blocks,
            fua: slot.fua,
            cookie: self.requests.get(slot.request).cookie(),
        }));
    }
}
