//! What the kernel asks, from the fetch that brings it to the commit that answers it: which buffer carries its data, and who copies them.
//!
//! The application's own pages (`Copy::Zero`) are lent to the first command of a request only. What is sent again goes through a buffer, so that
//! its data are those of the path that answered; but the request ends when the first command is back: until then the path that has it may still
//! write into the application's memory, and the kernel would not let it end anyway.

use super::driver::{Driver, Kind};
use super::pool::{Fresh, NONE};
use crate::front::Asked;
use crate::record::Record;
use datapath::core::{BufId, Input, Request};
use datapath::ring::Issue;
use protocol::{Instant, Op, VolumeId};

/// What a command moves its data from or to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Place {
    Buffer(u32),
    /// The application's own pages, at this index of the ring's table.
    Lent(u16),
    /// It moves none.
    Nothing,
}

enum Begun {
    Yes,
    NoBuffer,
    /// It ended at once.
    No,
}

fn moves_data(op: Option<Op>) -> bool {
    matches!(op, Some(Op::Read | Op::Write))
}

impl Driver<'_> {
    pub fn fetch_all(&mut self) {
        for tag in 0..self.v.queue.depth {
            let entry = self.v.queue.fetch(tag, self.own_address(tag));
            self.push_for(tag, entry);
        }
    }

    fn push_for(&mut self, tag: u16, entry: io_uring::squeue::Entry) {
        let data = Kind::Ublk.pack(self.v.index, u32::from(tag));
        self.push(entry.user_data(data));
    }

    /// Of the tag's own buffer, where it has one.
    fn own_address(&self, tag: u16) -> u64 {
        match self.v.queue.copy.owns_buffers() {
            true => self
                .buffers
                .data
                .address(self.buffers.data.of_tag(self.tag(tag))) as u64,
            false => 0,
        }
    }

    pub(super) fn asked(&mut self, now: Instant, tag: u16, result: i32) -> Option<Input> {
        if result != 0 {
            self.v.aborted += 1;
            return None;
        }
        if self.v.letting_go {
            return None;
        }
        let asked = self.v.queue.asked(tag);
        let t = &mut self.v.tags[usize::from(tag)];
        t.at = now;
        t.lent = !asked.lent;
        let Some(op) = asked.op else {
            self.commit(tag, -libc::EOPNOTSUPP);
            return None;
        };
        if self.v.reset.holds {
            self.v.reset.held.push(tag);
            return None;
        }
        self.v.notes.served(self.v.index, || Record {
            at: now,
            op,
            offset: asked.sector << 9,
            bytes: asked.sectors << 9,
        });
        match self.begin(tag, &asked) {
            Begun::Yes => Some(self.submit(tag, op, &asked)),
            Begun::NoBuffer => {
                self.v.waiting.push_back(tag);
                None
            }
            Begun::No => None,
        }
    }

    fn submit(&self, tag: u16, op: Op, asked: &Asked) -> Input {
        let shift = self.v.block_bytes.trailing_zeros() - 9;
        Input::Submit(Request {
            volume: VolumeId(0),
            op,
            lba: asked.sector >> shift,
            blocks: asked.sectors >> shift,
            fua: asked.fua,
            failfast: asked.failfast,
            buf: BufId(u32::from(tag)),
            cookie: u64::from(tag),
        })
    }

    /// A tag that has no buffer of its own gets one, with what the request writes.
    fn begin(&mut self, tag: u16, asked: &Asked) -> Begun {
        if self.v.queue.copy.owns_buffers() || asked.lent || !moves_data(asked.op) {
            return Begun::Yes;
        }
        let (at, part) = (self.tag(tag), self.v.part);
        if !self.buffers.data.lend(at, self.v.borrowed, part) {
            return Begun::NoBuffer;
        }
        self.v.borrowed += 1;
        if asked.op == Some(Op::Write) && !self.pull(tag, asked) {
            self.commit(tag, -libc::EIO);
            return Begun::No;
        }
        Begun::Yes
    }

    /// What the request writes comes into the tag's buffer.
    fn pull(&mut self, tag: u16, asked: &Asked) -> bool {
        let buffer = self.buffers.data.of_tag(self.tag(tag));
        let into = (self.buffers.data).bytes(buffer, (asked.sectors as usize) << 9);
        self.v.queue.pull(tag, into).is_ok()
    }

    /// Where a command of the request moves its data, but for one that is sent beside another; `None`: there is no buffer.
    pub(super) fn place(&mut self, tag: u16, i: &Issue) -> Option<Place> {
        if !moves_data(Some(i.op)) {
            return Some(Place::Nothing);
        }
        if !self.v.tags[usize::from(tag)].lent
            && i.blocks * self.v.block_bytes == self.v.queue.asked(tag).sectors << 9
        {
            return Some(Place::Lent(self.v.queue.index(tag)));
        }
        self.v.tags[usize::from(tag)].lent = true;
        let at = self.tag(tag);
        let had = self.buffers.data.of_tag(at) != NONE;
        // A read that is sent again must not share its buffer with the attempt that was given up.
        if (i.op == Op::Read || !had) && !self.fresh(tag) {
            return None;
        }
        if !had {
            self.v.borrowed += 1;
            if i.op == Op::Write && !self.pull(tag, &self.v.queue.asked(tag)) {
                self.let_buffer_go(tag);
                return None;
            }
        }
        Some(Place::Buffer(self.buffers.data.of_tag(at)))
    }

    /// Makes sure that the tag has a buffer and nothing out can touch it; false: there is no spare.
    fn fresh(&mut self, tag: u16) -> bool {
        let fresh = self.buffers.data.fresh(self.tag(tag));
        self.v.parked += u32::from(fresh == Fresh::Other);
        fresh != Fresh::NoSpare
    }

    /// The core has answered the request, which asked for `op`. It ends now, or when the application's pages are back.
    pub(super) fn finish(&mut self, now: Instant, tag: u16, op: Option<Op>, result: i32) {
        let t = &mut self.v.tags[usize::from(tag)];
        if t.lent_out > 0 {
            t.held = Some(result);
            return;
        }
        let took = now.since(t.at);
        let result = match op {
            Some(Op::Read) if result >= 0 => self.hand_over(tag, result),
            _ => result,
        };
        self.v.served.note(op, result, took);
        self.commit(tag, result);
    }

    /// A command that had the application's pages is back.
    pub(super) fn returned(&mut self, now: Instant, tag: u16) {
        let t = &mut self.v.tags[usize::from(tag)];
        t.lent_out -= 1;
        if t.lent_out == 0
            && let Some(result) = t.held.take()
        {
            self.finish(now, tag, self.v.queue.asked(tag).op, result);
        }
    }

    /// What was read is copied to where the application wants it, where the kernel does not do it at the commit: all of it, or it is an error.
    fn hand_over(&mut self, tag: u16, result: i32) -> i32 {
        if self.v.queue.copy.owns_buffers() {
            return result;
        }
        let buffer = self.buffers.data.of_tag(self.tag(tag));
        if buffer == NONE {
            return result;
        }
        if !self.v.laid.is_empty() {
            self.lay(tag);
        }
        let from = self.buffers.data.bytes(buffer, result as usize);
        match self.v.queue.push(tag, from) {
            Ok(()) => result,
            Err(_) => -libc::EIO,
        }
    }

    /// Ends the tag's request. Where tags have buffers of their own, a write that was given up may still be read out of its one: the next request's
    /// data must not come there, so the tag goes on with another, or waits.
    fn commit(&mut self, tag: u16, result: i32) {
        if !self.v.queue.copy.owns_buffers() {
            self.v.laid.retain(|laid| laid.tag != tag);
            self.let_buffer_go(tag);
        } else if !self.fresh(tag) {
            return self.v.unbuffered.push((tag, result));
        } else if !self.v.laid.is_empty() {
            self.lay(tag);
        }
        let entry = self.v.queue.commit(tag, result, self.own_address(tag));
        self.push_for(tag, entry);
    }

    fn let_buffer_go(&mut self, tag: u16) {
        let at = self.tag(tag);
        if self.buffers.data.of_tag(at) != NONE {
            self.v.borrowed -= 1;
            self.v.parked += u32::from(self.buffers.data.return_of(at));
        }
    }

    /// A buffer may have come back, for tags that have none to go on with, and for requests that have not begun.
    #[inline]
    pub fn go_on(&mut self) {
        if !self.v.unbuffered.is_empty() || !self.v.waiting.is_empty() {
            self.go_on_with();
        }
    }

    #[cold]
    fn go_on_with(&mut self) {
        for _ in 0..self.v.unbuffered.len() {
            let (tag, result) = self.v.unbuffered.swap_remove(0);
            self.commit(tag, result);
        }
        if self.v.letting_go {
            // What has not begun is the next daemon's.
            self.v.waiting.clear();
        }
        if self.v.reset.holds {
            return;
        }
        for _ in 0..self.v.waiting.len() {
            let Some(tag) = self.v.waiting.pop_front() else {
                return;
            };
            let asked = self.v.queue.asked(tag);
            match (self.begin(tag, &asked), asked.op) {
                (Begun::NoBuffer, _) => return self.v.waiting.push_front(tag),
                (Begun::Yes, Some(op)) => {
                    let input = self.submit(tag, op, &asked);
                    self.v.pending.push_back(input);
                }
                _ => {}
            }
        }
    }
}
