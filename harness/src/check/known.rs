//! Everything that is known of the applications' commands: the open ones, the failed ones, the last that are over.

use super::failed::FailedWrites;
use super::history::History;
use super::open::{OpenTable, State};
use simarray::api::Stamp;

#[derive(Debug, Default)]
pub struct Known {
    pub open: OpenTable,
    pub failed: FailedWrites,
    pub history: History,
    /// No stamp above it was given out.
    pub stamps: Stamp,
}

impl Known {
    pub fn is_open(&self, stamp: Stamp) -> bool {
        self.open.of(stamp).is_some_and(|r| r.state == State::Open)
    }

    /// Whether a write was completed without error. Of one that is over for so long that it is forgotten success is
    /// assumed: a failed one is kept until it is superseded.
    pub fn is_acknowledged(&self, stamp: Stamp) -> bool {
        match (self.open.of(stamp), self.history.of(stamp)) {
            (Some(record), _) => record.state == State::Ok,
            (None, Some(past)) => past.ok,
            (None, None) => stamp != 0 && self.failed.of(stamp).is_none(),
        }
    }

    /// The volume of a write, where that is still known.
    pub fn volume(&self, stamp: Stamp) -> Option<u16> {
        let open = self.open.of(stamp).map(|r| r.volume);
        let failed = || self.failed.of(stamp).map(|f| f.volume);
        let past = || self.history.of(stamp).map(|p| p.volume);
        open.or_else(failed).or_else(past)
    }

    /// A write, for a text: what, where and when.
    pub fn describe(&self, stamp: Stamp) -> String {
        if stamp == 0 {
            return String::from("nothing (never written, or zeroes)");
        }
        if let Some(record) = self.open.of(stamp) {
            return record.text();
        }
        if let Some(past) = self.history.of(stamp) {
            return past.text();
        }
        if let Some(failed) = self.failed.of(stamp) {
            return failed.text(stamp);
        }
        if stamp > self.stamps {
            return format!("write {stamp:#x} (which nobody submitted)");
        }
        format!("write {stamp:#x} (over for so long that its times are not kept)")
    }
}
