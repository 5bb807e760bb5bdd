//! The verdict "path lost": the association is over at our end, and everything that was on it is redone. Reads and
//! flushes at once; writes when nothing of the association can execute any more.

use super::api::{Action, Event, LossCause};
use super::config::FencePolicy;
use super::path::{Admin, Link};
use super::slots::List;
use super::{Actions, Core, times};
use protocol::{Instant, PathId};

impl Core {
    pub(super) fn lose(&mut self, now: Instant, path: u16, cause: LossCause, out: &mut Actions) {
        let p = usize::from(path);
        self.drop_probe(path);
        let epoch = self.paths[p].epoch;
        let list = self.paths[p].inflight;
        let first_hit = match self.views[p].oldest {
            Instant::MAX => now,
            at => at,
        };
        self.set_link(path, Link::Lost, out);
        out.event(Event::Lost {
            path: PathId(path),
            cause,
            attempts: list.len,
            first_hit,
        });
        if cause != LossCause::Broken {
            out.push(Action::Disconnect {
                path: PathId(path),
                epoch,
            });
        }
        self.note_loss(now, path, cause, out);

        // Out of the in-flight list, each to its own way of being redone.
        let mut redo = std::mem::take(&mut self.scratch);
        let mut held = List::default();
        while self.paths[p].inflight.head != super::slots::NONE {
            let s = self.paths[p].inflight.head;
            self.take_back(s);
            self.slots.cold_mut(s).lost_at = now;
            if self.slots[s].op.mutates() && self.config.fence != FencePolicy::None {
                self.slots[s].state = super::slots::State::Held;
                self.slots.push_back(&mut held, s);
            } else {
                redo.push(s);
            }
        }
        self.hold(now, path, epoch, held, out);
        self.refresh_paths(now, out);
        self.fail_what_may_not_wait(now, out);
        for s in redo.drain(..) {
            self.place(now, s, out);
        }
        self.scratch = redo;
        self.fence_via_lost(path);
        self.fence_idle(now, out);
    }

    /// What a loss means for the path itself: how flaky it is, and when it is tried again.
    fn note_loss(&mut self, now: Instant, path: u16, cause: LossCause, out: &mut Actions) {
        self.demote_lost(now, path, out);
        let p = &mut self.paths[usize::from(path)];
        p.tries = 0;
        p.silent_loss = cause == LossCause::Silence;
        // At once, unless it was made just now: a path that breaks as soon as it stands must not spin.
        p.retry_at = match p.admin {
            Admin::Absent | Admin::Failed => Instant::MAX,
            Admin::Enabled | Admin::Standby => now.max(p.connecting_at + times::RECONNECT),
        };
        let (at, admin) = (p.retry_at, p.admin);
        if admin == Admin::Absent {
            self.set_link(path, Link::Down, out);
        }
        self.wake_by(at);
    }
}
