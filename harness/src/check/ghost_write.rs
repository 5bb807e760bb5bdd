//! `ghost_write`: a write that the application was told about changes the media.
//!
//! After success every change is a ghost. After failure the write is *unknown*: it may appear late, until a write that
//! was submitted after the failure has completed over the same block. (A write that was outstanding together with the
//! failed one is no later write: either order is legal for the two.) One exception: where a crash has lawfully taken
//! back an acknowledged, unflushed write, its blocks hold old or new data until rewritten, so that very write may
//! come back.

use super::Checker;
use protocol::{Instant, VolumeId};
use simarray::api::Stamp;

impl Checker {
    /// An effect of a write that is over, or that nobody submitted.
    #[cold]
    pub(super) fn judge_late_effect(
        &mut self,
        now: Instant,
        volume: VolumeId,
        lba: u64,
        end: u64,
        stamp: Stamp,
    ) {
        let Some(media) = self.media.get(usize::from(volume.0)) else {
            return;
        };
        if !media.differs(lba, end - lba, stamp) {
            return;
        }
        if let Some(failed) = self.known.failed.of(stamp) {
            if failed.volume != volume.0 {
                self.misplaced_effect(now, volume, lba, end, stamp);
                return;
            }
            let hit = failed.superseded.iter().find(|m| {
                let (from, to) = (m.lba.max(lba), m.end.min(end));
                from < to && media.differs(from, to - from, stamp)
            });
            if lba < failed.lba || failed.end < end {
                self.findings.report("torn_write", now, || {
                    format!(
                        "LBA {lba} to {} of volume {} took effect for the {}, which covers other blocks.",
                        end - 1,
                        volume.0,
                        self.known.describe(stamp)
                    )
                });
            } else if let Some(mark) = hit {
                self.findings.report("ghost_write", now, || {
                    format!(
                        "The {} changed LBA {} of volume {} although a later write over it had completed at {} ns.",
                        self.known.describe(stamp),
                        mark.lba.max(lba),
                        volume.0,
                        mark.at.0
                    )
                });
            }
            return;
        }
        if self
            .known
            .volume(stamp)
            .is_some_and(|owner| owner != volume.0)
        {
            self.misplaced_effect(now, volume, lba, end, stamp);
            return;
        }
        if let Some(unflushed) = self.unflushed.get(usize::from(volume.0))
            && unflushed.may_come_back(media, lba, end, stamp)
        {
            return;
        }
        self.findings.report("ghost_write", now, || {
            let mut first = None;
            media.runs(lba, end - lba, |at, _, held| {
                if held != stamp && first.is_none() {
                    first = Some((at, held));
                }
            });
            let (at, held) = first.unwrap_or((lba, 0));
            format!(
                "The {} was over and changed LBA {at} of volume {} (of {lba} to {}), which held {}.",
                self.known.describe(stamp),
                volume.0,
                end - 1,
                self.known.describe(held)
            )
        });
    }
}
