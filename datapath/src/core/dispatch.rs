//! From a request to commands on paths: check, split, choose, send.

use super::api::{Action, Event, Outcome, Request};
use super::mutant::Mutant;
use super::path::Admin;
use super::policy::{Command, View};
use super::slots::State;
use super::verdict::{AMBIGUOUS_ALIKE, EAGAIN, EINVAL, EIO};
use super::{Actions, Core, times};
use protocol::{Instant, Op, PathId, VolumeId};

/// Blocks of one write-zeroes command (NVMe: NLB has 16 bits).
const WRITE_ZEROES_BLOCKS: u32 = 1 << 16;

impl Core {
    #[inline]
    pub(super) fn submit(&mut self, now: Instant, r: Request, out: &mut Actions) {
        let refuse = |errno, out: &mut Actions| {
            out.push(Action::Complete {
                cookie: r.cookie,
                outcome: Outcome::Errno(errno),
            });
        };
        let v = usize::from(r.volume.0);
        let Some(volume) = self.volumes.get(v) else {
            return refuse(EINVAL, out);
        };
        let mut r = r;
        if r.op == Op::Flush && self.config.mutant(Mutant::FlushesNothing) {
            let (cookie, outcome) = (r.cookie, Outcome::Ok);
            return out.push(Action::Complete { cookie, outcome });
        }
        if r.op == Op::Flush {
            if std::mem::take(&mut self.volumes[v].untold) {
                return refuse(EIO, out);
            }
            (r.lba, r.blocks) = (0, 0);
        } else {
            if r.blocks == 0 {
                return refuse(EINVAL, out);
            }
            match r.lba.checked_add(u64::from(r.blocks)) {
                Some(end) if end <= volume.blocks => {}
                _ => return refuse(EIO, out),
            }
        }
        if self.requests.live >= self.config.max_requests {
            return refuse(EAGAIN, out);
        }
        let limit = self.command_blocks(r.op, r.volume);
        let pieces = r.blocks.div_ceil(limit).max(1);
        self.hedges.ios += 1;
        let request = self
            .requests
            .insert(r.cookie, r.buf, r.blocks, r.failfast, pieces);
        let mut offset = 0;
        for _ in 0..pieces {
            let blocks = (r.blocks - offset).min(limit);
            let lba = r.lba.wrapping_add(u64::from(offset));
            let s = self.slots.insert(request, r.op, r.volume, lba, blocks);
            let slot = &mut self.slots[s];
            slot.fua = r.fua;
            slot.buf_offset = offset;
            if self.config.mutant(Mutant::SplitsWithoutOffset) {
                slot.buf_offset = 0;
            }
            offset += blocks;
            self.place(now, s, out);
        }
    }

    /// How many blocks one command takes.
    #[inline]
    pub(super) fn command_blocks(&self, op: Op, volume: VolumeId) -> u32 {
        let max_blocks = self.config.volumes[usize::from(volume.0)].max_blocks;
        match op {
            // What moves no data is not bound by the transfer limit: NVMe's deallocate takes 32 bits of blocks, its
            // write zeroes 16. A flush is always whole.
            Op::Flush | Op::Discard => u32::MAX,
            Op::WriteZeroes => WRITE_ZEROES_BLOCKS.max(max_blocks),
            Op::Read | Op::Write => max_blocks,
        }
    }

    /// Sends a command, or puts it where it waits for what keeps it from being sent.
    #[inline]
    pub(super) fn place(&mut self, now: Instant, s: u32, out: &mut Actions) {
        let slot = &self.slots[s];
        let v = usize::from(slot.volume.0);
        let barrier = self.gate > 0 || !self.doubts.is_empty();
        let barred = barrier && slot.op.mutates() || self.shadows.any;
        if slot.touched || barred || self.volumes[v].candidates.is_empty() {
            return self.place_slowly(now, s, out);
        }
        let command = self.command_of(s);
        let volume = &mut self.volumes[v];
        let path = self.selector.choose(
            now,
            &self.views,
            &volume.candidates,
            &volume.spill,
            command,
            &mut volume.cursor,
        );
        self.issue(now, s, path, out);
    }

    /// The cases that are not the rule: no path, a range in doubt, a command that a path refused or lost.
    #[inline(never)]
    fn place_slowly(&mut self, now: Instant, s: u32, out: &mut Actions) {
        let slot = &self.slots[s];
        let v = usize::from(slot.volume.0);
        self.under_way_known &= !slot.op.mutates();
        let starving = self.volumes[v].candidates.is_empty();
        if slot.touched && self.is_spent(s) {
            return self.finish(now, s, None, out);
        }
        if self.shadows.any && slot.op == Op::Read && self.read_in_shadow(now, s, out) {
            return;
        }
        if starving && self.may_not_wait(s) {
            return self.fail_at_once(now, s, out);
        }
        if self.slots[s].op.mutates() && self.must_not_be_sent(s) {
            if self.may_not_be_held(s) {
                return self.finish(now, s, Some(EIO), out);
            }
            if !self.may_be_kept(s) {
                self.say_full(s, out);
                return self.bar(now, s);
            }
            if !starving {
                return self.keep(now, s, false, out);
            }
        }
        if self.lost_too_often(now, s) {
            return self.finish(now, s, Some(EIO), out);
        }
        if starving {
            return self.wait_for_path(s);
        }
        let cold = self.slots.cold(s);
        let (tried, forbidden) = (cold.tried, cold.forbidden);
        let volume = &self.volumes[v];
        if (tried | forbidden) & volume.usable == 0 {
            let command = self.command_of(s);
            let volume = &mut self.volumes[v];
            let path = self.selector.choose(
                now,
                &self.views,
                &volume.candidates,
                &volume.spill,
                command,
                &mut volume.cursor,
            );
            return self.issue(now, s, path, out);
        }
        // The best of the paths that have not refused it in this round; those in quarantine last.
        let allowed = volume.capable & !forbidden;
        let fresh = allowed & !tried;
        if fresh != 0 {
            let mut list = std::mem::take(&mut self.retry_paths);
            let first = if fresh & volume.usable != 0 {
                fresh & volume.usable
            } else {
                fresh
            };
            self.best_of(v, first, &mut list);
            if self.slots.cold(s).ambiguous >= AMBIGUOUS_ALIKE {
                let alike = list.iter().fold(0u128, |mask, p| mask | (1 << p));
                if first & !alike != 0 {
                    self.best_of(v, first & !alike, &mut list);
                }
            }
            let command = self.command_of(s);
            let cursor = &mut self.volumes[v].cursor;
            let path = self
                .selector
                .choose(now, &self.views, &list, &[], command, cursor);
            self.retry_paths = list;
            return self.issue(now, s, path, out);
        }
        let hope = |p: u16| {
            forbidden & (1 << p) == 0
                && matches!(
                    self.paths[usize::from(p)].admin,
                    Admin::Enabled | Admin::Standby
                )
        };
        let failfast = self.requests.get(self.slots[s].request).failfast;
        if failfast || !self.path_indices().any(hope) {
            // Every path that could ever carry it said: never again.
            return self.fail_answered(now, s, EIO, out);
        }
        self.slots.cold_mut(s).tried = 0;
        self.delay(now, s, times::ROUND_DELAY, out);
    }

    /// A command that is lost with path after path may be what they are lost for. Both must be true, the number and the time: a
    /// fabric that flaps takes many attempts in a moment, and a silent one takes a long time for a few.
    fn lost_too_often(&self, now: Instant, s: u32) -> bool {
        if !self.slots[s].touched {
            return false;
        }
        let cold = self.slots.cold(s);
        let limit = self.config.queue_for.max(self.config.io_timeout);
        cold.losses >= times::LOSSES_MAX && now.since(cold.first_lost_at) >= limit
    }

    /// Whether some path could carry the command that has not refused it in this round.
    pub(super) fn has_untried(&self, s: u32) -> bool {
        let v = usize::from(self.slots[s].volume.0);
        let cold = self.slots.cold(s);
        self.volumes[v].usable & !(cold.tried | cold.forbidden) != 0
    }

    #[inline]
    fn issue(&mut self, now: Instant, s: u32, path: u16, out: &mut Actions) {
        self.send(now, s, path, false, out);
    }

    #[inline]
    pub(super) fn send(&mut self, now: Instant, s: u32, path: u16, hedge: bool, out: &mut Actions) {
        let p = usize::from(path);
        let bytes = self.bytes_of(s);
        let view = &mut self.views[p];
        view.sent(now, bytes);
        let work = view.work;
        let first = view.inflight == 1;
        if bytes >= View::LARGE_BYTES {
            self.selector.large_sent(now, path, self.command_of(s));
        }
        self.slots.push_back(&mut self.paths[p].inflight, s);
        let ticket = self.slots.ticket(s);
        let slot = &mut self.slots[s];
        slot.state = State::InFlight;
        slot.work = work;
        slot.sent_at = now;
        let from = slot.path;
        slot.path = path;
        let touched = slot.touched;
        if self.config.mutant(Mutant::MisaddressesVolume) {
            slot.volume = VolumeId(0);
        }
        if touched && self.config.mutant(Mutant::DropsFuaOnRetry) {
            slot.fua = false;
        }
        if touched && self.slots.cold(s).rewrites != 0 {
            self.send_shadow(s, ticket, out);
        } else {
            let slot = &self.slots[s];
            let request = self.requests.get(slot.request);
            out.push(Action::Issue {
                path: PathId(path),
                ticket,
                volume: slot.volume,
                op: slot.op,
                lba: slot.lba,
                blocks: slot.blocks,
                fua: slot.fua,
                buf: request.buf,
                buf_offset: slot.buf_offset,
                cookie: request.cookie(),
                hedge,
            });
        }
        if touched {
            self.redispatched(s, from, hedge, out);
        }
        if first {
            self.wake_by(now + self.first_look(path));
        }
    }

    #[cold]
    fn redispatched(&mut self, s: u32, from: u16, hedge: bool, out: &mut Actions) {
        let cold = self.slots.cold_mut(s);
        cold.own_buffer = hedge;
        cold.hedged = false;
        cold.again = false;
        let lost_at = std::mem::replace(&mut cold.lost_at, Instant::MAX);
        if lost_at != Instant::MAX {
            out.event(Event::Redispatch {
                from: PathId(from),
                to: PathId(self.slots[s].path),
                ticket: self.slots.ticket(s),
                lost_at,
            });
        }
    }

    #[inline]
    pub(super) fn bytes_of(&self, s: u32) -> u64 {
        let slot = &self.slots[s];
        match slot.op {
            Op::Read | Op::Write => u64::from(slot.blocks) * u64::from(self.config.block_bytes),
            _ => 0,
        }
    }

    #[inline]
    fn command_of(&self, s: u32) -> Command {
        Command {
            work: View::work_of(1, self.bytes_of(s)),
            inbound: self.slots[s].op == Op::Read,
        }
    }

    /// An attempt is over, whatever its result: the path no longer carries it.
    #[inline]
    pub(super) fn take_back(&mut self, s: u32) {
        let bytes = self.bytes_of(s);
        let p = usize::from(self.slots[s].path);
        self.slots.unlink(&mut self.paths[p].inflight, s);
        let head = self.paths[p].inflight.head;
        let oldest = if head == super::slots::NONE {
            Instant::MAX
        } else {
            self.slots[head].sent_at
        };
        self.views[p].back(bytes, oldest);
        let slot = &mut self.slots[s];
        slot.generation = slot.generation.wrapping_add(1);
    }

    /// A command is over for good.
    #[inline]
    pub(super) fn finish(&mut self, now: Instant, s: u32, errno: Option<i32>, out: &mut Actions) {
        if self.slots[s].touched && self.shadows.any {
            return self.finish_in_shadow(now, s, errno, out);
        }
        self.over(s, errno, out);
    }

    #[inline]
    pub(super) fn over(&mut self, s: u32, errno: Option<i32>, out: &mut Actions) {
        let request = self.slots[s].request;
        if !self.config.mutant(Mutant::SlotLeak) {
            self.slots.remove(s);
        }
        self.requests.piece_over(request, errno, out);
    }

    /// For how long a command may be refused before it fails. However short the wait for a path may be, a path that is
    /// there and refuses gets its time.
    pub(super) fn refusal_limit(&self) -> protocol::Duration {
        self.config.queue_for.max(self.config.io_timeout)
    }

    /// Tries a command again later, unless it has been refused for as long as a path may be missing.
    pub(super) fn delay(
        &mut self,
        now: Instant,
        s: u32,
        wait: protocol::Duration,
        out: &mut Actions,
    ) {
        let limit = self.refusal_limit();
        let cold = self.slots.cold_mut(s);
        if cold.refused_at == Instant::MAX {
            cold.refused_at = now;
        }
        let end = cold.refused_at + limit;
        if now >= end {
            return self.finish(now, s, Some(EIO), out);
        }
        let at = (now + wait).min(end);
        let slot = &mut self.slots[s];
        slot.state = State::Delayed;
        let entry = (at, s, slot.generation);
        self.delayed.push(std::cmp::Reverse(entry));
        self.wake_by(at);
    }
}
