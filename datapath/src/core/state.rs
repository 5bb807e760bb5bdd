//! What a core keeps for each path, each volume, and each volume on each path.

use super::api::Epoch;
use super::path::{Admin, Health, Link};
use super::slots::List;
use protocol::{Access, Duration, Instant};

#[derive(Debug)]
pub struct PathState {
    pub link: Link,
    pub health: Health,
    pub admin: Admin,
    /// Of the present association, or of the latest.
    pub epoch: Epoch,
    /// When the present connection attempt began.
    pub connecting_at: Instant,
    /// When the next one begins.
    pub retry_at: Instant,
    /// Attempts since the path was lost.
    pub tries: u32,
    pub ever_up: bool,
    /// How long the latest connection took to make.
    pub connect_took: Duration,
    pub inflight: List,
    /// Anything that came back over the present association.
    pub last_heard: Instant,
    pub suspect_at: Instant,
    /// The slot of the probe that is out.
    pub probe: Option<u32>,
    pub probe_at: Instant,
    /// Probes in a row that were answered well, on the way back from `Marginal`.
    pub good_probes: u32,
    /// Grows with errors of the path, shrinks with each success: errors relative to traffic.
    pub errors: u32,
    /// The latest losses, oldest first: three close together make the path flaky.
    pub losses: [Instant; 3],
    /// A silence verdict that the very next connection refuted doubles the path's patience, this many times.
    pub doubt: u32,
    pub refresh_at: Instant,
    pub silent_loss: bool,
}

impl PathState {
    pub fn new(present: bool, first: Epoch, now: Instant) -> Self {
        PathState {
            link: Link::Down,
            health: Health::Good,
            admin: if present {
                Admin::Enabled
            } else {
                Admin::Absent
            },
            epoch: first,
            connecting_at: now,
            retry_at: if present { now } else { Instant::MAX },
            tries: 0,
            ever_up: false,
            connect_took: Duration::ZERO,
            inflight: List::default(),
            last_heard: now,
            suspect_at: Instant::MAX,
            probe: None,
            probe_at: Instant::MAX,
            good_probes: 0,
            errors: 0,
            losses: [Instant::ZERO; 3],
            doubt: 0,
            refresh_at: Instant::MAX,
            silent_loss: false,
        }
    }
}

/// Whether the volume behind a path is the one that is configured.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Shown {
    #[default]
    Unknown,
    /// The configured volume.
    Right,
    /// Another volume.
    Wrong,
    /// None.
    Absent,
}

#[derive(Clone, Copy, Debug)]
pub struct PathVolume {
    pub access: Access,
    pub verified: Shown,
    /// The path's last word was that the volume is not there, or lost for good.
    pub gone: bool,
    pub usable: bool,
}

impl Default for PathVolume {
    fn default() -> Self {
        PathVolume {
            access: Access::Inaccessible,
            verified: Shown::Unknown,
            gone: false,
            usable: false,
        }
    }
}

#[derive(Debug)]
pub struct VolumeState {
    pub blocks: u64,
    /// Usable paths of the best rank, in the order of configuration.
    pub candidates: Vec<u16>,
    pub cursor: u32,
    /// Commands that wait for a usable path.
    pub queue: List,
    /// Since when there is no usable path; `Instant::MAX`: there is one.
    pub starved_at: Instant,
    /// The deadline has passed, or loss is permanent: what comes now fails at once.
    pub failing: bool,
    pub ever_usable: bool,
}

impl VolumeState {
    pub fn new(blocks: u64, now: Instant, paths: usize) -> Self {
        VolumeState {
            blocks,
            candidates: Vec::with_capacity(paths),
            cursor: 0,
            queue: List::default(),
            starved_at: now,
            failing: false,
            ever_usable: false,
        }
    }
}
