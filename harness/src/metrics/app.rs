//! What the applications saw in one segment.

use super::AppDone;
use super::latency::Latency;
use super::window::Merge;
use crate::scenario::metric::ERRNOS;
use protocol::{Duration, Instant, Op};

/// Reads, writes, or the rest (discards and write-zeroes).
#[derive(Debug, Default)]
pub struct Class {
    pub ios: u64,
    pub errors: u64,
    pub bytes: u64,
    /// Of the I/Os that failed.
    pub failed_bytes: u64,
    pub latency: Latency,
}

impl Merge for Class {
    fn merge(&mut self, other: &Self) {
        self.ios += other.ios;
        self.errors += other.errors;
        self.bytes += other.bytes;
        self.failed_bytes += other.failed_bytes;
        self.latency.merge(&other.latency);
    }
}

#[derive(Debug, Default)]
pub struct App {
    pub stall_max_ns: u64,
    pub read: Class,
    pub write: Class,
    pub other: Class,
    pub flush_ios: u64,
    pub flush_errors: u64,
    /// Failures of all kinds, flushes too, by what they failed with; in the order of `ERRNOS`.
    pub errnos: [u64; ERRNOS.len()],
    /// Without error, after the scenario's duration: they are in no rate.
    pub drained_ios: u64,
    pub drained_bytes: u64,
}

impl App {
    /// Counts a completion; its latency, if it is one of a read, write or discard. The run drains after `duration_end`.
    #[inline]
    pub fn completed(
        &mut self,
        now: Instant,
        duration_end: Instant,
        done: &AppDone,
    ) -> Option<Duration> {
        let failed = u64::from(!done.ok());
        if failed > 0 {
            self.note_errno(done.errno);
        }
        let class = match done.op {
            Op::Read => &mut self.read,
            Op::Write => &mut self.write,
            Op::Discard | Op::WriteZeroes => &mut self.other,
            Op::Flush => {
                self.flush_ios += 1;
                self.flush_errors += failed;
                return None;
            }
        };
        let latency = now.since(done.since);
        class.ios += 1;
        class.errors += failed;
        class.bytes += done.bytes;
        class.failed_bytes += done.bytes * failed;
        class.latency.record(latency);
        if now > duration_end && done.ok() {
            self.drained_ios += 1;
            self.drained_bytes += done.bytes;
        }
        Some(latency)
    }

    #[cold]
    fn note_errno(&mut self, errno: i32) {
        if let Some(index) = ERRNOS.iter().position(|(_, n)| *n == errno) {
            self.errnos[index] += 1;
        }
    }

    fn sum(&self, of: impl Fn(&Class) -> u64) -> u64 {
        [&self.read, &self.write, &self.other].map(of).iter().sum()
    }

    pub fn ios(&self) -> u64 {
        self.sum(|class| class.ios)
    }

    pub fn errors(&self) -> u64 {
        self.sum(|class| class.errors)
    }

    pub fn bytes(&self) -> u64 {
        self.sum(|class| class.bytes)
    }

    pub fn failed_bytes(&self) -> u64 {
        self.sum(|class| class.failed_bytes)
    }

    /// Of reads, writes and discards together.
    pub fn latency(&self) -> Latency {
        let mut all = Latency::default();
        for class in [&self.read, &self.write, &self.other] {
            all.merge(&class.latency);
        }
        all
    }
}

impl Merge for App {
    fn merge(&mut self, other: &Self) {
        self.stall_max_ns = self.stall_max_ns.max(other.stall_max_ns);
        self.read.merge(&other.read);
        self.write.merge(&other.write);
        self.other.merge(&other.other);
        self.flush_ios += other.flush_ios;
        self.flush_errors += other.flush_errors;
        for (sum, more) in self.errnos.iter_mut().zip(&other.errnos) {
            *sum += more;
        }
        self.drained_ios += other.drained_ios;
        self.drained_bytes += other.drained_bytes;
    }
}

/// Since when nothing completes though something is outstanding.
#[derive(Debug, Default)]
pub struct Stall {
    outstanding: u64,
    since: Instant,
}

impl Stall {
    #[inline]
    pub fn submitted(&mut self, now: Instant) {
        if self.outstanding == 0 {
            self.since = now;
        }
        self.outstanding += 1;
    }

    /// How long nothing had completed before this.
    #[inline]
    pub fn completed(&mut self, now: Instant) -> Duration {
        let stalled = self.age(now);
        self.outstanding = self.outstanding.saturating_sub(1);
        self.since = now;
        stalled
    }

    #[inline]
    pub fn age(&self, now: Instant) -> Duration {
        if self.outstanding == 0 {
            return Duration::ZERO;
        }
        now.since(self.since)
    }

    pub fn waits(&self) -> bool {
        self.outstanding > 0
    }
}
