//! The attempt table: one slot for each command that is not over, linked into the list of whatever it waits for.
//!
//! A slot is one command of a request (a request that exceeds the transfer limit has several). It is in exactly one
//! state and in at most one list. Each time it is sent, or stops being what it was, its generation grows: an answer
//! with an older generation is never believed.

use super::api::{Epoch, Ticket};
use protocol::{Instant, Op, VolumeId};

pub const NONE: u32 = u32::MAX;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum State {
    Free,
    /// Waits for a usable path, in its volume's queue.
    Queued,
    /// Waits for a time.
    Delayed,
    InFlight,
    /// A lost write: waits for the end of its association.
    Held,
    /// A lost write: waits until every sibling shard has noted its range.
    Noting,
    /// A write that overlaps a range in doubt, or that a recovered daemon may not send yet.
    Barred,
    /// A write that overlaps what is in doubt: waits until every sibling shard has noted that its data are kept. Then it is
    /// sent, or, if it was answered with success before, completed.
    Kept,
    KeptAnswered,
    /// A write that fails, but only once every sibling shard has noted its range.
    Failing,
    /// A write that succeeded: its completion waits for the end of attempts in doubt that overlap it.
    Answered,
    /// A flush that failed: waits until every sibling shard has noted it.
    Telling,
    /// A read whose request is over, by another attempt: in flight until its own answer, or its association's end.
    Orphan,
    /// Not an application's: a read on the data path.
    Probe,
}

/// What every command needs, in one cache line.
#[derive(Clone, Debug)]
#[repr(align(64))]
pub struct Slot {
    pub lba: u64,
    pub sent_at: Instant,
    pub generation: u32,
    pub request: u32,
    pub blocks: u32,
    pub buf_offset: u32,
    /// The work in flight on its path when it was sent, its own included.
    pub work: u32,
    prev: u32,
    next: u32,
    pub volume: VolumeId,
    pub path: u16,
    pub state: State,
    pub op: Op,
    pub fua: bool,
    /// Something went wrong before: its `Cold` says what.
    pub touched: bool,
}

/// What only a command needs with which something went wrong.
#[derive(Clone, Copy, Debug)]
pub struct Cold {
    /// Paths that refused it in this round, paths barred for good (DNR), and paths that gave an answer which may be the
    /// path's fault or the volume's: they are blamed when another path succeeds.
    pub tried: u128,
    pub forbidden: u128,
    pub blamed: u128,
    /// When the latest attempt was lost; `Instant::MAX`: none was, or it was sent again.
    pub lost_at: Instant,
    /// When a path first refused it; `Instant::MAX`: none did.
    pub refused_at: Instant,
    /// Sibling shards that have not noted the range yet.
    pub acks_left: u32,
    /// The association that it was lost with.
    pub epoch: Epoch,
    /// What it fails with, once it may.
    pub errno: i32,
    /// It was sent before: it is not kept from being sent again, whatever came in doubt since.
    pub sent: bool,
    /// It overlaps another write that was uncompleted when one of them came in doubt.
    pub entangled: bool,
    /// Answers that may be the path's fault or the volume's.
    pub ambiguous: u8,
    /// Times that it was asked to wait: each wait is longer.
    pub waits: u8,
    /// Attempts that were lost with their path, and when the first was.
    pub losses: u8,
    pub first_lost_at: Instant,
    /// The other attempt of the same read that is out; `NONE`: there is none.
    pub twin: u32,
    /// Its attempt has a buffer of its own: it was sent as a hedge.
    pub own_buffer: bool,
    /// A hedge was sent for its attempt.
    pub hedged: bool,
    /// Its data are kept in memory: it need not wait for what is in doubt.
    pub shadowed: bool,
    /// A read: since it was sent a shadow over its blocks has come or gone; and how often it was read again for that.
    pub again: bool,
    pub agains: u8,
    /// No application's: it writes this shadow of the shard once more. 0: it does not.
    pub rewrites: u64,
}

const CLEAN: Cold = Cold {
    tried: 0,
    forbidden: 0,
    blamed: 0,
    lost_at: Instant::MAX,
    refused_at: Instant::MAX,
    acks_left: 0,
    epoch: Epoch(0),
    errno: 0,
    sent: false,
    entangled: false,
    ambiguous: 0,
    waits: 0,
    losses: 0,
    first_lost_at: Instant::MAX,
    twin: NONE,
    own_buffer: false,
    hedged: false,
    shadowed: false,
    again: false,
    agains: 0,
    rewrites: 0,
};

impl Slot {
    pub fn end(&self) -> u64 {
        self.lba.saturating_add(u64::from(self.blocks))
    }
}

/// A doubly linked list through the slots, oldest first.
#[derive(Clone, Copy, Debug)]
pub struct List {
    pub head: u32,
    tail: u32,
    pub len: u32,
}

impl Default for List {
    fn default() -> Self {
        List {
            head: NONE,
            tail: NONE,
            len: 0,
        }
    }
}

#[derive(Debug)]
pub struct Slots {
    slots: Vec<Slot>,
    cold: Vec<Cold>,
    free: u32,
    pub used: u32,
}

impl Slots {
    pub fn with_capacity(n: usize) -> Self {
        Slots {
            slots: Vec::with_capacity(n),
            cold: Vec::with_capacity(n),
            free: NONE,
            used: 0,
        }
    }

    #[inline]
    pub fn insert(&mut self, request: u32, op: Op, volume: VolumeId, lba: u64, blocks: u32) -> u32 {
        self.used += 1;
        if self.free == NONE {
            self.cold.push(CLEAN);
            self.slots.push(Slot {
                lba,
                sent_at: Instant::ZERO,
                generation: 0,
                request,
                blocks,
                buf_offset: 0,
                work: 0,
                prev: NONE,
                next: NONE,
                volume,
                path: 0,
                state: State::Free,
                op,
                fua: false,
                touched: false,
            });
            return (self.slots.len() - 1) as u32;
        }
        let index = self.free;
        let slot = &mut self.slots[index as usize];
        self.free = slot.next;
        slot.op = op;
        slot.fua = false;
        slot.volume = volume;
        slot.request = request;
        slot.lba = lba;
        slot.blocks = blocks;
        slot.buf_offset = 0;
        slot.next = NONE;
        if slot.touched {
            slot.touched = false;
            self.cold[index as usize] = CLEAN;
        }
        index
    }

    #[inline]
    pub fn cold(&self, index: u32) -> &Cold {
        &self.cold[index as usize]
    }

    pub fn cold_mut(&mut self, index: u32) -> &mut Cold {
        self.slots[index as usize].touched = true;
        &mut self.cold[index as usize]
    }

    /// The command is as one that was never sent.
    pub fn as_new(&mut self, index: u32) {
        self.slots[index as usize].touched = false;
        self.cold[index as usize] = CLEAN;
    }

    pub fn len(&self) -> u32 {
        self.slots.len() as u32
    }

    #[inline]
    pub fn remove(&mut self, index: u32) {
        self.used -= 1;
        let free = self.free;
        let slot = &mut self.slots[index as usize];
        slot.generation = slot.generation.wrapping_add(1);
        slot.state = State::Free;
        slot.prev = NONE;
        slot.next = free;
        self.free = index;
    }

    #[inline]
    pub fn ticket(&self, index: u32) -> Ticket {
        Ticket {
            slot: index,
            generation: self.slots[index as usize].generation,
        }
    }

    /// The slot that a ticket names, if the ticket is current.
    #[inline]
    pub fn current(&self, ticket: Ticket) -> Option<&Slot> {
        self.slots
            .get(ticket.slot as usize)
            .filter(|s| s.generation == ticket.generation)
    }

    #[inline]
    pub fn push_back(&mut self, list: &mut List, index: u32) {
        let slot = &mut self.slots[index as usize];
        slot.prev = list.tail;
        slot.next = NONE;
        if list.tail == NONE {
            list.head = index;
        } else {
            self.slots[list.tail as usize].next = index;
        }
        list.tail = index;
        list.len += 1;
    }

    #[inline]
    pub fn unlink(&mut self, list: &mut List, index: u32) {
        let (prev, next) = {
            let slot = &self.slots[index as usize];
            (slot.prev, slot.next)
        };
        if prev == NONE {
            list.head = next;
        } else {
            self.slots[prev as usize].next = next;
        }
        if next == NONE {
            list.tail = prev;
        } else {
            self.slots[next as usize].prev = prev;
        }
        list.len -= 1;
    }

    #[inline]
    pub fn pop_front(&mut self, list: &mut List) -> Option<u32> {
        let head = list.head;
        if head == NONE {
            return None;
        }
        self.unlink(list, head);
        Some(head)
    }

    /// The requests whose commands of this kind are not over. For slow paths: it looks at every slot.
    pub fn of(&self, volume: VolumeId, op: Op) -> impl Iterator<Item = u32> + '_ {
        let live = |s: &&Slot| !matches!(s.state, State::Free | State::Probe);
        let all = self.slots.iter().filter(live);
        all.filter(move |s| s.volume == volume && s.op == op)
            .map(|s| s.request)
    }

    /// Writes (and discards, and write-zeroes) that were sent at least once and are not over. For slow paths: it looks
    /// at every slot.
    pub fn sent_writes(&self) -> impl Iterator<Item = u32> + '_ {
        (0..self.len()).filter(|s| self.is_sent_write(*s))
    }

    pub fn is_sent_write(&self, s: u32) -> bool {
        super::ranges::stepped();
        let slot = &self[s];
        let live = !matches!(slot.state, State::Free | State::Probe);
        let sent = slot.state == State::InFlight || slot.touched && self.cold(s).sent;
        live && sent && slot.op.mutates()
    }

    /// How many of a list of commands in flight were sent by `until`: it stops at the first that was not.
    pub fn sent_by(&self, list: &List, until: Instant) -> u32 {
        let mut count = 0;
        let mut at = list.head;
        while at != NONE && self.slots[at as usize].sent_at <= until {
            count += 1;
            at = self.slots[at as usize].next;
        }
        count
    }

    /// When the first of a list of commands in flight that was sent at `at` or later was sent; `Instant::MAX`: none was.
    pub fn sent_since(&self, list: &List, at: Instant) -> Instant {
        let mut s = list.head;
        while s != NONE {
            let slot = &self.slots[s as usize];
            if slot.sent_at >= at {
                return slot.sent_at;
            }
            s = slot.next;
        }
        Instant::MAX
    }

    /// The member after `index` in its list.
    #[inline]
    pub fn after(&self, index: u32) -> u32 {
        self.slots[index as usize].next
    }

    /// The list's members, oldest first. For slow paths: it allocates.
    pub fn members(&self, list: &List) -> Vec<u32> {
        let mut all = Vec::with_capacity(list.len as usize);
        let mut at = list.head;
        while at != NONE {
            all.push(at);
            at = self.slots[at as usize].next;
        }
        all
    }
}

impl std::ops::Index<u32> for Slots {
    type Output = Slot;
    #[inline]
    fn index(&self, index: u32) -> &Slot {
        &self.slots[index as usize]
    }
}

impl std::ops::IndexMut<u32> for Slots {
    #[inline]
    fn index_mut(&mut self, index: u32) -> &mut Slot {
        &mut self.slots[index as usize]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_keeps_its_order_through_removals() {
        let mut s = Slots::with_capacity(8);
        let mut list = List::default();
        let ids: Vec<u32> = (0..5)
            .map(|n| s.insert(0, Op::Read, VolumeId(0), n, 1))
            .collect();
        for id in &ids {
            s.push_back(&mut list, *id);
        }
        s.unlink(&mut list, ids[2]);
        s.unlink(&mut list, ids[0]);
        s.unlink(&mut list, ids[4]);
        assert_eq!(s.members(&list), [ids[1], ids[3]]);
        assert_eq!(s.pop_front(&mut list), Some(ids[1]));
        assert_eq!(s.pop_front(&mut list), Some(ids[3]));
        assert_eq!(s.pop_front(&mut list), None);
        assert_eq!(list.len, 0);
    }

    #[test]
    fn a_slot_used_again_does_not_answer_to_its_old_ticket() {
        let mut s = Slots::with_capacity(1);
        let a = s.insert(0, Op::Read, VolumeId(0), 0, 1);
        let old = s.ticket(a);
        s.remove(a);
        let b = s.insert(0, Op::Read, VolumeId(0), 0, 1);
        assert_eq!(a, b);
        assert!(s.current(old).is_none());
        assert!(s.current(s.ticket(b)).is_some());
    }

    use proptest::prelude::*;
    use std::collections::VecDeque;

    proptest! {
        #![proptest_config(ProptestConfig {
            rng_seed: proptest::test_runner::RngSeed::Fixed(1),
            failure_persistence: None,
            ..ProptestConfig::default()
        })]

        /// Slots and lists against plain queues: order, lengths, free slots, and tickets that are current exactly while
        /// their slot is in use.
        #[test]
        fn slots_and_lists_are_as_plain_queues(ops in prop::collection::vec((0..5u8, any::<u16>()), 1..300)) {
            let mut slots = Slots::with_capacity(4);
            let mut lists = [List::default(); 3];
            let mut plain: [VecDeque<u32>; 3] = Default::default();
            let mut old: Vec<Ticket> = Vec::new();
            let mut most = 0;
            for (op, n) in ops {
                let (from, to) = (usize::from(n) % 3, usize::from(n / 3) % 3);
                let at = usize::from(n / 9);
                match op {
                    0 | 1 => {
                        let s = slots.insert(0, Op::Read, VolumeId(0), 0, 1);
                        prop_assert_eq!(slots.cold(s).tried, 0);
                        prop_assert!(!slots[s].touched);
                        slots[s].state = State::Queued;
                        slots.cold_mut(s).tried = 1;
                        slots.push_back(&mut lists[to], s);
                        plain[to].push_back(s);
                    }
                    2 => {
                        let head = slots.pop_front(&mut lists[from]);
                        prop_assert_eq!(head, plain[from].pop_front());
                        if let Some(s) = head {
                            slots.push_back(&mut lists[to], s);
                            plain[to].push_back(s);
                        }
                    }
                    _ if plain[from].is_empty() => {}
                    _ => {
                        let at = at % plain[from].len();
                        let s = plain[from].remove(at).expect("within its length");
                        slots.unlink(&mut lists[from], s);
                        if op == 3 {
                            old.push(slots.ticket(s));
                            slots.remove(s);
                        } else {
                            slots.push_back(&mut lists[to], s);
                            plain[to].push_back(s);
                        }
                    }
                }
                let used: usize = plain.iter().map(VecDeque::len).sum();
                most = most.max(used);
                prop_assert_eq!(slots.used as usize, used);
                prop_assert_eq!(slots.slots.len(), most, "free slots are used again");
                for (list, plain) in lists.iter().zip(&plain) {
                    prop_assert_eq!(list.len as usize, plain.len());
                    prop_assert_eq!(&slots.members(list), &Vec::from(plain.clone()));
                }
                for ticket in &old {
                    prop_assert!(slots.current(*ticket).is_none());
                }
            }
        }
    }
}
