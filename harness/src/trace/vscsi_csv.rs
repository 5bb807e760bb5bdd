//! The CSV that libCacheSim ships beside the CloudPhysics binaries: `version,time,op,size,lbn`, with that header.
//!
//! The time is in whole seconds (the microseconds are lost), so that a replay spreads the I/Os inside their second; `op` is a SCSI
//! opcode in hexadecimal without `0x`, `size` is in bytes, `lbn` in blocks of 512 bytes. There is one device, called `0`.

use super::columns::{is_header, split};
use super::devices::Devices;
use super::error::Bad;
use super::line::{Line, LineFormat, record};
use super::text::{NS_PER_S, SECTOR_BYTES, hex_byte};

const NAMES: &str = "version,time,op,size,lbn";

pub struct VscsiCsv;

impl LineFormat for VscsiCsv {
    fn line(&mut self, number: u64, line: &[u8], devices: &mut Devices) -> Result<Line, Bad> {
        if number == 1 && is_header(line, NAMES) {
            return Ok(Line::Header);
        }
        let [version, time, op, size, lbn] = split::<5>(line, NAMES, false)?;
        if !matches!(version.text, b"1" | b"2") {
            return Err(version.bad("the version of vscsi, 1 or 2"));
        }
        let at_ns = time.scaled(NS_PER_S, "a time in whole seconds")?;
        let expected = "a SCSI opcode in hexadecimal, as 28 or 2a";
        let opcode = hex_byte(op.text).ok_or_else(|| op.bad(expected))?;
        let len_bytes = size.number("a size in bytes")?;
        let offset_bytes = lbn.scaled(SECTOR_BYTES, "a block number (512 bytes)")?;
        let Some(op) = super::scsi::op(opcode) else {
            return Ok(Line::Other);
        };
        let device = devices.id(0, b"0")?;
        record(at_ns, op, (offset_bytes, len_bytes), device, lbn.at).map(Line::Io)
    }
}
