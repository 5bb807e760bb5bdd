//! The end of a shadow: what it shows is written once more, by the core itself, and then the media are believed again.
//!
//! A shadow may end when nothing in doubt overlaps it, on any shard. That is brought about in the open:
//! 1. Every shard is told to send no new write over its blocks (`Quiet`), and says so when none that it had sent is uncompleted.
//!    What comes meanwhile is barred, for about the time of one write. Where it takes longer than `times::QUIET_MAX`, because a write
//!    that is out there is not answered, the shadow goes on as it was (`Free`), and it is tried again later.
//! 2. The same if an attempt has come in doubt in between. Else what it still shows is written, with
//!    FUA, so that what a flush had promised holds. Such a write is a write like any other: it is sent again when it is lost, its
//!    lost attempt is in doubt, and since that can only write what the media hold then, it need not be waited for. Where it takes longer than
//!    `times::WRITE_MAX`, new writes are let in again and kept as before; the next attempt waits for its end.
//! 3. With its success every shard forgets the shadow (`Drop`) and says so; a read that is out is read again. Until all have said so,
//!    nothing else is written there: a sibling that still showed the shadow would hide it.
//! 4. `Free`: writes go on.
//!
//! A last write that fails leaves the shadow as it was. It is tried again after `times::SHADOW_RETRY`, for as long as it takes: what was
//! completed is not given up, and reads see it meanwhile.

use super::api::{Action, BufId, ShadowAction, ShadowId, ShadowStep};
use super::mutant::Mutant;
use super::shadow::{Own, Span, Stage};
use super::{Actions, Core, times};
use protocol::{Duration, Instant, Op};

/// Shadows that are settled at once, on one shard: each bars writes for a moment.
const AT_ONCE: usize = 32;
/// Marks the cookies of last writes: a driver's own are below.
const COOKIE: u64 = 1 << 63;

impl Core {
    /// Begins to settle what may be settled.
    pub(super) fn settle(&mut self, now: Instant, out: &mut Actions) {
        if self.shadows.own.is_empty() {
            return;
        }
        let begun = |stage| !matches!(stage, Stage::Coming | Stage::Shown);
        let own = self.shadows.own.values();
        let busy = own.filter(|own| begun(own.stage)).count();
        if busy >= AT_ONCE {
            return;
        }
        let ripe = self.shadows.own.iter().filter(|(_, own)| {
            let span = own.span;
            let usable = &self.volumes[usize::from(span.volume.0)].candidates;
            own.stage == Stage::Shown
                && now >= own.settle_at
                && !usable.is_empty()
                && !self.feared(&span)
        });
        let ripe: Vec<u64> = ripe.map(|(seq, _)| *seq).take(AT_ONCE - busy).collect();
        for seq in ripe {
            // What the one before brought about may have ended it.
            let Some(own) = self.shadows.own.get_mut(&seq) else {
                continue;
            };
            if own.stage != Stage::Shown {
                continue;
            }
            own.stage = Stage::Quieting;
            own.acks_left = self.config.shards;
            // Where writes take long, more of the time is given to each attempt.
            let limit = Duration(times::QUIET_MAX.0 << own.round.min(4));
            own.round += 1;
            own.settle_at = now + limit;
            let (span, step) = (own.span, ShadowStep::Quiet(own.round));
            let shard = self.config.shard;
            let id = ShadowId { seq, shard };
            self.shadows
                .quiet
                .insert(span.volume, span.lba, span.end(), id);
            self.wake_by(now + limit);
            self.say(step, id, span, out);
            self.owe(now, step, id, span, out);
        }
    }

    /// When to look again for shadows to settle: those whose last write failed, or that had no path.
    pub(super) fn tick_shadows(&mut self, now: Instant, out: &mut Actions) -> Instant {
        if self.shadows.own.is_empty() {
            return Instant::MAX;
        }
        let bars = |stage| matches!(stage, Stage::Quieting | Stage::Writing);
        let late = |own: &Own| bars(own.stage) && now >= own.settle_at;
        let own = self.shadows.own.iter().filter(|(_, own)| late(own));
        for seq in own.map(|(seq, _)| *seq).collect::<Vec<u64>>() {
            let shard = self.config.shard;
            self.put_off(now, ShadowId { seq, shard }, out);
        }
        self.settle(now, out);
        let next = self.shadows.own.values().filter_map(|own| match own.stage {
            Stage::Quieting | Stage::Writing => Some(own.settle_at),
            Stage::Shown if !self.feared(&own.span) => Some(now + times::SHADOW_RETRY),
            _ => None,
        });
        next.min().unwrap_or(Instant::MAX)
    }

    /// No write over it is out, and none comes.
    pub(super) fn write_shadow(&mut self, now: Instant, id: ShadowId, out: &mut Actions) {
        let Some(own) = self.shadows.own.get(&id.seq) else {
            return;
        };
        let span = own.span;
        if self.feared(&span) {
            return self.put_off(now, id, out);
        }
        let pieces = self
            .shadows
            .pieces
            .over(span.volume, span.lba, span.end())
            .filter(|p| p.id == id);
        let limit = self.command_blocks(Op::Write, span.volume);
        let mut commands: Vec<(u64, u32)> = Vec::new();
        for piece in pieces {
            let mut lba = piece.lba;
            while lba < piece.end {
                let blocks = (piece.end - lba).min(u64::from(limit)) as u32;
                commands.push((lba, blocks));
                lba += u64::from(blocks);
            }
        }
        if commands.is_empty() {
            // Younger ones have taken over all of it.
            self.forget_own(id, out);
            return self.freed(now, id, span, out);
        }
        if let Some(own) = self.shadows.own.get_mut(&id.seq) {
            own.stage = Stage::Writing;
            own.settle_at = now + times::WRITE_MAX;
            own.left = commands.len() as u32;
            own.failed = false;
        }
        if self.config.mutant(Mutant::DropsUnwritten) {
            return self.drop_shadow(now, id, out);
        }
        self.wake_by(now + times::WRITE_MAX);
        let fresh: Vec<u32> = commands
            .into_iter()
            .map(|(lba, blocks)| {
                self.shadows.writing += 1;
                self.shadows.cookies += 1;
                let cookie = COOKIE | self.shadows.cookies;
                let request = self
                    .requests
                    .insert(cookie, BufId(u32::MAX), blocks, false, 1);
                let s = self
                    .slots
                    .insert(request, Op::Write, span.volume, lba, blocks);
                let slot = &mut self.slots[s];
                slot.buf_offset = (lba - span.lba) as u32;
                slot.fua = !self.config.mutant(Mutant::SettlesInCache);
                let cold = self.slots.cold_mut(s);
                cold.rewrites = id.seq;
                // The quiet is for others.
                cold.sent = true;
                s
            })
            .collect();
        for s in fresh {
            self.place(now, s, out);
        }
    }

    /// A command that writes a shadow once more is over.
    pub(super) fn shadow_written(
        &mut self,
        now: Instant,
        s: u32,
        errno: Option<i32>,
        out: &mut Actions,
    ) {
        let id = ShadowId {
            seq: self.slots.cold(s).rewrites,
            shard: self.config.shard,
        };
        let request = self.slots[s].request;
        self.slots.remove(s);
        self.requests.unasked_over(request);
        self.shadows.writing -= 1;
        let Some(own) = self.shadows.own.get_mut(&id.seq) else {
            return self.pay(now, out);
        };
        if own.stage != Stage::Writing {
            // It took too long, and new writes may have come since.
            return self.pay(now, out);
        }
        own.left -= 1;
        own.failed |= errno.is_some();
        if own.left > 0 {
            return;
        }
        if own.failed {
            return self.put_off(now, id, out);
        }
        self.drop_shadow(now, id, out);
    }

    /// The media hold what it shows.
    fn drop_shadow(&mut self, now: Instant, id: ShadowId, out: &mut Actions) {
        let Some(own) = self.shadows.own.get_mut(&id.seq) else {
            return;
        };
        own.stage = Stage::Dropping;
        own.acks_left = self.config.shards;
        let span = own.span;
        self.say(ShadowStep::Drop, id, span, out);
        self.owe(now, ShadowStep::Drop, id, span, out);
    }

    /// No sibling shows it any more.
    pub(super) fn shadow_gone(&mut self, now: Instant, id: ShadowId, out: &mut Actions) {
        let Some(own) = self.shadows.own.get(&id.seq) else {
            return;
        };
        let span = own.span;
        out.push(Action::Shadow(ShadowAction::Hide {
            id,
            volume: span.volume,
            lba: span.lba,
            blocks: span.blocks,
        }));
        self.forget_shadow(id, span, out);
        self.forget_own(id, out);
        self.freed(now, id, span, out);
    }

    /// A command that writes a shadow once more was lost, and younger shadows have taken over all of that one meanwhile.
    pub(super) fn is_spent(&self, s: u32) -> bool {
        let seq = self.slots.cold(s).rewrites;
        seq != 0 && !self.shadows.own.contains_key(&seq)
    }

    /// Something that may still execute overlaps it.
    pub(super) fn feared(&self, span: &Span) -> bool {
        self.doubts.any(span.volume, span.lba, span.end(), |_| true)
    }

    /// Writes over it go on, it stays, and is settled later.
    fn put_off(&mut self, now: Instant, id: ShadowId, out: &mut Actions) {
        let Some(own) = self.shadows.own.get_mut(&id.seq) else {
            return;
        };
        own.stage = Stage::Shown;
        own.settle_at = now + times::SHADOW_RETRY;
        let span = own.span;
        self.wake_by(now + times::SHADOW_RETRY);
        self.freed(now, id, span, out);
    }

    fn freed(&mut self, now: Instant, id: ShadowId, span: Span, out: &mut Actions) {
        self.shadows.unquiet(id);
        self.say(ShadowStep::Free, id, span, out);
        self.lifted(now, out);
    }
}
