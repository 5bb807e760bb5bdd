//! What a person asks of an unknown trace: what is it, how much, how long, which devices; and what its first records look like.

use super::error::{Kind, Place, TraceError};
use super::text::NS_PER_S;
use super::{Clock, Reader, Record};
use protocol::Op;
use std::io::{self, Write};
use std::path::Path;

/// More devices than this are only counted.
const DEVICES_SHOWN: usize = 20;
const BAR_WIDTH: u64 = 40;

/// Reads the whole trace and prints what is in it.
pub fn info(path: &Path, format: &str, out: &mut dyn Write) -> Result<(), TraceError> {
    let mut reader = Reader::open(path, format)?;
    let mut sum = Sum::default();
    while let Some(record) = reader.next()? {
        sum.add(&record);
    }
    sum.print(&reader, out).map_err(|e| cannot_write(path, &e))
}

/// Prints the first `n` records, in one form for all formats.
pub fn head(path: &Path, format: &str, n: u64, out: &mut dyn Write) -> Result<(), TraceError> {
    let mut reader = Reader::open(path, format)?;
    let failed = |e: io::Error| cannot_write(path, &e);
    writeln!(
        out,
        "{:>18}  {:<8} {:>16} {:>10}  device",
        "seconds", "op", "offset", "bytes"
    )
    .map_err(failed)?;
    let mut first_ns = None;
    for _ in 0..n {
        let Some(record) = reader.next()? else {
            break;
        };
        let first_ns = *first_ns.get_or_insert(record.at_ns);
        let (sign, since_ns) = if record.at_ns < first_ns {
            ("-", first_ns - record.at_ns)
        } else {
            ("", record.at_ns - first_ns)
        };
        let seconds = format!("{sign}{}", seconds(since_ns));
        let op = format!(
            "{}{}",
            op_name(record.op),
            if record.fua { "+fua" } else { "" }
        );
        writeln!(
            out,
            "{seconds:>18}  {op:<9}{:>16} {:>10}  {}",
            record.offset_bytes,
            record.len_bytes,
            reader.device(record.device)
        )
        .map_err(failed)?;
    }
    Ok(())
}

fn cannot_write(path: &Path, e: &io::Error) -> TraceError {
    TraceError::new(Kind::Write, path, Place::File, format!("cannot print: {e}"))
}

fn op_name(op: Op) -> &'static str {
    match op {
        Op::Read => "read",
        Op::Write => "write",
        Op::Flush => "flush",
        Op::Discard => "discard",
        Op::WriteZeroes => "zeroes",
    }
}

fn op_index(op: Op) -> usize {
    match op {
        Op::Read => 0,
        Op::Write => 1,
        Op::Flush => 2,
        Op::Discard => 3,
        Op::WriteZeroes => 4,
    }
}

const OPS: [&str; 5] = ["reads", "writes", "flushes", "discards", "write zeroes"];

struct Sum {
    ios: [u64; 5],
    bytes: [u128; 5],
    fua: u64,
    empty: u64,
    clock: Clock,
    /// Of all stamps.
    span_ns: Option<(u64, u64)>,
    end_bytes: u64,
    /// I/Os of each device.
    devices: Vec<u64>,
    /// Reads, writes and discards of 2ⁿ⁻¹ < length ≤ 2ⁿ bytes.
    sizes: [u64; 65],
}

impl Default for Sum {
    fn default() -> Self {
        Sum {
            ios: [0; 5],
            bytes: [0; 5],
            fua: 0,
            empty: 0,
            clock: Clock::default(),
            span_ns: None,
            end_bytes: 0,
            devices: Vec::new(),
            sizes: [0; 65],
        }
    }
}

impl Sum {
    fn add(&mut self, record: &Record) {
        let op = op_index(record.op);
        self.ios[op] += 1;
        self.bytes[op] += u128::from(record.len_bytes);
        self.fua += u64::from(record.fua);
        self.clock.at(record.at_ns);
        let at = record.at_ns;
        let (first, last) = self.span_ns.unwrap_or((at, at));
        self.span_ns = Some((first.min(at), last.max(at)));
        self.end_bytes = self.end_bytes.max(record.end_bytes());
        let device = record.device as usize;
        if self.devices.len() <= device {
            self.devices.resize(device + 1, 0);
        }
        self.devices[device] += 1;
        if record.op == Op::Flush {
            return;
        }
        match record.len_bytes {
            0 => self.empty += 1,
            len => self.sizes[64 - (len - 1).leading_zeros() as usize] += 1,
        }
    }

    fn print(&self, reader: &Reader, out: &mut dyn Write) -> io::Result<()> {
        let records = reader.records();
        let duration_ns = self.span_ns.map_or(0, |(first, last)| last - first);
        writeln!(out, "format      {} ({})", reader.title(), reader.packing())?;
        writeln!(out, "records     {records}")?;
        for (name, (ios, bytes)) in OPS.iter().zip(self.ios.iter().zip(&self.bytes)) {
            if *ios > 0 || matches!(*name, "reads" | "writes") {
                writeln!(out, "  {name:<10}{ios:<12} {}", bytes_shown(*bytes))?;
            }
        }
        for (name, n) in [
            ("fua", self.fua),
            ("empty", self.empty),
            ("others", reader.others()),
            ("backwards", self.clock.backwards()),
        ] {
            if n > 0 || name == "others" {
                writeln!(out, "  {name:<10}{n:<12} {}", explained(name))?;
            }
        }
        writeln!(out, "duration    {} s", seconds(duration_ns))?;
        if duration_ns >= NS_PER_S {
            let milli =
                u128::from(records) * 1_000 * u128::from(NS_PER_S) / u128::from(duration_ns);
            writeln!(out, "mean rate   {}.{:03}/s", milli / 1_000, milli % 1_000)?;
        }
        writeln!(
            out,
            "end         byte {} ({})",
            self.end_bytes,
            bytes_shown(u128::from(self.end_bytes))
        )?;
        self.print_devices(reader, out)?;
        self.print_sizes(out)
    }

    fn print_devices(&self, reader: &Reader, out: &mut dyn Write) -> io::Result<()> {
        let mut busiest: Vec<(u64, usize)> = self
            .devices
            .iter()
            .enumerate()
            .filter(|(_, ios)| **ios > 0)
            .map(|(id, ios)| (*ios, id))
            .collect();
        busiest.sort_by_key(|(ios, id)| (std::cmp::Reverse(*ios), *id));
        writeln!(out, "devices     {}", busiest.len())?;
        for (ios, id) in busiest.iter().take(DEVICES_SHOWN) {
            writeln!(out, "  {:<20}{ios} I/Os", reader.device(*id as u32))?;
        }
        if busiest.len() > DEVICES_SHOWN {
            writeln!(out, "  … and {} with fewer", busiest.len() - DEVICES_SHOWN)?;
        }
        Ok(())
    }

    fn print_sizes(&self, out: &mut dyn Write) -> io::Result<()> {
        let most = self.sizes.iter().copied().max().unwrap_or(0);
        if most == 0 {
            return Ok(());
        }
        writeln!(out, "sizes       up to")?;
        let used = |n: &u64| *n > 0;
        let from = self.sizes.iter().position(used).unwrap_or(0);
        let to = self.sizes.iter().rposition(used).unwrap_or(0);
        for (power, n) in self.sizes.iter().enumerate().take(to + 1).skip(from) {
            let width = (u128::from(*n) * u128::from(BAR_WIDTH)).div_ceil(u128::from(most));
            let line = format!(
                "  {:<10}{n:<12} {}",
                bytes_shown(1 << power),
                "#".repeat(width as usize)
            );
            writeln!(out, "{}", line.trim_end())?;
        }
        Ok(())
    }
}

fn explained(name: &str) -> &'static str {
    match name {
        "fua" => "writes with force unit access",
        "empty" => "reads and writes of 0 bytes: a replay skips them",
        "others" => "entries that are no I/O by the format's definition",
        _ => "stamps earlier than one before them: a replay sets them to the latest",
    }
}

fn seconds(ns: u64) -> String {
    format!("{}.{:09}", ns / NS_PER_S, ns % NS_PER_S)
}

/// `1.5 GiB`: three digits are enough for a person.
fn bytes_shown(bytes: u128) -> String {
    const UNITS: [&str; 7] = ["B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
    let mut unit = 0;
    let mut scale = 1u128;
    while unit + 1 < UNITS.len() && bytes >= scale << 10 {
        scale <<= 10;
        unit += 1;
    }
    let tenths = bytes * 10 / scale;
    match tenths % 10 {
        0 => format!("{} {}", tenths / 10, UNITS[unit]),
        tenth => format!("{}.{tenth} {}", tenths / 10, UNITS[unit]),
    }
}
