//! The world's own calendar: everything that happens at a time and is not the array's. Events of one instant keep the
//! order in which they were put in, so that a run is the same run every time.

use protocol::Instant;
use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// Something that is due.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Due {
    /// A core wants to be called.
    Deadline {
        core: u32,
    },
    /// A message of a sibling shard arrives; `message` names it in the world's store.
    Peer {
        core: u32,
        message: u32,
    },
    /// A closed-loop slot submits.
    Slot {
        workload: u32,
        slot: u32,
    },
    /// The next I/O of an open workload arrives.
    Arrival {
        workload: u32,
    },
    FaultStart {
        fault: u32,
    },
    FaultEnd {
        fault: u32,
        run: u32,
    },
    /// A flapping fault changes sides.
    Flap {
        fault: u32,
        run: u32,
    },
    /// Nothing is submitted any more.
    Stop,
    /// The drain has taken as long as it may.
    GiveUp,
}

#[derive(Debug, Default)]
pub struct Queue {
    heap: BinaryHeap<Reverse<(Instant, u64, Due)>>,
    seq: u64,
}

impl Queue {
    #[inline]
    pub fn push(&mut self, at: Instant, due: Due) {
        self.seq += 1;
        self.heap.push(Reverse((at, self.seq, due)));
    }

    #[inline]
    pub fn next_at(&self) -> Option<Instant> {
        self.heap.peek().map(|Reverse((at, _, _))| *at)
    }

    #[inline]
    pub fn pop(&mut self) -> Option<(Instant, Due)> {
        self.heap.pop().map(|Reverse((at, _, due))| (at, due))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_of_one_instant_keep_their_order() {
        let mut q = Queue::default();
        q.push(Instant(5), Due::Stop);
        q.push(Instant(5), Due::Deadline { core: 0 });
        q.push(Instant(3), Due::GiveUp);
        let order: Vec<Due> = std::iter::from_fn(|| q.pop().map(|(_, d)| d)).collect();
        assert_eq!(order, [Due::GiveUp, Due::Stop, Due::Deadline { core: 0 }]);
    }
}
