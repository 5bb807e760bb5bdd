//! A driver at a port: calls the array, lets time run, and writes down what comes out and when.
#![allow(dead_code, reason = "each test file uses its own part")]

use protocol::{Access, Duration, Identity, Instant, Op, PathId, Status, VolumeId};
use simarray::Array;
use simarray::api::*;

pub const US: u64 = 1_000;
pub const MS: u64 = 1_000_000;
pub const S: u64 = 1_000_000_000;
pub const V: VolumeId = VolumeId(0);

/// Two controllers with two ports each, one host with two ports on two fabrics: paths 0 = h0-A0, 1 = h0-B0, 2 = h1-A1,
/// 3 = h1-B1. Ports pass 8 Gbit/s: one byte a nanosecond. Reads take 100 µs, writes 50 µs, always.
pub fn config() -> Config {
    let path = |path, host_port, controller, port| PathConfig {
        host: 0,
        path: PathId(path),
        host_port,
        controller,
        port,
        latency: Duration::from_micros(25),
        bits_per_s: None,
    };
    Config {
        seed: 1,
        block_bytes: 512,
        controllers: 2,
        ports: 2,
        fabrics: 2,
        asymmetric: true,
        forward: Duration::from_micros(50),
        service_read: Duration::from_micros(100),
        service_write: Duration::from_micros(50),
        tail: Tail::Fixed,
        parallel: 32,
        cache: Cache::Mirrored,
        ccr: Some(Duration::from_millis(1)),
        cqt: Duration::from_secs(2),
        volumes: vec![
            VolumeConfig {
                identity: Identity(100),
                blocks: 1 << 27,
                owner: 0,
            },
            VolumeConfig {
                identity: Identity(101),
                blocks: 1 << 20,
                owner: 1,
            },
        ],
        port_bits_per_s: 8_000_000_000,
        paths: vec![
            path(0, 0, 0, 0),
            path(1, 0, 1, 0),
            path(2, 1, 0, 1),
            path(3, 1, 1, 1),
        ],
        #[cfg(feature = "mutants")]
        planted: Default::default(),
    }
}

pub fn assoc(path: u16, epoch: u32) -> Assoc {
    Assoc {
        host: 0,
        shard: 0,
        path: PathId(path),
        epoch,
    }
}

pub fn paths(ids: &[u16]) -> Vec<(u16, PathId)> {
    ids.iter().map(|&p| (0, PathId(p))).collect()
}

pub fn io(op: Op, lba: u64, blocks: u32, stamp: Stamp) -> Command {
    Command {
        volume: V,
        op,
        lba,
        blocks,
        fua: false,
        stamp,
        probe: false,
    }
}

pub fn read(lba: u64) -> Command {
    io(Op::Read, lba, 8, 0)
}

pub fn write(lba: u64, stamp: Stamp) -> Command {
    io(Op::Write, lba, 8, stamp)
}

pub fn flush() -> Command {
    io(Op::Flush, 0, 0, 0)
}

pub struct Port {
    pub array: Array,
    pub now: u64,
    /// Everything that came out, with its time; data of reads is copied and released.
    pub log: Vec<(u64, Out)>,
    pub data: Vec<(u64, u64, Vec<Stamp>)>,
}

impl Port {
    pub fn new(config: Config) -> Port {
        Port {
            array: Array::new(config),
            now: 0,
            log: Vec::new(),
            data: Vec::new(),
        }
    }

    /// With an association of epoch 1 on each path, at 1 ms, and the log empty.
    pub fn connected(config: Config) -> Port {
        let all: Vec<u16> = config.paths.iter().map(|p| p.path.0).collect();
        let mut port = Port::new(config);
        for path in all.iter().copied() {
            port.array.connect(Instant(0), assoc(path, 1));
        }
        port.run_until(MS);
        let connected = port.count(|o| matches!(o, Out::Connected { .. }));
        assert_eq!(connected, all.len());
        port.log.clear();
        port
    }

    pub fn at(&mut self, t: u64) -> Instant {
        self.run_until(t);
        Instant(t)
    }

    /// Carries out everything up to and at `t`.
    pub fn run_until(&mut self, t: u64) {
        let mut outs = Vec::new();
        while let Some(next) = self.array.next_event().filter(|n| n.0 <= t) {
            assert!(next.0 >= self.now, "time runs forwards");
            self.now = next.0;
            self.array.step(&mut outs);
            for out in outs.drain(..) {
                if let Out::Answer {
                    tag,
                    data: Some(id),
                    ..
                } = &out
                {
                    self.data
                        .push((self.now, *tag, self.array.data(*id).to_vec()));
                    self.array.release(*id);
                }
                self.log.push((self.now, out));
            }
        }
        self.now = t;
    }

    pub fn send(&mut self, path: u16, tag: u64, command: Command) {
        self.array
            .send(Instant(self.now), assoc(path, 1), tag, command);
    }

    pub fn start(&mut self, id: u32, fault: Fault) {
        self.array
            .start_fault(Instant(self.now), FaultId(id), fault);
    }

    pub fn end(&mut self, id: u32) {
        self.array.end_fault(Instant(self.now), FaultId(id));
    }

    pub fn count(&self, what: impl Fn(&Out) -> bool) -> usize {
        self.log.iter().filter(|(_, o)| what(o)).count()
    }

    /// (time, tag, status) of every answer.
    pub fn answers(&self) -> Vec<(u64, u64, Status)> {
        self.collect(|o| match o {
            Out::Answer { tag, status, .. } => Some((*tag, *status)),
            _ => None,
        })
        .into_iter()
        .map(|(t, (tag, status))| (t, tag, status))
        .collect()
    }

    /// (time, tag) of every execution.
    pub fn executed(&self) -> Vec<(u64, u64)> {
        self.collect(|o| match o {
            Out::Executed { tag, .. } => Some(*tag),
            _ => None,
        })
    }

    pub fn arrived(&self) -> Vec<(u64, u64)> {
        self.collect(|o| match o {
            Out::Arrived { tag, .. } => Some(*tag),
            _ => None,
        })
    }

    /// (time, path) of every break that the host saw, and of refusals and connections.
    pub fn broken(&self) -> Vec<(u64, u16)> {
        self.collect(|o| match o {
            Out::Broken { assoc } => Some(assoc.path.0),
            _ => None,
        })
    }

    pub fn refused(&self) -> Vec<(u64, u16)> {
        self.collect(|o| match o {
            Out::Refused { assoc } => Some(assoc.path.0),
            _ => None,
        })
    }

    pub fn connections(&self) -> Vec<(u64, u16)> {
        self.collect(|o| match o {
            Out::Connected { assoc } => Some(assoc.path.0),
            _ => None,
        })
    }

    /// (time, path, state) of every announcement about a volume.
    pub fn accesses(&self, of: VolumeId) -> Vec<(u64, u16, Access)> {
        self.collect(|o| match o {
            Out::Access {
                assoc,
                volume,
                access,
            } if *volume == of => Some((assoc.path.0, *access)),
            _ => None,
        })
        .into_iter()
        .map(|(t, (path, access))| (t, path, access))
        .collect()
    }

    pub fn identities(&self, of: VolumeId) -> Vec<(u64, u16, Option<Identity>, u64)> {
        self.collect(|o| match o {
            Out::Identity {
                assoc,
                volume,
                identity,
                blocks,
            } if *volume == of => Some((assoc.path.0, *identity, *blocks)),
            _ => None,
        })
        .into_iter()
        .map(|(t, (path, identity, blocks))| (t, path, identity, blocks))
        .collect()
    }

    pub fn collect<T>(&self, pick: impl Fn(&Out) -> Option<T>) -> Vec<(u64, T)> {
        self.log
            .iter()
            .filter_map(|(t, o)| pick(o).map(|x| (*t, x)))
            .collect()
    }
}

/// How long after it was sent on an idle path a 4 KiB write is through the array's port.
pub const WRITE_ARRIVES: u64 = (72 + 4096) + 25_000 + (72 + 4096);
pub const READ_ARRIVES: u64 = 72 + 25_000 + 72;
pub const WRITE_EXECUTES: u64 = WRITE_ARRIVES + 50_000;
pub const READ_EXECUTES: u64 = READ_ARRIVES + 100_000;
/// From execution to the answer at the host.
pub const WRITE_BACK: u64 = 24 + 25_000 + 24;
pub const READ_BACK: u64 = (24 + 4096 + 24) + 25_000 + (24 + 4096 + 24);
