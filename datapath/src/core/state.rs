//! What a core keeps for each path, each volume, and each volume on each path.

use super::api::{Epoch, Ticket};
use super::path::{Admin, Health, Link};
use super::slots::List;
use protocol::{Access, Duration, Instant, VolumeId};

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
    /// The shortest time in which a connection was made.
    pub connect_took: Duration,
    pub inflight: List,
    /// Attempts of the present association that were given up and are not answered.
    pub strays: Vec<Ticket>,
    /// Anything that came back over the present association.
    pub last_heard: Instant,
    /// When the latest of what was answered had been sent: what is older and still out was passed by it.
    pub passed_at: Instant,
    pub suspect_at: Instant,
    /// When it last told an access state: it was alive then, whatever its commands wait for.
    pub told_at: Instant,
    /// The slot of the probe that is out.
    pub probe: Option<u32>,
    pub probe_at: Instant,
    /// The time that it takes tells the path's service.
    pub probe_measures: bool,
    /// The volume that its next idle probe reads, or one after it.
    pub next_probed: u16,
    /// The volume of which its latest probe got what is its own fault or the volume's, and nobody knows yet whose.
    pub accused: Option<VolumeId>,
    /// The volume that it read well for its latest good probe, and when.
    pub vouched: Option<(VolumeId, Instant)>,
    /// Not before this is it asked again what another path's probe means.
    pub witness_from: Instant,
    /// Probes in a row that were answered well, on the way back from `Marginal`.
    pub good_probes: u32,
    /// Grows with errors of the path, shrinks with each success: errors relative to traffic.
    pub errors: u32,
    /// Demoted by a loss or by errors: the last resort until it has proved itself for as long as `hold` says.
    pub quarantined: bool,
    /// Demotions that came close after each other: each makes the next proof four times as long.
    pub demotions: u32,
    /// Since when it has behaved; `Instant::MAX`: it is not up.
    pub behaved_since: Instant,
    /// When it was trusted again after its latest demotion.
    pub released_at: Instant,
    pub lost_at: Instant,
    /// A silence verdict that the very next connection refuted doubles the path's patience, this many times.
    pub doubt: u32,
    pub refresh_at: Instant,
    /// When access states were last asked for.
    pub asked_at: Option<Instant>,
    /// The volume whose identity is asked next, where several are in question.
    pub asked_volume: u16,
    pub silent_loss: bool,
    /// When the oldest transition of a volume's access on this path is overdue; `Instant::MAX`: there is none.
    pub overdue_at: Instant,
    /// Commands that it answered well, modulo 2^32.
    pub served: u32,
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
            connect_took: Duration::MAX,
            inflight: List::default(),
            strays: Vec::new(),
            last_heard: now,
            passed_at: Instant::ZERO,
            suspect_at: Instant::MAX,
            told_at: now,
            probe: None,
            probe_at: Instant::MAX,
            probe_measures: true,
            next_probed: 0,
            accused: None,
            vouched: None,
            witness_from: Instant::ZERO,
            good_probes: 0,
            errors: 0,
            quarantined: false,
            demotions: 0,
            behaved_since: Instant::MAX,
            released_at: now,
            lost_at: Instant::ZERO,
            doubt: 0,
            refresh_at: Instant::MAX,
            asked_at: None,
            asked_volume: 0,
            silent_loss: false,
            overdue_at: Instant::MAX,
            served: 0,
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
    /// The size that it shows; 0: it has not said.
    pub blocks: u64,
    /// Since when its access is in transition; `Instant::MAX`: it is not.
    pub transition_at: Instant,
    /// When the access state was last announced, and until when an announcement that it can be used is not believed.
    pub announced_at: Instant,
    pub believe_at: Instant,
    /// Contradictions with little served between them, and what the path had served by the latest.
    pub contradictions: u32,
    pub served: u32,
}

impl Default for PathVolume {
    fn default() -> Self {
        PathVolume {
            access: Access::Inaccessible,
            verified: Shown::Unknown,
            gone: false,
            blocks: 0,
            transition_at: Instant::MAX,
            announced_at: Instant::ZERO,
            believe_at: Instant::ZERO,
            contradictions: 0,
            served: 0,
        }
    }
}

#[derive(Debug)]
pub struct VolumeState {
    pub blocks: u64,
    /// Paths that can carry its I/O, and those of them that may: a path in quarantine only where there is no other.
    pub capable: u128,
    pub usable: u128,
    /// Usable paths of the best rank, in the order of configuration.
    pub candidates: Vec<u16>,
    /// Usable paths that differ from them in their access alone: what `adaptive` may spill to.
    pub spill: Vec<u16>,
    pub cursor: u32,
    /// Commands that wait for a usable path.
    pub queue: List,
    /// Since when there is no usable path; `Instant::MAX`: there is one.
    pub starved_at: Instant,
    /// The deadline has passed, or loss is permanent: what comes now fails at once.
    pub failing: bool,
    pub ever_usable: bool,
    /// An earlier daemon did not come to tell of a flush that failed: the next one does.
    pub untold: bool,
    /// When its latest outage ended.
    pub outage_end: Instant,
}

impl VolumeState {
    pub fn new(blocks: u64, now: Instant, paths: usize) -> Self {
        VolumeState {
            blocks,
            capable: 0,
            usable: 0,
            candidates: Vec::with_capacity(paths),
            spill: Vec::with_capacity(paths),
            cursor: 0,
            queue: List::default(),
            starved_at: now,
            failing: false,
            ever_usable: false,
            untold: false,
            outage_end: Instant::ZERO,
        }
    }
}
