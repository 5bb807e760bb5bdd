//! What stands between a host and the array: paths, the connections over them, and the messages on their way.

use crate::api::{Assoc, DataId, PathConfig};
use crate::limiter::Limiter;
use crate::slab::Key;
use protocol::{Access, Identity, PathId, Status, VolumeId};
use std::collections::VecDeque;

pub(crate) const NONE: u32 = u32::MAX;

/// The array's end of a connection.
///
/// ```text
/// Handshake ──third request──▶ Open ──close, reset, keep-alive, fence, unmap──▶ Closed
///     └──────────refusal, reset, close, fence──────────────────────────────────────▲
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum ArrayEnd {
    Handshake,
    Open,
    Closed,
}

pub(crate) struct Conn {
    pub assoc: Assoc,
    pub path: u32,
    /// The host hears what arrives: it has neither closed nor been told of the end.
    pub host_open: bool,
    /// `Connected` was delivered: only then may commands be sent.
    pub connected: bool,
    pub array: ArrayEnd,
    /// Messages and commands that name this slot; it is used again when there are none and both ends are closed.
    pub refs: u32,
    /// Latest arrival at the other side, each way: messages of a connection never overtake.
    pub last_arrival: [u64; 2],
    /// Kept by the sender's transport while the direction is dead, in order.
    pub kept: [VecDeque<Key>; 2],
}

/// A message, of one unit, on its way.
#[derive(Clone, Copy)]
pub(crate) struct Message {
    pub conn: u32,
    pub bytes: u32,
    /// Order of sending over the whole array.
    pub sequence: u64,
    pub direction: u8,
    /// It lies with its sender's transport, not on the wire.
    pub kept: bool,
    /// How far it has come, and when it will be further.
    pub stage: Stage,
    pub at: u64,
    pub body: Body,
}

/// Where a message is between the ports.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Stage {
    /// On its way into its path's limiter, where it will be at `at`.
    Entering,
    /// In the limiter's line.
    Waiting,
    /// On its way to the receiving port, where it will be at `at`.
    Air,
    /// It has its place in the receiving port's line, and will be through at `at`.
    Through,
}

#[derive(Clone, Copy)]
pub(crate) enum Body {
    // To the array.
    /// Request 1, 2 or 3 of a connection's setup.
    Hello(u8),
    Command(Key),
    Fence {
        target: Assoc,
    },
    Refresh,
    Register,
    Fin,
    // To the host.
    HelloBack(u8),
    Connected,
    Refused,
    Broken,
    Answer {
        tag: u64,
        status: Status,
        data: Option<DataId>,
        about: About,
    },
    Identity {
        volume: VolumeId,
        identity: Option<Identity>,
        blocks: u64,
    },
    Access {
        volume: VolumeId,
        access: Access,
    },
    Fenced {
        target: Assoc,
        confirmed: bool,
    },
}

/// What an answer, once a host has it, changes about what the array owes that volume's flushes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum About {
    Nothing,
    /// It acknowledges a write that lies in this controller's volatile cache.
    Cached {
        volume: VolumeId,
        controller: u16,
    },
    /// It acknowledges a write that a crash has taken since: whoever hears it has something to be told of again.
    Gone {
        volume: VolumeId,
    },
    /// It is the report of the loss.
    Report {
        volume: VolumeId,
    },
}

/// What a fault changes about one volume on one path, in order of the faults' starts.
#[derive(Clone, Copy)]
pub(crate) struct View {
    /// Slot of the fault.
    pub fault: u32,
    pub volume: VolumeId,
    pub change: Change,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Change {
    Access(Access),
    Gone,
    Other(VolumeId),
}

pub(crate) struct Path {
    pub host: u16,
    pub id: PathId,
    /// Dense indices of its ports.
    pub host_port: u32,
    pub array_port: u32,
    pub controller: u16,
    pub latency_ns: u64,
    /// Its own rate by configuration; 0 is none.
    pub bits_per_s: u64,
    pub limiter: [Limiter; 2],
    /// Connections that are not forgotten yet, oldest first.
    pub conns: Vec<u32>,
    /// The newest connection of each shard.
    pub newest: Vec<u32>,
    /// Per shard: one more than the newest epoch that a confirmed fence covered.
    pub fenced: Vec<u64>,
    pub registered: bool,
    /// Active faults, counted.
    pub resets: u32,
    pub dead: [u32; 2],
    /// The array has heard nothing since then: a short heal that ends before anything is sent again does not count.
    pub dead_since: u64,
    pub silent: bool,
    pub heal_turn: [u32; 2],
    pub keep_alive_turn: u32,
    /// Slots of active faults that concern each message, or each command (`late`, `error`, `busy`, `duplicate`).
    pub delays: Vec<u32>,
    pub command_faults: Vec<u32>,
    pub throttles: Vec<u32>,
    pub views: Vec<View>,
}

impl Path {
    pub fn new(config: &PathConfig, host_port: u32, array_port: u32) -> Self {
        let rate = config.bits_per_s.unwrap_or(0);
        Path {
            host: config.host,
            id: config.path,
            host_port,
            array_port,
            controller: config.controller,
            latency_ns: config.latency.0,
            bits_per_s: rate,
            limiter: [Limiter::new(rate), Limiter::new(rate)],
            conns: Vec::new(),
            newest: Vec::new(),
            fenced: Vec::new(),
            registered: false,
            resets: 0,
            dead: [0; 2],
            dead_since: 0,
            silent: false,
            heal_turn: [0; 2],
            keep_alive_turn: 0,
            delays: Vec::new(),
            command_faults: Vec::new(),
            throttles: Vec::new(),
            views: Vec::new(),
        }
    }

    /// Whether a confirmed fence covers this epoch of the shard.
    pub fn is_fenced(&self, shard: u16, epoch: u32) -> bool {
        self.fenced
            .get(usize::from(shard))
            .is_some_and(|&f| u64::from(epoch) < f)
    }
}
