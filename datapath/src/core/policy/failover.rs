//! One path, the others stand by: the first in the order of configuration.

#[inline]
pub fn choose(candidates: &[u16]) -> u16 {
    candidates[0]
}
