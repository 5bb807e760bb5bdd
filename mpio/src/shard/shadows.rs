//! Data that are kept in memory under `fence = "shadow"`: copies of writes that a command which never came back may still overwrite.
//!
//! Every shard of a volume reads them, so they are in one store behind a lock. It is taken only where a core says so, which it does
//! inside the window alone: while no shadow is open nothing here is touched. A copy is freed when every shard has said that it
//! names it no more. If the daemon dies they are gone: that is the price of this fence.

use super::driver::{Attempt, Driver, Kind};
use datapath::core::{Input, ShadowAction, ShadowId, Ticket};
use io_uring::{opcode, types};
use protocol::{Instant, Op, PathId, Status};
use std::collections::HashMap;
use std::os::fd::AsRawFd;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

#[derive(Debug)]
struct Kept {
    data: Arc<[u8]>,
    /// Shards that have not said that it is free.
    users: usize,
}

/// All volumes' copies, for all shards.
#[derive(Debug, Default)]
pub struct Store {
    kept: Mutex<HashMap<(u16, ShadowId), Kept>>,
}

impl Store {
    fn kept(&self) -> MutexGuard<'_, HashMap<(u16, ShadowId), Kept>> {
        // Each change is one call of the map: what a thread that died here has left is whole.
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn keep(&self, volume: u16, id: ShadowId, data: Arc<[u8]>, users: usize) {
        self.kept().insert((volume, id), Kept { data, users });
    }

    /// A copy's data; a core names no other than those that it has not freed.
    fn data(&self, volume: u16, id: ShadowId) -> Option<Arc<[u8]>> {
        self.kept().get(&(volume, id)).map(|kept| kept.data.clone())
    }

    fn free(&self, volume: u16, id: ShadowId) {
        let mut all = self.kept();
        let Some(kept) = all.get_mut(&(volume, id)) else {
            return;
        };
        kept.users -= 1;
        if kept.users == 0 {
            all.remove(&(volume, id));
        }
    }
}

/// A part of a copy that goes over what a read has found, when the read's buffer is certain.
#[derive(Debug)]
pub struct Laid {
    pub(super) tag: u16,
    /// In the tag's buffer, and in the copy, in bytes.
    to: usize,
    from: usize,
    bytes: usize,
    data: Arc<[u8]>,
}

impl Driver<'_> {
    fn in_bytes(&self, blocks: u32) -> usize {
        blocks as usize * self.v.block_bytes as usize
    }

    pub(super) fn carry_out_shadow(&mut self, now: Instant, action: ShadowAction) {
        let volume = self.v.index;
        match action {
            ShadowAction::Keep {
                id,
                cookie,
                buf_offset,
                blocks,
            } => {
                let buffer = self.buffers.data.of_tag(self.tag(cookie as u16));
                let (at, bytes) = (self.in_bytes(buf_offset), self.in_bytes(blocks));
                let data = self.buffers.data.copy_of(buffer, at, bytes);
                let users = self.links.shards.len();
                self.links.shadows.keep(volume, id, data, users);
            }
            ShadowAction::Fill {
                id,
                offset,
                cookie,
                buf_offset,
                blocks,
            } => {
                let Some(data) = self.links.shadows.data(volume, id) else {
                    return debug_assert!(false, "a shadow that was freed is read: {id:?}");
                };
                let laid = Laid {
                    tag: cookie as u16,
                    to: self.in_bytes(buf_offset),
                    from: self.in_bytes(offset),
                    bytes: self.in_bytes(blocks),
                    data,
                };
                self.v.laid.push(laid);
            }
            ShadowAction::Write {
                id,
                offset,
                path,
                ticket,
                lba,
                blocks,
                fua,
                ..
            } => {
                if let Err(errno) =
                    self.write_shadow(now, id, offset, path, ticket, lba, blocks, fua)
                {
                    let status = Status::Errno(errno);
                    self.v.pending.push_back(Input::Done {
                        path,
                        ticket,
                        status,
                    });
                }
            }
            ShadowAction::Free { id } => self.links.shadows.free(volume, id),
            ShadowAction::Show { .. } | ShadowAction::Hide { .. } => {}
        }
    }

    #[allow(clippy::too_many_arguments)]
    fn write_shadow(
        &mut self,
        now: Instant,
        id: ShadowId,
        offset: u32,
        path: PathId,
        ticket: Ticket,
        lba: u64,
        blocks: u32,
        fua: bool,
    ) -> Result<(), i32> {
        let p = &self.v.paths[usize::from(path.0)];
        let epoch = p.epoch;
        let Some(file) = p.file.as_ref().map(|f| f.as_raw_fd()) else {
            return Err(libc::ENOLINK);
        };
        let Some(data) = self.links.shadows.data(self.v.index, id) else {
            debug_assert!(false, "a shadow that was freed is written: {id:?}");
            return Err(libc::EIO);
        };
        let buffer = self.buffers.data.spare().ok_or(libc::ENOMEM)?;
        // As every buffer that no request has: until its command is back.
        self.v.parked += 1;
        let (from, bytes) = (self.in_bytes(offset), self.in_bytes(blocks));
        self.buffers.data.fill(buffer, 0, &data[from..from + bytes]);
        let attempt = Attempt {
            sent_at: now,
            path: path.0,
            epoch,
            ticket,
            buffer,
            lent: None,
            result: bytes as u32,
            mutates: Op::Write.mutates(),
            hedge: false,
        };
        let at = self.buffers.data.address(buffer);
        let flags = if fua { libc::RWF_DSYNC } else { 0 };
        let entry = opcode::Write::new(types::Fd(file), at, bytes as u32)
            .offset(lba * u64::from(self.v.block_bytes))
            .rw_flags(flags)
            .build();
        let index = self.open(Kind::Command, attempt);
        let user_data = Kind::Command.pack(self.v.index, index);
        self.push(entry.user_data(user_data));
        Ok(())
    }

    /// The tag's request is over, and its buffer is the one that the kernel will read: what shadows show comes over what was read.
    pub(super) fn lay(&mut self, tag: u16) {
        let buffer = self.buffers.data.of_tag(self.tag(tag));
        let mut i = 0;
        while i < self.v.laid.len() {
            if self.v.laid[i].tag != tag {
                i += 1;
                continue;
            }
            let laid = self.v.laid.swap_remove(i);
            let part = &laid.data[laid.from..laid.from + laid.bytes];
            self.buffers.data.fill(buffer, laid.to, part);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(seq: u64) -> ShadowId {
        ShadowId { seq, shard: 0 }
    }

    #[test]
    fn a_copy_stays_until_every_shard_has_freed_it() {
        let store = Store::default();
        store.keep(0, id(1), Arc::from([1u8, 2]), 2);
        store.keep(1, id(1), Arc::from([3u8]), 2);
        store.free(0, id(1));
        assert_eq!(store.data(0, id(1)).as_deref(), Some(&[1u8, 2][..]));
        store.free(0, id(1));
        assert_eq!(store.data(0, id(1)), None);
        assert_eq!(store.data(1, id(1)).as_deref(), Some(&[3u8][..]));
        store.free(0, id(1));
    }
}
