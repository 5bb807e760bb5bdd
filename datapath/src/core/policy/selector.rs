//! A policy with what it remembers of the paths beside their views. The project's own policy, and the peers' that look
//! at nothing but queues, remember nothing; the others have their memory in their own file.

use super::large::{Board, Command, Large};
use super::{Policy, Told, View, latency, min_latency, sampled_latency, service_time, told};
use super::{adaptive, failover, least_bytes, numa, queue_depth, round_robin};
use protocol::{Duration, Instant};

#[derive(Debug)]
enum Memory {
    None,
    ServiceTime(Box<service_time::Memory>),
    Latency(latency::Memory),
    MinLatency(min_latency::Memory),
    SampledLatency(sampled_latency::Memory),
    Told(told::Memory),
}

#[derive(Debug)]
pub struct Selector {
    policy: Policy,
    memory: Memory,
    adaptive: adaptive::Memory,
}

impl Selector {
    /// `ports` says for each path by which port it leaves the host; the board is what `shard` and its siblings share.
    pub fn new(policy: Policy, ports: &[u16], board: Board, shard: u16) -> Self {
        let paths = ports.len();
        let memory = match policy {
            Policy::ServiceTime => Memory::ServiceTime(Box::new(service_time::Memory::new(paths))),
            Policy::Latency => Memory::Latency(latency::Memory::new(paths)),
            Policy::MinLatency => Memory::MinLatency(min_latency::Memory::new(paths)),
            Policy::SampledLatency => Memory::SampledLatency(sampled_latency::Memory::new(paths)),
            Policy::Oracle | Policy::Static => Memory::Told(told::Memory::new(paths)),
            _ => Memory::None,
        };
        Selector {
            policy,
            memory,
            adaptive: adaptive::Memory::new(Large::new(ports, board, shard), paths),
        }
    }

    /// The chosen path: one of `candidates`, which is not empty, or where the policy spills, of `spill`.
    #[inline]
    pub fn choose(
        &mut self,
        now: Instant,
        views: &[View],
        candidates: &[u16],
        spill: &[u16],
        command: Command,
        cursor: &mut u32,
    ) -> u16 {
        if candidates.len() == 1 && spill.is_empty() {
            return candidates[0];
        }
        match self.policy {
            Policy::Adaptive => adaptive::choose(
                now,
                views,
                candidates,
                spill,
                command,
                cursor,
                &mut self.adaptive,
            ),
            Policy::RoundRobin => round_robin::choose(candidates, cursor),
            Policy::QueueDepth => queue_depth::choose(views, candidates, cursor),
            Policy::LeastBytes => least_bytes::choose(views, candidates, cursor),
            Policy::Numa => numa::choose(views, candidates),
            Policy::Failover => failover::choose(candidates),
            _ => self.remembering(now, views, candidates, spill, cursor),
        }
    }

    #[inline(never)]
    fn remembering(
        &mut self,
        now: Instant,
        views: &[View],
        candidates: &[u16],
        spill: &[u16],
        cursor: &mut u32,
    ) -> u16 {
        match &mut self.memory {
            Memory::None => candidates[0],
            Memory::ServiceTime(m) => m.choose(now, views, candidates),
            Memory::Latency(m) => m.choose(candidates, cursor),
            Memory::MinLatency(m) => m.choose(candidates),
            Memory::SampledLatency(m) => m.choose(now, candidates, cursor),
            Memory::Told(m) => m.choose(candidates, spill, cursor),
        }
    }

    /// An I/O that was sent on `path` came back well.
    #[inline]
    pub fn answered(&mut self, now: Instant, path: u16, sent_at: Instant) {
        if !matches!(self.memory, Memory::None) {
            self.remember(now, path, sent_at);
        }
    }

    #[inline(never)]
    fn remember(&mut self, now: Instant, path: u16, sent_at: Instant) {
        match &mut self.memory {
            Memory::None | Memory::Told(_) => {}
            Memory::ServiceTime(m) => m.answered(now, path, sent_at),
            Memory::Latency(m) => m.answered(now, path, sent_at),
            Memory::MinLatency(m) => m.answered(now, path, sent_at),
            Memory::SampledLatency(m) => m.answered(now, path, sent_at),
        }
    }

    /// A large command ([`View::LARGE_BYTES`]) is sent.
    pub fn large_sent(&mut self, now: Instant, path: u16, command: Command) {
        if self.policy == Policy::Adaptive {
            self.adaptive.large.sent(now, path, command);
        }
    }

    /// A large command came back well.
    pub fn large_answered(&mut self, path: u16, work: u32, took: Duration) {
        self.adaptive.large.answered(path, work, took.0);
    }

    /// What to prefer, for the policies that are told.
    pub fn tell(&mut self, told: &[Told]) {
        if let Memory::Told(m) = &mut self.memory {
            m.tell(told);
        }
    }

    /// A probe came back well: no I/O, but as good as a heartbeat.
    pub fn probed(&mut self, now: Instant, path: u16, sent_at: Instant) {
        if let Memory::MinLatency(m) = &mut self.memory {
            m.answered(now, path, sent_at);
        }
    }
}
