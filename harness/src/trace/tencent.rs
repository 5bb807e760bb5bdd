//! Tencent CBS (2018): `Timestamp,Offset,Size,IOType,VolumeID`.
//!
//! The timestamp is Unix time in whole seconds, so that many I/Os share one: a replay spreads them inside their second. Offset and
//! size are sectors of 512 bytes; the type is 0 for a read, 1 for a write.

use super::columns::{is_header, split};
use super::devices::Devices;
use super::error::Bad;
use super::line::{Line, LineFormat, record};
use super::text::{NS_PER_S, SECTOR_BYTES};
use protocol::Op;

const NAMES: &str = "Timestamp,Offset,Size,IOType,VolumeID";

pub struct Tencent;

impl LineFormat for Tencent {
    fn line(&mut self, number: u64, line: &[u8], devices: &mut Devices) -> Result<Line, Bad> {
        if number == 1 && is_header(line, NAMES) {
            return Ok(Line::Header);
        }
        let [stamp, offset, size, kind, volume] = split::<5>(line, NAMES, false)?;
        let at_ns = stamp.scaled(NS_PER_S, "Unix time in whole seconds")?;
        let offset_bytes = offset.scaled(SECTOR_BYTES, "an offset in sectors of 512 bytes")?;
        let len_bytes = size.scaled(SECTOR_BYTES, "a size in sectors of 512 bytes")?;
        let op = match kind.text {
            b"0" => Op::Read,
            b"1" => Op::Write,
            _ => return Err(kind.bad("0 (a read) or 1 (a write)")),
        };
        volume.number("a volume number")?;
        let device = devices.id(volume.at, volume.text)?;
        let place = (offset_bytes, len_bytes);
        record(at_ns, op, place, device, offset.at).map(Line::Io)
    }
}
