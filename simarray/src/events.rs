//! The one queue of everything that will happen, in order of time and, at one time, of scheduling.
//!
//! It is the hottest structure of the simulation: entries are 24 bytes, and a heap with four children per node touches
//! half the levels of a binary one.

use crate::slab::Key;

/// What an event does. What its key names is said with each.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub(crate) enum Kind {
    /// A message has passed the receiving port.
    Deliver,
    /// A message reaches the receiving port, where it may have to wait for others.
    PortArrive,
    /// A message has left the sending port and comes to its path's own limit.
    LimiterEnter,
    /// The head of a path's limiter is through (path × 2 + direction, turn).
    LimiterDone,
    /// A command's service ends.
    ServiceEnd,
    /// A forwarded command reaches the owner.
    Forwarded,
    /// A command held by `late` is due.
    HeldDue,
    /// A message that was made earlier is sent now.
    SendLater,
    /// The keep-alive timeout of a path's associations (path, turn).
    KeepAlive,
    /// 200 ms after a dead direction healed (path × 2 + direction, turn).
    Retransmit,
    /// Nothing of this association executes any more (association).
    Quiesced,
    /// Ownership of a volume moves (volume, turn).
    Takeover,
}

const KINDS: [Kind; 12] = [
    Kind::Deliver,
    Kind::PortArrive,
    Kind::LimiterEnter,
    Kind::LimiterDone,
    Kind::ServiceEnd,
    Kind::Forwarded,
    Kind::HeldDue,
    Kind::SendLater,
    Kind::KeepAlive,
    Kind::Retransmit,
    Kind::Quiesced,
    Kind::Takeover,
];

#[derive(Clone, Copy)]
pub(crate) struct Event {
    pub at: u64,
    /// Order of scheduling, and the kind in the low four bits.
    order: u64,
    pub key: Key,
}

impl Event {
    pub fn kind(&self) -> Kind {
        KINDS[(self.order & 15) as usize]
    }

    /// One wide number to compare, which costs no branch.
    #[inline]
    fn rank(&self) -> u128 {
        (u128::from(self.at) << 64) | u128::from(self.order)
    }
}

pub(crate) struct Events {
    heap: Vec<Event>,
    next: u64,
}

impl Events {
    pub fn new() -> Self {
        Events {
            heap: Vec::new(),
            next: 0,
        }
    }

    pub fn next_at(&self) -> Option<u64> {
        self.heap.first().map(|e| e.at)
    }

    fn event(&mut self, at: u64, kind: Kind, key: Key) -> Event {
        let order = (self.next << 4) | kind as u64;
        self.next += 1;
        Event { at, order, key }
    }

    #[inline]
    pub fn push(&mut self, at: u64, kind: Kind, key: Key) {
        let event = self.event(at, kind, key);
        let rank = event.rank();
        let mut hole = self.heap.len();
        self.heap.push(event);
        while hole > 0 {
            let parent = (hole - 1) / 4;
            if rank >= self.heap[parent].rank() {
                break;
            }
            self.heap[hole] = self.heap[parent];
            hole = parent;
        }
        self.heap[hole] = event;
    }

    pub fn first(&self) -> Option<&Event> {
        self.heap.first()
    }

    #[inline]
    pub fn pop(&mut self) -> Option<Event> {
        let last = self.heap.pop()?;
        let Some(&first) = self.heap.first() else {
            return Some(last);
        };
        self.sift_down(last);
        Some(first)
    }

    /// Takes the first event away and schedules another: half the work of doing one after the other, above all where
    /// the new one is soon.
    #[inline]
    pub fn replace_first(&mut self, at: u64, kind: Kind, key: Key) {
        let event = self.event(at, kind, key);
        self.sift_down(event);
    }

    /// Finds the place of an event from the root on, where there is a hole.
    #[inline]
    fn sift_down(&mut self, event: Event) {
        let rank = event.rank();
        let heap = &mut self.heap[..];
        let mut hole = 0;
        loop {
            let child = hole * 4 + 1;
            let Some(children) = heap.get(child..(child + 4).min(heap.len())) else {
                break;
            };
            let (mut least, mut least_rank) = (0, u128::MAX);
            for (i, candidate) in children.iter().enumerate() {
                let candidate = candidate.rank();
                if candidate < least_rank {
                    (least, least_rank) = (i, candidate);
                }
            }
            if least_rank >= rank {
                break;
            }
            heap[hole] = heap[child + least];
            hole = child + least;
        }
        heap[hole] = event;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use protocol::rng::Stream;

    #[test]
    fn events_come_out_by_time_and_then_by_scheduling() {
        let mut events = Events::new();
        let mut stream = Stream::new(1, "events");
        let mut expected = Vec::new();
        for i in 0..2000u32 {
            let at = stream.below(300);
            events.push(at, KINDS[(i % 12) as usize], Key { index: i, turn: 1 });
            expected.push((at, i));
        }
        // The first makes room for another one.
        expected.sort_unstable();
        let i = expected[0].1;
        assert_eq!(events.first().unwrap().key.index, i);
        events.replace_first(
            77,
            KINDS[5],
            Key {
                index: 2009,
                turn: 1,
            },
        );
        expected[0] = (77, 2009);
        expected.sort_unstable();
        for (at, i) in expected {
            let event = events.pop().unwrap();
            assert_eq!((event.at, event.key.index), (at, i));
            assert_eq!(event.kind(), KINDS[(i % 12) as usize]);
        }
        assert!(events.pop().is_none());
    }
}
