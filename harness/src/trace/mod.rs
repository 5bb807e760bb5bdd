//! Block traces: what real machines asked of their disks, read in the formats that people publish them in.
//!
//! A trace can be larger than memory, so it is streamed: one record after another through one fixed buffer, packed or
//! not. A trace is also somebody else's data, so whatever is wrong with it is said with its file, line and column (or record and
//! byte), what was found and what was expected; nothing is skipped silently, nothing panics.
//!
//! One file per format; each turns its lines or records into [`Record`]s, and says which of its lines are no I/O by the format's
//! own definition (fio's `open`, blkparse's completions, a SCSI `INQUIRY`): those are counted as `others`.

mod alibaba;
mod blkparse;
mod columns;
mod convert;
mod detect;
mod devices;
mod error;
mod fio;
mod format;
mod info;
mod input;
mod line;
mod msr;
mod packed;
mod reader;
mod scsi;
mod spc;
mod tencent;
#[cfg(test)]
pub(crate) mod tests;
mod text;
mod vscsi;
mod vscsi_csv;

pub use convert::{Converted, convert};
pub use error::{Kind, Place, TraceError};
pub use format::Format;
pub use info::{head, info};
pub use reader::Reader;

use protocol::Op;

/// One I/O of a trace, in one form for all formats.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Record {
    /// Nanoseconds since the trace's own epoch. As the trace has it: it may go backwards.
    pub at_ns: u64,
    pub op: Op,
    /// 0 for a flush, as is `len_bytes`.
    pub offset_bytes: u64,
    /// 0 is possible: some formats record empty reads and writes.
    pub len_bytes: u64,
    /// Index for `Reader::device`.
    pub device: u32,
    pub fua: bool,
}

impl Record {
    /// The byte behind the last; a reader never gives out a record that has none.
    pub fn end_bytes(&self) -> u64 {
        self.offset_bytes.saturating_add(self.len_bytes)
    }
}

/// Keeps time from running backwards, as tracers of several CPUs let it: an earlier stamp becomes the latest seen.
#[derive(Clone, Copy, Default, Debug)]
pub struct Clock {
    latest_ns: u64,
    backwards: u64,
}

impl Clock {
    pub fn at(&mut self, stamp_ns: u64) -> u64 {
        if stamp_ns < self.latest_ns {
            self.backwards += 1;
        }
        self.latest_ns = self.latest_ns.max(stamp_ns);
        self.latest_ns
    }

    /// How many stamps were earlier than one before them.
    pub fn backwards(&self) -> u64 {
        self.backwards
    }
}
