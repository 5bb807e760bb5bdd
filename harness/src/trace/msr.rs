//! MSR Cambridge: `Timestamp,Hostname,DiskNumber,Type,Offset,Size,ResponseTime`, no header in the originals.
//!
//! The timestamp is a Windows FILETIME (100 ns since 1601); offset and size are bytes. The device is `Hostname_DiskNumber`, as the
//! set's own files are named (`hm_0`). The response time is that of the traced machine: checked, not replayed.

use super::columns::{is_header, split};
use super::devices::Devices;
use super::error::Bad;
use super::line::{Line, LineFormat, record};
use protocol::Op;

const NAMES: &str = "Timestamp,Hostname,DiskNumber,Type,Offset,Size,ResponseTime";
/// The FILETIME of 1970-01-01.
const UNIX_EPOCH: u64 = 116_444_736_000_000_000;
const NS_PER_TICK: u64 = 100;

pub struct Msr;

impl LineFormat for Msr {
    fn line(&mut self, number: u64, line: &[u8], devices: &mut Devices) -> Result<Line, Bad> {
        if number == 1 && is_header(line, NAMES) {
            return Ok(Line::Header);
        }
        let [stamp, host, disk, kind, offset, size, response] = split::<7>(line, NAMES, false)?;
        let expected = "a Windows FILETIME of 1970 or later (100 ns since 1601)";
        let ticks = stamp
            .number(expected)?
            .checked_sub(UNIX_EPOCH)
            .ok_or_else(|| stamp.bad(expected))?;
        let at_ns = ticks
            .checked_mul(NS_PER_TICK)
            .ok_or_else(|| Bad::range(stamp.at, "the timestamp lies after the year 2554"))?;
        disk.number("a disk number")?;
        let op = match kind.text {
            t if t.eq_ignore_ascii_case(b"read") => Op::Read,
            t if t.eq_ignore_ascii_case(b"write") => Op::Write,
            _ => return Err(kind.bad("Read or Write")),
        };
        let offset_bytes = offset.number("an offset in bytes")?;
        let len_bytes = size.number("a size in bytes")?;
        response.number("a response time in 100 ns")?;
        let device = devices.joined(host.at, host.text, disk.text)?;
        let place = (offset_bytes, len_bytes);
        record(at_ns, op, place, device, offset.at).map(Line::Io)
    }
}
