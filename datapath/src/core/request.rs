//! One accepted I/O and the guard that makes its single completion certain.

use super::api::{Action, BufId, Outcome};
use super::mutant::{Mutant, Planted};
use super::out::Actions;
use super::verdict::EIO;
use protocol::{Duration, Instant};

/// Exists exactly as long as an accepted request has not been completed. It cannot be copied, and dropping it is a
/// defect that stops the process: an application must never wait for an answer that nobody will send.
#[derive(Debug)]
#[must_use = "a request must be completed"]
pub struct Guard {
    cookie: u64,
}

impl Guard {
    pub fn new(cookie: u64) -> Self {
        Guard { cookie }
    }

    /// The one completion.
    pub fn complete(self, outcome: Outcome, out: &mut Actions) {
        out.push(Action::Complete {
            cookie: self.cookie,
            outcome,
        });
        std::mem::forget(self);
    }

    /// The whole daemon ends: the front end keeps the request for its successor.
    pub fn abandon(self) {
        std::mem::forget(self);
    }
}

impl Request {
    #[inline]
    pub fn cookie(&self) -> u64 {
        self.guard.as_ref().map_or(0, |g| g.cookie)
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            panic!("request {} was dropped without a completion", self.cookie);
        }
    }
}

#[derive(Debug)]
pub struct Request {
    /// `None`: the slot is free.
    pub guard: Option<Guard>,
    pub buf: BufId,
    pub blocks: u32,
    /// Commands that are not over yet.
    pub pieces_left: u32,
    /// The first failure wins.
    pub errno: Option<i32>,
    pub failfast: bool,
    next_free: u32,
    /// Since when parts of it are written again; `Instant::MAX`: none is.
    again_since: Instant,
}

/// The requests in the core, in slots that are used again: no allocation once the table has grown to its working size.
#[derive(Debug)]
pub struct Requests {
    slots: Vec<Request>,
    free: u32,
    pub live: u32,
    planted: Planted,
}

const NONE: u32 = u32::MAX;
/// Of no request: the guard of one that a planted defect has completed too early.
const SPENT: u64 = u64::MAX;

impl Requests {
    /// With room for `n` of them.
    pub fn new(n: usize, planted: Planted) -> Self {
        Requests {
            slots: Vec::with_capacity(n),
            free: NONE,
            live: 0,
            planted,
        }
    }

    pub fn insert(
        &mut self,
        cookie: u64,
        buf: BufId,
        blocks: u32,
        failfast: bool,
        pieces: u32,
    ) -> u32 {
        self.live += 1;
        let request = Request {
            guard: Some(Guard::new(cookie)),
            buf,
            blocks,
            pieces_left: pieces,
            errno: None,
            failfast,
            next_free: NONE,
            again_since: Instant::MAX,
        };
        if self.free == NONE {
            self.slots.push(request);
            return (self.slots.len() - 1) as u32;
        }
        let index = self.free;
        let slot = &mut self.slots[index as usize];
        self.free = slot.next_free;
        *slot = request;
        index
    }

    /// One command of the request is over; completes the request when it was the last.
    #[inline]
    pub fn piece_over(&mut self, index: u32, errno: Option<i32>, out: &mut Actions) {
        let slot = &mut self.slots[index as usize];
        slot.errno = slot.errno.or(errno);
        if self.planted.has(Mutant::LastPieceWins) {
            slot.errno = errno;
        }
        slot.pieces_left -= 1;
        if self.planted.has(Mutant::CompletesWithFirstPiece)
            && slot.pieces_left > 0
            && slot.cookie() != SPENT
            && let Some(guard) = slot.guard.replace(Guard::new(SPENT))
        {
            guard.complete(slot.errno.map_or(Outcome::Ok, Outcome::Errno), out);
        }
        if slot.pieces_left > 0 {
            return;
        }
        let outcome = slot.errno.map_or(Outcome::Ok, Outcome::Errno);
        let guard = slot.guard.take().expect("a live request has its guard");
        slot.next_free = self.free;
        self.free = index;
        if !self.planted.has(Mutant::CounterLeak) {
            self.live -= 1;
        }
        if self.planted.has(Mutant::DoubleCompletion) && outcome != Outcome::Ok {
            let cookie = guard.cookie;
            out.push(Action::Complete { cookie, outcome });
        }
        if self.planted.has(Mutant::CompletesWithFirstPiece) && guard.cookie == SPENT {
            return guard.abandon();
        }
        guard.complete(outcome, out);
    }

    /// One that no application asked for is over: nobody is told.
    pub fn unasked_over(&mut self, index: u32) {
        let slot = &mut self.slots[index as usize];
        if let Some(guard) = slot.guard.take() {
            guard.abandon();
        }
        slot.next_free = self.free;
        self.free = index;
        self.live -= 1;
    }

    /// Whatever becomes of its commands, the request fails.
    pub fn fail(&mut self, index: u32, errno: i32) {
        self.slots[index as usize].errno.get_or_insert(errno);
    }

    /// Parts of the request must be written again. Not if it fails anyway, or has been written again for so long.
    pub fn written_again(&mut self, index: u32, now: Instant, limit: Duration) -> bool {
        let slot = &mut self.slots[index as usize];
        slot.again_since = slot.again_since.min(now);
        if now.since(slot.again_since) >= limit {
            slot.errno.get_or_insert(EIO);
        }
        slot.errno.is_none()
    }

    /// One command more of it is not over.
    pub fn one_more(&mut self, index: u32) {
        self.slots[index as usize].pieces_left += 1;
    }

    #[inline]
    pub fn get(&self, index: u32) -> &Request {
        &self.slots[index as usize]
    }

    pub fn abandon_all(&mut self) {
        for slot in &mut self.slots {
            if let Some(guard) = slot.guard.take() {
                guard.abandon();
            }
        }
        self.live = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[should_panic(expected = "without a completion")]
    fn a_dropped_guard_stops_the_process() {
        drop(Guard::new(7));
    }

    #[test]
    fn the_last_piece_completes_with_the_first_failure() {
        let mut out = Actions::default();
        let mut r = Requests::new(1, Planted::default());
        let i = r.insert(9, BufId(0), 24, false, 3);
        r.piece_over(i, None, &mut out);
        r.piece_over(i, Some(61), &mut out);
        assert!(out.is_empty());
        r.piece_over(i, Some(5), &mut out);
        assert_eq!(
            out.as_slice(),
            [Action::Complete {
                cookie: 9,
                outcome: Outcome::Errno(61)
            }]
        );
        assert_eq!(r.live, 0);
    }
}
