//! The virtual-time twin of the io_uring driver: carries out a core's actions on the simulated array.

use super::observe::Step;
use super::shared::{Shared, Todo, bytes_of};
use super::wires::{ATTEMPTS_MAX, Attempt, CONTROL_MAX, End, Stray};
use crate::metrics::AppDone;
use datapath::core::{Epoch, Event, Outcome, PeerMessage, ShadowAction, Ticket};
use datapath::ring::{Issue, Ring};
use protocol::{Duration, Instant, Op, PathId, VolumeId};
use simarray::api::{Assoc, Command, Stamp};

/// A closed-loop slot whose I/O failed waits this long before the next.
const AFTER_FAILURE: Duration = Duration::from_millis(10);
/// So long after an I/O that was served from memory, in no time of the simulation, its slot of a closed loop submits the next one: a copy and
/// the way through the kernel take some microseconds.
const FROM_MEMORY: Duration = Duration::from_micros(5);

pub struct Driver<'w> {
    pub w: &'w mut Shared,
    pub core: usize,
}

#[inline]
fn tag(ticket: Ticket) -> u64 {
    (u64::from(ticket.slot) << 32) | u64::from(ticket.generation)
}

impl Driver<'_> {
    #[inline]
    fn global(&self, path: PathId) -> u32 {
        self.w.shards[self.core].first_path + u32::from(path.0)
    }

    fn names(&self, path: PathId) -> String {
        self.w
            .seen
            .path_name(self.global(path))
            .unwrap_or_else(|| format!("path {}", path.0))
    }

    /// A second attempt of a request: with a buffer of its own. Both are marked, so that it is seen what is executed twice.
    fn buffer_of_hedge(&mut self, now: Instant, slot: u32, i: &Issue) -> u32 {
        let mut executed = false;
        let of_request = |a: &&mut Attempt| a.cookie == i.cookie && !a.probe;
        let attempts = &mut self.w.shards[self.core].attempts;
        for a in attempts.iter_mut().filter(of_request) {
            a.hedged = true;
            executed |= a.executed;
        }
        let Some(req) = self.w.front.reqs.get_mut(slot) else {
            return 0;
        };
        (req.hedged, req.executed) = (true, executed);
        let (blocks, whole) = (req.blocks, req.blocks == i.blocks);
        if !whole {
            let text = format!(
                "vol{} LBA {}: a part of a request was sent a second time, and its buffer cannot be swapped",
                i.volume.0, i.lba
            );
            self.w.violation(now, "buffer_reuse", text);
        }
        let buf = self.w.front.pool.open(blocks as usize);
        self.w.front.pool.park(buf);
        buf
    }

    /// Whether a path can carry a command at all, and whether it should, as far as the host was told.
    #[inline]
    pub(super) fn may_carry(
        &mut self,
        now: Instant,
        path: PathId,
        volume: VolumeId,
        lba: u64,
    ) -> bool {
        let shard = &self.w.shards[self.core];
        if shard.accessible(path.0, volume.0) {
            return true;
        }
        let wire = &shard.wires[usize::from(path.0)];
        if wire.end != End::Up {
            let text = format!(
                "a command was sent on {}, which is not connected",
                self.names(path)
            );
            self.w.violation(now, "illegal_transition", text);
            return false;
        }
        if shard.any_accessible(volume.0) {
            let told = wire.told[usize::from(volume.0)];
            let text = format!(
                "vol{} LBA {lba} was sent on {}, told {:?}{}{}, while another path was accessible",
                volume.0,
                self.names(path),
                told.access,
                if told.right { "" } else { " and not verified" },
                if wire.wanted { "" } else { " and removed" }
            );
            self.w.violation(now, "inaccessible_dispatch", text);
        }
        true
    }

    /// Sends a command; what is the same in its slot as before is an attempt of the same.
    #[inline]
    pub(super) fn send(
        &mut self,
        now: Instant,
        ticket: Ticket,
        attempt: Attempt,
        step: Step,
        fua: bool,
        stamp: Stamp,
    ) {
        let core = self.core;
        let (path, op, volume) = (PathId(attempt.path), attempt.op, VolumeId(attempt.volume));
        let (lba, blocks) = (attempt.lba, attempt.blocks);
        let global = self.global(path);
        self.w.front.pool.take(attempt.buf);
        let a = self.w.shards[core].attempt_mut(ticket.slot);
        let again = a.cookie == attempt.cookie && a.lba == lba && !a.probe;
        let old = *a;
        *a = Attempt {
            generation: ticket.generation,
            first_generation: if again {
                old.first_generation
            } else {
                ticket.generation
            },
            sent: now,
            live: true,
            executed: again && old.executed,
            fatal: again && old.fatal,
            count: if again {
                old.count.saturating_add(1)
            } else {
                1
            },
            ..attempt
        };
        let (fatal, count) = (a.fatal, a.count);
        if again && old.live {
            let text = format!(
                "{} vol{} LBA {lba} was sent again while its first attempt may still be answered",
                super::events::op_name(op),
                volume.0,
            );
            self.w.violation(now, "buffer_reuse", text);
        }
        if fatal {
            let text = format!(
                "{} vol{} LBA {lba} was sent again on {} after a status that forbids it",
                super::events::op_name(op),
                volume.0,
                self.names(path)
            );
            self.w.violation(now, "retried_fatal", text);
        }
        if count == ATTEMPTS_MAX {
            let text = format!(
                "{} vol{} LBA {lba} was sent {ATTEMPTS_MAX} times",
                super::events::op_name(op),
                volume.0,
            );
            self.w.violation(now, "bound_exceeded", text);
        }
        let bytes = bytes_of(op, blocks, self.w.block_bytes);
        self.w.recorder.issued(now, global, op, bytes);
        self.w.step(
            now,
            step,
            global,
            Some(op),
            volume.0,
            lba,
            blocks,
            u64::from(ticket.slot),
        );
        let assoc = self.w.assoc(core, path.0);
        self.w.array.send(
            now,
            assoc,
            tag(ticket),
            Command {
                volume,
                op,
                lba,
                blocks,
                fua,
                stamp,
                probe: false,
            },
        );
    }

    /// Something besides I/O is begun on a path.
    fn control(&mut self, now: Instant, path: PathId) {
        if self.w.shards[self.core].wires[usize::from(path.0)].count_control(now) {
            let text = format!(
                "more than {CONTROL_MAX} connections, probes and questions for access states on {} in a second",
                self.names(path)
            );
            self.w.violation(now, "bound_exceeded", text);
        }
    }
}

impl Ring for Driver<'_> {
    #[inline]
    fn issue(&mut self, now: Instant, i: Issue) {
        if !self.may_carry(now, i.path, i.volume, i.lba) {
            return;
        }
        let Some((slot, req)) = self.w.front.current(i.cookie) else {
            let text = format!(
                "a command was sent on {} for a request that is completed",
                self.names(i.path)
            );
            self.w.violation(now, "buffer_reuse", text);
            return;
        };
        let (stamp, flush_blocks) = (req.stamp, req.op == Op::Flush);
        let hedged = i.hedge || req.hedged;
        let buf = match i.hedge {
            true => self.buffer_of_hedge(now, slot, &i),
            false => req.buf,
        };
        let attempt = Attempt {
            cookie: i.cookie,
            lba: i.lba,
            blocks: if flush_blocks { 0 } else { i.blocks },
            offset: i.buf_offset,
            buf,
            hedged,
            path: i.path.0,
            volume: i.volume.0,
            op: i.op,
            ..Attempt::EMPTY
        };
        let step = if i.hedge { Step::Hedge } else { Step::Issue };
        self.send(now, i.ticket, attempt, step, i.fua, stamp);
    }

    fn probe(&mut self, now: Instant, path: PathId, ticket: Ticket, volume: VolumeId) {
        self.control(now, path);
        let global = self.global(path);
        let core = self.core;
        let a = self.w.shards[core].attempt_mut(ticket.slot);
        *a = Attempt {
            generation: ticket.generation,
            first_generation: ticket.generation,
            sent: now,
            path: path.0,
            volume: volume.0,
            live: true,
            probe: true,
            ..Attempt::EMPTY
        };
        self.w.step(
            now,
            Step::Probe,
            global,
            Some(Op::Read),
            volume.0,
            0,
            1,
            u64::from(ticket.slot),
        );
        let assoc = self.w.assoc(core, path.0);
        let command = Command {
            volume,
            op: Op::Read,
            lba: 0,
            blocks: 1,
            fua: false,
            stamp: 0,
            probe: true,
        };
        self.w.array.send(now, assoc, tag(ticket), command);
    }

    #[inline]
    fn complete(&mut self, now: Instant, cookie: u64, outcome: Outcome) {
        let Some((slot, req)) = self.w.front.current(cookie) else {
            let text = format!("request {} was completed twice", cookie as u32);
            return self.w.violation(now, "duplicate_completion", text);
        };
        let req = *req;
        let live = self.w.front.pool.users(req.buf);
        if live > 0 {
            let text = format!(
                "{} vol{} LBA {} was completed while {} attempts may still use its buffer",
                super::events::op_name(req.op),
                req.volume,
                req.lba,
                live
            );
            self.w.violation(now, "buffer_reuse", text);
        }
        let (ok, errno) = match outcome {
            Outcome::Ok => (true, 0),
            Outcome::Errno(e) => (false, e),
        };
        let step = if ok { Step::Complete } else { Step::Fail };
        self.w.step(
            now,
            step,
            u32::MAX,
            Some(req.op),
            req.volume,
            req.lba,
            req.blocks,
            errno as u64,
        );
        self.w
            .checker
            .completed(now, slot, ok, self.w.front.data(slot));
        self.w.take_findings();
        let io = self.w.front.ios.get(req.io);
        let data = match req.op {
            Op::Read if ok && io.is_some_and(|io| io.workload == super::live::OUTSIDE) => {
                self.w.front.data(slot).to_vec()
            }
            _ => Vec::new(),
        };
        self.w.front.close(slot);
        let Some(io) = self.w.front.ios.get_mut(req.io) else {
            return;
        };
        io.errno = if io.errno == 0 { errno } else { io.errno };
        io.pieces_left -= 1;
        if io.pieces_left > 0 {
            return;
        }
        let io = *io;
        self.w.front.ios.remove(req.io);
        if io.workload == super::live::OUTSIDE {
            self.w.outside.push(super::live::Done {
                tag: io.slot,
                outcome,
                lba: req.lba,
                data,
            });
        }
        self.w.recorder.app_completed(
            now,
            AppDone {
                workload: io.workload,
                op: io.op,
                bytes: io.bytes,
                since: io.since,
                errno: io.errno,
            },
        );
        if io.workload == super::live::OUTSIDE {
            return;
        }
        match self.w.open[usize::from(io.workload)] {
            Some((host, volume)) => self.w.todo.push_back(Todo::Room { host, volume }),
            None => {
                let (workload, slot) = (u32::from(io.workload), io.slot);
                let wait = match io.errno {
                    0 if io.since < now => {
                        return self.w.todo.push_back(Todo::Next { workload, slot });
                    }
                    0 => FROM_MEMORY,
                    _ => AFTER_FAILURE,
                };
                let due = super::queue::Due::Slot { workload, slot };
                self.w.queue.push(now + wait, due);
            }
        }
    }

    fn adopt(&mut self, now: Instant, ticket: Ticket, cookie: u64) {
        let a = *self.w.shards[self.core].attempt_mut(ticket.slot);
        let Some((slot, _)) = self.w.front.current(cookie) else {
            return;
        };
        if a.live || a.generation != ticket.generation || a.cookie != cookie {
            let text = format!(
                "vol{} LBA {}: the buffer of attempt {} was taken for the request's, and it is not its answer",
                a.volume, a.lba, ticket.slot
            );
            return self.w.violation(now, "buffer_reuse", text);
        }
        let Some(req) = self.w.front.reqs.get_mut(slot) else {
            return;
        };
        let before = std::mem::replace(&mut req.buf, a.buf);
        let pool = &mut self.w.front.pool;
        pool.adopt(a.buf);
        pool.close(before);
    }

    fn abandon(&mut self, now: Instant, path: PathId, ticket: Ticket) {
        let global = self.global(path);
        let a = self.w.shards[self.core].attempt_mut(ticket.slot);
        if !a.live || a.generation != ticket.generation || a.path != path.0 {
            let text = format!("attempt {} was given up and is not out", ticket.slot);
            return self.w.violation(now, "buffer_reuse", text);
        }
        a.live = false;
        let a = *a;
        self.w.shards[self.core].strays.push(Stray {
            path: path.0,
            ticket,
            buf: a.buf,
            offset: a.offset,
        });
        let bytes = bytes_of(a.op, a.blocks, self.w.block_bytes);
        self.w.recorder.abandoned(now, global, a.op, bytes);
        let front = &mut self.w.front;
        front.pool.stray(a.buf);
        // A read that goes on needs a buffer that nothing else may fill.
        let of = front.current(a.cookie).map(|(slot, req)| (slot, *req));
        let Some((slot, req)) = of.filter(|(_, req)| a.op == Op::Read && req.buf == a.buf) else {
            return;
        };
        if req.blocks != a.blocks {
            let text = format!(
                "vol{} LBA {}: a part of a read was given up, and its buffer cannot be swapped",
                a.volume, a.lba
            );
            return self.w.violation(now, "buffer_reuse", text);
        }
        let fresh = front.pool.open(req.blocks as usize);
        if let Some(req) = front.reqs.get_mut(slot) {
            req.buf = fresh;
        }
        front.pool.close(a.buf);
    }

    fn connect(&mut self, now: Instant, path: PathId, epoch: Epoch) {
        self.control(now, path);
        self.w.cut(now, self.core, path.0);
        let wire = &mut self.w.shards[self.core].wires[usize::from(path.0)];
        wire.end = End::Connecting;
        wire.epoch = epoch.0;
        for told in &mut wire.told {
            told.right = false;
        }
        let assoc = self.w.assoc(self.core, path.0);
        self.w.array.connect(now, assoc);
    }

    fn disconnect(&mut self, now: Instant, path: PathId, epoch: Epoch) {
        let wire = &self.w.shards[self.core].wires[usize::from(path.0)];
        if wire.end == End::Closed || wire.epoch != epoch.0 {
            return;
        }
        let assoc = self.w.assoc(self.core, path.0);
        self.w.cut(now, self.core, path.0);
        self.w.array.close(now, assoc);
    }

    fn fence(&mut self, now: Instant, via: PathId, target: PathId, epoch: Epoch) {
        let over = self.w.assoc(self.core, via.0);
        let target = Assoc {
            path: target,
            epoch: epoch.0,
            ..over
        };
        let global = self.global(target.path);
        let text = format!(
            "association {} asked to end over {}",
            epoch.0,
            self.names(via)
        );
        self.w.seen.event(now, "fence", Some(global), text);
        self.w.array.fence(now, over, target);
    }

    fn refresh(&mut self, now: Instant, path: PathId) {
        self.control(now, path);
        let assoc = self.w.assoc(self.core, path.0);
        self.w.array.refresh(now, assoc);
    }

    fn peer(&mut self, now: Instant, message: PeerMessage) {
        self.w.post(now, self.core, message.to(), message);
    }

    fn shadow(&mut self, now: Instant, action: ShadowAction) {
        self.carry_out_shadow(now, action);
    }

    fn event(&mut self, now: Instant, event: Event) {
        let (host, shard) = (
            self.w.shards[self.core].host,
            self.w.shards[self.core].shard,
        );
        self.w.recorder.core_event(now, host, shard, &event);
        super::events::record(self.w, now, self.core, &event);
        if let Event::Register { path } = event {
            let assoc = self.w.assoc(self.core, path.0);
            self.w.array.register(now, assoc);
        }
    }
}
