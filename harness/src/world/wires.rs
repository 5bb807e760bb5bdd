//! The host's end of every connection, and each command that was sent on one: what a transport would know. The rules
//! about paths (no command to an inaccessible path, no retry of a fatal status, no use of a buffer that was given back)
//! are judged from this record, never from the core's.

use datapath::core::Ticket;
use protocol::{Access, Duration, Instant, Op};

/// A command that the same request may be sent as at most: more is a loop, not a retry.
pub const ATTEMPTS_MAX: u16 = 2_000;
/// Connections, probes and questions for access states that a shard may begin on one path in a second: a datapath in
/// trouble asks tens of times, and more than this is a storm that nothing holds back.
pub const CONTROL_MAX: u32 = 2_000;
const CONTROL_WINDOW: Duration = Duration::from_secs(1);

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
    /// The shard was told that the path is there, and not that it was removed.
    pub wanted: bool,
    /// The path's states, as the core has told them.
    pub states: super::transitions::Told,
    /// What was begun on it besides I/O, and since when that is counted.
    control: u32,
    control_since: Instant,
}

impl Wire {
    /// Something besides I/O is begun. True where that is the one too many.
    pub fn count_control(&mut self, now: Instant) -> bool {
        if now >= self.control_since + CONTROL_WINDOW {
            (self.control, self.control_since) = (0, now);
        }
        self.control += 1;
        self.control == CONTROL_MAX + 1
    }
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
    pub buf: u32,
    /// A second attempt, or one that has got a second.
    pub hedged: bool,
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
        buf: 0,
        hedged: false,
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

/// A command that the core has given up, while its connection stands: it may still be answered, and use its buffer.
#[derive(Clone, Copy, Debug)]
pub struct Stray {
    pub path: u16,
    pub ticket: Ticket,
    pub buf: u32,
    pub offset: u32,
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
    pub strays: Vec<Stray>,
    /// Counts datapaths that lived here: a message for a dead one is nobody's.
    pub life: u32,
}

impl Shard {
    pub fn new(host: u16, shard: u16, first_path: u32, present: &[bool], volumes: usize) -> Self {
        let wire = Wire {
            end: End::Closed,
            epoch: 0,
            wanted: true,
            states: Default::default(),
            control: 0,
            control_since: Instant::ZERO,
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
            wires: present
                .iter()
                .map(|&wanted| Wire {
                    wanted,
                    ..wire.clone()
                })
                .collect(),
            attempts: Vec::new(),
            strays: Vec::new(),
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
        wire.end == End::Up && wire.wanted && told.right && told.access.accessible()
    }

    /// Whether some path is known that a command for this volume could go over.
    pub fn any_accessible(&self, volume: u16) -> bool {
        (0..self.wires.len() as u16).any(|p| self.accessible(p, volume))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shard() -> Shard {
        let mut shard = Shard::new(0, 0, 0, &[true; 2], 1);
        for wire in &mut shard.wires {
            wire.end = End::Up;
            wire.told[0] = Told {
                access: Access::Optimized,
                right: true,
            };
        }
        shard
    }

    #[test]
    fn a_path_that_the_operator_removed_is_none_to_send_on() {
        let mut shard = shard();
        assert!(shard.accessible(0, 0));
        shard.wires[0].wanted = false;
        assert!(!shard.accessible(0, 0));
        assert!(shard.any_accessible(0), "there is the other one");
        shard.wires[1].wanted = false;
        assert!(!shard.any_accessible(0));
    }

    #[test]
    fn a_storm_is_told_once_in_a_second() {
        let mut wire = shard().wires.remove(0);
        let told = |wire: &mut Wire, at: u64, n: u32| {
            let now = Instant(at * 1_000_000);
            (0..n).filter(|_| wire.count_control(now)).count()
        };
        assert_eq!(told(&mut wire, 10, CONTROL_MAX), 0);
        assert_eq!(told(&mut wire, 900, CONTROL_MAX), 1);
        assert_eq!(told(&mut wire, 1_100, CONTROL_MAX), 0, "a second later");
        assert_eq!(told(&mut wire, 1_200, 1), 1);
    }
}
