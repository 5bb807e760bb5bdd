//! The deadline of an access transition. A path that says *transitioning* for longer than the array itself allows (ANATT) knows
//! something old, or is stuck: its connection is ended and made anew, so that identity and access are read from scratch
//! (`drivers/nvme/host/multipath.c`, `nvme_anatt_timeout`, which waits twice the time).
//!
//! A path that carries another volume's I/O meanwhile is left alone: one group in trouble must not take the others' commands.

use super::api::LossCause;
use super::path::Link;
use super::{Actions, Core};
use protocol::{Access, Instant};

impl Core {
    /// The access of a volume on this path was told.
    pub(super) fn note_transition(&mut self, now: Instant, path: u16, v: usize, access: Access) {
        let pv = self.pv_mut(path, v);
        let was = pv.transition_at;
        pv.transition_at = match access {
            Access::Transitioning => was.min(now),
            _ => Instant::MAX,
        };
        if pv.transition_at != was {
            let of_path = (0..self.volumes.len()).map(|v| self.pv(path, v).transition_at);
            let oldest = of_path.min().unwrap_or(Instant::MAX);
            self.overdue_from(path, oldest);
        }
    }

    fn overdue_from(&mut self, path: u16, began: Instant) {
        let at = match began {
            Instant::MAX => Instant::MAX,
            began => began + self.config.anatt,
        };
        self.paths[usize::from(path)].overdue_at = at;
        self.wake_by(at);
    }

    /// Ends the connection of a path whose transition is overdue; says when to look again.
    pub(super) fn judge_transition(
        &mut self,
        now: Instant,
        path: u16,
        out: &mut Actions,
    ) -> Instant {
        let p = &self.paths[usize::from(path)];
        if now < p.overdue_at || p.link != Link::Up {
            return p.overdue_at.max(now + super::times::REFRESH_EVERY);
        }
        // A new time begins, whether the path is left alone or asked anew.
        for v in 0..self.volumes.len() {
            let pv = self.pv_mut(path, v);
            if pv.transition_at != Instant::MAX {
                pv.transition_at = now;
            }
        }
        self.overdue_from(path, now);
        let carries = |v: &super::state::VolumeState| v.usable & (1 << path) != 0;
        if !self.volumes.iter().any(carries) {
            self.lose(now, path, LossCause::Transition, out);
        }
        self.paths[usize::from(path)].overdue_at
    }
}
