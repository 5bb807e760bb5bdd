//! Flushes of one volume, and the failure that a crash owes them.
//!
//! When a crash has lost acknowledged, unflushed writes, the next flush of each host that had written them must fail,
//! once; so must one in flight that covers a lost write of its host. What one host is told, another does not hear. Answers
//! may overtake each other, so a flush that succeeds is only a *suspect* while a flush of that host which was outstanding
//! with it may still bring the failure. One failure pays a host's debt: an array cannot know of flushes that were still on
//! their way to it, so that failing every single one of them is not asked for.

use simarray::api::Stamp;

#[derive(Clone, Copy, Debug)]
struct OpenFlush {
    slot: u32,
    host: u16,
    submitted: u64,
    /// A write that it covers was lost while it was in flight.
    must_fail: bool,
}

/// A loss that no flush has reported yet.
#[derive(Clone, Debug)]
pub struct Debt {
    /// When it was lost, in the order of all that the checker was told.
    order: u64,
    /// Whose writes they were; `None`: that is not known any more.
    host: Option<u16>,
    pub lba: u64,
    pub stamp: Stamp,
    /// A flush that succeeded in spite of it: its text, and the order of its completion.
    suspect: Option<(String, u64)>,
}

impl Debt {
    /// Whether a flush of this host may pay it.
    fn is_of(&self, host: u16) -> bool {
        self.host.is_none_or(|of| of == host)
    }
}

#[derive(Debug, Default)]
pub struct Flushes {
    open: Vec<OpenFlush>,
    /// At most one of each host.
    debts: Vec<Debt>,
}

impl Flushes {
    pub fn submitted(&mut self, order: u64, slot: u32, host: u16) {
        self.forget(slot);
        self.open.push(OpenFlush {
            slot,
            host,
            submitted: order,
            must_fail: false,
        });
    }

    /// Its slot is used for something else.
    pub fn forget(&mut self, slot: u32) {
        self.open.retain(|f| f.slot != slot);
    }

    /// An acknowledged, unflushed write is gone.
    pub fn lost(&mut self, order: u64, host: Option<u16>, lba: u64, stamp: Stamp) {
        if !self.debts.iter().any(|d| d.host == host) {
            self.debts.push(Debt {
                order,
                host,
                lba,
                stamp,
                suspect: None,
            });
        }
    }

    /// Asks for each flush in flight whether the loss concerns what it covers, by its host and its submission.
    pub fn in_flight(&mut self, mut concerns: impl FnMut(u16, u64) -> bool) {
        for flush in self.open.iter_mut().filter(|f| !f.must_fail) {
            flush.must_fail = concerns(flush.host, flush.submitted);
        }
    }

    /// A flush is over. Returns the debt that nobody can pay any more, and the text of the flush that ought to have.
    pub fn completed(
        &mut self,
        order: u64,
        slot: u32,
        ok: bool,
        text: impl Fn() -> String,
    ) -> Option<(Debt, String)> {
        let at = self.open.iter().position(|f| f.slot == slot)?;
        let flush = self.open.swap_remove(at);
        if !ok {
            self.debts.retain(|d| !d.is_of(flush.host));
            for other in self.open.iter_mut().filter(|f| f.host == flush.host) {
                other.must_fail = false;
            }
            return None;
        }
        for debt in self.debts.iter_mut().filter(|d| d.is_of(flush.host)) {
            if debt.suspect.is_none() && (flush.must_fail || flush.submitted > debt.order) {
                debt.suspect = Some((text(), order));
            }
        }
        let open = &self.open;
        let hopeless = |d: &Debt| {
            let suspected = d.suspect.as_ref().map(|(_, at)| *at);
            suspected.is_some_and(|at| !open.iter().any(|f| d.is_of(f.host) && f.submitted < at))
        };
        let at = self.debts.iter().position(hopeless)?;
        let mut debt = self.debts.swap_remove(at);
        let (text, _) = debt.suspect.take()?;
        Some((debt, text))
    }
}
