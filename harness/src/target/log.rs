//! What a run in wall time records and judges, behind one lock that is never held over a system call. Times are read inside it, so that what
//! is told is in order.

use super::content::Found;
use super::judge::{self, Judge, Wrong};
use crate::metrics::{AppDone, Recorder};
use crate::report::model::{EventLine, Violation};
use protocol::{Instant, Op};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Violations whose texts are kept; all are counted.
const TEXTS_MAX: u64 = 100;

#[derive(Debug)]
pub struct State {
    pub recorder: Recorder,
    pub judge: Judge,
    pub events: Vec<EventLine>,
    pub first: Option<Violation>,
    pub violations: u64,
    /// Application I/Os under way.
    pub outstanding: u64,
    /// Threads that have not ended.
    threads: u64,
    /// Why the run cannot go on: the input's fault.
    pub failed: Option<String>,
}

#[derive(Debug)]
pub struct Log {
    begun: std::time::Instant, // determinism: a run on a real device is in wall time
    state: Mutex<State>,
    ended: Condvar,
}

impl Log {
    pub fn new(recorder: Recorder, blocks: u64) -> Log {
        Log {
            begun: std::time::Instant::now(), // determinism: a run on a real device is in wall time
            state: Mutex::new(State {
                recorder,
                judge: Judge::new(blocks),
                events: Vec::new(),
                first: None,
                violations: 0,
                outstanding: 0,
                threads: 0,
                failed: None,
            }),
            ended: Condvar::new(),
        }
    }

    pub fn now(&self) -> Instant {
        Instant(u64::try_from(self.begun.elapsed().as_nanos()).unwrap_or(u64::MAX))
    }

    pub fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn began(&self) {
        self.state().threads += 1;
    }

    pub fn ended(&self) {
        self.state().threads -= 1;
        self.ended.notify_all();
    }

    /// Waits until no thread is left, at most as long; false if some are.
    pub fn all_ended(&self, at_most: Duration) -> bool {
        let (state, _) = self
            .ended
            .wait_timeout_while(self.state(), at_most, |s| s.threads > 0)
            .unwrap_or_else(PoisonError::into_inner);
        state.threads == 0
    }

    pub fn fail(&self, text: String) {
        self.state().failed.get_or_insert(text);
    }

    /// An application's I/O is submitted; since when its latency runs.
    pub fn submitted(&self, since: Option<Instant>) -> Instant {
        let mut s = self.state();
        let now = self.now();
        s.outstanding += 1;
        s.recorder.app_submitted(now);
        since.unwrap_or(now)
    }

    pub fn completed(&self, workload: u16, op: Op, bytes: u64, since: Instant, errno: i32) {
        let mut s = self.state();
        let now = self.now();
        s.outstanding -= 1;
        let done = AppDone {
            workload,
            op,
            bytes,
            since,
            errno,
        };
        s.recorder.app_completed(now, done);
    }

    pub fn write(&self, first: u64, blocks: u32, zeroes: bool) -> judge::Io {
        self.state().judge.write(first, blocks, zeroes)
    }

    pub fn written(&self, io: judge::Io, ok: bool) {
        self.state().judge.written(io, ok);
    }

    pub fn read(&self, first: u64, blocks: u32) -> judge::Io {
        self.state().judge.read(first, blocks)
    }

    pub fn was_read(&self, io: judge::Io, found: &[Found]) {
        let mut s = self.state();
        if let Some(wrong) = s.judge.was_read(io, found) {
            self.violation(&mut s, wrong);
        }
    }

    pub fn broken(&self, rule: &'static str, text: String) {
        let mut s = self.state();
        self.violation(&mut s, Wrong { rule, text });
    }

    fn violation(&self, s: &mut State, wrong: Wrong) {
        let now = self.now();
        s.recorder.violation(wrong.rule);
        s.violations += 1;
        if s.violations > TEXTS_MAX {
            return;
        }
        s.events.push(EventLine {
            at_ns: now.0,
            kind: wrong.rule.to_string(),
            path: None,
            text: wrong.text.clone(),
        });
        s.first.get_or_insert(Violation {
            rule: wrong.rule.to_string(),
            at_ns: now.0,
            text: wrong.text,
        });
    }

    pub fn event(&self, kind: &str, text: String) {
        let mut s = self.state();
        let at_ns = self.now().0;
        s.events.push(EventLine {
            at_ns,
            kind: kind.to_string(),
            path: None,
            text,
        });
    }

    pub fn fault(&self, starts: bool) {
        let mut s = self.state();
        let now = self.now();
        if starts {
            s.recorder.fault_started(now);
        } else {
            s.recorder.fault_ended(now);
        }
    }
}
