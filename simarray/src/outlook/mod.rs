//! When a command would be answered if it were sent now, over each path of a host: what the simulation's `oracle` goes by.
//!
//! The array is looked at as it is, and everything that is in it is followed to its end: messages on the wires and in
//! limiters, commands that wait for a server and those that are served, answers on their way back. What is known to
//! the array is taken as it is (when servers and lines are free, the drawn service of each command that has arrived); of
//! what is not drawn yet, the command's own service above all, the mean is taken. Nothing that might come later is thought
//! of. With fixed service times the outlook is exact, which is how it is tested: `simarray/tests/outlook.rs` sends the
//! command over each path and looks when it is answered.
//!
//! The stages are those of the array (see `transport` and `service`). In each one everything passes in order of arrival; the
//! commands that are asked for pass as ghosts, which wait for others and make nobody wait.

mod lines;
mod servers;

use crate::api::Fault;
use crate::array::Array;
use crate::conn::{Body, Stage};
use crate::controller::{InFlight, Place};
use crate::limiter::Ahead;
use crate::slab::Key;
use crate::wire::{CAPSULE_BYTES, DATA_HEADER_BYTES, Line, RESPONSE_BYTES, TO_ARRAY, TO_HOST};
use protocol::{Access, Instant, Op, VolumeId};
use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// No answer can be expected over this path: it is dead, refused, or at a controller that stands still.
pub const FAR: u64 = u64::MAX / 4;

/// What passes the stages, in the order of `at`.
#[derive(Clone, Copy)]
struct Flight {
    at: u64,
    /// Among those of one time, in order of sending; ghosts are last.
    order: u64,
    path: u32,
    /// Of the message that is on its way.
    bytes: u64,
    /// Of the answer; 0: there is none to wait for.
    answer: u64,
    service_ns: u64,
    /// The controller whose servers it needs.
    owner: u16,
    ghost: bool,
}

/// Scratch of the computation, kept for its capacity.
#[derive(Default)]
pub struct Outlook {
    /// Into the limiters, into array ports, to servers, from servers, into host ports.
    entering: Vec<Flight>,
    inbound: Vec<Flight>,
    arrivals: Vec<Flight>,
    answers: Vec<Flight>,
    outbound: Vec<Flight>,
    lines: Vec<Line>,
    /// By path: the limiter of the direction at hand, and what waits in one.
    ahead: Vec<Ahead>,
    waiting: Vec<(Key, u64)>,
    servers: BinaryHeap<Reverse<u64>>,
    expected: Vec<u64>,
}

impl Outlook {
    /// The time of the answer over each path of `host`, by path id; from [`FAR`] on there is none to expect.
    pub fn of(
        &mut self,
        array: &Array,
        now: Instant,
        host: u16,
        volume: VolumeId,
        op: Op,
        blocks: u32,
    ) -> &[u64] {
        self.expected.clear();
        self.inbound.clear();
        self.arrivals.clear();
        self.answers.clear();
        self.outbound.clear();
        self.on_the_wires(array, host, TO_ARRAY);
        self.ghosts(array, now.0, host, volume, op, blocks);
        self.enter_ports(array);
        self.in_the_array(array);
        self.through_servers(array);
        self.on_the_wires(array, host, TO_HOST);
        self.leave_ports(array, host);
        self.enter_host(array);
        &self.expected
    }

    /// The commands that are asked for, on the wire of each path.
    fn ghosts(
        &mut self,
        array: &Array,
        now: u64,
        host: u16,
        volume: VolumeId,
        op: Op,
        blocks: u32,
    ) {
        let data = u64::from(blocks) * array.settings.block_bytes;
        let bytes = CAPSULE_BYTES + if op.sends_data() { data } else { 0 };
        for (index, path) in array.paths.iter().enumerate() {
            if path.host != host {
                continue;
            }
            let id = usize::from(path.id.0);
            if self.expected.len() <= id {
                self.expected.resize(id + 1, FAR);
            }
            let Some(owner) = array.serves(index, volume) else {
                continue;
            };
            let sent = array.host_ports[path.host_port as usize]
                .tx
                .peek(now, bytes);
            let leaves = self.ahead[index].peek(sent, bytes, true);
            self.inbound.push(Flight {
                at: leaves + array.behind_the_limit(index),
                order: u64::MAX,
                path: index as u32,
                bytes,
                answer: answer_bytes(array, op, blocks),
                service_ns: array.mean_service(op),
                owner,
                ghost: true,
            });
        }
    }

    /// Commands that the controllers have already.
    fn in_the_array(&mut self, array: &Array) {
        for (key, command) in array.commands.iter() {
            let at = match command.place {
                Place::Forward => command.ends_at,
                Place::Held => command.held_until.unwrap_or(FAR),
                Place::Running => command.ends_at,
                Place::Wire | Place::Stalled | Place::Queued => continue,
            };
            let flight = self.command(array, command, at, u64::from(key.index));
            match command.place {
                Place::Forward => self.arrivals.push(flight),
                _ if at < FAR => self.answers.push(flight),
                _ => {}
            }
        }
    }

    fn command(&self, array: &Array, command: &InFlight, at: u64, order: u64) -> Flight {
        let c = &command.command;
        Flight {
            at,
            order,
            path: array.conns.at(command.conn).path,
            bytes: 0,
            answer: answer_bytes(array, c.op, c.blocks),
            service_ns: match command.place {
                Place::Wire => array.mean_service(c.op),
                _ => command.service_ns,
            },
            owner: array.server_of(command.real, command.arrived_at),
            ghost: false,
        }
    }

    /// What a message carries on to the stages behind its port.
    fn message(&self, array: &Array, index: u32, at: u64) -> Flight {
        let message = array.messages.at(index);
        let flight = Flight {
            at,
            order: message.sequence,
            path: array.conns.at(message.conn).path,
            bytes: u64::from(message.bytes),
            answer: 0,
            service_ns: 0,
            owner: 0,
            ghost: false,
        };
        match message.body {
            Body::Command(key) => match array.commands.get(key) {
                Some(command) => Flight {
                    bytes: flight.bytes,
                    ..self.command(array, command, at, flight.order)
                },
                None => flight,
            },
            _ => flight,
        }
    }

    /// Messages of one direction: those of all hosts to the array, those of the array to `host`.
    fn on_the_wires(&mut self, array: &Array, host: u16, direction: usize) {
        let concerned =
            |path: u32| direction == TO_ARRAY || array.paths[path as usize].host == host;
        self.entering.clear();
        let messages = array.messages.iter();
        for (key, message) in messages.filter(|(_, m)| usize::from(m.direction) == direction) {
            if message.kept || !concerned(array.conns.at(message.conn).path) {
                continue;
            }
            let flight = self.message(array, key.index, message.at);
            match message.stage {
                Stage::Entering => self.entering.push(flight),
                Stage::Waiting => {}
                Stage::Air => self.air(direction).push(flight),
                Stage::Through if flight.answer > 0 => self.arrive(array, flight),
                Stage::Through => {}
            }
        }
        self.ahead.clear();
        for index in 0..array.paths.len() {
            let limiter = &array.paths[index].limiter[direction];
            let mut waiting = std::mem::take(&mut self.waiting);
            let ahead = limiter.ahead(&mut |message, leaves| waiting.push((message, leaves)));
            self.ahead.push(ahead);
            for (key, leaves) in waiting.drain(..) {
                let kept = array.messages.get(key).is_none_or(|m| m.kept);
                if concerned(index as u32) && !kept {
                    let at = leaves + array.behind_the_limit(index);
                    let flight = self.message(array, key.index, at);
                    self.air(direction).push(flight);
                }
            }
            self.waiting = waiting;
        }
        self.entering.sort_unstable_by_key(|f| f.order);
        for at in 0..self.entering.len() {
            let mut flight = self.entering[at];
            let path = flight.path as usize;
            let leaves = self.ahead[path].pass(flight.at, flight.bytes, flight.answer > 0);
            flight.at = leaves + array.behind_the_limit(path);
            self.air(direction).push(flight);
        }
    }

    fn air(&mut self, direction: usize) -> &mut Vec<Flight> {
        match direction {
            TO_ARRAY => &mut self.inbound,
            _ => &mut self.outbound,
        }
    }

    /// A command is at its controller's port, and goes on to the servers.
    fn arrive(&mut self, array: &Array, mut flight: Flight) {
        if array.paths[flight.path as usize].controller != flight.owner {
            flight.at += array.settings.forward_ns;
        }
        self.arrivals.push(flight);
    }
}

fn answer_bytes(array: &Array, op: Op, blocks: u32) -> u64 {
    match op {
        Op::Read => {
            RESPONSE_BYTES + DATA_HEADER_BYTES + u64::from(blocks) * array.settings.block_bytes
        }
        _ => RESPONSE_BYTES,
    }
}

impl Array {
    fn mean_service(&self, op: Op) -> u64 {
        match op {
            Op::Read => self.settings.service_read_ns,
            _ => self.settings.service_write_ns,
        }
    }

    /// The controller that would serve the volume over this path; `None` where nobody would now.
    fn serves(&self, path: usize, volume: VolumeId) -> Option<u16> {
        let p = &self.paths[path];
        let real = self.real_volume(path, volume)?;
        let reaches = matches!(
            self.access_on(path, volume),
            Access::Optimized | Access::NonOptimized
        );
        let owner = self.server_of(real, p.controller);
        let stands = |c: u16| {
            let c = &self.controllers[usize::from(c)];
            c.live() && !c.stalled()
        };
        let well = p.dead == [0, 0] && p.resets == 0 && stands(p.controller) && stands(owner);
        (reaches && well).then_some(owner)
    }

    /// From the limit of a path to the port at its other end: its latency, and what the faults in force add on average.
    fn behind_the_limit(&self, path: usize) -> u64 {
        let active = self.paths[path]
            .delays
            .iter()
            .filter_map(|slot| self.faults[*slot as usize].as_ref());
        let mean = active.map(|active| match &active.fault {
            Fault::Delay { add_lo, add_hi, .. } => add_lo.0 + add_hi.0.saturating_sub(add_lo.0) / 2,
            _ => 0,
        });
        mean.fold(self.paths[path].latency_ns, u64::saturating_add)
            .min(FAR)
    }
}
