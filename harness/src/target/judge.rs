//! What a read of a real device may return, judged by what its application knows: submissions and completions.
//!
//! Nobody tells here in which order writes took effect, as the simulated array does. So each stretch of blocks keeps its *candidates*, the
//! writes that it may hold. A write is one from its submission on. It stops being one when a write that was submitted after its completion
//! completes, or when a read shows that another one won although nothing was outstanding; a read that was submitted before may still return it.
//! A write that failed stays a candidate until a later write has completed: it may execute any time. What a device held before the run is one too.

use super::content::Found;
use std::collections::{BTreeMap, BTreeSet};

/// "Not yet", in the order of events.
const NEVER: u64 = u64::MAX;
/// The candidate that stands for what the device held before the run.
const BEFORE: u64 = 0;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Candidate {
    write: u64,
    zeroes: bool,
    submitted: u64,
    done: u64,
    failed: bool,
    /// When it stopped being one.
    gone: u64,
}

#[derive(Clone, Debug)]
struct Extent {
    end: u64,
    candidates: Vec<Candidate>,
}

/// A read or a write under way.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Io {
    pub first: u64,
    pub blocks: u32,
    /// A read's place in the order; a write's number, which its blocks carry.
    pub number: u64,
}

/// The judge of one device.
#[derive(Debug)]
pub struct Judge {
    extents: BTreeMap<u64, Extent>,
    order: u64,
    /// Places of the reads under way.
    reads: BTreeSet<u64>,
}

/// What a read shows that no legal order explains.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Wrong {
    pub rule: &'static str,
    pub text: String,
}

impl Judge {
    pub fn new(blocks: u64) -> Judge {
        let before = Candidate {
            write: BEFORE,
            zeroes: false,
            submitted: 0,
            done: 0,
            failed: false,
            gone: NEVER,
        };
        let all = Extent {
            end: blocks,
            candidates: vec![before],
        };
        Judge {
            extents: BTreeMap::from([(0, all)]),
            order: 0,
            reads: BTreeSet::new(),
        }
    }

    /// An extent begins at `at`, if the device has that block.
    fn split(&mut self, at: u64) {
        let Some((_, extent)) = self.extents.range_mut(..at).next_back() else {
            return;
        };
        if extent.end > at {
            let tail = extent.clone();
            extent.end = at;
            self.extents.insert(at, tail);
        }
    }

    fn isolate(&mut self, first: u64, end: u64) -> impl Iterator<Item = (&u64, &mut Extent)> {
        self.split(first);
        self.split(end);
        self.extents.range_mut(first..end)
    }

    /// A write, discard or write-zeroes is about to be submitted.
    pub fn write(&mut self, first: u64, blocks: u32, zeroes: bool) -> Io {
        self.order += 1;
        let number = self.order;
        let candidate = Candidate {
            write: number,
            zeroes,
            submitted: number,
            done: NEVER,
            failed: false,
            gone: NEVER,
        };
        for (_, extent) in self.isolate(first, first + u64::from(blocks)) {
            extent.candidates.push(candidate);
        }
        Io {
            first,
            blocks,
            number,
        }
    }

    pub fn written(&mut self, io: Io, ok: bool) {
        self.order += 1;
        let order = self.order;
        let oldest_read = self.reads.first().copied().unwrap_or(NEVER);
        for (_, extent) in self.isolate(io.first, io.first + u64::from(io.blocks)) {
            for c in &mut extent.candidates {
                if c.write == io.number {
                    c.done = order;
                    c.failed = !ok;
                } else if ok && c.done < io.number {
                    c.gone = c.gone.min(order);
                }
            }
            extent
                .candidates
                .retain(|c| c.gone == NEVER || c.gone > oldest_read);
        }
    }

    /// A read is about to be submitted.
    pub fn read(&mut self, first: u64, blocks: u32) -> Io {
        self.order += 1;
        self.reads.insert(self.order);
        Io {
            first,
            blocks,
            number: self.order,
        }
    }

    /// It came back; `found`: one for each block, or nothing where it failed.
    pub fn was_read(&mut self, io: Io, found: &[Found]) -> Option<Wrong> {
        self.order += 1;
        let order = self.order;
        self.reads.remove(&io.number);
        let mut wrong = None;
        let mut at = 0;
        while at < found.len() {
            // Blocks of one extent that show the same are judged together.
            let block = io.first + at as u64;
            let end = match self.extents.range(..=block).next_back() {
                Some((_, e)) => (e.end - io.first).min(found.len() as u64) as usize,
                None => break,
            };
            let same = found[at..end]
                .iter()
                .take_while(|f| **f == found[at])
                .count();
            let next = (at + same.max(1)).min(end.max(at + 1));
            let verdict = self.one(io, block, io.first + next as u64, found[at], order);
            wrong = wrong.or(verdict);
            at = next;
        }
        wrong
    }

    fn one(&mut self, io: Io, block: u64, end: u64, found: Found, order: u64) -> Option<Wrong> {
        let fits = |c: &Candidate| match found {
            Found::Write(n) => !c.zeroes && c.write == n && c.write != BEFORE,
            Found::Zeroes => c.zeroes || c.write == BEFORE,
            Found::Other => c.write == BEFORE,
            Found::Misplaced(_) | Found::Torn => false,
        };
        let (_, extent) = self.extents.range(..=block).next_back()?;
        let legal = |c: &&Candidate| c.gone > io.number && fits(c);
        let Some(seen) = extent.candidates.iter().find(legal).copied() else {
            return Some(Self::wrong(extent, block, found));
        };
        let live = || extent.candidates.iter().filter(|c| c.gone == NEVER);
        let settled = live().all(|c| c.done < io.number && !c.failed);
        let only = live().filter(|c| fits(c)).count() == 1 && seen.gone == NEVER;
        if settled && only && live().count() > 1 {
            for (_, extent) in self.isolate(block, end) {
                for c in &mut extent.candidates {
                    if c.write != seen.write {
                        c.gone = c.gone.min(order);
                    }
                }
            }
        }
        None
    }

    fn wrong(extent: &Extent, block: u64, found: Found) -> Wrong {
        let mut may: Vec<String> = extent
            .candidates
            .iter()
            .filter(|c| c.gone == NEVER)
            .map(|c| match (c.write, c.zeroes) {
                (BEFORE, _) => "what it held before the run".to_string(),
                (n, true) => format!("zeroes of write {n}"),
                (n, false) => format!("write {n}"),
            })
            .collect();
        may.truncate(4);
        let may = may.join(" or ");
        let (rule, what) = match found {
            Found::Torn => ("torn_write", "parts of two writes".to_string()),
            Found::Misplaced(b) => ("stale_read", format!("the data of block {b}")),
            Found::Write(n) => ("stale_read", format!("write {n}, which was overwritten")),
            Found::Zeroes => ("lost_write", "zeroes".to_string()),
            Found::Other => ("lost_write", "data that this run did not write".to_string()),
        };
        Wrong {
            rule,
            text: format!("block {block} holds {what}; it may hold {may}"),
        }
    }

    /// What was written, in pieces of at most `blocks`: to be read again at the end.
    pub fn touched(&self, blocks: u32) -> Vec<(u64, u32)> {
        let mut all: Vec<(u64, u64)> = Vec::new();
        for (first, extent) in &self.extents {
            if extent.candidates.iter().all(|c| c.write == BEFORE) {
                continue;
            }
            match all.last_mut() {
                Some((_, end)) if *end == *first => *end = extent.end,
                _ => all.push((*first, extent.end)),
            }
        }
        let step = u64::from(blocks.max(1));
        all.into_iter()
            .flat_map(|(first, end)| {
                (first..end)
                    .step_by(step as usize)
                    .map(move |at| (at, (end - at).min(step) as u32))
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reads(j: &mut Judge, found: Found) -> Option<&'static str> {
        let io = j.read(10, 1);
        j.was_read(io, &[found]).map(|w| w.rule)
    }

    #[test]
    fn what_was_there_may_be_read_until_it_is_overwritten() {
        let mut j = Judge::new(100);
        assert_eq!(reads(&mut j, Found::Other), None);
        let w = j.write(8, 4, false);
        assert_eq!(reads(&mut j, Found::Other), None);
        assert_eq!(reads(&mut j, Found::Write(w.number)), None);
        let early = j.read(10, 1);
        j.written(w, true);
        assert_eq!(reads(&mut j, Found::Other), Some("lost_write"));
        assert_eq!(reads(&mut j, Found::Zeroes), Some("lost_write"));
        assert_eq!(
            j.was_read(early, &[Found::Other]),
            None,
            "it was submitted before"
        );
        assert_eq!(j.touched(3), [(8, 3), (11, 1)]);
    }

    #[test]
    fn of_two_writes_at_once_either_may_win_but_it_stays() {
        let mut j = Judge::new(100);
        let (a, b) = (j.write(10, 1, false), j.write(10, 1, false));
        j.written(a, true);
        j.written(b, true);
        assert_eq!(reads(&mut j, Found::Write(a.number)), None);
        assert_eq!(
            reads(&mut j, Found::Write(b.number)),
            Some("stale_read"),
            "a ghost of the other came after"
        );
    }

    #[test]
    fn an_overwritten_write_that_comes_back_is_a_ghost() {
        let mut j = Judge::new(100);
        let a = j.write(10, 1, false);
        j.written(a, true);
        let b = j.write(10, 1, false);
        j.written(b, true);
        assert_eq!(reads(&mut j, Found::Write(a.number)), Some("stale_read"));
        assert_eq!(reads(&mut j, Found::Write(b.number)), None);
    }

    #[test]
    fn a_failed_write_is_unknown_until_a_later_one_has_completed() {
        let mut j = Judge::new(100);
        let a = j.write(10, 1, false);
        j.written(a, true);
        let b = j.write(10, 1, false);
        j.written(b, false);
        assert_eq!(reads(&mut j, Found::Write(a.number)), None);
        assert_eq!(reads(&mut j, Found::Write(b.number)), None);
        assert_eq!(reads(&mut j, Found::Write(a.number)), None);
        let c = j.write(10, 1, true);
        j.written(c, true);
        assert_eq!(reads(&mut j, Found::Write(b.number)), Some("stale_read"));
        assert_eq!(reads(&mut j, Found::Zeroes), None);
    }

    #[test]
    fn torn_and_misplaced_blocks_are_never_legal() {
        let mut j = Judge::new(100);
        assert_eq!(reads(&mut j, Found::Torn), Some("torn_write"));
        assert_eq!(reads(&mut j, Found::Misplaced(3)), Some("stale_read"));
    }

    #[test]
    fn a_read_over_several_extents_is_judged_block_by_block() {
        let mut j = Judge::new(100);
        let a = j.write(10, 2, false);
        j.written(a, true);
        let io = j.read(9, 4);
        let w = Found::Write(a.number);
        assert_eq!(j.was_read(io, &[Found::Other, w, w, Found::Zeroes]), None);
        let io = j.read(9, 4);
        let wrong = j.was_read(io, &[Found::Other, w, Found::Other, Found::Zeroes]);
        assert!(wrong.is_some_and(|w| w.text.starts_with("block 11 holds")));
    }
}
