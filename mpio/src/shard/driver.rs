//! What one volume has out on the shard's ring, and what each completion means to its core. The core's actions are carried out in
//! `actions`.

use super::inbox::Outbox;
use super::keeper::{Keeper, Told, Want};
use super::paths::{BlockPath, Shown};
use super::pool::{Fresh, Pool};
use super::reset::Reset;
use super::shadows::{Laid, Store};
use crate::front::Queue;
use crate::record::Record;
use crate::seen::{Notes, Served};
use crate::untold::Word;
use crate::uring::push;
use datapath::core::{BufId, Epoch, Input, Request, Ticket};
use io_uring::{IoUring, opcode, squeue, types};
use protocol::{Access, Instant, PathId, Status, VolumeId};
use std::collections::VecDeque;
use std::os::fd::AsRawFd;
use std::sync::Arc;

/// What a completion is for: the top byte of its user data, above the volume and the index.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum Kind {
    Ublk = 1,
    Command,
    Probe,
    Proof,
    Bell,
}

impl Kind {
    const ALL: [Kind; 5] = [
        Kind::Ublk,
        Kind::Command,
        Kind::Probe,
        Kind::Proof,
        Kind::Bell,
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
pub(super) struct Attempt {
    pub sent_at: Instant,
    pub path: u16,
    pub epoch: Epoch,
    pub ticket: Ticket,
    pub buffer: u32,
    /// What comes back when it succeeds.
    pub result: u32,
    pub mutates: bool,
    /// Of a read that was sent a second time: its buffer is its own.
    pub hedge: bool,
}

/// A shard's buffers: those that carry data, and small ones for probes, which must not be without where stuck commands have the rest.
pub struct Buffers {
    pub data: Pool,
    pub small: Pool,
}

/// Whom a shard can ask, and tell.
pub struct Links {
    pub shard: u16,
    /// Every shard, this one too.
    pub shards: Vec<Outbox>,
    pub keeper: Arc<Keeper>,
    /// Data that are kept in memory, of all shards.
    pub shadows: Arc<Store>,
}

/// One volume as the shard has it, beside its core.
pub struct VolumeIo {
    pub index: u16,
    pub queue: Queue,
    /// The shard's number of the queue's first tag.
    pub first_tag: u32,
    pub paths: Vec<BlockPath>,
    pub block_bytes: u32,
    pub bytes: u64,
    /// Answers that the core has not been given yet.
    pub pending: VecDeque<Input>,
    /// Tags whose request is over, with its result, and that wait for a buffer.
    pub unbuffered: Vec<(u16, i32)>,
    /// Tags that the kernel has taken back: the device stops.
    pub aborted: u16,
    /// What the kernel asks from now on is for the next daemon: it is asked again when this one's queue is gone.
    pub letting_go: bool,
    pub served: Served,
    pub notes: Notes,
    /// When the kernel asked what it asks under each tag.
    pub(super) asked_at: Vec<Instant>,
    /// Buffers that a command which was given up may still touch.
    pub parked: u32,
    pub hedges_issued: u64,
    pub hedges_won: u64,
    pub reset: Reset,
    /// A failed flush that is still to be told, on disk.
    pub word: Word,
    /// A hedge that came back, and its buffer.
    pub(super) landed: Option<(Ticket, u32)>,
    /// Parts of shadows that go into tags' buffers when their requests end.
    pub(super) laid: Vec<Laid>,
    attempts: Vec<Attempt>,
    free: Vec<u32>,
}

impl VolumeIo {
    #[allow(clippy::too_many_arguments)]
    pub fn new(
        index: u16,
        queue: Queue,
        first_tag: u32,
        paths: Vec<BlockPath>,
        block_bytes: u32,
        bytes: u64,
        notes: Notes,
    ) -> VolumeIo {
        let room = usize::from(queue.depth) * 3;
        VolumeIo {
            index,
            queue,
            first_tag,
            paths,
            block_bytes,
            bytes,
            pending: VecDeque::with_capacity(room),
            unbuffered: Vec::with_capacity(room),
            aborted: 0,
            letting_go: false,
            served: Served::default(),
            notes,
            asked_at: vec![Instant::ZERO; room / 3],
            parked: 0,
            hedges_issued: 0,
            hedges_won: 0,
            reset: Reset::default(),
            word: Word::default(),
            landed: None,
            laid: Vec::new(),
            attempts: Vec::with_capacity(room),
            free: Vec::with_capacity(room),
        }
    }

    fn broken(&mut self, path: u16) {
        let p = &mut self.paths[usize::from(path)];
        let epoch = p.epoch;
        if p.broken.replace(epoch) == Some(epoch) {
            return;
        }
        self.pending.push_back(Input::Broken {
            path: PathId(path),
            epoch,
        });
        let proof = self.paths[usize::from(path)].lost(PathId(path), epoch);
        self.pending.extend(proof);
    }

    /// Who the device says it is, and how large it is.
    fn tell_identity(&mut self, path: u16, shown: Shown) {
        self.pending.push_back(Input::Identity {
            path: PathId(path),
            volume: VolumeId(0),
            identity: shown.identity.filter(|_| shown.bytes > 0),
            blocks: shown.bytes / u64::from(self.block_bytes),
        });
    }

    fn tell_access(&mut self, path: u16, access: Access) {
        self.pending.push_back(Input::Access {
            path: PathId(path),
            volume: VolumeId(0),
            access,
        });
    }

    fn stands(&mut self, path: u16) {
        let p = &mut self.paths[usize::from(path)];
        p.ever_up = true;
        let (shown, epoch) = (p.shown, p.epoch);
        self.tell_identity(path, shown);
        // Without access states every path is optimised.
        self.tell_access(path, shown.access.unwrap_or(Access::Optimized));
        self.pending.push_back(Input::Connected {
            path: PathId(path),
            epoch,
        });
    }
}

/// The core's ring for the time of one call.
pub struct Driver<'a> {
    pub ring: &'a mut IoUring,
    pub buffers: &'a mut Buffers,
    pub links: &'a Links,
    pub v: &'a mut VolumeIo,
}

impl Driver<'_> {
    pub(super) fn push(&mut self, entry: squeue::Entry) {
        push(self.ring, &entry);
    }

    pub(super) fn tag(&self, tag: u16) -> u32 {
        self.v.first_tag + u32::from(tag)
    }

    pub(super) fn open(&mut self, kind: Kind, a: Attempt) -> u32 {
        match kind {
            Kind::Command => self.buffers.data.take(a.buffer),
            _ => self.buffers.small.take(a.buffer),
        }
        let p = &mut self.v.paths[usize::from(a.path)];
        p.sent(a.epoch, a.mutates);
        p.others += u32::from(a.result == 0);
        match self.v.free.pop() {
            Some(i) => {
                self.v.attempts[i as usize] = a;
                i
            }
            None => {
                self.v.attempts.push(a);
                (self.v.attempts.len() - 1) as u32
            }
        }
    }

    fn close(&mut self, kind: Kind, i: u32) -> Attempt {
        let a = self.v.attempts[i as usize];
        self.v.free.push(i);
        match kind {
            Kind::Command if a.hedge => {
                // Its data may become the request's: until the core has said so or not, the buffer is not free.
                self.buffers.data.land(a.buffer);
                self.v.landed = Some((a.ticket, a.buffer));
            }
            Kind::Command => self.v.parked -= u32::from(self.buffers.data.give(a.buffer)),
            _ => drop(self.buffers.small.give(a.buffer)),
        }
        let p = &mut self.v.paths[usize::from(a.path)];
        p.others -= u32::from(a.result == 0);
        let proof = p.returned(PathId(a.path), a.epoch, a.mutates);
        self.v.pending.extend(proof);
        a
    }

    /// Makes sure that nothing out can touch the tag's buffer; false: there is no spare.
    pub(super) fn fresh(&mut self, tag: u16) -> bool {
        let fresh = self.buffers.data.fresh(self.tag(tag));
        self.v.parked += u32::from(fresh == Fresh::Other);
        fresh != Fresh::NoSpare
    }

    pub(super) fn ask(&self, path: u16, want: Want) {
        let keeper = &self.links.keeper;
        keeper.ask(self.links.shard, self.v.index, path, want);
    }

    pub fn fetch_all(&mut self) {
        for tag in 0..self.v.queue.depth {
            let buffer = self.buffers.data.of_tag(self.tag(tag));
            let buffer = self.buffers.data.address(buffer) as u64;
            let data = Kind::Ublk.pack(self.v.index, u32::from(tag));
            let entry = self.v.queue.fetch(tag, buffer).user_data(data);
            self.push(entry);
        }
    }

    /// Ends the tag's request. A read's data are in the tag's buffer, which nothing else uses then. A write that was given up may
    /// still be read out of it: the next request's data must not come there, so the tag goes on with another buffer, or waits.
    pub(super) fn commit(&mut self, tag: u16, result: i32) {
        if !self.fresh(tag) {
            return self.v.unbuffered.push((tag, result));
        }
        if !self.v.laid.is_empty() {
            self.lay(tag);
        }
        let buffer = self.buffers.data.of_tag(self.tag(tag));
        let buffer = self.buffers.data.address(buffer) as u64;
        let data = Kind::Ublk.pack(self.v.index, u32::from(tag));
        let entry = self.v.queue.commit(tag, result, buffer).user_data(data);
        self.push(entry);
    }

    /// The core has been told of what came back: a hedge's buffer that it did not take is free.
    pub fn settle(&mut self) {
        if let Some((_, buffer)) = self.v.landed.take() {
            self.buffers.data.settle(buffer);
        }
    }

    /// Requests that are over and whose tags had no buffer to go on with: one may have come back.
    pub fn commit_waiting(&mut self) {
        for _ in 0..self.v.unbuffered.len() {
            let (tag, result) = self.v.unbuffered.swap_remove(0);
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
            Kind::Bell => None,
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
        self.v.asked_at[usize::from(tag)] = now;
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
        let a = self.close(kind, index);
        if self.v.paths[usize::from(a.path)].leaving {
            self.let_go(a.path);
        }
        let status = match result {
            n if n == a.result as i32 => Status::Ok,
            // A short result may be a partial failure: never told as success, tried again as a whole.
            n if n >= 0 => Status::Errno(libc::EIO),
            n => Status::Errno(-n),
        };
        let p = &mut self.v.paths[usize::from(a.path)];
        if kind == Kind::Command {
            p.seen.ios += 1;
            p.seen.bytes += u64::from(a.result);
            p.seen.latency.add(now.since(a.sent_at));
        }
        if !status.is_ok() {
            p.seen.errors += 1;
            // A deleted device answers reads with nothing and writes with ENOSPC, which would be the application's.
            let suspicious = result >= 0
                || [libc::ENODEV, libc::ENXIO, libc::ENOSPC, libc::EIO].contains(&-result);
            if a.epoch == p.epoch && suspicious {
                p.dead |= p.is_gone();
                if p.dead || p.is_down() {
                    self.v.broken(a.path);
                    // Not believed: the attempt is lost with its path, and redone.
                    return None;
                }
            }
            // The kernel says EIO of a port in standby, too, and of a unit that is not there.
            if suspicious && !p.asking {
                p.asking = true;
                self.ask(a.path, Want::States);
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
        let a = self.close(Kind::Proof, index);
        let p = &mut self.v.paths[usize::from(a.path)];
        p.proving = false;
        let epoch = p.epoch;
        if result == a.result as i32 && p.file.is_some() && !p.leaving {
            self.v.stands(a.path);
            return None;
        }
        self.let_go(a.path);
        Some(Input::Refused {
            path: PathId(a.path),
            epoch,
        })
    }

    /// The keeper has something to tell.
    pub fn told(&mut self, now: Instant, told: Told) {
        match (told.want, told.found) {
            (Want::Open, found) => {
                let p = &mut self.v.paths[usize::from(told.path)];
                p.opening = false;
                let epoch = p.epoch;
                let found = match found {
                    Ok(found) if !p.leaving => found,
                    other => {
                        if let Ok(found) = other {
                            self.links.keeper.give_back(found.file);
                        }
                        let path = PathId(told.path);
                        return self.v.pending.push_back(Input::Refused { path, epoch });
                    }
                };
                p.shown = Shown::of(&found);
                p.dead = false;
                p.file = Some(found.file);
                p.state = found.state;
                // Exclusive: no file of an earlier daemon is open any more, so none of its commands is out.
                if let Some(epoch) = p.prior.take() {
                    let path = PathId(told.path);
                    let proof = Input::FenceConfirmed { path, epoch };
                    self.v.pending.push_back(proof);
                }
                let p = &mut self.v.paths[usize::from(told.path)];
                if p.ever_up {
                    return self.prove(now, told.path);
                }
                // How long the first connection takes tells the core how patient to be with the path: that of a read, not that of an open,
                // which may wait behind others' for a second. So the first attempt ends here, and the next one begins with the read.
                p.ready = true;
                let (path, epoch) = (PathId(told.path), p.epoch);
                self.v.pending.push_back(Input::Refused { path, epoch });
            }
            (want, found) => {
                let p = &mut self.v.paths[usize::from(told.path)];
                p.asking &= want != Want::States;
                let Ok(found) = found else {
                    // Its device was deleted, which is known before a command on it fails.
                    if p.file.is_some() && !p.dead && p.is_gone() {
                        p.dead = true;
                        self.v.broken(told.path);
                        self.let_go(told.path);
                    }
                    return;
                };
                if p.file.is_none() || p.dead {
                    return;
                }
                let (was, shown) = (p.shown, Shown::of(&found));
                p.shown = shown;
                if (was.identity, was.bytes) != (shown.identity, shown.bytes)
                    || want == Want::States
                {
                    self.v.tell_identity(told.path, shown);
                }
                // The access of a device that has no such states was told when it connected. Told again it would be taken as a sign
                // of life, and this process cannot give one for the device.
                if let Some(access) = shown.access
                    && (was.access != shown.access || want == Want::States)
                {
                    self.v.tell_access(told.path, access);
                }
            }
        }
    }

    /// An open succeeds on a dead path: a connection stands when a block was read over it.
    pub(super) fn prove(&mut self, now: Instant, path: u16) {
        let p = &self.v.paths[usize::from(path)];
        if p.file.is_none() || p.proving {
            return;
        }
        let epoch = p.epoch;
        let Some(buffer) = self.buffers.small.spare() else {
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
        self.read_block(now, Kind::Proof, path, buffer, ticket);
    }

    pub(super) fn read_block(
        &mut self,
        now: Instant,
        kind: Kind,
        path: u16,
        buffer: u32,
        ticket: Ticket,
    ) {
        let bytes = self.v.block_bytes;
        let p = &self.v.paths[usize::from(path)];
        let Some(file) = p.file.as_ref().map(|f| f.as_raw_fd()) else {
            return;
        };
        let attempt = Attempt {
            sent_at: now,
            path,
            epoch: p.epoch,
            ticket,
            buffer,
            result: bytes,
            mutates: false,
            hedge: false,
        };
        let index = self.open(kind, attempt);
        let to = self.buffers.small.address(buffer);
        let entry = opcode::Read::new(types::Fd(file), to, bytes).build();
        let data = kind.pack(self.v.index, index);
        self.push(entry.user_data(data));
    }

    /// The file of a deleted device is of no use, even when a device of the same name comes back; nor is that of a path that was
    /// removed.
    pub(super) fn let_go(&mut self, path: u16) {
        let p = &mut self.v.paths[usize::from(path)];
        if p.out > 0 || !(p.leaving || p.dead || p.is_gone()) {
            return;
        }
        if let Some(file) = p.file.take() {
            self.links.keeper.give_back(file);
        }
    }
}

/// The largest block that a path may have: what a small buffer holds.
pub const SMALL_BYTES: usize = 4096;
