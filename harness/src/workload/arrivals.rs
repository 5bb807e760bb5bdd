//! Poisson arrivals: exponential gaps by inversion, with the crate's own logarithm so that they are the same on every
//! machine, and with the fractions of nanoseconds carried over so that high rates keep their mean.

use protocol::rng::Stream;
use protocol::{Duration, Instant};

pub struct Arrivals {
    stream: Stream,
    mean_gap_ns: f64,
    at: Instant,
    /// Not yet passed on, in 2⁻¹⁶ ns.
    carry: u64,
}

const TWO_POW_53: f64 = 9_007_199_254_740_992.0;
const FRACTION_BITS: u32 = 16;

impl Arrivals {
    /// `rate_milli`: I/Os per 1,000 s.
    pub fn new(stream: Stream, start: Duration, rate_milli: u64) -> Self {
        Arrivals {
            stream,
            mean_gap_ns: 1e12 / rate_milli.max(1) as f64,
            at: Instant(start.0),
            carry: 0,
        }
    }

    pub fn next(&mut self) -> Instant {
        // In (0, 1], so that the logarithm is finite.
        let unit = (self.stream.unit_u53() + 1) as f64 / TWO_POW_53;
        let gap_ns = -libm::log(unit) * self.mean_gap_ns;
        let fixed = (gap_ns * f64::from(1u32 << FRACTION_BITS)) as u64;
        let sum = fixed.saturating_add(self.carry);
        self.carry = sum & ((1 << FRACTION_BITS) - 1);
        self.at += Duration(sum >> FRACTION_BITS);
        self.at
    }
}
