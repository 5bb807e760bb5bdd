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
