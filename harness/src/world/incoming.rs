//! What comes out of the array: answers into buffers and to the core, connections, and effects on the media to the rules.

use super::observe::Step;
use super::setup;
use super::shared::{bytes_of, status_word};
use super::sim::{Sim, Waiting};
use super::wires::{End, Stray};
use crate::check::fatal::must_not_be_retried;
use datapath::core::{Epoch, Input, Ticket};
use protocol::{Access, PathId, Status};
use simarray::api::{Assoc, DataId, Out};

impl Sim {
    /// One thing that the array did or sent. What is for a host waits where its shard is not scheduled.
    #[inline]
    pub(super) fn array_said(&mut self, out: Out) {
        let assoc = match &out {
            Out::Answer { assoc, .. }
            | Out::Connected { assoc }
            | Out::Refused { assoc }
            | Out::Broken { assoc }
            | Out::Access { assoc, .. }
            | Out::Identity { assoc, .. } => *assoc,
            Out::FenceConfirmed { via, .. } | Out::FenceFailed { via, .. } => *via,
            _ => return self.at_the_array(out),
        };
        let core = self.w.core_of(assoc);
        if self.lag[core] > 0 && self.cores[core].is_some() {
            return self.waiting[core].push_back(Waiting::Out(out));
        }
        let wire = &self.w.shards[core].wires[usize::from(assoc.path.0)];
        if wire.end == End::Closed || wire.epoch != assoc.epoch || self.cores[core].is_none() {
            // The host has closed this connection since.
            if let Out::Answer { data: Some(id), .. } = out {
                self.w.release(id);
            }
            return;
        }
        self.at_the_host(core, assoc, out);
    }

    #[inline]
    fn at_the_host(&mut self, core: usize, assoc: Assoc, out: Out) {
        let now = self.now;
        let path = assoc.path;
        let p = usize::from(path.0);
        match out {
            Out::Answer {
                tag, status, data, ..
            } => self.answer(core, assoc, tag, status, data),
            Out::Connected { .. } => {
                self.w.shards[core].wires[p].end = End::Up;
                let epoch = Epoch(assoc.epoch);
                self.deliver(core, Input::Connected { path, epoch });
            }
            Out::Refused { .. } => {
                self.w.cut(now, core, path.0);
                let epoch = Epoch(assoc.epoch);
                self.deliver(core, Input::Refused { path, epoch });
            }
            Out::Broken { .. } => {
                self.w.cut(now, core, path.0);
                let epoch = Epoch(assoc.epoch);
                self.deliver(core, Input::Broken { path, epoch });
            }
            Out::Access { volume, access, .. } => {
                self.w.shards[core].wires[p].told[usize::from(volume.0)].access = access;
                self.deliver(
                    core,
                    Input::Access {
                        path,
                        volume,
                        access,
                    },
                );
            }
            Out::Identity {
                volume,
                identity,
                blocks,
                ..
            } => {
                let right = identity == Some(setup::identity(usize::from(volume.0)));
                self.w.shards[core].wires[p].told[usize::from(volume.0)].right = right;
                self.deliver(
                    core,
                    Input::Identity {
                        path,
                        volume,
                        identity,
                        blocks,
                    },
                );
            }
            Out::FenceConfirmed { target, .. } => self.deliver(
                core,
                Input::FenceConfirmed {
                    path: target.path,
                    epoch: Epoch(target.epoch),
                },
            ),
            Out::FenceFailed { target, .. } => self.deliver(
                core,
                Input::FenceFailed {
                    path: target.path,
                    epoch: Epoch(target.epoch),
                },
            ),
            _ => {}
        }
    }

    #[inline]
    fn answer(
        &mut self,
        core: usize,
        assoc: Assoc,
        tag: u64,
        status: Status,
        data: Option<DataId>,
    ) {
        let now = self.now;
        let path = assoc.path;
        let ticket = Ticket {
            slot: (tag >> 32) as u32,
            generation: tag as u32,
        };
        let global = self.w.shards[core].first_path + u32::from(path.0);
        let a = self.w.shards[core].attempt_mut(ticket.slot);
        let known = a.live && a.generation == ticket.generation && a.path == path.0;
        let probe = a.probe;
        if known {
            a.live = false;
            if !status.is_ok() && !probe && must_not_be_retried(status, a.op) {
                a.fatal = true;
            }
        }
        let a = *a;
        let step = if known { Step::Answer } else { Step::Late };
        self.w.step(
            now,
            step,
            global,
            Some(a.op),
            a.volume,
            a.lba,
            a.blocks,
            status_word(status),
        );
        if known && !probe {
            let (array, pool) = (&self.w.array, &mut self.w.front.pool);
            if let Some(id) = data {
                pool.fill(a.buf, a.offset, array.data(id));
            }
            pool.give(a.buf);
            let bytes = bytes_of(a.op, a.blocks, self.w.block_bytes);
            self.w
                .recorder
                .answered(now, global, a.op, bytes, a.sent, status.is_ok());
            if let Some(access) = access_of(status) {
                self.w.shards[core].wires[usize::from(path.0)].told[usize::from(a.volume)].access =
                    access;
            }
        }
        if !known {
            self.stray_answered(core, path, ticket, data);
        }
        if let Some(id) = data {
            self.w.release(id);
        }
        let input = if known && probe {
            Input::ProbeDone {
                path,
                ticket,
                status,
            }
        } else {
            Input::Done {
                path,
                ticket,
                status,
            }
        };
        self.deliver(core, input);
        if known && !probe {
            // A second attempt's data were the core's to take until now.
            self.w.front.pool.settle(a.buf);
        }
    }

    /// What was given up is answered after all: its data come into the buffer that was kept for it.
    fn stray_answered(&mut self, core: usize, path: PathId, ticket: Ticket, data: Option<DataId>) {
        let strays = &mut self.w.shards[core].strays;
        let this = |s: &Stray| s.path == path.0 && s.ticket == ticket;
        let Some(at) = strays.iter().position(this) else {
            return;
        };
        let stray = strays.swap_remove(at);
        let (array, pool) = (&self.w.array, &mut self.w.front.pool);
        if let Some(id) = data {
            pool.fill(stray.buf, stray.offset, array.data(id));
        }
        pool.stray_over(stray.buf);
    }

    /// Things that happen at the array, whoever is still there to hear of them.
    #[inline]
    fn at_the_array(&mut self, out: Out) {
        let now = self.now;
        match out {
            Out::Effect {
                volume,
                lba,
                blocks,
                stamp,
                assoc,
            } => {
                let core = self.w.core_of(assoc);
                let global = self.w.shards[core].first_path + u32::from(assoc.path.0);
                self.w.step(
                    now,
                    Step::Effect,
                    global,
                    None,
                    volume.0,
                    lba,
                    blocks,
                    stamp,
                );
                self.w.checker.effect(now, volume, lba, blocks, stamp);
                self.w.take_findings();
            }
            Out::CacheLost {
                volume,
                lba,
                blocks,
                stamp,
            } => {
                self.w.seen.mix(lba ^ stamp.rotate_left(17));
                self.w.checker.cache_lost(now, volume, lba, blocks, stamp);
                self.w.take_findings();
            }
            Out::Executed { assoc, tag, volume } => {
                let core = self.w.core_of(assoc);
                let (slot, generation) = ((tag >> 32) as u32, tag as u32);
                // An association of a datapath that is dead: its slots mean nothing to its successor.
                if assoc.epoch < self.configs[core].first_epoch.0 {
                    return;
                }
                let a = self.w.shards[core].attempt_mut(slot);
                let same = !a.probe
                    && generation.wrapping_sub(a.first_generation)
                        <= a.generation.wrapping_sub(a.first_generation);
                if !same {
                    // Its request is over, by another attempt.
                    self.w.recorder.array_duplicate();
                    return;
                }
                let (mut first, hedged) = (!a.executed, a.hedged);
                a.executed = true;
                let cookie = a.cookie;
                if hedged {
                    first = self.w.front.first_of_hedged(cookie);
                }
                if !first {
                    self.w.recorder.array_duplicate();
                }
                // What the application asked for, not what the datapath made of it.
                if let Some((slot, req)) = self.w.front.current(cookie)
                    && req.volume != volume.0
                {
                    self.w.checker.wrong_volume(now, slot, volume);
                    self.w.take_findings();
                }
            }
            Out::Arrived { probe: false, .. } => self.w.recorder.array_arrived(),
            Out::Registered { host, path } => {
                self.w.recorder.registered();
                let shards = usize::from(self.w.shards_per_host);
                let first = self.w.shards[usize::from(host) * shards].first_path;
                let global = first + u32::from(path.0);
                self.w.seen.event(
                    now,
                    "registered",
                    Some(global),
                    "the array knows this path of the host".into(),
                );
            }
            _ => {}
        }
    }
}

fn access_of(status: Status) -> Option<Access> {
    match status {
        Status::Nvme(n) if n.code == 0x301 => Some(Access::Lost),
        Status::Nvme(n) if n.code == 0x302 => Some(Access::Inaccessible),
        Status::Nvme(n) if n.code == 0x303 => Some(Access::Transitioning),
        Status::Sense(s) if (s.asc, s.ascq) == (0x04, 0x0a) => Some(Access::Transitioning),
        Status::Sense(s) if s.key == 2 && s.asc == 0x04 && matches!(s.ascq, 0x0b | 0x0c) => {
            Some(Access::Inaccessible)
        }
        _ => None,
    }
}
