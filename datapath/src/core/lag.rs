//! This loop's own lateness. What came while the loop was not scheduled waits to be handled, so lateness looks like the silence of every
//! path, and must count against none.
//!
//! After it each path is given its time anew. But only so often: a loop that is late again and again would otherwise never see that a
//! path is silent, nor that a command is stuck. So each lateness is remembered with its length, and excuses no more than
//! itself and the time of one look.

use super::mutant::Mutant;
use super::{Core, times};
use protocol::{Duration, Instant};

/// So many latenesses are told apart; of more the oldest two are taken for one.
const KEPT: usize = 16;

#[derive(Debug, Default)]
pub(super) struct Lags {
    /// When each ended, and how long it was; oldest first.
    kept: Vec<(Instant, Duration)>,
}

impl Lags {
    pub(super) fn new() -> Lags {
        Lags {
            kept: Vec::with_capacity(KEPT + 1),
        }
    }

    fn note(&mut self, end: Instant, late: Duration) {
        self.kept.push((end, late));
        if self.kept.len() > KEPT {
            let (_, oldest) = self.kept.remove(0);
            self.kept[0].1 = self.kept[0].1 + oldest;
        }
    }

    /// How much of the time since then the loop was late.
    fn since(&self, at: Instant) -> Duration {
        let after = self.kept.iter().filter(|(end, _)| *end > at);
        let parts = after.map(|(end, late)| (*late).min(end.since(at)));
        parts.fold(Duration::ZERO, |sum, part| sum + part)
    }
}

impl Core {
    #[inline]
    pub(super) fn note_lag(&mut self, now: Instant) {
        if now > self.wake + times::LAG {
            self.lagged(now);
        }
    }

    #[cold]
    fn lagged(&mut self, now: Instant) {
        if self.config.mutant(Mutant::CountsOwnLag) {
            return;
        }
        // Every input until the deadline is served is as late: that is one lateness, not many.
        if self.resumed_at <= self.wake {
            self.lags.note(now, now.since(self.wake));
        } else if let Some((end, late)) = self.lags.kept.last_mut() {
            *late = *late + now.since(*end);
            *end = now;
        }
        self.resumed_at = now;
    }

    /// From when on the silence since `at` counts: a path that is looked at again within `look` loses no more than that by one lateness.
    pub(super) fn counted_from(&self, at: Instant, look: Duration) -> Instant {
        let anew = at.max(self.resumed_at);
        anew.min(at + self.lags.since(at) + look)
    }

    /// When what was sent at `at` has been out for the hard limit. What waits to be handled after a lateness is handled first.
    pub(super) fn timeout_at(&self, at: Instant) -> Instant {
        let end = at + self.lags.since(at) + self.config.io_timeout;
        end.max(self.resumed_at + times::RECHECK)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: fn(u64) -> Duration = Duration::from_millis;

    fn at(ms: u64) -> Instant {
        Instant(0) + MS(ms)
    }

    #[test]
    fn each_lateness_counts_once_and_no_more_than_the_time_since() {
        let mut lags = Lags::new();
        assert_eq!(lags.since(at(0)), MS(0));
        lags.note(at(100), MS(30));
        lags.note(at(200), MS(10));
        assert_eq!(lags.since(at(0)), MS(40));
        assert_eq!(lags.since(at(90)), MS(20), "ten of the thirty");
        assert_eq!(lags.since(at(100)), MS(10));
        assert_eq!(lags.since(at(200)), MS(0));
    }

    #[test]
    fn many_are_kept_in_bounded_room() {
        let mut lags = Lags::new();
        for n in 1..=1_000 {
            lags.note(at(n * 100), MS(10));
        }
        assert_eq!(lags.kept.len(), KEPT);
        assert_eq!(lags.since(at(0)), MS(10_000), "none is forgotten");
        assert_eq!(lags.since(at(99_850)), MS(20), "nor are the latest merged");
    }
}
