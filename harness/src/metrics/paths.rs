//! What one path carried in one segment. A path is one of a host: its shards are summed.

use super::latency::Latency;
use super::window::{BySegment, Merge, Segment};
use protocol::{Instant, Op};

#[derive(Debug, Default)]
pub struct PathSegment {
    /// Commands that were answered.
    pub ios: u64,
    pub bytes: u64,
    /// Answered with a bad status, or abandoned with the connection.
    pub errors: u64,
    pub inflight_max: u32,
    pub latency: Latency,
}

impl Merge for PathSegment {
    fn merge(&mut self, other: &Self) {
        self.ios += other.ios;
        self.bytes += other.bytes;
        self.errors += other.errors;
        self.inflight_max = self.inflight_max.max(other.inflight_max);
        self.latency.merge(&other.latency);
    }
}

#[derive(Debug, Default)]
pub struct PathMetrics {
    pub inflight: u32,
    pub segments: BySegment<PathSegment>,
}

impl PathMetrics {
    #[inline]
    pub fn issued(&mut self, segment: Segment) {
        self.inflight += 1;
        let part = self.segments.at(segment);
        part.inflight_max = part.inflight_max.max(self.inflight);
    }

    #[inline]
    pub fn answered(
        &mut self,
        segment: Segment,
        now: Instant,
        op: Op,
        bytes: u64,
        sent: Instant,
        ok: bool,
    ) {
        self.inflight = self.inflight.saturating_sub(1);
        if op == Op::Flush {
            return;
        }
        let part = self.segments.at(segment);
        part.ios += 1;
        part.bytes += bytes;
        part.errors += u64::from(!ok);
        part.latency.record(now.since(sent));
    }

    #[inline]
    pub fn abandoned(&mut self, segment: Segment, op: Op) {
        self.inflight = self.inflight.saturating_sub(1);
        self.segments.at(segment).errors += u64::from(op != Op::Flush);
    }

    /// What is in flight when a segment begins is in flight in it.
    pub fn enter(&mut self, segment: Segment) {
        let part = self.segments.at(segment);
        part.inflight_max = part.inflight_max.max(self.inflight);
    }

    /// Answers so far, over all segments.
    pub fn ios(&self) -> u64 {
        self.segments.each().map(|part| part.ios).sum()
    }
}
