//! SPC-1 / UMass ("Financial", "WebSearch") ASCII: `ASU,LBA,Size,Opcode,Timestamp[,optional…]`, blanks allowed.
//!
//! The LBA counts blocks of 512 bytes within the ASU (application storage unit), which is the device; the size is in bytes, and
//! need not be a multiple of a block; the timestamp is in decimal seconds from the start.

use super::columns::{is_header, split};
use super::devices::Devices;
use super::error::Bad;
use super::line::{Line, LineFormat, record};
use super::text::SECTOR_BYTES;
use protocol::Op;

const NAMES: &str = "ASU,LBA,Size,Opcode,Timestamp";

pub struct Spc;

impl LineFormat for Spc {
    fn line(&mut self, number: u64, line: &[u8], devices: &mut Devices) -> Result<Line, Bad> {
        if number == 1 && is_header(line, NAMES) {
            return Ok(Line::Header);
        }
        let [asu, lba, size, opcode, stamp] = split::<5>(line, NAMES, true)?;
        asu.number("an ASU number")?;
        let offset_bytes = lba.scaled(SECTOR_BYTES, "an LBA in blocks of 512 bytes")?;
        let len_bytes = size.number("a size in bytes")?;
        let op = match opcode.text {
            b"R" | b"r" => Op::Read,
            b"W" | b"w" => Op::Write,
            _ => return Err(opcode.bad("R or W")),
        };
        let at_ns = stamp.decimal_seconds("seconds since the start, as 0.551706")?;
        let device = devices.id(asu.at, asu.text)?;
        let place = (offset_bytes, len_bytes);
        record(at_ns, op, place, device, lba.at).map(Line::Io)
    }
}
