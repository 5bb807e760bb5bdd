//! Which paths may carry a volume's I/O, and which of them are best: derived from the orthogonal states, recomputed
//! when one of them changes, never per I/O.

use super::api::Event;
use super::path::{Admin, Health, Link};
use super::state::Shown;
use super::{Action, Actions, Core, times};
use protocol::{Access, Identity, Instant, PathId, VolumeId};

impl Core {
    /// Smaller is better: the operator's wish, then health, then access.
    pub(super) fn rank(&self, path: u16, volume: usize) -> u32 {
        let p = &self.paths[usize::from(path)];
        let admin = u32::from(p.admin == Admin::Standby);
        let health = match p.health {
            Health::Good => 0,
            Health::Probation | Health::Marginal => 1,
            Health::Suspect => 2,
        };
        let access = u32::from(self.pv(path, volume).access != Access::Optimized);
        health * 4 + admin * 2 + access
    }

    fn derive_usable(&self, path: u16, volume: usize) -> bool {
        let p = &self.paths[usize::from(path)];
        let pv = self.pv(path, volume);
        p.link == Link::Up
            && matches!(p.admin, Admin::Enabled | Admin::Standby)
            && pv.verified == Shown::Right
            && pv.access.accessible()
    }

    /// Something about a path changed: every volume's view of it follows.
    pub(super) fn refresh_path(&mut self, now: Instant, path: u16, out: &mut Actions) {
        for v in 0..self.volumes.len() {
            self.refresh_volume(now, path, v, out);
        }
    }

    pub(super) fn refresh_volume(&mut self, now: Instant, path: u16, v: usize, out: &mut Actions) {
        let usable = self.derive_usable(path, v);
        if usable != self.pv(path, v).usable {
            self.pv_mut(path, v).usable = usable;
            out.event(Event::Usable {
                path: PathId(path),
                volume: VolumeId(v as u16),
                usable,
            });
        }
        self.recompute_candidates(v);
        let starving = self.volumes[v].candidates.is_empty();
        let was_starving = self.volumes[v].starved_at != Instant::MAX;
        match (was_starving, starving) {
            (false, true) => self.begin_starving(now, v, out),
            (true, false) => self.end_starving(now, v, out),
            (true, true) => self.check_permanent(now, v, out),
            (false, false) => {}
        }
    }

    fn recompute_candidates(&mut self, v: usize) {
        let mut list = std::mem::take(&mut self.volumes[v].candidates);
        list.clear();
        let mut best = u32::MAX;
        for path in self.path_indices() {
            if !self.pv(path, v).usable {
                continue;
            }
            let rank = self.rank(path, v);
            if rank < best {
                best = rank;
                list.clear();
            }
            if rank == best {
                list.push(path);
            }
        }
        self.volumes[v].candidates = list;
    }

    pub(super) fn access_told(
        &mut self,
        now: Instant,
        path: u16,
        volume: VolumeId,
        access: Access,
        out: &mut Actions,
    ) {
        if !self.knows(path, volume) {
            return;
        }
        let v = usize::from(volume.0);
        let from = self.pv(path, v).access;
        let pv = self.pv_mut(path, v);
        pv.access = access;
        pv.gone = access == Access::Lost || matches!(pv.verified, Shown::Wrong | Shown::Absent);
        if from != access {
            out.event(Event::Access {
                path: PathId(path),
                volume,
                from,
                to: access,
            });
        }
        if !access.accessible() {
            self.ask_again(now, path);
        }
        self.refresh_volume(now, path, v, out);
    }

    pub(super) fn identity_told(
        &mut self,
        now: Instant,
        path: u16,
        volume: VolumeId,
        identity: Option<Identity>,
        blocks: u64,
        out: &mut Actions,
    ) {
        if !self.knows(path, volume) {
            return;
        }
        let v = usize::from(volume.0);
        let verified = match identity {
            Some(id) if id == self.config.volumes[v].identity => Shown::Right,
            Some(_) => Shown::Wrong,
            None => Shown::Absent,
        };
        if verified == Shown::Right && blocks > 0 {
            self.volumes[v].blocks = blocks;
        }
        let was = self.pv(path, v).verified;
        let pv = self.pv_mut(path, v);
        pv.verified = verified;
        pv.gone = verified != Shown::Right || pv.access == Access::Lost;
        if was != verified && (verified == Shown::Wrong || was == Shown::Wrong) {
            out.event(Event::Identity {
                path: PathId(path),
                volume,
                wrong: verified == Shown::Wrong,
            });
        }
        if verified != Shown::Right {
            self.ask_again(now, path);
        }
        self.refresh_volume(now, path, v, out);
    }

    /// The states of a path are asked for now and again until they allow I/O.
    pub(super) fn ask(&mut self, now: Instant, path: u16, out: &mut Actions) {
        if self.paths[usize::from(path)].link == Link::Up {
            out.push(Action::Refresh { path: PathId(path) });
            self.ask_again(now, path);
        }
    }

    pub(super) fn ask_again(&mut self, now: Instant, path: u16) {
        let at = now + times::REFRESH_EVERY;
        self.paths[usize::from(path)].refresh_at = at;
        self.wake_by(at);
    }

    /// Whether some volume's state on this path still forbids I/O.
    pub(super) fn must_ask(&self, path: u16) -> bool {
        self.paths[usize::from(path)].link == Link::Up
            && (0..self.volumes.len()).any(|v| {
                let pv = self.pv(path, v);
                pv.verified != Shown::Right || !pv.access.accessible()
            })
    }

    fn knows(&self, path: u16, volume: VolumeId) -> bool {
        usize::from(path) < self.paths.len() && usize::from(volume.0) < self.volumes.len()
    }
}
