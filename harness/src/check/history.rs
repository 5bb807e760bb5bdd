//! The last writes that are over, for the texts of findings only: a ghost comes long after its slot was used again.

use super::open::{Record, SLOT_BITS, State};
use protocol::Instant;
use simarray::api::Stamp;

/// Writes that are remembered, by the number in their stamp.
const REMEMBERED: usize = 1 << 17;

#[derive(Clone, Copy, Debug)]
pub struct Past {
    pub stamp: Stamp,
    pub lba: u64,
    pub blocks: u32,
    pub volume: u16,
    pub ok: bool,
    pub submitted_at: Instant,
    pub completed_at: Instant,
}

impl Past {
    pub fn text(&self) -> String {
        format!(
            "write {:#x} (volume {}, LBA {}, {} blocks, submitted at {} ns, {} at {} ns)",
            self.stamp,
            self.volume,
            self.lba,
            self.blocks,
            self.submitted_at.0,
            if self.ok { "completed" } else { "failed" },
            self.completed_at.0
        )
    }
}

#[derive(Debug, Default)]
pub struct History {
    ring: Vec<Past>,
}

impl History {
    fn place(stamp: Stamp) -> usize {
        (stamp >> SLOT_BITS) as usize % REMEMBERED
    }

    #[inline]
    pub fn over(&mut self, record: &Record) {
        let past = Past {
            stamp: record.stamp,
            lba: record.lba,
            blocks: record.blocks,
            volume: record.volume,
            ok: record.state == State::Ok,
            submitted_at: record.submitted_at,
            completed_at: record.completed_at,
        };
        let place = History::place(record.stamp);
        if place >= self.ring.len() {
            self.ring.resize(place + 1, past);
        }
        self.ring[place] = past;
    }

    pub fn of(&self, stamp: Stamp) -> Option<&Past> {
        self.ring
            .get(History::place(stamp))
            .filter(|p| p.stamp == stamp)
    }

    #[cfg(test)]
    pub fn len(&self) -> usize {
        self.ring.len()
    }
}
