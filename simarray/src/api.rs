//! What the driver tells the array, and what comes out of it. The array covers everything from the host's port to the
//! media: links, fabrics, array ports, controllers, cache. It knows nothing of the datapath.

use protocol::{Access, Duration, Identity, Op, PathId, Status, VolumeId};

/// One association: a host's shard connected over one path. A reconnect has the next epoch.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct Assoc {
    pub host: u16,
    pub shard: u16,
    pub path: PathId,
    pub epoch: u32,
}

/// What is written: 0 is "never written / zeroes"; otherwise the driver's unique write id, stored for each block.
pub type Stamp = u64;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Command {
    pub volume: VolumeId,
    pub op: Op,
    pub lba: u64,
    pub blocks: u32,
    pub fua: bool,
    /// Of a write. Discard and write-zeroes carry one too: their effect stores it, so that ghosts of them are visible.
    pub stamp: Stamp,
    /// A probe on the data path (a read): counted apart.
    pub probe: bool,
}

/// Something left the array (or its links) towards a host, or took effect on the media. In order.
#[derive(Clone, Debug)]
pub enum Out {
    /// At the host. `data` names the stamps of a read, one a block, until `Array::release`.
    Answer {
        assoc: Assoc,
        tag: u64,
        status: Status,
        data: Option<DataId>,
    },
    Connected {
        assoc: Assoc,
    },
    Refused {
        assoc: Assoc,
    },
    Broken {
        assoc: Assoc,
    },
    Access {
        assoc: Assoc,
        volume: VolumeId,
        access: Access,
    },
    Identity {
        assoc: Assoc,
        volume: VolumeId,
        identity: Option<Identity>,
        blocks: u64,
    },
    FenceConfirmed {
        via: Assoc,
        target: Assoc,
    },
    FenceFailed {
        via: Assoc,
        target: Assoc,
    },
    /// A mutating command took effect on the media (in media order), by the volume's true identity.
    Effect {
        volume: VolumeId,
        lba: u64,
        blocks: u32,
        stamp: Stamp,
        assoc: Assoc,
    },
    /// A command reached an array port: for `inaccessible_dispatch` and `array.ios`.
    Arrived {
        assoc: Assoc,
        tag: u64,
        volume: VolumeId,
        access: Access,
        probe: bool,
    },
    /// A command was executed (reads too), on the volume that truly served it: for `array.duplicates` and `wrong_volume`.
    Executed {
        assoc: Assoc,
        tag: u64,
        volume: VolumeId,
    },
    /// A crash lost blocks of a volatile cache: all of them hold `stamp`, the newest durable one, again.
    CacheLost {
        volume: VolumeId,
        lba: u64,
        blocks: u32,
        stamp: Stamp,
    },
    /// The host registered this path.
    Registered {
        host: u16,
        path: PathId,
    },
}

#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct DataId(pub u32);

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Tail {
    Fixed,
    Exp,
    Lognormal,
    Uniform,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Cache {
    Mirrored,
    Volatile,
    None,
}

#[derive(Clone, Debug)]
pub struct Config {
    pub seed: u64,
    pub block_bytes: u32,
    pub controllers: u16,
    /// Per controller.
    pub ports: u16,
    pub fabrics: u16,
    pub asymmetric: bool,
    pub forward: Duration,
    pub service_read: Duration,
    pub service_write: Duration,
    pub tail: Tail,
    /// Servers per controller.
    pub parallel: u32,
    pub cache: Cache,
    /// Whether the array offers a cross-controller reset (`fence = "ccr"`).
    pub ccr: Option<Duration>,
    /// Without it: nothing of a lost association executes later than this after the array lost it.
    pub cqt: Duration,
    pub volumes: Vec<VolumeConfig>,
    /// Rate of every host port and array port, each direction.
    pub port_bits_per_s: u64,
    pub paths: Vec<PathConfig>,
    /// A defect on purpose, for the test that sees a rule find it.
    #[cfg(feature = "mutants")]
    pub planted: crate::mutant::Planted,
}

#[derive(Clone, Debug)]
pub struct VolumeConfig {
    pub identity: Identity,
    pub blocks: u64,
    pub owner: u16,
}

#[derive(Clone, Debug)]
pub struct PathConfig {
    pub host: u16,
    pub path: PathId,
    pub host_port: u16,
    pub controller: u16,
    /// Of the controller.
    pub port: u16,
    pub latency: Duration,
    /// A path's own limit below the ports' rate.
    pub bits_per_s: Option<u64>,
}

/// Faults at the array's level; the driver has resolved targets to paths, controllers and volumes.
#[derive(Clone, Debug)]
pub enum Fault {
    Reset {
        paths: Vec<(u16, PathId)>,
    },
    Drop {
        paths: Vec<(u16, PathId)>,
    },
    DropAnswers {
        paths: Vec<(u16, PathId)>,
    },
    Late {
        paths: Vec<(u16, PathId)>,
        after_lo: Duration,
        after_hi: Duration,
        share: u64,
        beyond_fence: bool,
    },
    Delay {
        paths: Vec<(u16, PathId)>,
        add_lo: Duration,
        add_hi: Duration,
        jitter: Duration,
    },
    /// Bandwidth: a ceiling over each of the paths.
    ThrottleBits {
        paths: Vec<(u16, PathId)>,
        bits_per_s: u64,
    },
    /// I/Os per 1,000 s over each of the paths.
    ThrottleIops {
        paths: Vec<(u16, PathId)>,
        milli_per_s: u64,
    },
    Error {
        paths: Vec<(u16, PathId)>,
        status: Status,
        share: u64,
    },
    Busy {
        paths: Vec<(u16, PathId)>,
        share: u64,
    },
    Duplicate {
        paths: Vec<(u16, PathId)>,
        share: u64,
    },
    Crash {
        controller: u16,
        takeover: Duration,
    },
    /// On these paths: name every path of a controller's ports for a change of its whole port group.
    Access {
        paths: Vec<(u16, PathId)>,
        state: Access,
        volumes: Vec<VolumeId>,
    },
    Unmap {
        paths: Vec<(u16, PathId)>,
        volume: VolumeId,
    },
    Swap {
        paths: Vec<(u16, PathId)>,
        volume: VolumeId,
        with: VolumeId,
        /// The associations stand, and nobody is told: who reads the identity sees it.
        silent: bool,
    },
    Resize {
        volume: VolumeId,
        blocks: u64,
    },
    Medium {
        volume: VolumeId,
        lba: u64,
        blocks: u64,
    },
    /// Controllers that stop executing and answering; connections stand.
    Stall {
        controllers: Vec<u16>,
    },
}

/// Names an active fault, for its end.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct FaultId(pub u32);
