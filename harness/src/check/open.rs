//! Commands of the applications that are not over yet, by the driver's slot, and which of their blocks took effect.
//!
//! A stamp carries its slot in its low 20 bits, so an effect finds its command without a search: where the slot's
//! record has another stamp by now, that write is over. The record stays after its completion until the slot is used
//! again, so that most findings can say when a write ended.

use super::Submitted;
use protocol::{Instant, Op};
use simarray::api::Stamp;

/// Bits of a stamp that name the slot.
pub const SLOT_BITS: u32 = 20;
pub const SLOT_MASK: u64 = (1 << SLOT_BITS) - 1;

/// How a command stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum State {
    Never,
    Open,
    Ok,
    Failed,
}

/// Part of a write that took effect, and when it last did so in media order.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Piece {
    pub lba: u64,
    pub end: u64,
    pub turn: u64,
    /// A crash took it back before the write's completion.
    pub lost: bool,
}

/// One slot.
#[derive(Debug)]
pub struct Record {
    pub stamp: Stamp,
    pub lba: u64,
    pub blocks: u32,
    pub host: u16,
    pub volume: u16,
    pub op: Op,
    pub fua: bool,
    pub state: State,
    /// Place of the submission in the order of all that the checker was told.
    pub submitted: u64,
    pub submitted_at: Instant,
    pub completed_at: Instant,
    /// The last effect of the whole write; 0: none.
    pub whole: u64,
    /// Effects of parts of it.
    pub pieces: Vec<Piece>,
}

impl Record {
    fn idle() -> Record {
        Record {
            stamp: 0,
            lba: 0,
            blocks: 0,
            host: 0,
            volume: 0,
            op: Op::Read,
            fua: false,
            state: State::Never,
            submitted: 0,
            submitted_at: Instant::ZERO,
            completed_at: Instant::ZERO,
            whole: 0,
            pieces: Vec::new(),
        }
    }

    pub fn end(&self) -> u64 {
        self.lba.saturating_add(u64::from(self.blocks))
    }

    /// Part of the write took effect.
    #[cold]
    pub fn took_effect_in_part(&mut self, lba: u64, end: u64, turn: u64) {
        let same = |p: &&mut Piece| p.lba == lba && p.end == end && !p.lost;
        match self.pieces.iter_mut().find(same) {
            Some(piece) => piece.turn = turn,
            None => self.pieces.push(Piece {
                lba,
                end,
                turn,
                lost: false,
            }),
        }
    }

    /// A crash took blocks of it back.
    #[cold]
    pub fn lost(&mut self, lba: u64, end: u64) {
        let mut before = std::mem::take(&mut self.pieces);
        if self.whole != 0 {
            before.push(Piece {
                lba: self.lba,
                end: self.end(),
                turn: self.whole,
                lost: false,
            });
            self.whole = 0;
        }
        for piece in before {
            if piece.lost || piece.end <= lba || end <= piece.lba {
                self.pieces.push(piece);
                continue;
            }
            let mut cut = |from: u64, to: u64, lost| {
                if from < to {
                    self.pieces.push(Piece {
                        lba: from,
                        end: to,
                        lost,
                        ..piece
                    });
                }
            };
            cut(piece.lba, lba, false);
            cut(piece.lba.max(lba), piece.end.min(end), true);
            cut(end, piece.end, false);
        }
    }

    /// The first block that no piece covers; pieces that a crash took back count where `lost` says so.
    #[cold]
    pub fn first_uncovered(&self, lost: bool) -> Option<u64> {
        let mut spans: Vec<(u64, u64)> = self
            .pieces
            .iter()
            .filter(|p| lost || !p.lost)
            .map(|p| (p.lba, p.end))
            .collect();
        if self.whole != 0 {
            spans.push((self.lba, self.end()));
        }
        spans.sort_unstable();
        let mut at = self.lba;
        for (from, to) in spans {
            if from > at {
                break;
            }
            at = at.max(to);
        }
        (at < self.end()).then_some(at)
    }

    /// Calls `f(lba, end, turn)` for every part that took effect and still stands.
    pub fn effects(&self, mut f: impl FnMut(u64, u64, u64)) {
        if self.whole != 0 {
            f(self.lba, self.end(), self.whole);
        }
        for piece in self.pieces.iter().filter(|p| !p.lost) {
            f(piece.lba, piece.end, piece.turn);
        }
    }

    /// For findings: what it is, where, and its times.
    pub fn text(&self) -> String {
        let fua = if self.fua { " with FUA" } else { "" };
        let outcome = match self.state {
            State::Never => return String::from("a command that nobody submitted"),
            State::Open => String::from("not completed"),
            State::Ok => format!("completed at {} ns", self.completed_at.0),
            State::Failed => format!("failed at {} ns", self.completed_at.0),
        };
        let what = match self.op {
            Op::Read => String::from("read"),
            Op::Write => format!("write {:#x}", self.stamp),
            Op::Flush => String::from("flush"),
            Op::Discard => format!("discard {:#x}", self.stamp),
            Op::WriteZeroes => format!("write-zeroes {:#x}", self.stamp),
        };
        format!(
            "{what}{fua} (volume {}, LBA {}, {} blocks, submitted at {} ns, {outcome})",
            self.volume, self.lba, self.blocks, self.submitted_at.0
        )
    }
}

/// All slots.
#[derive(Debug, Default)]
pub struct OpenTable {
    slots: Vec<Record>,
}

impl OpenTable {
    pub fn get(&self, slot: u32) -> Option<&Record> {
        self.slots.get(slot as usize)
    }

    /// The record that may be the one of this stamp: compare its `stamp`.
    #[inline]
    pub fn of(&self, stamp: Stamp) -> Option<&Record> {
        self.slots
            .get((stamp & SLOT_MASK) as usize)
            .filter(|r| r.stamp == stamp && stamp != 0)
    }

    #[inline]
    pub fn of_mut(&mut self, stamp: Stamp) -> Option<&mut Record> {
        self.slots
            .get_mut((stamp & SLOT_MASK) as usize)
            .filter(|r| r.stamp == stamp && stamp != 0)
    }

    #[inline]
    pub fn open(&mut self, now: Instant, order: u64, io: &Submitted) {
        let slot = io.slot as usize;
        if slot >= self.slots.len() {
            self.slots.resize_with(slot + 1, Record::idle);
        }
        let record = &mut self.slots[slot];
        record.stamp = io.stamp;
        record.lba = io.lba;
        record.blocks = io.blocks;
        record.host = io.host;
        record.volume = io.volume.0;
        record.op = io.op;
        record.fua = io.fua;
        record.state = State::Open;
        record.submitted = order;
        record.submitted_at = now;
        record.whole = 0;
        record.pieces.clear();
    }

    /// Ends the open command of a slot.
    #[inline]
    pub fn close(&mut self, now: Instant, slot: u32, ok: bool) -> Option<&mut Record> {
        let record = self.slots.get_mut(slot as usize)?;
        if record.state != State::Open {
            return None;
        }
        record.state = if ok { State::Ok } else { State::Failed };
        record.completed_at = now;
        Some(record)
    }

    /// Whether this is a read of this submission that is still open.
    #[inline]
    pub fn is_open_since(&self, slot: u32, submitted: u64) -> bool {
        self.get(slot)
            .is_some_and(|r| r.state == State::Open && r.submitted == submitted)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use protocol::VolumeId;

    fn written(lba: u64, blocks: u32) -> Record {
        let mut table = OpenTable::default();
        let io = Submitted {
            slot: 0,
            host: 0,
            volume: VolumeId(0),
            op: Op::Write,
            lba,
            blocks,
            fua: false,
            stamp: 1 << SLOT_BITS,
        };
        table.open(Instant(5), 1, &io);
        table.slots.remove(0)
    }

    #[test]
    fn pieces_in_any_order_make_a_whole() {
        let mut record = written(10, 30);
        assert_eq!(record.first_uncovered(false), Some(10));
        record.took_effect_in_part(30, 40, 1);
        record.took_effect_in_part(10, 25, 2);
        assert_eq!(record.first_uncovered(false), Some(25));
        record.took_effect_in_part(10, 25, 3);
        assert_eq!(record.pieces.len(), 2, "a repeated piece is the same piece");
        record.took_effect_in_part(20, 31, 4);
        assert_eq!(record.first_uncovered(false), None);
    }

    #[test]
    fn what_a_crash_took_back_is_uncovered_until_it_is_written_again() {
        let mut record = written(10, 30);
        record.whole = 4;
        record.lost(20, 25);
        assert_eq!(record.first_uncovered(false), Some(20));
        assert_eq!(record.first_uncovered(true), None);
        record.took_effect_in_part(20, 24, 5);
        assert_eq!(record.first_uncovered(false), Some(24));
        record.took_effect_in_part(24, 30, 6);
        assert_eq!(record.first_uncovered(false), None);
        let mut turns = Vec::new();
        record.effects(|from, to, turn| turns.push((from, to, turn)));
        turns.sort_unstable();
        assert_eq!(turns, [(10, 20, 4), (20, 24, 5), (24, 30, 6), (25, 40, 4)]);
    }
}
