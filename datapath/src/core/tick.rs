//! Deadlines. One sweep looks at everything that waits for a time and says when to look again: it runs some tens of
//! times a second, so that the hot path keeps no timer of its own.

use super::mutant::Mutant;
use super::path::{Admin, Link};
use super::slots::State;
use super::{Actions, Core, times};
use protocol::{Instant, PathId};

impl Core {
    /// The deadline has come (or passed).
    pub fn on_deadline(&mut self, now: Instant, out: &mut Actions) {
        self.note_lag(now);
        self.note_late(now);
        self.wake = Instant::MAX;
        self.tell_gate(out);
        let mut next = Instant::MAX;
        for path in self.path_indices() {
            next = next.min(self.tick_link(now, path, out));
            next = next.min(self.judge_silence(now, path, out));
            next = next.min(self.judge_reads(now, path, out));
            next = next.min(self.judge_transition(now, path, out));
            // First what is asked for a reason: its probe serves as the idle one.
            next = next.min(self.tick_refresh(now, path, out));
            next = next.min(self.tick_probe(now, path, out));
        }
        self.end_what_is_waited_for(now, out);
        next = next.min(self.tick_closings(now, out));
        next = next.min(self.tick_shadows(now, out));
        next = next.min(self.tick_delayed(now, out));
        next = next.min(self.tick_starved(now, out));
        self.wake_by(next);
    }

    fn tick_link(&mut self, now: Instant, path: u16, out: &mut Actions) -> Instant {
        let p = &self.paths[usize::from(path)];
        if !matches!(p.admin, Admin::Enabled | Admin::Standby) {
            return Instant::MAX;
        }
        match p.link {
            Link::Up => return Instant::MAX,
            _ if now < p.retry_at => return p.retry_at,
            // The loop lagged: what it was told may wait behind this call.
            Link::Connecting if now < self.resumed_at + times::RECHECK => {
                return self.resumed_at + times::RECHECK;
            }
            Link::Connecting => {
                let epoch = p.epoch;
                out.push(super::Action::Disconnect {
                    path: PathId(path),
                    epoch,
                });
                self.not_connected(now, path, out);
                self.connect(now, path, out);
            }
            Link::Down | Link::Lost => self.connect(now, path, out),
        }
        self.paths[usize::from(path)].retry_at
    }

    /// Idle paths, and those on the way back, are asked now and again.
    fn tick_probe(&mut self, now: Instant, path: u16, out: &mut Actions) -> Instant {
        let p = &self.paths[usize::from(path)];
        if p.link != Link::Up || p.admin == Admin::Absent || p.probe.is_some() {
            return Instant::MAX;
        }
        // What this host could not send is no word of the path, and yet no reason to ask sooner.
        let probed = Some(p.probe_at).filter(|at| *at != Instant::MAX);
        let since = match probed {
            Some(at) if p.quarantined => at,
            Some(at) => p.last_heard.max(at),
            None => p.last_heard,
        };
        let due = since + times::PROBE_EVERY;
        if now < due {
            return due;
        }
        self.probe_in_turn(now, path, out);
        now + times::PROBE_EVERY
    }

    fn tick_refresh(&mut self, now: Instant, path: u16, out: &mut Actions) -> Instant {
        let at = self.paths[usize::from(path)].refresh_at;
        if now < at {
            return at;
        }
        self.paths[usize::from(path)].refresh_at = Instant::MAX;
        if self.must_ask(path) {
            self.ask(now, path, out);
        }
        self.paths[usize::from(path)].refresh_at
    }

    fn tick_delayed(&mut self, now: Instant, out: &mut Actions) -> Instant {
        while let Some(std::cmp::Reverse((at, s, generation))) = self.delayed.peek().copied() {
            if at > now {
                return at;
            }
            self.delayed.pop();
            let slot = &self.slots[s];
            if slot.generation == generation && slot.state == State::Delayed {
                self.place(now, s, out);
            }
        }
        Instant::MAX
    }

    fn tick_starved(&mut self, now: Instant, out: &mut Actions) -> Instant {
        let mut next = Instant::MAX;
        if self.starved == 0 {
            return next;
        }
        for v in 0..self.volumes.len() {
            if self.volumes[v].starved_at == Instant::MAX || self.volumes[v].failing {
                continue;
            }
            let until = self.starved_until(v);
            if now >= until {
                self.no_path_deadline(now, v, out);
            } else if self.config.mutant(Mutant::SpinsWithoutPath) {
                next = now;
            } else {
                next = next.min(until);
            }
        }
        next
    }
}
