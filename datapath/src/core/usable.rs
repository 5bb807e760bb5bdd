//! Which paths may carry a volume's I/O, and which of them are best: derived from the orthogonal states, recomputed
//! when one of them changes, never per I/O.

use super::api::Event;
use super::mutant::Mutant;
use super::path::{Admin, Health, Link};
use super::state::Shown;
use super::{Action, Actions, Core, times};
use protocol::{Access, Identity, Instant, PathId, VolumeId};

impl Core {
    /// Smaller is better: the operator's wish, then health, then access, which is the lowest bit.
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

    /// Whether the path can carry the volume's I/O at all.
    fn derive_capable(&self, path: u16, volume: usize) -> bool {
        let p = &self.paths[usize::from(path)];
        let pv = self.pv(path, volume);
        let wanted = matches!(p.admin, Admin::Enabled | Admin::Standby);
        p.link == Link::Up
            && (wanted || self.config.mutant(Mutant::UsesRemovedPath))
            && pv.verified == Shown::Right
            && (pv.access.accessible() || self.config.mutant(Mutant::IgnoresAccess))
    }

    /// Something about a path changed: every volume's view of it follows.
    pub(super) fn refresh_paths(&mut self, now: Instant, out: &mut Actions) {
        for v in 0..self.volumes.len() {
            self.refresh_volume(now, v, out);
        }
    }

    pub(super) fn refresh_volume(&mut self, now: Instant, v: usize, out: &mut Actions) {
        let (mut capable, mut sound, mut clear) = (0u128, 0u128, 0u128);
        for path in self.path_indices() {
            if !self.derive_capable(path, v) {
                continue;
            }
            let p = &self.paths[usize::from(path)];
            let bit = 1u128 << path;
            capable |= bit;
            if !p.quarantined {
                sound |= bit;
                clear |= if p.health == Health::Suspect { 0 } else { bit };
            }
        }
        let (sound, clear) = self.whole_ones(v, sound, clear);
        // Paths in quarantine are the last resort: used only while nothing else is known to answer.
        let usable = if clear != 0 { sound } else { capable };
        let volume = &mut self.volumes[v];
        let changed = volume.usable ^ usable;
        volume.capable = capable;
        volume.usable = usable;
        for path in bits(changed) {
            out.event(Event::Usable {
                path: PathId(path),
                volume: VolumeId(v as u16),
                usable: usable & (1 << path) != 0,
            });
        }
        let mut list = std::mem::take(&mut self.volumes[v].candidates);
        self.best_of(v, usable, &mut list);
        let best = list.first().map(|path| self.rank(*path, v));
        self.volumes[v].candidates = list;
        self.grow(v, out);
        let mut list = std::mem::take(&mut self.volumes[v].spill);
        list.clear();
        if let Some(best) = best.filter(|rank| rank % 2 == 0)
            && self.config.policy.spills()
        {
            list.extend(bits(usable).filter(|path| self.rank(*path, v) == best + 1));
        }
        self.volumes[v].spill = list;
        let starving = usable == 0;
        let was_starving = self.volumes[v].starved_at != Instant::MAX;
        match (was_starving, starving) {
            (false, true) => self.begin_starving(now, v, out),
            (true, false) => self.end_starving(now, v, out),
            (true, true) => self.check_permanent(now, v, out),
            (false, false) => {}
        }
    }

    /// The paths of the best rank among `mask`, in the order of configuration.
    pub(super) fn best_of(&self, v: usize, mask: u128, list: &mut Vec<u16>) {
        list.clear();
        let mut best = u32::MAX;
        for path in bits(mask) {
            let rank = self.rank(path, v);
            if rank < best {
                best = rank;
                list.clear();
            }
            if rank == best {
                list.push(path);
            }
        }
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
        self.note_transition(now, path, v, access);
        if self.config.mutant(Mutant::StaleCandidates) {
            return;
        }
        self.refresh_volume(now, v, out);
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
            Some(_) if self.config.mutant(Mutant::NoIdentityCheck) => Shown::Right,
            Some(_) => Shown::Wrong,
            None => Shown::Absent,
        };
        let was = self.pv(path, v).verified;
        let pv = self.pv_mut(path, v);
        pv.verified = verified;
        pv.gone = verified != Shown::Right || pv.access == Access::Lost;
        if verified == Shown::Right && blocks > 0 {
            pv.blocks = blocks;
        }
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
        self.refresh_volume(now, v, out);
    }

    /// The states of a path are asked for now and again until they allow I/O. Many commands that are refused together
    /// ask once: again a moment later, because the answer may have been on its way already.
    pub(super) fn ask(&mut self, now: Instant, path: u16, out: &mut Actions) {
        let p = &mut self.paths[usize::from(path)];
        if p.link != Link::Up {
            return;
        }
        if let Some(at) = p.asked_at
            && now < at + times::RECHECK
            && !self.config.mutant(Mutant::AsksWithoutPause)
        {
            p.refresh_at = at + times::RECHECK;
            self.wake_by(at + times::RECHECK);
            return;
        }
        self.ask_states(now, path, out);
        self.ask_again(now, path);
        self.ask_identity(now, path, out);
    }

    /// Asks a path for its access states, whatever was asked before.
    pub(super) fn ask_states(&mut self, now: Instant, path: u16, out: &mut Actions) {
        self.paths[usize::from(path)].asked_at = Some(now);
        out.push(Action::Refresh { path: PathId(path) });
    }

    /// A volume that was not recognised on this path is asked for its identity by a probe.
    fn ask_identity(&mut self, now: Instant, path: u16, out: &mut Actions) {
        let n = self.volumes.len();
        let from = usize::from(self.paths[usize::from(path)].asked_volume);
        let unknown = (from..from + n).map(|v| v % n);
        let found = unknown
            .into_iter()
            .find(|v| self.pv(path, *v).verified != Shown::Right);
        if let Some(v) = found {
            self.paths[usize::from(path)].asked_volume = ((v + 1) % n) as u16;
            self.probe_volume(now, path, VolumeId(v as u16), out);
        }
    }

    pub(super) fn ask_again(&mut self, now: Instant, path: u16) {
        let at = now + times::REFRESH_EVERY;
        let p = &mut self.paths[usize::from(path)];
        p.refresh_at = match p.refresh_at {
            earlier if earlier > now => earlier.min(at),
            _ => at,
        };
        self.wake_by(at);
    }

    /// The states of a path are asked for at that time, or sooner.
    pub(super) fn ask_at(&mut self, path: u16, at: Instant) {
        let p = &mut self.paths[usize::from(path)];
        p.refresh_at = p.refresh_at.min(at);
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

    pub(super) fn knows(&self, path: u16, volume: VolumeId) -> bool {
        usize::from(path) < self.paths.len() && usize::from(volume.0) < self.volumes.len()
    }
}

/// The paths in a mask, in the order of configuration.
pub(super) fn bits(mut mask: u128) -> impl Iterator<Item = u16> {
    std::iter::from_fn(move || {
        if mask == 0 {
            return None;
        }
        let path = mask.trailing_zeros() as u16;
        mask &= mask - 1;
        Some(path)
    })
}
