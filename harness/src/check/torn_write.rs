//! `torn_write`: a write no larger than the atomic unit (4 KiB, or one block where that is larger) takes effect whole,
//! and no effect reaches beyond the write that it belongs to. A larger write may come in pieces: the datapath splits it
//! at the array's limits. (A read that saw half of an atomic write is found where reads are judged.)

use super::Checker;
use protocol::{Instant, VolumeId};
use simarray::api::Stamp;

impl Checker {
    /// An effect that is not the whole of its open write.
    #[cold]
    pub(super) fn judge_partial_effect(
        &mut self,
        now: Instant,
        volume: VolumeId,
        lba: u64,
        end: u64,
        stamp: Stamp,
    ) {
        let order = self.order;
        let unit_blocks = self.unit_blocks;
        let Some(write) = self.known.open.of_mut(stamp) else {
            return;
        };
        if write.volume != volume.0 {
            self.misplaced_effect(now, volume, lba, end, stamp);
            return;
        }
        let within = write.lba <= lba && end <= write.end();
        if within {
            write.took_effect_in_part(lba, end, order);
            if write.blocks > unit_blocks {
                return;
            }
        }
        let why = if within {
            "is smaller than the atomic unit and must be whole"
        } else {
            "covers other blocks"
        };
        let write = &*write;
        self.findings.report("torn_write", now, || {
            format!(
                "LBA {lba} to {} of volume {} took effect for the {}, which {why}.",
                end.saturating_sub(1),
                volume.0,
                write.text()
            )
        });
    }
}
