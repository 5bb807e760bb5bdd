//! What is counted from events in one segment: plain numbers, summed or the largest of them.

use super::window::Merge;
use crate::scenario::metric::RULES;

#[derive(Clone, Copy, Debug, Default)]
pub struct Events {
    pub failovers: u64,
    pub detect_max_ns: u64,
    pub redispatch_max_ns: u64,
    pub retried: u64,
    pub lost_alone: u64,
    pub hedges_issued: u64,
    pub hedges_won: u64,
    pub fence_ranges: u64,
    pub fence_held: u64,
    pub fence_held_max_ns: u64,
    pub fence_overflow: u64,
    pub shadow_writes: u64,
    pub shadow_reads: u64,
    pub shadow_bytes_max: u64,
    pub flips: u64,
    pub failbacks: u64,
    pub failback_max_ns: u64,
    pub array_ios: u64,
    pub array_duplicates: u64,
    pub registrations: u64,
    pub no_path_ns: u64,
    pub no_path_failed: u64,
    /// The shortest and the longest time after which an outage's first failure came, if any did.
    pub fails_after_ns: Option<(u64, u64)>,
    pub requests_max: u64,
    /// In the order of `RULES`.
    pub rules: [u64; RULES.len()],
}

impl Events {
    /// The first failure of an outage came after so long.
    pub fn failed_after(&mut self, ns: u64) {
        let (min, max) = self.fails_after_ns.unwrap_or((ns, ns));
        self.fails_after_ns = Some((min.min(ns), max.max(ns)));
    }
}

impl Merge for Events {
    fn merge(&mut self, other: &Self) {
        self.failovers += other.failovers;
        self.detect_max_ns = self.detect_max_ns.max(other.detect_max_ns);
        self.redispatch_max_ns = self.redispatch_max_ns.max(other.redispatch_max_ns);
        self.retried += other.retried;
        self.lost_alone += other.lost_alone;
        self.hedges_issued += other.hedges_issued;
        self.hedges_won += other.hedges_won;
        self.fence_ranges += other.fence_ranges;
        self.fence_held += other.fence_held;
        self.fence_overflow += other.fence_overflow;
        self.fence_held_max_ns = self.fence_held_max_ns.max(other.fence_held_max_ns);
        self.shadow_writes += other.shadow_writes;
        self.shadow_reads += other.shadow_reads;
        self.shadow_bytes_max = self.shadow_bytes_max.max(other.shadow_bytes_max);
        self.flips += other.flips;
        self.failbacks += other.failbacks;
        self.failback_max_ns = self.failback_max_ns.max(other.failback_max_ns);
        self.array_ios += other.array_ios;
        self.array_duplicates += other.array_duplicates;
        self.registrations += other.registrations;
        self.no_path_ns += other.no_path_ns;
        self.no_path_failed += other.no_path_failed;
        self.requests_max = self.requests_max.max(other.requests_max);
        if let Some((min, max)) = other.fails_after_ns {
            self.failed_after(min);
            self.failed_after(max);
        }
        for (sum, more) in self.rules.iter_mut().zip(&other.rules) {
            *sum += more;
        }
    }
}
