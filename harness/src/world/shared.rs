//! All of the world but the cores: what the actions of a core touch while it is called.

use super::front::Front;
use super::observe::{Observer, Small, Step};
use super::queue::{Due, Queue};
use super::wires::{End, Shard};
use crate::check::Checker;
use crate::metrics::Recorder;
use datapath::core::PeerMessage;
use protocol::rng::Stream;
use protocol::{Duration, Instant, Op, PathId};
use simarray::Array;
use simarray::api::Assoc;
use std::collections::VecDeque;

/// A message between shards takes this long at most: a write to another core's ring, and its wake-up.
const PEER_MAX_NS: u64 = 10_000;

/// What is to be done as soon as the core that is being called has returned.
#[derive(Clone, Copy, Debug)]
pub enum Todo {
    /// A closed-loop slot goes on.
    Next {
        workload: u32,
        slot: u32,
    },
    /// A place of an open loop's volume is free.
    Room {
        host: u16,
        volume: u16,
    },
    Submit {
        req: u32,
    },
    /// A core's event that a fault may wait for.
    Trigger(&'static str),
}

#[derive(Debug)]
pub struct Mail {
    pub life: u32,
    pub message: Option<PeerMessage>,
}

pub struct Shared {
    pub array: Array,
    pub queue: Queue,
    pub checker: Checker,
    pub recorder: Recorder,
    pub seen: Observer,
    pub front: Front,
    pub store: super::shadows::Store,
    pub shards: Vec<Shard>,
    pub shards_per_host: u16,
    pub todo: VecDeque<Todo>,
    pub mail: super::front::Slab<Mail>,
    /// No message may overtake an earlier one of the same sender.
    mail_at: Vec<Instant>,
    peer_delay: Stream,
    pub block_bytes: u64,
    /// Answers with data that were taken from the array and not given back.
    pub data_held: u64,
    /// By workload: its host and volume, where it is an open loop.
    pub open: Vec<Option<(u16, u16)>>,
    /// Requests from outside that are done.
    pub outside: Vec<super::live::Done>,
}

impl Shared {
    #[allow(clippy::too_many_arguments)]
    pub fn new(
        array: Array,
        checker: Checker,
        recorder: Recorder,
        seen: Observer,
        shards: Vec<Shard>,
        shards_per_host: u16,
        block_bytes: u64,
        seed: u64,
    ) -> Self {
        Shared {
            array,
            queue: Queue::default(),
            checker,
            recorder,
            seen,
            front: Front::new(),
            store: Default::default(),
            mail_at: vec![Instant::ZERO; shards.len() * shards.len()],
            shards,
            shards_per_host,
            todo: VecDeque::new(),
            mail: super::front::Slab::new(),
            peer_delay: Stream::new(seed, "world.peer"),
            block_bytes,
            data_held: 0,
            open: Vec::new(),
            outside: Vec::new(),
        }
    }

    #[inline]
    pub fn assoc(&self, core: usize, path: u16) -> Assoc {
        let shard = &self.shards[core];
        Assoc {
            host: shard.host,
            shard: shard.shard,
            path: PathId(path),
            epoch: shard.wires[usize::from(path)].epoch,
        }
    }

    #[inline]
    pub fn release(&mut self, id: simarray::api::DataId) {
        self.data_held -= 1;
        self.array.release(id);
    }

    #[inline]
    pub fn core_of(&self, assoc: Assoc) -> usize {
        usize::from(assoc.host) * usize::from(self.shards_per_host) + usize::from(assoc.shard)
    }

    pub fn violation(&mut self, now: Instant, rule: &'static str, text: String) {
        self.recorder.violation(rule);
        self.seen.violation(now, rule, text);
    }

    /// Takes over what the data rules found.
    #[inline]
    pub fn take_findings(&mut self) {
        let (recorder, seen) = (&mut self.recorder, &mut self.seen);
        for f in self.checker.findings() {
            recorder.violation(f.rule);
            seen.violation(f.at, f.rule, f.text);
        }
    }

    /// The host's end of a connection is closed: what was sent on it is answered no more, and its buffers are free of it.
    pub fn cut(&mut self, now: Instant, core: usize, path: u16) {
        let first_path = self.shards[core].first_path;
        let shard = &mut self.shards[core];
        shard.wires[usize::from(path)].end = End::Closed;
        for a in &mut shard.attempts {
            if !a.live || a.path != path {
                continue;
            }
            a.live = false;
            if a.probe {
                continue;
            }
            let bytes = bytes_of(a.op, a.blocks, self.block_bytes);
            self.recorder
                .abandoned(now, first_path + u32::from(path), a.op, bytes);
            self.front.pool.give(a.buf);
            self.front.pool.settle(a.buf);
        }
        let pool = &mut self.front.pool;
        shard.strays.retain(|stray| {
            if stray.path == path {
                pool.stray_over(stray.buf);
            }
            stray.path != path
        });
    }

    /// To the sibling shards of `core`; to all of them, or to one.
    pub fn post(&mut self, now: Instant, core: usize, only: Option<u16>, message: PeerMessage) {
        let n = self.shards.len();
        let host = self.shards[core].host;
        let siblings = usize::from(self.shards_per_host);
        let base = usize::from(host) * siblings;
        for to in base..base + siblings {
            if to == core || only.is_some_and(|s| s != self.shards[to].shard) {
                continue;
            }
            let at = now + Duration(self.peer_delay.between(1_000, PEER_MAX_NS));
            let at = at.max(self.mail_at[core * n + to]);
            self.mail_at[core * n + to] = at;
            let id = self.mail.insert(Mail {
                life: self.shards[to].life,
                message: Some(message),
            });
            self.queue.push(
                at,
                Due::Peer {
                    core: to as u32,
                    message: id,
                },
            );
        }
    }

    #[inline]
    #[allow(clippy::too_many_arguments)]
    pub fn step(
        &mut self,
        now: Instant,
        step: Step,
        path: u32,
        op: Option<Op>,
        volume: u16,
        lba: u64,
        blocks: u32,
        detail: u64,
    ) {
        self.seen.small(Small {
            at: now,
            step,
            path,
            op,
            volume,
            lba,
            blocks,
            detail,
        });
    }
}

#[inline]
pub fn bytes_of(op: Op, blocks: u32, block_bytes: u64) -> u64 {
    match op {
        Op::Flush => 0,
        _ => u64::from(blocks) * block_bytes,
    }
}

/// A status as one number, for records.
pub fn status_word(status: protocol::Status) -> u64 {
    use protocol::Status as S;
    match status {
        S::Ok => 0,
        S::Nvme(n) => u64::from(n.code) | u64::from(n.dnr) << 16 | u64::from(n.crd) << 17,
        S::Sense(s) => 1 << 32 | u64::from(s.key) << 16 | u64::from(s.asc) << 8 | u64::from(s.ascq),
        S::Busy => 2 << 32,
        S::Errno(e) => 3 << 32 | e as u64,
    }
}
