//! Workloads: closed-loop slots that submit when their last I/O completes, and open loops whose I/Os arrive on time
//! whatever happens. At most 1,024 I/Os of open loops are in a volume's datapath; the rest wait in order of arrival.

use super::front::{AppIo, Req};
use super::queue::Due;
use super::shared::{Shared, Todo};
use super::sim::Sim;
use crate::check::Submitted;
use crate::scenario::Scenario;
use crate::workload::{Io, Source, WorkloadError};
use protocol::{Instant, VolumeId};
use simarray::api::Stamp;

/// I/Os of open loops in the datapath of one host's volume.
const OPEN_MAX: u32 = 1_024;

pub struct Load {
    source: Source,
    host: u16,
    volume: u16,
    start: Instant,
    stop: Instant,
    /// An open loop's next I/O with its arrival.
    next: Option<(Instant, Io)>,
    /// It has arrived and waits for a place.
    waits: bool,
    /// I/Os so far: they go to the shards in turn.
    count: u64,
}

pub struct Loads {
    loads: Vec<Load>,
    /// Open-loop I/Os in the datapath, by host and volume.
    inside: Vec<u32>,
    volumes: usize,
}

impl Loads {
    pub fn new(s: &Scenario, seed: u64) -> Result<Loads, WorkloadError> {
        let loads: Result<Vec<Load>, WorkloadError> = s
            .workloads
            .iter()
            .enumerate()
            .map(|(i, w)| {
                Ok(Load {
                    source: Source::new(s, i, seed)?,
                    host: w.host,
                    volume: w.volume as u16,
                    start: Instant(w.start.0),
                    stop: Instant(w.stop.unwrap_or(s.duration).0.min(s.duration.0)),
                    next: None,
                    waits: false,
                    count: 0,
                })
            })
            .collect();
        Ok(Loads {
            loads: loads?,
            inside: vec![0; usize::from(s.host.count) * s.volumes.len()],
            volumes: s.volumes.len(),
        })
    }

    /// By workload: its host and volume where it is an open loop.
    pub fn open(&self) -> Vec<Option<(u16, u16)>> {
        self.loads
            .iter()
            .map(|l| l.source.is_open().then_some((l.host, l.volume)))
            .collect()
    }

    /// By workload: its host and volume.
    pub fn uses(&self) -> Vec<(u16, usize)> {
        self.loads
            .iter()
            .map(|l| (l.host, usize::from(l.volume)))
            .collect()
    }

    pub fn skipped(&self) -> Vec<u64> {
        self.loads.iter().map(|l| l.source.skipped()).collect()
    }

    fn inside(&mut self, host: u16, volume: u16) -> &mut u32 {
        &mut self.inside[usize::from(host) * self.volumes + usize::from(volume)]
    }
}

impl Sim {
    pub(super) fn begin_loads(&mut self) -> Result<(), WorkloadError> {
        for i in 0..self.loads.loads.len() {
            let load = &mut self.loads.loads[i];
            let workload = i as u32;
            if load.source.is_open() {
                load.next = load.source.next()?;
                if let Some((at, _)) = load.next {
                    self.w.queue.push(at, Due::Arrival { workload });
                }
            } else {
                for slot in 0..load.source.depth() {
                    self.w.queue.push(load.start, Due::Slot { workload, slot });
                }
            }
        }
        Ok(())
    }

    /// A closed-loop slot submits its next I/O.
    #[inline]
    pub(super) fn next_io(&mut self, workload: u32, slot: u32) -> Result<(), WorkloadError> {
        let now = self.now;
        let load = &mut self.loads.loads[workload as usize];
        if self.stopped || now >= load.stop {
            return Ok(());
        }
        if let Some((_, io)) = load.source.next()? {
            self.enter(workload, slot, now, io);
        }
        Ok(())
    }

    /// The next I/O of an open loop has arrived.
    pub(super) fn arrival(&mut self, workload: u32) -> Result<(), WorkloadError> {
        let load = &mut self.loads.loads[workload as usize];
        if self.stopped || load.next.is_none() {
            return Ok(());
        }
        load.waits = true;
        let (host, volume) = (load.host, load.volume);
        self.fill(host, volume)
    }

    /// An I/O of an open loop has left the datapath.
    pub(super) fn room(&mut self, host: u16, volume: u16) -> Result<(), WorkloadError> {
        *self.loads.inside(host, volume) -= 1;
        self.fill(host, volume)
    }

    /// Lets in what waits for this volume, the earliest arrival first, as long as there is room.
    fn fill(&mut self, host: u16, volume: u16) -> Result<(), WorkloadError> {
        while !self.stopped && *self.loads.inside(host, volume) < OPEN_MAX {
            let waiting = self
                .loads
                .loads
                .iter()
                .enumerate()
                .filter(|(_, l)| l.waits && l.host == host && l.volume == volume)
                .filter_map(|(i, l)| Some((l.next?.0, i)))
                .min();
            let Some((_, i)) = waiting else {
                break;
            };
            let load = &mut self.loads.loads[i];
            load.waits = false;
            let Some((arrived, io)) = load.next.take() else {
                break;
            };
            if arrived >= load.stop {
                continue;
            }
            load.next = load.source.next()?;
            let workload = i as u32;
            if let Some((at, _)) = load.next {
                if at <= self.now {
                    load.waits = true;
                } else {
                    self.w.queue.push(at, Due::Arrival { workload });
                }
            }
            *self.loads.inside(host, volume) += 1;
            self.enter(workload, 0, arrived, io);
        }
        Ok(())
    }

    /// An application's I/O becomes one request, or two.
    #[inline]
    fn enter(&mut self, workload: u32, slot: u32, since: Instant, io: Io) {
        let now = self.now;
        let load = &mut self.loads.loads[workload as usize];
        let (host, volume) = (load.host, load.volume);
        let shards = u64::from(self.w.shards_per_host);
        let turn = if load.source.is_open() {
            load.count
        } else {
            u64::from(slot)
        };
        load.count += 1;
        let shard = (turn % shards) as u32;
        let core = u32::from(host) * u32::from(self.w.shards_per_host) + shard;
        let id = self.w.front.ios.insert(AppIo {
            workload: workload as u16,
            slot,
            op: io.op,
            bytes: io.blocks() * self.w.block_bytes,
            since,
            pieces_left: io.n_pieces,
            errno: 0,
        });
        self.w.recorder.app_submitted(now);
        for &(lba, blocks) in io.pieces() {
            let req = Req {
                active: true,
                generation: 0,
                io: id,
                core,
                volume,
                op: io.op,
                fua: io.fua,
                failfast: io.failfast,
                lba,
                blocks,
                stamp: 0,
                seq: 0,
                buf: 0,
                hedged: false,
                executed: false,
            };
            let (at, _) = self.w.open_request(now, host, req);
            self.w.todo.push_back(Todo::Submit { req: at });
        }
    }
}

impl Shared {
    /// A request that the front end hands to a shard of `host`, and its stamp: 0 for what changes nothing.
    #[inline]
    pub(super) fn open_request(&mut self, now: Instant, host: u16, req: Req) -> (u32, Stamp) {
        let at = self.front.open(req);
        self.recorder.requests(self.front.outstanding);
        let stamp = if req.op.mutates() {
            self.checker.stamp(at)
        } else {
            0
        };
        if let Some(r) = self.front.reqs.get_mut(at) {
            r.stamp = stamp;
        }
        self.checker.submitted(
            now,
            Submitted {
                slot: at,
                host,
                volume: VolumeId(req.volume),
                op: req.op,
                lba: req.lba,
                blocks: req.blocks,
                fua: req.fua,
                stamp,
            },
        );
        (at, stamp)
    }
}
