//! How a path comes to be used: its device is opened by the keeper, proven by a read, looked at, and let go when it is of no use any more.

use super::driver::{Attempt, Driver, Kind};
use super::keeper::{Told, Want};
use super::paths::Shown;
use datapath::core::{Input, Ticket};
use io_uring::{opcode, types};
use protocol::{Instant, PathId};
use std::os::fd::AsRawFd;

impl Driver<'_> {
    pub(super) fn ask(&self, path: u16, want: Want) {
        let keeper = &self.links.keeper;
        keeper.ask(self.links.shard, self.v.index, path, want);
    }

    pub(super) fn proved(&mut self, now: Instant, index: u32, result: i32) -> Option<Input> {
        let a = self.close(now, Kind::Proof, index);
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
            lent: None,
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
