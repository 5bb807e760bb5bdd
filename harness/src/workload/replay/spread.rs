//! Spreads the records of whole seconds inside them, by a seeded rule that keeps their order and needs bounded memory.

use super::overlay::{Item, Taker};
use crate::trace::TraceError;
use protocol::rng::Stream;

/// Records of one second that are looked at before the first of them is given out.
pub const MOST_AHEAD: usize = 65_536;
const NS_PER_S: u64 = 1_000_000_000;

pub struct Spread {
    stream: Stream,
    /// Of one second, or of a portion of it; `given` of them are out.
    items: Vec<Item>,
    given: usize,
    /// The part of the second that they are spread over.
    from_ns: u64,
    room_ns: u64,
    /// Where what is left of the second begins, if more of it comes.
    rest: Option<(u64, u64)>,
}

impl Spread {
    pub fn new(stream: Stream) -> Self {
        Spread {
            stream,
            items: Vec::new(),
            given: 0,
            from_ns: 0,
            room_ns: 0,
            rest: None,
        }
    }

    pub fn next(&mut self, taker: &mut Taker) -> Result<Option<Item>, TraceError> {
        if self.given == self.items.len() && !self.gather(taker)? {
            return Ok(None);
        }
        let Some(mut item) = self.items.get(self.given).copied() else {
            return Ok(None);
        };
        let drawn_ns = self.stream.below(self.room_ns.max(1));
        let part = self.given as u64 * self.room_ns + drawn_ns;
        item.at_ns = self.from_ns.saturating_add(part / self.items.len() as u64);
        self.given += 1;
        Ok(Some(item))
    }

    /// Takes the records of the next second or portion; false at the trace's end.
    fn gather(&mut self, taker: &mut Taker) -> Result<bool, TraceError> {
        self.items.clear();
        self.given = 0;
        let Some(first) = taker.next()? else {
            return Ok(false);
        };
        let second_ns = first.at_ns;
        self.items.push(first);
        let mut more = false;
        loop {
            match taker.next() {
                // An error comes again, once these are given out.
                Ok(None) | Err(_) => break,
                Ok(Some(item)) => {
                    let same = item.at_ns == second_ns;
                    if same && self.items.len() < MOST_AHEAD {
                        self.items.push(item);
                        continue;
                    }
                    taker.ahead = Some(item);
                    more = same;
                    break;
                }
            }
        }
        let (from_ns, left_ns) = match self.rest {
            Some((from_ns, left_ns)) => (from_ns, left_ns),
            None => (second_ns, NS_PER_S),
        };
        self.from_ns = from_ns;
        self.room_ns = if more { left_ns / 2 } else { left_ns };
        self.rest = more.then_some((from_ns.saturating_add(self.room_ns), left_ns - self.room_ns));
        Ok(true)
    }
}
