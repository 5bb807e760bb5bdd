//! The smallest scenario that still fails in the same way: greedy delta debugging over the model.
//!
//! Every step makes the scenario simpler and is kept if the same [signature](super::signature) is found again; rounds go on
//! until nothing helps any more, or the tries are used up. Since each random consumer has a stream of its own, what is taken
//! away hardly shifts what is left. A step may make nonsense (a fault on a controller that is no more): what
//! does not read back from its own text is never run.

mod removals;
mod simpler;

use super::envelope::must_drain;
use super::signature::Signature;
use crate::scenario::model::*;
use crate::scenario::{self, Scenario};
use protocol::Duration;
use std::path::Path;

/// What was found, and at what price.
#[derive(Clone, Debug)]
pub struct Shrunk {
    pub scenario: Scenario,
    pub tries: u64,
    pub rounds: u64,
}

/// Shrinks `s` while `fails` finds the wanted signature; `fails` is asked at most `tries_max` times.
pub fn shrink(
    s: &Scenario,
    wanted: &Signature,
    tries_max: u64,
    fails: &mut dyn FnMut(&Scenario) -> Option<Signature>,
) -> Shrunk {
    let mut search = Search {
        best: s.clone(),
        wanted,
        tries: 0,
        tries_max,
        fails,
    };
    let mut rounds = 0;
    loop {
        rounds += 1;
        let before = search.best.clone();
        search.round();
        if search.best == before || search.tries >= tries_max {
            break;
        }
    }
    Shrunk {
        scenario: search.best,
        tries: search.tries,
        rounds,
    }
}

struct Search<'s> {
    best: Scenario,
    wanted: &'s Signature,
    tries: u64,
    tries_max: u64,
    fails: &'s mut dyn FnMut(&Scenario) -> Option<Signature>,
}

/// Reads back as it is.
pub fn is_valid(s: &Scenario) -> bool {
    let text = scenario::to_toml(s);
    let read = scenario::parse(&text, &s.file, &s.name, &[]);
    read.is_ok_and(|mut read| {
        let mut s = s.clone();
        for e in read.expects.iter_mut().chain(&mut s.expects) {
            e.line = 0;
        }
        read == s
    })
}

impl Search<'_> {
    /// Tries one step; a step that changes nothing costs nothing.
    fn step(&mut self, change: impl FnOnce(&mut Scenario)) -> bool {
        let mut s = self.best.clone();
        change(&mut s);
        if s == self.best || self.tries >= self.tries_max || !is_valid(&s) {
            return false;
        }
        // Another failure of the same name: what is too much, or comes too late, cannot complete.
        let stuck = *self.wanted == Signature::Rule("stuck_io".into());
        if stuck && must_drain(&self.best) && !must_drain(&s) {
            return false;
        }
        self.tries += 1;
        let same = (self.fails)(&s).as_ref() == Some(self.wanted);
        if same {
            self.best = s;
        }
        same
    }

    fn round(&mut self) {
        self.lists();
        self.topology();
        for i in 0..self.best.faults.len() {
            self.fault(i);
        }
        for i in 0..self.best.workloads.len() {
            self.workload(i);
        }
        self.array();
        self.duration();
    }

    fn lists(&mut self) {
        let wanted = match self.wanted {
            Signature::Expectation(metric, window) => Some((metric.clone(), window.clone())),
            _ => None,
        };
        self.step(|s| {
            s.expects.retain(|e| {
                let window = crate::metrics::window_name(e.window);
                wanted
                    .as_ref()
                    .is_some_and(|(m, w)| e.text == *m && window == w)
            });
        });
        self.drop_some(
            |s| s.faults.len(),
            |s, from, n| drop(s.faults.drain(from..from + n)),
        );
        self.drop_some(
            |s| s.workloads.len(),
            |s, from, n| {
                if n < s.workloads.len() {
                    s.workloads.drain(from..from + n);
                }
            },
        );
        self.drop_some(
            |s| s.paths.len(),
            |s, from, n| drop(s.paths.drain(from..from + n)),
        );
        for v in (0..self.best.volumes.len()).rev() {
            self.step(|s| removals::volume(s, v));
        }
        self.step(|s| s.tags.clear());
        self.step(|s| s.why.clear());
    }

    /// Delta debugging of a list: halves, quarters, …, one by one.
    fn drop_some(
        &mut self,
        len: impl Fn(&Scenario) -> usize,
        cut: impl Fn(&mut Scenario, usize, usize),
    ) {
        let mut size = len(&self.best).max(1);
        loop {
            let mut from = 0;
            while from < len(&self.best) {
                let n = size.min(len(&self.best) - from);
                if !self.step(|s| cut(s, from, n)) {
                    from += n;
                }
            }
            if size == 1 {
                break;
            }
            size /= 2;
        }
    }

    fn topology(&mut self) {
        // One host first: with it go its paths and its loads.
        for host in (0..self.best.host.count).rev() {
            self.step(|s| removals::host(s, host));
        }
        for to in [1, 2] {
            self.step(|s| s.host.shards = s.host.shards.min(to));
            self.step(|s| {
                s.array.controllers = s.array.controllers.min(to);
                for v in &mut s.volumes {
                    v.owner = v.owner.min(to - 1);
                }
            });
            self.step(|s| s.array.ports = s.array.ports.min(to));
            self.step(|s| s.host.ports = s.host.ports.min(to));
            self.step(|s| {
                s.array.fabrics = s.array.fabrics.min(to);
            });
            self.step(|s| {
                (s.array.ports, s.host.ports, s.array.fabrics) = (
                    s.array.ports.min(to),
                    s.host.ports.min(to),
                    s.array.fabrics.min(to),
                );
            });
        }
        let usual = Scenario::named("", Path::new(""));
        self.step(|s| s.host.shards = usual.host.shards);
        self.step(|s| s.host.ports = usual.host.ports);
        self.step(|s| s.array.ports = usual.array.ports);
        self.step(|s| s.array.fabrics = usual.array.fabrics);
        for p in 0..self.best.paths.len() {
            self.step(|s| s.paths[p].latency = None);
            self.step(|s| s.paths[p].bits_per_s = None);
        }
    }

    /// Everything that has a default, all at once and one by one.
    fn array(&mut self) {
        let d = Scenario::named("", Path::new(""));
        let (a, l, p) = (&d.array, &d.link, &d.datapath);
        self.step(|s| {
            (s.array.forward, s.array.service_read, s.array.service_write) =
                (a.forward, a.service_read, a.service_write);
            (s.array.tail, s.array.parallel, s.array.ccr) = (a.tail, a.parallel, a.ccr);
            s.link = l.clone();
            s.datapath.policy = p.policy;
        });
        self.step(|s| s.array.block = a.block);
        self.step(|s| s.array.asymmetric = a.asymmetric);
        self.step(|s| s.array.forward = a.forward);
        self.step(|s| s.array.service_read = a.service_read);
        self.step(|s| s.array.service_write = a.service_write);
        self.step(|s| s.array.tail = a.tail);
        self.step(|s| s.array.tail = Tail::Fixed);
        self.step(|s| s.array.parallel = a.parallel);
        self.step(|s| s.array.cache = a.cache);
        self.step(|s| {
            (s.array.fence, s.array.cqt, s.datapath.quiesce) = (a.fence, a.cqt, p.quiesce);
        });
        self.step(|s| s.array.ccr = a.ccr);
        self.step(|s| (s.array.cqt, s.datapath.quiesce) = (a.cqt, p.quiesce));
        self.step(|s| s.link.latency = l.latency);
        self.step(|s| s.link.bits_per_s = l.bits_per_s);
        self.step(|s| s.datapath.policy = p.policy);
        self.step(|s| s.datapath.io_timeout = p.io_timeout);
        self.step(|s| s.datapath.queue_for = p.queue_for);
        self.step(|s| s.datapath.fence = p.fence);
        self.step(|s| s.datapath.quiesce = p.quiesce);
        for v in 0..self.best.volumes.len() {
            self.step(|s| s.volumes[v].owner = 0);
            self.step(|s| s.volumes[v].name = format!("vol{v}"));
            self.step(|s| s.volumes[v].bytes = Volume::DEFAULT_BYTES);
        }
    }

    fn duration(&mut self) {
        for grain in [1_000_000_000u64, 100_000_000, 10_000_000] {
            for _ in 0..8 {
                let shorter = self.step(|s| {
                    let half = s.duration.0 / 2 / grain * grain;
                    s.duration = Duration(half.max(grain.min(s.duration.0)));
                });
                if !shorter {
                    break;
                }
            }
            for _ in 0..9 {
                let shorter = self.step(|s| {
                    let less = s.duration.0.saturating_sub(1) / grain * grain;
                    s.duration = Duration(less.max(grain.min(s.duration.0)));
                });
                if !shorter {
                    break;
                }
            }
        }
    }
}
