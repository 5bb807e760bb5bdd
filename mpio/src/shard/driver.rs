//! Carries out the core's actions for one volume: each becomes an entry on the shard's ring, or an answer that waits in
//! `pending` until the actions in hand are done.

use super::paths::BlockPath;
use super::pool::Pool;
use crate::device;
use crate::front::Queue;
use crate::seen::{Notes, Served};
use datapath::core::{BufId, Epoch, Event, Input, Outcome, PeerMessage, Request, Ticket};
use datapath::ring::{Issue, Ring};
use io_uring::{IoUring, opcode, squeue, types};
use protocol::{Access, Instant, Op, PathId, Status, VolumeId};
use std::collections::VecDeque;

/// What a completion is for: the top byte of its user data, above the volume and the index.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum Kind {
    Ublk = 1,
    Open,
    Close,
    Command,
    Probe,
    Proof,
}

impl Kind {
    const ALL: [Kind; 6] = [
        Kind::Ublk,
        Kind::Open,
        Kind::Close,
        Kind::Command,
        Kind::Probe,
        Kind::Proof,
    ];

    pub fn pack(self, volume: u16, index: u32) -> u64 {
        (self as u64) << 56 | u64::from(volume) << 32 | u64::from(index)
    }

    pub fn unpack(user_data: u64) -> Option<(Kind, u16, u32)> {
        let kind = Kind::ALL
            .into_iter()
            .find(|k| *k as u64 == user_data >> 56)?;
        Some((kind, (user_data >> 32) as u16, user_data as u32))
    }
}

/// One command that the kernel has: the core's ticket alone cannot name it, since a slot may have an old and a new one out.
#[derive(Clone, Copy, Debug)]
struct Attempt {
    sent_at: Instant,
    path: u16,
    epoch: Epoch,
    ticket: Ticket,
    buffer: u32,
    bytes: u32,
    mutates: bool,
    /// Of a read that was sent a second time: its buffer is its own.
    hedge: bool,
}

/// One volume as the shard has it, beside its core.
pub struct VolumeIo {
    pub index: u16,
    pub queue: Queue,
    pub pool: Pool,
    pub paths: Vec<BlockPath>,
    pub block_bytes: u32,
    pub bytes: u64,
    /// Answers that the core has not been given yet.
    pub pending: VecDeque<Input>,
    /// Tags whose request is over, with its result, and that wait for a buffer.
    pub unbuffered: Vec<(u16, i32)>,
    /// Tags that the kernel has taken back: the device stops.
    pub aborted: u16,
    pub served: Served,
    pub notes: Notes,
    /// When the kernel asked what it asks under each tag.
    asked_at: Vec<Instant>,
    pub hedges_issued: u64,
    pub hedges_won: u64,
    /// A hedge that came back, and its buffer.
    landed: Option<(Ticket, u32)>,
    attempts: Vec<Attempt>,
    free: Vec<u32>,
}

impl VolumeIo {
    #[allow(clippy::too_many_arguments)]
    pub fn new(
        index: u16,
        queue: Queue,
        pool: Pool,
        paths: Vec<BlockPath>,
        block_bytes: u32,
        bytes: u64,
        notes: Notes,
    ) -> VolumeIo {
        let room = usize::from(queue.depth) * 3;
        VolumeIo {
            index,
            queue,
            pool,
            paths,
            block_bytes,
            bytes,
            pending: VecDeque::with_capacity(room),
            unbuffered: Vec::new(),
            aborted: 0,
            served: Served::default(),
            notes,
            asked_at: vec![Instant::ZERO; room / 3],
            hedges_issued: 0,
            hedges_won: 0,
            landed: None,
            attempts: Vec::with_capacity(room),
            free: Vec::with_capacity(room),
        }
    }

    fn open(&mut self, a: Attempt) -> u32 {
        self.pool.take(a.buffer);
        self.paths[usize::from(a.path)].sent(a.epoch, a.mutates);
        match self.free.pop() {
            Some(i) => {
                self.attempts[i as usize] = a;
                i
            }
            None => {
                self.attempts.push(a);
                (self.attempts.len() - 1) as u32
            }
        }
    }

    fn close(&mut self, i: u32) -> Attempt {
        let a = self.attempts[i as usize];
        self.free.push(i);
        if a.hedge {
            // Its data may become the request's: until the core has said so or not, the buffer is not free.
            self.pool.land(a.buffer);
            self.landed = Some((a.ticket, a.buffer));
        } else {
            self.pool.give(a.buffer);
        }
        let proof = self.paths[usize::from(a.path)].returned(PathId(a.path), a.epoch, a.mutates);
        self.pending.extend(proof);
        a
    }

    fn broken(&mut self, path: u16) {
        let p = &mut self.paths[usize::from(path)];
        if std::mem::replace(&mut p.dead, true) {
            return;
        }
        let epoch = p.epoch;
        self.pending.push_back(Input::Broken {
            path: PathId(path),
            epoch,
        });
        let proof = self.paths[usize::from(path)].lost(PathId(path), epoch);
        self.pending.extend(proof);
    }

    /// Who the device says it is, and how large it is.
    fn tell_identity(&mut self, path: u16) {
        let p = &self.paths[usize::from(path)];
        let identity = device::wwid(&p.sys).map(|w| device::identity(&w));
        let bytes = device::size_now(&p.sys);
        self.pending.push_back(Input::Identity {
            path: PathId(path),
            volume: VolumeId(0),
            identity: identity.filter(|_| bytes > 0),
            blocks: bytes / u64::from(self.block_bytes),
        });
    }

    fn tell_access(&mut self, path: u16) {
        self.pending.push_back(Input::Access {
            path: PathId(path),
            volume: VolumeId(0),
            access: Access::Optimized,
        });
    }

    fn stands(&mut self, path: u16) {
        self.tell_identity(path);
        self.tell_access(path);
        let epoch = self.paths[usize::from(path)].epoch;
        self.pending.push_back(Input::Connected {
            path: PathId(path),
            epoch,
        });
    }
}

/// The core's ring for the time of one call.
pub struct Driver<'a> {
    pub ring: &'a mut IoUring,
    pub v: &'a mut VolumeIo,
}

impl Driver<'_> {
    pub fn push(&mut self, entry: squeue::Entry) {
        loop {
            // SAFETY: what the entry names stays valid until its completion: files are closed only when nothing is out on
            // them, buffers belong to the pool, and names to their path, both of which outlive the ring's commands.
            if unsafe { self.ring.submission().push(&entry) }.is_ok() {
                return;
            }
            // The submission queue is full: the kernel takes what is in it. An error here shows again at the loop's own call.
            let _ = self.ring.submit();
        }
    }

    pub fn fetch_all(&mut self) {
        for tag in 0..self.v.queue.depth {
            let buffer = self.v.pool.address(self.v.pool.of_tag(tag)) as u64;
            let data = Kind::Ublk.pack(self.v.index, u32::from(tag));
            let entry = self.v.queue.fetch(tag, buffer).user_data(data);
            self.push(entry);
        }
    }

    /// Ends the tag's request. A read's data are in the tag's buffer, which nothing else uses then. A write that was given up may
    /// still be read out of it: the next request's data must not come there, so the tag goes on with another buffer, or waits.
    fn commit(&mut self, tag: u16, result: i32) {
        if !self.v.pool.fresh(tag) {
            return self.v.unbuffered.push((tag, result));
        }
        let buffer = self.v.pool.address(self.v.pool.of_tag(tag)) as u64;
        let data = Kind::Ublk.pack(self.v.index, u32::from(tag));
        let entry = self.v.queue.commit(tag, result, buffer).user_data(data);
        self.push(entry);
    }

    /// The core has been told of what came back: a hedge's buffer that it did not take is free.
    pub fn settle(&mut self) {
        if let Some((_, buffer)) = self.v.landed.take() {
            self.v.pool.settle(buffer);
        }
    }

    /// Requests that are over and whose tags had no buffer to go on with: one may have come back.
    pub fn commit_waiting(&mut self) {
        for (tag, result) in std::mem::take(&mut self.v.unbuffered) {
            self.commit(tag, result);
        }
    }

    /// A completion of the ring, as an input for the core.
    pub fn completed(
        &mut self,
        now: Instant,
        kind: Kind,
        index: u32,
        result: i32,
    ) -> Option<Input> {
        match kind {
            Kind::Ublk => self.asked(now, index as u16, result),
            Kind::Command | Kind::Probe => self.answered(now, kind, index, result),
            Kind::Proof => self.proved(index, result),
            Kind::Open => self.opened(now, index as u16, result),
            Kind::Close => None,
        }
    }

    fn asked(&mut self, now: Instant, tag: u16, result: i32) -> Option<Input> {
        if result != 0 {
            self.v.aborted += 1;
            return None;
        }
        let asked = self.v.queue.asked(tag);
        self.v.asked_at[usize::from(tag)] = now;
        let Some(op) = asked.op else {
            self.commit(tag, -libc::EOPNOTSUPP);
            return None;
        };
        let shift = self.v.block_bytes.trailing_zeros() - 9;
        Some(Input::Submit(Request {
            volume: VolumeId(0),
            op,
            lba: asked.sector >> shift,
            blocks: asked.sectors >> shift,
            fua: asked.fua,
            failfast: asked.failfast,
            buf: BufId(u32::from(tag)),
            cookie: u64::from(tag),
        }))
    }

    fn answered(&mut self, now: Instant, kind: Kind, index: u32, result: i32) -> Option<Input> {
        let a = self.v.close(index);
        let status = match result {
            n if n == a.bytes as i32 => Status::Ok,
            // A short result may be a partial failure: never told as success, tried again as a whole.
            n if n >= 0 => Status::Errno(libc::EIO),
            n => Status::Errno(-n),
        };
        let p = &mut self.v.paths[usize::from(a.path)];
        if kind == Kind::Command {
            p.seen.ios += 1;
            p.seen.bytes += u64::from(a.bytes);
            p.seen.latency.add(now.since(a.sent_at));
        }
        if !status.is_ok() {
            p.seen.errors += 1;
            // A deleted device answers reads with nothing and writes with ENOSPC, which would be the application's.
            let suspicious = result >= 0
                || [libc::ENODEV, libc::ENXIO, libc::ENOSPC, libc::EIO].contains(&-result);
            if a.epoch == p.epoch && suspicious && p.is_gone() {
                self.v.broken(a.path);
                // Not believed: the attempt is lost with its path, and redone.
                return None;
            }
        }
        let (path, ticket) = (PathId(a.path), a.ticket);
        Some(match kind {
            Kind::Probe => Input::ProbeDone {
                path,
                ticket,
                status,
            },
            _ => Input::Done {
                path,
                ticket,
                status,
            },
        })
    }

    fn proved(&mut self, index: u32, result: i32) -> Option<Input> {
        let a = self.v.close(index);
        let p = &mut self.v.paths[usize::from(a.path)];
        p.proving = false;
        let epoch = p.epoch;
        if result == a.bytes as i32 && p.file.is_some() {
            self.v.stands(a.path);
            return None;
        }
        self.reopen_if_gone(a.path);
        Some(Input::Refused {
            path: PathId(a.path),
            epoch,
        })
    }

    fn opened(&mut self, now: Instant, path: u16, result: i32) -> Option<Input> {
        let p = &mut self.v.paths[usize::from(path)];
        p.opening = false;
        if result < 0 {
            let epoch = p.epoch;
            return Some(Input::Refused {
                path: PathId(path),
                epoch,
            });
        }
        p.file = Some(result);
        p.dead = false;
        // Exclusive: no file of an earlier daemon is open any more, so none of its commands is out.
        if let Some(epoch) = p.prior.take() {
            let path = PathId(path);
            self.v
                .pending
                .push_back(Input::FenceConfirmed { path, epoch });
        }
        self.prove(now, path);
        None
    }

    /// An open succeeds on a dead path: a connection stands when a block was read over it.
    fn prove(&mut self, now: Instant, path: u16) {
        let p = &self.v.paths[usize::from(path)];
        let (Some(file), false) = (p.file, p.proving) else {
            return;
        };
        let epoch = p.epoch;
        let Some(buffer) = self.v.pool.spare() else {
            return self.v.pending.push_back(Input::Refused {
                path: PathId(path),
                epoch,
            });
        };
        self.v.paths[usize::from(path)].proving = true;
        let ticket = Ticket {
            slot: 0,
            generation: 0,
        };
        self.read_block(now, Kind::Proof, path, file, buffer, ticket);
    }

    fn read_block(
        &mut self,
        now: Instant,
        kind: Kind,
        path: u16,
        file: i32,
        buffer: u32,
        ticket: Ticket,
    ) {
        let bytes = self.v.block_bytes;
        let epoch = self.v.paths[usize::from(path)].epoch;
        let attempt = Attempt {
            sent_at: now,
            path,
            epoch,
            ticket,
            buffer,
            bytes,
            mutates: false,
            hedge: false,
        };
        let index = self.v.open(attempt);
        let entry = opcode::Read::new(types::Fd(file), self.v.pool.address(buffer), bytes).build();
        let data = kind.pack(self.v.index, index);
        self.push(entry.user_data(data));
    }

    /// The file of a deleted device is of no use, even when a device of the same name comes back.
    fn reopen_if_gone(&mut self, path: u16) {
        let p = &mut self.v.paths[usize::from(path)];
        if p.out > 0 || !(p.dead || p.is_gone()) {
            return;
        }
        if let Some(file) = p.file.take() {
            let data = Kind::Close.pack(self.v.index, u32::from(path));
            self.push(opcode::Close::new(types::Fd(file)).build().user_data(data));
        }
    }
}

impl Ring for Driver<'_> {
    fn issue(&mut self, now: Instant, i: Issue) {
        let tag = i.cookie as u16;
        let p = &self.v.paths[usize::from(i.path.0)];
        let epoch = p.epoch;
        let file = p.file;
        // A read that is sent again must not share its buffer with the attempt that was given up, and one that is sent a second
        // time not with the first.
        let pool = &mut self.v.pool;
        let buffer = match (i.op, i.hedge) {
            (_, true) => pool.spare_beyond(usize::from(self.v.queue.depth / 2)),
            (Op::Read, _) => pool.fresh(tag).then(|| pool.of_tag(tag)),
            _ => Some(pool.of_tag(tag)),
        };
        let (Some(file), Some(buffer)) = (file, buffer) else {
            if let Some(buffer) = buffer.filter(|_| i.hedge) {
                pool.settle(buffer);
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
        let bytes = if i.op == Op::Flush {
            0
        } else {
            i.blocks * self.v.block_bytes
        };
        let attempt = Attempt {
            sent_at: now,
            path: i.path.0,
            epoch,
            ticket: i.ticket,
            buffer,
            bytes,
            mutates: i.op.mutates(),
            hedge: i.hedge,
        };
        let index = self.v.open(attempt);
        // Within the buffer: the core splits what the kernel asked, which is never more than a buffer.
        let at = self
            .v
            .pool
            .address(buffer)
            .wrapping_add((i.buf_offset * self.v.block_bytes) as usize);
        let (fd, offset) = (types::Fd(file), i.lba * u64::from(self.v.block_bytes));
        let entry = match i.op {
            Op::Read => opcode::Read::new(fd, at, bytes).offset(offset).build(),
            Op::Write => {
                let flags = if i.fua { libc::RWF_DSYNC } else { 0 };
                opcode::Write::new(fd, at, bytes)
                    .offset(offset)
                    .rw_flags(flags)
                    .build()
            }
            // Discard and write-zeroes are not offered to the kernel.
            _ => opcode::Fsync::new(fd)
                .flags(types::FsyncFlags::DATASYNC)
                .build(),
        };
        let data = Kind::Command.pack(self.v.index, index);
        self.push(entry.user_data(data));
    }

    fn probe(&mut self, now: Instant, path: PathId, ticket: Ticket, _volume: VolumeId) {
        let file = self.v.paths[usize::from(path.0)].file;
        let buffer = file.and_then(|_| self.v.pool.spare());
        let (Some(file), Some(buffer)) = (file, buffer) else {
            let status = Status::Errno(libc::ENOMEM);
            return self.v.pending.push_back(Input::ProbeDone {
                path,
                ticket,
                status,
            });
        };
        self.v.tell_identity(path.0);
        self.read_block(now, Kind::Probe, path.0, file, buffer, ticket);
    }

    fn complete(&mut self, now: Instant, cookie: u64, outcome: Outcome) {
        let tag = cookie as u16;
        let asked = self.v.queue.asked(tag);
        let took = now.since(self.v.asked_at[usize::from(tag)]);
        let result = match outcome {
            Outcome::Ok => (asked.sectors << 9) as i32,
            Outcome::Errno(errno) => -errno,
        };
        self.v.served.note(asked.op, result, took);
        self.commit(tag, result);
    }

    fn adopt(&mut self, _now: Instant, ticket: Ticket, cookie: u64) {
        if let Some((landed, buffer)) = self.v.landed
            && landed == ticket
        {
            self.v.landed = None;
            self.v.pool.adopt(cookie as u16, buffer);
        }
    }

    fn release(&mut self, _now: Instant, _ticket: Ticket, _buf: BufId) {}

    fn connect(&mut self, now: Instant, path: PathId, epoch: Epoch) {
        self.v.paths[usize::from(path.0)].epoch = epoch;
        self.reopen_if_gone(path.0);
        let p = &mut self.v.paths[usize::from(path.0)];
        if p.file.is_some() {
            return self.prove(now, path.0);
        }
        if p.opening {
            return;
        }
        p.opening = true;
        let flags = libc::O_RDWR | libc::O_DIRECT | libc::O_EXCL | libc::O_CLOEXEC;
        let entry = opcode::OpenAt::new(types::Fd(libc::AT_FDCWD), p.c_name.as_ptr())
            .flags(flags)
            .build();
        let data = Kind::Open.pack(self.v.index, u32::from(path.0));
        self.push(entry.user_data(data));
    }

    fn disconnect(&mut self, _now: Instant, path: PathId, epoch: Epoch) {
        // The file stays open: nothing but its commands' return proves their end, and one that is stuck would make a new exclusive
        // open fail with EBUSY.
        let proof = self.v.paths[usize::from(path.0)].lost(path, epoch);
        self.v.pending.extend(proof);
    }

    fn fence(&mut self, _now: Instant, _via: PathId, target: PathId, epoch: Epoch) {
        self.v.pending.push_back(Input::FenceFailed {
            path: target,
            epoch,
        });
    }

    /// Without ALUA every path is optimised, which was told when it connected. Told again here it would be taken as a sign of life, and this
    /// process cannot give one for the device.
    fn refresh(&mut self, _now: Instant, path: PathId) {
        self.v.tell_identity(path.0);
    }

    /// One shard serves every volume: there is no sibling.
    fn peer(&mut self, _now: Instant, _message: PeerMessage) {}

    fn event(&mut self, _now: Instant, event: Event) {
        super::log::tell(self.v, &event);
    }
}
