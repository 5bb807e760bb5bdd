//! A scenario after parsing: every default filled in, every quantity in base units, nothing drawn yet.
//!
//! `draw` turns it into the scenario of one seed: what `Scenario::ranges` lists and `any n of` targets become fixed; the ones that are drawn per I/O (`workload.block`, `after`, `add`) stay ranges.

pub use datapath::core::{FencePolicy, Policy};
use protocol::Duration;

/// An inclusive range; `lo == hi` where the scenario gave one value.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Span {
    pub lo: u64,
    pub hi: u64,
}

impl Span {
    pub const fn fixed(v: u64) -> Self {
        Span { lo: v, hi: v }
    }
}

#[derive(Clone, PartialEq, Debug)]
pub struct Scenario {
    /// Path below the catalogue's root without `.toml`: `failover/controller-loss`.
    pub name: String,
    /// The file it was read from, as given on the command line.
    pub file: std::path::PathBuf,
    pub title: String,
    pub why: String,
    pub tags: Vec<String>,
    pub duration: Duration,
    pub seed: u64,
    pub requires: Vec<String>,
    pub expect_fail: Option<String>,
    pub array: Array,
    pub volumes: Vec<Volume>,
    pub host: Host,
    pub link: Link,
    pub paths: Vec<PathOverride>,
    pub datapath: Datapath,
    pub workloads: Vec<Workload>,
    pub faults: Vec<Fault>,
    pub expects: Vec<Expect>,
    /// Quantities that were given as a range and are drawn once per seed; until then they hold the range's low end.
    pub ranges: Vec<Range>,
}

/// A quantity that `draw` fixes.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Range {
    /// Its dotted key: `fault.0.at`. It also names the random stream.
    pub key: String,
    pub span: Span,
    /// The distance of two values that may be drawn.
    pub step: u64,
}

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

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ArrayFence {
    Ccr,
    Time,
}

#[derive(Clone, PartialEq, Debug)]
pub struct Array {
    pub controllers: u16,
    /// Per controller.
    pub ports: u16,
    pub fabrics: u16,
    pub block: u32,
    /// True for asymmetric access (ANA/ALUA).
    pub asymmetric: bool,
    pub forward: Duration,
    pub service_read: Duration,
    pub service_write: Duration,
    pub tail: Tail,
    /// Servers per controller.
    pub parallel: u32,
    pub cache: Cache,
    pub fence: ArrayFence,
    pub ccr: Duration,
    pub cqt: Duration,
}

#[derive(Clone, PartialEq, Debug)]
pub struct Volume {
    pub name: String,
    pub bytes: u64,
    /// Index of the owning controller.
    pub owner: u16,
}

#[derive(Clone, PartialEq, Debug)]
pub struct Host {
    pub count: u16,
    pub ports: u16,
    pub shards: u16,
}

#[derive(Clone, PartialEq, Debug)]
pub struct Link {
    pub latency: Duration,
    pub bits_per_s: u64,
}

/// What differs on one path from `[link]`.
#[derive(Clone, PartialEq, Debug)]
pub struct PathOverride {
    /// `h1-B1`, or `host1.h0-A0`; without a host it means every host's.
    pub name: String,
    pub latency: Option<Duration>,
    pub bits_per_s: Option<u64>,
    pub present: bool,
}

#[derive(Clone, PartialEq, Debug)]
pub struct Datapath {
    pub policy: Policy,
    /// Of a static split: the weight of each path of a host.
    pub split: Vec<u32>,
    pub io_timeout: Duration,
    /// How long I/O is queued while no path is usable.
    pub queue_for: Duration,
    pub fence: FencePolicy,
    pub quiesce: Duration,
    /// Data of writes that one shard may keep in memory under the fence `shadow`.
    pub shadow_bytes: u64,
    /// Reads that a path keeps too long and that may be sent a second time on another, in percent of the I/Os.
    pub hedge: u64,
}

#[derive(Clone, PartialEq, Debug)]
pub struct Workload {
    pub name: String,
    /// Index into `Scenario::volumes`.
    pub volume: usize,
    pub host: u16,
    pub kind: Kind,
    /// Percent of operations that are reads.
    pub read_pct: u64,
    /// Percent of the writes that carry force-unit-access, and percent of operations that are discards / write-zeroes.
    pub fua_pct: u64,
    /// Of all operations.
    pub failfast_pct: u64,
    pub discard_pct: u64,
    pub write_zeroes_pct: u64,
    /// Bytes.
    pub block: Span,
    /// Bytes of the volume in use from `offset`.
    pub span: u64,
    pub offset: u64,
    pub load: Load,
    pub flush_every: u64,
    pub start: Duration,
    pub stop: Option<Duration>,
    pub count: Option<u64>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Load {
    /// Closed loop: outstanding I/Os.
    Depth(u32),
    /// Open loop: Poisson arrivals, in I/Os per 1,000 seconds (so that fractional rates stay integers).
    RateMilli(u64),
}

#[derive(Clone, PartialEq, Debug)]
pub enum Kind {
    Random,
    Sequential,
    Zipf,
    Replay(Replay),
}

#[derive(Clone, PartialEq, Debug)]
pub struct Replay {
    /// Resolved against the scenario's folder.
    pub file: std::path::PathBuf,
    /// `auto`, or a format's name.
    pub format: String,
    pub recorded_pace: bool,
    /// Pace multiplier in thousandths (60 × is 60,000).
    pub speed_milli: u64,
    pub device: Option<String>,
    pub beyond_end: BeyondEnd,
    pub limit: Option<u64>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum BeyondEnd {
    Wrap,
    Clip,
    Fail,
}

#[derive(Clone, PartialEq, Debug)]
pub struct Fault {
    pub when: When,
    /// `None`: until the end of the run.
    pub lasts: Option<Duration>,
    pub on: Target,
    pub kind: FaultKind,
}

#[derive(Clone, PartialEq, Debug)]
pub enum When {
    At(Duration),
    /// At the nth event of this kind (`failover`, …), counted from 1.
    OnEvent {
        event: String,
        nth: u64,
    },
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Target {
    Path(String),
    /// Array port `A0`.
    Port(String),
    HostPort {
        host: Option<u16>,
        port: u16,
    },
    Controller(u16),
    Fabric(u16),
    Volume(usize),
    Array,
    Host(u16),
    Shard {
        host: u16,
        shard: u16,
    },
    Datapath(u16),
    All,
    /// Drawn per seed: `n` of `paths`, `controllers`, `fabrics`, `ports`, `optimized`, `non_optimized`.
    Any {
        n: u64,
        of: String,
    },
    /// What `Any` became.
    Several(Vec<Target>),
}

#[derive(Clone, PartialEq, Debug)]
pub enum FaultKind {
    Reset,
    Drop,
    DropAnswers,
    Late {
        after: Span,
        share: u64,
        beyond_fence: bool,
    },
    Delay {
        add: Span,
        jitter: Duration,
    },
    ThrottleBits {
        bits_per_s: u64,
    },
    ThrottleIops {
        milli_per_s: u64,
    },
    Error {
        status: protocol::Status,
        share: u64,
    },
    Busy {
        share: u64,
    },
    Flap {
        period: Duration,
        down_pct: u64,
        drop: bool,
    },
    Crash {
        takeover: Duration,
    },
    Access {
        state: protocol::Access,
        volume: Option<usize>,
    },
    Unmap {
        volume: usize,
    },
    Swap {
        volume: usize,
        with: usize,
        silent: bool,
    },
    Resize {
        volume: usize,
        bytes: u64,
    },
    Medium {
        volume: usize,
        lba: u64,
        blocks: u64,
    },
    Stall,
    Duplicate {
        share: u64,
    },
    Lag,
    Kill,
    AddPath,
    RemovePath,
    /// The operator fails what waits for a path.
    FailQueued,
}

impl FaultKind {
    /// How long a flapping fault stays on the side that it has just gone to; `None`: for ever, since a side of no length never shows.
    pub fn flap_stays(&self, down: bool) -> Option<Duration> {
        let FaultKind::Flap {
            period, down_pct, ..
        } = *self
        else {
            return None;
        };
        let bad = (u128::from(period.0) * u128::from(down_pct) / 100) as u64;
        let stays = if down { bad } else { period.0 - bad };
        (0 < stays && stays < period.0).then_some(Duration(stays))
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Cmp {
    Eq,
    Ne,
    Lt,
    Le,
    Gt,
    Ge,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Window {
    Whole,
    Steady,
    Fault,
    Healed,
}

#[derive(Clone, PartialEq, Debug)]
pub struct Expect {
    /// As written: `app.errors == 0`.
    pub text: String,
    pub metric: String,
    pub cmp: Cmp,
    /// Times in nanoseconds.
    pub value: f64,
    pub window: Window,
    /// `sometimes`: must hold in at least one seed.
    pub sometimes: bool,
    pub line: usize,
}
