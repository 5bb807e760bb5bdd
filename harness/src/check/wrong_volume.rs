//! `wrong_volume`: a command was served by, or took effect on, another volume than the application asked for.

use super::Checker;
use protocol::{Instant, VolumeId};
use simarray::api::Stamp;

impl Checker {
    /// A write that is known took effect on a volume that is not its own.
    #[cold]
    pub(super) fn misplaced_effect(
        &mut self,
        now: Instant,
        volume: VolumeId,
        lba: u64,
        end: u64,
        stamp: Stamp,
    ) {
        self.findings.report("wrong_volume", now, || {
            format!(
                "LBA {lba} to {} of volume {} took effect for the {}.",
                end.saturating_sub(1),
                volume.0,
                match self.known.open.of(stamp) {
                    Some(record) => record.text(),
                    None => self.known.describe(stamp),
                }
            )
        });
    }

    /// The array says which volume executed a command of this slot.
    #[cold]
    pub(super) fn served_elsewhere(&mut self, now: Instant, slot: u32, served: VolumeId) {
        self.findings.report("wrong_volume", now, || {
            let what = match self.known.open.get(slot) {
                Some(record) => record.text(),
                None => format!("command of slot {slot}, which nobody submitted,"),
            };
            format!("The {what} was executed by volume {}.", served.0)
        });
    }
}
