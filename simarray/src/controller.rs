//! A controller's servers and queues, and the commands in them.

use crate::api::Command;
use crate::conn::Body;
use crate::slab::Key;
use protocol::{Status, VolumeId};
use std::collections::VecDeque;

/// Where a command is.
///
/// ```text
/// Wire ─▶ Stalled ─▶ Forward ─▶ Queued ─▶ Running ─▶ executed
///   └─────────┴────────▶ Held ───────────────────────▶ executed
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Place {
    /// On the wire, or kept by the host's transport.
    Wire,
    /// Arrived at a stalled controller.
    Stalled,
    /// On its way to the owner.
    Forward,
    Queued,
    Running,
    /// Held by `late`.
    Held,
}

#[derive(Clone, Copy)]
pub(crate) struct InFlight {
    pub conn: u32,
    pub tag: u64,
    pub command: Command,
    /// The volume that truly serves it, resolved on arrival.
    pub real: VolumeId,
    pub place: Place,
    /// A lying array: not even a confirmed fence stops it.
    pub beyond_fence: bool,
    /// A crash lost unflushed writes while this flush was in flight: it must fail.
    pub reports_loss: bool,
    /// The controller at whose port it arrived, and the one that serves it.
    pub arrived_at: u16,
    pub served_by: u16,
    pub server: u32,
    /// Its own service time; of a running command that a stall pauses, what is left.
    pub service_ns: u64,
    /// When its service, or its way to the owner, ends.
    pub ends_at: u64,
    /// What the faults that were active on arrival have in store for it: a hold, an answer.
    pub held_until: Option<u64>,
    pub injected: Option<Status>,
}

/// Something the array wants to say through a controller that is stalled.
pub(crate) struct Unsaid {
    pub conn: Key,
    pub bytes: u64,
    pub body: Body,
}

pub(crate) struct Controller {
    /// Active faults, counted.
    pub crashes: u32,
    pub stalls: u32,
    /// The command that each server runs.
    pub servers: Vec<Key>,
    pub idle: Vec<u32>,
    pub queue: VecDeque<Key>,
    /// What a stall has put off: arrivals, answers, held commands that were due.
    pub arrivals: VecDeque<(Key, Body)>,
    pub unsaid: VecDeque<Unsaid>,
    pub due: VecDeque<Key>,
    /// Paths that end at its ports.
    pub paths: Vec<u32>,
}

impl Controller {
    pub fn new(parallel: u32) -> Self {
        let parallel = parallel.max(1);
        Controller {
            crashes: 0,
            stalls: 0,
            servers: vec![Key::NONE; parallel as usize],
            idle: (0..parallel).rev().collect(),
            queue: VecDeque::new(),
            arrivals: VecDeque::new(),
            unsaid: VecDeque::new(),
            due: VecDeque::new(),
            paths: Vec::new(),
        }
    }

    pub fn live(&self) -> bool {
        self.crashes == 0
    }

    pub fn stalled(&self) -> bool {
        self.stalls > 0
    }
}
