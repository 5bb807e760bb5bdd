//! What the daemon asks of the kernel for itself, before its first thread. It serves the memory that the kernel wants to write out: where it
//! waited for memory of its own, both would wait for ever.
#![forbid(unsafe_code)]

use rustix::mm::{MlockAllFlags, mlockall};
use rustix::process::configure_io_flusher_behavior;

/// Threads that begin later inherit it. What the kernel refuses is told, and no reason not to serve.
pub fn prepare(lock_memory: bool) {
    if let Err(e) = configure_io_flusher_behavior(true) {
        tracing::warn!(
            "PR_SET_IO_FLUSHER: {e}; under memory pressure I/O may stall (CAP_SYS_RESOURCE gives it)"
        );
    }
    // Pages are locked when they are first touched: pools are mapped for the worst case, and most of it never comes.
    let flags = MlockAllFlags::CURRENT | MlockAllFlags::FUTURE | MlockAllFlags::ONFAULT;
    if lock_memory && let Err(e) = mlockall(flags) {
        tracing::warn!(
            "mlockall: {e}; the daemon may be swapped out (CAP_IPC_LOCK, or a larger LimitMEMLOCK, gives it; [daemon] lock_memory = false is silent)"
        );
    }
}

/// What systemd is told. Without systemd nobody listens.
pub fn tell(state: sd_notify::NotifyState) {
    if let Err(e) = sd_notify::notify(&[state]) {
        tracing::warn!("telling systemd: {e}");
    }
}

/// Feeds the watchdog for as long as every shard goes round: one that hangs starves it.
#[derive(Debug)]
pub struct Watchdog {
    every: std::time::Duration,
    fed_at: std::time::Instant,
    beats: Vec<u64>,
}

impl Watchdog {
    /// `None`: systemd does not watch this process.
    pub fn new(now: std::time::Instant) -> Option<Watchdog> {
        sd_notify::watchdog_enabled().map(|limit| Watchdog::every(limit / 3, now))
    }

    fn every(every: std::time::Duration, now: std::time::Instant) -> Watchdog {
        Watchdog {
            every,
            fed_at: now,
            beats: Vec::new(),
        }
    }

    /// Whether to feed it now.
    pub fn due(&mut self, now: std::time::Instant, beats: impl FnOnce() -> Vec<u64>) -> bool {
        if now.saturating_duration_since(self.fed_at) < self.every {
            return false;
        }
        let beats = beats();
        let first = self.beats.len() != beats.len();
        let alive = first || beats.iter().zip(&self.beats).all(|(now, was)| now > was);
        if alive {
            self.fed_at = now;
            self.beats = beats;
        }
        alive
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::{Duration, Instant};

    #[test]
    fn a_shard_that_hangs_starves_the_watchdog() {
        let (start, s) = (Instant::now(), Duration::from_secs(1));
        let mut w = Watchdog::every(10 * s, start);
        assert!(!w.due(start + 9 * s, || vec![1, 1]), "too soon");
        assert!(w.due(start + 10 * s, || vec![1, 1]));
        assert!(w.due(start + 20 * s, || vec![2, 2]));
        assert!(!w.due(start + 30 * s, || vec![3, 2]), "one hangs");
        assert!(!w.due(start + 31 * s, || vec![9, 2]));
        assert!(w.due(start + 32 * s, || vec![9, 3]), "it goes on");
    }
}
