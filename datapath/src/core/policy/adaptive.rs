//! Shortest expected delay: what the unloaded path takes, and what each command that is ahead in its queue adds. Both are
//! learned from answers (see [`View::sample`]), so that a far path and a crowded one are told apart: the far one stays
//! far, the crowded one is fine as soon as its queue is gone. A path whose oldest command is older than its own tail is
//! charged that age too, so that a stall is felt before it is answered.
//!
//! Estimates are noisy. Among the paths that are within a quarter of the shortest delay the one with the fewest commands
//! gets the next: equal paths share equally, instead of drifting wherever chance has led them.

use super::{View, cheapest};
use protocol::Instant;

#[inline]
fn delay(now: Instant, v: &View) -> u64 {
    let queue = (u64::from(v.inflight) + 1).saturating_mul(v.slope_fp);
    let mut delay = v.base_fp.saturating_add(queue) >> View::FRACTION;
    if v.inflight > 0 {
        let age = now.since(v.oldest);
        if age > v.tail {
            delay = delay.saturating_add(age.0);
        }
    }
    delay
}

#[inline]
pub fn choose(now: Instant, views: &[View], candidates: &[u16], cursor: &mut u32) -> u16 {
    let mut shortest = u64::MAX;
    for p in candidates {
        shortest = shortest.min(delay(now, &views[usize::from(*p)]));
    }
    let near = shortest.saturating_add(shortest >> 2);
    cheapest(candidates, cursor, |p| {
        let v = &views[usize::from(p)];
        if delay(now, v) <= near {
            u64::from(v.inflight)
        } else {
            u64::from(u32::MAX) + 1
        }
    })
}
