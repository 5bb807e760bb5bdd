//! The stages that are lines, one after another at a rate: into the array's ports, out of them, into the host's.

use super::{Array, Flight, Outlook};
use crate::wire::Line;

/// Through a line; a ghost leaves it as it was.
fn pass(line: &mut Line, flight: &Flight, bytes: u64) -> u64 {
    if flight.ghost {
        line.peek(flight.at, bytes)
    } else {
        line.pass(flight.at, bytes)
    }
}

fn in_order(flights: &mut [Flight]) {
    flights.sort_unstable_by_key(|f| (f.at, f.order));
}

impl Outlook {
    pub(super) fn enter_ports(&mut self, array: &Array) {
        in_order(&mut self.inbound);
        self.lines.clear();
        let lines = array.array_ports.iter().map(|port| port.rx.clone());
        self.lines.extend(lines);
        for at in 0..self.inbound.len() {
            let mut flight = self.inbound[at];
            let port = array.paths[flight.path as usize].array_port as usize;
            flight.at = pass(&mut self.lines[port], &flight, flight.bytes);
            if flight.answer > 0 {
                self.arrive(array, flight);
            }
        }
    }

    /// Out of the array's ports and through the paths' limits, onto the wires to `host`.
    pub(super) fn leave_ports(&mut self, array: &Array, host: u16) {
        in_order(&mut self.answers);
        self.lines.clear();
        let lines = array.array_ports.iter().map(|port| port.tx.clone());
        self.lines.extend(lines);
        for at in 0..self.answers.len() {
            let mut flight = self.answers[at];
            let index = flight.path as usize;
            let path = &array.paths[index];
            let line = &mut self.lines[path.array_port as usize];
            flight.at = pass(line, &flight, flight.answer);
            if path.host != host {
                continue;
            }
            let ahead = &mut self.ahead[index];
            let leaves = match flight.ghost {
                true => ahead.peek(flight.at, flight.answer, false),
                false => ahead.pass(flight.at, flight.answer, false),
            };
            flight.bytes = flight.answer;
            flight.at = leaves + array.behind_the_limit(index);
            self.outbound.push(flight);
        }
    }

    pub(super) fn enter_host(&mut self, array: &Array) {
        in_order(&mut self.outbound);
        self.lines.clear();
        let lines = array.host_ports.iter().map(|port| port.rx.clone());
        self.lines.extend(lines);
        for flight in &self.outbound {
            let path = &array.paths[flight.path as usize];
            let line = &mut self.lines[path.host_port as usize];
            let at = pass(line, flight, flight.bytes);
            if flight.ghost {
                self.expected[usize::from(path.id.0)] = at;
            }
        }
    }
}
