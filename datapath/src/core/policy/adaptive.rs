//! Shortest expected delay: what the unloaded path takes, and what the work that is ahead in its queue adds. Both are
//! learned from answers (see [`View::sample`]), so that a far path and a crowded one are told apart: the far one stays
//! far, the crowded one is fine as soon as its queue is gone. Work counts bytes as well as commands, so a path with a
//! large I/O on its wire is a busy path, and a small I/O goes elsewhere. A path whose oldest command is older than its own
//! tail is charged that age too, so that a stall is felt before it is answered.
//!
//! Estimates are noisy. Among the paths that are within a quarter of the shortest delay the one with the least work gets
//! the next: equal paths share equally, instead of drifting wherever chance has led them.
//!
//! Non-optimised paths are spilled to where they would finish in less than half the time. What they would take is known:
//! idle ones are probed. If the queue is at the array's servers, which both kinds share, the probes wait in it too, and
//! nothing is spilled. The factor keeps the noise of single probes out of it, and costs nothing: where links are
//! full, the queue on them grows until the rest is spilled. A burst that is over in a moment spills nothing either: it has
//! to be so for a while.

use super::View;
use super::large::{Command, Large};
use protocol::Instant;

#[inline]
fn delay(now: Instant, v: &View, own: u32) -> u64 {
    // It fits: the queue is less than half of a word, the unit and the command are bounded.
    let delay = (v.queue_fp + u64::from(own) * v.unit_fp) >> View::FRACTION;
    if now > v.overdue_at {
        delay.saturating_add(now.since(v.oldest).0)
    } else {
        delay
    }
}

/// A candidate's delay and the work in its queue.
#[derive(Clone, Copy, Default, Debug)]
pub(super) struct Weighed {
    delay: u64,
    work: u32,
}

/// The shortest delay among `candidates`, and which of them has the least work of those that are near it. `scratch` has room for
/// each. A function of its own, so that its loops have the registers to themselves: inlined, they were up to a fifth longer.
#[inline(never)]
pub(super) fn least(
    views: &[View],
    candidates: &[u16],
    cursor: u32,
    scratch: &mut [Weighed],
    delay: impl Fn(u16, &View) -> u64,
) -> (u64, usize) {
    let mut shortest = u64::MAX;
    let weighed = &mut scratch[..candidates.len()];
    for (p, w) in candidates.iter().zip(weighed.iter_mut()) {
        let view = &views[usize::from(*p)];
        *w = Weighed {
            delay: delay(*p, view),
            work: view.work,
        };
        shortest = shortest.min(w.delay);
    }
    let near = shortest.saturating_add(shortest >> 2);
    let mut start = cursor as usize;
    if start >= candidates.len() {
        start %= candidates.len();
    }
    let (mut best, mut best_work) = (start, u32::MAX);
    let mut look = |from: usize, some: &[Weighed]| {
        for (at, w) in some.iter().enumerate() {
            if w.delay <= near && w.work < best_work {
                (best, best_work) = (from + at, w.work);
            }
        }
    };
    let (before, after) = weighed.split_at(start);
    look(start, after);
    look(0, before);
    (shortest, best)
}

#[derive(Debug)]
pub struct Memory {
    /// Scratch, one for each path.
    weighed: Vec<Weighed>,
    /// How clearly the paths of the best class are saturated.
    pressure: u32,
    pub large: Large,
}

impl Memory {
    pub fn new(large: Large, paths: usize) -> Self {
        Memory {
            large,
            weighed: vec![Weighed::default(); paths],
            pressure: 0,
        }
    }
}

/// Work of a command that counts as larger than any.
const OWN_MAX: u32 = 1 << 22;

/// So many more choices than not must have found the other paths better before one is made among them.
const SPILL_AT: u32 = 512;

/// `spill` are the paths of the next access class.
#[inline]
pub fn choose(
    now: Instant,
    views: &[View],
    candidates: &[u16],
    spill: &[u16],
    command: Command,
    cursor: &mut u32,
    memory: &mut Memory,
) -> u16 {
    let weighed = &mut memory.weighed;
    let own = command.work.min(OWN_MAX);
    let usual = |_: u16, v: &View| delay(now, v, own);
    let (shortest, best) = if memory.large.concerns(now, command) {
        let large = &mut memory.large;
        large.choose(now, views, candidates, command, *cursor, weighed)
    } else {
        least(views, candidates, *cursor, weighed, usual)
    };
    *cursor = (best + 1) as u32;
    if !spill.is_empty() {
        // A path that has shown no answer yet promises nothing.
        let promised = |p: u16, v: &View| {
            if v.known { usual(p, v) } else { u64::MAX }
        };
        let (other, instead) = least(views, spill, *cursor, weighed, promised);
        if other.saturating_mul(2) >= shortest {
            memory.pressure = memory.pressure.saturating_sub(1);
        } else if memory.pressure < SPILL_AT {
            memory.pressure += 1;
        } else {
            return spill[instead];
        }
    }
    candidates[best]
}
