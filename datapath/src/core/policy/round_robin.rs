//! In turn, whatever the paths' load: `drivers/md/dm-ps-round-robin.c` with a repeat count of 1, `nvme_round_robin_path`.

#[inline]
pub fn choose(candidates: &[u16], cursor: &mut u32) -> u16 {
    let at = *cursor as usize % candidates.len();
    *cursor = (at + 1) as u32;
    candidates[at]
}
