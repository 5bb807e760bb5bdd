//! What a core is made of. Checked by [`Config::check`]; the control plane builds it from `[datapath]` and discovery.

use super::api::Epoch;
use super::mutant::{Mutant, Planted};
use super::policy::{Board, Policy};
use protocol::{Duration, Identity, PathId, VolumeId};

/// Retry masks are 128 bits wide: a host with more paths to one array than this is refused.
pub const PATHS_MAX: usize = 128;

/// Ranges that one shard may have in doubt at once. Writes that are lost beyond them are held, as with
/// [`FencePolicy::Hold`].
pub const DOUBTS_MAX: u32 = 4096;

/// Shadows that one shard may keep at once. Writes beyond them are held, as with [`FencePolicy::InDoubt`].
pub const SHADOWS_MAX: usize = 4096;

/// [`Config::shadow_bytes`] where nobody wants another.
pub const SHADOW_BYTES: u64 = 16 << 20;

/// [`Config::hedge_permille`] where nobody wants another.
pub const HEDGE_PERMILLE: u32 = 20;

/// What a lost write must wait for before it may be sent again.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum FencePolicy {
    /// Send the write again at once; complete it with its retry where nothing overlaps it, and else when every attempt
    /// that may still execute is over.
    InDoubt,
    /// Hold the write until its association is proven gone, or has been feared for `quiesce`.
    Hold,
    /// As `InDoubt`, but nothing waits for a proof: the data of a write that overlaps an attempt which may still execute are kept
    /// in memory until it is over, and reads see them there. A host that dies meanwhile may find older data in their place.
    Shadow,
    /// Retry at once, as other multipath does. Unsafe: a ghost of the first attempt may overwrite newer data.
    None,
}

#[derive(Clone, Debug)]
pub struct VolumeConfig {
    pub identity: Identity,
    pub blocks: u64,
    /// Largest transfer of one command, in blocks (NVMe MDTS, `max_sectors`).
    pub max_blocks: u32,
}

#[derive(Clone, Debug)]
pub struct PathConfig {
    /// False: configured, appears by `Input::AddPath`.
    pub present: bool,
    /// NUMA distance of the path's adapter from this shard's node; the `numa` policy prefers the smallest.
    pub distance: u16,
    /// By which of the host's ports its commands leave: paths with the same number share a link. Where nobody knows, each path
    /// has a number of its own.
    pub port: u16,
}

#[derive(Clone, Debug)]
pub struct Config {
    /// This core's shard, and how many the host has.
    pub shard: u16,
    pub shards: u16,
    pub policy: Policy,
    /// Hard limit of one attempt.
    pub io_timeout: Duration,
    /// How long I/O waits while a volume has no usable path.
    pub queue_for: Duration,
    pub fence: FencePolicy,
    /// How long a lost association is feared where nothing proves it gone.
    pub quiesce: Duration,
    /// The longest that a path may say *transitioning* before its connection is ended and its states are read anew (NVMe
    /// identify controller, ANATT; SCSI implicit transition time).
    pub anatt: Duration,
    /// The array confirms the end of an association (NVMe cross-controller reset).
    pub array_confirms: bool,
    pub block_bytes: u32,
    pub volumes: Vec<VolumeConfig>,
    pub paths: Vec<PathConfig>,
    /// What this shard and its siblings tell each other of large commands: the same for all of them.
    pub board: Board,
    /// Reads that may be sent a second time, in thousandths of the I/Os (see `hedge`); 0: none.
    pub hedge_permille: u32,
    /// Data of writes that this shard may keep in memory under [`FencePolicy::Shadow`], in bytes.
    pub shadow_bytes: u64,
    /// Requests in the core at once; one more is answered EAGAIN.
    pub max_requests: u32,
    /// After a crash of the daemon: the associations that it may have left behind. No write is sent before each is
    /// proven gone.
    pub prior: Vec<(PathId, Epoch)>,
    /// The first epoch of this daemon's own associations: above every one in `prior`. Zero says that the daemon has no
    /// predecessor; otherwise every shard, even one with an empty `prior`, waits for the proof of all.
    pub first_epoch: Epoch,
    /// After a crash of the daemon: the volumes of which a flush had failed, with its application still to be told
    /// ([`Core::untold`](super::Core::untold)). The first flush of each fails.
    pub untold: Vec<VolumeId>,
    /// A defect on purpose, for the test that sees a rule find it.
    #[cfg(feature = "mutants")]
    pub planted: Planted,
}

/// Why a configuration is refused.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum ConfigError {
    #[error("no volume: a core serves at least one")]
    NoVolume,
    #[error("{0} paths: one to {PATHS_MAX} are possible for a host")]
    Paths(usize),
    #[error("volume {volume}: {what}")]
    Volume { volume: usize, what: &'static str },
    #[error("path {path} of an earlier daemon is not configured")]
    Prior { path: u16 },
    #[error("{0}")]
    Value(&'static str),
}

impl Config {
    #[inline(always)]
    pub(super) fn planted(&self) -> Planted {
        #[cfg(feature = "mutants")]
        return self.planted;
        #[cfg(not(feature = "mutants"))]
        Planted::default()
    }

    /// Whether this defect is planted: never, without the feature `mutants`.
    #[inline(always)]
    pub(super) fn mutant(&self, mutant: Mutant) -> bool {
        self.planted().has(mutant)
    }

    pub fn check(&self) -> Result<(), ConfigError> {
        if self.volumes.is_empty() {
            return Err(ConfigError::NoVolume);
        }
        if self.paths.is_empty() || self.paths.len() > PATHS_MAX {
            return Err(ConfigError::Paths(self.paths.len()));
        }
        for (volume, v) in self.volumes.iter().enumerate() {
            let what = match v {
                v if v.max_blocks == 0 => "max_blocks is 0: a command moves at least one block",
                v if v.blocks == 0 => "has no blocks",
                _ => continue,
            };
            return Err(ConfigError::Volume { volume, what });
        }
        for (path, epoch) in &self.prior {
            if usize::from(path.0) >= self.paths.len() {
                return Err(ConfigError::Prior { path: path.0 });
            }
            if *epoch >= self.first_epoch {
                return Err(ConfigError::Value(
                    "first_epoch must be above every epoch in prior",
                ));
            }
        }
        if self.max_requests == 0 || self.shards == 0 || self.shard >= self.shards {
            return Err(ConfigError::Value(
                "max_requests and shards are at least 1, and shard is below shards",
            ));
        }
        if self.hedge_permille > 1000 {
            return Err(ConfigError::Value(
                "hedge_permille is above 1000: a read is sent a second time at most once for each I/O",
            ));
        }
        if self.fence == FencePolicy::Shadow && self.shadow_bytes == 0 {
            return Err(ConfigError::Value(
                "shadow_bytes is 0: under the fence \"shadow\" data are kept, and that takes memory",
            ));
        }
        if self.io_timeout == Duration::ZERO {
            return Err(ConfigError::Value("io_timeout is 0"));
        }
        Ok(())
    }
}
