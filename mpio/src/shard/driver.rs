//! What one volume has out on the shard's ring, and what each completion means to its core. The core's actions are carried out in
//! `actions`, what the kernel asks is in `requests`, how paths come and go in `connect`.

use super::inbox::Outbox;
use super::keeper::{Keeper, Want};
use super::pool::{NONE, Pool};
use super::shadows::Store;
use super::volume::VolumeIo;
use crate::uring::push;
use datapath::core::{Epoch, Input, Ticket};
use io_uring::{IoUring, squeue};
use protocol::{Instant, PathId, Status};
use std::sync::Arc;

/// What a completion is for: the top byte of its user data, above the volume and the index.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum Kind {
    Ublk = 1,
    Command = 2,
    Probe = 3,
    Proof = 4,
    Bell = 5,
}

impl Kind {
    pub fn pack(self, volume: u16, index: u32) -> u64 {
        (self as u64) << 56 | u64::from(volume) << 32 | u64::from(index)
    }

    pub fn unpack(user_data: u64) -> Option<(Kind, u16, u32)> {
        let kind = match (user_data >> 56) as u8 {
            1 => Kind::Ublk,
            2 => Kind::Command,
            3 => Kind::Probe,
            4 => Kind::Proof,
            5 => Kind::Bell,
            _ => return None,
        };
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
    /// `NONE`: it moves no data, or the application's own pages.
    pub buffer: u32,
    /// The request's, where it moves the application's own pages.
    pub lent: Option<u16>,
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
    /// The ring has the pages of `data` at hand, as the first of its table.
    pub registered: bool,
}

/// Where the ring's table of buffers has those that carry data.
pub const POOL_INDEX: u16 = 0;

/// Whom a shard can ask, and tell.
pub struct Links {
    pub shard: u16,
    /// Every shard, this one too.
    pub shards: Vec<Outbox>,
    pub keeper: Arc<Keeper>,
    /// Data that are kept in memory, of all shards.
    pub shadows: Arc<Store>,
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
            Kind::Command if a.buffer == NONE => {}
            Kind::Command => self.buffers.data.take(a.buffer),
            _ => self.buffers.small.take(a.buffer),
        }
        if let Some(tag) = a.lent {
            self.v.tags[usize::from(tag)].lent_out += 1;
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

    pub(super) fn close(&mut self, now: Instant, kind: Kind, i: u32) -> Attempt {
        let a = self.v.attempts[i as usize];
        self.v.free.push(i);
        match kind {
            Kind::Command if a.hedge => {
                // Its data may become the request's: until the core has said so or not, the buffer is not free.
                self.buffers.data.land(a.buffer);
                self.v.landed = Some((a.ticket, a.buffer));
            }
            Kind::Command if a.buffer == NONE => {}
            Kind::Command => self.v.parked -= u32::from(self.buffers.data.give(a.buffer)),
            _ => drop(self.buffers.small.give(a.buffer)),
        }
        let p = &mut self.v.paths[usize::from(a.path)];
        p.others -= u32::from(a.result == 0);
        if let Some(proof) = p.returned(PathId(a.path), a.epoch, a.mutates) {
            self.v.pending.push_back(proof);
        }
        if let Some(tag) = a.lent {
            self.returned(now, tag);
        }
        a
    }

    /// The core has been told of what came back: a hedge's buffer that it did not take is free.
    pub fn settle(&mut self) {
        if let Some((_, buffer)) = self.v.landed.take() {
            self.buffers.data.settle(buffer);
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
            Kind::Proof => self.proved(now, index, result),
            Kind::Bell => None,
        }
    }

    fn answered(&mut self, now: Instant, kind: Kind, index: u32, result: i32) -> Option<Input> {
        let a = self.close(now, kind, index);
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
}

/// The largest block that a path may have: what a small buffer holds.
pub const SMALL_BYTES: usize = 4096;
