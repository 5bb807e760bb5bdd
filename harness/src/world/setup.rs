//! From a scenario to what runs: the array's configuration and that of each shard's core.
//!
//! The host's limits are those of a common controller: a command moves at most 1 MiB (NVMe MDTS), and a shard sits on
//! the NUMA node of the host port with its own number, modulo the ports.

use crate::scenario::model::{ArrayFence, Cache, Scenario, Tail};
use crate::scenario::topology::PathSpec;
use datapath::core as dp;
use protocol::{Duration, Identity, PathId};
use simarray::api as sim;

/// Largest transfer of one command, in bytes.
const MAX_TRANSFER_BYTES: u32 = 1 << 20;
/// The longest that a transition may take: what Linux' nvmet tells its hosts (identify controller, ANATT).
const ANATT: Duration = Duration::from_secs(10);
/// More than any scenario keeps outstanding on one shard.
const MAX_REQUESTS: u32 = 1 << 20;

pub fn identity(volume: usize) -> Identity {
    Identity(0x6e67_7569_6400_0000 + volume as u64)
}

/// Blocks of a volume.
pub fn blocks(s: &Scenario, volume: usize) -> u64 {
    s.volumes[volume].bytes / u64::from(s.array.block)
}

pub fn array(s: &Scenario, paths: &[PathSpec], seed: u64) -> sim::Config {
    sim::Config {
        seed,
        block_bytes: s.array.block,
        controllers: s.array.controllers,
        ports: s.array.ports,
        fabrics: s.array.fabrics,
        asymmetric: s.array.asymmetric,
        forward: s.array.forward,
        service_read: s.array.service_read,
        service_write: s.array.service_write,
        tail: match s.array.tail {
            Tail::Fixed => sim::Tail::Fixed,
            Tail::Exp => sim::Tail::Exp,
            Tail::Lognormal => sim::Tail::Lognormal,
            Tail::Uniform => sim::Tail::Uniform,
        },
        parallel: s.array.parallel,
        cache: match s.array.cache {
            Cache::Mirrored => sim::Cache::Mirrored,
            Cache::Volatile => sim::Cache::Volatile,
            Cache::None => sim::Cache::None,
        },
        ccr: (s.array.fence == ArrayFence::Ccr).then_some(s.array.ccr),
        cqt: s.array.cqt,
        volumes: (0..s.volumes.len())
            .map(|v| sim::VolumeConfig {
                identity: identity(v),
                blocks: blocks(s, v),
                owner: s.volumes[v].owner,
            })
            .collect(),
        port_bits_per_s: s.link.bits_per_s,
        paths: paths
            .iter()
            .map(|p| sim::PathConfig {
                host: p.host,
                path: p.path,
                host_port: p.host_port,
                controller: p.controller,
                port: p.port,
                latency: p.latency,
                bits_per_s: p.bits_per_s,
            })
            .collect(),
        #[cfg(feature = "mutants")]
        planted: Default::default(),
    }
}

/// The configuration of one shard of one host. `paths` and `board` are the host's.
pub fn core(s: &Scenario, paths: &[PathSpec], board: dp::Board, shard: u16) -> dp::Config {
    let ports = s.host.ports.max(1);
    dp::Config {
        shard,
        shards: s.host.shards,
        policy: s.datapath.policy,
        io_timeout: s.datapath.io_timeout,
        queue_for: s.datapath.queue_for,
        fence: s.datapath.fence,
        quiesce: s.datapath.quiesce,
        anatt: ANATT,
        array_confirms: s.array.fence == ArrayFence::Ccr,
        block_bytes: s.array.block,
        volumes: (0..s.volumes.len())
            .map(|v| dp::VolumeConfig {
                identity: identity(v),
                blocks: blocks(s, v),
                max_blocks: MAX_TRANSFER_BYTES / s.array.block,
            })
            .collect(),
        paths: paths
            .iter()
            .map(|p| dp::PathConfig {
                present: p.present,
                distance: if p.host_port == shard % ports { 10 } else { 20 },
                port: p.host_port,
            })
            .collect(),
        board,
        hedge_permille: s.datapath.hedge as u32 * 10,
        shadow_bytes: s.datapath.shadow_bytes,
        max_requests: MAX_REQUESTS,
        prior: Vec::new(),
        first_epoch: dp::Epoch(0),
        untold: Vec::new(),
        #[cfg(feature = "mutants")]
        planted: Default::default(),
    }
}

/// A fault of the array, for this kind on these paths; `None`: the kind is not the array's.
pub fn fault(
    kind: &crate::scenario::model::FaultKind,
    on: &crate::scenario::model::Target,
    s: &Scenario,
) -> Option<sim::Fault> {
    use crate::scenario::model::FaultKind as K;
    use crate::scenario::topology;
    use protocol::{Duration, VolumeId};
    let paths: Vec<(u16, PathId)> = topology::resolve(on, s);
    let id = |v: usize| VolumeId(v as u16);
    Some(match *kind {
        K::Reset => sim::Fault::Reset { paths },
        K::Drop => sim::Fault::Drop { paths },
        K::Flap { drop: true, .. } => sim::Fault::Drop { paths },
        K::Flap { .. } => sim::Fault::Reset { paths },
        K::DropAnswers => sim::Fault::DropAnswers { paths },
        K::Late {
            after,
            share,
            beyond_fence,
        } => sim::Fault::Late {
            paths,
            after_lo: Duration(after.lo),
            after_hi: Duration(after.hi),
            share,
            beyond_fence,
        },
        K::Delay { add, jitter } => sim::Fault::Delay {
            paths,
            add_lo: Duration(add.lo),
            add_hi: Duration(add.hi),
            jitter,
        },
        K::ThrottleBits { bits_per_s } => sim::Fault::ThrottleBits { paths, bits_per_s },
        K::ThrottleIops { milli_per_s } => sim::Fault::ThrottleIops { paths, milli_per_s },
        K::Error { status, share } => sim::Fault::Error {
            paths,
            status,
            share,
        },
        K::Busy { share } => sim::Fault::Busy { paths, share },
        K::Duplicate { share } => sim::Fault::Duplicate { paths, share },
        K::Access { state, volume } => sim::Fault::Access {
            paths,
            state,
            volumes: match volume {
                Some(v) => vec![id(v)],
                None => topology::volumes(on, s).into_iter().map(id).collect(),
            },
        },
        K::Unmap { volume } => sim::Fault::Unmap {
            paths,
            volume: id(volume),
        },
        K::Swap {
            volume,
            with,
            silent,
        } => sim::Fault::Swap {
            paths,
            volume: id(volume),
            with: id(with),
            silent,
        },
        K::Resize { volume, bytes } => sim::Fault::Resize {
            volume: id(volume),
            blocks: bytes / u64::from(s.array.block),
        },
        K::Medium {
            volume,
            lba,
            blocks,
        } => sim::Fault::Medium {
            volume: id(volume),
            lba,
            blocks,
        },
        K::Stall => sim::Fault::Stall {
            controllers: topology::controllers(on, s),
        },
        // Several controllers crash by several faults: see `timeline`.
        K::Crash { .. } | K::Lag | K::Kill | K::AddPath | K::RemovePath | K::FailQueued => {
            return None;
        }
    })
}
