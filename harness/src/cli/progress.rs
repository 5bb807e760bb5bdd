//! A progress bar on a terminal, nothing in a pipe. It counts runs in thousandths, so that one long run moves it too.

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use protocol::{Duration, Instant};
use std::time;

const STEPS: u64 = 1_000;

pub struct Progress {
    bar: ProgressBar,
}

impl Progress {
    pub fn new(runs: usize, shown: bool) -> Progress {
        let bar = ProgressBar::new(runs as u64 * STEPS);
        if shown {
            bar.set_draw_target(ProgressDrawTarget::stderr());
            if let Ok(style) = ProgressStyle::with_template(
                " {wide_bar:.cyan/dim} {percent:>3}%  {msg}  {elapsed}",
            ) {
                bar.set_style(style);
            }
            bar.enable_steady_tick(time::Duration::from_millis(200));
        } else {
            bar.set_draw_target(ProgressDrawTarget::hidden());
        }
        Progress { bar }
    }

    /// One run: tell it the virtual time, and when it is over.
    pub fn run(&self, name: &str, lasts: Duration) -> Run<'_> {
        if !self.bar.is_hidden() {
            self.bar.set_message(name.to_string());
        }
        Run {
            progress: self,
            lasts: lasts.nanos().max(1),
            shown: 0,
        }
    }

    /// Writes to the terminal without the bar in between.
    pub fn suspended<T>(&self, write: impl FnOnce() -> T) -> T {
        self.bar.suspend(write)
    }

    pub fn finish(&self) {
        self.bar.finish_and_clear();
    }
}

pub struct Run<'p> {
    progress: &'p Progress,
    lasts: u64,
    shown: u64,
}

impl Run<'_> {
    pub fn at(&mut self, now: Instant) {
        let part = u128::from(now.0) * u128::from(STEPS) / u128::from(self.lasts);
        self.advance((part as u64).min(STEPS - 1));
    }

    fn advance(&mut self, to: u64) {
        if to > self.shown {
            self.progress.bar.inc(to - self.shown);
            self.shown = to;
        }
    }
}

impl Drop for Run<'_> {
    fn drop(&mut self) {
        self.advance(STEPS);
    }
}
