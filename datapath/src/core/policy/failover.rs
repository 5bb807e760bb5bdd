//! One path, the others stand by: the first in the order of configuration (multipath-tools' grouping policy `failover`, SPDK's
//! `active_passive`).

#[inline]
pub fn choose(candidates: &[u16]) -> u16 {
    candidates[0]
}
