//! Data that datapaths keep in memory: the virtual twin of the daemon's store. Every shard of a host can read it; an entry is free when
//! every shard has said so, and all of a host's are gone with its datapath.

use super::driver::Driver;
use super::observe::Step;
use super::wires::Attempt;
use datapath::core::{ShadowAction, ShadowId};
use protocol::{Instant, Op, VolumeId};
use simarray::api::Stamp;
use std::collections::BTreeMap;

#[derive(Clone, Copy, Debug)]
struct Kept {
    stamp: Stamp,
    blocks: u32,
    /// Shards that have not said that it is free.
    users: u16,
}

#[derive(Debug, Default)]
pub struct Store {
    kept: BTreeMap<(u16, ShadowId), Kept>,
}

impl Store {
    /// The memory of a host's datapath is gone.
    pub fn datapath_died(&mut self, host: u16) {
        self.kept.retain(|(of, _), _| *of != host);
    }

    pub fn len(&self) -> usize {
        self.kept.len()
    }

    /// What a part of a shadow holds, if there is such a part.
    fn part(&self, host: u16, id: ShadowId, offset: u32, blocks: u32) -> Option<Stamp> {
        let kept = self.kept.get(&(host, id))?;
        (offset.checked_add(blocks)? <= kept.blocks).then_some(kept.stamp)
    }
}

impl Driver<'_> {
    pub(super) fn carry_out_shadow(&mut self, now: Instant, action: ShadowAction) {
        let host = self.w.shards[self.core].host;
        match action {
            ShadowAction::Keep {
                id, cookie, blocks, ..
            } => {
                let Some((_, req)) = self.w.front.current(cookie) else {
                    return self.not_there(now, id, "kept of a request that is completed");
                };
                let kept = Kept {
                    stamp: req.stamp,
                    blocks,
                    users: self.w.shards_per_host,
                };
                if self.w.store.kept.insert((host, id), kept).is_some() {
                    self.not_there(now, id, "kept twice");
                }
            }
            ShadowAction::Show {
                id,
                volume,
                lba,
                blocks,
            } => {
                let Some(stamp) = self.w.store.part(host, id, 0, blocks) else {
                    return self.not_there(now, id, "shown");
                };
                let span = (lba, lba + u64::from(blocks));
                let age = (id.seq, id.shard);
                self.w.checker.veil(now, host, volume, span, stamp, age);
                self.w.take_findings();
                self.mix(volume, lba, id);
            }
            ShadowAction::Fill {
                id,
                offset,
                cookie,
                buf_offset,
                blocks,
            } => {
                let Some(stamp) = self.w.store.part(host, id, offset, blocks) else {
                    return self.not_there(now, id, "read");
                };
                let Some((_, req)) = self.w.front.current(cookie) else {
                    return self.not_there(now, id, "read for a request that is completed");
                };
                let buf = req.buf;
                let data = vec![stamp; blocks as usize];
                self.w.front.pool.fill(buf, buf_offset, &data);
                self.w.recorder.shadow_read(now);
            }
            ShadowAction::Write {
                id,
                offset,
                path,
                ticket,
                volume,
                lba,
                blocks,
                fua,
                cookie,
            } => {
                let Some(stamp) = self.w.store.part(host, id, offset, blocks) else {
                    return self.not_there(now, id, "written");
                };
                if !self.may_carry(now, path, volume, lba) {
                    return;
                }
                // Nobody lends it a buffer: one that is free with its end.
                let buf = self.w.front.pool.open(0);
                self.w.front.pool.park(buf);
                let attempt = Attempt {
                    cookie,
                    lba,
                    blocks,
                    buf,
                    path: path.0,
                    volume: volume.0,
                    op: Op::Write,
                    ..Attempt::EMPTY
                };
                self.send(now, ticket, attempt, Step::Issue, fua, stamp);
            }
            ShadowAction::Hide {
                id,
                volume,
                lba,
                blocks,
            } => {
                let span = (lba, lba + u64::from(blocks));
                self.w.checker.unveil(now, volume, span, (id.seq, id.shard));
                self.w.take_findings();
                self.mix(volume, lba, id);
            }
            ShadowAction::Free { id } => {
                let Some(kept) = self.w.store.kept.get_mut(&(host, id)) else {
                    return self.not_there(now, id, "freed");
                };
                kept.users -= 1;
                if kept.users == 0 {
                    self.w.store.kept.remove(&(host, id));
                }
            }
        }
    }

    fn mix(&mut self, volume: VolumeId, lba: u64, id: ShadowId) {
        self.w.seen.mix(u64::from(volume.0) << 48 ^ lba);
        self.w.seen.mix(id.seq << 16 | u64::from(id.shard));
    }

    /// A copy is asked for that is not there, or is no longer: memory that was given back is used.
    fn not_there(&mut self, now: Instant, id: ShadowId, what: &str) {
        let text = format!(
            "shadow {} of shard {} is {what}, and its data are not there",
            id.seq, id.shard
        );
        self.w.violation(now, "buffer_reuse", text);
    }
}
