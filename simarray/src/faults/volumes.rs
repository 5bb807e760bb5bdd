//! `access`, `unmap`, `swap`, `resize`: what paths show of a volume. (`medium` is the volume's own.)

use crate::api::Fault;
use crate::array::Array;
use crate::conn::{Change, View};
use crate::mutant::Mutant;
use protocol::{Access, VolumeId};

impl Array {
    pub(super) fn start_access(
        &mut self,
        slot: u32,
        paths: &[u32],
        state: Access,
        volumes: &[VolumeId],
    ) {
        let before = self.accesses();
        for &path in paths {
            for &volume in volumes {
                self.paths[path as usize].views.push(View {
                    fault: slot,
                    volume,
                    change: Change::Access(state),
                });
            }
        }
        self.announce(&before);
    }

    pub(super) fn end_access(&mut self, slot: u32, paths: &[u32]) {
        let before = self.accesses();
        self.forget_views(slot, paths);
        self.announce(&before);
    }

    fn forget_views(&mut self, slot: u32, paths: &[u32]) {
        for &path in paths {
            self.paths[path as usize].views.retain(|v| v.fault != slot);
        }
    }

    /// The volume is gone from these paths, or another has its place: the paths' associations end, unless nobody notices.
    pub(super) fn start_other(
        &mut self,
        slot: u32,
        paths: &[u32],
        volume: VolumeId,
        with: Option<VolumeId>,
        silent: bool,
    ) {
        for &path in paths {
            self.paths[path as usize].views.push(View {
                fault: slot,
                volume,
                change: with.map_or(Change::Gone, Change::Other),
            });
            if !silent && !self.settings.mutant(Mutant::ForgesIdentity) {
                self.give_up_path(path, self.now);
            }
        }
    }

    /// It is back, and announced to the associations that were made meanwhile.
    pub(super) fn end_other(&mut self, slot: u32, paths: &[u32], volume: VolumeId) {
        self.forget_views(slot, paths);
        for &path in paths {
            for conn in self.standing(path as usize) {
                self.say_identity(conn, volume);
                self.say_access(conn, volume);
            }
        }
    }

    /// A `resize` has started or ended: the newest that is active counts.
    pub(super) fn size_changes(&mut self, volume: VolumeId) {
        let Some(v) = self.volumes.get_mut(usize::from(volume.0)) else {
            return;
        };
        let sizes = self.faults.iter().flatten().filter_map(|f| match f.fault {
            Fault::Resize { volume: of, blocks } if of == volume => Some((f.started, blocks)),
            _ => None,
        });
        let newest = sizes.max_by_key(|&(started, _)| started);
        v.blocks = newest.map_or(v.configured_blocks, |(_, blocks)| blocks);
        for path in 0..self.paths.len() {
            for conn in self.standing(path) {
                for shown in (0..self.volumes.len() as u16).map(VolumeId) {
                    if self.real_volume(path, shown) == Some(volume) {
                        self.say_identity(conn, shown);
                    }
                }
            }
        }
    }
}
