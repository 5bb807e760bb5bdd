//! Alibaba block traces (2020), `io_traces.csv`: `device_id,opcode,offset,length,timestamp`, no header in the original.
//!
//! Offset and length are bytes, the timestamp is Unix time in microseconds.

use super::columns::{is_header, split};
use super::devices::Devices;
use super::error::Bad;
use super::line::{Line, LineFormat, record};
use super::text::NS_PER_US;
use protocol::Op;

const NAMES: &str = "device_id,opcode,offset,length,timestamp";

pub struct Alibaba;

impl LineFormat for Alibaba {
    fn line(&mut self, number: u64, line: &[u8], devices: &mut Devices) -> Result<Line, Bad> {
        if number == 1 && is_header(line, NAMES) {
            return Ok(Line::Header);
        }
        let [device, opcode, offset, length, stamp] = split::<5>(line, NAMES, false)?;
        device.number("a device number")?;
        let op = match opcode.text {
            b"R" => Op::Read,
            b"W" => Op::Write,
            _ => return Err(opcode.bad("R or W")),
        };
        let offset_bytes = offset.number("an offset in bytes")?;
        let len_bytes = length.number("a length in bytes")?;
        let at_ns = stamp.scaled(NS_PER_US, "Unix time in microseconds")?;
        let device = devices.id(device.at, device.text)?;
        let place = (offset_bytes, len_bytes);
        record(at_ns, op, place, device, offset.at).map(Line::Io)
    }
}
