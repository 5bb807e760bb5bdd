//! One preferred path: the nearest to this shard's node, the first among equals (`nvme_find_path` with `numa`).

use super::View;

#[inline]
pub fn choose(views: &[View], candidates: &[u16]) -> u16 {
    let mut best = candidates[0];
    for p in &candidates[1..] {
        if views[usize::from(*p)].distance < views[usize::from(best)].distance {
            best = *p;
        }
    }
    best
}
