//! Shortest expected delay: the queue that a command would join, times what each place in that queue has cost lately
//! on this path. By Little's law the product is the expected latency, whatever the path's bottleneck is. A path whose
//! oldest command is older than its own tail is charged that age too, so that a stall is felt before it is answered.

use super::{View, cheapest};
use protocol::Instant;

#[inline]
pub fn choose(now: Instant, views: &[View], candidates: &[u16], cursor: &mut u32) -> u16 {
    cheapest(candidates, cursor, |p| {
        let v = &views[usize::from(p)];
        let queue = u64::from(v.inflight) + 1;
        let mut cost = queue.saturating_mul(v.slot_fp) >> View::FRACTION;
        if v.inflight > 0 {
            let age = now.since(v.oldest);
            if age > v.tail {
                cost = cost.saturating_add(age.0);
            }
        }
        cost
    })
}
