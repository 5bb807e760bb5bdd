//! A core in steady state: so many commands are out, and each that is answered is replaced. The ring does nothing.

use crate::{request, up};
use datapath::core::{Action, Actions, Core, Input, Policy, Ticket};
use protocol::{Duration, Instant, PathId, Status};

/// Commands out at any time.
const DEPTH: usize = 128;
/// Virtual time from one answer to the next.
const STEP: Duration = Duration::from_nanos(800);

pub struct Steady {
    core: Core,
    out: Actions,
    now: Instant,
    submitted: u64,
    sent: Vec<(PathId, Ticket)>,
    at: usize,
    large_every: u64,
}

impl Steady {
    /// One command in `large_every` is of 1 MiB; 0: none.
    pub fn new(policy: Policy, paths: u16, large_every: u64) -> Self {
        let mut out = Actions::with_capacity(64);
        let mut steady = Steady {
            core: up(policy, paths, &mut out),
            out,
            now: Instant::ZERO,
            submitted: 0,
            sent: Vec::with_capacity(DEPTH),
            at: 0,
            large_every,
        };
        for _ in 0..DEPTH {
            let sent = steady.submit();
            steady.sent.push(sent);
        }
        steady
    }

    fn submit(&mut self) -> (PathId, Ticket) {
        self.submitted += 1;
        let input = Input::Submit(request(self.submitted, self.large_every));
        self.core.handle(self.now, input, &mut self.out);
        let Some(&Action::Issue { path, ticket, .. }) = self.out.as_slice().first() else {
            panic!("not issued");
        };
        self.out.clear();
        (path, ticket)
    }

    /// One I/O: an answer, its completion, and the next submission.
    #[inline]
    pub fn step(&mut self) {
        self.now += STEP;
        let (path, ticket) = self.sent[self.at];
        let status = Status::Ok;
        let input = Input::Done {
            path,
            ticket,
            status,
        };
        self.core.handle(self.now, input, &mut self.out);
        self.out.clear();
        self.sent[self.at] = self.submit();
        self.at = (self.at + 1) % DEPTH;
        if self.core.deadline().is_some_and(|d| d <= self.now) {
            self.core.on_deadline(self.now, &mut self.out);
            self.answer_probes();
        }
    }

    /// Paths that carry nothing are probed, and answer.
    fn answer_probes(&mut self) {
        let said: Vec<Action> = self.out.drain().collect();
        for probe in said {
            if let Action::Probe { path, ticket, .. } = probe {
                let status = Status::Ok;
                let input = Input::ProbeDone {
                    path,
                    ticket,
                    status,
                };
                self.core.handle(self.now, input, &mut self.out);
            }
        }
        self.out.clear();
    }

    pub fn end(self) {
        self.core.abandon();
    }
}
