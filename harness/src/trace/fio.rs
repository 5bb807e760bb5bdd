//! fio's I/O log, versions 2 and 3 (`--write_iolog`, `--read_iolog`).
//!
//! The first line is `fio version 2 iolog` or `fio version 3 iolog`. Version 2 has `file action [offset length]`, and time passes only
//! by `wait` lines, whose offset is microseconds after the previous wait; fio discards waits below 100, and so does this. Version
//! 3 has `timestamp file action [offset length]`, in microseconds since the start, and no `wait`. Offset and length are bytes.
//! `sync`, `datasync` and `syncfs` are flushes, `trim` is a discard. `add`, `open`, `close`, `unlink` and `wait` are no I/O; nor is
//! `sync_file_range`, which flushes no device.

use super::Record;
use super::devices::Devices;
use super::error::{Bad, shown};
use super::line::{Line, LineFormat, record};
use super::text::{Field, NS_PER_US, Words};
use protocol::Op;

pub const HEADER_V3: &str = "fio version 3 iolog";
const HEADER_V2: &str = "fio version 2 iolog";
const SHORTEST_WAIT_US: u64 = 100;
const ACTIONS: &str =
    "read, write, trim, sync, datasync, syncfs, sync_file_range, add, open, close, unlink or wait";

#[derive(Default)]
pub struct Fio {
    version: u8,
    /// Version 2: the sum of the waits so far.
    waited_us: u64,
}

impl LineFormat for Fio {
    fn line(&mut self, number: u64, line: &[u8], devices: &mut Devices) -> Result<Line, Bad> {
        if self.version == 0 {
            self.version = match line.trim_ascii_end() {
                l if l == HEADER_V2.as_bytes() => 2,
                l if l == HEADER_V3.as_bytes() => 3,
                _ => {
                    let what = format!(
                        "found {}, expected '{HEADER_V2}' or '{HEADER_V3}' on line {number}",
                        shown(line)
                    );
                    return Err(Bad::syntax(0, what));
                }
            };
            return Ok(Line::Header);
        }
        let mut words = Words::new(line);
        let stamp = match self.version {
            2 => None,
            _ => Some(words.word()),
        };
        let stamp_us = match stamp {
            None => self.waited_us,
            Some(stamp) => stamp.number("a timestamp in microseconds")?,
        };
        let (file, action) = (words.word(), words.word());
        let (offset, length) = (words.word(), words.word());
        let rest = words.rest();
        if !rest.text.is_empty() {
            return Err(rest.bad("the end of the line"));
        }
        let op = match action.text {
            b"read" => Op::Read,
            b"write" => Op::Write,
            b"trim" => Op::Discard,
            b"sync" | b"datasync" | b"syncfs" => Op::Flush,
            b"add" | b"open" | b"close" | b"unlink" => {
                if !offset.text.is_empty() {
                    return Err(offset.bad("the end of the line after a file action"));
                }
                devices.id(file.at, file.text)?;
                return Ok(Line::Other);
            }
            b"sync_file_range" => return Ok(Line::Other),
            b"wait" => return self.wait(action, offset),
            _ => return Err(action.bad(ACTIONS)),
        };
        let device = devices.id(file.at, file.text)?;
        let place = match (op, offset.text) {
            (Op::Flush, b"") => (0, 0),
            _ => (
                offset.number("an offset in bytes")?,
                length.number("a length in bytes")?,
            ),
        };
        let at = stamp.map_or(0, |s| s.at);
        let at_ns = stamp_us
            .checked_mul(NS_PER_US)
            .ok_or_else(|| Bad::range(at, format!("timestamp {stamp_us} µs is beyond 2^64 ns")))?;
        let io: Record = record(at_ns, op, place, device, offset.at)?;
        Ok(Line::Io(io))
    }
}

impl Fio {
    /// 2 or 3; 0 before the first line.
    pub fn version(&self) -> u16 {
        u16::from(self.version)
    }

    fn wait(&mut self, action: Field<'_>, offset: Field<'_>) -> Result<Line, Bad> {
        if self.version == 3 {
            return Err(action.bad("an action of version 3, which has no wait"));
        }
        let wait_us = offset.number("a time to wait, in microseconds")?;
        if wait_us >= SHORTEST_WAIT_US {
            self.waited_us = self
                .waited_us
                .checked_add(wait_us)
                .ok_or_else(|| Bad::range(offset.at, "the waits add up to more than 2^64 µs"))?;
        }
        Ok(Line::Other)
    }
}
