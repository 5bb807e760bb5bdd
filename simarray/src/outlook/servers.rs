//! The stage in the middle: a controller's servers, first come, first served.

use super::{Array, Flight, Outlook};
use crate::slab::Key;
use std::cmp::Reverse;

impl Outlook {
    pub(super) fn through_servers(&mut self, array: &Array) {
        self.arrivals.sort_unstable_by_key(|f| (f.at, f.order));
        for controller in 0..array.controllers.len() as u16 {
            self.through(array, controller);
        }
    }

    fn through(&mut self, array: &Array, controller: u16) {
        let state = &array.controllers[usize::from(controller)];
        if state.stalled() || !state.live() {
            return;
        }
        let coming = |f: &&Flight| f.owner == controller;
        let expected = state.queue.len() + self.arrivals.iter().filter(coming).count();
        self.servers.clear();
        // Nobody waits where there are servers for all, the ghosts among them.
        let wait = expected > state.idle.len();
        if wait {
            for key in state.servers.iter().filter(|key| **key != Key::NONE) {
                let ends_at = array.commands.get(*key).map_or(0, |c| c.ends_at);
                self.servers.push(Reverse(ends_at));
            }
            self.servers
                .extend(std::iter::repeat_n(Reverse(0), state.idle.len()));
        }
        for (n, key) in state.queue.iter().enumerate() {
            let Some(command) = array.commands.get(*key) else {
                continue;
            };
            let mut flight = self.command(array, command, array.now, n as u64);
            flight.at = self.serve(&flight, wait);
            self.answers.push(flight);
        }
        for at in 0..self.arrivals.len() {
            let mut flight = self.arrivals[at];
            if flight.owner == controller {
                flight.at = self.serve(&flight, wait);
                self.answers.push(flight);
            }
        }
    }

    /// When its service ends.
    fn serve(&mut self, flight: &Flight, wait: bool) -> u64 {
        let free_at = match wait {
            true => self.servers.peek().map_or(0, |Reverse(at)| *at),
            false => 0,
        };
        let ends_at = flight.at.max(free_at).saturating_add(flight.service_ns);
        if wait && !flight.ghost {
            self.servers.pop();
            self.servers.push(Reverse(ends_at));
        }
        ends_at
    }
}
