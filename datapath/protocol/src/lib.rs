//! The block vocabulary that the datapath, the simulated array and the harness share.
//!
//! Plain data: ids, times, operations and statuses. Nothing here performs I/O or reads a clock, so that
//! every crate above can run in virtual time.

pub mod rng;
mod status;
mod time;

pub use status::{NvmeStatus, Sense, Status};
pub use time::{Duration, Instant};

/// A volume, by its index in the configuration.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct VolumeId(pub u16);

/// A path of one host (a host port and an array port on the same fabric), by its index in that host's list.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct PathId(pub u16);

/// What an I/O does. Force-unit-access is a separate flag of the command.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub enum Op {
    Read,
    Write,
    Flush,
    Discard,
    WriteZeroes,
}

impl Op {
    /// Whether the command changes the media (and so can become a ghost write).
    pub fn mutates(self) -> bool {
        matches!(self, Op::Write | Op::Discard | Op::WriteZeroes)
    }

    /// Whether the command moves data from the host to the array.
    pub fn sends_data(self) -> bool {
        matches!(self, Op::Write)
    }
}

/// Access state of a volume's group on a port (NVMe ANA, SPC ALUA).
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub enum Access {
    Optimized,
    NonOptimized,
    Inaccessible,
    Transitioning,
    /// ANA persistent loss.
    Lost,
}

impl Access {
    /// Whether I/O may be sent in this state.
    pub fn accessible(self) -> bool {
        matches!(self, Access::Optimized | Access::NonOptimized)
    }
}

/// Identity of a volume (NGUID, or VPD 0x83 designator).
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct Identity(pub u64);
