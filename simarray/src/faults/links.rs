//! `reset`, `delay`, `throttle`. (`drop` is the transport's own: a dead direction.)

use crate::api::Fault;
use crate::array::Array;
use crate::wire::{TO_ARRAY, TO_HOST};

impl Array {
    pub(super) fn start_reset(&mut self, paths: &[u32]) {
        for &path in paths {
            self.paths[path as usize].resets += 1;
            self.break_path(path);
        }
    }

    /// Every connection of the path breaks, at both ends, now.
    pub(super) fn break_path(&mut self, path: u32) {
        for conn in self.paths[path as usize].conns.clone() {
            self.break_both_ends(conn);
        }
    }

    /// What the active `delay` faults add to one message.
    #[cold]
    pub(crate) fn drawn_delay(&mut self, path: usize) -> u64 {
        let mut total = 0u64;
        for i in 0..self.paths[path].delays.len() {
            let slot = self.paths[path].delays[i] as usize;
            let Some(active) = &mut self.faults[slot] else {
                continue;
            };
            let Fault::Delay {
                add_lo,
                add_hi,
                jitter,
                ..
            } = &active.fault
            else {
                continue;
            };
            let add = active.stream.between(add_lo.0, add_hi.0.max(add_lo.0));
            let wide = active.stream.between(0, jitter.0.saturating_mul(2));
            total = total.saturating_add((add.saturating_add(wide)).saturating_sub(jitter.0));
        }
        // A delay beyond any run keeps the message for good without overflowing the clock.
        total.min(u64::MAX / 4)
    }

    /// The path's own limits follow its configuration and the throttles in force: the lowest counts.
    pub(super) fn limits_change(&mut self, path: u32) {
        let mut bits_per_s = self.paths[path as usize].bits_per_s;
        let mut gap_ns = 0;
        for &slot in &self.paths[path as usize].throttles {
            match self.faults[slot as usize].as_ref().map(|f| &f.fault) {
                Some(Fault::ThrottleBits { bits_per_s: b, .. }) => {
                    bits_per_s = if bits_per_s == 0 {
                        (*b).max(1)
                    } else {
                        bits_per_s.min((*b).max(1))
                    };
                }
                Some(Fault::ThrottleIops { milli_per_s, .. }) => {
                    gap_ns = gap_ns.max(1_000_000_000_000u64.div_ceil((*milli_per_s).max(1)));
                }
                _ => {}
            }
        }
        let now = self.now;
        for direction in [TO_ARRAY, TO_HOST] {
            // Only commands keep a distance, and they travel one way.
            let gap_ns = if direction == TO_ARRAY { gap_ns } else { 0 };
            let limiter = &mut self.paths[path as usize].limiter[direction];
            if let Some(leaves) = limiter.change(now, bits_per_s, gap_ns) {
                self.limiter_timer(path, direction, leaves);
            }
        }
    }
}
