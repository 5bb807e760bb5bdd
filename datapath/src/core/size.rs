//! The size of a volume. It grows when every path that may carry its I/O shows more; it shrinks only on the operator's
//! word, because what lies beyond the new end is gone for good.
//!
//! A path that shows less than the volume has is left out while another shows all of it: where the array resizes, paths
//! learn of it one after another. Where all show less, I/O goes on, and the array itself answers what is beyond its end.

use super::api::Event;
use super::usable::bits;
use super::{Actions, Core};
use protocol::{Instant, VolumeId};

impl Core {
    /// Of the sound and of the clear paths those that show the whole volume, where there are any.
    pub(super) fn whole_ones(&self, v: usize, sound: u128, clear: u128) -> (u128, u128) {
        let blocks = self.volumes[v].blocks;
        let whole = bits(sound).filter(|p| self.pv(*p, v).blocks >= blocks);
        let whole = whole.fold(0u128, |mask, p| mask | 1 << p);
        if whole & clear == 0 {
            return (sound, clear);
        }
        (whole, clear & whole)
    }

    /// The least that some paths show; 0: there is none.
    fn agreed(&self, v: usize, paths: u128) -> u64 {
        let shown = bits(paths).map(|p| self.pv(p, v).blocks);
        shown.min().unwrap_or(0)
    }

    pub(super) fn grow(&mut self, v: usize, out: &mut Actions) {
        let to = self.agreed(v, self.volumes[v].usable);
        if to > self.volumes[v].blocks {
            self.resize(v, to, out);
        }
    }

    fn resize(&mut self, v: usize, to: u64, out: &mut Actions) {
        let from = std::mem::replace(&mut self.volumes[v].blocks, to);
        out.event(Event::Resized {
            volume: VolumeId(v as u16),
            from,
            to,
        });
    }

    /// The operator takes what the paths show. Without a usable path nothing is known, and nothing changes.
    pub(super) fn take_size(&mut self, now: Instant, volume: VolumeId, out: &mut Actions) {
        let v = usize::from(volume.0);
        if v >= self.volumes.len() {
            return;
        }
        // Those that are left out for being short have their say too.
        let to = self.agreed(v, self.volumes[v].capable);
        if to > 0 && to != self.volumes[v].blocks {
            self.resize(v, to, out);
            self.refresh_volume(now, v, out);
        }
    }
}
