//! Seeds for named random streams. Each consumer draws from its own, so that removing one shifts no other.

/// One step of SplitMix64 (Steele, Lea, Flood 2014): spreads neighbouring seeds over the whole space.
pub fn splitmix64(x: u64) -> u64 {
    let z = x.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// The seed of the stream `name` under the root `seed`.
pub fn stream_seed(seed: u64, name: &str) -> u64 {
    let mut h = splitmix64(seed);
    for byte in name.bytes() {
        h = splitmix64(h ^ u64::from(byte));
    }
    h
}

/// A small integer-only generator (SplitMix64), bit-equal on every machine.
#[derive(Clone, Debug)]
pub struct Stream(u64);

impl Stream {
    pub fn new(seed: u64, name: &str) -> Self {
        Stream(stream_seed(seed, name))
    }

    pub fn next_u64(&mut self) -> u64 {
        let out = splitmix64(self.0);
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        out
    }

    /// Uniform in `0..n` by the multiply-high method; 0 where `n` is 0.
    pub fn below(&mut self, n: u64) -> u64 {
        ((u128::from(self.next_u64()) * u128::from(n)) >> 64) as u64
    }

    /// Uniform in `lo..=hi`.
    pub fn between(&mut self, lo: u64, hi: u64) -> u64 {
        lo + self.below((hi - lo).saturating_add(1))
    }

    /// True in `percent` of 100 draws.
    pub fn percent(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }

    /// 53 uniform bits, for callers that turn them into a unit interval with `libm`.
    pub fn unit_u53(&mut self) -> u64 {
        self.next_u64() >> 11
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neighbouring_seeds_give_different_streams() {
        let mut firsts: Vec<u64> = (0..1000).map(|s| Stream::new(s, "x").next_u64()).collect();
        firsts.sort_unstable();
        firsts.dedup();
        assert_eq!(firsts.len(), 1000);
    }

    #[test]
    fn below_stays_below() {
        let mut s = Stream::new(1, "b");
        for n in 1..100 {
            assert!(s.below(n) < n);
        }
    }
}
