//! Connections: made, refused, broken, added and removed by the operator.

use super::api::{Action, Epoch, Event, LossCause};
use super::mutant::Mutant;
use super::path::{Admin, Health, Link};
use super::state::Shown;
use super::{Actions, Core, times};
use protocol::{Duration, Instant, PathId};

impl Core {
    pub(super) fn set_link(&mut self, path: u16, to: Link, out: &mut Actions) {
        let from = self.paths[usize::from(path)].link;
        if from == to {
            return;
        }
        if !from.may_become(to) {
            out.event(Event::Illegal {
                path: PathId(path),
                what: "link",
            });
        }
        self.paths[usize::from(path)].link = to;
        if to == Link::Lost && self.config.mutant(Mutant::UntoldLoss) {
            return;
        }
        out.event(Event::Link {
            path: PathId(path),
            from,
            to,
        });
    }

    /// Begins a connection attempt under the next epoch.
    pub(super) fn connect(&mut self, now: Instant, path: u16, out: &mut Actions) {
        self.set_link(path, Link::Connecting, out);
        let volumes = self.volumes.len();
        for v in 0..volumes {
            // What an earlier association showed proves nothing; its last word on loss still stands.
            self.pv_mut(path, v).verified = Shown::Unknown;
        }
        let p = &mut self.paths[usize::from(path)];
        // A path that was up is known by its round trip; one that never was may be far away.
        // Its attempts are given 100, 200, 400 and 800 ms in turn, so that a dead one is still asked often. After two
        // seconds without any path one attempt in four of a known path is given more, too: it may have become slow.
        let patience = if p.ever_up {
            let slow = self.starved > 0 && p.tries >= 20 && p.tries.is_multiple_of(4);
            let known = Duration(p.connect_took.0.saturating_mul(4)).max(times::CONNECT_PATIENCE);
            Duration(known.0 << (3 * u32::from(slow)))
        } else {
            Duration(times::CONNECT_PATIENCE.0 << (p.tries % 4))
        };
        p.epoch = Epoch(p.epoch.0 + 1);
        p.connecting_at = now;
        p.tries += 1;
        p.retry_at = now + patience;
        let (epoch, at) = (p.epoch, p.retry_at);
        out.push(Action::Connect {
            path: PathId(path),
            epoch,
        });
        self.wake_by(at);
    }

    fn is_current(&self, path: u16, epoch: Epoch, link: Link) -> bool {
        self.paths
            .get(usize::from(path))
            .is_some_and(|p| p.epoch == epoch && p.link == link)
    }

    pub(super) fn connected(&mut self, now: Instant, path: u16, epoch: Epoch, out: &mut Actions) {
        if !self.is_current(path, epoch, Link::Connecting) {
            return;
        }
        let p = usize::from(path);
        self.set_link(path, Link::Up, out);
        let took = now.since(self.paths[p].connecting_at);
        let state = &mut self.paths[p];
        let slow = state.silent_loss && state.tries == 1;
        if !state.ever_up || slow {
            // Nothing better is known of its round trip, or what was known was wrong.
            self.views[p].expect_tail(took);
        }
        state.last_heard = now;
        state.passed_at = Instant::ZERO;
        state.retry_at = Instant::MAX;
        state.connect_took = took.min(state.connect_took);
        if slow {
            // It was not dead, only slow: be more patient with it.
            state.doubt = (state.doubt + 1).min(4);
        } else {
            state.doubt = state.doubt.saturating_sub(1);
        }
        state.tries = 0;
        state.silent_loss = false;
        let first = !state.ever_up;
        state.ever_up = true;
        if first {
            out.event(Event::Register { path: PathId(path) });
        }
        if self.config.mutant(Mutant::TrustsReconnect) {
            self.trust_reconnect(now, path, out);
        }
        self.returned(now, path, out);
        self.refresh_paths(now, out);
        if self.must_ask(path) {
            self.ask_again(now, path);
        }
        self.fence_idle(now, out);
        self.wake_by(now + times::PROBE_EVERY);
    }

    pub(super) fn refused(&mut self, now: Instant, path: u16, epoch: Epoch, out: &mut Actions) {
        if self.is_current(path, epoch, Link::Connecting) {
            self.not_connected(now, path, out);
        }
    }

    /// The attempt to connect came to nothing.
    pub(super) fn not_connected(&mut self, now: Instant, path: u16, out: &mut Actions) {
        self.set_link(path, Link::Lost, out);
        let p = &mut self.paths[usize::from(path)];
        p.retry_at = now.max(p.connecting_at + times::RECONNECT);
        if self.config.mutant(Mutant::ReconnectsAtOnce) {
            p.retry_at = now;
        }
        let at = p.retry_at;
        self.wake_by(at);
    }

    pub(super) fn broken(&mut self, now: Instant, path: u16, epoch: Epoch, out: &mut Actions) {
        if self.config.mutant(Mutant::IgnoresBroken) {
            return;
        }
        if self.is_current(path, epoch, Link::Up) {
            self.lose(now, path, LossCause::Broken, out);
        } else if self.is_current(path, epoch, Link::Connecting) {
            self.not_connected(now, path, out);
        }
    }

    pub(super) fn add_path(&mut self, now: Instant, path: u16, out: &mut Actions) {
        let Some(p) = self.paths.get(usize::from(path)) else {
            return;
        };
        let (from, link) = (p.admin, p.link);
        if from != Admin::Absent {
            return;
        }
        self.set_admin(path, Admin::Enabled, out);
        // Where it is still draining from its removal it just stays.
        if link != Link::Up {
            self.connect(now, path, out);
        }
        self.refresh_paths(now, out);
    }

    /// The path gets no more I/O; what is on it may end, then the connection is closed.
    pub(super) fn remove_path(&mut self, now: Instant, path: u16, out: &mut Actions) {
        let Some(p) = self.paths.get(usize::from(path)) else {
            return;
        };
        if p.admin == Admin::Absent {
            return;
        }
        self.set_admin(path, Admin::Absent, out);
        let p = &mut self.paths[usize::from(path)];
        p.retry_at = Instant::MAX;
        let epoch = p.epoch;
        match p.link {
            Link::Connecting => {
                out.push(Action::Disconnect {
                    path: PathId(path),
                    epoch,
                });
                self.set_link(path, Link::Down, out);
            }
            Link::Lost => self.set_link(path, Link::Down, out),
            Link::Up | Link::Down => {}
        }
        self.refresh_paths(now, out);
        self.drained(now, path, out);
    }

    /// The operator's wish for a path. One that is failed keeps its connection and gets no more I/O; what is out on it ends as it would have.
    pub(super) fn wish(&mut self, now: Instant, path: u16, to: Admin, out: &mut Actions) {
        let Some(p) = self.paths.get(usize::from(path)) else {
            return;
        };
        let (from, link) = (p.admin, p.link);
        if to == Admin::Absent {
            return self.remove_path(now, path, out);
        }
        if from == Admin::Absent || from == to {
            return;
        }
        self.set_admin(path, to, out);
        if from == Admin::Failed {
            if matches!(link, Link::Down | Link::Lost) {
                self.connect(now, path, out);
            }
            // An attempt to connect that was under way has its deadline again.
            self.wake_by(now);
        }
        self.refresh_paths(now, out);
    }

    /// A removed path whose last command is over is closed.
    #[inline]
    pub(super) fn drained(&mut self, now: Instant, path: u16, out: &mut Actions) {
        let p = &self.paths[usize::from(path)];
        let busy = p.inflight.len > 0 && !self.config.mutant(Mutant::RemovesWithoutDrain);
        if p.admin != Admin::Absent || p.link != Link::Up || busy {
            return;
        }
        let epoch = p.epoch;
        self.drop_probe(path);
        self.association_ended(now, path);
        self.fence_via_lost(path);
        out.push(Action::Disconnect {
            path: PathId(path),
            epoch,
        });
        self.set_link(path, Link::Down, out);
        if self.paths[usize::from(path)].health == Health::Suspect {
            self.alive(now, path, out);
        }
        self.refresh_paths(now, out);
        self.fence_idle(now, out);
        self.fail_what_may_not_wait(now, out);
    }

    fn set_admin(&mut self, path: u16, to: Admin, out: &mut Actions) {
        let from = self.paths[usize::from(path)].admin;
        self.paths[usize::from(path)].admin = to;
        out.event(Event::Admin {
            path: PathId(path),
            from,
            to,
        });
    }
}
