//! Flushes of one volume, and the failure that a crash owes them.
//!
//! When a crash has lost acknowledged, unflushed writes, the next flush must fail, once; so must one in flight that
//! covers a lost write. Answers may overtake each other, so a flush that succeeds is only a *suspect* while a flush
//! that was outstanding with it may still bring the failure. One failure pays the debt: an array cannot know of
//! flushes that were still on their way to it, so that failing every single one of them is not asked for.

use simarray::api::Stamp;

#[derive(Clone, Copy, Debug)]
struct OpenFlush {
    slot: u32,
    submitted: u64,
    /// A write that it covers was lost while it was in flight.
    must_fail: bool,
}

/// A loss that no flush has reported yet.
#[derive(Clone, Debug)]
pub struct Debt {
    /// When it was lost, in the order of all that the checker was told.
    order: u64,
    pub lba: u64,
    pub stamp: Stamp,
    /// A flush that succeeded in spite of it: its text, and the order of its completion.
    suspect: Option<(String, u64)>,
}

#[derive(Debug, Default)]
pub struct Flushes {
    open: Vec<OpenFlush>,
    debt: Option<Debt>,
}

impl Flushes {
    pub fn submitted(&mut self, order: u64, slot: u32) {
        self.forget(slot);
        self.open.push(OpenFlush {
            slot,
            submitted: order,
            must_fail: false,
        });
    }

    /// Its slot is used for something else.
    pub fn forget(&mut self, slot: u32) {
        self.open.retain(|f| f.slot != slot);
    }

    /// An acknowledged, unflushed write is gone.
    pub fn lost(&mut self, order: u64, lba: u64, stamp: Stamp) {
        if self.debt.is_none() {
            self.debt = Some(Debt {
                order,
                lba,
                stamp,
                suspect: None,
            });
        }
    }

    /// Asks for each flush in flight whether the loss concerns what it covers.
    pub fn in_flight(&mut self, mut concerns: impl FnMut(u64) -> bool) {
        for flush in self.open.iter_mut().filter(|f| !f.must_fail) {
            flush.must_fail = concerns(flush.submitted);
        }
    }

    /// A flush is over. Returns the debt that nobody can pay any more, and the text of the flush that ought to have.
    pub fn completed(
        &mut self,
        order: u64,
        slot: u32,
        ok: bool,
        text: impl FnOnce() -> String,
    ) -> Option<(Debt, String)> {
        let at = self.open.iter().position(|f| f.slot == slot)?;
        let flush = self.open.swap_remove(at);
        if !ok {
            self.debt = None;
            for other in &mut self.open {
                other.must_fail = false;
            }
            return None;
        }
        let debt = self.debt.as_mut()?;
        if debt.suspect.is_none() && (flush.must_fail || flush.submitted > debt.order) {
            debt.suspect = Some((text(), order));
        }
        let &(_, suspected) = debt.suspect.as_ref()?;
        if self.open.iter().any(|f| f.submitted < suspected) {
            return None;
        }
        let mut debt = self.debt.take()?;
        let (text, _) = debt.suspect.take()?;
        Some((debt, text))
    }
}
