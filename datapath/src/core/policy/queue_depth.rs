//! Fewest commands in flight: `nvme_queue_depth_path`, `drivers/md/dm-ps-queue-length.c`.

use super::{View, cheapest};

#[inline]
pub fn choose(views: &[View], candidates: &[u16], cursor: &mut u32) -> u16 {
    cheapest(candidates, cursor, |p| {
        u64::from(views[usize::from(p)].inflight)
    })
}
