//! The hot path allocates nothing once the tables have grown to their working size: submit, choose, issue, answer,
//! complete, and the deadlines in between, under every policy.

mod common;

use common::{request, up};
use datapath::core::{Action, Actions, Core, Input, Policy, Ticket};
use protocol::{Duration, Instant, PathId, Status};
use std::collections::VecDeque;

const DEPTH: usize = 128;

struct Loop {
    core: Core,
    out: Actions,
    sent: VecDeque<(PathId, Ticket, bool)>,
    now: Instant,
    n: u64,
    large_every: u64,
}

impl Loop {
    /// Keeps `DEPTH` commands out; `status` says how the nth answer ends.
    fn turn(&mut self, times: usize, status: impl Fn(u64) -> Status) {
        for _ in 0..times {
            self.now += Duration::from_micros(2);
            if self.core.deadline().is_some_and(|d| d <= self.now) {
                self.core.on_deadline(self.now, &mut self.out);
                self.note();
            }
            let input = match self.sent.len() < DEPTH {
                true => {
                    self.n += 1;
                    Input::Submit(request(self.n, self.large_every))
                }
                false => match self.sent.pop_front() {
                    Some((path, ticket, true)) => Input::ProbeDone {
                        path,
                        ticket,
                        status: Status::Ok,
                    },
                    Some((path, ticket, false)) => Input::Done {
                        path,
                        ticket,
                        status: status(self.n),
                    },
                    None => return,
                },
            };
            self.core.handle(self.now, input, &mut self.out);
            self.note();
        }
    }

    fn note(&mut self) {
        for action in self.out.drain() {
            match action {
                Action::Issue { path, ticket, .. } => self.sent.push_back((path, ticket, false)),
                Action::Probe { path, ticket, .. } => self.sent.push_back((path, ticket, true)),
                _ => {}
            }
        }
    }
}

fn warm(policy: datapath::core::Policy, large_every: u64) -> Loop {
    let mut out = Actions::with_capacity(64);
    let core = up(policy, 8, &mut out);
    Loop {
        core,
        out,
        sent: VecDeque::with_capacity(4 * DEPTH),
        now: Instant::ZERO,
        n: 0,
        large_every,
    }
}

#[test]
fn no_allocation_per_io() {
    for (name, policy) in Policy::ALL {
        let mut l = warm(policy, 0);
        l.turn(10_000, |_| Status::Ok);
        let before = l.n;
        let counted = allocation_counter::measure(|| l.turn(200_000, |_| Status::Ok));
        assert!(l.n - before > 90_000);
        assert_eq!(counted.count_total, 0, "{name}");
        l.core.abandon();
    }
}

#[test]
fn no_allocation_per_io_beside_large_ones() {
    for (name, policy) in Policy::ALL {
        let mut l = warm(policy, 16);
        l.turn(10_000, |_| Status::Ok);
        let counted = allocation_counter::measure(|| l.turn(100_000, |_| Status::Ok));
        assert_eq!(counted.count_total, 0, "{name}");
        l.core.abandon();
    }
}

#[test]
fn no_allocation_per_retry() {
    // One command in eight is refused: by a full queue, by a path, with a delay.
    let status = |n: u64| match n % 24 {
        0 => Status::Busy,
        8 => Status::Errno(12),
        16 => Status::Nvme(protocol::NvmeStatus::new(0x006)),
        _ => Status::Ok,
    };
    for (name, policy) in Policy::ALL {
        let mut l = warm(policy, 0);
        l.turn(40_000, status);
        let counted = allocation_counter::measure(|| l.turn(100_000, status));
        assert_eq!(counted.count_total, 0, "{name}");
        l.core.abandon();
    }
}
