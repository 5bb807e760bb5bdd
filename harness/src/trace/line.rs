//! What every text format offers to the reader.

use super::Record;
use super::devices::Devices;
use super::error::Bad;
use protocol::Op;

/// What a line is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Line {
    Io(Record),
    /// A flush, and then the record: one line asked for both.
    FlushAndIo(Record),
    /// Names the format or its columns.
    Header,
    /// No I/O, by the format's own definition.
    Other,
}

/// A text format: one line after another, `number` counted from 1. Blank lines are not shown to it.
pub trait LineFormat {
    fn line(&mut self, number: u64, line: &[u8], devices: &mut Devices) -> Result<Line, Bad>;
}

/// A record whose end is checked; a flush has no place.
pub fn record(
    at_ns: u64,
    op: Op,
    place: (u64, u64),
    device: u32,
    place_at: usize,
) -> Result<Record, Bad> {
    let (offset_bytes, len_bytes) = if op == Op::Flush { (0, 0) } else { place };
    if offset_bytes.checked_add(len_bytes).is_none() {
        let what = format!("an I/O of {len_bytes} bytes at {offset_bytes} ends beyond 2^64 bytes");
        return Err(Bad::range(place_at, what));
    }
    Ok(Record {
        at_ns,
        op,
        offset_bytes,
        len_bytes,
        device,
        fua: false,
    })
}
