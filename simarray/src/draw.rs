//! Service times. The exponential draw is on every I/O's way, so it is an integer one: the logarithm of a 64-bit uniform
//! number is its count of leading zeroes times ln 2, plus a table over the mantissa with linear interpolation
//! (relative error of the mean below 10⁻⁵). Every draw is bit-equal on every machine: the table and the log-normal
//! come from the `libm` crate, never from the platform.

use crate::api::Tail;
use protocol::rng::Stream;

const ONE: f64 = 4_294_967_296.0;
const LN2_Q32: u64 = 2_977_044_472;

/// Draws the service times of one array, in order of arrival.
pub(crate) struct ServiceTimes {
    stream: Stream,
    tail: Tail,
    /// `-ln(1/2 + i/512)` as 32.32 fixed point.
    minus_ln: [u64; 257],
}

impl ServiceTimes {
    pub fn new(seed: u64, tail: Tail) -> Self {
        let mut minus_ln = [0; 257];
        for (i, entry) in minus_ln.iter_mut().enumerate() {
            *entry = libm::round(-libm::log(0.5 + i as f64 / 512.0) * ONE) as u64;
        }
        ServiceTimes {
            stream: Stream::new(seed, "array.service"),
            tail,
            minus_ln,
        }
    }

    /// A service time with this mean.
    #[inline]
    pub fn draw(&mut self, mean_ns: u64) -> u64 {
        match self.tail {
            Tail::Fixed => mean_ns,
            Tail::Exp => {
                let q32 = self.unit_exponential();
                ((u128::from(mean_ns) * u128::from(q32)) >> 32) as u64
            }
            Tail::Uniform => self.stream.between(0, mean_ns.saturating_mul(2)),
            Tail::Lognormal => self.lognormal(mean_ns),
        }
    }

    #[inline]
    fn unit_exponential(&mut self) -> u64 {
        let u = self.stream.next_u64() | 1;
        let zeros = u.leading_zeros();
        let mantissa = u << zeros;
        let i = ((mantissa >> 55) & 0xff) as usize;
        let part = (mantissa >> 23) & 0xffff_ffff;
        let step = self.minus_ln[i] - self.minus_ln[i + 1];
        u64::from(zeros) * LN2_Q32 + self.minus_ln[i] - ((step * part) >> 32)
    }

    /// `mean · exp(Z − 1/2)`: sigma 1 and the given mean, Z by Box and Muller.
    fn lognormal(&mut self, mean_ns: u64) -> u64 {
        let unit = 1.0 / (1u64 << 53) as f64;
        let u1 = (self.stream.unit_u53() + 1) as f64 * unit;
        let u2 = self.stream.unit_u53() as f64 * unit;
        let z = libm::sqrt(-2.0 * libm::log(u1)) * libm::cos(core::f64::consts::TAU * u2);
        libm::round(mean_ns as f64 * libm::exp(z - 0.5)) as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mean_and_deviation(tail: Tail, mean_ns: u64, n: u64) -> (f64, f64) {
        let mut times = ServiceTimes::new(7, tail);
        let (mut sum, mut squares) = (0.0, 0.0);
        for _ in 0..n {
            let t = times.draw(mean_ns) as f64 / mean_ns as f64;
            sum += t;
            squares += t * t;
        }
        let mean = sum / n as f64;
        (mean, libm::sqrt(squares / n as f64 - mean * mean))
    }

    #[test]
    fn every_tail_has_the_mean_that_is_given() {
        for (tail, deviation) in [
            (Tail::Fixed, 0.0),
            (Tail::Exp, 1.0),
            (Tail::Uniform, 0.577_350),
            (Tail::Lognormal, 1.310_832),
        ] {
            let (mean, got) = mean_and_deviation(tail, 120_000, 4_000_000);
            assert!((mean - 1.0).abs() < 0.005, "{tail:?}: mean {mean}");
            assert!((got - deviation).abs() < 0.03, "{tail:?}: deviation {got}");
        }
    }

    #[test]
    fn the_exponential_has_its_distribution() {
        let mut times = ServiceTimes::new(3, Tail::Exp);
        let n = 1_000_000;
        let mut above = [0u32; 6];
        for _ in 0..n {
            let t = times.draw(1_000_000);
            for (k, count) in above.iter_mut().enumerate() {
                *count += u32::from(t > k as u64 * 1_000_000);
            }
        }
        for (k, &count) in above.iter().enumerate() {
            let expected = libm::exp(-(k as f64)) * f64::from(n);
            let off = (f64::from(count) - expected).abs();
            assert!(
                off < 5.0 * libm::sqrt(expected) + 2.0,
                "tail at {k}: {count} for {expected}"
            );
        }
    }

    #[test]
    fn draws_are_the_same_on_every_machine() {
        let mut exp = ServiceTimes::new(1, Tail::Exp);
        let mut log = ServiceTimes::new(1, Tail::Lognormal);
        let exps: Vec<u64> = (0..4).map(|_| exp.draw(100_000)).collect();
        let logs: Vec<u64> = (0..4).map(|_| log.draw(100_000)).collect();
        assert_eq!(
            (exps, logs),
            (EXPECTED_EXP.to_vec(), EXPECTED_LOGNORMAL.to_vec())
        );
    }

    const EXPECTED_EXP: [u64; 4] = [110_497, 25_466, 137_186, 179_256];
    const EXPECTED_LOGNORMAL: [u64; 4] = [76_656, 139_016, 158_775, 26_271];
}
