//! Carries out the core's actions for one volume: each becomes an entry on the shard's ring, a question to the keeper, a word to a
//! sibling, or an answer that waits in `pending` until the actions in hand are done.

use super::driver::{Attempt, Driver, Kind, POOL_INDEX};
use super::inbox::Message;
use super::keeper::Want;
use super::pool::NONE;
use super::requests::Place;
use datapath::core::{Epoch, Event, Input, Outcome, PeerMessage, ShadowAction, Ticket};
use datapath::ring::{Issue, Ring};
use io_uring::{opcode, squeue, types};
use protocol::{Duration, Instant, Op, PathId, Status, VolumeId};
use std::os::fd::AsRawFd;

/// `BLOCK_URING_CMD_DISCARD` (`linux/blkdev.h`), Linux 6.12.
const DISCARD: u32 = 0x1200;

/// A device that is probed is looked at this often.
const LOOK_EVERY: Duration = Duration::from_secs(1);

impl Driver<'_> {
    fn command(&self, i: &Issue, file: i32, place: Place) -> squeue::Entry {
        let block = u64::from(self.v.block_bytes);
        let (fd, offset) = (types::Fd(file), i.lba * block);
        let length = u64::from(i.blocks) * block;
        // Within the buffer: the kernel never asks for more than one at once.
        let skip = (u64::from(i.buf_offset) * block) as usize;
        let (at, index) = match place {
            Place::Buffer(buffer) => {
                let at = self.buffers.data.address(buffer).wrapping_add(skip);
                (at, self.buffers.registered.then_some(POOL_INDEX))
            }
            // The request's pages begin at address 0 of their entry.
            Place::Lent(index) => (std::ptr::without_provenance_mut(skip), Some(index)),
            Place::Nothing => (std::ptr::null_mut(), None),
        };
        let flags = if i.fua { libc::RWF_DSYNC } else { 0 };
        match (i.op, index) {
            (Op::Read, None) => opcode::Read::new(fd, at, length as u32)
                .offset(offset)
                .build(),
            (Op::Read, Some(index)) => opcode::ReadFixed::new(fd, at, length as u32, index)
                .offset(offset)
                .build(),
            (Op::Write, None) => opcode::Write::new(fd, at, length as u32)
                .offset(offset)
                .rw_flags(flags)
                .build(),
            (Op::Write, Some(index)) => opcode::WriteFixed::new(fd, at, length as u32, index)
                .offset(offset)
                .rw_flags(flags)
                .build(),
            (Op::Flush, _) => opcode::Fsync::new(fd)
                .flags(types::FsyncFlags::DATASYNC)
                .build(),
            (Op::Discard, _) => {
                let mut words = [0u8; 16];
                words[..8].copy_from_slice(&length.to_ne_bytes());
                opcode::UringCmd16::new(fd, DISCARD)
                    .addr(Some(offset))
                    .cmd(words)
                    .build()
            }
            (Op::WriteZeroes, _) => {
                // The first keeps the blocks allocated, the second may give them back.
                let keeps = libc::FALLOC_FL_ZERO_RANGE | libc::FALLOC_FL_KEEP_SIZE;
                let may = libc::FALLOC_FL_PUNCH_HOLE | libc::FALLOC_FL_KEEP_SIZE;
                let nounmap = self.v.queue.asked(i.cookie as u16).nounmap;
                opcode::Fallocate::new(fd, length)
                    .offset(offset)
                    .mode(if nounmap { keeps } else { may })
                    .build()
            }
        }
    }
}

impl Ring for Driver<'_> {
    fn issue(&mut self, now: Instant, i: Issue) {
        let tag = i.cookie as u16;
        let p = &self.v.paths[usize::from(i.path.0)];
        let epoch = p.epoch;
        let file = p.file.as_ref().map(|f| f.as_raw_fd());
        // A read that is sent a second time must not share its buffer with the first.
        let place = if i.hedge {
            let kept = usize::from(self.v.queue.depth / 2);
            self.buffers.data.spare_beyond(kept).map(Place::Buffer)
        } else {
            self.place(tag, &i)
        };
        let (Some(file), Some(place)) = (file, place) else {
            if let (true, Some(Place::Buffer(buffer))) = (i.hedge, place) {
                self.buffers.data.settle(buffer);
            }
            let errno = if file.is_none() {
                libc::ENOLINK
            } else {
                libc::ENOMEM
            };
            return self.v.pending.push_back(Input::Done {
                path: i.path,
                ticket: i.ticket,
                status: Status::Errno(errno),
            });
        };
        let moves = matches!(i.op, Op::Read | Op::Write);
        let attempt = Attempt {
            sent_at: now,
            path: i.path.0,
            epoch,
            ticket: i.ticket,
            buffer: match place {
                Place::Buffer(buffer) => buffer,
                Place::Lent(_) | Place::Nothing => NONE,
            },
            lent: matches!(place, Place::Lent(_)).then_some(tag),
            result: if moves {
                i.blocks * self.v.block_bytes
            } else {
                0
            },
            mutates: i.op.mutates(),
            hedge: i.hedge,
        };
        if attempt.lent.is_some() {
            self.v.tags[usize::from(tag)].lent = true;
        }
        let entry = self.command(&i, file, place);
        let index = self.open(Kind::Command, attempt);
        let data = Kind::Command.pack(self.v.index, index);
        self.push(entry.user_data(data));
    }

    fn probe(&mut self, now: Instant, path: PathId, ticket: Ticket, _volume: VolumeId) {
        let has = self.v.paths[usize::from(path.0)].file.is_some();
        let Some(buffer) = has.then(|| self.buffers.small.spare()).flatten() else {
            let status = Status::Errno(libc::ENOMEM);
            return self.v.pending.push_back(Input::ProbeDone {
                path,
                ticket,
                status,
            });
        };
        // A path that is idle is probed ten times a second; who it leads to is the kernel's memory of it, and read less often.
        let p = &mut self.v.paths[usize::from(path.0)];
        if now >= p.look_at {
            p.look_at = now + LOOK_EVERY;
            self.ask(path.0, Want::Look);
        }
        self.read_block(now, Kind::Probe, path.0, buffer, ticket);
    }

    fn complete(&mut self, now: Instant, cookie: u64, outcome: Outcome) {
        let tag = cookie as u16;
        let asked = self.v.queue.asked(tag);
        let result = match (outcome, asked.op) {
            (Outcome::Ok, Some(Op::Read | Op::Write)) => (asked.sectors << 9) as i32,
            // What moves no data may be larger than this number.
            (Outcome::Ok, _) => 0,
            (Outcome::Errno(errno), op) => {
                self.v.word.answered |= op == Some(Op::Flush);
                -errno
            }
        };
        self.finish(now, tag, asked.op, result);
    }

    fn adopt(&mut self, _now: Instant, ticket: Ticket, cookie: u64) {
        if let Some((landed, buffer)) = self.v.landed
            && landed == ticket
        {
            self.v.landed = None;
            let tag = self.tag(cookie as u16);
            self.v.borrowed += u32::from(self.buffers.data.of_tag(tag) == NONE);
            let parked = self.buffers.data.adopt(tag, buffer);
            self.v.parked += u32::from(parked);
        }
    }

    /// The buffer is counted as in use until the command returns, and that is all it takes: a read that is sent again gets another one in
    /// `issue`, and a tag whose write is over another one in `commit`.
    fn abandon(&mut self, _now: Instant, _path: PathId, _ticket: Ticket) {}

    fn connect(&mut self, now: Instant, path: PathId, epoch: Epoch) {
        self.v.paths[usize::from(path.0)].epoch = epoch;
        self.let_go(path.0);
        let p = &mut self.v.paths[usize::from(path.0)];
        if p.hushed {
            return self.v.pending.push_back(Input::Refused { path, epoch });
        }
        if std::mem::take(&mut p.ready) && p.file.is_some() {
            return self.prove(now, path.0);
        }
        if p.opening {
            return;
        }
        p.opening = true;
        self.ask(path.0, Want::Open);
    }

    fn disconnect(&mut self, _now: Instant, path: PathId, epoch: Epoch) {
        // The file stays open: nothing but its commands' return proves their end, and one that is stuck would make a new exclusive
        // open fail with EBUSY.
        let proof = self.v.paths[usize::from(path.0)].lost(path, epoch);
        self.v.pending.extend(proof);
        self.let_go(path.0);
    }

    fn fence(&mut self, _now: Instant, _via: PathId, target: PathId, epoch: Epoch) {
        self.v.pending.push_back(Input::FenceFailed {
            path: target,
            epoch,
        });
    }

    fn refresh(&mut self, _now: Instant, path: PathId) {
        self.v.paths[usize::from(path.0)].asking = true;
        self.ask(path.0, Want::States);
    }

    fn peer(&mut self, _now: Instant, message: PeerMessage) {
        // Before a sibling hears of it: what it then writes again may be completed, and this daemon killed.
        if let PeerMessage::FlushFailed { .. } = message {
            self.v.word.keep();
        }
        let only = message.to();
        for (shard, outbox) in self.links.shards.iter().enumerate() {
            let shard = shard as u16;
            if shard != self.links.shard && only.is_none_or(|o| o == shard) {
                let volume = self.v.index;
                outbox.send(Message::Peer { volume, message });
            }
        }
    }

    fn shadow(&mut self, now: Instant, action: ShadowAction) {
        self.carry_out_shadow(now, action);
    }

    fn event(&mut self, _now: Instant, event: Event) {
        super::log::tell(self.v, &event);
    }
}
