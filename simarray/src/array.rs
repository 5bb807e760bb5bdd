//! The array as a driver sees it: commands in, events out, and the time of the next event.

use crate::api::{Assoc, Command, Config, DataId, Fault, FaultId, Out, Stamp};
use protocol::Instant;

/// The simulated array with its links.
pub struct Array {
    _config: Config,
}

impl Array {
    pub fn new(config: Config) -> Array {
        Array { _config: config }
    }

    /// A host begins to make a connection: `Connected` (after `Identity` and `Access` of each volume) or `Refused` comes back.
    pub fn connect(&mut self, _now: Instant, _assoc: Assoc) {}

    /// The host closes its end. Nothing of this association is delivered to the host from here on.
    pub fn close(&mut self, _now: Instant, _assoc: Assoc) {}

    /// The host sends a command. `tag` comes back in the answer.
    pub fn send(&mut self, _now: Instant, _assoc: Assoc, _tag: u64, _command: Command) {}

    /// Cross-controller reset of `target`, sent over `via`.
    pub fn fence(&mut self, _now: Instant, _via: Assoc, _target: Assoc) {}

    /// Asks for identity and access state of every volume on this path.
    pub fn refresh(&mut self, _now: Instant, _assoc: Assoc) {}

    /// Host registration over a new path.
    pub fn register(&mut self, _now: Instant, _assoc: Assoc) {}

    pub fn start_fault(&mut self, _now: Instant, _id: FaultId, _fault: Fault) {}

    pub fn end_fault(&mut self, _now: Instant, _id: FaultId) {}

    /// When `step` has something to do.
    pub fn next_event(&self) -> Option<Instant> {
        None
    }

    /// Carries out the earliest event; what comes of it is appended to `out`.
    pub fn step(&mut self, _out: &mut Vec<Out>) {}

    /// The stamps that a read returned, one for each block, until `release`.
    pub fn data(&self, _id: DataId) -> &[Stamp] {
        &[]
    }

    pub fn release(&mut self, _id: DataId) {}

    /// I/O commands (probes not counted) that may still execute: on the wire, queued, running or held.
    pub fn in_flight(&self) -> usize {
        0
    }
}
