//! From a request to commands on paths: check, split, choose, send.

use super::api::{Action, Event, Outcome, Request};
use super::policy::choose;
use super::slots::State;
use super::verdict::{EAGAIN, EINVAL, EIO};
use super::{Actions, Core, times};
use protocol::{Instant, Op, PathId};

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
        if r.op != Op::Flush {
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
        let limit = self.config.volumes[v].max_blocks;
        let pieces = r.blocks.div_ceil(limit).max(1);
        let request = self.requests.insert(r.cookie, r.buf, r.failfast, pieces);
        let mut offset = 0;
        for _ in 0..pieces {
            let blocks = (r.blocks - offset).min(limit);
            let lba = r.lba + u64::from(offset);
            let s = self.slots.insert(request, r.op, r.volume, lba, blocks);
            let slot = &mut self.slots[s];
            slot.fua = r.fua;
            slot.buf_offset = offset;
            offset += blocks;
            self.place(now, s, out);
        }
    }

    /// Sends a command, or puts it where it waits for what keeps it from being sent.
    #[inline]
    pub(super) fn place(&mut self, now: Instant, s: u32, out: &mut Actions) {
        let slot = &self.slots[s];
        if slot.op.mutates() && (self.gate > 0 || !self.doubts.is_empty()) && self.is_barred(s) {
            self.slots[s].state = State::Barred;
            self.slots.push_back(&mut self.barred, s);
            return;
        }
        let slot = &self.slots[s];
        let v = usize::from(slot.volume.0);
        let volume = &mut self.volumes[v];
        if volume.candidates.is_empty() {
            return self.wait_for_path(now, s, out);
        }
        if slot.tried | slot.forbidden != 0 {
            return self.place_retry(now, s, out);
        }
        let path = choose(
            self.config.policy,
            now,
            &self.views,
            &volume.candidates,
            &mut volume.cursor,
        );
        self.issue(now, s, path, out);
    }

    /// A command that a path refused: the best of the paths that have not refused it in this round.
    fn place_retry(&mut self, now: Instant, s: u32, out: &mut Actions) {
        let slot = &self.slots[s];
        let v = usize::from(slot.volume.0);
        let usable = |p: &u16| self.pv(*p, v).usable;
        let allowed: Vec<u16> = self
            .path_indices()
            .filter(usable)
            .filter(|p| slot.forbidden & (1 << p) == 0)
            .collect();
        if allowed.is_empty() {
            // Every path that could carry it said: never again.
            return self.finish(now, s, Some(EIO), out);
        }
        let fresh: Vec<u16> = allowed
            .iter()
            .copied()
            .filter(|p| slot.tried & (1 << p) == 0)
            .collect();
        if fresh.is_empty() {
            self.slots[s].tried = 0;
            return self.delay(now, s, times::ROUND_DELAY, out);
        }
        let best = fresh.iter().map(|p| self.rank(*p, v)).min().unwrap_or(0);
        let candidates: Vec<u16> = fresh
            .into_iter()
            .filter(|p| self.rank(*p, v) == best)
            .collect();
        let cursor = &mut self.volumes[v].cursor;
        let path = choose(self.config.policy, now, &self.views, &candidates, cursor);
        self.issue(now, s, path, out);
    }

    #[inline]
    fn issue(&mut self, now: Instant, s: u32, path: u16, out: &mut Actions) {
        let p = usize::from(path);
        let bytes = self.bytes_of(s);
        let view = &mut self.views[p];
        view.inflight += 1;
        view.bytes += bytes;
        let depth = view.inflight;
        let first = depth == 1;
        if first {
            view.oldest = now;
        }
        self.slots.push_back(&mut self.paths[p].inflight, s);
        let ticket = self.slots.ticket(s);
        let slot = &mut self.slots[s];
        slot.state = State::InFlight;
        slot.depth = depth;
        slot.sent_at = now;
        let from = slot.path;
        slot.path = path;
        let lost_at = slot.lost_at;
        out.push(Action::Issue {
            path: PathId(path),
            ticket,
            volume: slot.volume,
            op: slot.op,
            lba: slot.lba,
            blocks: slot.blocks,
            fua: slot.fua,
            buf: self.requests.get(slot.request).buf,
            buf_offset: slot.buf_offset,
            cookie: self.requests.get(slot.request).cookie(),
        });
        if lost_at != Instant::MAX {
            self.slots[s].lost_at = Instant::MAX;
            out.event(Event::Redispatch {
                from: PathId(from),
                to: PathId(path),
                ticket,
                lost_at,
            });
        }
        if first {
            self.wake_by(now + self.patience(path, times::SILENCE_FLOOR));
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

    /// An attempt is over, whatever its result: the path no longer carries it.
    #[inline]
    pub(super) fn take_back(&mut self, s: u32) {
        let bytes = self.bytes_of(s);
        let p = usize::from(self.slots[s].path);
        self.slots.unlink(&mut self.paths[p].inflight, s);
        let head = self.paths[p].inflight.head;
        let view = &mut self.views[p];
        view.inflight -= 1;
        view.bytes -= bytes;
        view.oldest = if head == super::slots::NONE {
            Instant::MAX
        } else {
            self.slots[head].sent_at
        };
        let slot = &mut self.slots[s];
        slot.generation = slot.generation.wrapping_add(1);
    }

    /// A command is over for good.
    #[inline]
    pub(super) fn finish(&mut self, _now: Instant, s: u32, errno: Option<i32>, out: &mut Actions) {
        let request = self.slots[s].request;
        self.slots.remove(s);
        self.requests.piece_over(request, errno, out);
    }

    /// Tries a command again later, unless it has been refused for as long as a path may be missing.
    pub(super) fn delay(
        &mut self,
        now: Instant,
        s: u32,
        wait: protocol::Duration,
        out: &mut Actions,
    ) {
        let limit = self.config.queue_for;
        let slot = &mut self.slots[s];
        if slot.refused_at == Instant::MAX {
            slot.refused_at = now;
        }
        if now.since(slot.refused_at) >= limit || self.requests.get(slot.request).failfast {
            return self.finish(now, s, Some(EIO), out);
        }
        slot.state = State::Delayed;
        let at = now + wait;
        let entry = (at, s, slot.generation);
        self.delayed.push(std::cmp::Reverse(entry));
        self.wake_by(at);
    }
}
