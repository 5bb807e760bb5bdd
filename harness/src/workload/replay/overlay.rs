//! Takes the selected records of a trace and lays them over a volume.

use crate::scenario::model::{BeyondEnd, Replay};
use crate::trace::{Clock, Kind, Reader, Record, TraceError};
use crate::workload::Io;
use protocol::Op;

/// No initiator sends more in one I/O; more is a misread trace.
const LARGEST_IO_BYTES: u64 = 1 << 30;
const DEVICES_SHOWN: usize = 20;

/// Takes the selected records from the trace and lays them over the volume.
pub struct Taker {
    reader: Reader,
    device: Option<String>,
    /// Known once the trace named it.
    device_id: Option<u32>,
    clock: Clock,
    block: u64,
    volume_blocks: u64,
    beyond_end: BeyondEnd,
    /// Taken already, for who must know what comes next.
    pub ahead: Option<Item>,
    /// An error is final.
    failed: Option<TraceError>,
}

#[derive(Clone, Copy)]
pub struct Item {
    pub at_ns: u64,
    pub backwards: bool,
    pub laid: Laid,
}

/// A record on the volume.
#[derive(Clone, Copy, Default)]
pub struct Laid {
    pub io: Option<Io>,
    pub cut: bool,
    pub wrapped: bool,
    pub widened: bool,
}

impl Taker {
    /// Takes the first record at once: without any, the trace is of no use to this replay.
    pub fn new(
        reader: Reader,
        wanted: &Replay,
        block: u64,
        volume_blocks: u64,
    ) -> Result<Self, TraceError> {
        let mut taker = Taker {
            reader,
            device: wanted.device.clone(),
            device_id: None,
            clock: Clock::default(),
            block,
            volume_blocks,
            beyond_end: wanted.beyond_end,
            ahead: None,
            failed: None,
        };
        taker.ahead = taker.take()?;
        match taker.ahead {
            Some(_) => Ok(taker),
            None => Err(taker.nothing()),
        }
    }

    pub fn next(&mut self) -> Result<Option<Item>, TraceError> {
        if let Some(item) = self.ahead.take() {
            return Ok(Some(item));
        }
        if let Some(error) = &self.failed {
            return Err(error.clone());
        }
        self.take().inspect_err(|e| self.failed = Some(e.clone()))
    }

    fn take(&mut self) -> Result<Option<Item>, TraceError> {
        while let Some(record) = self.reader.next()? {
            if !self.selected(record.device) {
                continue;
            }
            let before = self.clock.backwards();
            let at_ns = self.clock.at(record.at_ns);
            return Ok(Some(Item {
                at_ns,
                backwards: self.clock.backwards() > before,
                laid: self.lay(&record)?,
            }));
        }
        Ok(None)
    }

    fn selected(&mut self, device: u32) -> bool {
        let Some(wanted) = &self.device else {
            return true;
        };
        match self.device_id {
            Some(id) => id == device,
            None => {
                let found = self.reader.device(device) == wanted;
                self.device_id = found.then_some(device);
                found
            }
        }
    }

    /// Why the trace gave nothing at all.
    fn nothing(&self) -> TraceError {
        let devices = self.reader.devices();
        let shown: Vec<String> = devices
            .iter()
            .take(DEVICES_SHOWN)
            .map(|d| format!("'{d}'"))
            .collect();
        let more = match devices.len().saturating_sub(DEVICES_SHOWN) {
            0 => String::new(),
            n => format!(" and {n} more"),
        };
        match &self.device {
            Some(wanted) if self.reader.records() > 0 => self.reader.file_error(
                Kind::NoSuchDevice,
                format!(
                    "there is no I/O of device '{}', expected one of {}{more}",
                    wanted.escape_debug(),
                    shown.join(", ")
                ),
            ),
            _ => self
                .reader
                .file_error(Kind::Empty, "there is no I/O in this trace"),
        }
    }

    fn lay(&self, record: &Record) -> Result<Laid, TraceError> {
        if record.op == Op::Flush {
            return Ok(Laid {
                io: Some(Io::flush()),
                ..Laid::default()
            });
        }
        if record.len_bytes == 0 {
            return Ok(Laid::default());
        }
        let volume = self.volume_blocks;
        let shown = || {
            format!(
                "an I/O of {} bytes at byte {}",
                record.len_bytes, record.offset_bytes
            )
        };
        let volume_bytes = volume.saturating_mul(self.block);
        if record.len_bytes > LARGEST_IO_BYTES {
            let what = format!("{}, expected at most {LARGEST_IO_BYTES}", shown());
            return Err(self.reader.error(Kind::TooLarge, what));
        }
        let first = record.offset_bytes / self.block;
        let end = record.end_bytes().div_ceil(self.block);
        let mut laid = Laid {
            widened: !record.offset_bytes.is_multiple_of(self.block)
                || !record.end_bytes().is_multiple_of(self.block),
            ..Laid::default()
        };
        let mut io = Io::single(record.op, first, (end - first) as u32, record.fua);
        if end > volume {
            match self.beyond_end {
                BeyondEnd::Fail => {
                    let what = format!(
                        "{} ends beyond the volume, which has {volume_bytes}",
                        shown()
                    );
                    return Err(self.reader.error(Kind::BeyondEnd, what));
                }
                BeyondEnd::Clip if first >= volume => return Ok(laid),
                BeyondEnd::Clip => {
                    laid.cut = true;
                    io.pieces[0].1 = (volume - first) as u32;
                }
                BeyondEnd::Wrap => {
                    let blocks = end - first;
                    if blocks > volume {
                        let what = format!(
                            "{} is larger than the volume, which has {volume_bytes}",
                            shown()
                        );
                        return Err(self.reader.error(Kind::TooLarge, what));
                    }
                    laid.wrapped = true;
                    let lba = first % volume;
                    let before_end = blocks.min(volume - lba);
                    io.pieces = [(lba, before_end as u32), (0, (blocks - before_end) as u32)];
                    io.n_pieces = if before_end < blocks { 2 } else { 1 };
                }
            }
        }
        laid.io = Some(io);
        Ok(laid)
    }
}
