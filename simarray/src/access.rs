//! What a path shows of a volume: identity, size and access state, and the announcements when that changes.
//!
//! The owner's ports are optimised and the others' are not (asymmetric), or all are (symmetric). While the owner is down the volume
//! is in transition everywhere. Changes are announced to every association that stands, in order with its other messages.

use crate::array::Array;
use crate::conn::{ArrayEnd, Body, Change};
use crate::events::Kind;
use crate::mutant::Mutant;
use crate::slab::Key;
use crate::wire::ADMIN_BYTES;
use protocol::{Access, VolumeId};

/// Access of each volume on each path at one time, to tell what has changed.
pub(crate) struct Accesses(Vec<Access>);

impl Array {
    /// The volume that a path shows as `volume`, if any.
    #[inline]
    pub(crate) fn real_volume(&self, path: usize, volume: VolumeId) -> Option<VolumeId> {
        if usize::from(volume.0) >= self.volumes.len() {
            return None;
        }
        for view in self.paths[path].views.iter().rev() {
            if view.volume == volume {
                match view.change {
                    Change::Gone => return None,
                    Change::Other(with) => {
                        return (usize::from(with.0) < self.volumes.len()).then_some(with);
                    }
                    Change::Access(_) => {}
                }
            }
        }
        Some(volume)
    }

    #[inline]
    pub(crate) fn access_on(&self, path: usize, volume: VolumeId) -> Access {
        let p = &self.paths[path];
        let real = self.real_volume(path, volume).unwrap_or(volume);
        let Some(v) = self.volumes.get(usize::from(real.0)) else {
            return Access::Inaccessible;
        };
        if !self.controllers[usize::from(v.owner)].live() {
            return Access::Transitioning;
        }
        for view in p.views.iter().rev() {
            if let Change::Access(state) = view.change
                && view.volume == volume
            {
                return state;
            }
        }
        if self.settings.asymmetric && v.owner != p.controller {
            Access::NonOptimized
        } else {
            Access::Optimized
        }
    }

    pub(crate) fn say_identity(&mut self, conn: u32, volume: VolumeId) {
        let path = self.conns.at(conn).path as usize;
        let shown = match self.settings.mutant(Mutant::ForgesIdentity) {
            true => Some(volume),
            false => self.real_volume(path, volume),
        };
        let real = shown.map(|real| &self.volumes[usize::from(real.0)]);
        let body = Body::Identity {
            volume,
            identity: real.map(|v| v.identity),
            blocks: real.map_or(0, |v| v.blocks),
        };
        self.say(conn, ADMIN_BYTES, body);
    }

    pub(crate) fn say_access(&mut self, conn: u32, volume: VolumeId) {
        let access = self.access_on(self.conns.at(conn).path as usize, volume);
        self.say(conn, ADMIN_BYTES, Body::Access { volume, access });
    }

    /// Identity and access of every volume.
    pub(crate) fn introduce(&mut self, conn: u32) {
        for volume in 0..self.volumes.len() as u16 {
            self.say_identity(conn, VolumeId(volume));
            self.say_access(conn, VolumeId(volume));
        }
    }

    /// Connections of a path whose end at the array stands.
    pub(crate) fn standing(&self, path: usize) -> Vec<u32> {
        let open = |&c: &u32| self.conns.at(c).array == ArrayEnd::Open;
        self.paths[path]
            .conns
            .iter()
            .copied()
            .filter(open)
            .collect()
    }

    pub(crate) fn accesses(&self) -> Accesses {
        let volumes = self.volumes.len() as u16;
        Accesses(
            (0..self.paths.len())
                .flat_map(|path| (0..volumes).map(move |v| (path, VolumeId(v))))
                .map(|(path, volume)| self.access_on(path, volume))
                .collect(),
        )
    }

    /// Announces what has changed since `before`.
    pub(crate) fn announce(&mut self, before: &Accesses) {
        let after = self.accesses();
        let volumes = self.volumes.len();
        for path in 0..self.paths.len() {
            let at = path * volumes;
            if before.0[at..at + volumes] == after.0[at..at + volumes] {
                continue;
            }
            for conn in self.standing(path) {
                for v in 0..volumes {
                    if before.0[at + v] != after.0[at + v] {
                        self.say_access(conn, VolumeId(v as u16));
                    }
                }
            }
        }
    }

    /// The owner of these volumes is down: a survivor takes over after `after_ns`.
    pub(crate) fn plan_takeover(&mut self, controller: u16, after_ns: u64) {
        for index in 0..self.volumes.len() {
            let v = &mut self.volumes[index];
            if v.owner == controller {
                v.takeover_pending = true;
                v.takeover_turn = v.takeover_turn.wrapping_add(1);
                let key = Key {
                    index: index as u32,
                    turn: v.takeover_turn,
                };
                self.schedule(self.now.saturating_add(after_ns), Kind::Takeover, key);
            }
        }
    }

    pub(crate) fn takeover(&mut self, key: Key) {
        let v = &self.volumes[key.index as usize];
        if v.takeover_turn != key.turn || !v.takeover_pending {
            return;
        }
        let count = self.controllers.len() as u16;
        let next = (1..count)
            .map(|i| (v.owner + i) % count)
            .find(|&c| self.controllers[usize::from(c)].live());
        let before = self.accesses();
        let v = &mut self.volumes[key.index as usize];
        v.takeover_pending = false;
        if let Some(next) = next {
            v.owner = next;
            self.announce(&before);
        }
    }

    /// A controller is back: it takes its own volumes, and those which no survivor could take. Handing a volume over in
    /// order makes what the other's cache holds of it durable.
    pub(crate) fn take_back(&mut self, controller: u16) {
        for index in 0..self.volumes.len() {
            let v = &self.volumes[index];
            let owner_live = self.controllers[usize::from(v.owner)].live();
            let orphan = !owner_live && !v.takeover_pending;
            if v.home == controller || orphan {
                let v = &mut self.volumes[index];
                if v.owner != controller && owner_live {
                    v.flush();
                }
                v.owner = controller;
                v.takeover_pending = false;
            }
        }
    }
}
