//! The host's end of every connection, and each command that was sent on one: what a transport would know. The rules
//! about paths (no command to an inaccessible path, no retry of a fatal status, no use of a buffer that was given back)
//! are judged from this record, never from the core's.

use protocol::{Access, Instant, Op};

/// A command that the same request may be sent as at most: more is a loop, not a retry.
pub const ATTEMPTS_MAX: u16 = 2_000;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum End {
    Closed,
    Connecting,
    Up,
}

/// What the host was told of a volume on a path.
#[derive(Clone, Copy, Debug)]
pub struct Told {
    pub access: Access,
    pub right: bool,
}

/// One shard's connection over one path.
#[derive(Clone, Debug)]
pub struct Wire {
    pub end: End,
    pub epoch: u32,
    pub told: Vec<Told>,
}

/// The latest command in a slot of a core's attempt table.
#[derive(Clone, Copy, Debug)]
pub struct Attempt {
    pub generation: u32,
    /// The generation that the request's first command in this slot had.
    pub first_generation: u32,
    pub cookie: u64,
    pub lba: u64,
    pub blocks: u32,
    pub offset: u32,
    pub sent: Instant,
    pub path: u16,
    pub volume: u16,
    pub op: Op,
    pub live: bool,
    pub probe: bool,
    /// Some command of this request's piece was executed.
    pub executed: bool,
    /// It got a status that forbids another try.
    pub fatal: bool,
    pub count: u16,
}

impl Attempt {
    pub const EMPTY: Attempt = Attempt {
        generation: 0,
        first_generation: 0,
        cookie: u64::MAX,
        lba: 0,
        blocks: 0,
        offset: 0,
        sent: Instant::ZERO,
        path: 0,
        volume: 0,
        op: Op::Read,
        live: false,
        probe: false,
        executed: false,
        fatal: false,
        count: 0,
    };
}

/// Everything of one core (a shard of a host).
#[derive(Debug)]
pub struct Shard {
    pub host: u16,
    pub shard: u16,
    /// Global index of the host's first path.
    pub first_path: u32,
    pub wires: Vec<Wire>,
    pub attempts: Vec<Attempt>,
    /// Counts datapaths that lived here: a message for a dead one is nobody's.
    pub life: u32,
}

impl Shard {
    pub fn new(host: u16, shard: u16, first_path: u32, paths: usize, volumes: usize) -> Self {
        let wire = Wire {
            end: End::Closed,
            epoch: 0,
            told: vec![
                Told {
                    access: Access::Inaccessible,
                    right: false,
                };
                volumes
            ],
        };
        Shard {
            host,
            shard,
            first_path,
            wires: vec![wire; paths],
            attempts: Vec::new(),
            life: 0,
        }
    }

    #[inline]
    pub fn attempt_mut(&mut self, slot: u32) -> &mut Attempt {
        let slot = slot as usize;
        if self.attempts.len() <= slot {
            self.attempts.resize(slot + 1, Attempt::EMPTY);
        }
        &mut self.attempts[slot]
    }

    /// Whether a command may go to this volume over this path, as far as the host was told.
    #[inline]
    pub fn accessible(&self, path: u16, volume: u16) -> bool {
        let wire = &self.wires[usize::from(path)];
        let told = wire.told[usize::from(volume)];
        wire.end == End::Up && told.right && told.access.accessible()
    }

    /// Whether some path is known that a command for this volume could go over.
    pub fn any_accessible(&self, volume: u16) -> bool {
        (0..self.wires.len() as u16).any(|p| self.accessible(p, volume))
    }
}
