//! Latencies: a histogram of three significant digits for the percentiles, and mean and maximum exactly, in integers.

use super::window::Merge;
use hdrhistogram::Histogram;
use protocol::Duration;

/// Longer ones count as this long in the percentiles (13 days): it bounds the histogram's memory.
const LONGEST_NS: u64 = 1 << 50;

/// The histogram is made with the first latency, because most segments of most paths never have one.
#[derive(Debug, Default)]
pub struct Latency {
    sum_ns: u128,
    max_ns: u64,
    histogram: Option<Histogram<u32>>,
}

#[cold]
fn new_histogram() -> Histogram<u32> {
    Histogram::new(3).expect("three significant digits are valid")
}

impl Latency {
    #[inline]
    pub fn record(&mut self, latency: Duration) {
        self.sum_ns += u128::from(latency.0);
        self.max_ns = self.max_ns.max(latency.0);
        self.histogram
            .get_or_insert_with(new_histogram)
            .record(latency.0.min(LONGEST_NS))
            .expect("the histogram resizes itself");
    }

    pub fn count(&self) -> u64 {
        self.histogram.as_ref().map_or(0, |h| h.len())
    }

    pub fn max_ns(&self) -> Option<u64> {
        self.histogram.as_ref().map(|_| self.max_ns)
    }

    /// Rounded to the nearest nanosecond.
    pub fn mean_ns(&self) -> Option<u64> {
        let count = u128::from(self.count());
        (count > 0).then(|| ((self.sum_ns + count / 2) / count) as u64)
    }

    /// The latency that `per_mille` of 1,000 I/Os do not exceed.
    pub fn percentile_ns(&self, per_mille: u32) -> Option<u64> {
        let histogram = self.histogram.as_ref()?;
        let value = histogram.value_at_quantile(f64::from(per_mille) / 1000.0);
        Some(value.min(self.max_ns))
    }

    /// One of `mean`, `p50`, `p90`, `p99`, `p999`, `max`.
    pub fn value(&self, name: &str) -> Option<u64> {
        match name {
            "mean" => self.mean_ns(),
            "p50" => self.percentile_ns(500),
            "p90" => self.percentile_ns(900),
            "p99" => self.percentile_ns(990),
            "p999" => self.percentile_ns(999),
            "max" => self.max_ns(),
            _ => None,
        }
    }
}

impl Merge for Latency {
    fn merge(&mut self, other: &Self) {
        self.sum_ns += other.sum_ns;
        self.max_ns = self.max_ns.max(other.max_ns);
        if let Some(more) = &other.histogram {
            self.histogram
                .get_or_insert_with(new_histogram)
                .add(more)
                .expect("the histogram resizes itself");
        }
    }
}
