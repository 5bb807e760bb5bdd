//! Shadows: data of writes that a datapath keeps in memory, because an older write may still execute over them
//! (`fence = "shadow"`). What an application sees of such blocks is the shadow, whatever the media hold.
//!
//! The rules judge what is *seen*. So while blocks are veiled, [`Checker::media`] is what the shadow shows, and what the media
//! hold beneath it is kept here. A veil may show nothing but an uncompleted write of those blocks, as an effect of it would
//! (`ghost_write`, `torn_write`); what reads return is judged against it (`stale_read`); and when it is lifted the media must hold
//! what it showed, else a write is gone that was acknowledged (`lost_write`), or one is back that was over (`ghost_write`). What was shown last
//! is durable from then on, so that what a flush has promised holds.
//!
//! **The price.** Where a datapath dies, its veils go with it, and what was beneath is seen. Those blocks are *exposed*: writes that were
//! submitted before the death may change them although they are over, and what a crash restores there is not judged,
//! until a write over them completes. Nothing else is excused: no other block, no later write, and no veil of a datapath that lives.

use super::Checker;
use super::mirror::Mirror;
use super::open::State;
use protocol::{Instant, VolumeId};
use simarray::api::Stamp;
use std::collections::BTreeMap;

/// A volume and a block.
type At = (u16, u64);

/// The age of a shadow: the greater one is the younger.
pub type Age = (u64, u16);

#[derive(Clone, Copy, Debug)]
struct Veiled {
    age: Age,
    host: u16,
    beneath: Stamp,
}

#[derive(Debug, Default)]
pub struct Veil {
    blocks: BTreeMap<At, Veiled>,
    /// Blocks whose veil went with its datapath, and the last stamp that was given out before.
    exposed: BTreeMap<At, Stamp>,
}

impl Veil {
    /// Nothing is veiled, and nothing is exposed: the cost of this where no shadow ever is.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.blocks.is_empty() && self.exposed.is_empty()
    }

    /// Runs of a range that are veiled (`true`) and that are not, in ascending order.
    fn runs(&self, volume: u16, lba: u64, end: u64) -> Vec<(u64, u64, bool)> {
        let mut runs = Vec::new();
        let mut at = lba;
        let mut put = |from: u64, to: u64, veiled: bool| match runs.last_mut() {
            _ if from == to => {}
            Some((_, last, same)) if *same == veiled && *last == from => *last = to,
            _ => runs.push((from, to, veiled)),
        };
        for (&(_, block), _) in self.blocks.range((volume, lba)..(volume, end)) {
            put(at, block, false);
            put(block, block + 1, true);
            at = block + 1;
        }
        put(at, end, false);
        runs
    }

    /// What a write that is over may be judged for: of a range, what is neither veiled nor exposed to this stamp.
    pub fn judged(&self, volume: u16, lba: u64, end: u64, stamp: Stamp) -> Vec<(u64, u64)> {
        let mut parts = Vec::new();
        for (from, to, veiled) in self.runs(volume, lba, end) {
            if veiled {
                continue;
            }
            let mut at = from;
            for (&(_, block), last) in self.exposed.range((volume, from)..(volume, to)) {
                if stamp <= *last {
                    if at < block {
                        parts.push((at, block));
                    }
                    at = block + 1;
                }
            }
            if at < to {
                parts.push((at, to));
            }
        }
        parts
    }

    /// What the media hold of a range, block by block, be it beneath a veil or not.
    pub fn beneath(&self, media: &Mirror, volume: u16, lba: u64, end: u64) -> Vec<(u64, Stamp)> {
        let of = |lba| match self.blocks.get(&(volume, lba)) {
            Some(block) => block.beneath,
            None => media.get(lba),
        };
        (lba..end).map(|lba| (lba, of(lba))).collect()
    }

    /// Whether some block of a range is veiled or exposed.
    pub fn covers(&self, volume: u16, lba: u64, end: u64) -> bool {
        let range = (volume, lba)..(volume, end);
        self.blocks.range(range.clone()).next().is_some()
            || self.exposed.range(range).next().is_some()
    }

    /// A write over these blocks has completed.
    pub fn completed(&mut self, volume: u16, lba: u64, end: u64) {
        let over: Vec<At> = self
            .exposed
            .range((volume, lba)..(volume, end))
            .map(|(at, _)| *at)
            .collect();
        for at in over {
            self.exposed.remove(&at);
        }
    }
}

impl Checker {
    /// Something took effect on the media: what of it is seen. The rest is beneath a veil.
    pub(super) fn seen_of(
        &mut self,
        volume: VolumeId,
        lba: u64,
        end: u64,
        stamp: Stamp,
    ) -> Vec<(u64, u64)> {
        let mut seen = Vec::new();
        for (from, to, veiled) in self.veil.runs(volume.0, lba, end) {
            if !veiled {
                seen.push((from, to));
                continue;
            }
            let range = (volume.0, from)..(volume.0, to);
            for (_, block) in self.veil.blocks.range_mut(range) {
                block.beneath = stamp;
            }
        }
        seen
    }

    /// The datapath of `host` shows a write's data from here on, whatever the media hold, where no younger shadow is shown.
    pub fn veil(
        &mut self,
        now: Instant,
        host: u16,
        volume: VolumeId,
        (lba, end): (u64, u64),
        stamp: Stamp,
        age: Age,
    ) {
        self.order += 1;
        if self.is_nonsense(now, volume, lba, end, stamp) {
            return;
        }
        let open = self.known.open.of(stamp);
        let whose = open.filter(|w| w.state == State::Open && w.volume == volume.0);
        if !whose.is_some_and(|w| w.lba <= lba && end <= w.end()) {
            self.findings.report("ghost_write", now, || {
                format!(
                    "LBA {lba} to {} of volume {} show the {} from memory, which is not uncompleted or covers other blocks.",
                    end - 1,
                    volume.0,
                    self.known.describe(stamp)
                )
            });
        }
        let mut changed: Vec<(u64, u64)> = Vec::new();
        for lba in lba..end {
            let beneath = match self.veil.blocks.get(&(volume.0, lba)) {
                Some(older) if older.age > age => continue,
                Some(older) => older.beneath,
                None => self.media[usize::from(volume.0)].get(lba),
            };
            let veiled = Veiled { age, host, beneath };
            self.veil.blocks.insert((volume.0, lba), veiled);
            match changed.last_mut() {
                Some((_, to)) if *to == lba => *to += 1,
                _ => changed.push((lba, lba + 1)),
            }
        }
        for (from, to) in changed {
            self.write_media(volume, from, (to - from) as u32, stamp);
        }
    }

    /// The datapath says that the media hold what this shadow shows: reads see them again.
    pub fn unveil(&mut self, now: Instant, volume: VolumeId, (lba, end): (u64, u64), age: Age) {
        self.order += 1;
        let range = (volume.0, lba)..(volume.0, end);
        let of = self.veil.blocks.range(range).filter(|(_, b)| b.age == age);
        let mut runs: Vec<(u64, u64, Stamp)> = Vec::new();
        for (&(_, lba), block) in of {
            match runs.last_mut() {
                Some((_, to, beneath)) if *to == lba && *beneath == block.beneath => *to += 1,
                _ => runs.push((lba, lba + 1, block.beneath)),
            }
        }
        for (from, to, beneath) in runs {
            for lba in from..to {
                self.veil.blocks.remove(&(volume.0, lba));
            }
            self.judge_unveiled(now, volume, from, to, beneath);
            self.write_media(volume, from, (to - from) as u32, beneath);
            if let Some(unflushed) = self.unflushed.get_mut(usize::from(volume.0)) {
                unflushed.durable(self.order, from, to, beneath);
            }
        }
    }

    fn judge_unveiled(
        &mut self,
        now: Instant,
        volume: VolumeId,
        lba: u64,
        end: u64,
        beneath: Stamp,
    ) {
        let media = &self.media[usize::from(volume.0)];
        // A write that is not over may be seen, and give way, at any time.
        if !media.differs(lba, end - lba, beneath) || self.known.is_open(beneath) {
            return;
        }
        let shown = media.get(lba);
        if self.known.is_acknowledged(shown) && self.known.failed.of(beneath).is_none() {
            self.findings.report("lost_write", now, || {
                format!(
                    "The {} was shown from memory at LBA {lba} to {} of volume {} and is forgotten there, while the media hold the {}.",
                    self.known.describe(shown),
                    end - 1,
                    volume.0,
                    self.known.describe(beneath)
                )
            });
        } else {
            self.judge_late_effect(now, volume, lba, end, beneath);
        }
    }

    /// The datapath of `host` is dead: what it showed from memory is gone.
    pub fn datapath_died(&mut self, host: u16) {
        self.order += 1;
        let last = self.known.stamps;
        let of = self.veil.blocks.iter().filter(|(_, b)| b.host == host);
        let gone: Vec<(At, Stamp)> = of.map(|(at, b)| (*at, b.beneath)).collect();
        for ((volume, lba), beneath) in gone {
            self.veil.blocks.remove(&(volume, lba));
            self.veil.exposed.insert((volume, lba), last);
            self.write_media(VolumeId(volume), lba, 1, beneath);
        }
    }
}
