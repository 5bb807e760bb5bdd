//! How a message gets from one end of a connection to the other:
//!
//! ```text
//! sender's port (FIFO, port rate) ─▶ the path's own limit (FIFO) ─▶ latency (+ delay) ─▶ receiver's port (FIFO) ─▶ delivered
//! ```
//!
//! A dead direction (`drop`) stops all of it: what is sent is kept, and what was on the wire when the direction died is
//! lost on it and so is kept too. 200 ms after the heal everything that was kept is delivered, in order and at once (the
//! retransmission's own serialisation is part of the 200 ms). Later messages of the same connection travel as usual
//! but wait for it at the receiver, as TCP would have them.

use crate::array::Array;
use crate::conn::{ArrayEnd, Body, Message, Stage};
use crate::events::Kind;
use crate::slab::Key;
use crate::wire::{RETRANSMIT, TO_ARRAY, TO_HOST};

impl Array {
    /// Sends a message on a connection, now.
    #[inline]
    pub(crate) fn post(&mut self, conn: u32, direction: usize, bytes: u64, body: Body) {
        let c = self.conns.at_mut(conn);
        c.refs += 1;
        let path = c.path as usize;
        self.sequence += 1;
        let kept = self.paths[path].dead[direction] > 0;
        let key = self.messages.insert(Message {
            conn,
            bytes: u32::try_from(bytes).unwrap_or(u32::MAX),
            sequence: self.sequence,
            direction: direction as u8,
            kept,
            stage: Stage::Entering,
            at: u64::MAX,
            body,
        });
        if kept {
            c.kept[direction].push_back(key);
        } else {
            self.transmit(key, path, direction, bytes);
        }
    }

    fn transmit(&mut self, key: Key, path: usize, direction: usize, bytes: u64) {
        let p = &mut self.paths[path];
        let line = match direction {
            TO_ARRAY => &mut self.host_ports[p.host_port as usize].tx,
            _ => &mut self.array_ports[p.array_port as usize].tx,
        };
        let sent = line.pass(self.now, bytes);
        let limiter = &mut p.limiter[direction];
        if limiter.in_use(self.now) {
            limiter.entering_until = sent;
            self.reaches(key, Stage::Entering, sent);
            self.schedule(sent, Kind::LimiterEnter, key);
        } else {
            self.launch(key, sent);
        }
    }

    /// The message is on the wire from `sent` on.
    fn launch(&mut self, key: Key, sent: u64) {
        let Some(&message) = self.messages.get(key) else {
            return;
        };
        let direction = usize::from(message.direction);
        let path = self.conns.at(message.conn).path as usize;
        let mut arrival = sent.saturating_add(self.paths[path].latency_ns);
        if !self.paths[path].delays.is_empty() {
            arrival = arrival.saturating_add(self.drawn_delay(path));
        }
        let conn = self.conns.at_mut(message.conn);
        arrival = arrival.max(conn.last_arrival[direction]);
        conn.last_arrival[direction] = arrival;
        let port = self.receiving_port(path, direction);
        let bytes = u64::from(message.bytes);
        match self.foresee(port, direction, arrival, bytes) {
            Some(through) => {
                self.reaches(key, Stage::Through, through);
                self.schedule(through, Kind::Deliver, key);
            }
            None => {
                self.reaches(key, Stage::Air, arrival);
                self.schedule(arrival, Kind::PortArrive, key);
            }
        }
    }

    #[inline]
    fn reaches(&mut self, key: Key, stage: Stage, at: u64) {
        if let Some(message) = self.messages.get_mut(key) {
            (message.stage, message.at) = (stage, at);
        }
    }

    fn receiving_port(&self, path: usize, direction: usize) -> usize {
        let p = &self.paths[path];
        match direction {
            TO_ARRAY => p.array_port as usize,
            _ => p.host_port as usize,
        }
    }

    fn foresee(&mut self, port: usize, direction: usize, at: u64, bytes: u64) -> Option<u64> {
        let port = match direction {
            TO_ARRAY => &mut self.array_ports[port],
            _ => &mut self.host_ports[port],
        };
        port.foresee(self.now, at, bytes)
    }

    /// A message reaches the receiving port: when it is through.
    #[inline]
    pub(crate) fn through_port(&mut self, key: Key) -> Option<u64> {
        let &message = self.messages.get(key)?;
        if message.kept {
            return None;
        }
        let path = self.conns.at(message.conn).path as usize;
        let direction = usize::from(message.direction);
        let index = self.receiving_port(path, direction);
        let port = match direction {
            TO_ARRAY => &mut self.array_ports[index],
            _ => &mut self.host_ports[index],
        };
        let through = port.rx.pass(self.now, u64::from(message.bytes));
        self.reaches(key, Stage::Through, through);
        Some(through)
    }

    pub(crate) fn enter_limiter(&mut self, key: Key) {
        let Some(&message) = self.messages.get(key) else {
            return;
        };
        if message.kept {
            return;
        }
        let path = self.conns.at(message.conn).path;
        let direction = usize::from(message.direction);
        let command = matches!(message.body, Body::Command(_));
        let now = self.now;
        self.reaches(key, Stage::Waiting, u64::MAX);
        let limiter = &mut self.paths[path as usize].limiter[direction];
        if let Some(leaves) = limiter.enter(now, key, u64::from(message.bytes), command) {
            self.limiter_timer(path, direction, leaves);
        }
    }

    pub(crate) fn limiter_timer(&mut self, path: u32, direction: usize, leaves: u64) {
        let turn = self.paths[path as usize].limiter[direction].turn;
        let index = path * 2 + direction as u32;
        self.schedule(leaves, Kind::LimiterDone, Key { index, turn });
    }

    pub(crate) fn leave_limiter(&mut self, key: Key) {
        let (path, direction) = (key.index / 2, (key.index % 2) as usize);
        let now = self.now;
        let limiter = &mut self.paths[path as usize].limiter[direction];
        if limiter.turn != key.turn {
            return;
        }
        let Some((message, next)) = limiter.leave(now) else {
            return;
        };
        if let Some(leaves) = next {
            self.limiter_timer(path, direction, leaves);
        }
        if self.messages.get(message).is_some_and(|m| !m.kept) {
            self.launch(message, now);
        }
    }

    /// A message is through the receiver's port.
    pub(crate) fn deliver(&mut self, key: Key) {
        let Some(message) = self.messages.get_mut(key) else {
            return;
        };
        if message.kept {
            return;
        }
        let direction = usize::from(message.direction);
        let conn = self.conns.at_mut(message.conn);
        if !conn.kept[direction].is_empty() {
            message.kept = true;
            conn.kept[direction].push_back(key);
            return;
        }
        let (index, body) = (message.conn, message.body);
        self.messages.remove(key);
        if direction == TO_ARRAY {
            self.at_array(index, body);
        } else {
            self.at_host(index, body);
        }
        self.unref(index);
    }

    /// A direction of a path dies, or one more fault holds it dead.
    pub(crate) fn die(&mut self, path: u32, direction: usize) {
        let p = &mut self.paths[path as usize];
        p.dead[direction] += 1;
        if p.dead[direction] > 1 {
            return;
        }
        p.heal_turn[direction] = p.heal_turn[direction].wrapping_add(1);
        let mut lost: Vec<(u64, Key)> = self
            .messages
            .iter()
            .filter(|(_, m)| {
                usize::from(m.direction) == direction
                    && !m.kept
                    && self.conns.at(m.conn).path == path
            })
            .map(|(key, m)| (m.sequence, key))
            .collect();
        lost.sort_unstable_by_key(|&(sequence, _)| sequence);
        for (_, key) in lost {
            if let Some(message) = self.messages.get_mut(key) {
                message.kept = true;
                self.conns.at_mut(message.conn).kept[direction].push_back(key);
            }
        }
        if direction == TO_ARRAY {
            let now = self.now;
            let p = &mut self.paths[path as usize];
            if !p.silent {
                p.dead_since = now;
                p.silent = true;
            }
            self.watch_keep_alive(path);
        }
    }

    pub(crate) fn heal(&mut self, path: u32, direction: usize) {
        let p = &mut self.paths[path as usize];
        p.dead[direction] -= 1;
        if p.dead[direction] > 0 {
            return;
        }
        if direction == TO_ARRAY {
            p.keep_alive_turn = p.keep_alive_turn.wrapping_add(1);
        }
        let key = Key {
            index: path * 2 + direction as u32,
            turn: p.heal_turn[direction],
        };
        self.schedule(self.now + RETRANSMIT.0, Kind::Retransmit, key);
    }

    pub(crate) fn retransmit(&mut self, key: Key) {
        let (path, direction) = ((key.index / 2) as usize, (key.index % 2) as usize);
        if self.paths[path].heal_turn[direction] != key.turn {
            return;
        }
        if direction == TO_ARRAY {
            self.paths[path].silent = false;
        }
        // A delivery may make the array forget a connection, so the list is walked as it was.
        for conn in self.paths[path].conns.clone() {
            let mut kept = std::mem::take(&mut self.conns.at_mut(conn).kept[direction]);
            for key in kept.drain(..) {
                let Some(message) = self.messages.get_mut(key) else {
                    continue;
                };
                message.kept = false;
                self.deliver(key);
            }
            let slot = self.conns.at_mut(conn);
            if slot.kept[direction].is_empty() && slot.kept[direction].capacity() == 0 {
                slot.kept[direction] = kept;
            }
        }
    }

    /// A sender that closes while its direction is dead (or has not yet sent again what it kept) loses all it has sent.
    pub(crate) fn lose_unsent(&mut self, conn: u32, direction: usize) {
        let c = self.conns.at(conn);
        let dead = self.paths[c.path as usize].dead[direction] > 0;
        if !dead && c.kept[direction].is_empty() {
            return;
        }
        self.conns.at_mut(conn).kept[direction].clear();
        let lost: Vec<(Key, Body)> = self
            .messages
            .iter()
            .filter(|(_, m)| {
                m.conn == conn
                    && usize::from(m.direction) == direction
                    && !(direction == TO_HOST && matches!(m.body, Body::Broken))
            })
            .map(|(key, m)| (key, m.body))
            .collect();
        for (key, body) in lost {
            self.messages.remove(key);
            self.discard(body);
            self.unref(conn);
        }
    }

    /// Nobody will ever see this message.
    pub(crate) fn discard(&mut self, body: Body) {
        match body {
            Body::Command(command) => self.drop_command(command),
            Body::Answer {
                data: Some(data), ..
            } => self.data.release(data),
            _ => {}
        }
    }

    /// One message or command less names this connection.
    #[inline]
    pub(crate) fn unref(&mut self, conn: u32) {
        let c = self.conns.at_mut(conn);
        c.refs -= 1;
        if c.refs == 0 {
            self.forget_if_over(conn);
        }
    }

    #[inline]
    pub(crate) fn forget_if_over(&mut self, conn: u32) {
        let c = self.conns.at(conn);
        if c.refs == 0 && !c.host_open && c.array == ArrayEnd::Closed {
            self.forget(conn);
        }
    }
}
