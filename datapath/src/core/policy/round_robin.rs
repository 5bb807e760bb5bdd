//! In turn, whatever the paths' load.

#[inline]
pub fn choose(candidates: &[u16], cursor: &mut u32) -> u16 {
    let at = *cursor as usize % candidates.len();
    *cursor = (at + 1) as u32;
    candidates[at]
}
