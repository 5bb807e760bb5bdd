//! Completions: is the ticket current, how long did it take, and what does the status mean.

use super::api::{Action, Event, Ticket};
use super::path::Health;
use super::slots::State;
use super::state::Shown;
use super::verdict::{AMBIGUOUS_RETRIES, EIO, Verdict, judge};
use super::{Actions, Core};
use protocol::{Access, Duration, Instant, Op, PathId, Status};

/// One sample of an I/O weighs 1/64; one of a probe on an idle path, which is rare, a half.
const IO_WEIGHT: u32 = 6;
const PROBE_WEIGHT: u32 = 1;
/// An error of the path counts as much as this many successes; above the limit the path is marginal.
const ERROR_WEIGHT: u32 = 8;
const ERROR_LIMIT: u32 = 40;
const ERROR_CAP: u32 = 128;
/// Good probes in a row that end probation.
const PROBATION_PROBES: u32 = 5;

impl Core {
    #[inline]
    pub(super) fn done(
        &mut self,
        now: Instant,
        path: PathId,
        ticket: Ticket,
        status: Status,
        out: &mut Actions,
    ) {
        let (op, sent_at, depth) = match self.slots.current(ticket) {
            Some(s) if s.state == State::InFlight && s.path == path.0 => (s.op, s.sent_at, s.depth),
            _ => return out.event(Event::StaleCompletion { path, ticket }),
        };
        let s = ticket.slot;
        self.take_back(s);
        let p = usize::from(path.0);
        let latency = now.since(sent_at);
        if op != Op::Flush {
            self.views[p].sample(latency, depth, IO_WEIGHT);
        }
        let state = &mut self.paths[p];
        state.last_heard = now;
        if state.health == Health::Suspect {
            self.alive(now, path.0, out);
        }
        if status.is_ok() {
            let state = &mut self.paths[p];
            state.errors = state.errors.saturating_sub(1);
            self.finish(now, s, None, out);
        } else {
            self.refused_by(now, path.0, s, status, out);
        }
        self.drained(now, path.0, out);
    }

    /// An attempt came back with something else than success.
    fn refused_by(&mut self, now: Instant, path: u16, s: u32, status: Status, out: &mut Actions) {
        let verdict = judge(status);
        if !matches!(verdict, Verdict::Done | Verdict::Fatal(_)) {
            let slot = &mut self.slots[s];
            if slot.refused_at == Instant::MAX {
                slot.refused_at = now;
            }
        }
        let v = usize::from(self.slots[s].volume.0);
        let volume = self.slots[s].volume;
        let bit = 1u128 << path;
        match verdict {
            Verdict::Done => self.finish(now, s, None, out),
            Verdict::Fatal(errno) => {
                // A flush that the array could not carry out is an I/O error to a file system, whatever the medium said.
                let errno = if self.slots[s].op == Op::Flush {
                    EIO
                } else {
                    errno
                };
                self.finish(now, s, Some(errno), out);
            }
            Verdict::RetryLater(wait) => {
                // Another path may have room; this one is asked again in the next round.
                self.slots[s].tried |= bit;
                let more = self.slots[s].retries;
                self.slots[s].retries = more.saturating_add(1);
                let backoff = Duration(wait.0 << u32::from(more.min(4)));
                self.delay(now, s, backoff, out);
            }
            Verdict::RetryElsewhere { demote, forbid } => {
                let slot = &mut self.slots[s];
                slot.tried |= bit;
                if forbid {
                    slot.forbidden |= bit;
                }
                if demote {
                    self.path_error(now, path, out);
                } else {
                    slot.retries += 1;
                    if slot.retries >= AMBIGUOUS_RETRIES {
                        return self.finish(now, s, Some(EIO), out);
                    }
                }
                if self.out_of_patience(now, s) {
                    return self.finish(now, s, Some(EIO), out);
                }
                self.place(now, s, out);
            }
            Verdict::Access { state, forbid } => {
                if forbid {
                    self.slots[s].forbidden |= bit;
                }
                self.slots[s].tried |= bit;
                self.access_told(now, PathId(path).0, volume, state, out);
                self.ask(now, path, out);
                self.place(now, s, out);
            }
            Verdict::Refresh => {
                self.ask(now, path, out);
                self.delay(now, s, Duration::from_millis(1), out);
            }
            Verdict::Gone => {
                self.slots[s].tried |= bit;
                let pv = self.pv_mut(path, v);
                pv.verified = Shown::Absent;
                pv.gone = true;
                self.refresh_volume(now, path, v, out);
                self.ask_again(now, path);
                self.place(now, s, out);
            }
        }
    }

    fn out_of_patience(&self, now: Instant, s: u32) -> bool {
        now.since(self.slots[s].refused_at) >= self.config.queue_for
    }

    /// Errors relative to traffic: a path that fails more than one in nine becomes the last resort.
    fn path_error(&mut self, now: Instant, path: u16, out: &mut Actions) {
        let p = &mut self.paths[usize::from(path)];
        p.errors = (p.errors + ERROR_WEIGHT).min(ERROR_CAP);
        if p.errors > ERROR_LIMIT && matches!(p.health, Health::Good | Health::Probation) {
            p.good_probes = 0;
            self.set_health(path, Health::Marginal, out);
            self.refresh_path(now, path, out);
            self.wake_by(now + super::times::PROBE_EVERY);
        }
    }

    /// Something came back over a path that was suspected.
    pub(super) fn alive(&mut self, now: Instant, path: u16, out: &mut Actions) {
        let p = &self.paths[usize::from(path)];
        let health = if p.errors > ERROR_LIMIT {
            Health::Marginal
        } else {
            Health::Good
        };
        self.set_health(path, health, out);
        self.refresh_path(now, path, out);
    }

    pub(super) fn probe_done(
        &mut self,
        now: Instant,
        path: PathId,
        ticket: Ticket,
        status: Status,
        out: &mut Actions,
    ) {
        let sent_at = match self.slots.current(ticket) {
            Some(s) if s.state == State::Probe && s.path == path.0 => s.sent_at,
            _ => return out.event(Event::StaleCompletion { path, ticket }),
        };
        self.slots.remove(ticket.slot);
        let p = usize::from(path.0);
        self.paths[p].probe = None;
        self.paths[p].last_heard = now;
        let inflight = self.views[p].inflight;
        self.views[p].sample(now.since(sent_at), inflight + 1, PROBE_WEIGHT);
        if self.paths[p].health == Health::Suspect {
            self.alive(now, path.0, out);
        }
        match judge(status) {
            Verdict::Access { state, .. } => {
                let volume = self.probe_volume(path.0);
                self.access_told(now, path.0, volume, state, out);
            }
            Verdict::RetryElsewhere { demote: true, .. } => {
                self.paths[p].good_probes = 0;
                if self.paths[p].health == Health::Probation {
                    self.set_health(path.0, Health::Marginal, out);
                    self.refresh_path(now, path.0, out);
                }
            }
            Verdict::Done => self.good_probe(now, path.0, out),
            _ => {}
        }
    }

    /// The way back: marginal, probation, good.
    fn good_probe(&mut self, now: Instant, path: u16, out: &mut Actions) {
        let p = &mut self.paths[usize::from(path)];
        match p.health {
            Health::Marginal => {
                p.good_probes = 1;
                self.set_health(path, Health::Probation, out);
            }
            Health::Probation => {
                p.good_probes += 1;
                if p.good_probes >= PROBATION_PROBES {
                    p.errors = 0;
                    self.set_health(path, Health::Good, out);
                    self.refresh_path(now, path, out);
                }
            }
            Health::Good | Health::Suspect => {}
        }
    }

    /// A volume to read from on this path: one that is there, if any is.
    pub(super) fn probe_volume(&self, path: u16) -> protocol::VolumeId {
        let known = |v: &usize| self.pv(path, *v).verified == Shown::Right;
        let usable = |v: &usize| known(v) && self.pv(path, *v).access == Access::Optimized;
        let n = self.volumes.len();
        let v = (0..n)
            .find(usable)
            .or_else(|| (0..n).find(known))
            .unwrap_or(0);
        protocol::VolumeId(v as u16)
    }

    pub(super) fn set_health(&mut self, path: u16, to: Health, out: &mut Actions) {
        let from = self.paths[usize::from(path)].health;
        if from == to {
            return;
        }
        if !from.may_become(to) {
            out.event(Event::Illegal {
                path: PathId(path),
                what: "health",
            });
        }
        self.paths[usize::from(path)].health = to;
        out.event(Event::Health {
            path: PathId(path),
            from,
            to,
        });
    }

    /// Sends the probe of a path, unless one is out.
    pub(super) fn probe(&mut self, now: Instant, path: u16, out: &mut Actions) {
        let p = usize::from(path);
        if self.paths[p].probe.is_some() || self.paths[p].link != super::path::Link::Up {
            return;
        }
        let volume = self.probe_volume(path);
        let s = self.slots.insert(u32::MAX, Op::Read, volume, 0, 1);
        let slot = &mut self.slots[s];
        slot.state = State::Probe;
        slot.path = path;
        slot.sent_at = now;
        self.paths[p].probe = Some(s);
        self.paths[p].probe_at = now;
        out.push(Action::Probe {
            path: PathId(path),
            ticket: self.slots.ticket(s),
            volume,
        });
        self.wake_by(now + self.patience(path, super::times::SILENCE_FLOOR));
    }
}
