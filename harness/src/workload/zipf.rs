//! Zipf-distributed slots (theta 0.99, the YCSB constant) in constant time and memory, for any number of slots.
//!
//! Ranks come from rejection-inversion (Hörmann and Derflinger, 1996), which needs no zeta sum over the slots. With theta
//! 0.99 the inverse of the integral is a hundredth power, that is, eight multiplications; the rare exact test uses
//! `libm`. Neighbouring ranks are then scattered over the slots by a permutation, so that hot blocks are not neighbours.

use protocol::rng::{Stream, splitmix64};

const THETA: f64 = 0.99;
/// 1 - THETA, written out: the subtraction would leave a rounding error.
const ONE_MINUS: f64 = 0.01;
const TWO_POW_53: f64 = 9_007_199_254_740_992.0;

pub struct Zipf {
    n: u64,
    integral_first: f64,
    integral_last: f64,
    squeeze: f64,
    scatter: Scatter,
}

/// The integral of x^-theta, with value 0 at 1.
fn integral(x: f64) -> f64 {
    (libm::pow(x, ONE_MINUS) - 1.0) / ONE_MINUS
}

/// Its inverse: (1 + u / 100)^100.
fn integral_inverse(u: f64) -> f64 {
    let base = 1.0 + u * ONE_MINUS;
    let p2 = base * base;
    let p4 = p2 * p2;
    let p8 = p4 * p4;
    let p16 = p8 * p8;
    let p32 = p16 * p16;
    let p64 = p32 * p32;
    p64 * p32 * p4
}

impl Zipf {
    /// Over `n` slots (at least one); `key` chooses the permutation.
    pub fn new(n: u64, key: u64) -> Self {
        let n = n.max(1);
        Zipf {
            n,
            integral_first: integral(1.5) - 1.0,
            integral_last: integral(n as f64 + 0.5),
            squeeze: 2.0 - integral_inverse(integral(2.5) - libm::pow(2.0, -THETA)),
            scatter: Scatter::new(n, key),
        }
    }

    /// A slot in `0..n`.
    pub fn slot(&self, stream: &mut Stream) -> u64 {
        self.scatter.apply(self.rank(stream) - 1)
    }

    /// A rank in `1..=n`; rank 1 is the most frequent.
    pub fn rank(&self, stream: &mut Stream) -> u64 {
        loop {
            let unit = stream.unit_u53() as f64 / TWO_POW_53;
            let u = self.integral_last + unit * (self.integral_first - self.integral_last);
            let x = integral_inverse(u);
            let rank = ((x + 0.5) as u64).clamp(1, self.n);
            let k = rank as f64;
            if k - x <= self.squeeze || u >= integral(k + 0.5) - libm::pow(k, -THETA) {
                return rank;
            }
        }
    }
}

/// A permutation of `0..n`: invertible steps on the next power of two, repeated until the value lies below `n`.
struct Scatter {
    n: u64,
    mask: u64,
    shift: u32,
    multipliers: [u64; 3],
    offset: u64,
}

impl Scatter {
    fn new(n: u64, key: u64) -> Self {
        let bits = 64 - n.saturating_sub(1).leading_zeros();
        let mut seed = key;
        let mut draw = || {
            seed = splitmix64(seed);
            seed
        };
        Scatter {
            n,
            mask: if bits == 64 {
                u64::MAX
            } else {
                (1u64 << bits) - 1
            },
            shift: bits.div_ceil(2).clamp(1, 63),
            multipliers: [draw() | 1, draw() | 1, draw() | 1],
            offset: draw(),
        }
    }

    fn apply(&self, value: u64) -> u64 {
        let mut v = value;
        loop {
            for multiplier in self.multipliers {
                v = v.wrapping_mul(multiplier).wrapping_add(self.offset) & self.mask;
                v ^= v >> self.shift;
            }
            if v < self.n {
                return v;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scatter_is_a_permutation() {
        for n in [1, 2, 3, 5, 64, 100, 1000, 4097] {
            let scatter = Scatter::new(n, 7);
            let mut all: Vec<u64> = (0..n).map(|v| scatter.apply(v)).collect();
            all.sort_unstable();
            assert_eq!(all, (0..n).collect::<Vec<_>>(), "n = {n}");
        }
    }

    #[test]
    fn ranks_have_their_frequencies() {
        let n = 1000;
        let zipf = Zipf::new(n, 1);
        let mut stream = Stream::new(1, "zipf");
        let draws = 1_000_000u64;
        let mut seen = vec![0u64; n as usize + 1];
        for _ in 0..draws {
            seen[zipf.rank(&mut stream) as usize] += 1;
        }
        let zeta: f64 = (1..=n).map(|k| (k as f64).powf(-THETA)).sum();
        for k in [1usize, 2, 3, 10, 100, 1000] {
            let expected = draws as f64 * (k as f64).powf(-THETA) / zeta;
            let sigma = expected.sqrt();
            let found = seen[k] as f64;
            assert!(
                (found - expected).abs() < 5.0 * sigma,
                "rank {k}: {found}, expected {expected} ± {sigma}"
            );
        }
    }

    #[test]
    fn huge_and_tiny_ranges_stay_inside() {
        let mut stream = Stream::new(3, "zipf");
        for n in [1, 2, 1 << 38] {
            let zipf = Zipf::new(n, 9);
            for _ in 0..10_000 {
                assert!(zipf.slot(&mut stream) < n);
            }
        }
    }

    /// The very values, so that a machine or a compiler that computes otherwise is found out.
    #[test]
    fn draws_are_pinned() {
        let zipf = Zipf::new(1 << 20, 1);
        let mut stream = Stream::new(1, "zipf");
        let ranks: Vec<u64> = (0..8).map(|_| zipf.rank(&mut stream)).collect();
        assert_eq!(ranks, PINNED);
    }

    const PINNED: [u64; 8] = [15, 346_934, 1689, 1, 5300, 581, 1, 9869];
}
