//! A path's own limit below its ports: bandwidth (`rate` of the path, `throttle`) or commands per second. Messages wait
//! in one line for each direction, because a limit that changes while they wait changes when they leave.

use crate::slab::Key;
use crate::wire::serialise_ns;
use std::collections::VecDeque;

#[derive(Default)]
pub(crate) struct Limiter {
    /// In force now; 0 is none.
    bits_per_s: u64,
    /// Least distance of two commands' starts; 0 is none.
    gap_ns: u64,
    queue: VecDeque<Waiting>,
    head: Option<Head>,
    /// Messages are still on their way into the line until then.
    pub entering_until: u64,
    /// When the last message was through and when the last command began.
    last_leave: u64,
    last_command: Option<u64>,
    /// Makes the timer of a former head void.
    pub turn: u32,
}

#[derive(Clone, Copy)]
struct Waiting {
    message: Key,
    bytes: u64,
    command: bool,
}

#[derive(Clone, Copy)]
struct Head {
    starts: u64,
    leaves: u64,
}

impl Limiter {
    pub fn new(bits_per_s: u64) -> Self {
        Limiter {
            bits_per_s,
            ..Limiter::default()
        }
    }

    /// Whether messages must go through the line: it has a limit, or still holds some from when it had one.
    #[inline]
    pub fn in_use(&self, now: u64) -> bool {
        self.bits_per_s != 0
            || self.gap_ns != 0
            || self.entering_until >= now && self.entering_until != 0
            || !self.queue.is_empty()
    }

    /// A message joins; the time when the head leaves where the head changed by it.
    pub fn enter(&mut self, now: u64, message: Key, bytes: u64, command: bool) -> Option<u64> {
        self.queue.push_back(Waiting {
            message,
            bytes,
            command,
        });
        if self.queue.len() == 1 {
            self.start(now)
        } else {
            None
        }
    }

    fn start(&mut self, now: u64) -> Option<u64> {
        let w = *self.queue.front()?;
        let gate = match self.last_command {
            Some(at) if w.command => at.saturating_add(self.gap_ns),
            _ => 0,
        };
        let starts = now.max(self.last_leave).max(gate);
        let leaves = starts.saturating_add(serialise_ns(w.bytes, self.bits_per_s));
        self.head = Some(Head { starts, leaves });
        self.turn = self.turn.wrapping_add(1);
        Some(leaves)
    }

    /// The head leaves: which message, and when the next one will.
    pub fn leave(&mut self, now: u64) -> Option<(Key, Option<u64>)> {
        let w = self.queue.pop_front()?;
        let head = self.head.take();
        self.last_leave = now;
        if w.command {
            self.last_command = head.map(|h| h.starts);
        }
        Some((w.message, self.start(now)))
    }

    /// The line behind everything that is in it; `each` is told what that is, and when it will leave if the limits stay as
    /// they are.
    pub fn ahead(&self, each: &mut dyn FnMut(Key, u64)) -> Ahead {
        let mut ahead = Ahead {
            bits_per_s: self.bits_per_s,
            gap_ns: self.gap_ns,
            free_at: self.last_leave,
            last_command: self.last_command,
        };
        for (n, w) in self.queue.iter().enumerate() {
            match self.head {
                Some(head) if n == 0 => {
                    ahead.free_at = head.leaves;
                    if w.command {
                        ahead.last_command = Some(head.starts);
                    }
                }
                _ => {
                    ahead.pass(0, w.bytes, w.command);
                }
            }
            each(w.message, ahead.free_at);
        }
        ahead
    }

    /// The limits change; the new time when the head leaves.
    pub fn change(&mut self, now: u64, bits_per_s: u64, gap_ns: u64) -> Option<u64> {
        let before = std::mem::replace(&mut self.bits_per_s, bits_per_s);
        self.gap_ns = gap_ns;
        let head = self.head?;
        if head.starts >= now {
            return self.start(now);
        }
        // The head is half through: what is left of it goes on at the new rate.
        let left_ns = head.leaves.saturating_sub(now);
        let bits = u128::from(left_ns) * u128::from(before);
        let leaves = match bits_per_s {
            0 => now,
            rate => {
                let ns = u64::try_from(bits.div_ceil(u128::from(rate))).unwrap_or(u64::MAX);
                now.saturating_add(ns)
            }
        };
        self.head = Some(Head { leaves, ..head });
        self.turn = self.turn.wrapping_add(1);
        Some(leaves)
    }
}

/// A limiter's line as it will be: what more comes passes it in thought.
#[derive(Clone, Copy)]
pub(crate) struct Ahead {
    bits_per_s: u64,
    gap_ns: u64,
    free_at: u64,
    last_command: Option<u64>,
}

impl Ahead {
    fn starts(&self, at: u64, command: bool) -> u64 {
        let gate = match self.last_command {
            Some(last) if command => last.saturating_add(self.gap_ns),
            _ => 0,
        };
        at.max(self.free_at).max(gate)
    }

    pub fn peek(&self, at: u64, bytes: u64, command: bool) -> u64 {
        let starts = self.starts(at, command);
        starts.saturating_add(serialise_ns(bytes, self.bits_per_s))
    }

    pub fn pass(&mut self, at: u64, bytes: u64, command: bool) -> u64 {
        let starts = self.starts(at, command);
        if command {
            self.last_command = Some(starts);
        }
        self.free_at = starts.saturating_add(serialise_ns(bytes, self.bits_per_s));
        self.free_at
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(index: u32) -> Key {
        Key { index, turn: 1 }
    }

    #[test]
    fn a_slower_rate_stretches_what_is_left() {
        let mut l = Limiter::new(8_000_000_000);
        assert_eq!(l.enter(0, key(1), 100, false), Some(100));
        assert_eq!(l.enter(0, key(2), 100, false), None);
        assert_eq!(l.change(50, 4_000_000_000, 0), Some(150));
        let (message, next) = l.leave(150).unwrap();
        assert_eq!((message, next), (key(1), Some(350)));
        assert_eq!(l.change(350, 0, 0), Some(350));
        assert_eq!(l.leave(350).unwrap(), (key(2), None));
        assert!(!l.in_use(351));
    }

    #[test]
    fn commands_keep_their_distance_and_other_messages_need_none() {
        let mut l = Limiter::default();
        l.change(0, 0, 1000);
        assert_eq!(l.enter(10, key(1), 72, true), Some(10));
        assert_eq!(l.leave(10).unwrap(), (key(1), None));
        assert_eq!(l.enter(20, key(2), 40, false), Some(20));
        assert_eq!(l.leave(20).unwrap(), (key(2), None));
        assert_eq!(l.enter(30, key(3), 72, true), Some(1010));
        assert_eq!(l.change(100, 0, 500), Some(510));
        assert_eq!(l.leave(510).unwrap(), (key(3), None));
    }
}
